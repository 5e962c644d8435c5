"""Attributes of the units as typed columns, the shape in which files keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["bool", "int", "float", "str", "array", "other"]
# What a unit has under a name: a value, nothing at all, or None.
PRESENT, ABSENT, NONE = 0, 1, 2


@dataclass(frozen=True)
class Column:
    """One attribute over all units.

    Attributes
    ----------
    name : str
        Name of the attribute.
    kind : {'bool', 'int', 'float', 'str', 'array', 'other'}
        What every present value is. Whole numbers and floats together are ``float``; numeric
        arrays of one shape are ``array``; anything else is ``other``.
    status : numpy.ndarray of uint8, shape (n_units,)
        :data:`PRESENT`, :data:`ABSENT` or :data:`NONE` for each unit.
    values : list
        One value per unit; None where there is none.
    """

    name: str
    kind: Kind
    status: NDArray[np.uint8]
    values: list[Any]

    @property
    def complete(self) -> bool:
        """Whether every unit has a value."""
        return not self.status.any()

    def filled(self, fill: Any) -> NDArray[np.generic]:
        """The values as one array, with `fill` for units that have none.

        Returns
        -------
        numpy.ndarray, shape (n_units,) or, for arrays, (n_units, ...)
            bool, int64 (uint64 where needed), float64, object (of str), or the arrays' common
            dtype. Not for the kind ``other``.
        """
        values = [fill if status else value for value, status in zip(self.values, self.status)]
        if self.kind == "str":
            return np.array(values, dtype=object)
        if self.kind == "array":
            shape = next(np.shape(v) for v, status in zip(self.values, self.status) if not status)
            values = [np.broadcast_to(value, shape) for value in values]
            return np.stack(values)
        if self.kind == "float":
            return np.array(values, dtype=np.float64)
        if self.kind == "int" and max(values) >= 2**63:
            # No value is negative then; a fill that is cannot be kept.
            return np.array([max(value, 0) for value in values], dtype=np.uint64)
        return np.array(values)


def columns_of(attributes: Sequence[Mapping[str, Any]] | None) -> list[Column]:
    """The columns of the units' attributes, in the order in which their names first appear.

    Parameters
    ----------
    attributes : sequence of mapping, or None
        One mapping per unit. Names that are not str are taken as their str.
    """
    units = [{str(name): value for name, value in unit.items()} for unit in attributes or ()]
    names = dict.fromkeys(name for unit in units for name in unit)
    return [_column(name, units) for name in names]


def _column(name: str, units: Sequence[Mapping[str, Any]]) -> Column:
    values = [unit.get(name) for unit in units]
    status = [
        (NONE if name in unit else ABSENT) if value is None else PRESENT
        for unit, value in zip(units, values)
    ]
    present = [value for value in values if value is not None]
    return Column(name, _kind(present), np.array(status, dtype=np.uint8), values)


def _kind(values: Sequence[Any]) -> Kind:
    if not values:
        return "other"
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return "bool"
    if any(isinstance(value, (bool, np.bool_)) for value in values):
        return "other"
    if all(isinstance(value, Integral) for value in values):
        low, high = min(values), max(values)
        fits = (low >= -(2**63) and high < 2**63) or (low >= 0 and high < 2**64)
        return "int" if fits else "other"
    if all(isinstance(value, Real) for value in values):
        # A float64 must hold each of them: not so for 2**53 + 1, or for a third.
        exact = all(float(value) == value or value != value for value in values)
        return "float" if exact else "other"
    if all(isinstance(value, str) for value in values):
        return "str"
    return "array" if _stackable(values) else "other"


def _stackable(values: Sequence[Any]) -> bool:
    """Whether all values are numeric arrays (or lists of numbers) of one shape."""
    if not all(isinstance(value, (np.ndarray, list, tuple)) for value in values):
        return False
    try:
        arrays = [np.asarray(value) for value in values]
    except ValueError:  # ragged lists
        return False
    kinds = {array.dtype.kind for array in arrays}
    return (
        len({array.shape for array in arrays}) == 1
        and arrays[0].ndim > 0
        and (kinds <= set("iuf") or kinds == {"b"})
    )
