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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_spike_of_every_unit(project, samples, suffix):
    back = convert.load(project.result("A8604-211122", suffix))
    assert back.N == 3
    if suffix == ".raster.h5":
        counts = back.raster(1.0)
        expected = [
            np.bincount(np.floor(unit / 30 + 1e-9).astype(int), minlength=counts.shape[1])
            for unit in samples
        ]
        shift = np.floor(back.start_time)
        assert shift == back.start_time
        for unit, row in zip(expected, counts):
            assert row.sum() == unit.sum()
        return
    assert unit_ids(back.neuron_attributes, back.N) == IDS
    for train, expected in zip(back.train, samples):
        np.testing.assert_array_equal(np.rint(train * FS_HZ / 1000), expected)
