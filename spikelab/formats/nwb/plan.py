"""A session as the arrays of an NWB file, before any file exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab import trains
from spikelab.formats.columns import columns_of
from spikelab.formats.nwb.electrodes import Electrodes, collect, group_of
from spikelab.formats.nwb.identity import Content
from spikelab.formats.nwb.options import Options
from spikelab.formats.nwb.unit_columns import Encoded, encode
from spikelab.metadata import NAMES
from spikelab.spikedata import attributes as attribute_names
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import from_ms


@dataclass(frozen=True)
class Plan:
    """Everything that an NWB file of a session will hold, as arrays.

    Attributes
    ----------
    times_s, ends : numpy.ndarray, shapes (n_spikes,) and (n_units,)
        Spike times in s, unit after unit, and the position after each unit's last spike.
    window_s : tuple of float
        Start and end of the session in s, wide enough to hold every spike.
    ids : numpy.ndarray of int64, shape (n_units,)
        Row ids of the table.
    ids_from : {'id', 'unit_name', 'number', 'none'}
        Which column holds the attribute ``unit_id``; ``'number'``: the text of unit_name is one
        that the whole numbers of an id have no room for.
    columns : list of Encoded
        Attributes of the units.
    groups : list of str, or None
        Electrode group of each unit, where the attribute of that name says so.
    electrodes : Electrodes
    electrode_key : str, or None
        The attribute that no column can hold and that the electrodes of the units stand for.
    shift_ms : float
        What was subtracted from every time.
    """

    times_s: NDArray[np.float64]
    ends: NDArray[np.int64]
    window_s: tuple[float, float]
    ids: NDArray[np.int64]
    ids_from: str
    columns: list[Encoded]
    groups: list[str] | None
    electrodes: Electrodes
    electrode_key: str | None
    shift_ms: float


def make_plan(sd: SpikeData, given: Mapping[str, Any], options: Options, lost: list[str]) -> Plan:
    """Turn a session into the arrays of a file; names of what cannot be kept go to `lost`."""
    shift_ms = min(sd.start_time, 0.0) if options.align_start else 0.0
    flat, ends = trains.flatten(sd.train)
    times_s = from_ms(flat - shift_ms if shift_ms else flat, "s")
    start, stop = from_ms([sd.start_time - shift_ms, sd.start_time - shift_ms + sd.length], "s")
    window_s = (float(times_s.min(initial=start)), float(times_s.max(initial=stop)))
    attributes = sd.neuron_attributes or [{} for _ in range(sd.N)]
    ids, ids_from, names = _identity(attributes, sd.N)
    columns = [names]
    taken = {names.name}
    groups = _group_names(attributes)
    channels = len(sd.raw_data) if options.raw else 0
    electrodes = collect(attributes, given.get("electrode_location"), channels)
    electrode_key = None
    for column in columns_of(attributes):
        stands = (column.name == attribute_names.UNIT_ID and ids_from != "none") or (
            column.name == "electrode_group" and groups is not None
        )
        encoded = None if stands else encode(column, taken)
        if encoded is not None:
            columns.append(encoded)
            taken.add(encoded.name)
        elif column.name in attribute_names.ELECTRODE_KEYS and electrodes.hold(column):
            electrode_key = column.name
        elif not stands:
            lost.append(f"attribute {column.name}")
    return Plan(
        times_s,
        ends,
        window_s,
        ids,
        ids_from,
        columns,
        groups,
        electrodes,
        electrode_key,
        shift_ms,
    )


def _identity(
    attributes: Sequence[Mapping[str, Any]], n_units: int
) -> tuple[NDArray[np.int64], str, Encoded]:
    """Row ids, the column that stands for ``unit_id``, and the column of the names."""
    unit_ids = attribute_names.ids_to_write(attributes, n_units, "NWB")
    own = [unit.get(attribute_names.UNIT_ID) for unit in attributes]
    source = "none"
    ids = np.arange(n_units)
    if all(isinstance(one, int) and abs(one) < 2**63 for one in unit_ids):
        ids = np.array(unit_ids, dtype=np.int64)
        source = "id" if n_units and own == unit_ids else "none"
    else:
        source = "unit_name" if isinstance(unit_ids[0], str) else "number"
    texts = np.array([str(one) for one in unit_ids], dtype=object)
    names = Encoded("unit_name", "identity of each unit", texts, marks={"role": "identity"})
    return ids, source, names


def _group_names(attributes: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The attribute ``electrode_group``, where every unit has one that can name a group."""
    names = [
        name
        for unit in attributes
        if isinstance(name := unit.get("electrode_group"), str)
        and group_of({"electrode_group": name}) == name
    ]
    return names if names and len(names) == len(attributes) else None


def content_of(
    sd: SpikeData,
    plan: Plan,
    given: Mapping[str, Any],
    other: str | None,
    fs_Hz: float | None,
    options: Options,
) -> Content:
    """A digest of all that determines the file."""
    content = Content()
    content.add("spike_times", plan.times_s)
    content.add("ends", plan.ends)
    content.add("session", (plan.window_s, plan.shift_ms, sd.start_time, sd.length, fs_Hz))
    content.add("options", options)
    # Only what reaches the file: a set, or an object without a repr, differs between processes.
    content.add("metadata", [(name, str(given.get(name))) for name in NAMES])
    content.add("other metadata", other)
    content.add("electrodes", (plan.electrodes.keys, plan.electrodes.areas, plan.groups))
    for name in ("places", "rows", "ends", "raw_rows"):
        content.add(name, getattr(plan.electrodes, name))
    content.add("ids", plan.ids)
    content.add("electrode_key", plan.electrode_key)
    for column in plan.columns:
        content.add(column.name, column.data)
        content.add("ends", column.ends)
    if options.raw:
        content.add("raw_data", sd.raw_data)
        content.add("raw_time", sd.raw_time)
    return content
