"""SpikeLab's compiled sorting results (``.npz``): read only, and without running code.

The archive holds ``fs`` (Hz), ``units`` (an object array with one dict per unit, pickled) and
``locations`` (of the channels; may be None, pickled).
"""

from __future__ import annotations

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikelab.errors import FormatError, SpikelabError
from spikelab.formats import safe_pickle
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import require_fs, to_ms

_ARRAYS = ("template", "amplitudes", "std_norms")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
# What numpy raises for headers and sizes that make no sense.
_BAD_ARRAY = (
    *(ValueError, TypeError, KeyError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, tokenize.TokenError),
)
_TEXTS = ("peak_sign", "max_channel_id")


@dataclass(frozen=True)
class Options:
    """What the file does not say.

    Attributes
    ----------
    length_ms : float, optional
        Duration in ms; by default up to the last spike.
    """

    length_ms: float | None = None


def read(path: Path, options: Options) -> SpikeData:
    """Read a compiled sorting result.

    Raises
    ------
    FormatError
        If the archive is damaged, lacks ``units`` or ``fs``, or holds anything that a sorting
        result does not need.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            if not {"units", "fs"} <= names:
                raise FormatError(
                    "the archive is no SpikeLab sorting result",
                    found=", ".join(sorted(names)) or "nothing",
                    allowed="units and fs, perhaps locations",
                    hint="for a sorting saved by SpikeInterface name the format spikeinterface",
                )
            units = _member(archive, "units")
            fs_Hz = _rate(_member(archive, "fs"))
            places = _member(archive, "locations") if "locations" in names else None
    except _BROKEN as error:
        if isinstance(error, SpikelabError):
            raise
        raise FormatError("the archive is damaged", found=str(error)) from error
    if not isinstance(units, np.ndarray) or units.ndim != 1:
        raise FormatError("units is no list of units", found=type(units).__name__)
    metadata = {"fs_Hz": fs_Hz, "source_format": "SpikeLab_npz"}
    if isinstance(places, np.ndarray) and places.ndim:
        metadata["channel_locations"] = places
    return SpikeData(
        [_times(unit, i, fs_Hz) for i, unit in enumerate(units)],
        length=options.length_ms,
        neuron_attributes=[_attributes(unit, i) for i, unit in enumerate(units)],
        metadata=metadata,
    )


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    """One array of the archive; a scalar comes as such."""
    content = io.BytesIO(archive.read(f"{name}.npy"))
    try:
        version = np.lib.format.read_magic(content)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with warnings.catch_warnings():
            # About headers of Python 2, and those that damage makes look like code.
            warnings.simplefilter("ignore")
            shape, _, dtype = read_header(content)
        if dtype.hasobject:
            array = safe_pickle.loads(content.read())
        else:
            # A header may promise more than the memory holds.
            n_bytes = len(content.getvalue()) - content.tell()
            if n_bytes != math.prod(shape) * dtype.itemsize:
                raise ValueError(f"{n_bytes} bytes for shape {shape} of {dtype}")
            content.seek(0)
            array = np.lib.format.read_array(content, allow_pickle=False)
    except _BAD_ARRAY as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{name} is damaged", found=str(error)) from error
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise FormatError(f"{name} is not the array that its header promises")
    return array if array.ndim else array[()]


def _rate(value: Any) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)):
        return require_fs(float(value), why="fs")
    raise FormatError("fs is no number", found=type(value).__name__)


def _times(unit: Any, number: int, fs_Hz: float) -> Any:
    samples = unit.get("spike_train") if isinstance(unit, dict) else None
    if not isinstance(samples, (np.ndarray, list)):
        raise FormatError(f"unit {number} has no spike train", found=type(samples).__name__)
    array = np.asarray(samples)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise FormatError(f"the spike train of unit {number} is no list of numbers")
    return to_ms(array, "samples", fs_Hz)


def _attributes(unit: dict[str, Any], number: int) -> dict[str, Any]:
    try:
        attributes: dict[str, Any] = {"unit_id": int(unit["unit_id"])}
        if unit.get("x_max") is not None and unit.get("y_max") is not None:
            attributes["location"] = [float(unit["x_max"]), float(unit["y_max"])]
        if unit.get("electrode") is not None:
            attributes["electrode"] = int(unit["electrode"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"unit {number} has no usable id or place", found=repr(error)) from error
    attributes |= {name: np.asarray(unit[name]) for name in _ARRAYS if unit.get(name) is not None}
    attributes |= {name: str(unit[name]) for name in _TEXTS if unit.get(name) is not None}
    return attributes
