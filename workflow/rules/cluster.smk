# What jobs ask a cluster for, and which of them run in one cluster job.
from snakemake.jobs import GroupJob
from snakemake.logging import logger

from spikelab import resources


def source_size(name):
    """Size (MB) of what is read of a source; a download that is still to come counts nothing."""
    return resources.source_MB(PLAN.session(name).format, PLAN.source_files(name))


def session_size(name):
    """Size (MB) of the session file; where it is still to be made, what its source suggests."""
    file = planning.SESSION_FILE.format(session=name)
    if os.path.exists(file):
        return os.path.getsize(file) / 1e6
    return resources.session_MB(PLAN.session(name).format, source_size(name))


def cluster_job(wildcards):
    """The group of a job: those of one session run in one cluster job, or in one with others.

    Profiles say by group-components how many small sessions share a cluster job.
    """
    known_MB = session_size(known_session(wildcards))
    return "small_sessions" if 0 < known_MB <= resources.SMALL_MB else "session"


def ingest_mem_mb(wildcards, attempt):
    format = PLAN.session(wildcards.session).format
    return resources.ingest_mem_mb(format, source_size(wildcards.session), attempt)


def ingest_runtime(wildcards, attempt):
    return resources.ingest_minutes(source_size(wildcards.session), attempt)


def export_mem_mb(format):
    """How much memory (MB) to ask for, for a rule that exports to `format`."""

    def mem_mb(wildcards, attempt):
        size = session_size(wildcards.session)
        return resources.export_mem_mb(format.format(**wildcards), size, attempt)

    return mem_mb


def export_runtime(wildcards, attempt):
    return resources.export_minutes(session_size(wildcards.session), attempt)


def cluster_requests():
    """What each cluster job of this run asks for."""
    dag = workflow.dag
    needed = {job for job in dag.needrun_jobs() if not job.is_local}
    jobs = {dag.get_job_group(job) or job for job in needed}
    requests = [job.resources for job in jobs]
    for job in jobs:
        job.attempt = 1  # what depends on downloads still to come is asked for again
    return requests


def report_failure(group, msg=None, external_jobid=None, aux_logs=(), **details):
    """Say why a cluster job failed.

    In the place of Snakemake's own report of a group, which leaves the reason out and has a page
    for each job in it, failed or not.
    """
    # Rules of a workflow that uses this one may have no session.
    names = sorted({job.wildcards.get("session", job.rule.name) for job in group.jobs})
    number = external_jobid or "that was not submitted"
    reason = (msg or "").partition("For further error details")[0]
    lines = [
        f"Cluster job {number}, attempt {group.attempt}, failed: {status.some(names)}"
    ]
    lines += reason.splitlines()
    logger.error("\n    ".join([*lines, *(f"log: {path}" for path in aux_logs or ())]))


def is_news(record):
    """Whether a message is worth reading.

    Of each export of a failed cluster job Snakemake says that it found no older version of it.
    """
    text = record.getMessage()
    return not (text.startswith("Cannot restore") and text.endswith("no backup found."))


GroupJob.log_error = report_failure
logger.addFilter(is_news)
