"""Snakemake runs on a real Slurm.

Each test process has a Slurm of its own, which ends with it, also when it is killed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from spikelab import SpikeData, convert
from spikelab.compare import Precision, differences
from spikelab.formats.registry import FORMATS
from tests.cluster import slurm as slurm_script
from tests.cluster.slurm import PACKAGES, Slurm
from tests.conftest import REPOSITORY
from tests.workflow.conftest import DOORS, Project, Result, _clean_environment

T = TypeVar("T")
# No run takes so long; one that hangs ends then.
LIMIT_S = 240
SHORTER = {
    # The first look at the jobs. Each look at which none has succeeded puts off the next one by ten
    # seconds more, and the end of the run as well.
    "slurm": ["--slurm-init-seconds-before-status-checks=1"],
    "cluster-generic": ["--seconds-between-status-checks=2"],
}
# What the spike times of an export are compared in.
UNITS = {
    "pickle": "ms",
    "hdf5_group": "s",
    "hdf5_paired": "ms",
    "nwb": "s",
    "kilosort": "samples",
}
ONE_JOB_EACH = ("--group-components", "small_sessions=1")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[Slurm]:
    """A running Slurm."""
    if lacking := slurm_script.missing():
        message = f"no Slurm ({', '.join(lacking)}): as root, apt-get update && {PACKAGES}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    root = tmp_path_factory.mktemp("slurm")
    command = [sys.executable, slurm_script.__file__, "run", str(root)]
    # In a session of its own, so that Ctrl-C does not stop it before its jobs are cancelled.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            pytest.fail(f"Slurm does not start, see {root / 'log'}")
        yield Slurm(root)


@pytest.fixture
def cluster(slurm, tmp_path) -> Iterator[ClusterProject]:
    """A working directory from which runs go to Slurm."""
    project = ClusterProject(tmp_path, slurm)
    yield project
    for run in project.runs:
        run.stop()
    slurm.cancel_all()


@dataclass
class Run:
    """A run of Snakemake that may be still on."""

    process: subprocess.Popen
    output: Path
    slurm: Slurm

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> Result:
        return Result(self.process.wait(LIMIT_S + 30), self.text)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to Snakemake; its jobs in Slurm do not get it."""
        timeout = self.process.pid
        (snakemake,) = Path(f"/proc/{timeout}/task/{timeout}/children").read_text().split()
        os.kill(int(snakemake), number)

    def stop(self) -> None:
        """End it the hard way, where a test failed before its end."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def submitted(self) -> dict[str, str]:
        """Log of each job that was submitted, by its id in Slurm."""
        found = re.findall(r"SLURM jobid (\d+) \(log: (.+)\)\.$", self.text, re.MULTILINE)
        found += [(id, "") for id in re.findall(r"external jobid '(\d+)'", self.text)]
        return dict(found)

    def records(self) -> list[dict[str, str]]:
        """What the scheduler recorded about the jobs of this run, in the order of submission."""
        own = [record for record in self.slurm.records() if record["JobId"] in self.submitted]
        return sorted(own, key=lambda record: int(record["JobId"]))


@dataclass
class ClusterProject(Project):
    """A project whose runs go to Slurm, for a user without account and without home folder."""

    slurm: Slurm
    runs: list[Run] = field(default_factory=list)

    def start(self, *arguments: str, profile: str = "slurm", **env: str) -> Run:
        command = ["timeout", "-k", "10", str(LIMIT_S), sys.executable, "-m", "snakemake"]
        command += ["--snakefile", str(DOORS["root"])]
        command += ["--profile", str(REPOSITORY / "profiles" / profile), *SHORTER[profile]]
        output = self.folder / f"run-{len(self.runs) + 1}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self.folder,
                env={**self.environment(), **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.runs.append(Run(process, output, self.slurm))
        return self.runs[-1]

    def environment(self) -> dict[str, str]:
        path = f"{self.slurm.bin}{os.pathsep}{os.environ['PATH']}"
        no_home = {"HOME": "/dev/null/nobody", "XDG_CACHE_HOME": str(self.folder / ".cache")}
        return {**_clean_environment(), **no_home, "PATH": path}

    def stuck_source(self, name: str) -> Path:
        """A source from which nothing comes, as if its disk did not answer."""
        path = self.folder / "data" / f"{name}.pkl"
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
        return path

    def set_aside(self, name: str) -> Path:
        """Rename a stuck source: those who wait for it go on waiting, others find nothing."""
        path = self.folder / "data" / f"{name}.pkl"
        return path.rename(path.with_suffix(".waiting"))

    def repair(self, name: str, seed: int) -> None:
        """Put a session where nothing came from."""
        (self.folder / "data" / f"{name}.pkl").unlink()
        self.source(name, seed=seed)

    def job_reading(self, session: str, run: Run, other_than: str = "") -> str:
        """Id of the Slurm job that is reading a session, once there is one."""
        log = (self.folder / "logs" / "ingest" / f"{session}.log").resolve()
        return until(lambda: _slurm_jobs_that_write(log) - {other_than}, run).pop()


def _slurm_jobs_that_write(log: Path) -> set[str]:
    """The jobs whose processes have this file open."""
    jobs = set()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError, KeyError):
            if opened.readlink() == log:
                environment = (opened.parents[1] / "environ").read_bytes().split(b"\0")
                variables = dict(entry.partition(b"=")[::2] for entry in environment)
                jobs.add(variables[b"SLURM_JOB_ID"].decode())
    return jobs


def memory_mb(record: dict[str, str]) -> float:
    """The memory that a job asked for."""
    (asked,) = [part[4:] for part in record["Tres"].split(",") if part.startswith("mem=")]
    return float(asked[:-1]) * {"M": 1, "G": 1024}[asked[-1]]


def assert_exports_equal(
    project: Project, session: str, source: SpikeData, formats: Iterable[str]
) -> None:
    for format in formats:
        back = convert.load(project.result(session, FORMATS[format].suffix), format)
        precision = Precision(UNITS[format], fs_Hz=source.metadata.get("fs_Hz"))
        # Raw traces are exported on demand only, but for pickles.
        parts = FORMATS[format].keeps - ({"raw"} if format != "pickle" else set())
        assert differences(source, back, precision, parts) == [], format


def until(condition: Callable[[], T], run: Run, *, ended: bool = False) -> T:
    """Wait for something to happen in a run (or after it); return what `condition` then says."""
    deadline = time.monotonic() + 120
    while not (happened := condition()):
        early = run.process.poll() is not None and not ended
        if early or time.monotonic() > deadline:
            pytest.fail(f"it did not happen; the run says:\n{run.text}")
        time.sleep(0.2)
    return happened
