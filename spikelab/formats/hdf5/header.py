"""What an HDF5 file says about itself, in attributes of its root.

A file of ours states the version of the layout, its style, the names of its datasets and their
unit under the names of the exporter's parameters, the numbers of units and spikes, the units'
ids, start and length in ms, and the sampling frequency where it is known. ``start_time`` and
``length_ms`` are the SpikeLab library's names; it reads them too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikelab.errors import FormatError, OptionError
from spikelab.formats import h5
from spikelab.units import TIME_UNITS

VERSION = 1
ATTRIBUTES_GROUP = "unit_attributes"
METADATA_GROUP = "session_metadata"
FS_NAMES = ("fs_Hz", "sampling_frequency", "sampling_rate")
RAW_OPTIONS = ("raw_dataset", "raw_time_dataset", "raw_time_unit")
USUAL_RAW = "raw_data"


@dataclass(frozen=True)
class Style:
    """One way to lay out spikes.

    Attributes
    ----------
    names : mapping of str to str
        The options that name a dataset or group, with the usual names.
    unit_option : str or None
        The option that says the unit of the spike times.
    usual_unit : str
        Their unit where nobody says.
    """

    names: Mapping[str, str]
    unit_option: str | None
    usual_unit: str


STYLES: Mapping[str, Style] = {
    "ragged": Style(
        {
            "spike_times_dataset": "spike_times",
            "spike_times_index_dataset": "spike_times_index",
        },
        "spike_times_unit",
        "s",
    ),
    "raster": Style({"raster_dataset": "raster"}, None, "ms"),
    "group": Style({"group_per_unit": "units"}, "group_time_unit", "s"),
    "paired": Style({"idces_dataset": "idces", "times_dataset": "times"}, "times_unit", "ms"),
}


@dataclass(frozen=True)
class Header:
    """What a file states; None or empty where it states nothing.

    Attributes
    ----------
    style : str or None
        None for other people's files.
    options : dict
        Names and units under the names of the exporter's parameters.
    fs_Hz, start_time_ms, length_ms : float or None
    n_units : int or None
    unit_ids : list or None
    has_raw : bool
        Whether raw traces are in the file.
    """

    style: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    fs_Hz: float | None = None
    start_time_ms: float | None = None
    length_ms: float | None = None
    n_units: int | None = None
    unit_ids: list[int] | list[str] | None = None
    has_raw: bool = False


def read(file: h5py.File) -> Header:
    """Read the root attributes.

    Raises
    ------
    FormatError
        If a file of ours contradicts itself, or was made by a later version.
    """
    rate = sampling_frequency(file)
    times: dict[str, Any] = {
        "start_time_ms": _number(file, "start_time"),
        "length_ms": _number(file, "length_ms"),
    }
    if "spikelab_layout" not in file.attrs:
        return Header(fs_Hz=rate, **times)
    version = file.attrs["spikelab_layout"]
    if not isinstance(version, np.integer) or version > VERSION:
        raise FormatError(
            "the file has a layout that this version does not know",
            found=str(version),
            allowed=f"up to {VERSION}",
            hint="install a newer version of this package",
        )
    style = _text(file, "style", tuple(STYLES))
    n_units, ids = _count(file, "n_units"), np.ravel(file.attrs.get("unit_ids", [])).tolist()
    if None in times.values() or len(ids) != n_units:
        raise FormatError(
            "the file's description of itself is damaged",
            found=f"{times}, n_units {n_units}, {len(ids)} unit_ids",
        )
    return Header(style, _options(file, style), rate, **times, n_units=n_units, unit_ids=ids,
                  has_raw=bool(file.attrs.get("has_raw", False)))  # fmt: skip


def _options(file: h5py.File, style: str) -> dict[str, str]:
    names = [*STYLES[style].names, *(name for name in RAW_OPTIONS if name in file.attrs)]
    options = {name: _text(file, name) for name in names}
    unit_option = STYLES[style].unit_option
    if unit_option is not None:
        options[unit_option] = _text(file, "time_unit", TIME_UNITS)
    return options


def sampling_frequency(source: h5py.File | h5py.Dataset) -> float | None:
    """The sampling frequency in Hz that the attributes of a file or dataset state."""
    rates = (_number(source, name) for name in FS_NAMES)
    return next((rate for rate in rates if rate is not None and rate > 0), None)


def _number(source: h5py.File | h5py.Dataset, name: str) -> float | None:
    """A finite number; other people may mean other things by the name: None for those."""
    value = np.asarray(source.attrs.get(name, ""))
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        return None
    return float(value.item())


def _count(file: h5py.File, name: str) -> int:
    value = file.attrs.get(name)
    if not isinstance(value, np.integer) or value < 0:
        raise FormatError(f"the attribute {name} is not a count", found=str(value))
    return int(value)


def _text(file: h5py.File, name: str, allowed: tuple[str, ...] = ()) -> str:
    value = file.attrs.get(name)
    if not isinstance(value, str) or (allowed and value not in allowed):
        raise FormatError(
            f"the attribute {name} is damaged",
            found=str(value),
            allowed=", ".join(allowed) or "a text",
        )
    return value


def format_of(path: str | os.PathLike[str]) -> str:
    """The name in the registry of what an HDF5 file holds.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    str
        ``nwb``, ``hdf5_ragged``, ``hdf5_raster``, ``hdf5_group``, ``hdf5_paired`` or
        ``hdf5_raw``: from what the file states, else from the usual names of its datasets.

    Raises
    ------
    MissingFile
        If there is no such file.
    FormatError
        If nothing is recognised; the message lists what is in the file.
    """
    with h5.reading(Path(path)) as file:
        if "nwb_version" in file.attrs or h5.find(file, "units/spike_times_index") is not None:
            return "nwb"
        style = read(file).style or _usual_style(file)
        if style is None:
            raise FormatError(
                "the content is of no known HDF5 style",
                found=h5.contents(file),
                allowed="the usual datasets: " + ", ".join(_usual_names()),
                hint="name the datasets, or give the format",
            )
        return f"hdf5_{style}"


def _usual_names() -> list[str]:
    return [" and ".join(style.names.values()) for style in STYLES.values()] + [USUAL_RAW]


def _usual_style(file: h5py.File) -> str | None:
    """The style, or ``raw``, whose usual names are in the file."""

    def there(name: str, kind: type) -> bool:
        return isinstance(h5.find(file, name), kind)

    for style in STYLES:
        kind = h5py.Group if style == "group" else h5py.Dataset
        if all(there(name, kind) for name in STYLES[style].names.values()):
            return style
    return "raw" if there(USUAL_RAW, h5py.Dataset) else None


def choose_style(filepath: str | os.PathLike[str], given: Mapping[str, Mapping[str, Any]]) -> str:
    """The style in which to read a file.

    Parameters
    ----------
    filepath : str or os.PathLike
        The file.
    given : mapping of str to mapping
        For each style, the arguments that the caller gave.

    Returns
    -------
    str
        The style that the file states, else the one whose arguments were given, else the one
        whose usual datasets are there.

    Raises
    ------
    MissingFile
        If there is no such file.
    OptionError
        If arguments of several styles were given, or of another one than the file states.
    FormatError
        If nothing tells the style.
    """
    path = Path(filepath)
    with h5.reading(path) as file:
        stated = read(file).style
    asked = {style: ", ".join(options) for style, options in given.items() if options}
    others = {style: names for style, names in asked.items() if style != stated}
    if len(asked) > 1 or (stated is not None and others):
        raise OptionError(
            "the arguments belong to another style than the file"
            if stated is not None
            else "the arguments belong to several styles",
            found="; ".join(f"{names} (style {style})" for style, names in asked.items()),
            allowed=f"style {stated}, stated by the file" if stated else "one style",
            hint="leave them out" if stated else "leave out those of the other styles",
            path=path,
        )
    if stated or asked:
        return stated or next(iter(asked))
    name = format_of(path)
    if name.removeprefix("hdf5_") not in STYLES:
        loader = "nwb" if name == "nwb" else "hdf5_raw_thresholded"
        raise FormatError(
            "the file holds " + ("NWB units" if name == "nwb" else "raw traces, and no spikes"),
            hint=f"use load_spikedata_from_{loader}, or name the datasets",
            path=path,
        )
    return name.removeprefix("hdf5_")
