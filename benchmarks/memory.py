"""Peak memory of each job against the size of its input.

Run ``python benchmarks/memory.py --spikes 2000000 10000000``. Each job runs in a process of its
own, as in the workflow; its peak is the kernel's count, Python and libraries included. The
coefficients of ``spikelab/resources.py`` stand on this table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np

from benchmarks.throughput import FS_HZ, OPTIONS, session, size_MB
from spikelab import convert
from spikelab.formats import registry

CHANNELS = 64
SESSION = "session.pkl"

# What a job of the workflow does: one read, one write. The clean start has nothing of the maker's.
JOB = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from spikelab import convert
source, format, reading, target, to, writing, fs_Hz = json.loads(sys.argv[1])
start = time.perf_counter()
convert.save(convert.load_source(source, format, reading, fs_Hz=fs_Hz), target, to, writing)
seconds = time.perf_counter() - start
# Not ru_maxrss: a new program inherits that of the process it was forked from.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([int(status["VmHWM"].split()[0]) / 1e3, seconds]))
"""


def measure(
    name: str, source: Path, format: str, target: Path, to: str, fs_Hz: float | None = None
) -> None:
    """Run one job and print its row."""
    reading = {"filter": True} if format == "hdf5_raw" else {}
    task = [str(source), format, reading, str(target), to, OPTIONS.get(to) or {}, fs_Hz]
    command = [sys.executable, "-c", JOB, json.dumps(task)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak_MB, seconds = json.loads(done.stdout)
    size = size_MB(source)
    slope = max(0.0, peak_MB - 100) / size
    print(f"| {name} | {size:.0f} | {peak_MB:.0f} | {slope:.1f} | {seconds:.1f} |", flush=True)


def make_raw(path: Path, seconds: float, dtype: str) -> None:
    """Noise with spikes, as a recording of 64 channels."""
    rng = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        n_samples = int(seconds * FS_HZ)
        traces = file.create_dataset("raw_data", (CHANNELS, n_samples), dtype)
        for channel in range(CHANNELS):
            trace = rng.normal(0, 20, n_samples)
            trace[rng.integers(0, n_samples, int(seconds * 5))] -= 400
            traces[channel] = trace.astype(dtype)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spikes", type=int, nargs="+", default=[2_000_000, 10_000_000])
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--raw-seconds", type=float, default=30)
    settings = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    print(
        "| job | input MB | peak MB | (peak - 100) / input | s |\n| --- | --- | --- | --- | --- |"
    )
    for n_spikes in settings.spikes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            one = folder / SESSION
            convert.save(session(n_spikes, settings.units), one, "pickle")
            for to in registry.EXPORTS:
                target = folder / f"export{registry.get(to).suffix}"
                measure(f"export {to}", one, "pickle", target, to)
                measure(f"ingest {to}", target, to, folder / "again.pkl", "pickle")
    for dtype in ("int16", "float32"):
        with tempfile.TemporaryDirectory() as name:
            raw = Path(name) / "raw.h5"
            make_raw(raw, settings.raw_seconds, dtype)
            measure(f"ingest hdf5_raw {dtype}", raw, "hdf5_raw", raw.with_suffix(".pkl"), "pickle",
                    FS_HZ)  # fmt: skip


if __name__ == "__main__":
    main()
