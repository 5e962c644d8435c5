"""The examples through each cluster profile: results, the scheduler's record, no secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

import pytest

from spikelab import convert
from tests.cluster.conftest import (
    ONE_JOB_EACH,
    ClusterProject,
    Run,
    assert_exports_equal,
)
from tests.conftest import REPOSITORY
from tests.workflow.conftest import Result

CANARY = "canary-zNf3Gq81"
# Of each example: its file, format, sampling frequency and exports.
EXAMPLES = {
    "culture": ("culture.pkl", "pickle", ".", "pickle,hdf5_group"),
    "slice": ("slice.ragged.h5", "hdf5_ragged", ".", "hdf5_paired,nwb"),
    "probe": ("probe_phy", "kilosort", ".", "kilosort"),
}
STATUS = REPOSITORY / "profiles" / "cluster-generic" / "status-slurm.sh"


@dataclass
class Watched:
    """A run that has ended, and what was there for everybody to see while it was on."""

    project: ClusterProject
    run: Run
    result: Result
    seen: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=["slurm", "cluster-generic"])
def watched(request, slurm, tmp_path_factory) -> Watched:
    project = ClusterProject(tmp_path_factory.mktemp(request.param), slurm)
    project.sheet(
        *(
            f"{name} {REPOSITORY}/examples/{file} {format} {fs_Hz} {exports}"
            for name, (file, format, fs_Hz, exports) in EXAMPLES.items()
        )
    )
    secrets = {"AWS_ACCESS_KEY_ID": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY}
    run = project.start(*ONE_JOB_EACH, profile=request.param, **secrets)
    seen = []
    while run.process.poll() is None:
        seen.append(subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout)
        seen.append(slurm.call("scontrol", "--details", "show", "job"))
        for job in slurm.call("squeue", "--noheader", "--format=%i").split():
            seen.append(slurm.call("scontrol", "write", "batch_script", job, "-", check=False))
        time.sleep(0.5)
    return Watched(project, run, run.wait(), seen)


def test_every_export_equals_its_source(watched):
    assert watched.result.code == 0, watched.result.text
    for name, (file, format, _, exports) in EXAMPLES.items():
        source = convert.load(REPOSITORY / "examples" / file, format)
        assert_exports_equal(watched.project, name, source, exports.split(","))


def test_the_scheduler_recorded_one_job_for_each_session(watched):
    states = [record["JobState"] for record in watched.run.records()]
    assert states == ["COMPLETED"] * len(EXAMPLES)


def test_secrets_are_seen_nowhere(watched):
    seen = "\n".join(watched.seen)
    assert "JobState=RUNNING" in seen
    assert "snakemake" in seen
    assert CANARY not in seen
    files = [path for path in watched.project.folder.rglob("*") if path.is_file()]
    files += [path for path in (watched.project.slurm.root / "log").iterdir() if path.is_file()]
    assert watched.run.output in files
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_cluster_generic_cancels_its_jobs_on_ctrl_c_and_goes_on(cluster):
    cluster.stuck_source("a")
    cluster.sheet("a data/a.pkl pickle . pickle")
    run = cluster.start(profile="cluster-generic")
    job = cluster.job_reading("a", run)
    run.signal(signal.SIGINT)
    assert run.wait().code == 1
    (record,) = run.records()
    assert (record["JobId"], record["JobState"]) == (job, "CANCELLED")
    assert status(cluster, job) == "failed"
    cluster.repair("a", seed=3)
    done = cluster.start(profile="cluster-generic").wait()
    assert done.code == 0, done.text


def test_the_status_script_knows_the_states_of_slurm(cluster):
    def submit(*options: str) -> str:
        folder = f"--chdir={cluster.folder}"
        return cluster.slurm.call("sbatch", "--parsable", folder, *options).strip()

    waiting = submit("--hold", "--wrap=true")
    assert status(cluster, waiting) == "running"
    good, bad = submit("--wait", "--wrap=true"), submit("--wrap=false")
    cluster.slurm.call("sbatch", f"--dependency=afterany:{bad}", "--wait", "--wrap=true")
    assert status(cluster, good) == "success"
    assert status(cluster, bad) == "failed"
    cluster.slurm.call("scancel", waiting)
    assert status(cluster, waiting) == "failed"
    assert status(cluster, "999999") == "failed"
    no_controller = {**os.environ, "PATH": f"{cluster.folder}{os.pathsep}/usr/bin:/bin"}
    (cluster.folder / "slurm.conf").write_text("ClusterName=none\nSlurmctldHost=none(127.0.0.1)\n")
    (cluster.folder / "scontrol").write_text(
        f'#!/bin/sh\nSLURM_CONF={cluster.folder}/slurm.conf exec /usr/bin/scontrol "$@"\n'
    )
    (cluster.folder / "scontrol").chmod(0o755)
    silent = subprocess.run([STATUS, good], env=no_controller, capture_output=True, text=True)
    assert silent.stdout == "running\n"


def status(cluster: ClusterProject, job: str) -> str:
    asked = subprocess.run(
        [STATUS, job], env=cluster.environment(), check=True, capture_output=True, text=True
    )
    return asked.stdout.strip()
