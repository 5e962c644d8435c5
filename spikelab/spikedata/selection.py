"""Which units, and which part of the time, a user asks for."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from spikelab.errors import OptionError
from spikelab.spikedata import checks
from spikelab.spikedata.attributes import Attributes
from spikelab.trains import as_integers


def indices(wanted: list[Any], n_units: int) -> list[int]:
    """The units of these indices, each once, in the order asked for."""
    numbers = as_integers(wanted, "unit indices").tolist()
    if any(not 0 <= i < n_units for i in numbers):
        raise OptionError("a unit does not exist", found=wanted, allowed=f"0 to {n_units - 1}")
    return list(dict.fromkeys(numbers))


def indices_by(wanted: list[Any], name: str, attributes: Attributes | None) -> list[int]:
    """The units whose attribute `name` is among `wanted`, each once, in the order of `wanted`.

    Units without the attribute are never taken.
    """
    units = attributes or ()
    names = sorted({str(own) for unit in units for own in unit})
    if name not in names and (units or attributes is None):
        raise OptionError(
            "no unit has the attribute to select by",
            found=name,
            allowed=", ".join(names) or "none: the units have no attributes",
        )
    own = [unit.get(name) for unit in units]
    return list(
        dict.fromkeys(
            i
            for value in wanted
            for i, one in enumerate(own)
            if one is not None and np.array_equal(one, value)
        )
    )


def time_window(
    start_time: float,
    length: float,
    start: float | EllipsisType | None,
    end: float | EllipsisType | None,
) -> tuple[float, float, float]:
    """First and last time (ms) of a part of the session, and the end of the session."""
    stop = start_time + length

    def resolve(time: float | EllipsisType | None, default: float, name: str) -> float:
        if time is None or time is Ellipsis:
            return default
        number = checks.finite(time, name)
        return number + stop if number < 0 <= start_time else number

    first, last = resolve(start, start_time, "start"), resolve(end, stop, "end")
    if not start_time <= first < last <= stop:
        raise OptionError(
            "the time window is not inside the session",
            found=f"{start!r} to {end!r} ms",
            allowed=f"start < end, both between {start_time!r} and {stop!r} ms",
        )
    return first, last, stop
