"""Sessions and places that all tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikelab import SpikeData

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_recording() -> Path:
    """A real curated recording, where it lies beside the checkout."""
    path = SHARED / "data" / "A8604-211122.nwb"
    if not path.exists():
        pytest.skip(f"no real recording: put one at {path}")
    return path


def make_hard_session(**changes) -> SpikeData:
    """What exporters stumble over, in one session at 30 kHz, on whole samples.

    Gap ids out of order, a silent unit in the middle, two units on one electrode, two probes,
    a start that is not zero, ten seconds of silence at the end, attributes of every kind.
    """
    rng = np.random.default_rng(20)
    fs_Hz, start_s, stop_s = 30_000, 12, 42
    ids = [3, 7, 50, 11, 20, 21]
    counts = [400, 250, 31, 0, 1, 90]
    train = [
        np.sort(rng.choice(np.arange(start_s * fs_Hz, (stop_s - 10) * fs_Hz), n, replace=False))
        * 1000
        / fs_Hz
        for n in counts
    ]
    channels = [4, 4, 9, 10, 0, 12]
    labels = ["good", "good", "mua", "good", "noise", "mua"]
    attributes = [
        {
            "unit_id": ids[i],
            "electrode": channels[i],
            "location": [16.0 * (channels[i] % 2), 20.0 * channels[i], 0.0],
            "probe": "A" if channels[i] < 8 else "B",
            "group": labels[i],
            "snr": 2.5 + i,
            "is_inhibitory": i % 2 == 0,
            "waveform": np.sin(np.arange(40) / 6 + i).astype(np.float32),
        }
        for i in range(len(ids))
    ]
    settings = {
        "start_time": start_s * 1000.0,
        "length": (stop_s - start_s) * 1000.0,
        "neuron_attributes": attributes,
        "metadata": {
            "fs_Hz": float(fs_Hz),
            "session_start_time": "2024-03-05T14:30:00+01:00",
            "subject_id": "culture-7",
            "species": "Mus musculus",
        },
    }
    return SpikeData(train, **(settings | changes))


@pytest.fixture
def hard_session() -> SpikeData:
    """See :func:`make_hard_session`."""
    return make_hard_session()
