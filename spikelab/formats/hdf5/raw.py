"""HDF5 with raw voltage traces, in which spikes are detected by a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from spikelab.errors import FormatError
from spikelab.formats import h5
from spikelab.formats.hdf5 import header
from spikelab.formats.hdf5.header import Header
from spikelab.formats.hdf5.layout import agree, clean_name
from spikelab.spikedata.spikedata import SpikeData
from spikelab.spikedata.thresholding import Direction
from spikelab.units import MS_PER_S, require_fs, to_ms

# Sampling intervals differ by rounding only; more is a recording with gaps.
_JITTER = 1e-3


@dataclass(frozen=True)
class Options:
    """Which traces, and how spikes are found in them.

    Attributes
    ----------
    dataset : str, optional
        The traces, (channels, samples); by default ``raw_data``, or the only matrix of numbers.
    fs_Hz : float, optional
        Sampling frequency in Hz; by default what the file states.
    threshold_sigma, filter, hysteresis, direction
        As in :meth:`~spikelab.spikedata.spikedata.SpikeData.from_thresholding`.
    """

    dataset: str | None = None
    fs_Hz: float | None = None
    threshold_sigma: float = 5.0
    filter: dict[str, float] | bool = True
    hysteresis: bool = True
    direction: Direction = "both"


def read(path: Path, options: Options) -> SpikeData:
    """Detect spikes; the traces stay attached.

    Raises
    ------
    FormatError
        If the traces are not there, or it is not clear which dataset they are.
    OptionError
        If neither file nor caller give the sampling frequency, or they contradict each other.
    """
    with h5.reading(path) as file:
        stated = header.read(file)
        name = _name(file, options, stated)
        data = h5.numbers(file, name, ndim=2)
        times_ms = _times(file, name, stated)
        rate = header.sampling_frequency(file[name]) or stated.fs_Hz or _rate(times_ms)
    fs_Hz = require_fs(agree("fs_Hz", options.fs_Hz, rate), why="detecting spikes")
    start, length = _window(data.shape[1] * MS_PER_S / fs_Hz, times_ms, stated)
    return SpikeData.from_thresholding(
        data,
        fs_Hz,
        options.threshold_sigma,
        options.filter,
        options.hysteresis,
        options.direction,
        length=length,
        start_time=start,
    )


def _name(file: h5py.File, options: Options, stated: Header) -> str:
    if options.dataset is not None:
        return clean_name(options.dataset, "dataset")
    usual = stated.options.get("raw_dataset", header.USUAL_RAW)
    if isinstance(h5.find(file, usual), h5py.Dataset):
        return usual
    matrices = _matrices(file)
    if len(matrices) != 1:
        raise FormatError(
            "it is not clear which dataset holds the raw traces",
            found=", ".join(matrices) or f"no matrix of numbers; {h5.contents(file)}",
            hint="name it: dataset=...",
        )
    return matrices[0]


def _matrices(file: h5py.File) -> list[str]:
    names = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "iuf":
            names.append(name)

    file.visititems(visit)
    return names


def _times(file: h5py.File, name: str, stated: Header) -> np.ndarray | None:
    """Times in ms of the samples, where the file states where they are and in which unit."""
    if not stated.has_raw or stated.options.get("raw_dataset") != name:
        return None
    times = h5.numbers(file, stated.options["raw_time_dataset"], ndim=1)
    return to_ms(times, stated.options["raw_time_unit"], stated.fs_Hz)


def _rate(times_ms: np.ndarray | None) -> float | None:
    """The sampling frequency in Hz of evenly spaced times, to a millionth of a Hz."""
    if times_ms is None or times_ms.size < 2:
        return None
    steps = np.diff(times_ms)
    mean = (times_ms[-1] - times_ms[0]) / steps.size
    if not mean > 0 or np.abs(steps - mean).max() > _JITTER * mean:
        return None
    return round(MS_PER_S / float(mean), 6)


def _window(
    traces_ms: float, times_ms: np.ndarray | None, stated: Header
) -> tuple[float, float | None]:
    """Start and length in ms: of the traces, and up to the end that the file states."""
    origin = stated.start_time_ms or 0.0
    start = float(times_ms[0]) if times_ms is not None and times_ms.size else origin
    if stated.length_ms is None:
        return start, None
    return start, max(traces_ms, origin + stated.length_ms - start)
