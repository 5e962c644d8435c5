"""What is in a session, in a few facts."""

from __future__ import annotations

from typing import Any

from spikelab.formats.columns import columns_of
from spikelab.spikedata.attributes import unit_ids
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import MS_PER_S

_MOST_IDS = 12


def describe(sd: SpikeData) -> dict[str, Any]:
    """The facts about a session that its owner looks for first.

    Parameters
    ----------
    sd : SpikeData
        The session.

    Returns
    -------
    dict
        Numbers, texts, lists of texts, and None for what is unknown.
    """
    counts = [len(times) for times in sd.train]
    ids = [str(one) for one in unit_ids(sd.neuron_attributes, sd.N)]
    return {
        "units": sd.N,
        "silent_units": counts.count(0),
        "unit_ids": ids if len(ids) <= _MOST_IDS else [*ids[:_MOST_IDS], f"... ({len(ids)})"],
        "spikes": sum(counts),
        "start_s": sd.start_time / MS_PER_S,
        "duration_s": sd.length / MS_PER_S,
        "sampling_frequency_Hz": sd.metadata.get("fs_Hz"),
        "attributes": [f"{one.name} ({one.kind})" for one in columns_of(sd.neuron_attributes)],
        "metadata": sorted(map(str, sd.metadata)),
        "raw_traces": _traces(sd),
    }


def _traces(sd: SpikeData) -> str:
    if not sd.raw_data.size:
        return "none"
    channels, samples = sd.raw_data.shape
    return f"{channels} channels, {samples} samples, {sd.raw_data.dtype}"
