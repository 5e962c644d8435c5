"""HDF5, style group: one dataset of spike times per unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5o, h5p, h5s, h5t
from numpy.typing import NDArray

from spikelab import trains, units
from spikelab.errors import FormatError
from spikelab.formats import h5
from spikelab.formats.hdf5 import layout as layouts
from spikelab.formats.hdf5 import session
from spikelab.formats.hdf5.layout import CommonOptions
from spikelab.spikedata.attributes import UNIT_ID
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import TimeUnit

STYLE = "group"


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Name of the group, and the unit of the spike times (by default ``'s'``)."""

    group_per_unit: str | None = None
    group_time_unit: TimeUnit | None = None


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write one float64 (int64 for samples) dataset per unit, named ``0`` to ``N-1``."""
    layout = layouts.for_writing(sd, options, STYLE)
    flat, ends = trains.flatten(sd.train)
    flat = units.from_ms(flat, layout.unit, layout.fs_Hz)
    with h5.writing(path) as file:
        group = file.create_group(layout.names["group_per_unit"])
        group.attrs["unit"] = layout.unit
        for unit, times in enumerate(trains.split(flat, ends)):
            _create(group, str(unit), times)
        session.describe(file, sd, layout)


def _create(group: h5py.Group, name: str, values: NDArray[np.generic]) -> None:
    # The low-level interface: with thousands of units h5py's own takes more than twice the time.
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    space = h5s.create_simple(values.shape)
    kind = h5t.py_create(values.dtype, logical=True)
    target = h5d.create(group.id, name.encode(), kind, space, plist)
    target.write(h5s.ALL, h5s.ALL, values)


def read(path: Path, options: Options) -> SpikeData:
    """Read the style; units of other people's files come in natural order (10 after 9).

    Where their datasets are not named 0 to N-1, the names become the units' ``unit_id``.
    """
    with h5.reading(path) as file:
        layout = layouts.for_reading(file, options, STYLE)
        name = layout.names["group_per_unit"]
        group = h5.find(file, name)
        if not isinstance(group, h5py.Group):
            raise FormatError(f"there is no group {name!r}", found=h5.contents(file))
        keys = sorted(group, key=_natural)
        train_ms = [units.to_ms(_times(group, key), layout.unit, layout.fs_Hz) for key in keys]
        sd = session.build(file, layout, train_ms)
        if layout.header.style is None and keys != [str(unit) for unit in range(len(keys))]:
            sd.neuron_attributes = [{UNIT_ID: value} for value in _ids(keys)]
        return sd


def _natural(name: str) -> tuple[list[tuple[bool, Any]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not part.isdigit(), int(part) if part.isdigit() else part) for part in parts], name


def _ids(keys: list[str]) -> list[int] | list[str]:
    whole = all(key.isascii() and key.isdigit() and str(int(key)) == key for key in keys)
    return [int(key) for key in keys] if whole else keys


def _times(group: h5py.Group, name: str) -> NDArray[np.generic]:
    # The high-level interface takes most of the time here as well; odd members go through it.
    key = name.encode()
    if group.id.links.get_info(key).type == h5py.h5l.TYPE_HARD:
        found = h5o.open(group.id, key)
        if isinstance(found, h5d.DatasetID) and _plain(found):
            values = np.empty(found.shape, found.dtype)
            if values.size:
                found.read(h5s.ALL, h5s.ALL, values)
            return values
    if isinstance(h5.find(group, name), h5py.Group):
        raise FormatError(
            f"the group of the units holds another group: {name!r}",
            allowed="one dataset of spike times per unit",
        )
    return h5.numbers(group, name, ndim=1)


def _plain(found: h5d.DatasetID) -> bool:
    """Whether a dataset is a list of numbers that is stored whole, and in this file."""
    if found.rank != 1 or found.dtype.kind not in "iuf":
        return False
    whole = found.get_storage_size() == found.dtype.itemsize * found.shape[0]
    return whole and found.get_create_plist().get_external_count() == 0
