# What jobs ask a cluster for, and which of them run in one cluster job.
import re

from snakemake.jobs import GroupJob
from snakemake.logging import logger

from spikelab import resources

if workflow.remote_exec and (cores := resources.slurm_cores()):
    # The plugin lets the Snakemake inside a Slurm job use every core of the node. The memory is
    # asked for the cores that the job has.
    workflow.global_resources["_cores"] = cores

# Found once for each session: network disks are slow to tell.
SIZES = {}


def size_of(name):
    """Size of the source and, if it is up to date when the run begins, of the session file."""
    found = SIZES.get(name) or resources.Sizes.of(
        PLAN.session(name).format,
        PLAN.source_files(name),
        places.SESSION_FILE.format(session=name),
    )
    if found.source_MB:  # of a download that is still to come nothing is known yet
        SIZES[name] = found
    return found


def cluster_job(wildcards):
    """The group of a job: those of one session run in one cluster job, or in one with others.

    Profiles say by group-components how many small sessions share a cluster job.
    """
    known_MB = size_of(known_session(wildcards)).session_MB
    return "small_sessions" if 0 < known_MB <= resources.SMALL_MB else "session"


def ingest_mem_mb(wildcards, attempt):
    format = PLAN.session(wildcards.session).format
    return resources.ingest_mem_mb(format, size_of(wildcards.session), attempt)


def ingest_runtime(wildcards, attempt):
    return resources.ingest_minutes(size_of(wildcards.session), attempt)


def export_mem_mb(format):
    """How much memory (MB) to ask for, for a rule that exports to `format`."""

    def mem_mb(wildcards, attempt):
        sizes = size_of(wildcards.session)
        return resources.export_mem_mb(format.format(**wildcards), sizes, attempt)

    return mem_mb


def export_runtime(wildcards, attempt):
    return resources.export_minutes(size_of(wildcards.session), attempt)


def cluster_requests():
    """What each cluster job of this run asks for, as far as it is known before its first job."""
    dag = workflow.dag
    needed = {job for job in dag.needrun_jobs() if not job.is_local}
    jobs = {dag.get_job_group(job) or job for job in needed}
    requests = [job.resources for job in jobs]
    for job in jobs:
        job.attempt = 1  # forgets what depends on downloads that are still to come
    return requests


def report_failure(group, msg=None, external_jobid=None, aux_logs=(), **details):
    """Say why a cluster job failed.

    In the place of Snakemake's own report of a group, which leaves the reason out and has a page
    for each job in it, failed or not.
    """
    names = {job.wildcards.get("session") for job in group.jobs}
    if None in names:  # of a workflow that uses this one as a module
        OWN_REPORT(
            group,
            msg=msg,
            external_jobid=external_jobid,
            aux_logs=aux_logs,
            **details,
        )
        return
    number = external_jobid or "that was not submitted"
    # What follows are a call of a thousand characters, and a hint at logs.
    reason = re.split("sbatch call:|For further error details", msg or "")[0]
    what = f"Cluster job {number}, attempt {group.attempt}, failed"
    lines = [f"{what}. Its sessions: {status.some(sorted(names))}"]
    lines += reason.strip().splitlines()
    logger.error("\n    ".join([*lines, *(f"log: {path}" for path in aux_logs or ())]))


def is_news(record):
    """Whether a message is worth reading.

    Of each export of a failed cluster job Snakemake says that it found no older version of it, and
    its plugin for Slurm says before each job that it finds no account where none is needed.
    """
    return not record.getMessage().startswith(NO_NEWS)


NO_NEWS = (
    "Cannot restore ",
    "No SLURM account given, trying to guess",
    "No account was given, not able to get a SLURM account",
    "Unable to guess SLURM account",
)
OWN_REPORT = GroupJob.log_error

if workflow.is_main_process:
    GroupJob.log_error = report_failure
    logger.addFilter(is_news)
