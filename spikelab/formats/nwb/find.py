"""Where the units of a file are: in their place, under another name, or without NWB's types."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

from spikelab.errors import FormatError
from spikelab.formats import h5
from spikelab.formats.nwb.options import SPIKE_TIMES, SPIKE_TIMES_INDEX, UNITS, Options
from spikelab.formats.nwb.session import text


@dataclass(frozen=True)
class Found:
    """The units of a file.

    Attributes
    ----------
    path : str
        The table.
    times, index : str or None
        Names of the spike times and of their index in it.
    """

    path: str
    times: str | None
    index: str | None

    @property
    def not_attributes(self) -> frozenset[str]:
        """Datasets of the table that are no attributes of units."""
        return frozenset(name for name in (self.times, self.index, "id", "obs_intervals") if name)


def find_units(file: h5py.File, options: Options, is_ours: bool) -> Found:
    """Find the units table.

    Raises
    ------
    FormatError
        If there is none; the message says what there is.
    """
    if is_ours:
        # Custom names in a file of ours are second names for these.
        return Found(f"/{UNITS}", SPIKE_TIMES, SPIKE_TIMES_INDEX)
    asked = _named(file, options.group) or _processed(file, options.group)
    group = asked or _named(file, UNITS) or _elsewhere(file)
    if group is None:
        raise FormatError(
            "the file has no units table",
            found=_other_tables(file) or h5.contents(file),
            allowed="a group 'units' with spike_times and spike_times_index",
            hint="give a file with sorted units, or the name of their group; raw traces are read "
            "as format hdf5_raw",
        )
    times = options.spike_times_dataset or SPIKE_TIMES
    index = options.spike_times_index_dataset or SPIKE_TIMES_INDEX
    if h5.find(group, times) is None or h5.find(group, index) is None:
        return Found(group.name, *(_pair(group) or (None, None)))
    return Found(group.name, times, index)


def _named(file: h5py.File, name: str | None) -> h5py.Group | None:
    if name is None:
        return None
    group = h5.find(file, name)
    if isinstance(group, h5py.Dataset):
        raise FormatError(f"{name!r} is a dataset, not a table of units", found=h5.contents(file))
    return group


def _elsewhere(file: h5py.File) -> h5py.Group | None:
    """The one table of units anywhere, or the one group at the root that looks like one."""
    groups = [item for name in file if isinstance(item := h5.find(file, name), h5py.Group)]
    typed = [file[path] for path in _tables(file)]
    alike = [group for group in groups if _standard_pair(group) or _pair(group)]
    candidates = typed or alike
    return candidates[0] if len(candidates) == 1 else None


def _standard_pair(group: h5py.Group) -> bool:
    return SPIKE_TIMES in group and SPIKE_TIMES_INDEX in group


def _pair(group: h5py.Group) -> tuple[str, str] | None:
    """The one pair of datasets that can be spike times and their index, whatever their names."""
    if "id" not in group:
        return None
    n_units = h5.dataset(group, "id").size
    vectors = {
        name: item
        for name in group
        if isinstance(item := h5.find(group, name), h5py.Dataset) and item.ndim == 1
    }
    known = ("id", "electrodes", "electrodes_index", "obs_intervals_index")
    pairs = [
        (times, index)
        for index, ends in vectors.items()
        if index not in known and ends.dtype.kind in "iu" and _is_index(ends, n_units)
        for times, values in vectors.items()
        if values.dtype.kind == "f" and values.size == int(ends[-1])
    ]
    named = [pair for pair in pairs if pair[1] == f"{pair[0]}_index"] or pairs
    return named[0] if len(named) == 1 else None


def _is_index(ends: h5py.Dataset, n_units: int) -> bool:
    if ends.size == 0 or ends.size not in (n_units, n_units + 1):
        return False
    values = ends[()].astype(np.int64)
    return bool(values[0] >= 0 and (np.diff(values) >= 0).all())


def _processed(file: h5py.File, name: str | None) -> h5py.Group | None:
    """The one table of units of that name in a group, such as ``processing/ecephys``."""
    if name is None:
        return None
    paths = [path for path in _tables(file) if path.rpartition("/")[2] == name]
    return file[paths[0]] if len(paths) == 1 else None


def _tables(file: h5py.File) -> list[str]:
    """Paths of everything that is typed as a table of units."""
    paths: list[str] = []

    def collect(path: str, item: h5py.HLObject) -> None:
        if text(item.attrs.get("neurodata_type", "")) == "Units":
            paths.append(path)

    file.visititems(collect)
    return paths


def _other_tables(file: h5py.File) -> str:
    """Several tables of units, none of them in the place of NWB, for the error message."""
    tables = _tables(file)
    return f"tables of units at {', '.join(tables)}" if tables else ""
