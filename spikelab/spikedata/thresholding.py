"""From raw voltage traces to spikes: band-pass filter and threshold crossings."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikelab.errors import InvalidSpikeData, OptionError
from spikelab.units import require_fs, to_ms

Direction = Literal["both", "up", "down"]
DEFAULT_FILTER: dict[str, float] = {"lowcut": 300.0, "highcut": 6000.0, "order": 3}


def butterworth(
    traces: NDArray[np.generic],
    fs_Hz: float,
    lowcut: float | None = None,
    highcut: float | None = None,
    order: int = 3,
) -> NDArray[np.float64]:
    """Butterworth filter without phase shift, run forward and backward along time.

    Parameters
    ----------
    traces : numpy.ndarray, shape (n_channels, n_samples)
        Voltages.
    fs_Hz : float
        Sampling frequency in Hz.
    lowcut, highcut : float, optional
        Edges of the pass band in Hz. One alone makes a high-pass or a low-pass filter.
    order : int
        Order of the filter.

    Returns
    -------
    numpy.ndarray of float64, shape (n_channels, n_samples)
        Filtered voltages.

    Raises
    ------
    OptionError
        If the pass band does not lie between zero and half the sampling frequency.
    InvalidSpikeData
        If there are too few samples to filter.
    """
    from scipy.signal import butter, sosfiltfilt

    band = [edge for edge in (lowcut, highcut) if edge is not None]
    if not band or not all(0 < edge < fs_Hz / 2 for edge in band) or sorted(set(band)) != band:
        raise OptionError(
            "the pass band of the filter does not fit the sampling frequency",
            found=f"lowcut={lowcut} Hz, highcut={highcut} Hz at {fs_Hz} Hz",
            allowed=f"0 < lowcut < highcut < {fs_Hz / 2} Hz (half the sampling frequency)",
            hint="give filter={'lowcut': ..., 'highcut': ..., 'order': 3}, or filter=False",
        )
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 1:
        raise OptionError("the order of the filter must be a whole number above 0", found=order)
    kind = "bandpass" if len(band) == 2 else "highpass" if highcut is None else "lowpass"
    sections = butter(order, band if len(band) == 2 else band[0], kind, fs=fs_Hz, output="sos")
    try:
        return sosfiltfilt(sections, np.asarray(traces, dtype=np.float64), axis=1)
    except ValueError as error:
        raise InvalidSpikeData(
            "the traces are too short to be filtered",
            found=f"{traces.shape[1]} samples",
            hint="give filter=False",
        ) from error


def crossings(
    data: ArrayLike,
    fs_Hz: float,
    threshold_sigma: float,
    filter: dict[str, float] | bool,
    hysteresis: bool,
    direction: Direction,
) -> list[NDArray[np.float64]]:
    """Times at which each channel crosses its threshold.

    Parameters
    ----------
    data : array_like, shape (n_channels, n_samples)
        Raw voltages, any unit.
    fs_Hz : float
        Sampling frequency in Hz.
    threshold_sigma : float
        Threshold in standard deviations of each channel's (filtered) trace.
    filter : dict or bool
        True for :data:`DEFAULT_FILTER`, a dict of :func:`butterworth`'s arguments, or False.
    hysteresis : bool
        True counts the sample at which the threshold is crossed; False counts every sample
        beyond it.
    direction : {'both', 'up', 'down'}
        Side of the threshold.

    Returns
    -------
    list of numpy.ndarray of float64
        Per channel, the times in ms of the crossing samples; sample 0 is at 0 ms.

    Raises
    ------
    OptionError
        If an option is not usable.
    InvalidSpikeData
        If the traces are not a finite (n_channels, n_samples) array.
    """
    traces = np.asarray(data)
    fs_Hz = require_fs(fs_Hz, why="thresholding")
    _check(traces, threshold_sigma, direction)
    band = _band(filter)
    if band and traces.size:
        traces = butterworth(traces, fs_Hz, **band)
    deviation = np.std(traces, axis=1, keepdims=True, dtype=np.float64) if traces.size else 0.0
    threshold = threshold_sigma * deviation
    beyond = np.zeros(traces.shape, dtype=bool)
    if direction in ("both", "up"):
        beyond |= traces > threshold
    if direction in ("both", "down"):
        beyond |= traces < -threshold
    if hysteresis:
        # Sample 0 has no sample before it to cross from.
        beyond[:, 1:] &= ~beyond[:, :-1].copy()
        beyond[:, :1] = False
    return [to_ms(np.flatnonzero(channel), "samples", fs_Hz) for channel in beyond]


def _band(filter: Mapping[str, float] | bool) -> Mapping[str, Any]:
    """The arguments of :func:`butterworth`; none of them for no filter."""
    if isinstance(filter, (bool, np.bool_)):
        return DEFAULT_FILTER if filter else {}
    known = set(DEFAULT_FILTER)
    usable = isinstance(filter, Mapping) and filter and set(filter) <= known
    if not usable or not all(one is None or isinstance(one, Real) for one in filter.values()):
        raise OptionError(
            "the filter is not understood",
            found=filter,
            allowed="True, False, or a dict with lowcut and highcut (Hz) and order",
        )
    return filter


def _check(traces: NDArray[np.generic], threshold_sigma: float, direction: str) -> None:
    if traces.ndim != 2 or traces.dtype.kind not in "iuf":
        raise InvalidSpikeData(
            "raw traces must be a numeric array",
            found=f"shape {traces.shape}, dtype {traces.dtype}",
            allowed="shape (channels, samples)",
        )
    if not np.isfinite(traces).all():
        raise InvalidSpikeData("raw traces hold values that are not finite (NaN or infinite)")
    if direction not in get_args(Direction):
        raise OptionError(
            "direction is unknown", found=direction, allowed=", ".join(get_args(Direction))
        )
    is_number = isinstance(threshold_sigma, Real) and np.isfinite(threshold_sigma)
    if not is_number or threshold_sigma <= 0:
        raise OptionError("threshold_sigma must be a number above zero", found=threshold_sigma)
