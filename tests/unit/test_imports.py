"""Layers, and what is imported when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "spikelab"
HEAVY = ("pynwb", "hdmf", "boto3", "botocore", "scipy", "pandas", "matplotlib", "snakemake")

# From low to high. A module imports its own layer and lower ones.
LAYERS = [
    ["spikelab.errors", "spikelab.formats.registry", "spikelab.atomic", "spikelab.formats"],
    ["spikelab.units", "spikelab.trains", "spikelab.binning", "spikelab.metadata"],
    ["spikelab.spikedata"],
    ["spikelab.formats."],
    [
        "spikelab.convert",
        "spikelab.compare",
        "spikelab.s3",
        "spikelab.summary",
    ],
]
TOP = len(LAYERS)
STANDARD_LIBRARY_ONLY = 0
NUMPY_ONLY = (1, 2)
# SpikeData.to_hdf5 and its like, which the specification asks for.
UPWARD = {("spikelab.spikedata.spikedata", "spikelab.data_loaders.data_exporters")}

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def layer_of(module: str) -> int:
    for level, names in enumerate(LAYERS):
        for name in names:
            if module == name or (name != "spikelab.formats" and in_package(module, name)):
                return level
    return TOP


def in_package(module: str, name: str) -> bool:
    return module.startswith(name if name.endswith(".") else name + ".")


def imports_of(module: str, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(MODULES[module].read_text())
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_lower_layers_never_import_upper_ones(module):
    if module == "spikelab":
        return  # the front door shows what is inside
    own = {name for name in imports_of(module) if name in MODULES and name != "spikelab"}
    upward = {name for name in own if layer_of(name) > layer_of(module)}
    assert upward <= {upper for lower, upper in UPWARD if lower == module}


@pytest.mark.parametrize(
    "module", [name for name in MODULES if layer_of(name) <= max(NUMPY_ONLY) and name != "spikelab"]
)
def test_low_layers_need_little(module):
    outside = {name.split(".")[0] for name in imports_of(module, top_level_only=True)}
    allowed = set() if layer_of(module) == STANDARD_LIBRARY_ONLY else {"numpy"}
    assert outside - set(sys.stdlib_module_names) - {"spikelab"} <= allowed


def run(code: str, folder: Path) -> list[str]:
    """Run in a fresh Python; return which heavy modules it has imported."""
    code += f"\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return ast.literal_eval(done.stdout.splitlines()[-1])


def test_the_measure_sees_heavy_modules(tmp_path):
    assert run("import scipy.sparse", tmp_path) == ["scipy"]


@pytest.mark.parametrize(
    "module", ["spikelab", "spikelab.data_loaders.data_exporters", "spikelab.formats.registry"]
)
def test_importing_is_light(module, tmp_path):
    assert run(f"import {module}", tmp_path) == []


@pytest.mark.parametrize("style", ["ragged", "raster", "group", "paired"])
def test_hdf5_is_light(style, tmp_path):
    size = ", raster_bin_size_ms=1" if style == "raster" else ""
    code = f"""
from spikelab import SpikeData
from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5
from spikelab.data_loaders.data_loaders import load_spikedata_from_hdf5
sd = SpikeData([[1.0], []], length=5, neuron_attributes=[{{"unit_id": 3}}, {{"unit_id": 9}}])
export_spikedata_to_hdf5(sd, "a.h5", style={style!r}{size})
assert load_spikedata_from_hdf5("a.h5").N == 2
"""
    assert run(code, tmp_path) == []


def test_pickle_is_light(tmp_path):
    code = """
from spikelab import SpikeData
from spikelab.data_loaders.data_exporters import export_to_pickle
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
assert load_spikedata_from_pickle(export_to_pickle(SpikeData([[1.0]]), "a.pkl")).N == 1
"""
    assert run(code, tmp_path) == []
