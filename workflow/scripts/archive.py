"""Place one NWB file in the dandiset."""

import sys
from pathlib import Path

# This repository's library, also where another package of that name is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from spikelab import jobs, places

jobs.archive(
    snakemake.input.nwb,
    places.DANDISET,
    snakemake.output.receipt,
    log=snakemake.log[0],
    session=snakemake.wildcards.session,
)
