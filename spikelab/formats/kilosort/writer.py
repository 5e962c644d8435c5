"""Write a Kilosort/Phy folder."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikelab import trains
from spikelab.errors import LossWarning
from spikelab.formats.kilosort import attributes, params, tables
from spikelab.formats.kilosort.manifest import Manifest
from spikelab.formats.kilosort.options import (
    AMPLITUDES,
    ATTRIBUTE_TABLE,
    CHANNEL_MAP,
    CHANNEL_POSITIONS,
    GROUP_TABLE,
    INFO_TABLE,
    LAYOUT,
    PARAMS,
    SPIKE_CLUSTERS,
    SPIKE_TEMPLATES,
    SPIKE_TIMES,
    TEMPLATES,
    WHITENING,
    WHITENING_INVERSE,
    Options,
)
from spikelab.formats.kilosort.plan import MAX_INT32, Plan, plan
from spikelab.formats.kilosort.templates import Templates, templates_of
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import MS_PER_S, from_ms

# phylib makes an array of (highest id + 1, samples, channels) float64.
_PHY_MEMORY_BYTES = 2 << 30


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write a session as a folder that Phy, SpikeInterface and the SpikeLab library open.

    Spikes are in order of time. Sample numbers count from time zero; from the start of the
    session when that is negative. What nobody knows (waveforms, channels, places) is filled
    with placeholders, and the folder says so.

    Parameters
    ----------
    sd : SpikeData
        The session.
    path : pathlib.Path
        An empty folder.
    options : Options
        `fs_Hz` is needed unless the session's metadata have it.

    Raises
    ------
    OptionError
        If the sampling frequency, a file name, the time unit or the ids are not usable.
    InvalidSpikeData
        If a time cannot be counted in samples.

    Warns
    -----
    LossWarning
        If an attribute cannot be kept, if waveforms cannot be templates, or if a choice keeps
        Phy from opening the folder.
    AssumptionWarning
        If the units' ids cannot be cluster ids, so that the clusters are numbered, or if probes
        share channel numbers, so that the channels are.
    """
    session = plan(sd, options)
    stored = attributes.store(
        sd.neuron_attributes,
        session.cluster_ids,
        session.labels,
        sd.train,
        ids_are_given=options.cluster_ids is not None,
    )
    _write_spikes(path, session, stored.amplitudes)
    templates = _write_channels(path, session)
    _write_tables(path, session, stored)
    for name, array in stored.arrays.items():
        np.save(path / name, array)
    manifest = _manifest(session, stored, templates.is_real)
    _write_params(path, session, manifest, templates)
    manifest.write(path)


def _write_spikes(path: Path, session: Plan, amplitudes: list[NDArray[np.float64]] | None) -> None:
    """The arrays with one entry per spike, in order of time."""
    flat, ends = trains.flatten(session.sd.train)
    order = np.argsort(flat, kind="stable")
    times_ms = flat[order]
    samples = from_ms(times_ms, "samples", session.fs_Hz)
    if session.sample_offset:
        np.maximum(samples - session.sample_offset, 0, out=samples)
    is_float = session.time_unit != "samples"
    own = from_ms(times_ms, session.time_unit, session.fs_Hz) if is_float else samples
    np.save(path / session.times_file, own)
    if session.times_file != SPIKE_TIMES:
        np.save(path / SPIKE_TIMES, samples)

    counts = np.diff(ends, prepend=0)
    unit = np.repeat(np.arange(session.sd.N, dtype=np.int32), counts)[order]
    np.save(path / SPIKE_TEMPLATES, unit)
    np.save(path / SPIKE_CLUSTERS, session.integers(session.cluster_ids)[unit])
    if session.clusters_file != SPIKE_CLUSTERS:
        shutil.copyfile(path / SPIKE_CLUSTERS, path / session.clusters_file)
    known = np.ones(flat.size) if amplitudes is None else trains.flatten(amplitudes)[0][order]
    np.save(path / AMPLITUDES, known)


def _write_channels(path: Path, session: Plan) -> Templates:
    """The arrays with one entry per channel, and the templates, which are returned."""
    channels = session.channels
    templates = templates_of(session.sd.neuron_attributes, channels)
    _warn_of_memory(session.cluster_ids, templates.array)
    _warn_of_unusable(session.cluster_ids, templates)
    np.save(path / TEMPLATES, templates.array)
    np.save(path / CHANNEL_MAP, session.integers(channels.numbers.tolist()))
    np.save(path / CHANNEL_POSITIONS, channels.positions)
    identity = np.eye(len(channels.numbers))
    np.save(path / WHITENING, identity)
    np.save(path / WHITENING_INVERSE, identity)
    return templates


def _warn_of_unusable(cluster_ids: Sequence[int], templates: Templates) -> None:
    if templates.unusable:
        ids = [cluster_ids[unit] for unit in templates.unusable]
        warnings.warn(
            f"the waveforms of clusters {_some(ids)}, of shape {templates.unusable_shapes}, "
            "cannot be templates: placeholders stand for them; the attribute is stored apart. "
            "What to do: give (samples,) or (samples, channels), finite and not flat.",
            LossWarning,
            stacklevel=5,
        )


def _warn_of_memory(cluster_ids: Sequence[int], templates: NDArray[np.float32]) -> None:
    """Warn of ids that Phy cannot take: it makes a template for every number up to the highest."""
    largest = max(cluster_ids, default=0)
    needed = 8 * (largest + 1) * templates[0].size
    if largest > MAX_INT32 or (needed > _PHY_MEMORY_BYTES and largest >= len(templates)):
        why = "does not fit int32" if largest > MAX_INT32 else f"takes {needed / 1e9:.0f} GB"
        warnings.warn(
            f"the highest cluster id, {largest}, {why} in Phy, which may not open the folder. "
            "What to do: give smaller cluster_ids.",
            LossWarning,
            stacklevel=5,
        )


def _write_tables(path: Path, session: Plan, stored: attributes.Stored) -> None:
    """The tables of clusters: every unit in each, the silent ones too."""
    ids = [str(unit) for unit in session.cluster_ids]
    own = {name: list(map(tables.text_of, c.values)) for name, c in stored.columns.items()}
    columns = _info(session) | own
    _write_columns(path / GROUP_TABLE, ids, {"group": session.labels})
    _write_columns(path / INFO_TABLE, ids, columns)
    if own:
        _write_columns(path / ATTRIBUTE_TABLE, ids, own)


def _write_columns(path: Path, ids: Sequence[str], columns: dict[str, list[str]]) -> None:
    tables.write(path, ["cluster_id", *columns], zip(ids, *columns.values()))


def _info(session: Plan) -> dict[str, list[str]]:
    """The columns that Phy itself writes, as far as the session knows them."""
    channels, sd = session.channels, session.sd
    number = np.where(channels.known, channels.numbers[channels.row], -1)
    counts = [times.size for times in sd.train]
    columns = {
        "ch": ["" if channel < 0 else str(channel) for channel in number.tolist()],
        "depth": ["" if np.isnan(y) else repr(y) for y in channels.depth[channels.row].tolist()],
        "fr": [repr(n * MS_PER_S / sd.length) if sd.length else "" for n in counts],
        "n_spikes": list(map(str, counts)),
        "group": session.labels,
    }
    return {name: texts for name, texts in columns.items() if any(texts) or not texts}


def _manifest(session: Plan, stored: attributes.Stored, is_real: NDArray[np.bool_]) -> Manifest:
    channels, ids = session.channels, session.cluster_ids
    return Manifest(
        cluster_ids=ids,
        silent=[unit for unit, times in zip(ids, session.sd.train) if not times.size],
        labels=session.labels,
        attributes=stored.entries,
        invented_channels=[unit for unit, known in zip(ids, channels.known) if not known],
        placeholder_templates=[unit for unit, real in zip(ids, is_real) if not real],
        invented_positions=channels.numbers[~channels.placed].tolist(),
        electrodes=channels.electrodes.tolist() if channels.is_renumbered else [],
    )


def _write_params(path: Path, session: Plan, manifest: Manifest, templates: Templates) -> None:
    values = {
        "dat_path": [],
        "n_channels_dat": int(session.channels.numbers[-1]) + 1,
        "dtype": "int16",
        "offset": 0,
        "sample_rate": session.fs_Hz,
        "hp_filtered": True,
        "spikelab_layout": LAYOUT,
        "start_time_ms": session.sd.start_time,
        "length_ms": session.sd.length,
        "sample_offset": session.sample_offset,
        "time_unit": session.time_unit,
    }
    if session.times_file != SPIKE_TIMES:
        values["spike_times_file"] = session.times_file
    if session.clusters_file != SPIKE_CLUSTERS:
        values["spike_clusters_file"] = session.clusters_file
    text = params.render(values, _notes(session, manifest, templates))
    (path / PARAMS).write_text(text, encoding="utf-8", newline="\n")


def _notes(session: Plan, manifest: Manifest, templates: Templates) -> list[str]:
    """What a reader of the folder must know, for people."""
    notes = [
        "Written by spikelab. Sample number in spike_times.npy + sample_offset = sample number "
        "counted from time zero."
    ]
    ids_of = session.cluster_ids
    unusable = [ids_of[unit] for unit in templates.unusable]
    placeholder = "templates.npy: placeholder (-1 on the unit's channel)"
    invented = {
        f"{placeholder}, no waveform known": [
            unit for unit in manifest.placeholder_templates if unit not in set(unusable)
        ],
        f"{placeholder}, waveforms of shape {templates.unusable_shapes} not usable": unusable,
        "templates.npy: only the trace with the peak, put on the unit's channel": [
            ids_of[unit] for unit in templates.peak_only
        ],
        "templates.npy: shorter than others, filled up with zeros at the end": [
            ids_of[unit] for unit in templates.padded
        ],
        "channel_map.npy: channel invented, none known": manifest.invented_channels,
    }
    for what, ids in invented.items():
        if ids:
            whose = "all clusters" if len(ids) == session.sd.N else f"clusters {_some(ids)}"
            notes.append(f"{what}: {whose}.")
    if manifest.electrodes:
        notes.append(
            "channel_map.npy: row numbers, since probes or shanks share channel numbers; the "
            f"electrodes are, row after row: {_some(manifest.electrodes)}."
        )
    if manifest.invented_positions:
        whose = _some(manifest.invented_positions)
        notes.append(f"channel_positions.npy: place invented or moved apart: channels {whose}.")
    return notes


def _some(numbers: Sequence[int], limit: int = 20) -> str:
    shown = ", ".join(map(str, numbers[:limit]))
    return shown if len(numbers) <= limit else f"{shown}, ... ({len(numbers)} in all)"
