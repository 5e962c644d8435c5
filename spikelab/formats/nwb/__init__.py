"""Neurodata Without Borders 2: files for archives.

The units table is written from whole columns with pynwb, and every attribute of the units that a
typed column can hold is a column; docs/formats.md has the layout, and what is kept.
"""

from spikelab.formats.nwb.options import Options
from spikelab.formats.nwb.reader import read
from spikelab.formats.nwb.writer import write

__all__ = ["Options", "read", "write"]
