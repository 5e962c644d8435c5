"""Start and length of a session: what the file states, spans, or leaves to its spikes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab.errors import AssumptionWarning, FormatError, OptionError
from spikelab.formats.nwb.options import Options
from spikelab.formats.nwb.table import Table
from spikelab.units import MS_PER_S, round_off_ms

# Two statements (ms) closer than this are the same.
_SAME_MS = 1e-6


@dataclass(frozen=True)
class Window:
    """Start and length in ms, and how far (ms) rounding may have put spikes outside."""

    start_ms: float
    length_ms: float
    settle_ms: float

    @property
    def end_ms(self) -> float:
        """End in ms."""
        return self.start_ms + self.length_ms


def of(
    file: h5py.File,
    units: Table,
    flat_ms: NDArray[np.float64],
    ends: NDArray[np.int64],
    options: Options,
    shift_ms: float,
) -> Window:
    """The window of a session; parameters as the reader has them."""
    first = float(flat_ms.min(initial=np.inf))
    last = float(flat_ms.max(initial=-np.inf))
    observed = _observed(units)
    start = _stated(file, "start_time", options.start_time_ms, "start_time_ms", shift_ms)
    length = _stated(file, "length_ms", options.length_ms, "length_ms")
    is_free = start is None and length is None
    if is_free and observed and (first < observed[0] or last > observed[1]):
        observed = _widened(observed, flat_ms)
    if start is None:
        start = observed[0] if observed else min(0.0, first)
    if length is None:
        end = observed[1] if observed else max(last, start)
        length = max(end, last) - start
    end = start + length
    # The sum may fall short of the end it was made of.
    settle_ms = 2 * round_off_ms("s", max(abs(start), abs(end), abs(shift_ms), 1.0))
    return Window(start, length, settle_ms)


def _stated(
    file: h5py.File, name: str, given: float | None, option: str, shift_ms: float = 0.0
) -> float | None:
    """What the file or else the caller says."""
    value = np.asarray(file.attrs.get(name, np.nan))
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        return given
    stated = float(value.item()) + shift_ms
    if name == "length_ms" and stated < 0:
        raise FormatError("the file states a negative length", found=f"{stated} ms")
    if given is not None and abs(given - stated) > _SAME_MS:
        raise OptionError(
            f"{option} contradicts the file",
            found=f"{given} ms",
            allowed=f"{stated} ms (what the file states), or nothing",
        )
    return stated


def _observed(units: Table) -> tuple[float, float] | None:
    """First start and last end of all observation intervals, ms."""
    column = units.columns.get("obs_intervals")
    if column is None or column.source.ndim != 2 or column.source.shape[1:] != (2,):
        return None
    intervals = np.asarray(column.values(), dtype=np.float64)
    if intervals.size == 0 or not np.isfinite(intervals).all():
        return None
    return float(intervals[:, 0].min()) * MS_PER_S, float(intervals[:, 1].max()) * MS_PER_S


def _widened(observed: tuple[float, float], flat_ms: NDArray[np.float64]) -> tuple[float, float]:
    slack = 2 * round_off_ms("s", max(map(abs, observed)))
    outside = (flat_ms < observed[0] - slack) | (flat_ms > observed[1] + slack)
    if not outside.any():
        return observed
    wide = min(observed[0], float(flat_ms.min())), max(observed[1], float(flat_ms.max()))
    warnings.warn(
        f"{int(outside.sum())} spikes lie outside the observation intervals ({observed[0]} to "
        f"{observed[1]} ms): the session is taken to span {wide[0]} to {wide[1]} ms",
        AssumptionWarning,
        stacklevel=2,
    )
    return wide
