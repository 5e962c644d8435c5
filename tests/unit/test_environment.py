"""One list of dependencies: pyproject.toml; the conda files repeat it."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
# The workflow and its report, which jobs do not import.
NOT_IN_JOBS = {"snakemake", "pygments", "pandas"}


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
    needed = bounds(PROJECT["dependencies"]) | {"python": PROJECT["requires-python"]}
    assert own == {name: bound for name, bound in needed.items() if name not in NOT_IN_JOBS}
    assert pip == []
