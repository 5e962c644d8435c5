"""Damage files of every format and see that reading them ends in a session or a spikelab error.

Run ``make fuzz``, or ``python benchmarks/fuzz.py --minutes 10 --seed 1``. Each mutant is loaded
in a worker process with little memory and little time. Everything else that happens (another
exception or warning, a crash, a hang, much memory) is a finding: the damaged bytes and what was
seen are kept under ``--findings``, one folder per kind of finding. A mutant depends on format,
seed and number alone: ``--format nwb --seed 1 --only 4711`` makes and loads it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from damage import mutated, put, remove, samples_of

from spikelab import convert
from spikelab.errors import SpikelabError, SpikelabWarning
from spikelab.formats import registry

MEMORY_BYTES = 4 * 2**30
PEAK_BYTES = 2**30
EXPECTED = ("session", "refused")
FORMATS = [name for name in registry.FORMATS if name != "spikeinterface"]

# -- loading --------------------------------------------------------------------------------------


def load(path: Path, format: str | None) -> tuple[str, str]:
    """What happened (``session``, ``refused`` or a finding), and where."""
    unraisable: list[str] = []
    sys.unraisablehook = lambda event: unraisable.append(repr(event.exc_value))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            convert.load(path, format)
            outcome = "session"
        except SpikelabError as error:
            str(error)
            outcome = "refused"
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
            return place, traceback.format_exc()
    strange = [one for one in caught if not issubclass(one.category, SpikelabWarning)]
    for one in strange:
        return f"{one.category.__name__} in {Path(one.filename).name}:{one.lineno}", str(one)
    if unraisable:
        return "unraisable", "; ".join(unraisable)
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > PEAK_BYTES:
        return "memory", f"more than {PEAK_BYTES >> 20} MiB; {outcome}"
    return outcome, ""


def work(pipe: object, path: Path) -> None:
    """Load mutants as they come, until there is a finding or no parent any more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outcome = "session"
    while outcome in EXPECTED:
        outcome, details = load(path, pipe.recv())
        pipe.send((outcome, details))


class Worker:
    """A process that loads what is at a path; a new one after each finding."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.path, self.timeout_s, self.process = path, timeout_s, None

    def load(self, format: str | None) -> tuple[str, str]:
        if self.process is None or not self.process.is_alive():
            context = multiprocessing.get_context("spawn")
            self.pipe, far = context.Pipe()
            self.process = context.Process(target=work, args=(far, self.path), daemon=True)
            self.process.start()
            far.close()
            startup_s = 30.0
        else:
            startup_s = 0.0
        self.pipe.send(format)
        if not self.pipe.poll(self.timeout_s + startup_s):
            self.stop()
            return "hang", f"no end after {self.timeout_s:g} s"
        try:
            outcome, details = self.pipe.recv()
        except EOFError:
            self.process.join()
            return f"crash, exit code {self.process.exitcode}", ""
        if outcome not in EXPECTED:
            self.process.join()
        return outcome, details

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()


# -- campaigns ------------------------------------------------------------------------------------


def campaign(format: str, settings: argparse.Namespace, seconds: float) -> Counter[str]:
    """Load mutants of one format for a while; count what happened."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        samples = samples_of(format, Path(name))
        path = Path(name) / f"mutant{registry.get(format).suffix}"
        worker = Worker(path, settings.timeout)
        for sample in samples:
            put(sample, path)
            if worker.load(format)[0] != "session":
                raise SystemExit(f"a sample of {format} is not valid")
        end = time.monotonic() + seconds
        number = settings.only or 0
        while time.monotonic() < end:
            rng = np.random.default_rng([settings.seed, FORMATS.index(format), number])
            files = mutated(samples, rng)
            remove(path)
            put(files, path)
            # Every other one has to be recognised first.
            outcome, details = worker.load(format if number % 2 else None)
            outcomes[outcome] += 1
            if outcome not in EXPECTED and outcomes[outcome] == 1:
                place = settings.findings / f"{format}-{outcome.replace(' ', '_')}"
                put(files, place / path.name)
                again = f"--format {format} --seed {settings.seed} --only {number}"
                (place / "seen.txt").write_text(f"{again}\n{details}\n")
            number += 1
            if settings.only is not None:
                print(outcome, details)
                break
        worker.stop()
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, by default 10")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=FORMATS, action="append", help="by default all")
    parser.add_argument("--only", type=int, help="number of the only mutant to make")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds per mutant")
    parser.add_argument("--findings", type=Path, default=Path("benchmarks/results/fuzz"))
    settings = parser.parse_args()
    warnings.simplefilter("ignore", SpikelabWarning)
    formats = settings.format or FORMATS
    n_workers = min(os.cpu_count() or 1, len(formats))
    seconds = 60 * settings.minutes * n_workers / len(formats)
    found = 0
    print("| format | mutants | sessions | refused | findings |\n| --- | --- | --- | --- | --- |")
    with ThreadPoolExecutor(n_workers) as pool:
        results = pool.map(lambda format: campaign(format, settings, seconds), formats)
        for format, outcomes in zip(formats, results):
            total, good, refused = outcomes.total(), outcomes["session"], outcomes["refused"]
            others = {what: n for what, n in outcomes.items() if what not in EXPECTED}
            found += len(others)
            seen = "; ".join(f"{what} ({n})" for what, n in others.items()) or "none"
            print(f"| {format} | {total} | {good} | {refused} | {seen} |", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
