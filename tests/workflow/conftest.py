"""Real Snakemake runs on tiny sessions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from spikelab import SpikeData, convert
from tests.conftest import REPOSITORY

FORMATS = ("pickle", "hdf5_ragged", "hdf5_raster", "hdf5_group", "hdf5_paired", "nwb", "kilosort")
SUFFIXES = (".pkl", ".ragged.h5", ".raster.h5", ".group.h5", ".paired.h5", ".nwb", "_kilosort")
DOORS = {"root": REPOSITORY / "Snakefile", "workflow": REPOSITORY / "workflow" / "Snakefile"}


@dataclass
class Result:
    """What a run of Snakemake said."""

    code: int
    text: str

    @property
    def jobs(self) -> dict[str, int]:
        """Planned jobs by rule, from the table that Snakemake prints."""
        rows = re.findall(r"^(\w+) +(\d+)$", self.text, re.MULTILINE)
        aims = {"all", "everything", "total", *FORMATS}
        return {rule: int(count) for rule, count in rows if rule not in aims}


@dataclass
class Project:
    """A working directory with a sheet, a configuration and sources."""

    folder: Path

    def sheet(self, *rows: str, columns: str = "session source format fs_hz exports") -> None:
        """Write the sheet; cells are separated by blanks here, '.' is a blank cell."""
        lines = [columns, *rows]
        cells = [[cell if cell != "." else "" for cell in line.split()] for line in lines]
        self.raw_sheet("\n".join("\t".join(line) for line in cells) + "\n")

    def raw_sheet(self, text: str) -> None:
        (self.folder / "config").mkdir(exist_ok=True)
        (self.folder / "config" / "sessions.tsv").write_text(text, encoding="utf-8")

    def config(self, text: str) -> None:
        (self.folder / "config").mkdir(exist_ok=True)
        (self.folder / "config" / "config.yaml").write_text(text, encoding="utf-8")

    def source(self, name: str, seed: int = 0, **changes) -> Path:
        """Pickle a tiny session as a source."""
        path = self.folder / "data" / f"{name}.pkl"
        convert.save(tiny_session(seed, **changes), path)
        return path

    def run(
        self, *arguments: str, door: str = "root", cwd: Path | None = None, cores: int = 2, **env
    ) -> Result:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(DOORS[door])]
        done = subprocess.run(
            [*command, "--cores", str(cores), *arguments],
            cwd=cwd or self.folder,
            env={**_clean_environment(), **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        return Result(done.returncode, done.stdout)

    def result(self, session: str, suffix: str) -> Path:
        return self.folder / "results" / session / f"{session}{suffix}"


def _clean_environment() -> dict[str, str]:
    names = ("PYTHONPATH", "PYTHONWARNINGS")
    return {name: value for name, value in os.environ.items() if name not in names}


def tiny_session(seed: int = 0, **changes) -> SpikeData:
    """Three units at 20 kHz, one of them silent, on whole samples."""
    rng = np.random.default_rng(seed)
    train = [np.sort(rng.choice(20_000, 30, replace=False)) / 20.0, [], [100.0 + seed]]
    settings = {
        "length": 1200.0,
        "neuron_attributes": [{"unit_id": i, "electrode": 2 * i} for i in (4, 9, 2)],
        "metadata": {"fs_Hz": 20_000.0, "session_start_time": "2024-03-05T14:30:00+01:00"},
    }
    return SpikeData(train, **(settings | changes))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
