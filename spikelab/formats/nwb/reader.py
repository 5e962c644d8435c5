"""Read the units of an NWB file: ours, other people's, and files that only look like NWB."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab import trains
from spikelab.errors import AssumptionWarning, FormatError, LossWarning, OptionError, SpikelabError
from spikelab.formats import h5
from spikelab.formats.nwb import raw, session, window
from spikelab.formats.nwb.find import Found, find_units
from spikelab.formats.nwb.options import Options
from spikelab.formats.nwb.table import Table, from_h5py, from_pynwb
from spikelab.formats.nwb.unit_attributes import read_attributes
from spikelab.formats.nwb.writer import FS_HZ, LAYOUT, SHIFT_MS
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import MS_PER_S, to_ms

ELECTRODES = "general/extracellular_ephys/electrodes"
# What pynwb raises for files that it cannot make objects of; it has no common class for them.
_PYNWB_FAILURES = (TypeError, ValueError, KeyError, AttributeError, RuntimeError, OSError)
# Relative difference up to which two sampling frequencies are the same.
_FS_RTOL = 1e-6
# How far (samples) a spike may be from a sample of the traces it was found in.
_SAMPLE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Source:
    """An opened file: where the units are, and its tables."""

    file: h5py.File
    found: Found
    units: Table
    electrodes: Table | None
    is_ours: bool
    shift_ms: float


def read(path: Path, options: Options) -> SpikeData:
    """Read a session from the units table of an NWB file.

    Start and length are what the file states (``start_time`` and ``length_ms``, attributes of
    the root), else what its observation intervals span, else `options`, else zero (or an earlier
    first spike) and the last spike.

    Raises
    ------
    FormatError
        If there is no units table, or it is damaged.
    OptionError
        If an option contradicts the file.

    Warns
    -----
    AssumptionWarning
        If pynwb cannot open a file that says it is NWB, or spikes lie outside the observation
        intervals.
    LossWarning
        If columns cannot be read as attributes.
    """
    with h5.reading(path) as file, _opened(file, path, options) as source:
        return _session(source, options)


@contextmanager
def _opened(file: h5py.File, path: Path, options: Options) -> Iterator[Source]:
    is_ours = LAYOUT in file.attrs
    found = find_units(file, options, is_ours)
    shift_ms = float(file.attrs.get(SHIFT_MS, 0.0))
    # pynwb knows only tables in their place, and refuses files without a version of NWB.
    can_pynwb = found.path == "/units" and "nwb_version" in file.attrs
    if options.prefer_pynwb is not False and can_pynwb:
        with _pynwb_tables(file, path) as tables:
            if tables is not None:
                yield Source(file, found, *tables, is_ours, shift_ms)
                return
    electrodes = h5.find(file, ELECTRODES)
    table = from_h5py(electrodes) if isinstance(electrodes, h5py.Group) else None
    yield Source(file, found, from_h5py(file[found.path]), table, is_ours, shift_ms)


@contextmanager
def _pynwb_tables(file: h5py.File, path: Path) -> Iterator[tuple[Table, Table | None] | None]:
    """The tables as pynwb opens them, or None where it cannot."""
    from hdmf.build import ConstructError
    from pynwb import NWBHDF5IO

    tables = None
    with warnings.catch_warnings():
        # Advice about schema versions, of no use to somebody who reads a file.
        warnings.simplefilter("ignore")
        try:
            with NWBHDF5IO(str(path), "r") as io:
                opened = io.read()
                units = from_pynwb(opened.units, file, "/units")
                electrodes = opened.electrodes
                table = None if electrodes is None else from_pynwb(electrodes, file, ELECTRODES)
                tables = units, table
        except SpikelabError:
            raise
        except (*_PYNWB_FAILURES, ConstructError) as error:
            failure = f"{type(error).__name__}: {error}".splitlines()[0]
    if tables is None:
        warnings.warn(
            f"pynwb cannot open {path.name} ({failure}): read with h5py alone",
            AssumptionWarning,
            stacklevel=2,
        )
    yield tables


def _session(source: Source, options: Options) -> SpikeData:
    flat_ms, ends = _spikes(source)
    order = _sorting(flat_ms, ends)
    if order is not None:
        flat_ms = flat_ms[order]
    times = window.of(source.file, source.units, flat_ms, ends, options, source.shift_ms)
    train = trains.split(flat_ms, ends)
    if times.settle_ms:
        train = trains.settle(train, times.start_ms, times.end_ms, times.settle_ms)
    attributes, unread = read_attributes(
        source.units, source.electrodes, ends, source.is_ours, source.found.not_attributes, order
    )
    unread += source.units.missing
    if unread:
        warnings.warn(
            f"columns that cannot be attributes of units were not read: {', '.join(unread)}",
            LossWarning,
            stacklevel=2,
        )
    metadata = session.read_metadata(source.file)
    fs_Hz = _sampling_frequency(source, options, flat_ms)
    if fs_Hz is not None:
        metadata["fs_Hz"] = fs_Hz
    traces = raw.read_series(source.file, source.shift_ms) if source.is_ours else {}
    return SpikeData(
        train,
        length=times.length_ms,
        start_time=times.start_ms,
        neuron_attributes=attributes,
        metadata=metadata,
        **traces,
    )


def _spikes(source: Source) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """All spike times in ms, unit after unit, and the position after each unit's last one."""
    ids, found = source.units.ids, source.found
    if found.times is None or found.index is None:
        if ids is not None and ids.size == 0:
            return np.empty(0), np.empty(0, dtype=np.int64)
        raise FormatError(
            "the units table has no spike times",
            found=", ".join(source.units.columns) or "no columns",
            allowed="datasets spike_times and spike_times_index",
            hint="name the datasets in spike_times_dataset and spike_times_index_dataset, or give "
            "the file that holds the spikes",
        )
    flat = h5.numbers(source.file[found.path], found.times, ndim=1)
    ends = h5.numbers(source.file[found.path], found.index, ndim=1, kinds="iu").astype(np.int64)
    if ids is not None and ends.size == ids.size + 1 and ends[0] == 0:
        # Some writers put a zero before the first unit's end.
        ends = ends[1:]
    if ids is not None and ends.size != ids.size:
        raise FormatError(
            "the index of the spike times does not fit the units",
            found=f"{ids.size} ids, {ends.size} ends",
        )
    trains.split(flat, ends)
    times = to_ms(flat, "s")
    return (times + source.shift_ms if source.shift_ms else times), ends


def _sorting(flat: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The order that sorts the spikes of each unit, or None where they are sorted."""
    falls = np.flatnonzero(flat[1:] < flat[:-1]) + 1
    if np.isin(falls, ends).all():
        return None
    unit = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    return np.lexsort((flat, unit))


def _sampling_frequency(
    source: Source, options: Options, flat_ms: NDArray[np.float64]
) -> float | None:
    """What the file states of its units, else the caller, else the rate of the raw traces."""
    stated = _positive(source.file.attrs.get(FS_HZ)) or _rate(source)
    if stated is None and options.fs_Hz is None:
        guess = raw.series_rate_Hz(source.file)
        return guess if guess is not None and _on_grid(flat_ms, guess) else None
    if stated is None or options.fs_Hz is None:
        return options.fs_Hz if stated is None else stated
    if abs(stated - options.fs_Hz) > _FS_RTOL * stated:
        raise OptionError(
            "fs_Hz contradicts the file",
            found=options.fs_Hz,
            allowed=f"{stated} (what the file states), or nothing",
        )
    return options.fs_Hz


def _on_grid(flat_ms: NDArray[np.float64], rate_Hz: float) -> bool:
    """Whether most spikes are whole samples (within 1 %) from the first one.

    From the first one, because the traces may start at any time.
    """
    if not flat_ms.size:
        return True
    samples = (flat_ms - flat_ms[0]) * (rate_Hz / MS_PER_S)
    return bool((np.abs(samples - np.round(samples)) < _SAMPLE_TOLERANCE).mean() > 0.5)


def _rate(source: Source) -> float | None:
    """The sampling frequency from the resolution of the spike times, in s."""
    column = source.units.columns.get(source.found.times or "")
    resolution = None if column is None else _positive(column.source.attrs.get("resolution"))
    if resolution is None:
        return None
    # 1 / (1 / 30000) is not always 30000.
    rate = 1.0 / resolution
    return float(round(rate)) if abs(rate - round(rate)) < 1e-9 * rate else rate


def _positive(value: Any) -> float | None:
    number = np.asarray(np.nan if value is None else value)
    if number.size != 1 or number.dtype.kind not in "iuf":
        return None
    return float(number.item()) if np.isfinite(number).all() and number.item() > 0 else None
