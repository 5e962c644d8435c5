"""What the attributes of the units mean: the names that the field uses for one thing.

Attributes are a list with one dict per unit. Sorters and labs call the same thing by different
names; the names that are understood are listed here and nowhere else.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikelab.errors import AssumptionWarning

UNIT_ID = "unit_id"
ELECTRODE_KEYS = ("electrode", "channel", "ch")
LOCATION_KEYS = ("location", "position")
AXES = ("x", "y", "z")

Attributes = Sequence[Mapping[str, Any]]


def unit_ids(attributes: Attributes | None, n_units: int) -> list[int] | list[str]:
    """The identity of each unit.

    Parameters
    ----------
    attributes : sequence of mapping, or None
        One mapping per unit.
    n_units : int
        Number of units.

    Returns
    -------
    list of int or list of str
        The attribute ``unit_id`` when every unit has one and all differ (as int when all are
        whole numbers, else as str), otherwise 0 to `n_units` - 1.
    """
    ids = [_plain_id(unit.get(UNIT_ID)) for unit in attributes or ()]
    known = [value for value in ids if isinstance(value, (str, Integral))]
    if len(known) == n_units and not any(isinstance(value, bool) for value in known):
        if all(isinstance(value, Integral) for value in known):
            numbers = [int(value) for value in known]
            if len(set(numbers)) == n_units:
                return numbers
        names = [str(value) for value in known]
        if len(set(names)) == n_units:
            return names
    return list(range(n_units))


def ids_to_write(attributes: Attributes | None, n_units: int, target: str) -> list[int] | list[str]:
    """As :func:`unit_ids`, for an export that has a place of its own for them.

    Parameters
    ----------
    attributes, n_units
        As in :func:`unit_ids`.
    target : str
        What is written, for the message.

    Warns
    -----
    AssumptionWarning
        If units share an id.
    """
    warn_of_shared_ids([unit.get(UNIT_ID) for unit in attributes or ()], f"{target} numbers")
    return unit_ids(attributes, n_units)


def warn_of_shared_ids(ids: Sequence[object], who_numbers: str) -> None:
    """Say which ids several units have, if any."""
    shared = shared_ids(ids)
    if shared:
        more = f" and {len(shared) - 10} more" if len(shared) > 10 else ""
        warnings.warn(
            f"several units have one unit_id ({', '.join(shared[:10])}{more}): {who_numbers} the "
            f"units 0 to {len(ids) - 1}, and each keeps its attribute unit_id",
            AssumptionWarning,
            stacklevel=3,
        )


def shared_ids(ids: Sequence[object]) -> list[str]:
    """The ids that several units have, as text; units without one do not count."""
    counts = Counter(str(_plain_id(one)) for one in ids if one is not None)
    return [name for name, count in counts.items() if count > 1]


def _plain_id(value: object) -> object:
    """Tables with gaps turn whole numbers into floats: 6.0 is unit 6."""
    return int(value) if isinstance(value, (float, np.floating)) and value.is_integer() else value


def electrodes(attributes: Attributes | None) -> NDArray[np.generic] | None:
    """Electrode (channel) of each unit.

    Parameters
    ----------
    attributes : sequence of mapping, or None
        One mapping per unit.

    Returns
    -------
    numpy.ndarray, shape (n_units,), or None
        From the first of ``electrode``, ``channel``, ``ch`` that a unit has; None when a unit
        has none of them, or when there are no attributes. Of objects where a unit has several.
    """
    values = [first_given(unit, ELECTRODE_KEYS) for unit in attributes or ()]
    if not values or any(value is None for value in values):
        return None
    if all(np.ndim(value) == 0 for value in values):
        return np.array(values)
    several = np.empty(len(values), dtype=object)
    several[:] = values
    return several


def locations(attributes: Attributes | None) -> NDArray[np.float64] | None:
    """Place of each unit, usually in micrometres.

    Parameters
    ----------
    attributes : sequence of mapping, or None
        One mapping per unit.

    Returns
    -------
    numpy.ndarray of float64, shape (n_units, n_dimensions), or None
        From ``location``, from ``x``, ``y`` and, where every unit has it, ``z``, or from
        ``position``, whichever a unit has first. None when a unit has no numeric place, when
        the units' places differ in their number of dimensions, or when there are no attributes.
        (A text under ``location`` is a brain area, not a place.)
    """
    units = attributes or ()
    axes = AXES if all(unit.get("z") is not None for unit in units) else AXES[:2]
    places = [_location(unit, axes) for unit in units]
    if not places or any(place is None for place in places):
        return None
    dimensions = {len(place) for place in places if place is not None}
    return np.array(places) if len(dimensions) == 1 else None


def _location(unit: Mapping[str, Any], axes: Sequence[str]) -> NDArray[np.float64] | None:
    coordinates = [unit.get(axis) for axis in axes]
    on_axes = None if any(one is None for one in coordinates) else coordinates
    for value in (unit.get("location"), on_axes, unit.get("position")):
        place = _numeric_vector(value)
        if place is not None:
            return place
    return None


def _numeric_vector(value: object) -> NDArray[np.float64] | None:
    if value is None or isinstance(value, (str, bytes, Mapping)):
        return None
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return vector if vector.ndim == 1 and vector.size else None


def first_given(unit: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """What the unit has under the first of the names that it has, or None."""
    return next((unit[key] for key in keys if unit.get(key) is not None), None)
