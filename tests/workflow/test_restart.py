"""Runs that are killed, and the same command given again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from spikelab import convert
from spikelab.compare import differences
from tests.workflow.conftest import DOORS, Project, tiny_session


def start(project: Project) -> subprocess.Popen:
    """A run with a session that never ends: its source is a pipe into which nobody writes."""
    project.source("one")
    os.mkfifo(project.folder / "data" / "slow.pkl")
    project.sheet(
        "good data/one.pkl pickle . pickle,nwb", "slow data/slow.pkl pickle . pickle,kilosort"
    )
    running = snakemake(project, cores=2)
    wait_for(project.result("good", ".nwb"))
    wait_for(project.folder / "logs" / "ingest" / "slow.log")
    return running


def snakemake(project: Project, cores: int) -> subprocess.Popen:
    """Snakemake in the background, with processes that are a group; it prints to a file."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(DOORS["root"])]
    with (project.folder / "printed").open("w") as printed:
        return subprocess.Popen(
            [*command, "--cores", str(cores)],
            cwd=project.folder,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{path} did not appear")


def feed_the_pipe(project: Project) -> None:
    """Let whoever waits for the pipe go on, with a session that is like any other."""
    content = project.source("other", seed=1).read_bytes()
    with suppress(OSError):  # nobody waits
        pipe = os.open(project.folder / "data" / "slow.pkl", os.O_WRONLY | os.O_NONBLOCK)
        os.write(pipe, content)
        os.close(pipe)


def replace_the_pipe(project: Project) -> None:
    project.source("other", seed=1).rename(project.folder / "data" / "slow.pkl")


def kill_all(running: subprocess.Popen) -> None:
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def assert_complete(project: Project) -> None:
    for name, suffix, seed in (
        ("good", ".nwb", 0), ("slow", ".pkl", 1), ("slow", "_kilosort", 1)
    ):  # fmt: skip
        found = convert.load(project.result(name, suffix))
        found.metadata = {}
        expected = tiny_session(seed)
        for times, truth in zip(found.train, expected.train):
            assert times.tolist() == pytest.approx(list(truth))
    assert differences(convert.load(project.result("slow", ".pkl")), tiny_session(1)) == []
    left = [path for path in project.folder.rglob(".scratch-*")]
    assert left == []


def test_after_a_kill_the_same_command_goes_on(project: Project):
    kill_all(start(project))
    replace_the_pipe(project)
    again = project.run()
    assert again.code == 0, again.text
    assert "was killed: its lock is removed" in again.text
    assert again.jobs["ingest"] == 1
    assert_complete(project)
    assert "Nothing to be done" in project.run().text


def test_a_job_that_outlives_its_run_does_no_harm(project: Project):
    running = start(project)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    second = snakemake(project, cores=1)
    # The orphan and the job of the second run read the same pipe; what one takes, the other lacks.
    for _ in range(60):
        if second.poll() is not None:
            break
        feed_the_pipe(project)
        time.sleep(0.5)
    printed = (project.folder / "printed").read_text()
    if second.returncode != 0:
        assert "slow: could not be read" in printed
        replace_the_pipe(project)
        assert project.run().code == 0
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    assert_complete(project)


def test_a_terminated_run_says_what_to_type(project: Project):
    running = start(project)
    os.kill(running.pid, signal.SIGTERM)
    feed_the_pipe(project)
    assert running.wait(timeout=60) != 0
    assert "give the same command again" in (project.folder / "printed").read_text()
    again = project.run()
    assert again.code == 0, again.text
    assert_complete(project)


def test_a_run_that_is_alive_is_not_disturbed(project: Project):
    running = start(project)
    try:
        refused = project.run()
        assert refused.code == 1
        assert f"Process {running.pid} on " in refused.text
        assert "snakemake --unlock" in refused.text
        assert (project.folder / ".snakemake" / "locks").exists()
    finally:
        kill_all(running)


def test_the_lock_of_another_machine_stays(project: Project):
    kill_all(start(project))
    record = next((project.folder / "work" / "runs").iterdir())
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"host": "node17"}))
    refused = project.run()
    assert refused.code == 1
    assert "on node17 began" in refused.text
    assert project.run("--unlock").code == 0
    replace_the_pipe(project)
    assert project.run().code == 0
    assert_complete(project)
