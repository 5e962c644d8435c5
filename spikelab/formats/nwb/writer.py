"""Write a session as an NWB file: whole columns, deterministic bytes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from spikelab import metadata as metadata_names
from spikelab.errors import FormatError, LossWarning
from spikelab.formats import h5
from spikelab.formats.nwb import raw, session
from spikelab.formats.nwb.identity import Content, rewrite_object_ids
from spikelab.formats.nwb.links import add_names
from spikelab.formats.nwb.options import SPIKE_TIMES, UNITS, Options
from spikelab.formats.nwb.plan import Plan, content_of, make_plan
from spikelab.formats.nwb.tables import add_electrodes, units_table
from spikelab.formats.nwb.unit_columns import MARK
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import require_fs

if TYPE_CHECKING:
    from pynwb import NWBFile

LAYOUT = f"{MARK}nwb"
LAYOUT_VERSION = 1
UNIT_IDS = f"{MARK}unit_ids"
SHIFT_MS = f"{MARK}shift_ms"
FS_HZ = "fs_Hz"


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write `sd` to `path`, a scratch file; see the package for what is kept.

    Raises
    ------
    InvalidSpikeData
        If the session start time or the date of birth is no time or has no zone.
    OptionError
        If an option or a custom name is not usable.

    Warns
    -----
    LossWarning
        If something cannot be kept, or a custom name loses a reader.
    AssumptionWarning
        If no session start time is known, or units disagree on the place of an electrode.
    """
    given = metadata_names.parsed({k: v for k, v in sd.metadata.items() if isinstance(k, str)})
    fs_Hz = options.fs_Hz if options.fs_Hz is not None else given.get("fs_Hz")
    fs_Hz = None if fs_Hz is None else require_fs(fs_Hz, why="NWB")
    lost = [f"metadata {name!r}" for name in sd.metadata if not isinstance(name, str)]
    plan = make_plan(sd, given, options, lost)
    other, lost_metadata = session.other_metadata(given)
    lost += [f"metadata {name}" for name in lost_metadata]
    content = content_of(sd, plan, given, other, fs_Hz, options)
    if "keywords" in given:
        warnings.warn("neo cannot read an NWB file with keywords", LossWarning, stacklevel=2)
    if lost:
        warnings.warn(f"NWB cannot hold: {', '.join(lost)}", LossWarning, stacklevel=2)
    with _quiet():
        file, placeholders = _build(sd, plan, given, fs_Hz, options, content)
    root = {
        "start_time": sd.start_time - plan.shift_ms,
        "length_ms": sd.length,
        LAYOUT: LAYOUT_VERSION,
        session.PLACEHOLDERS: np.array(placeholders, dtype=h5py.string_dtype()),
    }
    root |= {} if fs_Hz is None else {FS_HZ: fs_Hz}
    root |= {} if other is None else {session.OTHER_METADATA: other}
    root |= {SHIFT_MS: plan.shift_ms} if plan.shift_ms else {}
    with _saved(file, path) as target:
        _finish(target, root, plan, content, options)
    _check(path, plan)


def _build(
    sd: SpikeData,
    plan: Plan,
    given: Mapping[str, Any],
    fs_Hz: float | None,
    options: Options,
    content: Content,
) -> tuple[NWBFile, list[str]]:
    file, placeholders = session.new_file(given, content.uuid(), plan.shift_ms)
    has_device = any(name.startswith("device") for name in given)
    if plan.electrodes.keys or plan.groups or has_device:
        device, unnamed = session.device(file, given)
        placeholders += unnamed
        add_electrodes(file, device, plan, given)
    file.units = units_table(file, plan, fs_Hz, options)
    if options.raw and sd.raw_data.size:
        raw.add_series(file, sd, plan, given, fs_Hz, options)
    return file, placeholders


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pynwb's own advice to programmers away from users."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pynwb|hdmf)\b")
        warnings.filterwarnings("ignore", message="An attribute '.*' already exists")
        yield


@contextmanager
def _saved(file: NWBFile, path: Path) -> Iterator[h5py.File]:
    """Write with pynwb, and leave the HDF5 file open for what pynwb does not write."""
    from pynwb import NWBHDF5IO

    with h5.writing(path, libver=None) as target, NWBHDF5IO(file=target, mode="w") as io:
        with _quiet():
            io.write(file)
        yield target


def _finish(
    file: h5py.File, root: Mapping[str, Any], plan: Plan, content: Content, options: Options
) -> None:
    """Add marks, custom names and identity."""
    for name, value in root.items():
        file.attrs[name] = value
    units = file[UNITS]
    units.attrs[UNIT_IDS] = plan.ids_from
    if plan.electrode_key is not None:
        units["electrodes"].attrs[f"{MARK}name"] = plan.electrode_key
    for column in plan.columns:
        for name, value in column.marks.items():
            units[column.name].attrs[MARK + name] = value
    rewrite_object_ids(file, content)
    add_names(file, options)


def _check(path: Path, plan: Plan) -> None:
    """Open the file as a reader will: a broken one must not be published."""
    from pynwb import NWBHDF5IO

    with _quiet(), NWBHDF5IO(str(path), "r") as io:
        units = io.read().units
        found = len(units), len(units[SPIKE_TIMES].target.data)
    if found != (len(plan.ids), len(plan.times_s)):
        raise FormatError(
            "the file that was written does not hold the session",
            found=f"{found[0]} units, {found[1]} spikes",
            allowed=f"{len(plan.ids)} units, {len(plan.times_s)} spikes",
        )
