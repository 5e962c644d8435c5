"""Templates: the waveforms of the units, each with its peak on the unit's channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.formats.kilosort.geometry import Channels, Units

WAVEFORM_KEYS = ("waveform", "waveform_mean", "mean_waveform", "avg_waveform", "template")
_MAX_TEMPLATE_BYTES = 1 << 31


@dataclass(frozen=True)
class Templates:
    """One template per unit, and what each of them is.

    Attributes
    ----------
    array : numpy.ndarray of float32, shape (max(n_units, 2), n_samples, n_channels)
        A unit without a usable waveform has -1 in the first sample of its channel, so that Phy
        knows where it is.
    is_real : numpy.ndarray of bool, shape (n_units,)
        Whether the unit's template is its waveform, or a part of it.
    unusable : dict of int to tuple of int
        Shapes of the waveforms that are left out, by position of the unit.
    peak_only : list of int
        Units of whose waveform only the trace with the peak is kept.
    padded : list of int
        Units whose waveform is shorter than others and ends in zeros.
    """

    array: NDArray[np.float32]
    is_real: NDArray[np.bool_]
    unusable: dict[int, tuple[int, ...]]
    peak_only: list[int]
    padded: list[int]

    @property
    def unusable_shapes(self) -> str:
        """The shapes of the waveforms that are left out, each once, for people."""
        return ", ".join(map(str, sorted(set(self.unusable.values()))))


@dataclass(frozen=True)
class _Layout:
    """Which axis of a waveform is the channels, and whether it counts those of a whole probe."""

    axis: int
    is_whole_probe: bool

    def peak(self, waveform: NDArray[np.float32], channels: Channels) -> int | None:
        """Row of the channel with the largest peak-to-peak amplitude; None if it is not there."""
        column = int(np.argmax(np.ptp(waveform, axis=1 - self.axis)))
        rows = np.flatnonzero(channels.numbers == column) if self.is_whole_probe else [column]
        return int(rows[0]) if len(rows) else None

    def fits(self, waveform: NDArray[np.float32], unit: int, channels: Channels) -> bool:
        """Whether the waveform has the size of the layout, and its peak where the unit is."""
        size = waveform.shape[self.axis]
        known = channels.known[unit]
        if self.is_whole_probe:
            numbers = channels.numbers[channels.row[channels.known]]
            if channels.is_renumbered or not known or size <= numbers.max():
                return False
        elif size != len(channels.numbers):
            return False
        return not known or self.peak(waveform, channels) == channels.row[unit]

    def taken(self, waveform: NDArray[np.float32], channels: Channels) -> NDArray[np.float32]:
        """The waveform on the folder's channels, (n_samples, n_channels)."""
        traces = waveform if self.axis == 1 else waveform.T
        if not self.is_whole_probe:
            return traces
        numbers = channels.numbers
        there = numbers < traces.shape[1]  # invented channels are not
        taken = np.zeros((len(traces), len(numbers)), dtype=np.float32)
        taken[:, there] = traces[:, numbers[there]]
        return taken


_LAYOUTS = tuple(_Layout(axis, whole) for whole in (False, True) for axis in (1, 0))


def templates_of(units: Units | None, channels: Channels) -> Templates:
    """One template per unit, at least two.

    A unit's waveform is the first array under one of :data:`WAVEFORM_KEYS`: (samples,) on its
    own channel, or (samples, channels) or (channels, samples), over the folder's channels in
    ascending order or over all channels of the probe, whichever puts the peaks of most units on
    their channels. Of a waveform whose peak would lie elsewhere only the trace with the peak is
    used, on the unit's channel. Shorter waveforms are filled up with zeros at their end.
    """
    n_units, n_channels = len(channels.row), len(channels.numbers)
    found = [_first_array(unit) for unit in units or [{}] * n_units]
    usable = [None if value is None else _usable(value) for value in found]
    layout = _common_layout(usable, channels)
    waveforms = [_placed(wave, unit, layout, channels) for unit, wave in enumerate(usable)]
    n_samples = max((len(wave) for wave in waveforms if wave is not None), default=2)
    if 4 * max(n_units, 2) * n_samples * n_channels > _MAX_TEMPLATE_BYTES:
        waveforms, n_samples = [None] * n_units, 2
    array = np.zeros((max(n_units, 2), n_samples, n_channels), dtype=np.float32)
    for unit, wave in enumerate(waveforms):
        if wave is None:
            array[unit, 0, channels.row[unit]] = -1
        elif wave.ndim == 1:
            array[unit, : len(wave), channels.row[unit]] = wave
        else:
            array[unit, : len(wave)] = wave
    real = {unit: wave for unit, wave in enumerate(waveforms) if wave is not None}
    return Templates(
        array,
        np.array([unit in real for unit in range(n_units)], dtype=bool),
        {u: np.shape(v) for u, v in enumerate(found) if v is not None and u not in real},
        [u for u, given in enumerate(found) if u in real and _is_cut(given, real[u])],
        [u for u, wave in real.items() if len(wave) < n_samples],
    )


def _is_cut(given: NDArray[Any] | None, taken: NDArray[np.float32]) -> bool:
    """Whether only one trace of a waveform was taken."""
    return given is not None and given.ndim > taken.ndim


def _first_array(unit: Mapping[str, Any]) -> NDArray[Any] | None:
    """What the unit has as its waveform; None where it has none."""
    for key in WAVEFORM_KEYS:
        value = unit.get(key)
        if isinstance(value, (np.ndarray, list, tuple)):
            try:
                return np.asarray(value)
            except ValueError:  # ragged lists
                return np.empty(len(value), dtype=object)
    return None


def _usable(array: NDArray[Any]) -> NDArray[np.float32] | None:
    """A waveform as float32; None where it is none, not finite, or flat."""
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or min(array.shape) == 0:
        return None
    with np.errstate(over="ignore"):
        waveform = array.astype(np.float32)
    if not np.isfinite(waveform).all() or np.ptp(waveform) == 0:
        return None
    return waveform


def _common_layout(
    waveforms: Sequence[NDArray[np.float32] | None], channels: Channels
) -> _Layout | None:
    """The layout that fits most units, or None when none fits any."""
    two_d = [(unit, w) for unit, w in enumerate(waveforms) if w is not None and w.ndim == 2]
    counts = [sum(one.fits(w, unit, channels) for unit, w in two_d) for one in _LAYOUTS]
    return _LAYOUTS[int(np.argmax(counts))] if any(counts) else None


def _placed(
    waveform: NDArray[np.float32] | None, unit: int, layout: _Layout | None, channels: Channels
) -> NDArray[np.float32] | None:
    """The waveform on the folder's channels, or the trace with its peak; None if that is flat."""
    if waveform is None:
        return None
    if waveform.ndim == 2 and layout is not None and layout.fits(waveform, unit, channels):
        waveform = layout.taken(waveform, channels)
    elif waveform.ndim == 2:
        axis = _channel_axis(waveform.shape, layout, len(channels.numbers))
        column = int(np.argmax(np.ptp(waveform, axis=1 - axis)))
        waveform = np.take(waveform, column, axis=axis)
    return waveform if np.ptp(waveform, axis=0).any() else None


def _channel_axis(shape: Sequence[int], layout: _Layout | None, n_channels: int) -> int:
    """The axis that is the channels: as for the other units, else the likelier one."""
    if layout is not None:
        return layout.axis
    if n_channels in shape:
        return 1 if shape[1] == n_channels else 0
    return 1 if shape[1] <= shape[0] else 0
