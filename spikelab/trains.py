"""Spike trains as arrays: flat, per unit, in order of time. No loop runs over spikes.

A *train* is a list with one sorted float64 array of spike times per unit. *Flat* means all
spike times of all units in one array, unit after unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikelab.errors import FormatError, InvalidSpikeData

Times = NDArray[np.float64]
Train = list[Times]
Scalar = TypeVar("Scalar", bound=np.generic)


def flatten(train: Sequence[NDArray[np.generic]]) -> tuple[Times, NDArray[np.int64]]:
    """Join the units.

    Parameters
    ----------
    train : sequence of numpy.ndarray, shape (n_spikes_of_unit,)
        Spike times per unit.

    Returns
    -------
    flat : numpy.ndarray of float64, shape (n_spikes,)
        All spike times, unit after unit.
    ends : numpy.ndarray of int64, shape (n_units,)
        For each unit, the position after its last spike in `flat`.
    """
    ends = np.cumsum([len(times) for times in train], dtype=np.int64)
    flat = np.concatenate(train).astype(np.float64, copy=False) if train else np.empty(0)
    return flat, ends


def split(flat: NDArray[Scalar], ends: ArrayLike) -> list[NDArray[Scalar]]:
    """Undo :func:`flatten`.

    Parameters
    ----------
    flat : numpy.ndarray, shape (n_spikes,)
        Spike times, unit after unit.
    ends : array_like of int, shape (n_units,)
        Position after each unit's last spike.

    Returns
    -------
    list of numpy.ndarray
        One view into `flat` per unit.

    Raises
    ------
    FormatError
        If the ends are not integers that grow from 0 to the number of spikes.
    """
    index = np.asarray(ends)
    if index.ndim != 1 or flat.ndim != 1:
        raise FormatError(
            "spike times and their index must be one-dimensional",
            found=f"shapes {flat.shape} and {index.shape}",
        )
    if index.size == 0 and flat.size == 0:
        return []
    if index.dtype.kind not in "iu":
        raise FormatError("the index of the spike times is not integer", found=str(index.dtype))
    index = index.astype(np.int64)
    steps = np.diff(index, prepend=0)
    if index.size == 0 or (steps < 0).any() or index[-1] != flat.size:
        raise FormatError(
            "the index does not fit the spike times",
            found=f"{flat.size} spike times, index {np.array2string(index, threshold=6)}",
            allowed="positions that never decrease and end at the number of spike times",
        )
    return np.split(flat, index[:-1])


def by_unit(idces: ArrayLike, times: ArrayLike, n_units: int) -> list[NDArray[Any]]:
    """Group paired arrays by unit, keeping the order within each unit.

    Parameters
    ----------
    idces : array_like of int, shape (n_spikes,)
        Unit of each spike, 0 to `n_units` - 1.
    times : array_like, shape (n_spikes,)
        Time of each spike.
    n_units : int
        Number of units, silent ones included.

    Returns
    -------
    list of numpy.ndarray
        `n_units` arrays of spike times.

    Raises
    ------
    InvalidSpikeData
        If the arrays do not match, or an index is not a unit.
    """
    units = np.asarray(idces)
    values = np.asarray(times)
    if units.ndim != 1 or units.shape != values.shape:
        raise InvalidSpikeData(
            "unit indices and spike times must be one-dimensional and equally long",
            found=f"shapes {units.shape} and {values.shape}",
        )
    if units.size == 0:
        return [np.empty(0, values.dtype) for _ in range(n_units)]
    units = as_integers(units, "unit indices")
    if units.min() < 0 or units.max() >= n_units:
        raise InvalidSpikeData(
            "a unit index is out of range",
            found=f"indices from {units.min()} to {units.max()}",
            allowed=f"0 to {n_units - 1}",
        )
    # Up to 65536 units numpy sorts the smaller integers by their digits: over three times faster.
    order = np.argsort(units.astype(np.min_scalar_type(n_units)), kind="stable")
    ends = np.cumsum(np.bincount(units, minlength=n_units))
    return np.split(values[order], ends[:-1])


def as_integers(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Return whole numbers as int64; raise :class:`InvalidSpikeData` for anything else."""
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    whole = array.dtype.kind == "f" and bool(np.all(np.isfinite(array) & (array == np.rint(array))))
    if not whole and array.size:
        raise InvalidSpikeData(f"{name} must be whole numbers", found=f"dtype {array.dtype}")
    return array.astype(np.int64)


def chronological(train: Sequence[NDArray[np.generic]]) -> tuple[Times, NDArray[np.int64]]:
    """All spikes in order of time.

    Spikes at the same time stay in the order of their units.

    Parameters
    ----------
    train : sequence of numpy.ndarray
        Spike times per unit.

    Returns
    -------
    times : numpy.ndarray of float64, shape (n_spikes,)
        Spike times, ascending.
    idces : numpy.ndarray of int64, shape (n_spikes,)
        Index of the unit of each spike.
    """
    flat, ends = flatten(train)
    idces = np.repeat(np.arange(len(train)), np.diff(ends, prepend=0))
    order = np.argsort(flat, kind="stable")
    return flat[order], idces[order]


def ordered(train: Sequence[Times]) -> Train:
    """Each unit's times in order; arrays that are so already are the ones given."""
    return [times if (times[1:] >= times[:-1]).all() else np.sort(times) for times in train]


def settle(train: Sequence[Times], start_ms: float, end_ms: float, tolerance_ms: float) -> Train:
    """Move spikes that rounding put just outside the session back to its edge.

    Spikes further out than the tolerance are left where they are, for the session's own check
    to refuse.

    Parameters
    ----------
    train : sequence of numpy.ndarray of float64
        Sorted spike times per unit, ms.
    start_ms, end_ms : float
        Edges of the session in ms.
    tolerance_ms : float
        The largest distance in ms that rounding can explain.

    Returns
    -------
    list of numpy.ndarray of float64
        The spike times; arrays that need no change are the ones given.
    """

    def settled(times: Times) -> Times:
        if times.size == 0 or (times[0] >= start_ms and times[-1] <= end_ms):
            return times
        times = np.where((times < start_ms) & (times >= start_ms - tolerance_ms), start_ms, times)
        return np.where((times > end_ms) & (times <= end_ms + tolerance_ms), end_ms, times)

    return [settled(times) for times in train]
