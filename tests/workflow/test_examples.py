"""The examples are what their script makes, and look like cultures."""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spikelab import convert
from spikelab.compare import differences
from tests.conftest import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    make(folder, PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    return folder


def make(folder: Path, **environment: str) -> None:
    command = [sys.executable, str(EXAMPLES / "make_examples.py"), str(folder)]
    subprocess.run(command, check=True, env={**os.environ, **environment})


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)) for path in found if "__pycache__" not in path.parts}
    return sorted(names - {"make_examples.py"})


def test_the_script_makes_the_same_bytes_each_time(made, tmp_path):
    make(tmp_path, PYTHONHASHSEED="8", TZ="America/Lima")
    names = files(made)
    assert filecmp.cmpfiles(made, tmp_path, names, shallow=False) == (names, [], [])


def test_the_delivered_files_are_what_the_script_makes(made):
    names = files(made)
    assert names == files(EXAMPLES)
    # In these two, other versions of the libraries that write them give other bytes.
    by_content = {"slice.ragged.h5", "treated.nwb"}
    by_bytes = sorted(set(names) - by_content)
    assert filecmp.cmpfiles(made, EXAMPLES, by_bytes, shallow=False) == (by_bytes, [], [])
    for name in by_content:
        assert differences(convert.load(made / name), convert.load(EXAMPLES / name)) == []


def test_they_are_small():
    assert sum((EXAMPLES / name).stat().st_size for name in files(EXAMPLES)) < 2_000_000


@pytest.mark.parametrize("name", ["culture.pkl", "slice.ragged.h5", "probe_phy", "treated.nwb"])
def test_they_fire_like_cultures(name):
    sd = convert.load(EXAMPLES / name)
    counts = np.array([times.size for times in sd.train])
    assert (counts == 0).sum() == 1
    assert counts.max() / counts[counts > 0].min() > 100
    assert min(np.diff(times).min() for times in sd.train if times.size > 1) >= 2.0
    # Network bursts: some 100 ms hold many times the spikes of an average one.
    network = sd.raster(100.0).sum(axis=0)
    assert network.max() > 8 * network.mean()
    assert sd.unit_locations is not None
    assert sd.metadata["fs_Hz"] in (20_000.0, 30_000.0)
