"""Read one source into a session file."""

import sys
from pathlib import Path

# This repository's library, also where another package of that name is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from spikelab import jobs

reading = dict(snakemake.params.reading)
reading.pop("library")
jobs.ingest(
    snakemake.output.session,
    log=snakemake.log[0],
    session=snakemake.wildcards.session,
    **reading,
)
