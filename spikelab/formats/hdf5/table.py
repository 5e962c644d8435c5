"""Attributes of units, or of the session, as a table: a group with one dataset per attribute.

Every dataset has one row per unit and says in the attribute ``encoding`` what it is: ``values``
(numbers, booleans, text), ``arrays`` (of one shape), ``ragged`` (all arrays one after the other,
with their ``shapes``), or ``json`` (the rest, see :mod:`spikelab.formats.hdf5.values`). ``type``
is the type in Python, one for all units or one per unit; ``missing`` tells units without a value
from those whose value is None.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from spikelab.errors import FormatError
from spikelab.formats import h5
from spikelab.formats.columns import ABSENT, NONE, PRESENT, Column, columns_of
from spikelab.formats.hdf5 import values
from spikelab.trains import split

_TEXT = h5py.string_dtype()
_FILL = {"bool": False, "int": 0, "float": np.nan, "str": ""}
_NUMPY = (np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32,
          np.uint64, np.float16, np.float32, np.float64, np.str_)  # fmt: skip
_SCALARS: dict[str, type] = {kind.__name__: kind for kind in (bool, int, float, str)} | {
    f"numpy.{kind.__name__}": kind for kind in _NUMPY
}
_SCALAR_NAMES = {kind: name for name, kind in _SCALARS.items()}
_CONTAINERS: dict[type, str] = {list: "list", tuple: "tuple", np.ndarray: "ndarray"}


@dataclass(frozen=True)
class _Encoded:
    encoding: str
    data: Any
    dtype: Any = None
    types: list[str] = field(default_factory=list)
    shapes: Any = None


def write(group: h5py.Group, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Fill a new group with a table.

    Parameters
    ----------
    group : h5py.Group
        An empty group.
    rows : sequence of mapping
        One mapping per unit.

    Returns
    -------
    list of str
        What could not be kept, for a warning.
    """
    lost = sorted({f"{name!r} (a name that is not text)" for row in rows for name in row
                   if not isinstance(name, str)})  # fmt: skip
    columns = columns_of(rows)
    links = _links([column.name for column in columns])
    for column, link in zip(columns, links):
        encoded = _scalars(column) or _arrays(column) or _ragged(column)
        if encoded is None:
            encoded, unkept = _texts(column)
            lost += unkept
        _store(group, link, encoded, column)
    names = {link: column.name for column, link in zip(columns, links)}
    group.attrs["columns"] = json.dumps(names)
    return lost


def _links(names: Sequence[str]) -> list[str]:
    """A name for each dataset: the attribute's own where HDF5 takes it."""
    taken = set(names)
    links = []
    for position, name in enumerate(names):
        link = name
        if not _is_text(name) or "/" in name or name in ("", "."):
            link = f"column_{position}"
            while link in taken:
                link += "_"
            taken.add(link)
        links.append(link)
    return links


def _is_text(value: str) -> bool:
    """Whether HDF5 can hold the text: no zero characters, no halves of surrogate pairs."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _store(group: h5py.Group, link: str, encoded: _Encoded, column: Column) -> None:
    target = group.create_dataset(link, data=encoded.data, dtype=encoded.dtype)
    if encoded.shapes is not None:
        target.attrs["shapes"] = encoded.shapes
    target.attrs["encoding"] = encoded.encoding
    if encoded.encoding == "json":
        return
    one = set(encoded.types) - {""}
    target.attrs["type"] = one.pop() if len(one) == 1 else np.array(encoded.types, dtype=object)
    if not column.complete:
        target.attrs["missing"] = column.status


def _scalars(column: Column) -> _Encoded | None:
    if column.kind not in _FILL:
        return None
    present = [v for v, status in zip(column.values, column.status) if status == PRESENT]
    kinds = {type(value) for value in present}
    if not kinds <= _SCALAR_NAMES.keys() or not _fits(present, column.kind):
        return None
    only = kinds.pop() if len(kinds) == 1 else None
    dtype: Any = {"bool": bool, "float": np.float64, "str": _TEXT}.get(column.kind)
    if column.kind == "int":
        dtype = np.int64 if max(present) < 2**63 else np.uint64
    if only is not None and issubclass(only, np.number):
        dtype = only
    filled = [_FILL[column.kind] if s else v for v, s in zip(column.values, column.status)]
    types = ["" if s else _SCALAR_NAMES[type(v)] for v, s in zip(column.values, column.status)]
    data = np.array(filled, dtype=object if column.kind == "str" else dtype)
    return _Encoded("values", data, dtype, types)


def _fits(present: Sequence[Any], kind: str) -> bool:
    if kind == "str":
        return all(map(_is_text, present))
    # Whole numbers among floats must survive as floats.
    return kind != "float" or all(
        isinstance(v, (float, np.floating)) or abs(int(v)) <= 2**53 for v in present
    )


def _arrays(column: Column) -> _Encoded | None:
    present = [v for v, status in zip(column.values, column.status) if status == PRESENT]
    if column.kind != "array" or not {type(value) for value in present} <= _CONTAINERS.keys():
        return None
    arrays = [np.asarray(value) for value in present]
    if len({array.dtype for array in arrays}) != 1:
        return None
    for value, array in zip(present, arrays):
        # repr tells 1 from 1.0 and a list from a tuple, also deep inside.
        if type(value) is not np.ndarray and repr(value) != repr(type(value)(array.tolist())):
            return None
    data = np.zeros((len(column.values), *arrays[0].shape), arrays[0].dtype)
    data[column.status == PRESENT] = arrays
    types = ["" if s else _CONTAINERS[type(v)] for v, s in zip(column.values, column.status)]
    return _Encoded("arrays", data, data.dtype, types)


def _ragged(column: Column) -> _Encoded | None:
    present = [v for v, status in zip(column.values, column.status) if status == PRESENT]
    if not present or {type(value) for value in present} != {np.ndarray}:
        return None
    forms = {(value.dtype, value.ndim) for value in present}
    dtype, ndim = next(iter(forms))
    if len(forms) != 1 or dtype.kind not in "iuf" or ndim == 0:
        return None
    empty = np.zeros((0,) * ndim, dtype)
    arrays = [empty if s else v for v, s in zip(column.values, column.status)]
    shapes = np.array([array.shape for array in arrays], dtype=np.int64)
    flat = np.concatenate([array.ravel() for array in arrays])
    return _Encoded("ragged", flat.astype(dtype, copy=False), dtype, ["ndarray"], shapes)


def _texts(column: Column) -> tuple[_Encoded, list[str]]:
    texts: list[str] = []
    unkept: dict[str, None] = {}
    for value, status in zip(column.values, column.status):
        try:
            texts.append("" if status == ABSENT else values.dumps(value))
        except values.Unkeepable as error:
            texts.append("")
            unkept[f"{column.name!r} ({error})"] = None
    return _Encoded("json", np.array(texts, dtype=object), _TEXT), list(unkept)


def read(group: h5py.Group, n_rows: int) -> list[dict[str, Any]]:
    """The mappings that :func:`write` was given.

    Parameters
    ----------
    group : h5py.Group
        The table.
    n_rows : int
        Number of units.

    Raises
    ------
    FormatError
        If the table is not what :func:`write` makes, or has another number of rows.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(n_rows)]
    try:
        for link, name in json.loads(group.attrs["columns"]).items():
            for row, (value, status) in zip(rows, _read_column(group, link, n_rows), strict=True):
                if status != ABSENT:
                    row[name] = None if status == NONE else value
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(
            f"the table {group.name!r} is damaged", found=f"{type(error).__name__}: {error}"
        ) from error
    return rows


def _read_column(group: h5py.Group, link: str, n_rows: int) -> list[tuple[Any, int]]:
    """Pairs of value and status."""
    source = h5.dataset(group, link)
    encoding = source.attrs["encoding"]
    if encoding != "ragged" and source.shape[:1] != (n_rows,):
        raise FormatError(
            f"{source.name!r} does not fit the units",
            found=f"shape {source.shape}",
            allowed=f"{n_rows} rows",
        )
    if encoding == "json":
        texts = source.asstr()[()].tolist()
        return [(values.loads(t), PRESENT) if t else (None, ABSENT) for t in texts]
    missing = source.attrs.get("missing", np.zeros(n_rows, np.uint8)).tolist()
    types = source.attrs["type"]
    types = [types] * n_rows if isinstance(types, str) else list(types)
    return list(zip(_DECODERS[encoding](source, types), missing, strict=True))


def _read_scalars(source: h5py.Dataset, types: list[str]) -> list[Any]:
    data = source.asstr()[()] if h5py.check_string_dtype(source.dtype) else source[()]
    return [_SCALARS[kind](v) if kind else None for v, kind in zip(data.tolist(), types)]


def _read_arrays(source: h5py.Dataset, types: list[str]) -> list[Any]:
    convert: dict[str, Callable[[Any], Any]] = {
        "ndarray": np.copy,
        "list": np.ndarray.tolist,
        "tuple": lambda array: tuple(array.tolist()),
        "": lambda array: None,
    }
    return [convert[kind](array) for array, kind in zip(source[()], types)]


def _read_ragged(source: h5py.Dataset, types: list[str]) -> list[Any]:
    shapes = source.attrs["shapes"]
    parts = split(source[()], np.cumsum(np.prod(shapes, axis=1, dtype=np.int64)))
    return [part.reshape(shape).copy() for part, shape in zip(parts, shapes, strict=True)]


_DECODERS = {"values": _read_scalars, "arrays": _read_arrays, "ragged": _read_ragged}
