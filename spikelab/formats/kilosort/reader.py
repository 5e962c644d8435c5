"""Read a Kilosort or Phy folder, whoever wrote or curated it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab import trains
from spikelab.errors import FormatError, SpikelabWarning
from spikelab.formats.kilosort import arrays, params, tables
from spikelab.formats.kilosort import manifest as manifests
from spikelab.formats.kilosort.attributes import Restorer, per_spike_name
from spikelab.formats.kilosort.manifest import Manifest
from spikelab.formats.kilosort.options import (
    AMPLITUDES,
    UNSORTED,
    Options,
    label_of,
)
from spikelab.formats.kilosort.places import Places
from spikelab.formats.kilosort.source import Folder, clusters, load, spike_times_ms
from spikelab.spikedata.attributes import ELECTRODE_KEYS, LOCATION_KEYS, UNIT_ID
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import round_off_ms

# Columns of Phy that an export of ours derives from the spikes.
_DERIVED = frozenset(("ch", "depth", "fr", "n_spikes", "amp", "sh", "group"))


def read(path: Path, options: Options) -> SpikeData:
    """Read a folder.

    What the folder states (``params.py``, ``spikelab_export.json``) is used; `options` are for
    what it does not state.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    options : Options
        As in :class:`Options`.

    Returns
    -------
    SpikeData
        Units in ascending order of their cluster ids, in an export of ours in the order of the
        session, with ``unit_id``, ``electrode``, ``location``, ``group`` and the columns of the
        tables as attributes, as far as they are known.

    Raises
    ------
    MissingFile
        If there are no spike times or clusters.
    FormatError
        If a file is damaged, or two files do not fit.
    OptionError
        If an option contradicts the folder, or the sampling frequency is known to nobody.
    InvalidSpikeData
        If spikes lie outside the session.
    """
    folder = Folder(
        path,
        options,
        params.read(path),
        manifests.read(path),
        tables.read_folder(path, options.cluster_info_tsv),
    )
    times_ms = spike_times_ms(folder)
    ids, unit_of_spike = clusters(folder, times_ms.size)
    attributes = _attributes(folder, ids, unit_of_spike)
    train = trains.by_unit(unit_of_spike, times_ms, len(ids))
    _add_amplitudes(folder, attributes, unit_of_spike)
    if not options.include_noise:
        train, attributes = _without_noise(train, attributes)
    return _session(folder, train, attributes)


def _attributes(
    folder: Folder, ids: Sequence[int], unit_of_spike: NDArray[np.integer]
) -> list[dict[str, Any]]:
    """The attributes of each unit."""
    places = Places(folder.path, folder.options)
    if folder.manifest is None:
        channels = places.channels(ids, unit_of_spike, folder.table.get("ch", {}))
        columns = {name: tables.typed(t) for name, t in folder.table.items() if name != "ch"}
        return [_of_cluster(unit, channels.get(unit), places, columns) for unit in ids]
    return _of_export(folder, folder.manifest, ids, unit_of_spike, places)


def _of_cluster(
    unit: int,
    channel: int | None,
    places: Places,
    columns: Mapping[str, Mapping[int, Any]],
    electrode: str = ELECTRODE_KEYS[0],
) -> dict[str, Any]:
    """Attributes of a cluster of a sorter, or of one that curation made."""
    known: dict[str, Any] = {UNIT_ID: unit}
    if channel is not None:
        known[electrode] = channel
    position = places.position(channel)
    if position is not None:
        known[LOCATION_KEYS[0]] = position
    return known | {name: values[unit] for name, values in columns.items() if unit in values}


def _of_export(
    folder: Folder,
    manifest: Manifest,
    ids: Sequence[int],
    unit_of_spike: NDArray[np.integer],
    places: Places,
) -> list[dict[str, Any]]:
    """Attributes of the units of an export of ours, as they were, with what curation changed."""
    entries = manifest.attributes
    restorer = Restorer(folder.path, entries, manifest.cluster_ids, folder.table)
    names = {entry["name"] for entry in entries}
    ours = {entry.get("column") for entry in entries} | _DERIVED
    added = {name: tables.typed(t) for name, t in folder.table.items() if name not in ours}
    electrode = next((key for key in ELECTRODE_KEYS if key in names), ELECTRODE_KEYS[0])
    before = dict(zip(manifest.cluster_ids, manifest.labels))
    new = {unit for unit in ids if unit not in before}
    channels: dict[int, int] = {}
    if new and len(manifest.invented_channels) < len(manifest.cluster_ids):
        channels = places.channels(ids, unit_of_spike, folder.table.get("ch", {}))
    units = []
    for unit in ids:
        known = {name: values[unit] for name, values in added.items() if unit in values}
        if unit in new:
            known = _of_cluster(unit, channels.get(unit), places, added, electrode)
            if electrode in known and known[electrode] < len(manifest.electrodes):
                known[electrode] = manifest.electrodes[known[electrode]]
        restored = restorer.unit(unit)
        known = ({} if UNIT_ID in restored else {UNIT_ID: unit}) | known | restored
        label = folder.table.get("group", {}).get(unit, UNSORTED)
        if label != before.get(unit, UNSORTED):
            known["group"] = label
        units.append(known)
    return _with_text_ids(units, names)


def _with_text_ids(units: list[dict[str, Any]], names: set[str]) -> list[dict[str, Any]]:
    """Let clusters that curation made have a text as id where the session's units have one."""
    if UNIT_ID in names and any(isinstance(unit[UNIT_ID], str) for unit in units):
        return [unit | {UNIT_ID: str(unit[UNIT_ID])} for unit in units]
    return units


def _add_amplitudes(
    folder: Folder, units: list[dict[str, Any]], unit_of_spike: NDArray[np.integer]
) -> None:
    """Give the amplitude of each spike back, where the session had them."""
    name = None if folder.manifest is None else per_spike_name(folder.manifest.attributes)
    if name is None:
        return
    values = arrays.vector(load(folder, AMPLITUDES), AMPLITUDES)
    if values.size != unit_of_spike.size:
        raise FormatError(
            f"{AMPLITUDES} has not one entry per spike",
            found=f"{values.size} entries for {unit_of_spike.size} spikes",
        )
    for unit, own in zip(units, trains.by_unit(unit_of_spike, values, len(units))):
        unit[name] = own


def _without_noise(
    train: list[NDArray[Any]], units: list[dict[str, Any]]
) -> tuple[list[NDArray[Any]], list[dict[str, Any]]]:
    kept = [number for number, unit in enumerate(units) if label_of(unit) != "noise"]
    if len(kept) < len(units):
        warnings.warn(
            f"{len(units) - len(kept)} of {len(units)} units are labelled noise and left out "
            "(include_noise=False).",
            SpikelabWarning,
            stacklevel=5,
        )
    return [train[number] for number in kept], [units[number] for number in kept]


def _session(folder: Folder, train: list[NDArray[Any]], units: list[dict[str, Any]]) -> SpikeData:
    options = folder.options
    start = folder.number("start_time_ms", options.start_time_ms, "ms") or 0.0
    length = folder.number("length_ms", options.length_ms, "ms")
    fs_Hz = folder.fs_Hz
    if length is not None and fs_Hz is not None:
        tolerance = round_off_ms("samples", start + length, fs_Hz)
        train = trains.settle(trains.ordered(train), start, start + length, tolerance)
    metadata = {} if fs_Hz is None else {"fs_Hz": fs_Hz}
    return SpikeData(
        train, start_time=start, length=length, neuron_attributes=units, metadata=metadata
    )
