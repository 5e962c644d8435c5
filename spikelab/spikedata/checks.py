"""The invariants of a session: what :class:`~spikelab.spikedata.spikedata.SpikeData` accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikelab.errors import InvalidSpikeData
from spikelab.trains import Times


def sorted_times(times: ArrayLike, unit: int) -> Times:
    """Copy one unit's spike times (ms) into a sorted, finite, one-dimensional float64 array."""
    if hasattr(times, "rescale"):
        raise InvalidSpikeData(
            f"spike times of unit {unit} carry a unit of their own",
            found=type(times).__name__,
            hint="use SpikeData.from_neo_spiketrains, or give plain numbers in ms",
        )
    if np.ma.is_masked(times):
        raise InvalidSpikeData(
            f"spike times of unit {unit} are partly masked", hint="give times.compressed()"
        )
    try:
        array = np.array(times)
    except ValueError as error:
        raise InvalidSpikeData(f"spike times of unit {unit} are ragged") from error
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise InvalidSpikeData(
            f"spike times of unit {unit} are not a list of numbers",
            found=f"shape {array.shape}, dtype {array.dtype}",
        )
    array = array.astype(np.float64, copy=False)
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InvalidSpikeData(
            f"spike times of unit {unit} are not all finite",
            found=f"{bad.size} NaN or infinite values, the first at position {bad[0]}",
        )
    if (array[1:] < array[:-1]).any():
        array.sort()
    return array


def pairs(events: Iterable[tuple[int, float]]) -> NDArray[np.float64]:
    """Events as one float64 array of (unit index, time), shape (n_spikes, 2)."""
    given = list(events)
    if not given:
        return np.empty((0, 2))
    try:
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InvalidSpikeData(
            "events are not pairs of numbers",
            found=f"{len(given)} events, the first {given[0]!r}",
            allowed="(unit index, time in ms) for each spike",
        )
    return array


def number_of_units(N: int | None, n_trains: int) -> int:
    """The number of units: `N`, which may add silent ones, or the number of trains."""
    if N is None:
        return n_trains
    if isinstance(N, bool) or not isinstance(N, (int, np.integer)) or n_trains > N:
        raise InvalidSpikeData(
            "N does not fit the spike trains",
            found=f"N={N!r} with {n_trains} trains",
            allowed=f"a whole number of at least {n_trains}",
        )
    return int(N)


def finite(value: Any, name: str) -> float:
    """Return `value` as a finite float."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not np.isfinite(number):
        raise InvalidSpikeData(f"{name} must be a finite number", found=value)
    return number


def session_length(length: float | None, start_time: float, train: Sequence[Times]) -> float:
    """The duration in ms: `length`, or up to the last spike.

    start_time + (last - start_time) is not always last. Where rounding alone leaves the last
    spike outside, the duration grows by that rounding, so that the session holds all its spikes.
    """
    last = max((float(times[-1]) for times in train if times.size), default=start_time)
    number = last - start_time if length is None else finite(length, "length")
    if length is not None and number < 0:
        raise InvalidSpikeData("length must not be negative", found=f"{number} ms")
    number = max(number, 0.0)
    end = start_time + number
    if end < last <= end + 2 * np.spacing(max(abs(start_time), abs(end))):
        number = max(number, last - start_time)
        if start_time + number < last:
            number = float(np.nextafter(number, np.inf))
    return number


def inside(train: Sequence[Times], start_time: float, length: float) -> None:
    """Refuse spikes outside [start_time, start_time + length] (ms)."""
    end = start_time + length
    for unit, times in enumerate(train):
        if times.size and (times[0] < start_time or times[-1] > end):
            outside = int(((times < start_time) | (times > end)).sum())
            raise InvalidSpikeData(
                f"{outside} spike times of unit {unit} lie outside the session",
                found=f"{float(times[0])!r} to {float(times[-1])!r} ms",
                allowed=f"{start_time!r} to {end!r} ms (start_time to start_time + length)",
                hint="give the right start_time and length, or cut the times",
            )


def mapping(value: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """A shallow copy as a dict; None is the empty dict."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidSpikeData(f"{name} must be a mapping", found=type(value).__name__)
    return dict(value)


def attributes_of(
    attributes: Sequence[Mapping[str, Any]] | None, n_units: int
) -> list[dict[str, Any]] | None:
    """A copy of the attributes, one dict per unit."""
    if attributes is None:
        return None
    copied = [mapping(unit, f"attributes of unit {i}") for i, unit in enumerate(attributes)]
    if len(copied) != n_units:
        raise InvalidSpikeData(
            "neuron_attributes must have one entry per unit",
            found=f"{len(copied)} entries for {n_units} units",
        )
    return copied


def raw_traces(
    raw_data: ArrayLike | None, raw_time: ArrayLike | float | None, start_time: float
) -> tuple[NDArray[np.generic], Times]:
    """Raw traces (n_channels, n_samples) and the time in ms of each sample."""
    if raw_data is None and raw_time is None:
        return np.zeros((0, 0)), np.zeros(0)
    if raw_data is None or raw_time is None:
        raise InvalidSpikeData("raw_data and raw_time must be given together")
    data, times = np.asarray(raw_data), np.asarray(raw_time)
    if data.dtype.kind not in "iufb" or times.dtype.kind not in "iuf":
        raise InvalidSpikeData(
            "raw_data and raw_time must be numbers", found=f"{data.dtype} and {times.dtype}"
        )
    times = times.astype(np.float64, copy=False)
    if times.ndim == 0:
        if not np.isfinite(times) or times <= 0:
            raise InvalidSpikeData("raw_time as a sampling rate must be above 0 kHz", found=times)
        times = start_time + np.arange(data.shape[-1] if data.ndim else 0) / times
    if data.ndim != 2 or times.shape != data.shape[1:]:
        raise InvalidSpikeData(
            "raw_data and raw_time do not fit",
            found=f"shapes {data.shape} and {times.shape}",
            allowed="(channels, samples) and (samples,)",
        )
    if not np.isfinite(times).all() or (times[1:] < times[:-1]).any():
        raise InvalidSpikeData("raw_time must be finite and ascending")
    return data, times


def counts(raster: ArrayLike) -> NDArray[np.int64]:
    """Spike counts as int64, shape (n_units, n_bins); none negative, none fractional."""
    array = np.asarray(raster)
    if hasattr(raster, "toarray"):
        array = raster.toarray()
    whole = array.dtype.kind in "iub" or (
        array.dtype.kind == "f" and bool((np.isfinite(array) & (array == np.rint(array))).all())
    )
    if array.ndim != 2 or not whole or (array < 0).any():
        raise InvalidSpikeData(
            "a raster holds spike counts",
            found=f"shape {array.shape}, dtype {array.dtype}",
            allowed="whole numbers of at least 0, shape (units, bins)",
        )
    return array.astype(np.int64)
