"""Write aside, then replace: a target is whole or untouched, whatever happens on the way.

A writer is handed a scratch path in the folder of the target, so that the last step is a rename
within one file system. Scratch names are unique: two jobs that write the same target at the same
time cannot mix their bytes, the last one to finish wins.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

SCRATCH_PREFIX = ".scratch-"


def _scratch_beside(target: Path) -> Path:
    # The name of the target comes last: some libraries look at the suffix of what they write.
    return target.with_name(f"{SCRATCH_PREFIX}{uuid.uuid4().hex[:12]}-{target.name}")


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
    target.parent.mkdir(parents=True, exist_ok=True)
    # Through a symbolic link, the file it points at is replaced and the link stays.
    target = target.resolve()
    scratch = _scratch_beside(target)
    try:
        yield scratch
        _sync(scratch)
        os.replace(scratch, target)
        _sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path, *, carry_over: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty scratch folder; on success it becomes `target`, on failure it is removed.

    Parameters
    ----------
    target : pathlib.Path
        The folder to write.
    carry_over : collection of str
        Names in an older `target` that are somebody else's: they are moved into the new folder,
        unless it has a file of that name itself. Everything else of the older folder is deleted.

    Yields
    ------
    pathlib.Path
        An existing, empty folder to write into.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target = target.resolve()
    scratch = _scratch_beside(target)
    scratch.mkdir()
    try:
        yield scratch
        for path in sorted(scratch.rglob("*")):
            _sync(path)
        _sync(scratch)
        _swap(scratch, target, carry_over)
        _sync(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap(scratch: Path, target: Path, carry_over: Collection[str]) -> None:
    """Put `scratch` in the place of `target`, which may exist."""
    if not target.exists():
        os.rename(scratch, target)
        return
    old = _scratch_beside(target)
    os.rename(target, old)
    try:
        os.rename(scratch, target)
    except OSError:
        os.rename(old, target)
        raise
    for name in carry_over:
        if (old / name).exists() and not (target / name).exists():
            os.rename(old / name, target / name)
    shutil.rmtree(old)
