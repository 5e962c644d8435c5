"""Export one session file in one format."""

import sys
from pathlib import Path

# This repository's library, also where another package of that name is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from spikelab import jobs, places

session = snakemake.wildcards.session
format = snakemake.params.export["format"]
jobs.export(
    snakemake.input.session,
    places.result(format).format(session=session),
    snakemake.output.receipt,
    log=snakemake.log[0],
    session=session,
    format=format,
    options=snakemake.params.export["options"],
)
