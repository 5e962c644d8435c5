"""The session in memory."""

from spikelab.spikedata.spikedata import SpikeData

__all__ = ["SpikeData"]
