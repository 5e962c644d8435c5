"""Make the example sessions: small, seeded, with the statistics of cultured networks.

    python examples/make_examples.py [FOLDER]

The same bytes come out every time. Every session is made by the same model: each unit fires at
its own rate (log-normal over about two decades), the network bursts together, no unit fires
within its refractory period, and one unit is silent.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from spikelab import SpikeData, convert

FS_HZ = 20_000.0
REFRACTORY_MS = 2.5
PITCH_UM = 60.0


def refractory(samples: np.ndarray, gap: int) -> np.ndarray:
    """Drop the spikes that follow another one of the same unit within `gap` samples."""
    samples = np.sort(samples)
    return samples[np.diff(samples, prepend=-gap) >= gap]


def burst_times(rng: np.random.Generator, length_s: float) -> np.ndarray:
    """Starts (s) of network bursts, about one in eight seconds, never closer than two."""
    intervals = 2.0 + rng.exponential(6.0, size=int(length_s))
    starts = np.cumsum(intervals)
    return starts[starts < length_s - 1.0]


def spike_samples(
    rng: np.random.Generator, n_units: int, length_s: float, fs_Hz: float, silent: int
) -> list[np.ndarray]:
    """Spike samples of each unit: tonic firing, and bursts that all units join."""
    rates_Hz = np.clip(rng.lognormal(np.log(0.4), 2.1, size=n_units), 0.04, 8.0)
    bursts = burst_times(rng, length_s)
    gap = int(np.ceil(REFRACTORY_MS * fs_Hz / 1000))
    train = []
    for unit, rate_Hz in enumerate(rates_Hz):
        tonic = rng.uniform(0, length_s, size=rng.poisson(rate_Hz * length_s))
        n_each = rng.poisson(min(4 * rate_Hz, 20), size=bursts.size)
        starts = np.repeat(bursts + rng.exponential(0.02, size=bursts.size), n_each)
        inside = starts + rng.gamma(2.0, 0.06, size=starts.size)
        times = np.concatenate([tonic, inside])
        samples = np.floor(times[times < length_s] * fs_Hz).astype(np.int64)
        train.append(refractory(samples, gap) if unit != silent else samples[:0])
    return train


def make_session(seed: int, n_units: int, length_s: float, *, fs_Hz: float = FS_HZ, **metadata):
    """A sorted session with ids, electrodes, places and quality."""
    rng = np.random.default_rng(seed)
    samples = spike_samples(rng, n_units, length_s, fs_Hz, silent=n_units // 2)
    channels = np.sort(rng.choice(59, size=n_units, replace=True))
    ids = np.sort(rng.choice(np.arange(1, 5 * n_units), size=n_units, replace=False))
    labels = ["good", "mua", "noise"]
    attributes = [
        {
            "unit_id": int(ids[unit]),
            "electrode": int(channels[unit]),
            "location": [PITCH_UM * (channels[unit] % 8), PITCH_UM * (channels[unit] // 8)],
            "group": labels[int(rng.choice(3, p=[0.7, 0.2, 0.1]))],
            "snr": round(float(rng.gamma(6.0, 1.2)), 3),
        }
        for unit in range(n_units)
    ]
    return SpikeData(
        [unit * 1000 / fs_Hz for unit in samples],
        length=length_s * 1000,
        neuron_attributes=attributes,
        metadata={"fs_Hz": fs_Hz, **metadata},
    )


def spike_shape(fs_Hz: float) -> np.ndarray:
    """A biphasic spike of 2 ms, its trough at -1."""
    t_ms = np.arange(int(0.002 * fs_Hz)) * 1000 / fs_Hz
    return -np.exp(-(((t_ms - 0.5) / 0.15) ** 2)) + 0.35 * np.exp(-(((t_ms - 1.0) / 0.3) ** 2))


def traces(seed: int, train: list[np.ndarray], n_samples: int, fs_Hz: float) -> np.ndarray:
    """Raw voltages, (channels, samples), int16, one unit on each channel."""
    rng = np.random.default_rng(seed)
    shape = spike_shape(fs_Hz)
    # Coarse steps, as of a converter with few bits, keep the file small.
    raw = rng.normal(0.0, 4.0, size=(len(train), n_samples + shape.size))
    for channel, samples in enumerate(train):
        amplitude = 60.0 * (0.8 + 0.2 * rng.random())
        for lag, value in enumerate(shape):
            raw[channel, samples + lag] += amplitude * value
    return np.rint(raw[:, :n_samples]).astype(np.int16)


def add_traces(sd: SpikeData, seed: int, n_channels: int, length_s: float) -> SpikeData:
    """The session with raw traces of its first units' channels, from its start."""
    fs_Hz = sd.metadata["fs_Hz"]
    n_samples = int(length_s * fs_Hz)
    samples = [np.rint(unit * fs_Hz / 1000).astype(np.int64) for unit in sd.train[:n_channels]]
    samples = [unit[unit < n_samples] for unit in samples]
    return SpikeData(
        sd.train,
        length=sd.length,
        neuron_attributes=sd.neuron_attributes,
        metadata=sd.metadata,
        raw_data=traces(seed, samples, n_samples, fs_Hz),
        raw_time=fs_Hz / 1000,
    )


def write_voltages(path: Path) -> None:
    """Raw traces alone, as an acquisition system leaves them: no spikes, no rate."""
    import h5py

    rng = np.random.default_rng(5)
    fs_Hz, length_s = 20_000.0, 4.0
    train = spike_samples(rng, 4, length_s, fs_Hz, silent=2)
    with h5py.File(path, "w") as file:
        file["traces"] = traces(6, train, int(length_s * fs_Hz), fs_Hz)
        file["traces"].attrs["unit"] = "microvolt"


CULTURE = {
    "species": "Mus musculus",
    "sex": "U",
    "subject_description": "Cortical neurons, dissociated at E18, on a multi-electrode array",
    "institution": "Example University",
    "lab": "Example Lab",
    "experimenter": "Doe, Jane",
    "experiment_description": "Spontaneous activity of a culture",
    "device_name": "MEA",
    "device_description": "Multi-electrode array, 60 electrodes, pitch 60 um",
    "electrode_location": "root",
}


def main(folder: Path) -> None:
    """Make all example sessions in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "probe_phy", ignore_errors=True)
    culture = make_session(
        1,
        24,
        120.0,
        **CULTURE,
        subject_id="culture-A",
        age="P21D",
        session_start_time="2024-03-05T14:30:00+01:00",
        session_description="Baseline, 21 days in vitro",
    )
    convert.save(add_traces(culture, 11, 3, 2.0), folder / "culture.pkl")
    convert.save(make_session(2, 16, 180.0), folder / "slice.ragged.h5")
    curated = make_session(3, 20, 150.0, fs_Hz=30_000.0)
    convert.save(curated, folder / "probe_phy", "kilosort")
    treated = make_session(
        4,
        18,
        90.0,
        **CULTURE,
        subject_id="culture-B",
        age="P24D",
        session_start_time="2024-03-08T09:15:00+01:00",
        session_description="After treatment, 24 days in vitro",
    )
    convert.save(treated, folder / "treated.nwb")
    write_voltages(folder / "voltages.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
