"""Channels and their places: what Phy needs and a session may not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.spikedata.attributes import ELECTRODE_KEYS, first_given, locations
from spikelab.spikedata.probes import probe_of

# Micrometres: a usual distance of channels, and a distance that sets groups of them apart.
_PITCH = 20.0
_GAP = 100.0

Units = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Channels:
    """The channels of a folder: one for each electrode that a unit is on.

    Attributes
    ----------
    numbers : numpy.ndarray of int, shape (n_channels,)
        Channel numbers, ascending: the electrodes, or row numbers where probes share numbers.
    electrodes : numpy.ndarray of int, shape (n_channels,)
        Number of each channel on its own probe.
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
    electrodes: NDArray[np.int64]
    row: NDArray[np.int64]
    known: NDArray[np.bool_]
    positions: NDArray[np.float64]
    placed: NDArray[np.bool_]
    depth: NDArray[np.float64]

    @property
    def is_renumbered(self) -> bool:
        """Whether the channels are numbered by row, since probes share channel numbers."""
        return len(np.unique(self.electrodes)) < len(self.electrodes)


def channels_of(units: Units | None, n_units: int) -> Channels:
    """The channels of a session.

    A unit of which no channel number is known gets a channel of its own, numbered after those
    that are known. Channels of one number on several probes or shanks are several channels; then
    all are numbered by row, probe after probe. A channel lies where its units lie (in their
    middle when they differ). Channels of unknown place stand in a line beside the others. Where
    channels are at the same place, as on two probes with the same coordinates, the second one of
    each place is moved to the right of all, so that a second probe stays in one piece.
    """
    given = list(units or [{}] * n_units)
    stated = [_channel(unit) for unit in given]
    known = np.array([number is not None for number in stated], dtype=bool)
    free = max((number for number in stated if number is not None), default=-1) + 1
    missing = iter(range(free, free + n_units))
    per_unit = [next(missing) if number is None else number for number in stated]
    electrodes, row = _rows([probe_of(unit) for unit in given], per_unit)
    is_shared = len(set(electrodes.tolist())) < len(electrodes)
    numbers = np.arange(len(electrodes)) if is_shared else electrodes
    places = _places(given, row, len(numbers))
    stood = _in_a_line(places)
    positions = _apart(stood)
    placed = ~np.isnan(places).any(axis=1) & (positions == places).all(axis=1)
    return Channels(numbers, electrodes, row, known, positions, placed, places[:, 1])


def _rows(
    probes: Sequence[str], numbers: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct electrodes, and the row of each unit among them.

    In ascending order; where probes share numbers, probe after probe as the units name them.
    """
    keys = dict.fromkeys(zip(probes, numbers))
    order = {probe: place for place, probe in enumerate(dict.fromkeys(probes))}
    is_shared = len({number for _, number in keys}) < len(keys)
    ordered = sorted(keys, key=lambda key: (order[key[0]] if is_shared else 0, key[1]))
    row_of = {key: row for row, key in enumerate(ordered)}
    rows = [row_of[key] for key in zip(probes, numbers)]
    electrodes = [number for _, number in ordered] or [0]
    return np.array(electrodes, dtype=np.int64), np.array(rows, dtype=np.int64)


def _channel(unit: Mapping[str, Any]) -> int | None:
    """The channel number of a unit, of several the first, or None when no file can count it."""
    value = first_given(unit, ELECTRODE_KEYS)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
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
