"""The names that a pickle may use, and what is built for each: the whole allowlist.

No builder looks anything up by a name from the file, and no state from the file reaches numpy's
own ``__setstate__``: a crafted one could turn bytes into pointers. Arrays are made from a type
out of a short list, a shape, and bytes whose number is checked against both.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikelab.formats.plain import check_key

_DTYPE = re.compile(r"[biufcSU]\d{1,9}|[mM]8|O8?")
_DATE_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
_MAX_CODE_POINT = 0x10FFFF


class Name(NamedTuple):
    """A name of the allowlist, not an object: nothing is imported for it."""

    module: str
    name: str

    @property
    def text(self) -> str:
        """The name as people write it."""
        return f"{self.module}.{self.name}"


class Session:
    """A pickled SpikeData: its attributes as the file gives them."""

    text = "SpikeData"

    def __init__(self, *arguments: Any) -> None:
        _expect(not arguments, "a SpikeData is made with arguments")
        self.state: dict[str, Any] | None = None

    def build(self, state: Any) -> None:
        """Take the attributes."""
        _expect(self.state is None and type(state) is dict, "the state of SpikeData is no dict")
        self.state = state

    def resolved(self, walk: Callable[[Any], Any]) -> Session:
        """The session with drafts replaced by what they stand for."""
        self.state = walk(self.state or {})
        return self


class DtypeDraft:
    """An array's element type on its way."""

    def __init__(self, code: Any, align: Any = False, copy: Any = True) -> None:
        known = type(code) is str and _DTYPE.fullmatch(code) is not None
        _expect(known, "an array has an element type that is not supported")
        self._code = code
        self._built = False
        self.dtype = np.dtype("O" if code == "O8" else code)

    def build(self, state: Any) -> None:
        """Take the byte order, and the unit of times; sizes and flags are numpy's own business."""
        _expect(type(state) is tuple and len(state) in (8, 9), "an element type has an odd state")
        order, subarray, names, fields = state[1:5]
        simple = subarray is None and names is None and fields is None
        _expect(simple, "an array is structured, which is not supported")
        _expect(type(order) is str and not self._built, "a byte order is odd")
        if self._code[0] in "mM":
            self.dtype = np.dtype(self._code + _date_unit(state))
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)
        self._built = True

    def result(self, walk: Callable[[Any], Any]) -> np.dtype[Any]:
        """The element type."""
        return self.dtype


def _date_unit(state: tuple[Any, ...]) -> str:
    """The unit of datetime64 and timedelta64, e.g. ``[ns]``."""
    unit, number, *_ = state[8][1] if len(state) == 9 else (b"generic", 1)
    if unit == b"generic":
        return ""
    text = unit.decode("ascii") if type(unit) is bytes else ""
    sound = text in _DATE_UNITS and type(number) is int and 0 < number < 2**31
    _expect(sound, "a unit of time is unknown")
    return f"[{number}{text}]"


class ArrayDraft:
    """An array on its way: older protocols make it empty and fill it in a second step."""

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        _expect(_is(kind, "numpy.ndarray"), "an array is of no plain array class")
        self._array: NDArray[Any] | None = None

    def build(self, state: Any) -> None:
        """Take version, shape, element type, order and content."""
        _expect(self._array is None and type(state) is tuple, "the state of an array is odd")
        _, shape, dtype, is_fortran, content = state
        self._array = array_of(content, dtype, shape, "F" if is_fortran else "C")

    def result(self, walk: Callable[[Any], Any]) -> NDArray[Any]:
        """The array."""
        if self._array is None:
            raise ValueError("an array was never filled")
        if self._array.dtype.kind == "O":
            return _objects(walk(self._array.ravel().tolist()), self._array.shape, "C")
        return self._array


def _is(value: Any, *texts: str) -> bool:
    return type(value) is Name and value.text in texts


def _expect(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def array_of(
    content: Any, dtype: Any, shape: Any, order: Any = "C", axes: Any = None
) -> NDArray[Any]:
    """An array of its own memory, from content that must fit type and shape exactly.

    Parameters
    ----------
    content : bytes or bytearray, or a list for objects
    dtype : DtypeDraft
    shape : tuple of int
    order : {'C', 'F', 'K'}
        'K' comes with `axes`, the order of the axes in memory.
    """
    sound = isinstance(dtype, DtypeDraft) and type(shape) is tuple and type(order) is str
    _expect(sound and order in ("C", "F", "K"), "the order of an array is odd")
    _expect(all(type(n) is int and n >= 0 for n in shape), "the shape of an array is odd")
    if dtype.dtype.kind == "O":
        return _objects(content, shape, order)
    flat = _elements(content, dtype.dtype, math.prod(shape))
    if order == "K":
        _expect(type(axes) is tuple and all(type(n) is int for n in axes), "axes are odd")
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order=order)


def _objects(items: Any, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    _expect(type(items) is list and len(items) == math.prod(shape), "an array has a wrong size")
    flat = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        flat[position] = item
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _elements(content: Any, dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    """`n` elements from exactly their bytes, with values that numpy itself would never make out."""
    _expect(type(content) in (bytes, bytearray), "an array has no content")
    _expect(len(content) == n * dtype.itemsize, "an array has a wrong size")
    if not content:
        # Text of no length has no bytes either: one such value is fine, a billion is a trap.
        _expect(n <= 1 or dtype.itemsize > 0, "an array has elements of no size")
        return np.zeros(n, dtype)
    flat = np.frombuffer(content, dtype)
    if dtype.kind == "b":
        return flat.view(np.uint8) != 0
    if dtype.kind == "U":
        points = flat.view(np.dtype("u4").newbyteorder(dtype.byteorder))
        _expect(int(points.max()) <= _MAX_CODE_POINT, "an array of text holds no text")
    return flat.copy() if type(content) is bytes else flat


def _scalar(dtype: Any, content: Any) -> np.generic:
    plain = isinstance(dtype, DtypeDraft) and dtype.dtype.kind != "O"
    _expect(plain, "a scalar has an element type that is not supported")
    return _elements(content, dtype.dtype, 1)[0]


def _reconstructor(cls: Any, base: Any, state: Any) -> Session:
    is_object = _is(base, "builtins.object", "__builtin__.object") and state is None
    plain = is_object and _is(cls, ".".join(_SPIKEDATA))
    _expect(plain, "an object is made in an odd way")
    return Session()


def _encoded(text: Any, codec: Any) -> bytes:
    _expect(type(text) is type(codec) is str and codec == "latin1", "bytes are encoded oddly")
    return text.encode("latin-1")


def _never(*arguments: Any) -> Any:
    raise ValueError("a class is called that is a name only")


def _no_bytes(*arguments: Any) -> bytes:
    _expect(not arguments, "bytes are made in an odd way")
    return b""


def _set(kind: type) -> Callable[[Any], Any]:
    def build(items: Any) -> Any:
        _expect(type(items) is list, "a set is made in an odd way")
        return kind(map(check_key, items))

    return build


def _dict(*arguments: Any) -> dict[Any, Any]:
    pairs = arguments[0] if arguments else []
    _expect(type(pairs) is list and len(arguments) < 2, "a dict is made in an odd way")
    return {check_key(key): value for key, value in pairs}


def _complex(real: Any, imaginary: Any) -> complex:
    _expect(type(real) is type(imaginary) is float, "a complex number is odd")
    return complex(real, imaginary)


def _date(content: Any) -> datetime.date:
    _expect(type(content) is bytes and len(content) == 4, "a date is odd")
    return datetime.date(content[0] * 256 + content[1], content[2], content[3])


def _time(content: Any, zone: Any = None) -> datetime.time:
    _expect(type(content) is bytes and len(content) == 6 and _is_zone(zone), "a time is odd")
    hour, minute, second = content[:3]
    fold, micro = hour >> 7, int.from_bytes(content[3:], "big")
    return datetime.time(hour & 0x7F, minute, second, micro, zone, fold=fold)


def _datetime(content: Any, zone: Any = None) -> datetime.datetime:
    _expect(type(content) is bytes and len(content) == 10, "a date is odd")
    fold, month = content[2] >> 7, content[2] & 0x7F
    day = _date(content[:2] + bytes((month, content[3])))
    time = _time(content[4:], zone)
    return datetime.datetime.combine(day, time.replace(fold=fold))


def _is_zone(zone: Any) -> bool:
    return zone is None or type(zone) is datetime.timezone


def _timedelta(*arguments: Any) -> datetime.timedelta:
    _expect(len(arguments) == 3 and all(type(n) is int for n in arguments), "a duration is odd")
    return datetime.timedelta(*arguments)


def _timezone(offset: Any, *name: Any) -> datetime.timezone:
    sound = type(offset) is datetime.timedelta and len(name) < 2
    _expect(sound and all(type(text) is str for text in name), "a time zone is odd")
    return datetime.timezone(offset, *name)


def _path(kind: type[PurePosixPath | PureWindowsPath]) -> Callable[..., str]:
    def build(*parts: Any) -> str:
        _expect(all(type(part) is str for part in parts), "a path is odd")
        return str(kind(*parts))

    return build


_SPIKEDATA = ("spikelab.spikedata.spikedata", "SpikeData")
_NUMPY_PRIVATE = ("numpy.core", "numpy._core")
_BUILTINS = ("builtins", "__builtin__")
BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    _SPIKEDATA: Session,
    ("numpy", "ndarray"): _never,
    ("numpy", "dtype"): DtypeDraft,
    **{(f"{core}.multiarray", "_reconstruct"): ArrayDraft for core in _NUMPY_PRIVATE},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _NUMPY_PRIVATE},
    **{(f"{core}.numeric", "_frombuffer"): array_of for core in _NUMPY_PRIVATE},
    **{(module, "_reconstructor"): _reconstructor for module in ("copyreg", "copy_reg")},
    **{(module, "object"): _never for module in _BUILTINS},
    **{(module, "bytes"): _no_bytes for module in _BUILTINS},
    **{(module, "complex"): _complex for module in _BUILTINS},
    **{(module, "set"): _set(set) for module in _BUILTINS},
    **{(module, "frozenset"): _set(frozenset) for module in _BUILTINS},
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): _dict,
    ("datetime", "datetime"): _datetime,
    ("datetime", "date"): _date,
    ("datetime", "time"): _time,
    ("datetime", "timedelta"): _timedelta,
    ("datetime", "timezone"): _timezone,
    **{
        (module, name): _path(PureWindowsPath if "Windows" in name else PurePosixPath)
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
}
