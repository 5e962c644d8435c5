"""On which channel a cluster of a folder is, and where that channel lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError
from spikelab.formats.kilosort import arrays, tables
from spikelab.formats.kilosort.options import (
    CHANNEL_MAP,
    CHANNEL_POSITIONS,
    SPIKE_TEMPLATES,
    TEMPLATES,
    WHITENING_INVERSE,
    Options,
)

_TEMPLATE_CHANNELS = "template_ind.npy"


class Places:
    """Channels and places of the clusters of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    options : Options
        Names of the files.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self._folder = folder
        channel_map = _optional(folder, options.channel_map_file, CHANNEL_MAP)
        self._channels = None
        if channel_map is not None:
            self._channels = arrays.whole_numbers(channel_map, CHANNEL_MAP)
        self._positions = _optional(folder, options.channel_positions_file, CHANNEL_POSITIONS)
        if self._positions is not None and self._positions.ndim != 2:
            raise FormatError(
                f"{CHANNEL_POSITIONS} is no table of places",
                found=f"shape {self._positions.shape}",
                allowed="(channels, 2) or (channels, 3)",
            )

    def channels(
        self,
        ids: Sequence[int],
        unit_of_spike: NDArray[np.integer],
        stated: Mapping[int, str],
    ) -> dict[int, int]:
        """The channel number of each cluster, where it can be known.

        The column ``ch`` of the tables goes first, then the peak channel of the template that
        most of the cluster's spikes have, then, in a folder without templates, the entry of
        ``channel_map.npy`` at the cluster's id (as the SpikeLab library writes it).

        Parameters
        ----------
        ids : sequence of int
            The clusters.
        unit_of_spike : numpy.ndarray of int, shape (n_spikes,)
            Position in `ids` of each spike's cluster.
        stated : mapping of int to str
            The column ``ch``; what is no channel number there counts as blank.
        """
        read = {unit: _channel_number(stated[unit]) for unit in ids if unit in stated}
        found = {unit: number for unit, number in read.items() if number is not None}
        if len(found) < len(ids):
            found = self._from_templates(ids, unit_of_spike) | found
        return found

    def position(self, channel: int | None) -> NDArray[np.float64] | None:
        """Where a channel lies, or None."""
        if channel is None or self._positions is None:
            return None
        if self._channels is None:
            rows = np.array([channel]) if channel >= 0 else np.empty(0, dtype=int)
        else:
            rows = np.flatnonzero(self._channels == channel)
        if not rows.size or rows[0] >= len(self._positions):
            return None
        return np.array(self._positions[rows[0]], dtype=np.float64)

    def _from_templates(
        self, ids: Sequence[int], unit_of_spike: NDArray[np.integer]
    ) -> dict[int, int]:
        templates = arrays.load_if_there(self._folder / TEMPLATES)
        spike_templates = arrays.load_if_there(self._folder / SPIKE_TEMPLATES)
        if templates is None or spike_templates is None:
            return self._from_map(ids)
        of_spike = arrays.whole_numbers(spike_templates, SPIKE_TEMPLATES)
        if of_spike.shape != unit_of_spike.shape:
            raise FormatError(
                f"{SPIKE_TEMPLATES} has not one entry per spike",
                found=f"{of_spike.size} entries for {unit_of_spike.size} spikes",
            )
        if templates.ndim != 3:
            raise FormatError(
                f"{TEMPLATES} has not three dimensions", found=f"shape {templates.shape}"
            )
        rows = self._peak_rows(templates)
        dominant = _dominant(unit_of_spike, of_spike, len(templates))
        of_unit = {ids[unit]: rows.get(template) for unit, template in dominant.items()}
        return {
            unit: channel
            for unit, row in of_unit.items()
            if row is not None and (channel := self._number(row)) is not None
        }

    def _from_map(self, ids: Sequence[int]) -> dict[int, int]:
        if self._channels is None:
            return {}
        n_channels = self._channels.size
        return {unit: int(self._channels[unit]) for unit in ids if 0 <= unit < n_channels}

    def _number(self, row: int) -> int | None:
        """The channel number of a row of the templates."""
        if self._channels is None:
            return row
        return int(self._channels[row]) if 0 <= row < self._channels.size else None

    def _peak_rows(self, templates: NDArray[Any]) -> dict[int, int]:
        """The row with the largest peak-to-peak amplitude, without whitening, of each template."""
        unwhiten = arrays.load_if_there(self._folder / WHITENING_INVERSE)
        channels = arrays.load_if_there(self._folder / _TEMPLATE_CHANNELS)
        n_channels = templates.shape[2]
        if channels is not None and channels.shape != (len(templates), n_channels):
            channels = None
        if unwhiten is not None and unwhiten.shape != (n_channels, n_channels):
            unwhiten = None
        if channels is not None:  # the columns are not the channels of the matrix
            unwhiten = None
        rows = {}
        for number, template in enumerate(templates):
            wave = np.asarray(template, dtype=np.float64)
            if not np.isfinite(wave).all() or not wave.size:
                continue
            height = np.ptp(wave if unwhiten is None else wave @ unwhiten, axis=0)
            row = int(np.argmax(height))
            rows[number] = row if channels is None else int(channels[number, row])
        return rows


def _channel_number(text: str) -> int | None:
    """The channel number in a cell; None where it holds none."""
    try:
        number = tables.parse(text.strip(), "int")
    except ValueError:
        return None
    return int(number) if 0 <= number < 2**63 and number == int(number) else None


def _optional(folder: Path, given: str | None, standard: str) -> NDArray[Any] | None:
    if given is not None and not (folder / given).is_file():
        raise FormatError(f"{given} is not in the folder", hint=f"leave it out for {standard}")
    return arrays.load_if_there(folder / (given or standard))


def _dominant(
    unit_of_spike: NDArray[np.integer], template_of_spike: NDArray[np.integer], n_templates: int
) -> dict[int, int]:
    """For each unit with spikes, the template that most of them have (the lowest of equals)."""
    if not unit_of_spike.size:
        return {}
    templates = template_of_spike.astype(np.int64)
    if templates.min() < 0 or templates.max() >= n_templates:
        raise FormatError(
            f"{SPIKE_TEMPLATES} names templates that are not there",
            found=f"{templates.min()} to {templates.max()}",
            allowed=f"0 to {n_templates - 1}",
        )
    pair = unit_of_spike.astype(np.int64) * n_templates + templates
    pairs, counts = np.unique(pair, return_counts=True)
    best = np.lexsort((-pairs, counts))
    return {int(pairs[i] // n_templates): int(pairs[i] % n_templates) for i in best}
