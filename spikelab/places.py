"""Where everything that a run makes has its place, and how Snakemake is told that it is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from spikelab.formats.registry import EXPORTS, FORMATS
from spikelab.s3.receipt import SUFFIX as S3_SUFFIX

SESSION_FILE = "work/sessions/{session}.pkl"
# Which names a sheet may give is said in its schema; here, what keeps wildcards apart.
SESSION_WILDCARD = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
RECEIPT = "work/receipts/{session}/{format}.json"
# Stands for a result that is made again because it was removed.
RESTORED = "work/restored/{session}/{format}.json"
# What the ends of the names of exports are, for wildcards.
EXPORT_SUFFIX = "|".join(re.escape(FORMATS[name].suffix) for name in EXPORTS)
# Steps that upload are called so and by the suffix of the export, which is what their rule knows.
UPLOAD = "upload"
# Where the copies of a session's source are. The folder is Snakemake's to delete.
COPIES = "work/sources/{session}"
# What was downloaded for a session. Not in the folder of the copy: it is no part of the source.
FETCHED = RECEIPT.replace("{format}", "fetch")
# NWB files once more, in the layout of the DANDI archive.
DANDI = "dandi"
DANDISET = "dandiset"


def result(format: str) -> str:
    """Pattern of the path of an export, with the wildcard ``{session}``."""
    return "results/{session}/{session}" + FORMATS[format].suffix


def format_of(suffix: str) -> str:
    """The format whose exports end so."""
    return next(name for name in EXPORTS if FORMATS[name].suffix == suffix)


def s3_receipt(session: str, format: str) -> str:
    """The receipt of the upload of an export, which lies beside it."""
    return result(format).format(session=session) + S3_SUFFIX


def proof(session: str, format: str) -> str:
    """The file for Snakemake to ask for, so that an export is there.

    This is its receipt, and for an export that was removed since, the product of a rule of its
    own: a receipt of what is gone does not make Snakemake run anything, and parsing a workflow
    (for a dry run, say) must not remove it.
    """
    receipt = Path(RECEIPT.format(session=session, format=format))
    is_output = format in FORMATS and not FORMATS[format].folder
    if is_output or not receipt.exists() or Path(json.loads(receipt.read_text())["path"]).exists():
        return str(receipt)
    return RESTORED.format(session=session, format=format)


def last_restored(session: str, format: str) -> float | None:
    """When an export was last made again because it was removed (seconds since 1970).

    A parameter of the rule that makes it: after one more removal its product of last time is
    there, and would keep Snakemake from running it, had the parameter not changed.
    """
    product = Path(RESTORED.format(session=session, format=format))
    return product.stat().st_mtime if product.exists() else None
