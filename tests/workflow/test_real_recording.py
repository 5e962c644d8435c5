"""A real curated recording through the whole workflow, every spike in every format."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from spikelab import convert
from spikelab.spikedata.attributes import unit_ids
from tests.workflow.conftest import SUFFIXES, Project

FS_HZ = 30_000
IDS = [6, 191, 206]


@pytest.fixture(scope="module")
def samples(real_recording):
    """Sample numbers of each unit, read with h5py alone."""
    with h5py.File(real_recording) as file:
        ends = file["units/spike_times_index"][:]
        times_s = np.split(file["units/spike_times"][:], ends[:-1])
        assert file["units/id"][:].tolist() == IDS
    assert sum(map(len, times_s)) == 21_354
    numbers = [np.rint(unit * FS_HZ).astype(np.int64) for unit in times_s]
    # The file's times are whole samples, rounded to the microsecond.
    assert all(np.abs(n / FS_HZ - t).max() < 1e-6 for n, t in zip(numbers, times_s))
    return numbers


@pytest.fixture(scope="module")
def project(real_recording, tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("real"))
    made.sheet(f"A8604-211122 {real_recording} nwb {FS_HZ} .")
    made.config("sessions: config/sessions.tsv\n")
    done = made.run()
    assert done.code == 0, done.text
    return made


def test_the_raster_has_every_spike_in_its_bin(project, real_recording):
    with h5py.File(real_recording) as file:
        ends = file["units/spike_times_index"][:]
        # Whole microseconds, so that no rounding decides about a bin.
        times_us = np.split(np.rint(file["units/spike_times"][:] * 1e6).astype(int), ends[:-1])
    with h5py.File(project.result("A8604-211122", ".raster.h5")) as file:
        raster = file["raster"][:]
        assert file["raster"].attrs["bin_size_ms"] == 1.0
        assert file["raster"].attrs["time_origin_ms"] == 0.0
        assert file.attrs["unit_ids"].tolist() == IDS
    last = raster.shape[1] - 1
    for row, unit_us in zip(raster, times_us, strict=True):
        bins = np.minimum(unit_us // 1000, last)
        np.testing.assert_array_equal(row, np.bincount(bins, minlength=last + 1))


@pytest.mark.parametrize("suffix", [one for one in SUFFIXES if one != ".raster.h5"])
def test_every_spike_of_every_unit(project, samples, suffix):
    back = convert.load(project.result("A8604-211122", suffix))
    assert unit_ids(back.neuron_attributes, back.N) == IDS
    for train, expected in zip(back.train, samples, strict=True):
        np.testing.assert_array_equal(np.rint(train * FS_HZ / 1000), expected)
