"""Options brought together with what is known: from the session when writing, else the file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import h5py

from spikelab.errors import OptionError
from spikelab.formats.hdf5 import header
from spikelab.formats.hdf5.header import STYLES, Header
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import TimeUnit, check_time_unit, require_fs


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What the four styles have in common.

    Attributes
    ----------
    fs_Hz : float, optional
        Sampling frequency in Hz.
    raw_dataset, raw_time_dataset : str, optional
        Names of the raw traces, (channels, samples), and of their times. Traces are written
        when both are given.
    raw_time_unit : {'s', 'ms', 'samples'}, optional
        By default ``'ms'``.
    length_ms, start_time_ms : float, optional
        For reading: duration and start in ms of a file that does not state them.
    """

    fs_Hz: float | None = None
    raw_dataset: str | None = None
    raw_time_dataset: str | None = None
    raw_time_unit: TimeUnit | None = None
    length_ms: float | None = None
    start_time_ms: float | None = None


@dataclass(frozen=True)
class Layout:
    """Where everything is in one file, and in which unit.

    Attributes
    ----------
    style : str
    names : dict
        For each option that names a dataset or group, its name.
    unit : str
        Unit of the spike times.
    fs_Hz : float or None
        Sampling frequency in Hz.
    raw_unit : str
        Unit of the times of the raw traces. Their names are among `names` where they are known.
    header : Header
        What the file states; empty when writing.
    start_time_ms, length_ms : float or None
        When reading.
    """

    style: str
    names: Mapping[str, str]
    unit: str
    fs_Hz: float | None
    raw_unit: str
    header: Header
    start_time_ms: float | None = None
    length_ms: float | None = None


def for_writing(sd: SpikeData, options: CommonOptions, style: str) -> Layout:
    """How to write a session.

    Raises
    ------
    OptionError
        If an option is not usable, or two name the same place.
    """
    if options.length_ms is not None or options.start_time_ms is not None:
        raise OptionError("length_ms and start_time_ms are options for reading only")
    if (options.raw_dataset is None) != (options.raw_time_dataset is None):
        raise OptionError(
            "raw_dataset and raw_time_dataset must be given together",
            found=f"raw_dataset={options.raw_dataset!r}, "
            f"raw_time_dataset={options.raw_time_dataset!r}",
            hint="give both to write the raw traces, or none",
        )
    rate = sd.metadata.get("fs_Hz") if options.fs_Hz is None else options.fs_Hz
    layout = _resolve(options, Header(), style, rate)
    _check_distinct(layout.names)
    return layout


def for_reading(file: h5py.File, options: CommonOptions, style: str) -> Layout:
    """How to read a file.

    Raises
    ------
    OptionError
        If an option contradicts what the file states.
    FormatError
        If the file's description of itself is damaged.
    """
    stated = header.read(file)
    looked_for = options.raw_dataset is not None and "raw_dataset" not in stated.options
    if looked_for and stated.style and not stated.has_raw:
        raise OptionError(
            "raw traces are asked for, and the file states that it has none",
            found=f"raw_dataset={options.raw_dataset!r}",
            hint="leave raw_dataset and raw_time_dataset out",
        )
    if stated.style not in (None, style):
        raise OptionError(
            "the file is of another style", found=f"hdf5_{stated.style}", allowed=f"hdf5_{style}"
        )
    rate = agree("fs_Hz", options.fs_Hz, stated.fs_Hz)
    return _resolve(options, stated, style, rate)


def complete(
    layout: Layout, start_time_ms: float | None, length_ms: float
) -> tuple[Layout, float, float]:
    """The layout with start and length (ms) where it lacks them, and start and end alone."""
    start = (start_time_ms or 0.0) if layout.start_time_ms is None else layout.start_time_ms
    length = length_ms if layout.length_ms is None else layout.length_ms
    return replace(layout, start_time_ms=start, length_ms=length), start, start + length


def agree(name: str, given: Any, stated: Any, usual: Any = None) -> Any:
    """What was given, else what the file states, else what is usual.

    Raises
    ------
    OptionError
        If both are there and differ.
    """
    if given is None:
        return usual if stated is None else stated
    if stated is not None and not _same(given, stated):
        raise OptionError(
            f"{name} contradicts the file",
            found=f"{name}={given!r}, while the file states {stated!r}",
            hint=f"leave {name} out",
        )
    return given if stated is None else stated


def _same(given: Any, stated: Any) -> bool:
    if isinstance(given, (int, float)) and isinstance(stated, float):
        return math.isclose(given, stated, rel_tol=1e-12, abs_tol=1e-9)
    return given == stated


def _resolve(options: CommonOptions, stated: Header, style: str, rate: float | None) -> Layout:
    plan = STYLES[style]

    def resolve(name: str, usual: str | None = None) -> Any:
        return agree(name, getattr(options, name), stated.options.get(name), usual)

    names = {}
    for name, usual in {**plan.names, "raw_dataset": None, "raw_time_dataset": None}.items():
        given = getattr(options, name)
        clean = None if given is None else clean_name(given, name)
        value = agree(name, clean, stated.options.get(name), usual)
        if value is not None:
            names[name] = value
    unit = resolve(plan.unit_option, plan.usual_unit) if plan.unit_option else plan.usual_unit
    raw_unit = resolve("raw_time_unit", "ms")
    fs_Hz = None if rate is None else require_fs(rate, why="the session")
    check_time_unit(unit, fs_Hz, name=plan.unit_option or "time unit")
    if "raw_time_dataset" in names:
        check_time_unit(raw_unit, fs_Hz, name="raw_time_unit")
    start = agree("start_time_ms", options.start_time_ms, stated.start_time_ms)
    length = agree("length_ms", options.length_ms, stated.length_ms)
    return Layout(style, names, unit, fs_Hz, raw_unit, stated, start, length)


def clean_name(name: str, option: str) -> str:
    """A name in HDF5 without surrounding slashes.

    Raises
    ------
    OptionError
        If HDF5 has no such names.
    """
    parts = name.split("/") if isinstance(name, str) else [""]
    parts = [part for part in parts if part]
    text = "/".join(parts)
    if not parts or "." in parts or "\0" in text or not text.isprintable():
        raise OptionError(
            f"{option} is no name for a dataset",
            found=repr(name),
            allowed="names separated by '/', without '.' alone and without control characters",
        )
    return text


def _check_distinct(names: Mapping[str, str]) -> None:
    """Refuse names that are equal, or of which one lies inside the other."""
    places = sorted((name.split("/"), option) for option, name in _with_reserved(names))
    for (first, one), (second, other) in pairwise(places):
        if second[: len(first)] == first:
            raise OptionError(
                f"{one} and {other} name the same place",
                found=f"{'/'.join(first)!r} and {'/'.join(second)!r}",
                allowed="a place of its own for each",
            )


def _with_reserved(names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    yield from names.items()
    yield "the table of attributes", header.ATTRIBUTES_GROUP
    yield "the table of metadata", header.METADATA_GROUP
