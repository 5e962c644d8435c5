"""Sorting results of the SpikeLab library: it and we read the same in them."""

from __future__ import annotations

import numpy as np
import pytest

from spikelab import convert

FS_HZ = 20_000.0
SAMPLES = {4: [40, 200, 401], 9: [], 12: [7, 8, 9]}


def unit(number: int, unit_id: int, *, everything: bool) -> dict:
    """One entry as the library's sorting pipeline compiles it."""
    found = {
        "unit_id": np.int64(unit_id),
        "spike_train": np.array(SAMPLES[unit_id], dtype=np.int64),
        "x_max": np.float64(17.5 * number),
        "y_max": np.float64(35.0),
        "template": np.full((30, 4), number, np.float32),
    }
    if everything:
        found |= {
            "sorted_index": number,
            "max_channel_si": number,
            "max_channel_id": np.str_(f"c{number}"),
            "peak_sign": "negative",
            "peak_ind": np.array([15, 14, 15, 15]),
            "amplitudes": np.arange(len(SAMPLES[unit_id]), dtype=np.float64),
            "std_norms": np.array([0.1, 0.2, 0.3, 0.4]),
            "electrode": np.int64(100 + number),
        }
    return found


@pytest.mark.parametrize("everything", [False, True])
def test_both_read_the_same(spikelab_library, tmp_path, everything):
    path = tmp_path / "sorted.npz"
    units = [unit(n, one, everything=everything) for n, one in enumerate(SAMPLES)]
    np.savez(path, units=units, locations=np.arange(8.0).reshape(4, 2), fs=FS_HZ)
    theirs = spikelab_library.load("load_spikedata_from_spikelab_sorted_npz", path)
    ours = convert.load(path)
    for samples, mine, other in zip(SAMPLES.values(), ours.train, theirs["train"], strict=True):
        assert np.rint(mine * FS_HZ / 1000).astype(int).tolist() == samples
        assert np.allclose(mine, other, rtol=0, atol=1e-9)
    assert ours.length == theirs["length_ms"]
    for mine, other in zip(ours.neuron_attributes, theirs["attributes"], strict=True):
        assert mine.keys() == other.keys()
        for name, value in other.items():
            assert np.asarray(mine[name]).tolist() == value
