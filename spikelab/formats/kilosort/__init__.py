"""Kilosort/Phy folders: written so that Phy opens them, read whoever wrote them."""

from spikelab.formats.kilosort.manifest import carry_over, is_same_export
from spikelab.formats.kilosort.options import Options
from spikelab.formats.kilosort.reader import read
from spikelab.formats.kilosort.writer import write

__all__ = ["Options", "carry_over", "is_same_export", "read", "write"]
