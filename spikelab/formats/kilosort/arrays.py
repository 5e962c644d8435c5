"""``.npy`` files of a folder, read without trust."""

from __future__ import annotations

import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError

# What numpy raises for headers and sizes that make no sense.
_BAD_FILE = (
    *(ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, tokenize.TokenError),
)


def load(path: Path) -> NDArray[Any]:
    """Map a numeric array into memory.

    The header is checked against the size of the file before any memory is taken, and Python
    objects are refused.

    Raises
    ------
    FormatError
        If the file is no array of numbers.
    """
    try:
        with warnings.catch_warnings():
            # About headers of Python 2, and those that damage makes look like code.
            warnings.simplefilter("ignore")
            array = np.lib.format.open_memmap(path, mode="r")
    except _BAD_FILE as error:
        raise FormatError(
            f"{path.name} is no whole array file",
            found=str(error),
            allowed="a .npy file of numbers",
            hint="copy or export it again",
        ) from error
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{path.name} holds no numbers", found=f"dtype {array.dtype}")
    return array


def load_if_there(path: Path) -> NDArray[Any] | None:
    """As :func:`load`; None when there is no such file."""
    return load(path) if path.is_file() else None


def vector(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Take rows and columns, as Kilosort and MATLAB write them, for vectors.

    Raises
    ------
    FormatError
        If the array is neither, or holds NaN or infinite values.
    """
    if array.ndim == 0 or (array.size != max(array.shape, default=0) and array.size):
        raise FormatError(
            f"{name} is no vector", found=f"shape {array.shape}", allowed="(S,), (S, 1) or (1, S)"
        )
    flat = np.asarray(array).reshape(-1)
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        bad = int(np.sum(~np.isfinite(flat)))
        raise FormatError(f"{name} is not finite", found=f"{bad} NaN or infinite values")
    return flat


def whole_numbers(array: NDArray[Any], name: str) -> NDArray[Any]:
    """A vector of whole numbers; integers keep their dtype, whole floats become int64.

    Raises
    ------
    FormatError
        If a number is not whole, or too large for int64.
    """
    flat = vector(array, name)
    whole = flat.dtype.kind in "iu" or (flat.dtype.kind == "f" and (flat == np.rint(flat)).all())
    if not whole:
        raise FormatError(f"{name} must hold whole numbers", found=f"dtype {flat.dtype}")
    if flat.dtype.kind == "i":
        return flat
    if flat.size and not (flat.min() >= -(2**63) and flat.max() < 2**63):
        raise FormatError(
            f"{name} holds a number beyond int64", found=f"{flat.min()} to {flat.max()}"
        )
    return flat.astype(np.int64) if flat.dtype != np.uint16 else flat
