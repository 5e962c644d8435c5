"""Whether a run has what its transfers and its cluster jobs need, before its first job starts."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spikelab.errors import OptionError
from spikelab.plan import Plan, SetupError

# Seconds for sbatch to answer; a busy controller takes its time.
SLURM_TIMEOUT_S = 120
# The names of resources that Snakemake's plugin knows, and what sbatch calls them.
SBATCH_FLAGS = {
    "mem_mb": "--mem",
    "runtime": "--time",
    "slurm_partition": "--partition",
    "slurm_account": "--account",
}


def require_access(plan: Plan, rules: Collection[str]) -> None:
    """Refuse a run whose transfers would all fail for want of a key.

    No server is asked. Only where boto3 finds no key in the environment and its files does it ask
    the machine itself, which has one where it is rented from Amazon.

    Parameters
    ----------
    plan : Plan
        The plan of the run.
    rules : collection of str
        The rules of the jobs that are to run.

    Raises
    ------
    SetupError
        If there are transfers among them, and boto3 finds no key, or half of one.
    """
    # A workflow that uses this one as a module may put something before their names.
    uploads = any(rule.endswith("upload_export") for rule in rules)
    fetches = any(rule.endswith("fetch") for rule in rules)
    downloads = fetches and not plan.config["download"]["anonymous"]
    lack = _lack_of_key() if uploads or downloads else None
    if lack is not None:
        hint = (
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE or "
            "a file of keys in AWS_SHARED_CREDENTIALS_FILE"
        )
        if not uploads:
            hint += "; for public sources, set anonymous under download in the configuration"
        what = "this run transfers files from or to S3, but there is no key"
        raise SetupError([OptionError(what, found=lack, hint=hint)])


def require_slurm(requests: Sequence[Mapping[str, Any]], attempts: int = 1) -> list[str]:
    """Refuse a run whose largest jobs Slurm would refuse, or let wait for ever.

    Parameters
    ----------
    requests : sequence of mapping
        What each cluster job asks for: mem_mb, runtime (minutes), and where they are given
        slurm_partition and slurm_account.
    attempts : int
        How often a job is tried; the n-th time it asks for n times as much.

    Returns
    -------
    list of str
        What a user should know: of jobs that could not be tried again.

    Raises
    ------
    SetupError
        If there is no sbatch, or it refuses the longest or the largest of them, or the longest one
        asks for more time than its partition allows.
    """
    if not requests:
        return []
    if shutil.which("sbatch") is None:
        hint = "start this on a login node of the cluster, or load its module of Slurm"
        raise SetupError([OptionError("there is no command sbatch on PATH", hint=hint)])
    largest, longest = (
        max(requests, key=lambda one: one.get(name, 0)) for name in ("mem_mb", "runtime")
    )
    found = [_refused(largest), _refused(longest), _too_long(longest, 1)]
    problems = {str(problem): problem for problem in found if problem}
    if problems:
        raise SetupError(list(problems.values()))
    later = _too_long(longest, attempts)
    return [f"To know: {later}"] if later else []


def _too_long(request: Mapping[str, Any], attempt: int) -> OptionError | None:
    """What is wrong with the time that an attempt asks for: Slurm itself would only let it wait."""
    asked_min = request.get("runtime", 0) * attempt
    wanted = request.get("slurm_partition")
    try:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%P %l"],
            capture_output=True,
            text=True,
            timeout=SLURM_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # nobody knows
    limits = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    default = next((name for name in limits if name.endswith("*")), None)
    name = default if wanted in (None, (default or "").rstrip("*")) else str(wanted)
    limit_min = _minutes(limits.get(name or "", "infinite"))
    if asked_min <= limit_min:
        return None
    return OptionError(
        f"the {'first attempt' if attempt == 1 else f'attempt {attempt}'} of the longest job asks "
        f"for {asked_min} minutes, for which it would wait for ever",
        allowed=f"{limit_min:.0f} minutes in the partition {str(name).rstrip('*')}",
        hint="name a partition that allows more, as slurm_partition under default-resources of the "
        "profile, or let fewer small sessions share a job (group-components)"
        + ("" if attempt == 1 else ", or lower retries"),
    )


def _minutes(text: str) -> float:
    """A time as sinfo prints it: infinite, minutes:seconds, or [days-]hours:minutes:seconds."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in parts):
        return math.inf
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return int(days or 0) * 24 * 60 + seconds / 60


def _refused(request: Mapping[str, Any]) -> OptionError | None:
    """What Slurm has against a job, found by a test that submits nothing."""
    asked = [f"{flag}={request[name]}" for name, flag in SBATCH_FLAGS.items() if request.get(name)]
    command = ["sbatch", "--test-only", "--cpus-per-task=1", *asked, "--wrap=true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SLURM_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        found = f"no answer to {' '.join(command)} in {SLURM_TIMEOUT_S} s"
        return OptionError("Slurm is silent", found=found, hint="try again when it answers")
    if done.returncode == 0:
        return None
    return OptionError(
        f"Slurm refuses a job that asks for {' '.join(asked)}",
        found=" ".join(done.stderr.split()),
        hint="name a partition and an account that can run it, as slurm_partition and "
        "slurm_account under default-resources of the profile (sinfo and sacctmgr show "
        "associations list them)",
    )


def _lack_of_key() -> str | None:
    """Why boto3 has no key; None where it has."""
    import boto3
    from botocore.exceptions import BotoCoreError, PartialCredentialsError, ProfileNotFound

    try:
        if boto3.Session().get_credentials() is not None:
            return None
    except (PartialCredentialsError, ProfileNotFound) as error:
        return str(error)
    except BotoCoreError as error:
        return type(error).__name__  # other texts may quote what a helper program printed
    return "none in the environment, in boto3's files, or of this machine"
