"""Hypothesis strategies for sessions: what a property must hold for."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from spikelab import SpikeData

SAMPLING_RATES_HZ = (30_000.0, 20_000.0, 24_414.0625, 29_999.9, 1_000.0, 12_500.0)
BIN_SIZES_MS = (0.1, 0.3, 1.0, 3.0, 7.25, 1000.0 / 30_000, 50.0)

names = st.text("abcdefghijklmnop_", min_size=1, max_size=6)
scalars = (
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(-1e6, 1e6)
    | st.text("aZ9 µ-_/,", max_size=8)
)


def sampling_rates() -> st.SearchStrategy[float]:
    """Sampling frequencies in Hz, round ones and odd ones."""
    return st.sampled_from(SAMPLING_RATES_HZ)


def bin_sizes() -> st.SearchStrategy[float]:
    """Widths of bins in ms."""
    return st.sampled_from(BIN_SIZES_MS)


@st.composite
def trains(
    draw: st.DrawFn, start_ms: float, length_ms: float, fs_Hz: float | None = None
) -> list[np.ndarray]:
    """Up to five units, silent ones anywhere, spikes on both edges, equal times.

    With `fs_Hz` every spike lies on a sample counted from time zero.
    """
    end_ms = start_ms + length_ms
    if fs_Hz is None:
        times = st.floats(start_ms, end_ms)
    else:
        first, last = np.ceil(start_ms * fs_Hz / 1000), np.floor(end_ms * fs_Hz / 1000)
        times = st.integers(int(first), max(int(last), int(first))).map(lambda n: n * 1000 / fs_Hz)
        times = times.filter(lambda time: start_ms <= time <= end_ms)
    units = st.lists(st.lists(times, max_size=12), max_size=5)
    return [np.sort(np.array(unit, dtype=float)) for unit in draw(units)]


@st.composite
def attributes(draw: st.DrawFn, n_units: int, kinds: Any = scalars) -> list[dict] | None:
    """None, or one dict per unit: distinct ids, an electrode, a place, and names of any kind."""
    if draw(st.booleans()):
        return None
    ids = draw(st.lists(st.integers(0, 500), min_size=n_units, max_size=n_units, unique=True))
    extra = draw(st.lists(names.map("x_{}".format), max_size=3, unique=True))
    with_place = draw(st.booleans())
    units: list[dict[str, Any]] = []
    for unit_id in ids:
        unit: dict[str, Any] = {"unit_id": unit_id}
        if with_place:
            unit["electrode"] = draw(st.integers(0, 63))
            unit["location"] = [draw(st.floats(-1000, 1000)), draw(st.floats(-1000, 1000))]
        for name in extra:
            if draw(st.integers(0, 3)):
                unit[name] = draw(kinds)
        units.append(unit)
    return units


@st.composite
def sessions(
    draw: st.DrawFn,
    *,
    fs_Hz: float | None = None,
    on_samples: bool = False,
    with_attributes: bool = True,
    max_length_ms: float = 5000.0,
) -> SpikeData:
    """Sessions of 0 to 5 units that start anywhere, last up to `max_length_ms`, end in silence.

    Parameters
    ----------
    fs_Hz : float, optional
        Sampling frequency in Hz for the metadata; by default one of :data:`SAMPLING_RATES_HZ`.
    on_samples : bool
        Whether every spike lies on a sample.
    with_attributes : bool
        Whether units may have attributes.
    max_length_ms : float
        The longest duration in ms.
    """
    rate_Hz = draw(sampling_rates()) if fs_Hz is None else fs_Hz
    start_ms = draw(st.sampled_from((0.0, -250.5, 12.125, 1.44e8)) | st.floats(-1e4, 1e6))
    length_ms = draw(st.just(0.0) | st.floats(1.0, max_length_ms))
    # An edge between two samples is no place for a spike that lies on a sample.
    train = draw(trains(start_ms, length_ms, rate_Hz if on_samples and length_ms else None))
    if on_samples and not length_ms:
        train = [np.empty(0) for _ in train]
    return SpikeData(
        train,
        start_time=start_ms,
        length=length_ms,
        neuron_attributes=draw(attributes(len(train))) if with_attributes else None,
        metadata={"fs_Hz": rate_Hz},
    )
