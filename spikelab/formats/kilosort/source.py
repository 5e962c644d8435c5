"""A folder as a source of spikes: what it states, its spike times, and its clusters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError, MissingFile, OptionError
from spikelab.formats.kilosort import arrays, params, tables
from spikelab.formats.kilosort.manifest import Manifest
from spikelab.formats.kilosort.options import (
    GROUP_TABLE,
    INFO_TABLE,
    SPIKE_CLUSTERS,
    SPIKE_TEMPLATES,
    SPIKE_TIMES,
    Options,
)
from spikelab.formats.kilosort.params import Params
from spikelab.units import require_fs, to_ms

_MAX_COUNTED_ID = 1 << 22


@dataclass(frozen=True)
class Folder:
    """A folder and what it says about itself."""

    path: Path
    options: Options
    params: Params
    manifest: Manifest | None
    table: tables.Table

    def number(self, name: str, given: float | None, unit: str) -> float | None:
        """A number that ``params.py`` may state and the caller may give, but not another one."""
        if given is not None and not self.params.is_literal(name):
            return float(given)
        stated = self.params.number(name)
        if given is not None and stated != float(given):
            raise OptionError(
                f"{params.PARAMS} states another {name}",
                found=f"{stated} {unit} in the folder, {given} {unit} given",
                hint="leave the argument out, or correct it",
            )
        return stated

    @property
    def fs_Hz(self) -> float | None:
        """Sampling frequency in Hz, or None."""
        value = self.number("sample_rate", self.options.fs_Hz, "Hz")
        return None if value is None else require_fs(value, why="the folder")


def spike_times_ms(folder: Folder) -> NDArray[np.float64]:
    """Time of each spike in ms, counted from time zero."""
    options = folder.options
    own = folder.params.file_name("spike_times_file") or SPIKE_TIMES
    name = options.spike_times_file or own
    stated = folder.params.get("time_unit", str, "a text")
    if stated is not None and name != own:
        stated = "samples"
    if None not in (stated, options.time_unit) and options.time_unit != stated:
        raise OptionError(
            "the folder states another time unit",
            found=f"{stated} in the folder, {options.time_unit} given",
            hint="leave the time unit out",
        )
    unit = options.time_unit or stated or "samples"
    values = arrays.vector(load(folder, name), name)
    if values.dtype.kind == "b":
        raise FormatError(f"{name} holds no times", found="dtype bool")
    if unit == "samples":
        offset = folder.params.number("sample_offset") or 0.0
        return to_ms(values + offset if offset else values, unit, folder.fs_Hz)
    return to_ms(values, unit, folder.fs_Hz)


def load(folder: Folder, name: str) -> NDArray[Any]:
    """An array that the folder must have."""
    path = folder.path / name
    if not path.is_file():
        raise MissingFile(
            f"the folder has no {name}",
            allowed=f"a folder with {SPIKE_TIMES} and {SPIKE_CLUSTERS}",
            hint="give the folder that holds the output of the sorter, or the names of its files",
        )
    return arrays.load(path)


def clusters(folder: Folder, n_spikes: int) -> tuple[list[int], NDArray[np.integer]]:
    """The ids of all units, silent ones too, and for each spike the position of its unit."""
    name = folder.options.spike_clusters_file or SPIKE_CLUSTERS
    if folder.options.spike_clusters_file is None and not (folder.path / name).is_file():
        # Before anybody curates a sorting, its clusters are its templates.
        name = SPIKE_TEMPLATES if (folder.path / SPIKE_TEMPLATES).is_file() else name
    of_spike = arrays.whole_numbers(load(folder, name), name)
    if of_spike.size != n_spikes:
        raise FormatError(
            f"{name} and the spike times are not equally long",
            found=f"{of_spike.size} clusters for {n_spikes} spike times",
        )
    present, position = _distinct(of_spike)
    ids = _in_order(folder, set(present.tolist()))
    place = {unit: number for number, unit in enumerate(ids)}
    lookup = np.array([place[unit] for unit in present.tolist()], dtype=np.int32)
    return ids, lookup[position] if position.size else np.empty(0, dtype=np.int32)


def _distinct(
    clusters: NDArray[np.integer],
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The distinct ids, ascending, and for each spike the position of its id among them."""
    if not clusters.size:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    if clusters.min() < 0 or clusters.max() > _MAX_COUNTED_ID:
        ids, position = np.unique(clusters, return_inverse=True)
        return ids, position
    counts = np.bincount(clusters)
    ids = np.flatnonzero(counts)
    lookup = np.zeros(len(counts), dtype=np.int32)
    lookup[ids] = np.arange(len(ids))
    return ids, lookup[clusters]


def _in_order(folder: Folder, with_spikes: set[int]) -> list[int]:
    """All units: those with spikes, and silent ones that the folder knows of.

    In a sorter's or curated folder only the table that was written last lists the clusters that
    exist: others may still list clusters that were merged away.
    """
    if folder.manifest is not None:
        known = folder.manifest.cluster_ids
        silent = set(folder.manifest.silent)
        kept = [unit for unit in known if unit in with_spikes or unit in silent]
        return kept + sorted(with_spikes - set(known))
    names = [folder.options.cluster_info_tsv, INFO_TABLE, GROUP_TABLE]
    path = next((folder.path / n for n in names if n and (folder.path / n).is_file()), None)
    table = folder.table if path is None else tables.read(path)
    listed = {unit for texts in table.values() for unit in texts}
    return sorted(with_spikes | listed)
