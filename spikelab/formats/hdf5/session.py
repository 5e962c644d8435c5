"""All of a session but its spike times: to a file and back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab import trains, units
from spikelab.errors import FormatError, LossWarning
from spikelab.formats import h5
from spikelab.formats.hdf5 import header, table, traces
from spikelab.formats.hdf5.layout import Layout
from spikelab.spikedata.attributes import UNIT_ID, ids_to_write
from spikelab.spikedata.spikedata import SpikeData


def describe(file: h5py.File, sd: SpikeData, layout: Layout) -> None:
    """Write what the file says about itself, the attributes, the metadata and the raw traces.

    Warns
    -----
    LossWarning
        If an attribute or metadata hold what a file cannot keep; the message names it.
    AssumptionWarning
        If units share an id.
    """
    ids = ids_to_write(sd.neuron_attributes, sd.N, "HDF5")
    stated: dict[str, Any] = {
        "spikelab_layout": header.VERSION,
        "style": layout.style,
        "time_unit": layout.unit,
        "n_units": sd.N,
        "n_spikes": sum(map(len, sd.train)),
        "unit_ids": np.array(ids, dtype=_id_type(ids)),
        "start_time": sd.start_time,
        "length_ms": sd.length,
        **layout.names,
        "has_raw": traces.write(file, sd, layout),
    }
    if layout.fs_Hz is not None:
        stated["fs_Hz"] = layout.fs_Hz
    if "raw_dataset" in layout.names:
        stated["raw_time_unit"] = layout.raw_unit
    for name, value in stated.items():
        file.attrs[name] = value
    _write_tables(file, sd, layout)


def _id_type(ids: Sequence[int] | Sequence[str]) -> Any:
    numbers = [value for value in ids if isinstance(value, int)]
    if len(numbers) < len(ids) or not all(-(2**63) <= value < 2**64 for value in numbers):
        return h5py.string_dtype()
    return np.int64 if max(numbers, default=0) < 2**63 else np.uint64


def _write_tables(file: h5py.File, sd: SpikeData, layout: Layout) -> None:
    metadata = dict(sd.metadata)
    if layout.fs_Hz is not None and metadata.get("fs_Hz") != layout.fs_Hz:
        metadata["fs_Hz"] = layout.fs_Hz
    lost = []
    if sd.neuron_attributes is not None:
        lost += table.write(file.create_group(header.ATTRIBUTES_GROUP), sd.neuron_attributes)
    lost += table.write(file.create_group(header.METADATA_GROUP), [metadata])
    if lost:
        warnings.warn(
            f"HDF5 cannot keep these attributes or metadata as they are: {', '.join(lost)}",
            LossWarning,
            stacklevel=2,
        )


def build(file: h5py.File, layout: Layout, train_ms: Sequence[NDArray[np.float64]]) -> SpikeData:
    """The session with these spike times (ms, sorted or not).

    Raises
    ------
    FormatError
        If the numbers of units contradict each other, or a table is damaged.
    InvalidSpikeData
        If the spike times cannot form a session.
    """
    n_units = len(train_ms)
    if layout.header.n_units not in (None, n_units):
        raise FormatError(
            "the number of units contradicts itself",
            found=f"{n_units} spike trains, while the file states {layout.header.n_units} units",
        )
    start = 0.0 if layout.start_time_ms is None else layout.start_time_ms
    raw_data, raw_time = traces.read(file, layout)
    return SpikeData(
        _settled(train_ms, start, layout),
        length=layout.length_ms,
        start_time=start,
        neuron_attributes=_attributes(file, layout, n_units),
        metadata=_metadata(file, layout),
        raw_data=raw_data,
        raw_time=raw_time,
    )


def _settled(
    train_ms: Sequence[NDArray[np.float64]], start: float, layout: Layout
) -> Sequence[NDArray[np.float64]]:
    if layout.length_ms is None or layout.style == "raster":
        return train_ms
    end = start + layout.length_ms
    slack = units.round_off_ms(layout.unit, max(abs(start), abs(end)), layout.fs_Hz)
    if slack == 0.0:
        return train_ms
    return trains.settle(trains.ordered(train_ms), start, end, slack)


def _attributes(file: h5py.File, layout: Layout, n_units: int) -> list[dict[str, Any]] | None:
    if layout.header.style is None:
        return None
    group = h5.find(file, header.ATTRIBUTES_GROUP)
    if isinstance(group, h5py.Group):
        return table.read(group, n_units)
    ids = layout.header.unit_ids
    return None if ids == list(range(n_units)) else [{UNIT_ID: value} for value in ids or ()]


def _metadata(file: h5py.File, layout: Layout) -> dict[str, Any]:
    group = h5.find(file, header.METADATA_GROUP) if layout.header.style else None
    metadata = table.read(group, 1)[0] if isinstance(group, h5py.Group) else {}
    if layout.fs_Hz is not None:
        metadata.setdefault("fs_Hz", layout.fs_Hz)
    return metadata
