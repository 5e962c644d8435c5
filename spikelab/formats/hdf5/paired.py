"""HDF5, style paired: for each spike the index of its unit and its time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikelab import trains, units
from spikelab.errors import FormatError
from spikelab.formats import h5
from spikelab.formats.hdf5 import layout as layouts
from spikelab.formats.hdf5 import session
from spikelab.formats.hdf5.layout import CommonOptions, Layout
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import TimeUnit

STYLE = "paired"


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Names of the datasets, and the unit of the spike times (by default ``'ms'``)."""

    idces_dataset: str | None = None
    times_dataset: str | None = None
    times_unit: TimeUnit | None = None


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write int64 indices and float64 times (int64 for samples), in order of time."""
    layout = layouts.for_writing(sd, options, STYLE)
    times_ms, idces = trains.chronological(sd.train)
    stored = units.from_ms(times_ms, layout.unit, layout.fs_Hz)
    with h5.writing(path) as file:
        file.create_dataset(layout.names["idces_dataset"], data=idces)
        times = file.create_dataset(layout.names["times_dataset"], data=stored)
        times.attrs["unit"] = layout.unit
        session.describe(file, sd, layout)


def read(path: Path, options: Options) -> SpikeData:
    """Read the style; without a stated number of units the highest index is the last unit."""
    with h5.reading(path) as file:
        layout = layouts.for_reading(file, options, STYLE)
        idces = h5.numbers(file, layout.names["idces_dataset"], ndim=1)
        times = h5.numbers(file, layout.names["times_dataset"], ndim=1)
        times_ms = units.to_ms(times, layout.unit, layout.fs_Hz)
        n_units = layout.header.n_units
        if n_units is None:
            n_units = _n_units(idces, layout)
        return session.build(file, layout, trains.by_unit(idces, times_ms, n_units))


def _n_units(idces: NDArray[np.generic], layout: Layout) -> int:
    units_of_spikes = trains.as_integers(idces, layout.names["idces_dataset"])
    highest = int(units_of_spikes.max(initial=-1))
    # A few spikes cannot stand for any number of units: such indices are ids, or damage.
    if highest >= max(1_000_000, 1_000 * units_of_spikes.size):
        raise FormatError(
            "the unit indices are too high to count units",
            found=f"{highest} with {units_of_spikes.size} spikes",
            hint="number the units from 0",
        )
    return highest + 1
