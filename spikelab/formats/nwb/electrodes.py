"""Which electrodes the units were recorded on: the electrodes table of an NWB file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import AssumptionWarning
from spikelab.formats.columns import NONE, Column
from spikelab.spikedata import attributes as attribute_names
from spikelab.spikedata.probes import probe_of

DEFAULT_GROUP = "group0"
UNKNOWN = "unknown"

Channel = int | str
Key = tuple[str, Channel]


@dataclass(frozen=True)
class Electrodes:
    """The rows of an electrodes table, and the rows that belong to each unit.

    Attributes
    ----------
    keys : list of (str, int or str)
        Group and channel of each row.
    areas : list of str
        Brain area of each row, or ``'unknown'``.
    places : numpy.ndarray of float64, shape (n_rows, n_dimensions)
        Position in micrometres; NaN where unknown. No dimensions when no position is known.
    rows, ends : numpy.ndarray of int64, shapes (n_links,) and (n_units,)
        Rows of all units, unit after unit, and the position after each unit's last one.
    raw_rows : numpy.ndarray of int64, shape (n_channels,)
        Rows of the channels of the raw traces.
    """

    keys: list[Key]
    areas: list[str]
    places: NDArray[np.float64]
    rows: NDArray[np.int64]
    ends: NDArray[np.int64]
    raw_rows: NDArray[np.int64]

    @property
    def groups(self) -> list[str]:
        """Names of the groups, each once, in order of the rows."""
        return list(dict.fromkeys(group for group, _ in self.keys))

    @property
    def channels(self) -> list[Channel]:
        """Channel of each row."""
        return [channel for _, channel in self.keys]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The channel numbers, or row numbers where channels are names or not distinct."""
        channels = self.channels
        numbered = all(isinstance(c, int) and abs(c) < 2**63 for c in channels)
        if numbered and len(set(channels)) == len(channels):
            return np.array(channels, dtype=np.int64)
        return np.arange(len(channels))

    def hold(self, column: Column) -> bool:
        """Whether the channels of the units say all that this attribute says."""
        if (column.status == NONE).any():
            return False
        channels = self.channels
        for own_rows, value in zip(np.split(self.rows, self.ends[:-1]), column.values):
            held: Any = [channels[row] for row in own_rows]
            if len(held) <= 1:
                held = held[0] if held else None
            # 5 equals 5.0 and True; their texts differ.
            if repr(_as_python(value)) != repr(held):
                return False
        return True


def _as_python(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [_as_python(one) for one in value] if isinstance(value, (list, tuple)) else value


def collect(
    attributes: Sequence[Mapping[str, Any]], area: str | None, n_raw_channels: int
) -> Electrodes:
    """Find the electrodes that the attributes of the units speak of.

    Parameters
    ----------
    attributes : sequence of mapping
        One mapping per unit.
    area : str, optional
        Where electrodes are of which no unit says more.
    n_raw_channels : int
        Number of channels of the raw traces; they are numbered from 0.

    Warns
    -----
    AssumptionWarning
        If units on one electrode give different places: the first one's is used.
    """
    links = [[(group_of(unit), c) for c in _channels(unit)] for unit in attributes]
    if any(isinstance(channel, str) for unit in links for _, channel in unit):
        links = [[(group, str(channel)) for group, channel in unit] for unit in links]
    known = list(dict.fromkeys(key for unit in links for key in unit))
    raw_keys = _raw_keys(known, n_raw_channels)
    order = {group: i for i, group in enumerate(dict.fromkeys(g for g, _ in known + raw_keys))}
    keys = sorted(dict.fromkeys(known + raw_keys), key=lambda key: (order[key[0]], key[1]))
    row_of = {key: row for row, key in enumerate(keys)}
    rows = [[row_of[key] for key in unit] for unit in links]
    return Electrodes(
        keys,
        _areas(keys, rows, attributes, area),
        _places(keys, rows, attributes),
        np.array([row for unit in rows for row in unit], dtype=np.int64),
        np.cumsum([len(unit) for unit in links], dtype=np.int64),
        np.array([row_of[key] for key in raw_keys], dtype=np.int64),
    )


def group_of(unit: Mapping[str, Any]) -> str:
    """Name of the electrode group of a unit: its probe and its shank, as far as known."""
    name = probe_of(unit).translate(str.maketrans("/\\:\0", "____")) or DEFAULT_GROUP
    # The table of the electrodes lies beside the groups.
    return f"{name}_" if name in ("electrodes", ".", "..") else name


def _channels(unit: Mapping[str, Any]) -> list[Channel]:
    value = attribute_names.first_given(unit, attribute_names.ELECTRODE_KEYS)
    several = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
    if isinstance(several, np.ndarray) and several.ndim == 0:
        several = [several[()]]
    channels = [_channel(one) for one in several]
    return list(dict.fromkeys(channel for channel in channels if channel is not None))


def _channel(value: Any) -> Channel | None:
    if isinstance(value, str):
        return value.strip() or None
    is_number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    return int(value) if is_number and np.isfinite(value) and value == int(value) else None


def _raw_keys(known: Sequence[Key], n_channels: int) -> list[Key]:
    """A row for each raw channel: the one that units have on that channel where it is unique."""
    groups: dict[Channel, list[str]] = {}
    for group, channel in known:
        groups.setdefault(channel, []).append(group)
    as_text = any(isinstance(channel, str) for channel in groups)
    channels: list[Channel] = [str(c) if as_text else c for c in range(n_channels)]
    unique = {c: found[0] for c, found in groups.items() if len(found) == 1}
    return [(unique.get(channel, DEFAULT_GROUP), channel) for channel in channels]


def _areas(
    keys: Sequence[Key],
    rows: Sequence[Sequence[int]],
    attributes: Sequence[Mapping[str, Any]],
    area: str | None,
) -> list[str]:
    areas = [area or UNKNOWN] * len(keys)
    for own_rows, unit in zip(rows, attributes):
        own = unit.get("location")
        if isinstance(own, str) and own.strip():
            for row in own_rows:
                areas[row] = own
    return areas


def _places(
    keys: Sequence[Key], rows: Sequence[Sequence[int]], attributes: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    """Positions of the electrodes, from the places of the units that have just one."""
    found: dict[int, NDArray[np.float64]] = {}
    unequal = set()
    for own_rows, unit in zip(rows, attributes):
        place = attribute_names.locations([unit])
        if len(own_rows) != 1 or place is None:
            continue
        first = found.setdefault(own_rows[0], place[0])
        if not np.array_equal(first, place[0], equal_nan=True):
            unequal.add(keys[own_rows[0]][1])
    if unequal:
        warnings.warn(
            f"units on one electrode give it different places (channels {sorted(unequal)[:10]}): "
            "the NWB electrodes table takes the first unit's; each unit keeps its own",
            AssumptionWarning,
            stacklevel=2,
        )
    n_dimensions = min(3, max((len(place) for place in found.values()), default=0))
    places = np.full((len(keys), n_dimensions), np.nan)
    for row, place in found.items():
        places[row, : len(place)] = place[:n_dimensions]
    return places[:, ~np.isnan(places).all(axis=0)]
