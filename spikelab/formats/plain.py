"""Plain values: what the attributes and the metadata of a session may hold in a pickle.

Numbers, text, bytes, None, dates and times, numpy arrays and scalars, and lists, tuples, dicts
and sets of these.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from spikelab.errors import FormatError

ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes))
TIMES = frozenset(
    (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone)
)
# numpy's own element types that can be rebuilt from their bytes alone.
ELEMENT_KINDS = "biufcSUmM"
MAX_DEPTH = 60
# Beyond this, pickles spell a whole number in a way that sessions do not need.
MAX_INT_BITS = 2000
MAX_ITEMS_WRITTEN = 200_000_000

Leaf = Callable[[Any, Callable[[Any], Any]], Any]


def check_key(key: Any) -> Any:
    """Return a key of a dict or an item of a set; refuse what is slow or unsafe to hash."""
    parts = key if type(key) is tuple else (key,)
    if all(type(part) in ATOMS or type(part) in TIMES or _is_scalar(part) for part in parts):
        for part in parts:
            _small(part)
        return key
    raise FormatError("a key is neither text nor number nor a tuple of these")


def _small(value: Any) -> Any:
    if type(value) is int and value.bit_length() > MAX_INT_BITS:
        raise FormatError("a whole number is too large", allowed=f"{MAX_INT_BITS} bits")
    return value


def _is_scalar(value: Any) -> bool:
    return isinstance(value, np.generic) and value.dtype.kind in ELEMENT_KINDS


class Walk:
    """Rebuild a value from the leaves up, refusing what is nested too deeply or repeats itself.

    Parameters
    ----------
    leaf : callable
        Called as ``leaf(value, walk)`` for everything that is no atom, list, tuple or dict;
        returns what to put in its place.
    max_items : int
        The number of items, at all levels together, above which a value is refused.
    """

    def __init__(self, leaf: Leaf, max_items: int) -> None:
        self._leaf = leaf
        self._depth = 0
        self._left = max_items

    def __call__(self, value: Any) -> Any:
        """Return the value rebuilt."""
        kind = type(value)
        if kind in ATOMS:
            return _small(value)
        self._depth += 1
        self._left -= 1 + (len(value) if kind in (list, tuple, dict) else 0)
        # A list that contains itself is endlessly deep; one that holds another twice, which
        # holds another twice, and so on, is endlessly long.
        if self._depth > MAX_DEPTH or self._left < 0:
            raise FormatError(
                "values are nested too deeply, or repeat each other without end",
                allowed=f"{MAX_DEPTH} levels",
            )
        try:
            return self._inside(kind, value)
        finally:
            self._depth -= 1

    def _inside(self, kind: type, value: Any) -> Any:
        if kind is dict:
            return {check_key(key): self(item) for key, item in value.items()}
        if kind is list or kind is tuple:
            return kind([self(item) for item in value])
        return self._leaf(value, self)


def portable(mapping: Mapping[Any, Any], report: Callable[[Any, str], None]) -> dict[Any, Any]:
    """The entries that a pickle can hold, in the form in which it holds them.

    Parameters
    ----------
    mapping : mapping
        Attributes of one unit, or metadata.
    report : callable
        Called as ``report(key, why)`` for every entry that is left out or changed.
    """
    kept = {}
    for key, value in mapping.items():
        plainer: list[str] = []

        def leaf(value: Any, walk: Callable[[Any], Any], notes: list[str] = plainer) -> Any:
            return _leaf(value, walk, notes.append)

        try:
            kept[check_key(key)] = Walk(leaf, MAX_ITEMS_WRITTEN)(value)
        except FormatError as error:
            plainer.append(f"{error}; it is left out")
        for why in dict.fromkeys(plainer):
            report(key, why)
    return kept


class _Call:
    """Pickles as a call: for containers without an order of their own."""

    def __init__(self, function: type, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return self._call


def _leaf(value: Any, walk: Callable[[Any], Any], note: Callable[[str], None]) -> Any:
    kind = type(value)
    if kind in (np.ndarray, np.memmap):
        return _array(value, walk)
    if isinstance(value, np.generic) and value.dtype.kind in ELEMENT_KINDS:
        return value
    if kind in (set, frozenset):
        items = sorted(value, key=lambda item: (type(item).__name__, repr(item)))
        return _Call(kind, [check_key(item) for item in items])
    if kind in (OrderedDict, defaultdict):
        return walk(dict(value))
    if kind in TIMES:
        return _with_fixed_offset(value, note)
    if isinstance(value, PurePath):
        note("the path is kept as text")
        return str(value)
    raise FormatError(f"a {kind.__module__}.{kind.__qualname__} cannot be read back safely")


def _array(value: np.ndarray[Any, Any], walk: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
    if value.dtype.kind == "O":
        array = np.empty(value.size, dtype=object)
        for position, item in enumerate(walk(value.ravel().tolist())):
            array[position] = item
        return array.reshape(value.shape)
    if value.dtype.kind not in ELEMENT_KINDS or not value.dtype.itemsize:
        raise FormatError(f"an array of {value.dtype} cannot be read back safely")
    return in_one_layout(value)


def in_one_layout(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in C order, writable, its element type without annotations."""
    return np.require(array, np.dtype(array.dtype.str), ["C", "W", "E"])


def _with_fixed_offset(value: Any, note: Callable[[str], None]) -> Any:
    zone = getattr(value, "tzinfo", None)
    if zone is None or type(zone) is datetime.timezone:
        return value
    offset = value.utcoffset()
    note("of the time zone only the offset is kept")
    return value.replace(tzinfo=None if offset is None else datetime.timezone(offset))
