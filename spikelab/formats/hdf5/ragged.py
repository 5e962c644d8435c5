"""HDF5, style ragged: all spike times, unit after unit, and where each unit ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab import trains, units
from spikelab.formats import h5
from spikelab.formats.hdf5 import layout as layouts
from spikelab.formats.hdf5 import session
from spikelab.formats.hdf5.layout import CommonOptions, Layout
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import TimeUnit

STYLE = "ragged"
# Datasets that tell the number of units in other people's files.
_ID_NAMES = ("id", "unit_id", "unit_ids")


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Names of the datasets, and the unit of the spike times (by default ``'s'``)."""

    spike_times_dataset: str | None = None
    spike_times_index_dataset: str | None = None
    spike_times_unit: TimeUnit | None = None


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write float64 times (int64 for samples) and the int64 ends of the units."""
    layout = layouts.for_writing(sd, options, STYLE)
    flat, ends = trains.flatten(sd.train)
    flat = units.from_ms(flat, layout.unit, layout.fs_Hz)
    with h5.writing(path) as file:
        times = file.create_dataset(layout.names["spike_times_dataset"], data=flat)
        times.attrs["unit"] = layout.unit
        file.create_dataset(layout.names["spike_times_index_dataset"], data=ends)
        session.describe(file, sd, layout)


def read(path: Path, options: Options) -> SpikeData:
    """Read the style; in other people's files the units' times may be unsorted."""
    with h5.reading(path) as file:
        layout = layouts.for_reading(file, options, STYLE)
        flat = h5.numbers(file, layout.names["spike_times_dataset"], ndim=1)
        ends = _ends(file, layout)
        train_ms = trains.split(units.to_ms(flat, layout.unit, layout.fs_Hz), ends)
        return session.build(file, layout, train_ms)


def _ends(file: h5py.File, layout: Layout) -> NDArray[np.generic]:
    """The index as ends of the units.

    Some write a leading zero. In itself it cannot be told from a silent first unit, so it is
    taken for one unless ids beside the index count one unit less than it has entries.
    """
    name = layout.names["spike_times_index_dataset"]
    index = h5.numbers(file, name, ndim=1, kinds="iu" if _filled(file, name) else "iuf")
    if layout.header.n_units is None and index.size and index[0] == 0:
        beside = name.rpartition("/")[0]
        ids = [h5.find(file, f"{beside}/{one}") for one in _ID_NAMES]
        if any(isinstance(one, h5py.Dataset) and one.shape == (index.size - 1,) for one in ids):
            return index[1:]
    return index


def _filled(file: h5py.File, name: str) -> bool:
    """Whether a dataset has entries; an empty one may have any dtype."""
    return h5.dataset(file, name).size != 0
