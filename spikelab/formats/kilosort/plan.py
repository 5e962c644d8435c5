"""What is to be written: options checked, ids, labels and channels settled, before any file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import AssumptionWarning, LossWarning, OptionError
from spikelab.formats.kilosort import geometry, params
from spikelab.formats.kilosort.options import (
    SPIKE_CLUSTERS,
    SPIKE_TIMES,
    STANDARD_FILES,
    UNSORTED,
    Options,
    label_of,
)
from spikelab.spikedata.attributes import UNIT_ID, shared_ids, unit_ids
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import check_time_unit, from_ms, require_fs

MAX_INT32 = 2**31 - 1
# Names that our files have, or that mean something else to Phy.
_TAKEN_PREFIXES = (
    *("attribute_", "cluster_", "channel", "template", "whitening", "similar_templates"),
    *("spikes.", "pc_feature", "_phy_"),
)


@dataclass(frozen=True)
class Plan:
    """A session, ready to be written; options as in :class:`Options`, all settled."""

    sd: SpikeData
    fs_Hz: float
    time_unit: str
    times_file: str
    clusters_file: str
    cluster_ids: list[int]
    channels: geometry.Channels
    labels: list[str]

    @property
    def sample_offset(self) -> int:
        """Sample number, counted from time zero, of sample zero of the folder.

        Sample numbers cannot be negative: a session that starts before time zero is counted
        from its start.
        """
        start = min(self.sd.start_time, 0.0)
        return int(from_ms(start, "samples", self.fs_Hz))

    def integers(self, values: Sequence[int]) -> NDArray[np.integer]:
        """As int32, which all readers take, or int64 where the numbers need it."""
        largest = max(values, default=0)
        return np.array(values, dtype=np.int32 if largest <= MAX_INT32 else np.int64)


def plan(sd: SpikeData, options: Options) -> Plan:
    """Settle what is to be written; raises and warns as :func:`~.writer.write` says."""
    fs_Hz = sd.metadata.get("fs_Hz") if options.fs_Hz is None else options.fs_Hz
    times_file = _file_name(options.spike_times_file, SPIKE_TIMES, "spike_times_file")
    clusters_file = _file_name(options.spike_clusters_file, SPIKE_CLUSTERS, "spike_clusters_file")
    if times_file.lower() == clusters_file.lower():
        raise OptionError(
            "spike times and clusters need files of different names", found=times_file
        )
    time_unit = options.time_unit or "samples"
    check_time_unit(time_unit, fs_Hz, name="time_unit")
    if time_unit != "samples" and times_file == SPIKE_TIMES:
        warnings.warn(
            f"{SPIKE_TIMES} in {time_unit}: Phy and SpikeInterface take its numbers for samples. "
            "What to do: write samples, or give the spike times another file name "
            f"(then {SPIKE_TIMES} holds samples as well).",
            LossWarning,
            stacklevel=4,
        )
    channels = geometry.channels_of(sd.neuron_attributes, sd.N)
    if channels.is_renumbered:
        warnings.warn(
            "probes or shanks share channel numbers, which a Kilosort/Phy folder cannot tell "
            "apart: the channels are numbered by row; each unit keeps its own electrode number "
            "as an attribute.",
            AssumptionWarning,
            stacklevel=4,
        )
    return Plan(
        sd,
        require_fs(fs_Hz, why="a Kilosort/Phy folder"),
        time_unit,
        times_file,
        clusters_file,
        _cluster_ids(sd, options.cluster_ids),
        channels,
        [label_of(unit) or UNSORTED for unit in sd.neuron_attributes or [{}] * sd.N],
    )


def _file_name(given: str | None, standard: str, option: str) -> str:
    name = standard if given is None else given
    if not params.is_plain_name(name) or not name.endswith(".npy"):
        raise OptionError(
            f"{option} is no name of a file in the folder",
            found=given,
            allowed="a plain name that ends with .npy",
        )
    taken = name.lower() in STANDARD_FILES or name.lower().startswith(_TAKEN_PREFIXES)
    if name != standard and taken:
        raise OptionError(
            f"{option} is the name of another file of the folder",
            found=given,
            allowed=f"{standard}, or a name of its own",
        )
    return name


def _cluster_ids(sd: SpikeData, given: Sequence[int] | None) -> list[int]:
    """One distinct, non-negative id per unit."""
    if given is None:
        ids = unit_ids(sd.neuron_attributes, sd.N)
        twice = shared_ids([unit.get(UNIT_ID) for unit in sd.neuron_attributes or ()])
        if not twice and all(isinstance(unit, int) and 0 <= unit < 2**63 for unit in ids):
            return [int(unit) for unit in ids]
        found = f"{', '.join(twice[:10])} more than once" if twice else f"{ids[0]!r}, ..."
        warnings.warn(
            f"the units' ids are no cluster ids (found {found}; allowed: distinct whole numbers "
            f"from 0 to 2**63 - 1): the clusters are numbered 0 to {sd.N - 1}; each keeps its id "
            f"as the attribute {UNIT_ID}.",
            AssumptionWarning,
            stacklevel=5,
        )
        return list(range(sd.N))
    try:
        ids = list(given)
    except TypeError:
        raise OptionError("cluster_ids must be a list", found=given) from None
    usable = all(
        isinstance(unit, (int, np.integer)) and not isinstance(unit, bool) and 0 <= unit < 2**63
        for unit in ids
    )
    if not usable or len(set(ids)) != len(ids) or len(ids) != sd.N:
        raise OptionError(
            "cluster_ids do not fit the units",
            found=f"{len(ids)} ids: {ids}",
            allowed=f"{sd.N} distinct whole numbers of at least 0",
        )
    return [int(unit) for unit in ids]
