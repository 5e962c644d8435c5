"""The one place where spike times change their unit.

In memory, times are milliseconds (float64). Files may use milliseconds, seconds, or sample
numbers counted from time zero at a sampling frequency.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikelab.errors import InvalidSpikeData, OptionError

TimeUnit = Literal["s", "ms", "samples"]
TIME_UNITS: tuple[str, ...] = get_args(TimeUnit)

MS_PER_S = 1000.0
# Above 2**53 a float64 no longer counts single samples.
_MAX_SAMPLE = 2**53


def check_time_unit(unit: str, fs_Hz: float | None, *, name: str = "time unit") -> None:
    """Refuse an unknown unit, and ``samples`` without a usable sampling frequency.

    Parameters
    ----------
    unit : str
        One of ``'s'``, ``'ms'``, ``'samples'``.
    fs_Hz : float or None
        Sampling frequency in Hz.
    name : str
        What to call the unit in the message: the parameter as its user knows it.

    Raises
    ------
    OptionError
        If the unit is unknown, or is ``'samples'`` and `fs_Hz` is missing or not positive.
    """
    if unit not in TIME_UNITS:
        raise OptionError(f"{name} is unknown", found=unit, allowed=", ".join(TIME_UNITS))
    if unit == "samples":
        require_fs(fs_Hz, why=f"{name} 'samples'")


def require_fs(fs_Hz: float | None, *, why: str) -> float:
    """Return the sampling frequency in Hz as a float, or raise :class:`OptionError`."""
    if fs_Hz is None:
        raise OptionError(
            f"{why} needs the sampling frequency fs_Hz, and none is known",
            hint="give fs_Hz in Hz (in the session sheet: the column fs_hz)",
        )
    try:
        value = float(fs_Hz)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value) or value <= 0:
        raise OptionError(
            "fs_Hz is not a sampling frequency",
            found=fs_Hz,
            allowed="a finite number of Hz above zero",
        )
    return value


def from_ms(times_ms: ArrayLike, unit: str, fs_Hz: float | None = None) -> NDArray[Any]:
    """Convert milliseconds to a file's unit.

    Parameters
    ----------
    times_ms : array_like of float, any shape
        Times in ms.
    unit : {'s', 'ms', 'samples'}
        Target unit. Sample numbers are rounded to the nearest integer.
    fs_Hz : float, optional
        Sampling frequency in Hz, needed for ``'samples'``.

    Returns
    -------
    numpy.ndarray
        float64 for ``'s'`` and ``'ms'``, int64 for ``'samples'``; the shape of `times_ms`.

    Raises
    ------
    OptionError
        If the unit or the sampling frequency is not usable.
    InvalidSpikeData
        If a time is too large to be counted in samples.
    """
    check_time_unit(unit, fs_Hz)
    times = np.asarray(times_ms, dtype=np.float64)
    if unit == "ms":
        return times
    if unit == "s":
        return times / MS_PER_S
    # In place: these arrays may hold every spike of a session.
    samples = np.atleast_1d(times * require_fs(fs_Hz, why="samples"))
    samples /= MS_PER_S
    np.rint(samples, out=samples)
    if samples.size and not max(-samples.min(), samples.max()) <= _MAX_SAMPLE:
        raise InvalidSpikeData(
            "a time is too large to be counted in samples",
            found=f"{times.flat[np.abs(times).argmax()]} ms at {fs_Hz} Hz",
            allowed=f"at most {_MAX_SAMPLE} samples",
        )
    return samples.astype(np.int64).reshape(times.shape)


def to_ms(values: ArrayLike, unit: str, fs_Hz: float | None = None) -> NDArray[np.float64]:
    """Convert a file's times to milliseconds: the inverse of :func:`from_ms`.

    Parameters
    ----------
    values : array_like, any shape
        Times in `unit`.
    unit : {'s', 'ms', 'samples'}
        Unit of `values`.
    fs_Hz : float, optional
        Sampling frequency in Hz, needed for ``'samples'``.

    Returns
    -------
    numpy.ndarray of float64
        Times in ms, the shape of `values`.

    Raises
    ------
    OptionError
        If the unit or the sampling frequency is not usable.
    """
    check_time_unit(unit, fs_Hz)
    times = np.asarray(values, dtype=np.float64)
    if unit == "ms":
        return times
    # What overflows becomes infinite, and no session takes that.
    with np.errstate(over="ignore"):
        if unit == "s":
            return times * MS_PER_S
        return times * MS_PER_S / require_fs(fs_Hz, why="samples")


def round_off_ms(unit: str, end_ms: float, fs_Hz: float | None = None) -> float:
    """How far (ms) a time near `end_ms` may move when it is stored in `unit` and read back.

    Half a sample for ``'samples'``; a few units in the last place for ``'s'``; nothing for
    ``'ms'``.
    """
    if unit == "samples":
        # A little more than half, because the product of a time and a rate is rounded as well.
        return 0.500001 * MS_PER_S / require_fs(fs_Hz, why="samples")
    return 0.0 if unit == "ms" else 4.0 * float(np.spacing(max(abs(end_ms), 1.0)))
