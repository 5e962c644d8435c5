"""Channels, their places, and templates: what Phy needs and a session may not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.spikedata.attributes import electrodes, first_given, locations

WAVEFORM_KEYS = ("waveform", "waveform_mean", "mean_waveform", "avg_waveform", "template")
# Micrometres: a usual distance of channels, and a distance that sets groups of them apart.
_PITCH = 20.0
_GAP = 100.0
_MAX_TEMPLATE_BYTES = 1 << 31

Units = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Channels:
    """The channels of a folder: one for each electrode that a unit is on.

    Attributes
    ----------
    numbers : numpy.ndarray of int, shape (n_channels,)
        Channel numbers, ascending.
    row : numpy.ndarray of int, shape (n_units,)
        For each unit, its row among the channels.
    known : numpy.ndarray of bool, shape (n_units,)
        Whether the session says on which channel the unit is.
    positions : numpy.ndarray of float64, shape (n_channels, 2)
        Distinct places.
    placed : numpy.ndarray of bool, shape (n_channels,)
        Whether the session says so.
    depth : numpy.ndarray of float64, shape (n_channels,)
        Second coordinate where the session says one, moved apart or not; else NaN.
    """

    numbers: NDArray[np.int64]
    row: NDArray[np.int64]
    known: NDArray[np.bool_]
    positions: NDArray[np.float64]
    placed: NDArray[np.bool_]
    depth: NDArray[np.float64]


def channels_of(units: Units | None, n_units: int) -> Channels:
    """The channels of a session.

    A unit of which no channel number is known gets a channel of its own, numbered after those
    that are known. A channel lies where its units lie (in their middle when they differ).
    Channels of unknown place stand in a line beside the others. Where channels are at the same
    place, as on two probes with the same coordinates, the second one of each place is moved to
    the right of all, so that a second probe stays in one piece.
    """
    given = list(units or [{}] * n_units)
    stated = [_channel(unit) for unit in given]
    known = np.array([number is not None for number in stated], dtype=bool)
    free = max((number for number in stated if number is not None), default=-1) + 1
    missing = iter(range(free, free + n_units))
    per_unit = [next(missing) if number is None else number for number in stated]
    numbers, row = np.unique(np.array(per_unit or [0], dtype=np.int64), return_inverse=True)
    row = row[:n_units]
    places = _places(given, row, len(numbers))
    stood = _in_a_line(places)
    positions = _apart(stood)
    placed = ~np.isnan(places).any(axis=1) & (positions == places).all(axis=1)
    return Channels(numbers, row, known, positions, placed, places[:, 1])


def _channel(unit: Mapping[str, Any]) -> int | None:
    """The channel number of a unit, or None when it has none that a file can count."""
    found = electrodes([unit])
    value: Any = None if found is None or found.shape != (1,) else found[0]
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(
        value, (bool, np.bool_)
    ):
        return None
    return int(value) if 0 <= value < 2**62 and value == int(value) else None


def _places(units: Units, row: NDArray[np.int64], n_channels: int) -> NDArray[np.float64]:
    """Where the units of each channel lie, (n_channels, 2); NaN where nobody says."""
    found = [locations([unit]) for unit in units]
    xy = np.full((len(units), 2), np.nan)
    for unit, place in enumerate(found):
        if place is not None and place.shape[1] >= 2 and np.isfinite(place[0, :2]).all():
            xy[unit] = place[0, :2]
    places = np.full((n_channels, 2), np.nan)
    for channel in range(n_channels):
        of_channel = np.unique(xy[row == channel], axis=0)
        of_channel = of_channel[np.isfinite(of_channel).all(axis=1)]
        if len(of_channel):
            places[channel] = of_channel.mean(axis=0)
    return places


def _in_a_line(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put the channels of unknown place in a line, to the left of the others."""
    unknown = np.isnan(places).any(axis=1)
    left = 0.0 if unknown.all() else float(places[~unknown, 0].min()) - _GAP
    stood = places.copy()
    stood[unknown, 0] = left
    stood[unknown, 1] = _PITCH * np.arange(unknown.sum())
    return stood


def _apart(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the second channel of each place to the right by the width of all, and so on."""
    _, place = np.unique(xy, axis=0, return_inverse=True)
    place = place.reshape(-1)
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], place[order])
    times_seen = np.empty(len(xy), dtype=np.int64)
    times_seen[order] = np.arange(len(xy)) - first
    moved = xy.copy()
    moved[:, 0] += times_seen * (np.ptp(xy[:, 0]) + _GAP)
    return moved


def templates_of(
    units: Units | None, channels: Channels
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One template per unit, at least two.

    A unit's waveform is the first of :data:`WAVEFORM_KEYS` that it has: (samples,) on its own
    channel, or (samples, channels) or (channels, samples) over the folder's channels in
    ascending order. All must be of one shape, finite and not flat. Other units get a
    placeholder: -1 in the first sample of their channel, so that Phy knows where they are.

    Returns
    -------
    templates : numpy.ndarray of float32, shape (max(n_units, 2), n_samples, n_channels)
    is_real : numpy.ndarray of bool, shape (n_units,)
        Whether the unit's template is its waveform.
    """
    n_units, n_channels = len(channels.row), len(channels.numbers)
    waveforms = [_waveform(unit, n_channels) for unit in units or [{}] * n_units]
    shapes = {waveform.shape for waveform in waveforms if waveform is not None}
    n_samples = next(iter(shapes))[0] if len(shapes) == 1 else 2
    size = 4 * max(n_units, 2) * n_samples * n_channels
    if len(shapes) != 1 or size > _MAX_TEMPLATE_BYTES:
        waveforms, n_samples = [None] * n_units, 2
    templates = np.zeros((max(n_units, 2), n_samples, n_channels), dtype=np.float32)
    for unit, waveform in enumerate(waveforms):
        if waveform is None:
            templates[unit, 0, channels.row[unit]] = -1
        elif waveform.ndim == 1:
            templates[unit, :, channels.row[unit]] = waveform
        else:
            templates[unit] = waveform
    return templates, np.array([waveform is not None for waveform in waveforms], dtype=bool)


def _waveform(unit: Mapping[str, Any], n_channels: int) -> NDArray[np.float32] | None:
    """The waveform of a unit, (samples,) or (samples, n_channels); None where it has none."""
    value = first_given(unit, WAVEFORM_KEYS)
    if not isinstance(value, (np.ndarray, list, tuple)):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # ragged lists
        return None
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
        return None
    if array.ndim == 2 and array.shape[1] != n_channels:
        array = array.T
    if array.ndim == 2 and array.shape[1] != n_channels:
        return None
    with np.errstate(over="ignore"):
        waveform = array.astype(np.float32)
    usable = len(waveform) >= 2 and np.isfinite(waveform).all() and np.ptp(waveform, axis=0).any()
    return waveform if usable else None
