"""Whether an export equals its source, as far as its format keeps things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikelab import binning, trains
from spikelab.formats.registry import ALL_PARTS, Part
from spikelab.spikedata.attributes import unit_ids
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import from_ms

# Seconds stored as float64 and read back: far below any sample, far above the rounding.
SECONDS_ATOL_MS = 1e-9
_SEQUENCES = (np.ndarray, list, tuple)


@dataclass(frozen=True)
class Precision:
    """How exactly spike times must agree.

    Attributes
    ----------
    unit : {'ms', 's', 'samples', 'bin'}
        Bit by bit, within :data:`SECONDS_ATOL_MS`, in the same sample, or in the same bin.
    fs_Hz : float, optional
        Sampling frequency in Hz, for ``'samples'``.
    bin_size_ms : float, optional
        Width of a bin in ms, for ``'bin'``.
    """

    unit: str = "ms"
    fs_Hz: float | None = None
    bin_size_ms: float | None = None

    @property
    def slack_ms(self) -> float:
        """How far the edges of the session may move, ms."""
        return {"ms": 0.0, "bin": 0.0}.get(self.unit, SECONDS_ATOL_MS)


def differences(
    source: SpikeData,
    found: SpikeData,
    precision: Precision = Precision(),
    parts: frozenset[Part] = ALL_PARTS,
) -> list[str]:
    """What differs between two sessions.

    Parameters
    ----------
    source, found : SpikeData
        The session and what came back from a file.
    precision : Precision
        How exactly spike times must agree.
    parts : frozenset of str
        What must agree besides the spikes: see :data:`spikelab.formats.registry.ALL_PARTS`.

    Returns
    -------
    list of str
        One line for each difference; empty when there is none.
    """
    if source.N != found.N:
        return [f"units: {source.N} in the source, {found.N} found"]
    lines = _spikes(source, found, precision)
    checks: Mapping[str, Callable[[], list[str]]] = {
        "start_time": lambda: _edge("start_time", source, found, precision.slack_ms),
        "length": lambda: _edge("length", source, found, precision.slack_ms),
        "unit_ids": lambda: _ids(source, found),
        "attributes": lambda: _attributes(source, found),
        "metadata": lambda: _mapping("metadata", source.metadata, found.metadata),
        "raw": lambda: _raw(source, found),
    }
    for part, check in checks.items():
        if part in parts:
            lines += check()
    return lines


def _spikes(source: SpikeData, found: SpikeData, precision: Precision) -> list[str]:
    if precision.unit == "bin":
        return _bins(source, found, precision.bin_size_ms or np.nan)
    lines = []
    for unit, (one, other) in enumerate(zip(source.train, found.train)):
        if one.size != other.size:
            lines.append(f"unit {unit}: {one.size} spikes in the source, {other.size} found")
        elif not (same := _same_times(one, other, precision)).all():
            worst = float(np.abs(one - other).max())
            lines.append(f"unit {unit}: {np.sum(~same)} spikes moved, by up to {worst} ms")
    return lines


def _same_times(one: trains.Times, other: trains.Times, precision: Precision) -> Any:
    if precision.unit == "ms":
        return one == other
    if precision.unit == "s":
        return np.abs(one - other) <= SECONDS_ATOL_MS
    samples = (from_ms(times, "samples", precision.fs_Hz) for times in (one, other))
    return np.equal(*samples)


def _bins(source: SpikeData, found: SpikeData, bin_size_ms: float) -> list[str]:
    one, other = (
        binning.csr_counts(sd.train, sd.start_time, sd.length, bin_size_ms)
        for sd in (source, found)
    )
    if one[1] != other[1]:
        return [f"bins: {one[1][1]} in the source, {other[1][1]} found"]
    same = all(np.array_equal(a, b) for a, b in zip(one[0], other[0]))
    return [] if same else [f"spike counts differ in bins of {bin_size_ms} ms"]


def _edge(name: str, source: SpikeData, found: SpikeData, slack_ms: float) -> list[str]:
    one, other = getattr(source, name), getattr(found, name)
    return [] if abs(one - other) <= slack_ms else [f"{name}: {one} ms, found {other} ms"]


def _ids(source: SpikeData, found: SpikeData) -> list[str]:
    one, other = (unit_ids(sd.neuron_attributes, sd.N) for sd in (source, found))
    return [] if one == other else [f"unit ids: {_short(one)}, found {_short(other)}"]


def _attributes(source: SpikeData, found: SpikeData) -> list[str]:
    """Attributes of the source that are not there or not the same; additional ones are fine."""
    lines = []
    for unit, mine in enumerate(source.neuron_attributes or []):
        theirs = (found.neuron_attributes or [{}] * found.N)[unit]
        lines += _mapping(f"unit {unit}", mine, theirs)
    return lines


def _mapping(where: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in mine.items():
        if name not in theirs:
            lines.append(f"{where}: {name} is lost")
        elif not same_value(value, theirs[name]):
            lines.append(f"{where}: {name} is {_short(value)}, found {_short(theirs[name])}")
    return lines


def _raw(source: SpikeData, found: SpikeData) -> list[str]:
    same = (
        source.raw_data.dtype == found.raw_data.dtype
        and np.array_equal(source.raw_data, found.raw_data)
        and source.raw_time.shape == found.raw_time.shape
        and bool((np.abs(source.raw_time - found.raw_time) <= SECONDS_ATOL_MS).all())
    )
    return [] if same else ["raw traces or their times differ"]


def same_value(one: Any, other: Any) -> bool:
    """Whether two attribute values say the same; NaN equals NaN, a list its array."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return _same_mapping(one, other)
    if isinstance(one, _SEQUENCES) and isinstance(other, _SEQUENCES):
        return _same_sequence(one, other)
    if isinstance(one, (bool, np.bool_)) != isinstance(other, (bool, np.bool_)):
        return False
    return bool(one == other) or bool(one != one and other != other)


def _same_mapping(one: Any, other: Any) -> bool:
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)) or one.keys() != other.keys():
        return False
    return all(same_value(value, other[name]) for name, value in one.items())


def _same_sequence(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype.kind in "iufb":
        return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")
    return len(one) == len(other) and all(map(same_value, one, other))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
