"""Opening HDF5 files, and taking from them only what they really hold.

Files of unknown origin may be damaged, point elsewhere, or claim sizes they do not have: all of
that ends in an error of :mod:`spikelab.errors` that says what was found.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikelab.errors import FormatError, MissingFile, SpikelabError, TargetError

# HDF5 1.8 and later read what this makes. The lower bound lets attributes grow beyond 64 KB.
_LIBVER = ("v108", "v110")
# Deflate cannot shrink data more than about 1032 times: beyond that, nothing is behind the claim.
_MAX_RATIO = 1100
_ALWAYS_PLAUSIBLE_BYTES = 2**28
_MAX_LINKS = 16


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading, also where the file system knows no locks.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Yields
    ------
    h5py.File

    Raises
    ------
    MissingFile
        If there is none.
    FormatError
        If it is no HDF5 file, is cut short or damaged, or is being written.
    """
    try:
        with _open(path) as file:
            yield file
    except SpikelabError as error:
        raise error.locate(path=path)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        # What h5py reports of damaged files comes as any of these.
        raise FormatError(
            "part of the HDF5 file cannot be read; it may be damaged", found=str(error), path=path
        ) from error


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise MissingFile("there is no such file", hint="correct the path") from error
    except BlockingIOError as error:
        raise FormatError(
            "another program has the HDF5 file open for writing",
            hint="close it there, or wait until it is done",
        ) from error
    except OSError as error:
        if "lock" in str(error):
            return h5py.File(path, "r", locking=False)
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, reason: str) -> FormatError:
    if "truncated" in reason:
        what, hint = "the HDF5 file is truncated", "copy or make it again"
    elif "signature not found" in reason:
        what, hint = "this is no HDF5 file", "correct the path or the format"
    else:
        what, hint = "the file cannot be opened as HDF5", "check what it is, and its permissions"
    size = f" ({path.stat().st_size} bytes)" if path.is_file() else ""
    return FormatError(what, found=reason + size, hint=hint)


class _Guarded(io.FileIO):
    """A file that keeps the first failure for the end.

    The HDF5 library crashes the whole process, later, when a write fails (measured with HDF5
    2.0: a full disk ends in a segmentation fault at exit). It is told that all is well, and the
    failure is raised when HDF5 is done.
    """

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        n_bytes = len(rest)
        while self.failure is None and len(rest):
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.failure = error
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.failure = error
        return size or 0


@contextmanager
def writing(path: Path, libver: Any = _LIBVER) -> Iterator[h5py.File]:
    """Make a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    libver : str or tuple of str, optional
        Versions of the library that must be able to read it, as in :class:`h5py.File`.

    Yields
    ------
    h5py.File

    Raises
    ------
    TargetError
        If the system or the library cannot write it.
    """
    with _Guarded(path, "w+b") as raw:
        try:
            with h5py.File(raw, "w", libver=libver) as file:
                yield file
        except (OSError, RuntimeError) as error:
            if isinstance(error, SpikelabError):
                raise
            raise _unwritable(raw.failure or error) from error
        if raw.failure is not None:
            raise _unwritable(raw.failure)


def _unwritable(reason: Exception) -> TargetError:
    return TargetError(
        "the HDF5 file cannot be written",
        found=str(reason),
        hint="check the free space of the disk and its quota",
    )


def find(group: h5py.Group, name: str, *, _links: int = 0) -> h5py.Group | h5py.Dataset | None:
    """The group or dataset of that name, or None.

    Raises
    ------
    FormatError
        If the name leads to another file.
    """
    item = group.file["/"] if name.startswith("/") else group
    for part in filter(None, name.split("/")):
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink) or _links > _MAX_LINKS:
            raise _elsewhere(name, getattr(link, "filename", "a chain of links"))
        if isinstance(link, h5py.SoftLink):
            item = find(item, link.path, _links=_links + 1)
        else:
            item = _member(item, part)
    return item


def _member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    try:
        return group[name]
    except KeyError as error:
        raise FormatError(f"{name!r} is damaged", found=str(error)) from error


def _elsewhere(name: str, target: str) -> FormatError:
    return FormatError(
        f"{name!r} points to another file",
        found=target,
        allowed="data inside the file",
        hint="copy the data into one file",
    )


def dataset(file: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset of that name, checked to be there and to be in this file.

    Raises
    ------
    FormatError
        If there is no such dataset, if its data are in another file, or if it claims far more
        data than the file holds.
    """
    found = find(file, name)
    if not isinstance(found, h5py.Dataset):
        what = "a group of that name" if isinstance(found, h5py.Group) else contents(file)
        raise FormatError(f"there is no dataset {name!r}", found=what)
    if found.is_virtual or found.external:
        raise _elsewhere(name, "a virtual or external dataset")
    if found.shape is None:
        raise FormatError(f"dataset {name!r} is empty: it has no shape at all")
    claimed, stored = found.size * found.dtype.itemsize, found.id.get_storage_size()
    if claimed > max(_ALWAYS_PLAUSIBLE_BYTES, _MAX_RATIO * stored):
        raise FormatError(
            f"dataset {name!r} claims more than the file holds",
            found=f"shape {found.shape}, {claimed} bytes, of which {stored} are stored",
        )
    return found


def numeric(file: h5py.Group, name: str, *, ndim: int, kinds: str = "iuf") -> h5py.Dataset:
    """The dataset of that name, checked to hold numbers in `ndim` dimensions.

    Parameters
    ----------
    file : h5py.Group
        Where to look.
    name : str
        Name of the dataset.
    ndim : int
        Number of dimensions asked for.
    kinds : str
        The dtype kinds that are numbers here, as in ``numpy.dtype.kind``.

    Raises
    ------
    FormatError
        If it is not so; and as in :func:`dataset`.
    """
    found = dataset(file, name)
    if found.ndim != ndim or found.dtype.kind not in kinds:
        raise FormatError(
            f"dataset {name!r} has the wrong content",
            found=f"shape {found.shape}, dtype {found.dtype}",
            allowed=f"numbers in {ndim} dimension{'s' if ndim > 1 else ''}",
        )
    return found


def numbers(file: h5py.Group, name: str, *, ndim: int, kinds: str = "iuf") -> NDArray[np.generic]:
    """The values of a dataset; arguments and errors as in :func:`numeric`."""
    return numeric(file, name, ndim=ndim, kinds=kinds)[()]


def contents(group: h5py.Group, limit: int = 12) -> str:
    """What is at the top of a file, in one line for an error message."""
    # Damaged names, which are no text, come as bytes.
    members = sorted(group, key=ascii)[:limit]
    names = [f"{name}{_shape(group, name)}" for name in members]
    more = len(group) - len(names)
    return (", ".join(names) or "nothing") + (f" and {more} more" if more else "")


def _shape(group: h5py.Group, name: str) -> str:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return " (link)"
    item = _member(group, name)
    return f" {item.shape} {item.dtype}" if isinstance(item, h5py.Dataset) else "/"
