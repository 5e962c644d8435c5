"""The workflow as a module of another one, which has its own rules, configuration and sheet."""

from __future__ import annotations

import shutil
import subprocess

import h5py
import pytest

from spikelab import SpikeData, convert
from tests.conftest import REPOSITORY
from tests.workflow.conftest import Project, Result

# The lab's own workflow: its own targets come first, and count the spikes of each NWB file.
SNAKEFILE = """
configfile: "settings/lab.yaml"


rule all:
    input:
        expand("counts/{{session}}.txt", session=config["count"]),


module spikelab:
    snakefile:
        {snakefile}
    config:
        {config}
    {prefix}


use rule * from spikelab {how}


rule count:
    input:
        "results/{{session}}/{{session}}.nwb",
    output:
        "counts/{{session}}.txt",
    script:
        "count.py"


onstart:
    spikelab.onstart()


onsuccess:
    spikelab.onsuccess()


onerror:
    spikelab.onerror()
"""
COUNT = """
import h5py

with h5py.File(snakemake.input[0]) as file, open(snakemake.output[0], "w") as counts:
    print(file["units/spike_times"].size, file=counts)
"""
SETTINGS = """
count: [a, b]
spikelab:
  sessions: settings/recordings.tsv
  formats: [nwb, hdf5_raster]
  hdf5_raster:
    raster_bin_size_ms: 5.0
"""
RENAMED = "as spikelab_*"
MODULE = {
    "snakefile": repr(str(REPOSITORY / "workflow" / "Snakefile")),
    "config": 'config["spikelab"]',
    "how": RENAMED,
    "prefix": "",
}
HOSTED = 'github("lab/export", path="workflow/Snakefile", tag="v1")'


class Lab(Project):
    """A working directory with a workflow of its own."""

    def setup(self, **changes: str) -> None:
        text = SNAKEFILE.format(**(MODULE | changes))
        files = {"Snakefile": text, "count.py": COUNT, "settings/lab.yaml": SETTINGS}
        files["settings/recordings.tsv"] = "session\tsource\tformat\n" + "".join(
            f"{name}\tdata/{name}.pkl\tpickle\n" for name in "ab"
        )
        for name, content in files.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(content, encoding="utf-8")

    def snakemake(self, *arguments: str, **env: str) -> Result:
        return self.run("--snakefile", "Snakefile", *arguments, **env)


@pytest.fixture
def lab(tmp_path) -> Lab:
    lab = Lab(tmp_path)
    lab.setup()
    lab.source("a", seed=1)
    metadata = {"session_start_time": "2024-03-05T14:30:00+01:00"}
    two_spikes = SpikeData([[1.0, 2.0], []], length=1200.0, metadata=metadata)
    convert.save(two_spikes, lab.folder / "data" / "b.pkl")
    return lab


@pytest.mark.parametrize(("how", "prefix"), [(RENAMED, "spikelab_"), ("exclude all", "")])
def test_only_what_the_other_workflow_asks_for_is_planned(lab, how, prefix):
    lab.setup(how=how)
    planned = lab.snakemake("--dry-run")
    assert planned.code == 0, planned.text
    assert planned.jobs == {f"{prefix}ingest": 2, f"{prefix}export_nwb": 2, "count": 2}


def test_rules_downstream_take_the_exports(lab):
    made = lab.snakemake()
    assert made.code == 0, made.text
    counts = [(lab.folder / "counts" / f"{name}.txt").read_text() for name in "ab"]
    assert counts == ["31\n", "2\n"]
    assert "2 exports of 2 sessions" in made.text
    assert "Nothing to be done" in lab.snakemake().text


def test_the_settings_are_those_under_its_key(lab):
    made = lab.snakemake("spikelab_hdf5_raster")
    assert made.code == 0, made.text
    with h5py.File(lab.result("a", ".raster.h5")) as file:
        assert file["raster"].shape == (3, 1200 / 5)
    # The command line of the other workflow reaches them, too.
    option = ("--config", "spikelab={hdf5_raster: {raster_bin_size_ms: 2}}")
    changed = lab.snakemake("--dry-run", "spikelab_hdf5_raster", *option)
    assert changed.jobs["spikelab_export_hdf5"] == 2
    assert "spikelab_ingest" not in changed.jobs


def test_a_session_that_fails_is_named(lab):
    (lab.folder / "data" / "b.pkl").write_bytes(b"no pickle")
    failed = lab.snakemake("--keep-going")
    assert failed.code != 0
    assert "Sessions that failed: 1" in failed.text
    assert (lab.folder / "counts" / "a.txt").exists()


def test_foreign_keys_are_refused(lab):
    lab.setup(config="config")
    refused = lab.snakemake("--dry-run")
    assert refused.code != 0
    assert "Nothing was started" in refused.text
    assert "count" in refused.text and "spikelab" in refused.text


def test_a_prefix_is_refused(lab):
    lab.setup(prefix='prefix: "lab"')
    refused = lab.snakemake("--dry-run")
    assert refused.code != 0
    assert "Remove prefix" in refused.text


@pytest.fixture
def hosted(tmp_path) -> dict[str, str]:
    """Variables that make git find the workflow here when it is asked for the one on a server."""
    copy = tmp_path / "server" / "export"
    shutil.copytree(REPOSITORY / "workflow", copy / "workflow", symlinks=True)
    who = ("-c", "user.name=lab", "-c", "user.email=lab@example.org", "-c", "commit.gpgsign=false")
    for command in (["init"], ["add", "."], [*who, "commit", "-m", "all"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=copy, check=True, capture_output=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{copy}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/lab/export",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def test_a_workflow_on_a_server_runs_where_the_library_is_installed(lab, hosted):
    lab.setup(snakefile=HOSTED)
    made = lab.snakemake("counts/a.txt", **hosted, PYTHONPATH=str(REPOSITORY))
    assert made.code == 0, made.text
    assert (lab.folder / "counts" / "a.txt").read_text() == "31\n"
    assert not (lab.folder / "counts" / "b.txt").exists()
