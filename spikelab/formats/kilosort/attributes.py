"""Attributes of the units: which file of the folder holds which, and how they come back.

Scalars are columns of the tables of clusters, where Phy and SpikeInterface show them. Numeric
arrays have a ``.npy`` file each, one value per spike is ``amplitudes.npy``, and whatever else
JSON can say is in the manifest. The manifest lists all of them, with their types.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError, LossWarning
from spikelab.formats.columns import ABSENT, NONE, PRESENT, Column, columns_of
from spikelab.formats.kilosort import arrays, tables
from spikelab.formats.kilosort.options import UNSORTED
from spikelab.spikedata.attributes import UNIT_ID

AMPLITUDE_KEYS = ("amplitudes", "spike_amplitudes")
ORIGINAL_UNIT_ID = "original_unit_id"
_SCALARS = ("bool", "int", "float", "str")
# Columns that mean something else to Phy or SpikeInterface; names are compared in lower case.
_TAKEN = frozenset(("", "cluster_id", "id", "si_unit_id", "ch", "n_spikes", "group"))


@dataclass
class Stored:
    """Where the attributes of a session go.

    Attributes
    ----------
    entries : list of dict
        For the manifest: name, kind, place, and the ids of units without a value.
    columns : dict of str to Column
        Column of the tables to its values.
    arrays : dict of str to numpy.ndarray
        File name to content.
    amplitudes : list of numpy.ndarray, or None
        One value per spike of each unit.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    arrays: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    amplitudes: list[NDArray[np.float64]] | None = None


def store(
    units: Sequence[Mapping[str, Any]] | None,
    cluster_ids: Sequence[int],
    labels: Sequence[str],
    train: Sequence[NDArray[np.float64]],
    *,
    ids_are_given: bool,
) -> Stored:
    """Find a place for each attribute.

    Parameters
    ----------
    units : sequence of mapping, or None
        The attributes, one mapping per unit.
    cluster_ids : sequence of int
        The id of each unit in the folder.
    labels : sequence of str
        The curation label of each unit in the folder.
    train : sequence of numpy.ndarray
        Spike times per unit.
    ids_are_given : bool
        Whether the caller chose the ids, so that they replace the units' own.

    Warns
    -----
    LossWarning
        For attributes that no file of the folder can hold.
    """
    stored = Stored()
    lost = []
    for column in columns_of(units):
        name = column.name
        if name == UNIT_ID:
            if column.values == list(cluster_ids):
                continue
            name = ORIGINAL_UNIT_ID if ids_are_given else name
        entry = {"name": name, "kind": column.kind} | _gaps(column, cluster_ids)
        if not _place(column, entry, stored, labels, train):
            lost.append(name)
        else:
            stored.entries.append(entry)
    if lost:
        warnings.warn(
            f"a Kilosort/Phy folder cannot hold the attributes {', '.join(lost)}; they are left "
            "out. What to do: turn them into numbers, text or arrays, or export a pickle too.",
            LossWarning,
            stacklevel=4,
        )
    return stored


def _gaps(column: Column, cluster_ids: Sequence[int]) -> dict[str, list[int]]:
    """The ids of the units that lack the attribute, and of those that have None."""
    kinds = {"absent": ABSENT, "none": NONE}
    gaps = {
        name: [int(unit) for unit, status in zip(cluster_ids, column.status) if status == code]
        for name, code in kinds.items()
    }
    return {name: ids for name, ids in gaps.items() if ids}


def _place(
    column: Column,
    entry: dict[str, Any],
    stored: Stored,
    labels: Sequence[str],
    train: Sequence[NDArray[np.float64]],
) -> bool:
    """Put a column where it belongs; False where nothing can hold it."""
    if column.name == "group" and _is_the_label(column, labels):
        entry["column"] = "group"
        return True
    if column.kind in _SCALARS and (column.kind != "str" or _is_plain(column)):
        taken = {name.lower() for name in stored.columns} | _TAKEN
        entry["column"] = _free_name(entry["name"], taken)
        stored.columns[entry["column"]] = column
        return True
    if stored.amplitudes is None and _is_per_spike(column, train):
        entry["kind"] = "per_spike"
        stored.amplitudes = [np.asarray(value, dtype=np.float64) for value in column.values]
        return True
    if column.kind == "array":
        taken = {name.lower() for name in stored.arrays}
        entry["file"] = _free_name(re.sub(r"[^\w-]", "_", entry["name"]), taken, ".npy")
        present = [value for value, gap in zip(column.values, column.status) if gap == PRESENT]
        stored.arrays[entry["file"]] = np.stack([np.asarray(value) for value in present])
        return True
    entry["kind"] = "json"
    try:
        entry["values"] = [_plain(value) for value in column.values]
    except (TypeError, RecursionError):
        return False
    return True


def _is_the_label(column: Column, labels: Sequence[str]) -> bool:
    return column.kind == "str" and all(
        value == label if gap == PRESENT else label == UNSORTED
        for value, gap, label in zip(column.values, column.status, labels)
    )


def _is_plain(column: Column) -> bool:
    """Whether a table can hold the texts: printable, and not blank unless empty."""
    texts = [value for value, gap in zip(column.values, column.status) if gap == PRESENT]
    return all(text.isprintable() and (text.strip() or not text) for text in texts)


def _is_per_spike(column: Column, train: Sequence[NDArray[np.float64]]) -> bool:
    if column.name not in AMPLITUDE_KEYS or not column.complete:
        return False
    return all(
        isinstance(value, (np.ndarray, list))
        and np.shape(value) == times.shape
        and np.asarray(value).dtype.kind in "iuf"
        for value, times in zip(column.values, train)
    )


def _free_name(name: str, taken: set[str] | frozenset[str], suffix: str = "") -> str:
    wanted = f"attribute_{name}" if suffix or name.lower() in taken or not name else name
    wanted = wanted if wanted.isprintable() else "attribute"
    number, free = 1, wanted + suffix
    while free.lower() in taken:
        number, free = number + 1, f"{wanted}_{number + 1}{suffix}"
    return free


def _plain(value: Any) -> Any:
    """A value as JSON says it, without loss; TypeError where it cannot."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufU":
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)


class Restorer:
    """Gives units of a folder their attributes back, from the entries of its manifest.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    entries : sequence of dict
        As :func:`store` made them.
    exported : sequence of int
        The cluster ids at the time of the export, in order.
    table : dict
        All tables of clusters as they are now.
    """

    def __init__(
        self,
        folder: Path,
        entries: Sequence[Mapping[str, Any]],
        exported: Sequence[int],
        table: tables.Table,
    ) -> None:
        self._folder = folder
        self._exported = list(exported)
        self._table = table
        self._values = {entry["name"]: self._of(entry) for entry in entries}

    def unit(self, cluster_id: int) -> dict[str, Any]:
        """The attributes of one cluster; those of all units for one that curation made."""
        return {
            name: values[cluster_id]
            for name, values in self._values.items()
            if cluster_id in values
        }

    def _of(self, entry: Mapping[str, Any]) -> dict[int, Any]:
        absent, none = set(entry.get("absent", ())), set(entry.get("none", ()))
        has = [unit for unit in self._exported if unit not in absent | none]
        values: dict[int, Any] = dict.fromkeys(none)
        if entry["kind"] in _SCALARS:
            return values | self._scalars(entry, has, absent | none)
        if entry["kind"] == "array":
            rows = arrays.load(self._folder / entry["file"])
            if rows.shape[:1] != (len(has),):
                raise FormatError(
                    f"{entry['file']} has not one row per unit",
                    found=f"shape {rows.shape} for {len(has)} units",
                )
            return values | {unit: np.array(row) for unit, row in zip(has, rows)}
        if entry["kind"] == "json":
            all_values = dict(zip(self._exported, entry["values"], strict=True))
            return values | {unit: all_values[unit] for unit in has}
        return values

    def _scalars(
        self, entry: Mapping[str, Any], has: Sequence[int], lacking: set[int]
    ) -> dict[int, Any]:
        kind, column = entry["kind"], entry["column"]
        texts = self._table.get(column, {})
        if column == "group":
            return {
                unit: text
                for unit, text in texts.items()
                if unit not in lacking or text.lower() != UNSORTED
            }
        # A table cannot tell an empty text from none.
        values: dict[int, Any] = dict.fromkeys(has, "") if kind == "str" else {}
        for unit, text in texts.items():
            try:
                values[unit] = tables.parse(text, kind)
            except ValueError as error:
                raise FormatError(
                    f"the column {column} of cluster {unit} is no {kind}", found=text
                ) from error
        return values


def per_spike_name(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """The attribute that :data:`AMPLITUDES` holds, or None."""
    return next((entry["name"] for entry in entries if entry["kind"] == "per_spike"), None)
