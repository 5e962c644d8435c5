"""``python -m spikelab`` is the command ``spikelab``."""

import sys

from spikelab.cli import main

sys.exit(main())
