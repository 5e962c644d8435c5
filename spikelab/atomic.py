"""Write aside, then replace: a target is whole or untouched, whatever happens on the way.

A writer is handed a scratch path in the folder of the target, so that the last step is a rename
within one file system. Scratch names are unique: two jobs that write the same target at the same
time cannot mix their bytes, the last one to finish wins. The name tells machine and process, so
that the scratch of a killed process is removed by the next one that writes into the folder.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import uuid
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SCRATCH_PREFIX = ".scratch-"
# An older folder on its way out. It may hold somebody's files: never removed as stale.
REPLACED_PREFIX = ".replaced-"

# Of Linux, linux/fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

# A file name has at most 255 bytes and a character at most 4.
_TAIL_CHARACTERS = 48


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _beside(target: Path, prefix: str = SCRATCH_PREFIX) -> Path:
    owner = f"{_machine()}.{os.getpid()}.{uuid.uuid4().hex[:12]}"
    # The end of the target's name comes last: some libraries look at the suffix.
    return target.with_name(f"{prefix}{owner}-{target.name[-_TAIL_CHARACTERS:]}")


def _prepare(target: Path) -> tuple[Path, Path]:
    """The target behind any symbolic link, its folder made and cleaned, and a scratch path."""
    # Through a symbolic link, what it points at is replaced and the link stays.
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f"{SCRATCH_PREFIX}{_machine()}.*"):
        if _writer_is_dead(stale):
            _remove(stale)
    return target, _beside(target)


def _writer_is_dead(scratch: Path) -> bool:
    process = scratch.name.removeprefix(SCRATCH_PREFIX).split(".")[1]
    if os.name != "posix" or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)  # signal 0 only asks whether the process exists
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing_file(target: Path) -> Iterator[Path]:
    """Yield a scratch path; on success it becomes `target`, on failure it is removed.

    Parameters
    ----------
    target : pathlib.Path
        The file to write. Missing parent folders are made. An older file stays in place until
        the new one is complete and on the disk.

    Yields
    ------
    pathlib.Path
        Where to write.
    """
    target, scratch = _prepare(target)
    try:
        yield scratch
        _sync(scratch)
        scratch.replace(target)
        _sync(target.parent)
    finally:
        _remove(scratch)


@contextmanager
def replacing_folder(target: Path, *, carry_over: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty scratch folder; on success it becomes `target`, on failure it is removed.

    Parameters
    ----------
    target : pathlib.Path
        The folder to write.
    carry_over : collection of str
        Names in an older `target` that are somebody else's: they are taken over by the new folder,
        unless it has a file of that name itself. Everything else of the older folder is deleted.

    Yields
    ------
    pathlib.Path
        An existing, empty folder to write into.
    """
    target, scratch = _prepare(target)
    scratch.mkdir()
    try:
        yield scratch
        for path in sorted(scratch.rglob("*")):
            _sync(path)
        _sync(scratch)
        for old in _swap(scratch, target, carry_over):
            # From here on it is waste, and may be removed as such if this process dies.
            waste = old.rename(_beside(target))
            shutil.rmtree(waste)
        _sync(target.parent)
    finally:
        _remove(scratch)


def _swap(scratch: Path, target: Path, carry_over: Collection[str]) -> list[Path]:
    """Put `scratch` in the place of `target`; return the older folders moved aside for it.

    Where the system can exchange the two, there is a folder in place at any moment, and `scratch`
    is the older one afterwards; elsewhere there is none between two renames. Whatever leaves its
    place hands its `carry_over` to `scratch` first, also the folder of another writer that was
    faster: so these files are in every folder that is ever in place.
    """
    replaced: list[Path] = []
    try:
        while not _placed(scratch, target):
            _link_over(target, scratch, carry_over)
            if _exchanged(scratch, target):
                # What came meanwhile; then the older folder is waste under the scratch's name.
                _link_over(scratch, target, carry_over)
                break
            old = _beside(target, REPLACED_PREFIX)
            with suppress(FileNotFoundError):  # another writer moved it away first
                target.rename(old)
                replaced.append(old)
                _link_over(old, scratch, carry_over)
    except OSError:
        if replaced and not target.exists():
            replaced[-1].rename(target)
        raise
    return replaced[::-1]


def _placed(scratch: Path, target: Path) -> bool:
    """Rename `scratch` to `target`, unless a folder with content is there."""
    try:
        scratch.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _exchanged(one: Path, other: Path) -> bool:
    """Let two paths change places in one step; False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0


def _link_over(old: Path, new: Path, names: Collection[str]) -> None:
    for name in names:
        if os.path.lexists(old / name) and not os.path.lexists(new / name):
            if (old / name).is_dir() and not (old / name).is_symlink():
                shutil.copytree(old / name, new / name, symlinks=True, copy_function=_link)
            else:
                _link(old / name, new / name)


def _link(source: str | Path, target: str | Path) -> None:
    """One more name for a file; a copy where the file system has no hard links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
