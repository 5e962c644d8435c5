"""One list of dependencies: pyproject.toml; conda files and lock repeat it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# The workflow and its report, which jobs do not import.
NOT_IN_JOBS = {"snakemake", "pygments", "pandas"}
# Packages by what they are imported as, where that differs, or that come with another one.
PACKAGES = {"yaml": "pyyaml", "botocore": "boto3", "hdmf": "pynwb"}
LOCK = REPOSITORY / "requirements.lock"


def conda(path: str) -> tuple[dict[str, str], list[str]]:
    """Bounds by name, and what pip installs."""
    entries = yaml.safe_load((REPOSITORY / path).read_text())["dependencies"]
    named = [entry for entry in entries if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)] or [[]]
    return bounds(named), pip


def bounds(entries: list[str]) -> dict[str, str]:
    split = (re.fullmatch(r"([\w.-]+)(.*)", entry) for entry in entries)
    return {match[1].lower(): match[2].replace(" ", "") for match in split}


def test_environment_yml_and_pyproject_agree():
    own, pip = conda("environment.yml")
    expected = bounds(PROJECT["dependencies"]) | {"python": PROJECT["requires-python"], "pip": ""}
    assert own == expected
    assert pip == ["-e .[test]"]


def test_the_environment_of_the_jobs_and_pyproject_agree():
    own, pip = conda("workflow/envs/spikelab.yaml")
    needed = bounds(PROJECT["dependencies"] + EXTRAS["spikeinterface"])
    needed["python"] = PROJECT["requires-python"]
    assert own == {name: bound for name, bound in needed.items() if name not in NOT_IN_JOBS}
    assert pip == []


def imported(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_the_environment_of_the_jobs_has_what_they_import():
    files = [*REPOSITORY.glob("spikelab/**/*.py"), *REPOSITORY.glob("workflow/scripts/*.py")]
    foreign = set.union(*map(imported, files)) - sys.stdlib_module_names - {"spikelab"}
    own, _ = conda("workflow/envs/spikelab.yaml")
    assert {PACKAGES.get(name, name) for name in foreign} == set(own) - {"python"}


def pins() -> dict[str, list[str]]:
    """Versions by name in the lock: several, where they differ by Python or platform."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^ ;]+)", LOCK.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


def test_everything_in_the_lock_has_hashes_and_nothing_else():
    text = "".join(
        line for line in LOCK.read_text().splitlines(keepends=True) if not line.startswith("#")
    )
    pin = r"[\w.-]+==[\w.]+( ; [\w.<>=!'() ]+)?"
    hashes = r"( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(rf"({pin}{hashes})+", text)
    assert LOCK.stat().st_size < 1_000_000


@pytest.mark.parametrize("extra", [None, *(name for name in EXTRAS if name != "test")])
def test_the_lock_is_within_the_bounds_of_pyproject(extra):
    for entry in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        requirement = Requirement(entry)
        versions = pins().get(requirement.name, [])
        assert versions, f"{entry} is missing: make lock"
        assert all(map(requirement.specifier.contains, versions)), f"{entry}: make lock"


def test_the_image_is_made_of_the_lock_and_of_files_that_are_there():
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert "install --require-hashes --requirement requirements.lock" in dockerfile
    ignore = (REPOSITORY / ".dockerignore").read_text().splitlines()
    taken = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert {name for name in taken if not (REPOSITORY / name).exists()} == set()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.MULTILINE)
    assert {name for names in copied for name in names.split()} <= taken | {"."}


def test_the_workflow_catalog_finds_what_it_looks_for():
    catalog = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())
    assert set(catalog) == {"usage"}
    usage = catalog["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    # Conda is offered, so every rule that runs something names its environment.
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": False}
    for rules in REPOSITORY.glob("workflow/rules/*.smk"):
        text = rules.read_text()
        assert text.count("    script:\n") == text.count('        "../envs/spikelab.yaml"\n')
    for name in ("README.md", "LICENSE", "workflow/Snakefile", "config/config.yaml"):
        assert (REPOSITORY / name).stat().st_size > 0
    assert "config.yaml" in (REPOSITORY / "config" / "README.md").read_text()
