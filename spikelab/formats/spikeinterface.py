"""Sortings that SpikeInterface holds or can read; SpikeInterface itself is optional."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikelab.errors import FormatError, MissingDependency, OptionError
from spikelab.formats.sortings import NEEDED, from_sorting
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import require_fs

__all__ = ["Options", "from_sorting", "read"]

# What its readers raise for files that are not what they expect.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Options:
    """What a path does not say.

    Attributes
    ----------
    reader : str, optional
        A reader of ``spikeinterface.extractors``, e.g. ``'phy'`` or ``'read_phy'``. By default
        the path is one that SpikeInterface saved itself: a sorting or a sorting analyzer (folder
        or zarr), or a sorting's ``.npz``.
    segment_index : int
        The segment to take.
    fs_Hz : float, optional
        Sampling frequency in Hz, only to be compared with the sorting's own.
    """

    reader: str | None = None
    segment_index: int = 0
    fs_Hz: float | None = None


def read(path: Path, options: Options) -> SpikeData:
    """Read a sorting through SpikeInterface.

    Raises
    ------
    MissingDependency
        If SpikeInterface, or what its reader needs, is not installed.
    OptionError
        If there is no such reader, or if `fs_Hz` contradicts the sorting.
    FormatError
        If SpikeInterface cannot read the path, or finds no sorting there.
    """
    load = _reader(path, options.reader)
    if options.reader is None:
        _refuse_foreign_code(path)
    with _foreign("SpikeInterface cannot read this"):
        found = load(path)
    if not all(hasattr(getattr(found, "sorting", found), name) for name in NEEDED):
        raise FormatError(
            "SpikeInterface finds no sorting here",
            found=type(found).__name__,
            hint="give the folder of a sorting or of a sorting analyzer, or name a reader",
        )
    sd = from_sorting(found, segment_index=options.segment_index)
    stated = sd.metadata["fs_Hz"]
    if options.fs_Hz is not None and require_fs(options.fs_Hz, why="fs_Hz") != stated:
        raise OptionError(
            "fs_Hz contradicts the sorting", found=f"{options.fs_Hz} Hz", allowed=f"{stated} Hz"
        )
    return sd


def _reader(path: Path, name: str | None) -> Callable[[Path], Any]:
    try:
        import spikeinterface
        import spikeinterface.extractors as extractors
    except ImportError as error:
        raise MissingDependency(
            "this format needs SpikeInterface", found=str(error), hint="pip install spikeinterface"
        ) from error
    if name is None and path.suffix != ".npz":
        return getattr(spikeinterface, "load", None) or spikeinterface.load_extractor
    name = name or "npz_sorting"
    wanted = name if name.startswith("read_") else f"read_{name}"
    known = [one for one in dir(extractors) if one.startswith("read_")]
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, n=3)
        raise OptionError(
            "SpikeInterface has no such reader",
            found=name,
            allowed=", ".join(one.removeprefix("read_") for one in close or known),
        )
    return getattr(extractors, wanted)


def _refuse_foreign_code(path: Path) -> None:
    """Refuse what SpikeInterface would run while it loads: pickles, classes of other packages."""
    files = (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else (path,)
    for file in files:
        is_json = file.suffix == ".json" or file.name in (".zarray", ".zattrs", ".zmetadata")
        if file.suffix in (".pkl", ".pickle") or (is_json and _names_code(file)):
            raise FormatError(
                "opening this would run code that it brings, so it is not opened",
                found=str(file),
                hint="where you trust it, open it with spikeinterface.load and pass the sorting "
                "to load_spikedata_from_spikeinterface",
            )


def _names_code(file: Path) -> bool:
    found: list[str] = []

    def look(entry: dict[str, Any]) -> dict[str, Any]:
        named = entry.get("class", "spikeinterface.")
        if not str(named).startswith("spikeinterface.") or entry.get("id") == "pickle":
            found.append(str(named))
        return entry

    try:
        json.loads(file.read_bytes(), object_hook=look)
    except (ValueError, RecursionError):
        return True
    return bool(found)


@contextmanager
def _foreign(problem: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingDependency(
            "SpikeInterface needs another package for this", found=str(error), hint="install it"
        ) from error
    except _READER_ERRORS as error:
        raise FormatError(
            problem,
            found=f"{type(error).__name__}: {error}",
            hint="check the path and the reader; SpikeInterface alone must be able to open it",
        ) from error
