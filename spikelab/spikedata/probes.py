"""Which probe, and which shank of it, a unit was recorded with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

# Names under which sorters and labs keep the probe, and its shank, of a unit.
PROBE_KEYS = ("probe", "probe_id", "electrode_group", "group_name")
SHANK_KEYS = ("shank", "sh")


def probe_of(unit: Mapping[str, Any]) -> str:
    """Probe and shank of a unit as one text, as far as known; empty when nothing is.

    Channel numbers are distinct only within what this names.
    """
    probe = _first_label(unit, PROBE_KEYS)
    shank = _first_label(unit, SHANK_KEYS)
    parts = [probe] if probe else []
    parts += [f"shank{shank}"] if shank else []
    return " ".join(parts)


def _first_label(unit: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    for key in keys:
        value = unit.get(key)
        if isinstance(value, (str, Integral)) and str(value).strip():
            return str(value).strip()
    return None
