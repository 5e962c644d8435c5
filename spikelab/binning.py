"""Spike counts in bins of time, and back. No loop runs over spikes.

Bins are half-open, [start, end), and counted from the start of the session; a spike at the very
end of the session belongs to the last bin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import OptionError
from spikelab.trains import Times, flatten

# A time this close (in bins) to an edge of a bin lies on that edge: 0.3 ms at 0.1 ms is bin 3.
_EDGE_NOISE_BINS = 1e-9
_MAX_EDGE_NOISE_BINS = 1e-3


def check_bin_size(bin_size_ms: float) -> float:
    """Return the bin size in ms as a float; raise :class:`OptionError` for what is none."""
    try:
        value = float(bin_size_ms)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value) or value <= 0:
        raise OptionError(
            "the bin size must be a finite number of ms above zero", found=bin_size_ms
        )
    return value


def n_bins(length_ms: float, bin_size_ms: float, start_ms: float = 0.0) -> int:
    """Number of bins that cover `length_ms`: ceil(length / bin), free of float noise.

    Parameters
    ----------
    length_ms, start_ms : float
        Length and start of the session in ms.
    bin_size_ms : float
        Width of a bin in ms.

    Raises
    ------
    OptionError
        If the bin size is not a finite number above zero.
    """
    bin_size_ms = check_bin_size(bin_size_ms)
    noise = _edge_noise(start_ms, length_ms, bin_size_ms)
    return max(int(np.ceil(length_ms / bin_size_ms - noise)), 0)


def bin_indices(
    times_ms: Times, start_ms: float, length_ms: float, bin_size_ms: float
) -> NDArray[np.int64]:
    """The bin of each spike: half-open bins counted from `start_ms`.

    A spike at the very end of the session belongs to the last bin.

    Parameters
    ----------
    times_ms : numpy.ndarray of float64, shape (n_spikes,)
        Spike times in ms, inside the session.
    start_ms, length_ms : float
        Start and length of the session in ms.
    bin_size_ms : float
        Width of a bin in ms.

    Returns
    -------
    numpy.ndarray of int64, shape (n_spikes,)
        Bin numbers from 0.
    """
    last = max(n_bins(length_ms, bin_size_ms, start_ms) - 1, 0)
    position = (times_ms - start_ms) / bin_size_ms
    position += _edge_noise(start_ms, length_ms, bin_size_ms)
    # The positions are not negative, so that the conversion is the floor.
    return np.clip(position, 0, last, out=position).astype(np.int64)


def _edge_noise(start_ms: float, length_ms: float, bin_size_ms: float) -> float:
    """How far (in bins) rounding may have moved a time that was meant to lie on an edge.

    Start, time, bin size and each step of the arithmetic are rounded, and a file may have kept
    the time in another unit: a few units in the last place of the largest time.
    """
    ulp_ms = float(np.spacing(max(abs(start_ms), abs(start_ms + length_ms), length_ms)))
    return min(max(8 * ulp_ms / bin_size_ms, _EDGE_NOISE_BINS), _MAX_EDGE_NOISE_BINS)


def csr_counts(
    train: Sequence[Times], start_ms: float, length_ms: float, bin_size_ms: float
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], tuple[int, int]]:
    """Spike counts in compressed sparse rows.

    Parameters
    ----------
    train : sequence of numpy.ndarray of float64
        Spike times per unit, ms, inside the session.
    start_ms, length_ms : float
        Start and length of the session in ms.
    bin_size_ms : float
        Width of a bin in ms.

    Returns
    -------
    (counts, columns, row_ends) : tuple of numpy.ndarray of int64
        As ``scipy.sparse.csr_array`` takes them; columns ascend within a row.
    shape : tuple of int
        (n_units, n_bins). A session of no length that has spikes has one bin.
    """
    flat, ends = flatten(train)
    width = max(n_bins(length_ms, bin_size_ms, start_ms), 1 if flat.size else 0)
    unit = np.repeat(np.arange(len(train)), np.diff(ends, prepend=0))
    columns = bin_indices(flat, start_ms, length_ms, bin_size_ms)
    # Times ascend within a unit, so equal (unit, bin) pairs are neighbours.
    new = np.ones(flat.size, dtype=bool)
    new[1:] = (np.diff(unit) != 0) | (np.diff(columns) != 0)
    first = np.flatnonzero(new)
    counts = np.diff(np.append(first, flat.size))
    row_ends = np.append(0, np.cumsum(np.bincount(unit[first], minlength=len(train))))
    return (counts, columns[first], row_ends.astype(np.int64)), (len(train), width)


def dense_counts(
    train: Sequence[Times], start_ms: float, length_ms: float, bin_size_ms: float
) -> NDArray[np.int64]:
    """Spike counts, shape (n_units, n_bins); arguments as in :func:`csr_counts`."""
    (counts, columns, row_ends), shape = csr_counts(train, start_ms, length_ms, bin_size_ms)
    raster = np.zeros(shape, dtype=np.int64)
    rows = np.repeat(np.arange(shape[0]), np.diff(row_ends))
    raster[rows, columns] = counts
    return raster


def spread(
    counts: NDArray[np.int64], bin_size_ms: float, start_ms: float, end_ms: float
) -> tuple[NDArray[np.int64], Times]:
    """Spike times that give these counts: n spikes divide their bin into n + 1 equal parts.

    Parameters
    ----------
    counts : numpy.ndarray of int64, shape (n_units, n_bins)
        Spike counts.
    bin_size_ms : float
        Width of a bin in ms.
    start_ms, end_ms : float
        Edges of the session in ms; the last bin may be cut short by `end_ms`.

    Returns
    -------
    units : numpy.ndarray of int64, shape (n_spikes,)
        Unit of each spike, ascending.
    times_ms : numpy.ndarray of float64, shape (n_spikes,)
        Time of each spike in ms, ascending within a unit.
    """
    unit, column = np.nonzero(counts)
    return place(unit, column, counts[unit, column], bin_size_ms, start_ms, end_ms)


def place(
    unit: NDArray[np.int64],
    column: NDArray[np.int64],
    per_bin: NDArray[np.int64],
    bin_size_ms: float,
    start_ms: float,
    end_ms: float,
) -> tuple[NDArray[np.int64], Times]:
    """As :func:`spread`, for the bins that have spikes: their unit, number and count."""
    left = start_ms + column * bin_size_ms
    width = np.minimum(left + bin_size_ms, max(end_ms, start_ms)) - left
    rank = np.arange(per_bin.sum()) - np.repeat(np.cumsum(per_bin) - per_bin, per_bin) + 1
    step = np.repeat(width / (per_bin + 1), per_bin)
    return np.repeat(unit, per_bin), np.repeat(left, per_bin) + rank * step
