"""SpikeData pickles, the same in both directions as those of the SpikeLab library.

Such a pickle names the class ``spikelab.spikedata.spikedata.SpikeData`` and carries its instance
dict. Reading never runs code (:mod:`spikelab.formats.safe_pickle`); writing first brings the
session into one form, so that equal sessions give equal bytes.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from spikelab.errors import FormatError, LossWarning, OptionError
from spikelab.formats import safe_pickle
from spikelab.formats.pickle_names import Session
from spikelab.formats.plain import in_one_layout, portable
from spikelab.spikedata.spikedata import SpikeData

DEFAULT_PROTOCOL = 5
_STATE = (
    "train",
    "N",
    "length",
    "start_time",
    "neuron_attributes",
    "metadata",
    "raw_data",
    "raw_time",
)


@dataclass(frozen=True)
class Options:
    """How to write a pickle.

    Attributes
    ----------
    protocol : int, optional
        Pickle protocol, 0 to 5; -1 is the highest. By default 5.
    """

    protocol: int | None = None

    def __post_init__(self) -> None:
        protocol = self.protocol
        if protocol is None:
            return
        is_number = isinstance(protocol, Integral) and not isinstance(protocol, bool)
        if not (is_number and -1 <= protocol <= DEFAULT_PROTOCOL):
            raise OptionError(
                "there is no such pickle protocol",
                found=repr(protocol),
                allowed=f"0 to {DEFAULT_PROTOCOL}, or -1 for the highest",
            )


def read(path: Path, options: Options) -> SpikeData:
    """Read a pickled session; nothing in the file is run.

    Raises
    ------
    FormatError
        If the file is no pickled SpikeData, or names anything that is not on the list.
    InvalidSpikeData
        If its content breaks a rule of sessions.

    Warns
    -----
    LossWarning
        If the pickled object has attributes that a session has not.
    """
    content = path.read_bytes()
    value = safe_pickle.loads(content)
    if not isinstance(value, Session):
        raise FormatError(
            "the pickle holds no SpikeData",
            found=f"a {type(value).__name__}",
            hint="build a SpikeData from it in Python and export that",
        )
    return _session(value.state or {}, len(content))


def _session(state: dict[str, Any], n_bytes: int) -> SpikeData:
    train = state.get("train")
    if type(train) is not list or not all(isinstance(times, np.ndarray) for times in train):
        raise FormatError("the pickled SpikeData has no list of spike times ('train')")
    # A small file may name one array many times over, to fill the memory.
    if sum(times.nbytes for times in train) > n_bytes:
        raise FormatError("the pickled spike times are larger than their file")
    if "N" in state and _number(state["N"], "N") != len(train):
        raise FormatError("N does not fit the spike trains", found=f"{len(train)} trains")
    unknown = sorted(ascii(name) for name in set(state) - set(_STATE))
    if unknown:
        text = f"attributes of the pickled object that a session has not: {', '.join(unknown)}"
        warnings.warn(text, LossWarning, stacklevel=5)
    raw_data, raw_time = _raw(state)
    return SpikeData(
        train,
        length=_number(state.get("length"), "length"),
        start_time=_number(state.get("start_time", 0.0), "start_time"),
        neuron_attributes=_kind(state.get("neuron_attributes"), list, "neuron_attributes"),
        metadata=_kind(state.get("metadata"), dict, "metadata"),
        raw_data=raw_data,
        raw_time=raw_time,
    )


def _number(value: Any, name: str) -> Any:
    if type(value) in (int, float) or isinstance(value, (np.integer, np.floating)):
        return value
    raise FormatError(f"{name} of the pickled SpikeData is no number", found=type(value).__name__)


def _kind(value: Any, kind: type, name: str) -> Any:
    if value is None or type(value) is kind:
        return value
    raise FormatError(
        f"{name} of the pickled SpikeData is no {kind.__name__}", found=type(value).__name__
    )


def _raw(state: Mapping[str, Any]) -> tuple[Any, Any]:
    data, time = state.get("raw_data"), state.get("raw_time")
    if data is None and time is None:
        return None, None
    if (
        not (isinstance(data, np.ndarray) and isinstance(time, np.ndarray))
        or time.ndim != 1
        or {data.dtype.kind, time.dtype.kind} - set("biuf")
    ):
        raise FormatError("the raw traces of the pickled SpikeData are no arrays of numbers")
    return (None, None) if data.shape == (0, 0) and not time.size else (data, time)


def write(sd: SpikeData, path: Path, options: Options) -> None:
    """Write a pickle.

    Warns
    -----
    LossWarning
        For each attribute and each entry of the metadata that holds something else than plain
        values (:mod:`spikelab.formats.plain`): it is left out, or kept in the plainer form that
        the warning tells.
    """
    twin = SpikeData.__new__(SpikeData)
    vars(twin).update(_state_of(sd))
    with path.open("wb") as file:
        protocol = DEFAULT_PROTOCOL if options.protocol is None else options.protocol
        pickler = pickle.Pickler(file, int(protocol))
        # Without a memo the bytes depend on values alone, not on which of them are one object.
        pickler.fast = True
        pickler.dump(twin)


def _state_of(sd: SpikeData) -> dict[str, Any]:
    losses: dict[tuple[str, str], int] = {}

    def kept(mapping: Mapping[Any, Any], name: str) -> dict[Any, Any]:
        return portable(mapping, lambda key, why: _count(losses, f"{name}[{key!r}]", why))

    attributes = sd.neuron_attributes
    state = {
        "train": [in_one_layout(times) for times in sd.train],
        "N": int(sd.N),
        "length": float(sd.length),
        "start_time": float(sd.start_time),
        "neuron_attributes": attributes
        and [kept(unit, "neuron_attributes[...]") for unit in attributes],
        "metadata": kept(sd.metadata, "metadata"),
        "raw_data": in_one_layout(sd.raw_data),
        "raw_time": in_one_layout(sd.raw_time),
    }
    for (entry, why), n in losses.items():
        text = f"a pickle does not keep {entry} as it is ({n} times): {why}"
        warnings.warn(text, LossWarning, stacklevel=6)
    return state


def _count(losses: dict[tuple[str, str], int], entry: str, why: str) -> None:
    losses[entry, why] = losses.get((entry, why), 0) + 1
