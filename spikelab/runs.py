"""Runs of the workflow in this folder: who is at work, and what a killed one left behind.

Snakemake locks its folder while it runs. A run that was killed leaves the lock, and the same
command then refuses to go on. A record of each run tells whether the one that locked is gone.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from spikelab.atomic import replacing_file

RUNS = Path("work/runs")
LOCKS = Path(".snakemake/locks")


@dataclass(frozen=True)
class Run:
    """A process that runs the workflow, as it recorded itself."""

    host: str
    process: int
    identity: str | None
    began: str
    recorded: float

    @property
    def is_dead(self) -> bool:
        """Whether it is surely gone; of other machines nobody knows."""
        return self.host == platform.node() and self.identity != _identity(self.process)


def begin() -> None:
    """Record that this process runs the workflow here."""
    process = os.getpid()
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    run = Run(platform.node(), process, _identity(process), began, time.time())
    with replacing_file(_own_record()) as scratch:
        scratch.write_text(json.dumps(asdict(run)) + "\n", encoding="utf-8")


def end() -> None:
    """Remove the record of this process."""
    _own_record().unlink(missing_ok=True)


def forget() -> None:
    """Remove all records: somebody who removes the lock says that nobody is at work."""
    for path in _recorded():
        _remove(path)


def recover() -> str | None:
    """Remove the lock of runs that were killed, where it is certain that all of them are gone.

    Returns
    -------
    str or None
        What was done, or what is in the way and what to type; None where there is nothing to say.
    """
    runs = _recorded()
    # A run locks first and is recorded then: a later lock is somebody else's.
    dead = {path: run for path, run in runs.items() if run.is_dead}
    last = max((run.recorded for run in dead.values()), default=0)
    others = [run for path, run in runs.items() if path not in dead]
    for path in dead:
        _remove(path)
    locks = list(LOCKS.iterdir()) if LOCKS.is_dir() else []
    if not locks:
        return None
    if dead and not others and all(lock.stat().st_mtime <= last for lock in locks):
        for lock in locks:
            _remove(lock)
        when = max(run.began for run in dead.values())
        return f"The run that began {when} was killed: its lock is removed, and this one goes on."
    who = "".join(f" Process {run.process} on {run.host} began {run.began}." for run in others)
    return (
        f"Another run works in this folder, or was killed.{who} If it is gone, type\n"
        "    snakemake --unlock\n"
        "and then the same command again: it goes on where that one ended."
    )


def _remove(path: Path) -> None:
    with suppress(OSError):  # gone already, or not ours to remove: Snakemake will say so
        path.unlink()


def _own_record() -> Path:
    return RUNS / f"{platform.node()}-{os.getpid()}.json"


def _recorded() -> dict[Path, Run]:
    found = {}
    for path in RUNS.glob("*.json"):
        # It may end at this moment, or be damaged: then nobody can tell.
        with suppress(OSError, ValueError, TypeError):
            found[path] = Run(**json.loads(path.read_text(encoding="utf-8")))
    return found


def _identity(process: int) -> str | None:
    """What tells a process from later ones with its number, also after a restart of the machine."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _without_proc(process)
    # The name, in parentheses, may hold blanks; the start time is field 22.
    return f"{boot} {fields.rpartition(')')[2].split()[19]}"


def _without_proc(process: int) -> str | None:
    try:
        os.kill(process, 0)  # signal 0 only asks whether the process exists
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"
