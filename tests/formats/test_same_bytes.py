"""Equal sessions give equal bytes, raw traces and all: in any process, hash seed and time zone."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from spikelab import SpikeData
from spikelab.formats import registry
from tests.conftest import REPOSITORY, make_hard_session
from tests.contract import content

RAW_HDF5 = {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time"}
EXPORTS = {
    "nwb": {"raw": True},
    "nwb compressed": {"raw": True, "compression": "gzip", "group": "cells"},
    "kilosort": {"fs_Hz": 30_000.0},
    "hdf5_ragged": RAW_HDF5,
    "hdf5_group": RAW_HDF5,
    "hdf5_paired": RAW_HDF5,
    "hdf5_raster": RAW_HDF5 | {"raster_bin_size_ms": 20.0},
    "pickle": {},
}
ENVIRONMENTS = [("0", "UTC"), ("1", "Asia/Tokyo"), ("77", "Etc/GMT+9")]


def loaded_session() -> SpikeData:
    """The hard session with traces, and with values that have no order of their own."""
    sd = make_hard_session()
    rng = np.random.default_rng(4)
    sd.raw_data = rng.integers(-500, 500, (4, 3000)).astype(np.int16)
    sd.raw_time = 12_000 + np.arange(3000) / 30
    for unit, times in zip(sd.neuron_attributes, sd.train, strict=True):
        unit["amplitudes"] = np.linspace(1, 2, len(times))
        unit["tags"] = {"a", "b", "cc", "ddd"}
    sd.metadata |= {"tags": {"x", "y", "zz"}, "rig": {"b": 1, "a": [2, 3]}}
    return sd


_EXPORT = """
import sys, warnings
from pathlib import Path
from spikelab import convert
from tests.formats.test_same_bytes import EXPORTS, loaded_session
warnings.simplefilter("ignore")
for name, options in EXPORTS.items():
    convert.save(loaded_session(), Path(sys.argv[1]) / name, name.split()[0], options)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = []
    for seed, zone in ENVIRONMENTS:
        made.append(tmp_path_factory.mktemp("exports"))
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone}
        command = [sys.executable, "-c", _EXPORT, str(made[-1])]
        subprocess.run(command, check=True, env=environment, cwd=REPOSITORY)
    return made


@pytest.mark.parametrize("name", EXPORTS)
def test_everywhere_the_same(folders, name):
    first, *others = [content(folder / name) for folder in folders]
    assert sum(map(len, first.values())) > 10_000
    for other in others:
        assert other == first


def test_no_export_is_left_out():
    assert {name.split()[0] for name in EXPORTS} == set(registry.EXPORTS)
