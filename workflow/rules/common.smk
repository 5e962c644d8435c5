# The plan of the run, and the helpers of the rules. Everything that decides is in spikelab.
import os
import shlex
import sys
import time

from snakemake.exceptions import WorkflowError

# This repository's library, also where another package of that name is installed.
if IS_LOCAL:
    sys.path.insert(0, str(HOME))

# Snakemake does not quote the Python that runs a script: one in a folder with blanks is not found.
# Where two modules are this workflow, the second finds it quoted.
if os.path.exists(sys.executable):
    sys.executable = shlex.quote(sys.executable)

try:
    from spikelab import plan as planning
    from spikelab import places, preflight, runs, status
    from spikelab.errors import SpikelabError
except ImportError as error:
    if IS_LOCAL:
        raise
    raise WorkflowError(
        f"The library of the export workflow is missing ({error}). A workflow that is named by a "
        "URL needs it where Snakemake is: pip install the same version of spikelab-export there."
    ) from None

if workflow.modifier.path_modifier.replace_prefix("results") != "results":
    raise WorkflowError(
        "The module of the export workflow has a prefix, but its jobs write to results, work and "
        "logs. Remove prefix (or replace_prefix) from the module statement."
    )

SCHEMAS = HOME / "workflow" / "schemas"
if not IS_LOCAL:
    # Snakemake gets both into one folder.
    workflow.source_path("../schemas/sessions.schema.yaml")
    SCHEMAS = Path(workflow.source_path("../schemas/config.schema.yaml")).parent

try:
    PLAN = planning.make(config, SCHEMAS, HOME)
except SpikelabError as error:
    raise WorkflowError(str(error)) from None

STARTED = time.time()

if workflow.is_main_process:
    status.outdate_uploads(PLAN)
    if "--unlock" in sys.argv:
        runs.forget()
    elif message := runs.recover():
        print(message, file=sys.stderr)


wildcard_constraints:
    session=places.SESSION_WILDCARD,
    style="ragged|raster|group|paired",


def allowed(ask, *arguments):
    """What the plan answers; where it refuses, the run ends with its message."""
    try:
        return ask(*arguments)
    except SpikelabError as error:
        raise WorkflowError(str(error)) from None


def known_session(wildcards):
    """The name of the session, which must be in the sheet."""
    if workflow.remote_exec:
        # Cluster jobs hear of no profile. Inside of them, too, one bad session must not stop the
        # others; input functions are the first place where the settings are there.
        workflow.execution_settings.keep_going = True
    return allowed(PLAN.session, wildcards.session).name


def source_files(wildcards):
    return PLAN.source_files(known_session(wildcards))


def reading_options(wildcards):
    return PLAN.reading_options(wildcards.session)


def session_file(wildcards):
    return places.SESSION_FILE.format(session=known_session(wildcards))


def folder_proof(wildcards):
    """What shows that the Kilosort/Phy folder of a session is there.

    A folder without receipt is an older one, kept because a new export failed: the session file
    besides is a change of input, which makes Snakemake try again.
    """
    name = known_session(wildcards)
    proof = places.proof(name, "kilosort")
    folder = places.result("kilosort").format(session=name)
    outdated = Path(folder).exists() and not Path(proof).exists()
    return [proof, session_file(wildcards)] if outdated else proof


def folder_restored(wildcards):
    return places.last_restored(wildcards.session, "kilosort")


def archive_restored(wildcards):
    return places.last_restored(wildcards.session, places.DANDI)


def hdf5_options(wildcards):
    return PLAN.export_options(f"hdf5_{wildcards.style}")


def fetch_options(wildcards):
    return allowed(PLAN.fetch_options, wildcards.session)


def uploaded_export(wildcards):
    """What shows that an export is there, complete, and made of the source as it is.

    Of a folder that is its receipt: Snakemake would date the folder by what Phy writes into it.
    The session file is missing where the source could not be read again.
    """
    name = known_session(wildcards)
    format = places.format_of(wildcards.suffix)
    return [*PLAN.upload_inputs(name, format), ancient(session_file(wildcards))]


def upload_options(wildcards):
    return allowed(PLAN.upload_options, wildcards.session, wildcards.suffix)


def upload_targets(wildcards):
    return allowed(PLAN.upload_targets)
