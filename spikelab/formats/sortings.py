"""Sortings in memory, as SpikeInterface's classes and their look-alikes hold them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab import trains
from spikelab.errors import AssumptionWarning, OptionError
from spikelab.spikedata.attributes import ELECTRODE_KEYS, UNIT_ID
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import MS_PER_S, require_fs, round_off_ms, to_ms

# What sorters and simulators call the electrode and the place of a unit, after our own names.
_ELECTRODE_NAMES = (*ELECTRODE_KEYS, "peak_channel", "main_channel_id")
_LOCATION_NAMES = ("location", "unit_location", "position", "gt_unit_locations")
_METRICS = ("quality_metrics", "template_metrics")
NEEDED = ("get_unit_ids", "get_sampling_frequency", "get_unit_spike_train")


def from_sorting(
    sorting: Any,
    sampling_frequency: float | None = None,
    unit_ids: Sequence[int | str] | None = None,
    segment_index: int = 0,
) -> SpikeData:
    """Take over a sorting or a sorting analyzer.

    Parameters
    ----------
    sorting : spikeinterface.BaseSorting, spikeinterface.SortingAnalyzer or alike
        Anything with ``get_unit_ids``, ``get_sampling_frequency`` and ``get_unit_spike_train``.
    sampling_frequency : float, optional
        In Hz. It goes before the sorting's own.
    unit_ids : sequence of int or str, optional
        The units to take, in this order; by default all.
    segment_index : int
        The segment to take.

    Returns
    -------
    SpikeData
        Unit ids are kept as ``unit_id``, properties (and, of an analyzer, metrics, places and
        main channels) as attributes. The length is the recording's where one is known,
        otherwise it ends at the last spike.

    Raises
    ------
    OptionError
        If this is no sorting, or if a unit or the segment does not exist.
    InvalidSpikeData
        If spikes lie outside the recording.
    """
    analyzer = sorting if hasattr(sorting, "get_extension") else None
    sorting = sorting if analyzer is None else analyzer.sorting
    missing = [name for name in NEEDED if not hasattr(sorting, name)]
    if missing:
        raise OptionError(
            "this is no sorting", found=type(sorting).__name__, allowed=f"has {', '.join(NEEDED)}"
        )
    _check_segment(sorting, segment_index)
    own_fs = sampling_frequency is None
    fs_Hz = sorting.get_sampling_frequency() if own_fs else sampling_frequency
    fs_Hz = require_fs(fs_Hz, why="the sorting")
    _warn_of_another_rate(sorting.get_sampling_frequency(), fs_Hz)
    ids = list(sorting.get_unit_ids())
    chosen = _positions(ids, unit_ids)
    frames = [
        np.asarray(sorting.get_unit_spike_train(unit_id=ids[i], segment_index=segment_index))
        for i in chosen
    ]
    clock = _clock(sorting, segment_index, fs_Hz, own_fs)
    start_ms = float(clock(np.zeros(1))[0])
    train, length_ms = [clock(one) for one in frames], None
    n_samples = _n_samples(analyzer or sorting, segment_index)
    if n_samples:
        # The last sample lasts one sampling interval.
        length_ms = float(clock(np.array([n_samples - 1.0]))[0]) + MS_PER_S / fs_Hz - start_ms
        slack_ms = round_off_ms("samples", start_ms + length_ms, fs_Hz)
        train = trains.settle(train, start_ms, start_ms + length_ms, slack_ms)
    attributes = _attributes(sorting, analyzer, ids)
    return SpikeData(
        train,
        length=length_ms,
        start_time=start_ms,
        neuron_attributes=[attributes[i] for i in chosen],
        metadata={"fs_Hz": fs_Hz, "source_format": "SpikeInterface"},
    )


def _check_segment(sorting: Any, segment_index: int) -> None:
    count = getattr(sorting, "get_num_segments", None)
    n_segments = segment_index + 1 if count is None else int(count())
    if not 0 <= segment_index < n_segments:
        raise OptionError(
            "the sorting has no such segment",
            found=segment_index,
            allowed=f"0 to {n_segments - 1}",
        )


def _positions(ids: list[Any], wanted: Sequence[int | str] | None) -> list[int]:
    if wanted is None:
        return list(range(len(ids)))
    where = {unit_id: position for position, unit_id in enumerate(ids)}
    missing = [unit_id for unit_id in wanted if unit_id not in where]
    if missing:
        raise OptionError(
            "the sorting has no such units",
            found=", ".join(map(str, missing)),
            allowed=", ".join(map(str, ids)),
        )
    return [where[unit_id] for unit_id in wanted]


def _warn_of_another_rate(stated: float | None, used: float) -> None:
    if stated is not None and float(stated) != used:
        warnings.warn(
            f"the sorting states {stated} Hz, and is read at {used} Hz as asked for: every time "
            "in ms changes accordingly",
            AssumptionWarning,
            stacklevel=4,
        )


def _clock(
    sorting: Any, segment_index: int, fs_Hz: float, own_fs: bool
) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """From sample numbers to ms: by the recording's clock where it has one of its own."""
    if own_fs and hasattr(sorting, "has_time_vector") and sorting.has_time_vector(segment_index):

        def by_recording(samples: NDArray[Any]) -> NDArray[np.float64]:
            frames = np.asarray(samples, dtype=np.int64)
            return to_ms(sorting.sample_index_to_time(frames, segment_index), "s")

        return by_recording
    begin = getattr(sorting, "get_start_time", None)
    start_ms = 0.0 if begin is None else float(begin(segment_index)) * MS_PER_S
    return lambda samples: to_ms(samples, "samples", fs_Hz) + start_ms


def _n_samples(source: Any, segment_index: int) -> int | None:
    """Samples of the recording, which an analyzer knows always and a sorting sometimes."""
    known = hasattr(source, "get_extension") or (
        hasattr(source, "has_recording") and source.has_recording()
    )
    return int(source.get_num_samples(segment_index)) if known else None


def _attributes(sorting: Any, analyzer: Any, ids: list[Any]) -> list[dict[str, Any]]:
    columns = dict(_properties(sorting))
    if analyzer is not None:
        columns |= dict(_computed(analyzer))
    for name, others in (("electrode", _ELECTRODE_NAMES), ("location", _LOCATION_NAMES)):
        known = next((columns[other] for other in others if other in columns), None)
        if known is not None:
            columns.setdefault(name, known)
    units: list[dict[str, Any]] = [{UNIT_ID: _plain(unit_id)} for unit_id in ids]
    for name, values in columns.items():
        for unit, value in zip(units, values):
            if name == "electrode":
                unit[name] = _number_if_possible(_plain(value))
            else:
                unit.setdefault(name, _plain(value))
    return units


def _properties(sorting: Any) -> Iterator[tuple[str, Any]]:
    """The sorting's properties, in the order of its units."""
    if hasattr(sorting, "get_property_keys"):
        names = list(sorting.get_property_keys())
    else:
        names = [*_ELECTRODE_NAMES, *_LOCATION_NAMES] if hasattr(sorting, "get_property") else []
    for name in names:
        try:
            values = sorting.get_property(name)
        except (AttributeError, KeyError):
            continue
        if values is not None:
            yield str(name), values


def _computed(analyzer: Any) -> Iterator[tuple[str, Any]]:
    """What an analyzer knows about its units: main channels, places, metrics."""
    if hasattr(analyzer, "get_main_channels"):
        yield "electrode", analyzer.get_main_channels(outputs="id")
    elif analyzer.has_extension("templates"):
        from spikeinterface.core import get_template_extremum_channel

        channels = get_template_extremum_channel(analyzer, outputs="id")
        yield "electrode", [channels[unit_id] for unit_id in analyzer.unit_ids]
    if analyzer.has_extension("unit_locations"):
        yield "location", analyzer.get_extension("unit_locations").get_data()
    for name in _METRICS:
        if analyzer.has_extension(name):
            table = analyzer.get_extension(name).get_data().loc[list(analyzer.unit_ids)]
            yield from ((str(column), table[column].to_list()) for column in table.columns)


def _plain(value: Any) -> Any:
    """A Python value for a numpy scalar, a list for a short array of numbers."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size <= 3:
        return value.tolist()
    return value


def _number_if_possible(channel: Any) -> Any:
    if isinstance(channel, str) and channel.isdecimal():
        return int(channel)
    if isinstance(channel, float) and channel.is_integer():
        return int(channel)
    return channel
