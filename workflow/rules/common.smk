# The plan of the run, and the helpers of the rules. Everything that decides is in spikelab.
import os
import shlex
import sys
import time

from snakemake.exceptions import WorkflowError

# This repository's library, also where another package of that name is installed.
sys.path.insert(0, str(HOME))

# Snakemake does not quote the Python that runs a script: one in a folder with blanks is not found.
sys.executable = shlex.quote(sys.executable)

from spikelab import plan as planning
from spikelab import status
from spikelab.errors import SpikelabError

try:
    PLAN = planning.make(config, HOME / "workflow" / "schemas", HOME)
except SpikelabError as error:
    raise WorkflowError(str(error)) from None

STARTED = time.time()


wildcard_constraints:
    session=planning.SESSION_WILDCARD,
    style="ragged|raster|group|paired",


def known_session(wildcards):
    """The name of the session, which must be in the sheet."""
    try:
        return PLAN.session(wildcards.session).name
    except SpikelabError as error:
        raise WorkflowError(str(error)) from None


def source_files(wildcards):
    return PLAN.source_files(known_session(wildcards))


def reading_options(wildcards):
    return PLAN.reading_options(wildcards.session)


def session_file(wildcards):
    return planning.SESSION_FILE.format(session=known_session(wildcards))


def folder_proof(wildcards):
    """What shows that the Kilosort/Phy folder of a session is there.

    A folder without receipt is an older one, kept because a new export failed: the session file
    besides is a change of input, which makes Snakemake try again.
    """
    name = known_session(wildcards)
    proof = planning.proof(name, "kilosort")
    folder = planning.result("kilosort").format(session=name)
    outdated = Path(folder).exists() and not Path(proof).exists()
    return [proof, session_file(wildcards)] if outdated else proof


def hdf5_options(wildcards):
    return PLAN.export_options(f"hdf5_{wildcards.style}")


def size_mb(input):
    """Size of the input. (Snakemake's own sums cost ten times as much per job.)"""
    return sum(os.path.getsize(file) for file in input) / 1e6


def mem_mb(wildcards, input, attempt):
    """Memory of a job (MB): measured, 100 and up to 7 times a session file of spikes; with room."""
    return int((300 + 8 * size_mb(input)) * attempt)


def runtime(wildcards, input, attempt):
    """Minutes of a job: a start, and a slow disk's time for the input."""
    return int((5 + size_mb(input) / 200) * attempt)
