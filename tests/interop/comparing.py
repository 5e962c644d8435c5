"""What a reader reports of a session, and what of that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.sessions import Source
from tests.interop.spikelab_process import SpikelabProcess

KEYWORDS_CHECK = "check_keywords"


@dataclass
class Seen:
    """What a reader reports of a session; None is what it does not speak of.

    Attributes
    ----------
    trains : list of numpy.ndarray of int, shape (n_spikes,)
        Samples, or bins, of each unit.
    ids : list of int
    channels : list of (int or None)
    places : list of (sequence of float or None)
        Micrometres along `axes`.
    window_s : (float, float)
        Start and end of the session.
    messages : list of str
        Complaints of a validator.
    """

    trains: Sequence[Any] | None = None
    ids: Sequence[Any] | None = None
    channels: Sequence[int | None] | None = None
    places: Sequence[Any] | None = None
    axes: tuple[int, ...] = (0, 1, 2)
    window_s: tuple[float, float] | None = None
    messages: Sequence[str] = ()


@dataclass(frozen=True)
class Reader:
    """One way of opening one format.

    Attributes
    ----------
    name, package : str
        The call, and the package whose version counts.
    format : str
        The export that it opens.
    read : callable
        Takes the path of the export and the SpikeLab library; returns what is seen.
    unspoken : tuple of str
        Facts on which it says nothing (keywords: which it asks for, and neo does not bear).
    limits : dict of str to str
        Facts that it gets wrong by itself, and how.
    validates_only : bool
        Whether it judges the file and reports nothing of the session.
    bin_ms : float, optional
        Width of the bins in which it sees spikes.
    """

    name: str
    package: str
    format: str
    read: Callable[[Path, SpikelabProcess], Seen]
    unspoken: tuple[str, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    validates_only: bool = False
    bin_ms: float | None = None


def findings(reader: Reader, seen: Seen, source: Source) -> dict[str, str]:
    """Facts of `source` that are ``'unspoken'`` or ``'wrong'`` in what a reader has seen."""
    messages = set(seen.messages)
    found = dict.fromkeys(messages and ["messages"], "wrong")
    if messages == {KEYWORDS_CHECK}:
        found = {"keywords": "unspoken"}
    if reader.validates_only:
        return found
    if seen.trains is None:
        return {"spikes": "wrong"}
    expected = source.samples(reader.bin_ms)
    if len(seen.trains) != len(expected):
        # Then the units are those that have spikes.
        expected = {one: samples for one, samples in expected.items() if samples.size}
        found["silent units"] = "unspoken"
    ids = list(expected) if seen.ids is None else [int(one) for one in seen.ids]
    if sorted(ids) != sorted(expected):
        return found | {"ids": "wrong"}
    if not all(np.array_equal(t, expected[one]) for one, t in zip(ids, seen.trains, strict=True)):
        found["spikes"] = "wrong"
    facts = {
        "ids": None if seen.ids is None else True,
        "channels": _agree(ids, seen.channels, source.ids, source.channels),
        "places": _agree(ids, plain(seen.places), source.ids, _on(source.places, seen.axes)),
        "start and end": None
        if seen.window_s is None
        else bool(np.allclose(seen.window_s, source.window_s, rtol=0, atol=1e-9)),
    }
    words = {None: "unspoken", False: "wrong"}
    return found | {fact: words[value] for fact, value in facts.items() if value is not True}


def _agree(ids, seen, source_ids, expected) -> bool | None:
    if all(value is None for value in expected):
        return True  # the session has none: exporters may have put placeholders
    if seen is None:
        return None
    wanted = dict(zip(source_ids, expected, strict=True))
    return all(wanted[one] == value for one, value in zip(ids, seen, strict=True))


def _on(places, axes):
    return [None if place is None else [place[axis] for axis in axes] for place in places]


def plain(values: Any) -> list[Any] | None:
    """Lists for arrays, None for what is not a number."""
    if values is None:
        return None
    found = [None if value is None else np.asarray(value).tolist() for value in values]
    return [None if value is None or np.isnan(value).any() else value for value in found]
