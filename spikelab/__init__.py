"""Export sorted electrophysiology sessions to the formats their users need."""

from spikelab.spikedata.spikedata import SpikeData

__version__ = "0.1.0"

__all__ = ["SpikeData", "__version__"]
