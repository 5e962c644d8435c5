"""Runs through profiles/slurm on a real Slurm; its own record says what became of each job."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path

import boto3
import h5py
import numpy as np
import pytest

from spikelab import SpikeData, convert
from tests.cluster.conftest import (
    ONE_JOB_EACH,
    ClusterProject,
    assert_exports_equal,
    memory_mb,
    until,
)
from tests.workflow.conftest import tiny_session

EXPORTS = ("pickle", "nwb", "kilosort")


def rows(*names: str) -> list[str]:
    return [f"{name} data/{name}.pkl pickle . {','.join(EXPORTS)}" for name in names]


def assert_whole(project: ClusterProject, session: str, seed: int) -> None:
    assert_exports_equal(project, session, tiny_session(seed), EXPORTS)


def test_small_sessions_share_a_job_and_a_corrupt_one_stops_no_other(cluster):
    cluster.source("early", seed=1)
    cluster.source("late", seed=2)
    (cluster.folder / "data" / "bad.pkl").write_bytes(b"junk")
    names = ("early", "bad", "late")
    cluster.sheet(*(f"{name} data/{name}.pkl pickle . pickle" for name in names))
    # Failures put off each further look at the jobs: the first one late enough to see the end.
    run = cluster.start("--retries", "1", "--slurm-init-seconds-before-status-checks=10")
    done = run.wait()
    assert done.code == 1
    for seed, name in ((1, "early"), (2, "late")):
        assert_exports_equal(cluster, name, tiny_session(seed), ["pickle"])
    summary = done.text[done.text.index("2 of 3 exports are made") :]
    assert "Sessions that failed: 1\n  bad: could not be read" in summary
    assert "failed. Its sessions: bad, early, late" in done.text
    first, second = run.records()
    assert first["JobState"] == second["JobState"] == "FAILED"
    # Side by side, its jobs would need more memory than was asked for.
    inner = Path(run.submitted[first["JobId"]]).read_text()
    assert set(re.findall(r"Provided cores: (\d+)", inner)) == {"1"}
    assert "Execute 2 jobs" not in inner
    assert memory_mb(second) > memory_mb(first)
    assert int(second["TimeLimit"]) > int(first["TimeLimit"])


def test_jobs_that_are_cancelled_or_run_out_of_time_or_memory_are_tried_again(cluster):
    for name in ("cancelled", "slow"):
        cluster.stuck_source(name)
    hungry = packed_session(cluster.folder / "data" / "hungry.h5")
    cluster.sheet(*rows("cancelled", "slow"), "hungry data/hungry.h5 hdf5_ragged . pickle")
    run = cluster.start(*ONE_JOB_EACH)

    cancelled = cluster.job_reading("cancelled", run)
    slow = cluster.job_reading("slow", run)
    cluster.repair("cancelled", seed=1)
    cluster.repair("slow", seed=2)
    cluster.slurm.call("scancel", cancelled)
    # Its time is up now instead of in minutes; Slurm looks at the clock twice a minute.
    cluster.slurm.call("scontrol", "update", f"JobId={slow}", "EndTime=now+2seconds")

    done = run.wait()
    assert done.code == 0, done.text
    assert_whole(cluster, "cancelled", 1)
    assert_whole(cluster, "slow", 2)
    back = convert.load(cluster.result("hungry", ".pkl"))
    np.testing.assert_array_equal(back.train[0], np.arange(hungry) * 1000 / 1024)

    by_id = {record["JobId"]: record for record in run.records()}
    assert by_id[cancelled]["JobState"] == "CANCELLED"
    assert by_id[slow]["JobState"] == "TIMEOUT"
    first, again = run.records()[:3], run.records()[3:]
    # Where Slurm measures memory itself, without control groups, it calls that FAILED.
    (starved,) = [record for record in first if record["JobState"] == "FAILED"]
    log = (cluster.slurm.root / "log" / "slurmd.log").read_text()
    assert f"StepId={starved['JobId']}.0 exceeded memory limit" in log
    assert min(map(memory_mb, again)) > max(map(memory_mb, first))
    assert [record["JobState"] for record in again].count("COMPLETED") == 3


def packed_session(path: Path) -> int:
    """A small file with so many spikes that the memory first asked for is not enough."""
    n_spikes = 3 * 2**24
    with h5py.File(path, "w") as file:
        times_s = np.arange(n_spikes) / 1024
        file.create_dataset("spike_times", data=times_s, compression="gzip", shuffle=True)
        file["spike_times_index"] = [n_spikes]
    return n_spikes


def test_after_a_kill_the_same_command_goes_on_while_orphans_still_write(cluster):
    cluster.source("done", seed=1)
    cluster.stuck_source("one")
    cluster.sheet(*rows("done", "one"))
    run = cluster.start(*ONE_JOB_EACH)
    orphan = cluster.job_reading("one", run)
    until(lambda: len(run.records()) == 1, run)
    run.signal(signal.SIGKILL)
    run.wait()
    assert cluster.slurm.call("squeue", "--noheader", "--format=%i").split() == [orphan]

    # The new job and the orphan get their session at the same moment, and write the same files.
    waiting = [cluster.set_aside("one"), cluster.stuck_source("one")]
    again = cluster.start(*ONE_JOB_EACH)
    assert cluster.job_reading("one", again, other_than=orphan) != orphan
    content = cluster.source("fed", seed=2).read_bytes()
    threads = [threading.Thread(target=fifo.write_bytes, args=(content,)) for fifo in waiting]
    for thread in threads:
        thread.start()
    done = again.wait()
    for thread in threads:
        thread.join()
    assert done.code == 0, done.text
    assert "was killed" in done.text
    until(lambda: not cluster.slurm.call("squeue", "--noheader"), again, ended=True)
    assert_whole(cluster, "done", 1)
    assert_whole(cluster, "one", 2)
    assert [record["JobState"] for record in again.records()] == ["COMPLETED"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_a_signal_the_same_command_goes_on(cluster, number):
    """SIGTERM lets the jobs in Slurm finish and submits no more; Ctrl-C cancels them."""
    names = ("a", "b")
    for name in names:
        cluster.stuck_source(name)
    cluster.sheet(*rows(*names))
    run = cluster.start("--jobs", "1", *ONE_JOB_EACH)
    logs = cluster.folder / "logs" / "ingest"
    reading = until(lambda: list(logs.glob("*.log")), run)[0].stem
    cluster.job_reading(reading, run)
    run.signal(number)
    if number == signal.SIGTERM:
        until(lambda: "Will exit after finishing" in run.text, run)
        fifo = cluster.set_aside(reading)
        fifo.write_bytes(cluster.source(reading, seed=1).read_bytes())
    stopped = run.wait()
    assert stopped.code == 1
    expected = "COMPLETED" if number == signal.SIGTERM else "CANCELLED"
    assert [record["JobState"] for record in run.records()] == [expected]
    assert len(run.submitted) == 1

    for name in names:
        cluster.repair(name, seed=1)
    again = cluster.start()
    done = again.wait()
    assert done.code == 0, done.text
    assert [record["JobState"] for record in again.records()] == ["COMPLETED"]
    for name in names:
        assert_whole(cluster, name, 1)


def test_large_sessions_have_jobs_of_their_own_and_small_ones_share_them(cluster):
    large = [np.arange(3e6) / 8, []]
    convert.save(SpikeData(large, metadata={"fs_Hz": 8000.0}), cluster.folder / "data/large.pkl")
    names = [f"tiny{i}" for i in range(5)]
    for i, name in enumerate(names):
        cluster.source(name, seed=i)
    cluster.sheet(*(f"{name} data/{name}.pkl pickle . pickle" for name in [*names, "large"]))
    run = cluster.start("--group-components", "small_sessions=3")
    done = run.wait()
    assert done.code == 0, done.text
    asked_MB = sorted(memory_mb(record) for record in run.records())
    assert len(asked_MB) == 3, "five small sessions, three at a time, and one large one"
    size_MB = (cluster.folder / "data" / "large.pkl").stat().st_size / 1e6
    assert asked_MB[1] < 650 < asked_MB[2] == pytest.approx(600 + 4 * size_MB, abs=2)


def test_transfers_run_where_snakemake_runs(cluster):
    """So that compute nodes need neither the internet nor keys."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )
        client.create_bucket(Bucket="lab")
        client.upload_file(str(cluster.source("one", seed=1)), "lab", "in/one.pkl")
        cluster.sheet("a s3://lab/in/one.pkl pickle . pickle")
        cluster.config(
            f"upload: {{bucket: lab, endpoint: '{endpoint}'}}\n"
            f"download: {{endpoint: '{endpoint}'}}\n"
        )
        done = cluster.start(**keys).wait()
        assert done.code == 0, done.text
        sent = client.get_object(Bucket="lab", Key="a/a.pkl")["Body"].read()
    finally:
        server.stop()
    assert sent == cluster.result("a", ".pkl").read_bytes()
    logs = cluster.folder / "logs"
    steps = {path.parent.name: path.read_text().partition("\n")[0] for path in logs.glob("*/a.log")}
    in_slurm = {step for step, began in steps.items() if "Slurm job" in began}
    assert in_slurm == {"ingest", "pickle"}
    assert steps.keys() == {"fetch", "ingest", "pickle", "upload.pkl"}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (["--default-resources", "slurm_partition=nope"], "invalid partition"),
        (["--set-resources", "ingest:mem_mb=900000"], "node configuration is not available"),
    ],
)
def test_what_slurm_would_refuse_is_said_before_the_first_job(cluster, asked, answer):
    cluster.source("a")
    cluster.sheet("a data/a.pkl pickle . pickle")
    run = cluster.start(*asked)
    done = run.wait()
    assert done.code == 1
    assert "Nothing was started" in done.text
    assert "Slurm refuses a job that asks for --mem=" in done.text
    assert answer in done.text
    assert run.submitted == {}
