"""Files to sessions and sessions to files: checked, atomic, with errors that name the file."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from spikelab.atomic import replacing_file, replacing_folder
from spikelab.errors import (
    ArgumentTypeError,
    FormatError,
    MissingFile,
    OptionError,
    SpikelabError,
    SpikelabWarning,
    TargetError,
)
from spikelab.formats import registry
from spikelab.formats.registry import Format
from spikelab.spikedata.spikedata import SpikeData
from spikelab.units import require_fs

PathLike = str | os.PathLike[str]
# What a folder has that is of this format.
_FOLDER_MARKS = {
    "kilosort": ("spike_times.npy", "params.py"),
    "spikeinterface": ("si_folder.json", "spikeinterface_info.json", ".zattrs", "zarr.json"),
}


def load(
    path: PathLike,
    format: str | None = None,
    options: Any = None,
    *,
    session: str | None = None,
) -> SpikeData:
    """Read a session.

    Parameters
    ----------
    path : str or os.PathLike
        The file or folder.
    format : str, optional
        Name of its format; by default found out from its content and name.
    options : Options of the format, or mapping, optional
        What the file does not say about itself.
    session : str, optional
        Name for error messages.

    Returns
    -------
    SpikeData

    Raises
    ------
    MissingFile
        If there is nothing at that path.
    SpikelabError
        If the content is not what the format asks for; the message names the file.
    """
    source = Path(path)
    entry = find(source, format, session=session)
    with _reading(source, session):
        return entry.load_module().read(source, _options(entry, options))


def load_source(
    path: PathLike,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    fs_Hz: float | None = None,
    metadata: Mapping[str, Any] | None = None,
    session: str | None = None,
) -> SpikeData:
    """Read a session and add what its owner knows about it.

    Parameters
    ----------
    path, format, options, session
        As in :func:`load`.
    fs_Hz : float, optional
        Sampling frequency in Hz, for sources that do not state it.
    metadata : mapping, optional
        Facts that go before those in the file.

    Returns
    -------
    SpikeData

    Raises
    ------
    OptionError
        If the source states another sampling frequency.
    SpikelabError
        As in :func:`load`.
    """
    given = dict(options or {})
    if fs_Hz is not None:
        fs_Hz = require_fs(fs_Hz, why="the session")
    entry = find(path, format, session=session)
    if fs_Hz is not None and "fs_Hz" in entry.option_names():
        given.setdefault("fs_Hz", fs_Hz)
    sd = load(path, entry.name, given, session=session)
    stated = sd.metadata.get("fs_Hz")
    if fs_Hz is not None and stated is not None and float(stated) != fs_Hz:
        raise OptionError(
            "the source states another sampling frequency",
            found=f"{stated} Hz in the source, {fs_Hz} Hz given",
            hint="leave the sampling frequency out, or correct it",
            path=path,
            session=session,
        )
    sd.metadata.update(metadata or {})
    if fs_Hz is not None:
        sd.metadata["fs_Hz"] = fs_Hz
    return sd


def save(
    sd: SpikeData,
    path: PathLike,
    format: str | None = None,
    options: Any = None,
    *,
    session: str | None = None,
) -> Path:
    """Write a session; an older target is replaced once the new one is complete, or kept.

    Parameters
    ----------
    sd : SpikeData
        The session.
    path : str or os.PathLike
        The file or folder to make.
    format : str, optional
        Name of the format; by default guessed from the path.
    options : Options of the format, or mapping, optional
        How to write it.
    session : str, optional
        Name for error messages.

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    SpikelabError
        If the format cannot hold the session or the target cannot be written; the message
        names the target.
    """
    target = Path(path)
    try:
        entry = registry.guess(target) if format is None else registry.get(format)
        if not entry.writes:
            raise OptionError(
                "the format can only be read",
                found=entry.name,
                allowed=", ".join(registry.EXPORTS),
            )
        # Users may have changed the arrays in place: only a sound session reaches a writer.
        _write(_session(sd).copy(), target, entry, _options(entry, options))
    except SpikelabError as error:
        raise error.locate(path=target, session=session)
    return target


def detect(path: PathLike) -> Format:
    """The format of a file or folder that exists, from its content where the name is not enough.

    Raises
    ------
    OptionError
        If neither content nor name tell.
    """
    source = Path(path)
    if source.is_dir():
        return registry.get(_folder_format(source))
    with source.open("rb") as file:
        is_hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n"
    if not is_hdf5:
        return registry.guess(source)
    from spikelab.formats.hdf5.header import format_of

    return registry.get(format_of(source))


def _folder_format(source: Path) -> str:
    for format, marks in _FOLDER_MARKS.items():
        if any((source / mark).exists() for mark in marks):
            return format
    raise FormatError(
        "the folder holds no session that is known",
        found=", ".join(sorted(path.name for path in source.iterdir())[:12]) or "an empty folder",
        allowed="; ".join(f"{name} has {marks[0]}" for name, marks in _FOLDER_MARKS.items()),
        hint="correct the path, or name the format",
    )


def find(path: PathLike, format: str | None = None, *, session: str | None = None) -> Format:
    """The format of a source, which must exist; arguments and errors as in :func:`load`."""
    with _reading(path, session):
        if not Path(path).exists():
            raise MissingFile("there is no such file or folder", hint="correct the path")
        return detect(path) if format is None else registry.get(format)


@contextmanager
def _reading(path: PathLike, session: str | None) -> Iterator[None]:
    """Add the source to errors; what the system refuses (permissions, damage) is one as well."""
    try:
        yield
    except SpikelabError as error:
        raise error.locate(path=path, session=session)
    except MemoryError as error:
        raise FormatError(
            "the source claims more than the memory holds",
            found=str(error) or "no memory left",
            hint="read it on a larger machine; a small file that needs so much is damaged",
            path=path,
            session=session,
        ) from error
    except OSError as error:
        raise FormatError(
            "the source cannot be read",
            found=str(error),
            hint="check that it is whole and that you may read it",
            path=path,
            session=session,
        ) from error


def _session(sd: object) -> SpikeData:
    if isinstance(sd, SpikeData):
        return sd
    raise ArgumentTypeError("only a SpikeData can be exported", found=type(sd).__name__)


def _options(entry: Format, options: Any) -> Any:
    if options is None or isinstance(options, Mapping):
        return entry.options(options)
    return options


def _write(sd: SpikeData, target: Path, entry: Format, options: Any) -> None:
    module = entry.load_module()
    try:
        if target.exists() and target.is_dir() != entry.folder:
            kind = "folder" if entry.folder else "file"
            raise TargetError(
                f"the target must be a {kind} and is none",
                hint="give another path, or move what is there away",
            )
        if entry.folder:
            _write_folder(sd, target, module, options)
        else:
            with replacing_file(target) as scratch:
                module.write(sd, scratch, options)
    except OSError as error:
        if isinstance(error, SpikelabError):
            raise
        raise TargetError(
            "the target cannot be written",
            found=str(error),
            hint="check the folder, its permissions and the free space of the disk",
        ) from error


def _write_folder(sd: SpikeData, target: Path, module: ModuleType, options: Any) -> None:
    try:
        keep = module.carry_over(target)
    except TargetError:
        # Somebody worked in the folder since. That is in nobody's way where nothing is new.
        with tempfile.TemporaryDirectory() as folder:
            module.write(sd, Path(folder), options)
            if not module.is_same_export(Path(folder), target):
                raise
        warnings.warn(
            f"{target} was changed since its export, and the export is still the same: it is "
            "left as it is",
            SpikelabWarning,
            stacklevel=5,
        )
        return
    with replacing_folder(target, carry_over=keep) as scratch:
        module.write(sd, scratch, options)
