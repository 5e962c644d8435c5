"""Values of any kind as JSON text that brings them back with their types.

What JSON has no word for is an object with one tag, for example ``{"$tuple": [1, 2]}``.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

# dtype kinds that are kept through integers or floats of the same size.
_VIEWS = {"M": np.int64, "m": np.int64}
_KINDS = "biufcMmUSO"


class Unkeepable(TypeError):
    """A value that has no form as text."""


def dumps(value: Any) -> str:
    """The value as JSON text; :class:`Unkeepable` if it, or a part of it, cannot be kept."""
    try:
        return json.dumps(_encode(value), allow_nan=False)
    except RecursionError as error:
        raise Unkeepable("nested too deeply") from error


def loads(text: str) -> Any:
    """Undo :func:`dumps`; ValueError or TypeError if the text is not of its making."""
    return json.loads(text, object_hook=_decode)


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic):
        return {"$scalar": _encode_array(np.asarray(value))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if value is None or isinstance(value, (str, int)):
        return value
    if type(value) is dict:
        return _encode_dict(value)
    if type(value) is list:
        return [_encode(item) for item in value]
    tag, encode, _ = _BY_TYPE.get(type(value), (None, None, None))
    if encode is None:
        raise Unkeepable(type(value).__name__)
    return {tag: encode(value)}


def _encode_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: _encode(item) for key, item in value.items()}
    return {"$dict": [[_encode(key), _encode(item)] for key, item in value.items()]}


def _encode_array(array: NDArray[np.generic]) -> dict[str, Any]:
    if array.dtype.kind not in _KINDS or array.dtype.char in "gG":
        raise Unkeepable(f"array of {array.dtype}")
    plain = array.view(_VIEWS.get(array.dtype.kind, array.dtype))
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "values": [_encode(item) for item in plain.ravel().tolist()],
    }


def _decode_array(state: dict[str, Any]) -> NDArray[np.generic]:
    dtype = np.dtype(state["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"dtype {dtype}")
    flat = np.empty(len(state["values"]), _VIEWS.get(dtype.kind, dtype))
    for position, item in enumerate(state["values"]):
        flat[position] = item
    return flat.view(dtype).reshape(state["shape"])


def _encode_set(value: Any) -> list[Any]:
    return sorted((_encode(item) for item in value), key=json.dumps)


Codec = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]
_BY_TYPE: dict[type, Codec] = {
    tuple: ("$tuple", lambda value: [_encode(item) for item in value], tuple),
    set: ("$set", _encode_set, set),
    frozenset: ("$frozenset", _encode_set, frozenset),
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
    complex: ("$complex", lambda value: [_encode(value.real), _encode(value.imag)],
              lambda parts: complex(*parts)),
    datetime: ("$datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("$date", date.isoformat, date.fromisoformat),
    np.ndarray: ("$array", _encode_array, _decode_array),
}  # fmt: skip
_BY_TAG: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$dict": dict,
    "$scalar": lambda state: _decode_array(state)[()],
    **{tag: decode for tag, _, decode in _BY_TYPE.values()},
}


def _decode(state: dict[str, Any]) -> Any:
    tag = next(iter(state)) if len(state) == 1 else ""
    return _BY_TAG[tag](state[tag]) if tag in _BY_TAG else state
