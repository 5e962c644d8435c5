"""Stop exports at random moments and see what is at the target afterwards.

Run ``make kill``, or ``python benchmarks/kill.py --times 100 --seed 1``. A good export is at the
target; another process replaces it and is killed, is told to end, meets a limit of file size, or
meets a full disk (as root, on a small tmpfs). The target must then be the older or the newer
export, whole, byte by byte; and a later export must work and leave nothing beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from damage import Files, content

from spikelab import SpikeData, convert
from spikelab.errors import SpikelabWarning, TargetError
from spikelab.formats import registry

WAYS = ("SIGKILL", "SIGTERM", "size limit", "full disk")
OPTIONS = {"hdf5_raster": {"raster_bin_size_ms": 1.0}}
N_SPIKES = 100_000


@cache
def session(seed: int) -> SpikeData:
    """A session whose export takes long enough to be met."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 1_200_000, N_SPIKES)
    return SpikeData.from_idces_times(
        rng.integers(0, 50, N_SPIKES),
        samples / 20,
        50,
        length=60_000.0,
        neuron_attributes=[{"unit_id": unit, "quality": "good"} for unit in range(50)],
        metadata={"fs_Hz": 20_000.0, "session_start_time": "2024-03-05T14:30:00+01:00"},
    )


def export(seed: int, target: Path, format: str) -> None:
    convert.save(session(seed), target, format, OPTIONS.get(format))


def worker(pipe: Connection, target: Path, format: str, limit: int | None) -> None:
    """Replace the target; say when it begins, and how it ended."""
    warnings.simplefilter("ignore", SpikelabWarning)
    sd = session(2)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    pipe.send("begin")
    try:
        convert.save(sd, target, format, OPTIONS.get(format))
        pipe.send("done")
    except TargetError:
        pipe.send("TargetError")


def attempt(
    target: Path, format: str, way: str, delay_s: float = 0.0, limit: int | None = None
) -> str:
    """Let one export run into its fate; what it said last, ``stopped`` if it was a signal."""
    context = multiprocessing.get_context("forkserver")
    near, far = context.Pipe()
    process = context.Process(target=worker, args=(far, target, format, limit))
    process.start()
    far.close()
    said = near.recv()
    if way.startswith("SIG"):
        time.sleep(delay_s)
        process.kill() if way == "SIGKILL" else process.terminate()
    while said == "begin":
        try:
            said = near.recv()
        except EOFError:
            said = "stopped"
    process.join()
    if process.exitcode and not way.startswith("SIG"):
        said = f"exit code {process.exitcode}"
    return said


def judged(target: Path, format: str, old: Files, new: Files) -> str:
    """Which export is there; and that the next one works and tidies up."""
    found = content(target)
    names = {True: "older", False: "newer"}
    state = names[found == old] if found in (old, new) else "damaged" if found else "absent"
    export(1, target, format)
    beside = [path.name for path in target.parent.iterdir() if path != target]
    if content(target) != old or beside:
        state += f", then not tidy: {len(beside)} beside"
    return state


def trial(folder: Path, format: str, way: str, times: int, seed: int) -> Counter[str]:
    """Many attempts in one way; count what was found."""
    target = folder / f"session{registry.get(format).suffix}"
    export(2, target, format)
    new = content(target)
    export(1, target, format)
    old = content(target)
    begin = time.perf_counter()
    export(1, target, format)
    # Some exports are to be done before the signal comes.
    longest_s = 1.2 * (time.perf_counter() - begin)
    rng = np.random.default_rng([seed, registry.EXPORTS.index(format), WAYS.index(way)])
    largest, total = max(map(len, new.values())), sum(map(len, new.values()))
    outcomes: Counter[str] = Counter()
    for _ in range(times):
        if way == "full disk":
            with filled(folder, int(rng.integers(int(1.1 * total)))):
                said = attempt(target, format, way)
        elif way == "size limit":
            said = attempt(target, format, way, limit=int(rng.integers(int(1.1 * largest))))
        else:
            said = attempt(target, format, way, delay_s=rng.uniform(0, longest_s))
        outcomes[f"{said}: {judged(target, format, old, new)}"] += 1
    return outcomes


@contextmanager
def filled(folder: Path, free: int) -> Iterator[None]:
    """A disk with so many bytes left."""
    filler = folder.parent / "filler" / "filler"
    filler.parent.mkdir(exist_ok=True)
    disk = os.statvfs(folder)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - free))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A tmpfs of 64 MB, or None where it cannot be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "spikelab-kill", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100, help="per format and way")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=registry.EXPORTS, action="append")
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("--folder", type=Path, help="on the disk to try")
    settings = parser.parse_args()
    warnings.simplefilter("ignore", SpikelabWarning)
    modules = [registry.get(name).module for name in registry.EXPORTS]
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__, *modules, "pynwb"])
    bad = False
    print("| format | way | end of the export: target | |\n| --- | --- | --- | --- |")
    with (
        tempfile.TemporaryDirectory(dir=settings.folder) as disk,
        tempfile.TemporaryDirectory() as mounted,
        small_disk(Path(mounted)) as small,
    ):
        for format in settings.format or registry.EXPORTS:
            for way in settings.way or WAYS:
                place = small if way == "full disk" else Path(disk)
                if place is None:
                    print(f"| {format} | {way} | a tmpfs cannot be mounted | |")
                    continue
                folder = place / format / "target"
                folder.mkdir(parents=True, exist_ok=True)
                outcomes = trial(folder, format, way, settings.times, settings.seed)
                for what, count in sorted(outcomes.items()):
                    bad |= not what.endswith((": older", ": newer")) or "exit code" in what
                    print(f"| {format} | {way} | {what} | {count} |", flush=True)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
