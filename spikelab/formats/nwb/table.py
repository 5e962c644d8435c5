"""The columns of an NWB table, read with pynwb or with h5py alone: the same either way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError
from spikelab.formats import h5
from spikelab.formats.nwb.options import SPIKE_TIMES
from spikelab.formats.nwb.session import text
from spikelab.formats.nwb.unit_columns import MARK


@dataclass(frozen=True)
class TableColumn:
    """One column, not read yet.

    Attributes
    ----------
    name : str
    source : h5py.Dataset
        Its values.
    index : tuple of h5py.Dataset
        Where values have several per row: the positions after each row's last one. Two for
        values that are nested once more.
    """

    name: str
    source: h5py.Dataset
    index: tuple[h5py.Dataset, ...] = ()

    @property
    def kind(self) -> str:
        """``'region'`` (rows of another table), ``'group'`` (references), ``'other'`` or ''."""
        if text(self.source.attrs.get("neurodata_type", "")) == "DynamicTableRegion":
            return "region"
        if h5py.check_ref_dtype(self.source.dtype) is h5py.Reference:
            return "group"
        is_text = h5py.check_string_dtype(self.source.dtype) is not None
        return "" if is_text or self.source.dtype.kind in "biuf" else "other"

    def values(self) -> NDArray[np.generic]:
        """The values as an array: numbers, truth values, or str (names of referenced groups)."""
        if self.kind == "group":
            names = [_name_of(self.source.file, one) for one in self.source[()].ravel()]
            return np.array(names, dtype=object)
        if h5py.check_string_dtype(self.source.dtype) is not None:
            return self.source.asstr(errors="replace")[()]
        return self.source[()]

    def ends(self) -> NDArray[np.int64] | None:
        """For each row, the position after its last value; None for one value per row."""
        return None if not self.index else _integers(self.index[0])

    def marks(self) -> dict[str, Any]:
        """What our writer noted beside the values."""
        return {
            name.removeprefix(MARK): text(value) if isinstance(value, (str, bytes)) else value
            for name, value in self.source.attrs.items()
            if name.startswith(MARK)
        }


def _name_of(file: h5py.File, reference: h5py.Reference) -> str:
    return text(file[reference].name).rsplit("/", 1)[-1] if reference else ""


def _integers(index: h5py.Dataset) -> NDArray[np.int64]:
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise FormatError(
            f"{index.name} is no index",
            found=f"shape {index.shape}, dtype {index.dtype}",
            allowed="whole numbers in one dimension",
        )
    return index[()].astype(np.int64)


@dataclass(frozen=True)
class Table:
    """The columns of a table by name, in the order of the table.

    Attributes
    ----------
    group : h5py.Group
        Where the table lies.
    columns : dict of str to TableColumn
    ids : numpy.ndarray of int64 or object (str), shape (n_rows,), or None
    missing : list of str
        Columns that the table names and does not have.
    """

    group: h5py.Group
    columns: dict[str, TableColumn]
    ids: NDArray[np.generic] | None
    missing: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[TableColumn]:
        return iter(self.columns.values())


def from_h5py(group: h5py.Group) -> Table:
    """The table in a group, whether its columns are listed or not."""
    stored = [name for name in group if isinstance(h5.find(group, name), h5py.Dataset)]
    listed = [text(name) for name in np.atleast_1d(group.attrs.get("colnames", []))]
    indices = {name for name in stored if name.endswith("_index")}
    if listed and SPIKE_TIMES in stored and SPIKE_TIMES not in listed:
        listed.append(SPIKE_TIMES)
    names = listed or [name for name in stored if name != "id" and name not in indices]
    columns = {}
    for name in names:
        if name in stored:
            index: list[h5py.Dataset] = []
            while (longer := f"{name}{'_index' * (len(index) + 1)}") in indices:
                index.append(h5.dataset(group, longer))
            columns[name] = TableColumn(name, h5.dataset(group, name), tuple(index))
    missing = [name for name in names if name not in columns]
    return Table(group, columns, _ids(group), missing)


def from_pynwb(table: Any, file: h5py.File, path: str) -> Table:
    """The table that pynwb has opened.

    Parameters
    ----------
    table : hdmf.common.DynamicTable
        A table of a file that is still open.
    file : h5py.File
        The same file.
    path : str
        Where the table lies in it.
    """
    index: dict[str, list[h5py.Dataset]] = {}
    columns = {}
    for column in table.columns:
        target = getattr(column, "target", None)
        if target is None:
            columns[column.name] = column
        else:
            while getattr(target, "target", None) is not None:
                target = target.target
            index.setdefault(target.name, []).append(column)
    found = {
        name: TableColumn(
            name,
            _dataset(columns[name].data, file, f"{path}/{name}"),
            tuple(
                _dataset(one.data, file, f"{path}/{one.name}")
                for one in sorted(index.get(name, []), key=lambda one: len(one.name))
            ),
        )
        for name in columns
    }
    return Table(file[path], found, _ids(file[path]))


def _dataset(data: Any, file: h5py.File, path: str) -> h5py.Dataset:
    """The dataset behind what pynwb hands out: its own file's, where it is one."""
    data = getattr(data, "dataset", data)
    return h5.dataset(file, data.name if isinstance(data, h5py.Dataset) else path)


def _ids(group: h5py.Group) -> NDArray[np.generic] | None:
    if h5.find(group, "id") is None:
        return None
    ids = h5.dataset(group, "id")
    if h5py.check_string_dtype(ids.dtype) is not None:
        return ids.asstr(errors="replace")[()]
    return _integers(ids)
