"""Locks of runs that are gone, and of runs that are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from spikelab import runs


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lock(folder, seconds_ago: float = 60) -> None:
    """What Snakemake does before the run is recorded."""
    path = folder / runs.LOCKS / "0.input.lock"
    path.parent.mkdir(parents=True)
    path.write_text("a\n")
    os.utime(path, (time.time() - seconds_ago,) * 2)


def begin_elsewhere(folder) -> None:
    """A run of another process, which is gone afterwards."""
    code = "from spikelab import runs; runs.begin()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env=environment)


def locked(folder) -> bool:
    return any((folder / runs.LOCKS).iterdir())


def test_nothing_is_said_where_there_is_no_lock(folder):
    assert runs.recover() is None
    begin_elsewhere(folder)
    assert runs.recover() is None
    assert list((folder / runs.RUNS).iterdir()) == []


def test_the_lock_of_a_process_that_is_gone_is_removed(folder):
    begin_elsewhere(folder)
    lock(folder)
    assert "was killed: its lock is removed" in runs.recover()
    assert not locked(folder)
    assert runs.recover() is None


def test_the_lock_of_a_living_process_stays(folder):
    runs.begin()
    lock(folder)
    begin_elsewhere(folder)
    assert f"Process {os.getpid()} on " in runs.recover()
    assert locked(folder)
    runs.end()
    assert list((folder / runs.RUNS).iterdir()) == []


def test_a_lock_of_nobody_we_know_stays(folder):
    lock(folder)
    assert "snakemake --unlock" in runs.recover()
    assert locked(folder)


def test_a_lock_that_came_after_the_dead_run_stays(folder):
    begin_elsewhere(folder)
    lock(folder, seconds_ago=-1)
    assert "snakemake --unlock" in runs.recover()
    assert locked(folder)


def test_who_unlocks_forgets_the_runs_of_other_machines(folder):
    begin_elsewhere(folder)
    (record,) = (folder / runs.RUNS).iterdir()
    record.write_text(json.dumps(json.loads(record.read_text()) | {"host": "laptop-old"}))
    lock(folder)
    assert "on laptop-old began" in runs.recover()
    runs.forget()
    assert list((folder / runs.RUNS).iterdir()) == []


def test_another_process_with_the_number_of_a_dead_one_is_told_from_it(folder):
    begin_elsewhere(folder)
    (record,) = (folder / runs.RUNS).iterdir()
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"process": os.getpid()}))
    lock(folder)
    assert "its lock is removed" in runs.recover()


@pytest.mark.parametrize("damaged", ["", "{}", "[1]", "nonsense"])
def test_a_damaged_record_is_nobody(folder, damaged):
    lock(folder)
    (folder / runs.RUNS).mkdir(parents=True)
    (folder / runs.RUNS / "other-1.json").write_text(damaged)
    assert "snakemake --unlock" in runs.recover()
    assert locked(folder)
