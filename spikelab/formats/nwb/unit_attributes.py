"""Columns of a units table as attributes of the units."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError
from spikelab.formats.columns import ABSENT, NONE
from spikelab.formats.nwb.session import text
from spikelab.formats.nwb.table import Table, TableColumn
from spikelab.formats.nwb.unit_columns import MARK, decode
from spikelab.spikedata.attributes import AXES, ELECTRODE_KEYS, UNIT_ID, warn_of_shared_ids

UNIT_NAME = "unit_name"
Rows = list[dict[str, Any]]


def read_attributes(
    units: Table,
    electrodes: Table | None,
    ends: NDArray[np.int64],
    is_ours: bool,
    skip: Collection[str],
    order: NDArray[np.int64] | None,
) -> tuple[Rows | None, list[str]]:
    """The attributes of all units, and the names of columns that cannot be any.

    Parameters
    ----------
    units, electrodes : Table
        The tables.
    ends : numpy.ndarray of int64, shape (n_units,)
        Position after each unit's last spike.
    is_ours : bool
        Whether this package wrote the file.
    skip : collection of str
        Columns that are something else.
    order : numpy.ndarray of int64, optional
        What sorted the spikes: columns with one value per spike follow.
    """
    n_units = len(ends)
    rows: Rows = [{} for _ in range(n_units)]
    _add_identity(rows, units, is_ours)
    unread = []
    for column in units:
        marks = column.marks()
        if column.name in skip or column.kind == "region" or marks.get("role") == "identity":
            continue
        if column.name == UNIT_NAME and not is_ours and not _adds_to_id(rows, column):
            continue
        if column.kind == "other" or len(column.index) > 1:
            unread.append(column.name)
        else:
            _add_column(rows, column, marks, is_ours, (ends, order))
    if not is_ours:
        _add_intervals(rows, units)
    _add_electrodes(rows, units, electrodes, is_ours)
    return (rows if any(rows) else None), unread


def _add_column(
    rows: Rows,
    column: TableColumn,
    marks: dict[str, Any],
    is_ours: bool,
    spikes: tuple[NDArray[np.int64], NDArray[np.int64] | None],
) -> None:
    data, index = column.values(), column.ends()
    _check_rows(column, data, index, len(rows))
    if spikes[1] is not None and index is not None and np.array_equal(index, spikes[0]):
        data = data[spikes[1]]
    values, status = decode(data, index, marks, len(rows))
    name = marks.get("name", column.name)
    for row, value, missing in zip(rows, values, status):
        if missing == NONE:
            row[name] = None
        elif missing != ABSENT and (is_ours or not _is_blank(value)):
            row[name] = value


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _check_rows(
    column: TableColumn, data: NDArray[Any], index: NDArray[np.int64] | None, n_units: int
) -> None:
    if index is None:
        fits = data.ndim > 0 and len(data) == n_units
    else:
        steps = np.diff(index, prepend=0)
        fits = len(index) == n_units and bool((steps >= 0).all())
        fits = fits and data.ndim > 0 and bool((index[-1] if n_units else 0) == len(data))
    if not fits:
        raise FormatError(
            f"column {column.name!r} does not fit the units",
            found=f"{np.shape(data)} values"
            + ("" if index is None else f", {len(index)} ends up to {index.max(initial=0)}"),
            allowed=f"one entry for each of {n_units} units",
        )


def _add_identity(rows: Rows, units: Table, is_ours: bool) -> None:
    source = text(units.group.attrs.get(f"{MARK}unit_ids", "")) if is_ours else ""
    if source == "none":
        return
    if source in ("unit_name", "number"):
        names = units.columns[UNIT_NAME].values().tolist()
        ids: Sequence[Any] = names if source == "unit_name" else [int(name) for name in names]
    else:
        ids = range(len(rows)) if units.ids is None else units.ids.tolist()
        if not is_ours:
            ids = _foreign_ids(ids, units)
            warn_of_shared_ids(ids, "an export numbers")
    for row, one in zip(rows, ids):
        row[UNIT_ID] = one


def _foreign_ids(ids: Sequence[Any], units: Table) -> Sequence[Any]:
    """Rows numbered from 0 whose names all differ are called by their names.

    That is how other exporters keep the ids of a sorter, whole numbers as texts.
    """
    column = units.columns.get(UNIT_NAME)
    names = [] if column is None or column.index else column.values().tolist()
    if list(ids) != list(range(len(ids))) or len(set(map(str, names))) != len(ids):
        return ids
    if any(_is_blank(name) for name in names):
        return ids
    numbers = [str(name).isdecimal() and str(int(str(name))) == str(name) for name in names]
    return [int(name) for name in names] if all(numbers) else [str(name) for name in names]


def _adds_to_id(rows: Rows, column: TableColumn) -> bool:
    """Whether the names say more than the ids."""
    names = column.values().tolist() if not column.index else []
    return [str(row[UNIT_ID]) for row in rows] != [str(name) for name in names]


def _add_intervals(rows: Rows, units: Table) -> None:
    """Observation intervals, where they differ between units or are several."""
    column = units.columns.get("obs_intervals")
    index = None if column is None else column.ends()
    if column is None or index is None or len(index) != len(rows):
        return
    data = column.values()
    if data.ndim != 2 or (index.size and index[-1] != len(data)):
        return
    parts = np.split(data, index[:-1]) if index.size else []
    if any(len(part) != 1 or not np.array_equal(part, data[:1]) for part in parts):
        for row, part in zip(rows, parts):
            row["obs_intervals_s"] = part


def _add_electrodes(rows: Rows, units: Table, electrodes: Table | None, is_ours: bool) -> None:
    """Electrode, place and brain area of each unit, from the table of the electrodes.

    In a file of ours, only the attribute that the writer left to this table.
    """
    column = units.columns.get("electrodes")
    if column is None or column.source.ndim != 1 or column.source.dtype.kind not in "iu":
        return
    name = column.marks().get("name") if is_ours else "electrode"
    if name is None:
        return
    flat, index = column.values().astype(np.int64), column.ends()
    index = np.arange(1, len(flat) + 1) if index is None else index
    index = index[1:] if len(index) == len(rows) + 1 and index[0] == 0 else index
    _check_rows(column, flat, index, len(rows))
    table_rows, numbers = _resolve(column, flat, electrodes)
    for row, part in zip(rows, np.split(numbers, index[:-1]) if rows else []):
        if len(part) and not any(key in row for key in ELECTRODE_KEYS):
            row[name] = part.tolist() if len(part) > 1 else part.tolist()[0]
    if electrodes is not None and table_rows is not None and not is_ours:
        counts = np.diff(index, prepend=0)
        first = np.full(len(rows), -1, dtype=np.int64)
        first[counts > 0] = table_rows[(index - counts)[counts > 0]]
        _add_places(rows, electrodes, first)


def _resolve(
    column: TableColumn, flat: NDArray[np.int64], electrodes: Table | None
) -> tuple[NDArray[np.int64] | None, NDArray[Any]]:
    """Rows of the electrodes table, and the numbers of the electrodes."""
    if electrodes is None or electrodes.ids is None:
        return None, flat
    ids = electrodes.ids
    if column.kind != "region":
        # Without NWB's types the numbers are the electrodes themselves.
        row_of = {one: row for row, one in enumerate(ids.tolist())}
        return np.array([row_of.get(one, -1) for one in flat.tolist()], dtype=np.int64), flat
    if flat.size and (flat.min() < 0 or flat.max() >= len(ids)):
        raise FormatError(
            "units refer to electrodes that the file does not have",
            found=f"rows {flat.min()} to {flat.max()}",
            allowed=f"0 to {len(ids) - 1}",
        )
    named = electrodes.columns.get("channel")
    numbers = ids if named is None or named.index or named.kind else named.values()
    return flat, np.asarray(numbers)[flat]


def _add_places(rows: Rows, electrodes: Table, first: NDArray[np.int64]) -> None:
    """Place and brain area of each unit's first electrode; row -1 stands for no electrode."""
    for axis in AXES:
        values = next(
            (v for name in (axis, f"rel_{axis}") if (v := _numbers(electrodes, name)) is not None),
            None,
        )
        if values is None:
            continue
        for row, one in zip(rows, first):
            if one >= 0 and np.isfinite(values[one]):
                row.setdefault(axis, values[one].item())
    column = electrodes.columns.get("location")
    if column is not None and not column.kind and not column.index:
        areas = column.values()
        for row, one in zip(rows, first):
            if one >= 0 and isinstance(areas[one], str) and areas[one].strip(" ") not in _UNSAID:
                row.setdefault("location", areas[one])


_UNSAID = ("", "unknown", "nan", "none", "None", "NaN")


def _numbers(table: Table, name: str) -> NDArray[np.float64] | None:
    column = table.columns.get(name)
    if column is None or column.index or column.source.dtype.kind not in "iuf":
        return None
    values = np.asarray(column.values(), dtype=np.float64)
    fits = values.ndim == 1 and (table.ids is None or len(values) == len(table.ids))
    return values if fits and np.isfinite(values).any() else None
