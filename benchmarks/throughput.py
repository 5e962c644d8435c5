"""How fast each format is written and read, against the raw disk.

Run ``make bench``, or ``python benchmarks/throughput.py --spikes 10000000 --units 500``. The
yardstick is ``numpy.save`` of the same spike times, followed by fsync as every export is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spikelab import SpikeData, convert
from spikelab.formats import registry

FS_HZ = 30_000.0
HOUR_MS = 3.6e6
OPTIONS = {"hdf5_raster": {"raster_bin_size_ms": 1.0}, "kilosort": {"fs_Hz": FS_HZ}}


def session(n_spikes: int, n_units: int) -> SpikeData:
    """One hour of independent units, on whole samples."""
    rng = np.random.default_rng(1)
    samples = rng.integers(0, int(HOUR_MS / 1000 * FS_HZ), n_spikes)
    return SpikeData.from_idces_times(
        rng.integers(0, n_units, n_spikes),
        samples * 1000 / FS_HZ,
        n_units,
        length=HOUR_MS,
        neuron_attributes=[{"unit_id": 2 * unit, "electrode": unit} for unit in range(n_units)],
        metadata={"fs_Hz": FS_HZ, "session_start_time": "2024-03-05T14:30:00+01:00"},
    )


def seconds(action: Callable[[], object], repeats: int) -> float:
    """Median duration of an action."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def save_array(times: np.ndarray, path: Path) -> None:
    """The yardstick: the bare spike times, on the disk."""
    with path.open("wb") as file:
        np.save(file, times)
        os.fsync(file.fileno())


def size_MB(path: Path) -> float:
    """Size of a file or folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in files) / 1e6


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spikes", type=int, default=10_000_000)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    settings = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    sd = session(settings.spikes, settings.units)
    flat = np.concatenate(sd.train)
    print("| format | write s | read s | MB |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        bare = Path(name) / "bare.npy"
        wrote = seconds(lambda: save_array(flat, bare), settings.repeats)
        read = seconds(lambda: np.load(bare), settings.repeats)
        print(f"| numpy.save | {wrote:.2f} | {read:.2f} | {size_MB(bare):.0f} |", flush=True)
        for format_name in registry.EXPORTS:
            target = Path(name) / f"session{registry.get(format_name).suffix}"

            def save(target=target, format_name=format_name):
                convert.save(sd, target, format_name, OPTIONS.get(format_name))

            def load(target=target, format_name=format_name):
                convert.load(target, format_name)

            wrote, read = seconds(save, settings.repeats), seconds(load, settings.repeats)
            row = f"| {format_name} | {wrote:.2f} | {read:.2f} | {size_MB(target):.0f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
