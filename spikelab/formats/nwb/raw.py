"""Raw traces as an ElectricalSeries, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab.errors import InvalidSpikeData
from spikelab.formats import h5
from spikelab.formats.nwb.session import CONVERSION, text
from spikelab.metadata import problems
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import MS_PER_S

if TYPE_CHECKING:
    from pynwb import NWBFile

    from spikelab.formats.nwb.options import Options
    from spikelab.formats.nwb.plan import Plan

SERIES = "ElectricalSeries"
# Times closer than this (ms) to a regular grid are that grid.
_GRID_MS = 1e-6
# Traces in which spikes can be found are sampled faster than this.
SLOWEST_RAW_HZ = 5_000.0


def add_series(
    file: NWBFile,
    sd: SpikeData,
    plan: Plan,
    given: Mapping[str, Any],
    fs_Hz: float | None,
    options: Options,
) -> None:
    """Add the raw traces of a session.

    Regularly sampled traces state a start and a rate, others the time of each sample.

    Raises
    ------
    InvalidSpikeData
        If the traces are not numbers, or their conversion to volts is not a positive one.
    """
    from pynwb import H5DataIO
    from pynwb.ecephys import ElectricalSeries

    if sd.raw_data.dtype.kind not in "iuf":
        raise InvalidSpikeData("raw traces must be numbers", found=str(sd.raw_data.dtype))
    region = file.create_electrode_table_region(
        region=plan.electrodes.raw_rows.tolist(), description="electrode of each channel"
    )
    data: Any = np.ascontiguousarray(sd.raw_data.T)
    if options.compression != "none":
        data = H5DataIO(data, compression="gzip", compression_opts=1, shuffle=True)
    file.add_acquisition(
        ElectricalSeries(
            name=SERIES,
            **_conversion(given),
            data=data,
            electrodes=region,
            **_time_base(sd.raw_time - plan.shift_ms, fs_Hz),
        )
    )


def _conversion(given: Mapping[str, Any]) -> dict[str, Any]:
    if CONVERSION not in given:
        return {
            "description": "raw traces as the source has them; their unit is not known",
            "comments": "the conversion to volts is not known: conversion 1 is a placeholder",
        }
    if wrong := problems({CONVERSION: given[CONVERSION]}):
        raise InvalidSpikeData(wrong[0])
    return {
        "description": "raw traces as the source has them",
        "conversion": given[CONVERSION],
    }


def _time_base(times_ms: NDArray[np.float64], fs_Hz: float | None) -> dict[str, Any]:
    n = len(times_ms)
    rate_Hz = fs_Hz
    if rate_Hz is None and n > 1 and times_ms[-1] > times_ms[0]:
        rate_Hz = float((n - 1) * MS_PER_S / (times_ms[-1] - times_ms[0]))
    if rate_Hz is not None:
        grid = grid_ms(float(times_ms[0]), rate_Hz, n)
        if np.abs(grid - times_ms).max() <= _GRID_MS:
            return {"starting_time": float(times_ms[0]) / MS_PER_S, "rate": rate_Hz}
    return {"timestamps": times_ms / MS_PER_S}


def grid_ms(start_ms: float, rate_Hz: float, n_samples: int) -> NDArray[np.float64]:
    """Times in ms of regular samples."""
    return start_ms + np.arange(n_samples) / (rate_Hz / MS_PER_S)


def read_series(file: h5py.File, shift_ms: float) -> dict[str, Any]:
    """``raw_data`` and ``raw_time`` (ms) of a file that this package wrote, if it has traces."""
    series = h5.find(file, f"acquisition/{SERIES}")
    if not isinstance(series, h5py.Group):
        return {}
    data = np.ascontiguousarray(h5.numbers(series, "data", ndim=2).T)
    if "timestamps" in series:
        times = series["timestamps"][()] * MS_PER_S
    else:
        start = series["starting_time"]
        times = grid_ms(float(start[()]) * MS_PER_S, float(start.attrs["rate"]), data.shape[1])
    return {"raw_data": data, "raw_time": times + shift_ms}


def _is_local(group: h5py.Group, name: str) -> bool:
    return not isinstance(group.get(name, getlink=True), h5py.ExternalLink)


def series_rate_Hz(file: h5py.File) -> float | None:
    """Sampling rate of the raw series of a file, where all of them agree; else None.

    Spikes are not found in local field potentials: slow series, and those that say so in their
    name, do not count. (Series in an LFP container lie deeper than this looks.)
    """
    rates = set()
    acquisition = h5.find(file, "acquisition")
    all_names = acquisition if isinstance(acquisition, h5py.Group) else ()
    names = [name for name in all_names if "lfp" not in name.lower()]
    for item in (h5.find(acquisition, name) for name in names if _is_local(acquisition, name)):
        if isinstance(item, h5py.Group) and text(item.attrs.get("neurodata_type", "")) == SERIES:
            start = item.get("starting_time")
            if start is not None and "rate" in start.attrs:
                rates.add(float(start.attrs["rate"]))
    rates = {rate for rate in rates if rate >= SLOWEST_RAW_HZ}
    return rates.pop() if len(rates) == 1 else None
