"""Put NWB files where the DANDI archive expects them: ``sub-X/sub-X_ses-Y_ecephys.nwb``."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from spikelab import metadata as names
from spikelab.atomic import replacing_file
from spikelab.errors import FormatError, InvalidSpikeData, TargetError

DANDISET_FILE = "dandiset.yaml"
UNASSIGNED = "unassigned"
_DANDISET = """\
# A stand-in, so that `dandi validate` works here. DANDI assigns the identifier when a dandiset is
# registered: then replace this file by the one that `dandi download` brings.
identifier: unassigned
name: not registered yet
description: sessions in the layout of the DANDI archive
"""
# The names of files are made of keys and values joined by "-" and "_".
_FORBIDDEN = re.compile(r"[_*\\/<>:|\"'?%@;,.\s\x00-\x1f]")
# What tells one session of a subject from another.
_IDENTITY = ("subject_id", "session_id", "session_start_time")


def relative_path(metadata: Mapping[str, Any], *, session: str | None = None) -> PurePosixPath:
    """Where a session belongs in a dandiset.

    Parameters
    ----------
    metadata : mapping
        With ``subject_id``, and ``session_id`` unless `session` is given.
    session : str, optional
        Name of the session where the metadata give none.

    Returns
    -------
    pathlib.PurePosixPath
        Characters that DANDI does not allow in names have become ``-``, as ``dandi organize``
        does it.

    Raises
    ------
    InvalidSpikeData
        If subject or session has no name.
    """
    given = {"session_id": session} | names.parsed(metadata)
    labels = []
    for name in ("subject_id", "session_id"):
        value = given.get(name)
        label = "" if value is None else _FORBIDDEN.sub("-", str(value).strip())
        if not label.strip("-"):
            raise InvalidSpikeData(
                f"{name} names the file in a dandiset, and is not given",
                found=value,
                allowed="a name with at least one letter or digit",
            )
        labels.append(label)
    subject, recording = labels
    return PurePosixPath(f"sub-{subject}", f"sub-{subject}_ses-{recording}_ecephys.nwb")


def gaps(nwb: str | os.PathLike[str]) -> list[str]:
    """Why an NWB file is not ready for the archive, one line each; empty when it is.

    Parameters
    ----------
    nwb : str or os.PathLike
        An NWB file of :mod:`spikelab`.
    """
    return _gaps(*_facts(Path(nwb)))


def archive(
    nwb: str | os.PathLike[str],
    dandiset: str | os.PathLike[str],
    *,
    session: str | None = None,
    taken: Collection[str] = (),
) -> Path:
    """Place an NWB file in a dandiset, so that ``dandi validate`` has no complaint.

    Parameters
    ----------
    nwb : str or os.PathLike
        An NWB file of :mod:`spikelab`. It stays where it is: the dandiset gets a hard link, or a
        copy where the file system has none.
    dandiset : str or os.PathLike
        The root of the dandiset. Where it has no ``dandiset.yaml``, a stand-in is made.
    session : str, optional
        Name of the session where the file states no ``session_id``.
    taken : collection of str
        Paths in the dandiset that belong to other sessions.

    Returns
    -------
    pathlib.Path
        The file in the dandiset.

    Raises
    ------
    InvalidSpikeData
        If something that the archive asks for is missing; the message lists it.
    TargetError
        If there is another session at the place of this one, or the dandiset cannot be written.
    FormatError
        If the file is no NWB file with units.
    """
    source, root = Path(nwb), Path(dandiset)
    metadata, has_electrodes, first_s = _facts(source)
    missing = _gaps(metadata, has_electrodes, first_s)
    if missing:
        raise InvalidSpikeData(
            "the session is not ready for DANDI: " + "; ".join(missing),
            hint="add what is missing to the session sheet or the session's metadata",
            path=source,
            session=session,
        )
    target = root / relative_path(metadata, session=session)
    if str(target) in taken:
        raise _place_is_taken("the same subject_id and session_id in both", target)
    if target.exists() and not source.samefile(target):
        _refuse_another_session(metadata, target)
    try:
        with replacing_file(target) as scratch:
            _link_or_copy(source, scratch)
        if not (root / DANDISET_FILE).exists():
            with replacing_file(root / DANDISET_FILE) as scratch:
                scratch.write_text(_DANDISET, encoding="utf-8")
    except OSError as error:
        raise TargetError(
            "the dandiset cannot be written", found=str(error), path=target
        ) from error
    return target


def _facts(path: Path) -> tuple[dict[str, Any], bool, float]:
    """Metadata, whether units have electrodes, and the earliest spike in s."""
    import h5py
    import numpy as np

    from spikelab.formats.nwb.session import read_metadata

    try:
        with h5py.File(path) as file:
            metadata = read_metadata(file)
            metadata["fs_Hz"] = file.attrs.get("fs_Hz")
            times_s = file["units/spike_times"][:]
            has_electrodes = "general/extracellular_ephys/electrodes" in file
    except (OSError, KeyError) as error:
        raise FormatError("this is no NWB file with units", found=str(error), path=path) from error
    return metadata, has_electrodes, float(np.min(times_s, initial=np.inf))


def _gaps(metadata: Mapping[str, Any], has_electrodes: bool, first_s: float) -> list[str]:
    # DANDI asks for no keywords, and neo opens no file that has them.
    found = names.archive_gaps({"keywords": UNASSIGNED, **metadata}, electrodes=has_electrodes)
    found += names.problems(metadata)
    if first_s < 0:
        found.append("spike times are negative: export with align_start")
    return found


def _refuse_another_session(metadata: Mapping[str, Any], target: Path) -> None:
    there = _facts(target)[0]
    for name in _IDENTITY:
        if metadata.get(name) != there.get(name):
            found = f"{name} {there.get(name)} there, {metadata.get(name)} here"
            raise _place_is_taken(found, target)


def _place_is_taken(found: str, target: Path) -> TargetError:
    return TargetError(
        "another session has this place in the dandiset",
        found=found,
        hint="give the sessions different values of session_id",
        path=target,
    )


def _link_or_copy(source: Path, scratch: Path) -> None:
    try:
        os.link(source.resolve(), scratch)
    except OSError:
        shutil.copyfile(source, scratch)
