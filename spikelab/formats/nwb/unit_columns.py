"""Attributes of the units as columns of an NWB table, and back.

NWB columns are typed and have no missing values. A unit without a value gets a fill of the
column's type (NaN, -1 for truth values, an empty text), and marks beside the column, as HDF5
attributes that other readers do not look at, say which units these are and what the type was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.formats.columns import ABSENT, NONE, PRESENT, Column

MARK = "spikelab_"
# Every whole number up to here is a float64 too.
_EXACT = 2**53
# pynwb's own names in a table of units, and members of its class.
_RESERVED = frozenset(
    (
        "id",
        "unit_id",
        "unit_name",
        "spike_times",
        "spike_times_index",
        "obs_intervals",
        "electrodes",
        "electrode_group",
        "waveforms",
        "name",
        "description",
        "colnames",
        "columns",
        "resolution",
        "waveform_rate",
        "waveform_unit",
        "parent",
        "fields",
        "modified",
        "children",
    )
)
_WAVEFORMS = ("waveform_mean", "waveform_sd")


@dataclass(frozen=True)
class Encoded:
    """One column as the file keeps it.

    Attributes
    ----------
    name : str
        Name in the file.
    description : str
        For people.
    data : numpy.ndarray, shape (n_units, ...) or, with `ends`, (n_values, ...)
    ends : numpy.ndarray of int64, shape (n_units,), or None
        Position after each unit's last value, where units have different numbers of values.
    marks : dict
        HDF5 attributes that let the reader undo what the encoding changed.
    """

    name: str
    description: str
    data: NDArray[np.generic]
    ends: NDArray[np.int64] | None = None
    marks: dict[str, Any] = field(default_factory=dict)


def encode(column: Column, taken: Collection[str]) -> Encoded | None:
    """The column, or None when an NWB table cannot hold it.

    Parameters
    ----------
    column : Column
        One attribute over all units.
    taken : collection of str
        Names already in the table.
    """
    packed = _pack(column)
    if packed is None:
        return None
    data, ends, dtype = packed
    name = _file_name(column, data, ends, taken)
    marks: dict[str, Any] = {} if name == column.name else {"name": column.name}
    if dtype != data.dtype:
        marks["dtype"] = dtype.str
    for mark, kind in (("absent", ABSENT), ("none", NONE)):
        units = column.status == kind
        if units.any():
            # One bit per unit: an HDF5 attribute has room for 64 kB.
            marks[mark] = np.packbits(units)
    description = f"attribute {column.name} of each unit"
    if not column.complete:
        description += f"; {_fill_text(data, ends)} where a unit has none"
    return Encoded(name, description, data, ends, marks)


def _fill_text(data: NDArray[np.generic], ends: object) -> str:
    if ends is not None:
        return "no entry"
    return {"O": "an empty text", "i": "-1"}.get(data.dtype.kind, "NaN")


Packed = tuple[NDArray[np.generic], NDArray[np.int64] | None, np.dtype]


def _pack(column: Column) -> Packed | None:
    """Values, ends of ragged values, and the dtype that the reader shall restore."""
    if column.kind == "other":
        return _pack_ragged(column)
    if column.kind == "str":
        values = column.filled("")
        return (values, None, values.dtype) if all(map(_storable, values)) else None
    known = [v for v, s in zip(column.values, column.status) if s == PRESENT]
    if column.kind == "array" and np.asarray(known[0]).size == 0:
        return _pack_ragged(column)
    present = np.array(known, dtype=_dtype_of(column.kind, known))
    dtype = present.dtype
    if column.complete:
        return _compact(present, dtype)
    if dtype.kind in "bi" and _is_binary(present):
        return _spread(column, present.astype(np.int8), -1), None, dtype
    if dtype.kind in "iu" and max(int(present.max()), -int(present.min())) > _EXACT:
        return None
    stored = present.astype(np.promote_types(dtype, np.float32))
    return _spread(column, stored, np.nan), None, dtype


def _dtype_of(kind: str, values: Sequence[Any]) -> np.dtype:
    """Python's whole numbers are int64 where they fit; arrays keep what they have in common."""
    if kind == "int":
        return np.dtype(np.int64 if max(values) < 2**63 else np.uint64)
    if kind == "array":
        return np.result_type(*(np.asarray(value) for value in values))
    return np.dtype(np.float64 if kind == "float" else bool)


def _spread(column: Column, present: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
    """The present values in the rows of their units, with `fill` in the others."""
    data = np.full((len(column.status), *present.shape[1:]), fill, dtype=present.dtype)
    data[column.status == PRESENT] = present
    return data


def _compact(data: NDArray[np.generic], dtype: np.dtype, ends: Any = None) -> Packed:
    """Numbers that are all 0 or 1 in one byte each: larger ones are taken for truth values."""
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return data.astype(np.float64), ends, dtype
    if dtype.kind in "iuf" and dtype.itemsize > 1 and _is_binary(data):
        return data.astype(np.uint8), ends, dtype
    return data, ends, dtype


def _is_binary(data: NDArray[np.generic]) -> bool:
    return data.size > 0 and bool(((data == 0) | (data == 1)).all())


def _storable(text: str) -> bool:
    """Whether HDF5 can hold the text: no NUL, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _pack_ragged(column: Column) -> Packed | None:
    """Numbers or texts of which units have different amounts."""
    vectors = [_vector(value) for value in column.values]
    parts = [vector for vector in vectors if vector is not None]
    if len(parts) < len(vectors) or not (column.status == PRESENT).any():
        return None
    full = [part for part in parts if part.size]
    if len({part.dtype.kind in "OU" for part in full}) > 1 or len({p.shape[1:] for p in full}) > 1:
        return None
    ends = np.cumsum([len(part) if part.size else 0 for part in parts], dtype=np.int64)
    if not full:
        return np.empty(0), ends, np.dtype(np.float64)
    flat = np.concatenate(full)
    if flat.dtype.kind in "OU":
        flat = flat.astype(object)
        return (flat, ends, flat.dtype) if all(map(_storable, flat)) else None
    return _compact(flat, flat.dtype, ends)


def _vector(value: Any) -> NDArray[np.generic] | None:
    if value is None:
        return np.empty(0)
    if not isinstance(value, (list, tuple, np.ndarray)):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    is_text = array.dtype.kind == "U" and array.ndim == 1 and all(isinstance(v, str) for v in value)
    return array if array.ndim and (is_text or array.dtype.kind in "biuf") else None


def _file_name(column: Column, data: NDArray[np.generic], ends: Any, taken: Collection[str]) -> str:
    """A name that HDF5 allows and that no reader takes for something else."""
    if column.name in _WAVEFORMS:
        fits = ends is None and data.dtype.kind == "f" and data.ndim in (2, 3)
        name = column.name if fits else f"{column.name}_"
    else:
        name = column.name.translate(str.maketrans("/\\:.\0", "_____")).strip() or "_"
        # A column called *_index would be read as the index of another one.
        if name in _RESERVED or name.endswith("_index"):
            name += "_"
    while name in taken or f"{name}_index" in taken or not _storable(name):
        name = name.encode(errors="replace").decode() + "_"
    return name


def decode(
    data: NDArray[np.generic],
    ends: NDArray[np.int64] | None,
    marks: dict[str, Any],
    n_units: int,
) -> tuple[Sequence[Any], NDArray[np.uint8]]:
    """Undo :func:`encode`.

    Parameters
    ----------
    data, ends, marks
        As in :class:`Encoded`; texts as str.
    n_units : int
        Number of units.

    Returns
    -------
    values : sequence
        One per unit: Python numbers, texts and truth values, or arrays.
    status : numpy.ndarray of uint8, shape (n_units,)
        Whether the unit has the value, has none, or has None.
    """
    status = np.full(n_units, PRESENT, dtype=np.uint8)
    for mark, kind in (("absent", ABSENT), ("none", NONE)):
        if mark in marks:
            bits = np.unpackbits(np.asarray(marks[mark], np.uint8), count=n_units)
            status[bits.astype(bool)] = kind
    if "dtype" in marks:
        with np.errstate(invalid="ignore"):  # the fill of units without a value is not a number
            data = data.astype(np.dtype(str(marks["dtype"])))
    if ends is not None:
        parts = np.split(data, ends[:-1]) if n_units else []
        return [part.tolist() if part.dtype == object else part for part in parts], status
    return (data.tolist() if data.ndim == 1 else list(data)), status
