"""Folders as objects with a common prefix: which names they may have, and which are stale."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from spikelab.errors import FormatError, MissingFile, TransferError
from spikelab.s3.client import S3Url, code_of, host_of
from spikelab.s3.content import etag_of
from spikelab.s3.objects import head_of
from spikelab.s3.parts import Report
from spikelab.s3.receipt import Receipt

FOLDER = "spikelab-folder"


def metadata_of(url: S3Url) -> dict[str, str]:
    """What marks an object as one that an upload of this folder put there."""
    # Hashed: metadata hold ASCII only, and are short.
    return {FOLDER: hashlib.sha256(url.key.encode()).hexdigest()[:16]}


def files_of(folder: Path, report: Report | None = None) -> dict[str, Path]:
    """The files of a local folder, by their names in it, with slashes; hidden ones stay here.

    Links to folders and to nothing stay here as well, which `report` is told.

    Raises
    ------
    MissingFile
        If there is none.
    FormatError
        If a name is none that a download would accept.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if _is_hidden(path.relative_to(folder)):
            continue
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path
        elif report is not None and (path.is_symlink() or not path.is_dir()):
            report(f"{path}: no file and no plain folder, not uploaded")
    if not found:
        raise MissingFile("there is no file to upload in this folder", path=folder)
    refuse_hostile(list(found), str(folder))
    return found


def _is_hidden(path: Path) -> bool:
    """Caches such as Phy's, Snakemake's time stamps, scratch files: no part of what is exported."""
    return any(part.startswith(".") for part in path.parts)


def names_of(client: Any, url: S3Url) -> dict[str, int]:
    """The objects of a folder, by their names in it, and their sizes in bytes.

    Raises
    ------
    MissingFile
        If there is none.
    FormatError
        If a name would lead out of the folder, or cannot be a file beside the others.
    """
    found = {
        name: size
        for name, size in ((name, one["Size"]) for name, one in _listed(client, url))
        # Consoles make an empty object "folder/" when asked for a folder.
        if size or not (name == "" or name.endswith("/"))
    }
    if not found:
        raise MissingFile(
            f"there is no object under {url} on {host_of(client)}",
            hint="correct the bucket and the prefix, or upload it first",
        )
    refuse_hostile(list(found), str(url))
    return found


def _listed(client: Any, url: S3Url) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the server lists below a folder: names in it, and sizes and ETags."""
    pages = client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=url.bucket, Prefix=url.key):
        for one in page.get("Contents", ()):
            yield one["Key"][len(url.key) :], one


def refuse_hostile(names: list[str], where: str) -> None:
    """Raise a FormatError for names that are no plain files below a folder."""
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    for name in names:
        parts = name.split("/")
        plain = name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(parts)
        if not plain or name in folders:
            raise FormatError(
                f"{where} has a name that cannot be a file in a folder",
                found=name,
                allowed="plain names, no '..', no leading or double slash, no file that is also "
                "a folder",
                hint="rename it",
            )


def remove_stale(client: Any, url: S3Url, names: set[str]) -> list[str]:
    """Delete what earlier uploads of this folder put there and the folder no longer has.

    Objects of others have no mark of ours, or that of another folder, and stay.

    Raises
    ------
    TransferError
        If one cannot be deleted: two exports would be mixed.
    """
    from botocore.exceptions import ClientError

    stale = stale_of(client, url, names)
    for name in stale:
        try:
            client.delete_object(Bucket=url.bucket, Key=url.key + name)
        except ClientError as error:
            raise TransferError(
                f"a file of an earlier export cannot be deleted on {host_of(client)}",
                found=f"{url}{name}: {code_of(error)}",
                hint="have it deleted: who downloads the folder would mix two exports",
            ) from None
    return stale


def stale_of(client: Any, url: S3Url, names: Collection[str]) -> list[str]:
    """What earlier uploads of this folder put there and is none of `names`."""
    others = [name for name, _ in _listed(client, url) if name not in names]
    return [name for name in others if _is_ours(client, url, name)]


def confirm(client: Any, url: S3Url, sent: Collection[Receipt]) -> None:
    """Raise a TransferError unless all that was sent is still there: two uploads may meet."""
    there = {str(url) + name: (one["Size"], etag_of(one)) for name, one in _listed(client, url)}
    lost = [one.url for one in sent if there.get(one.url) != (one.size, one.etag)]
    if lost:
        raise TransferError(
            f"objects of {url} on {host_of(client)} changed while the folder was uploaded",
            found=", ".join(lost[:5]),
            hint="upload it again once nothing else writes there",
        )


def _is_ours(client: Any, url: S3Url, name: str) -> bool:
    head = head_of(client, S3Url(url.bucket, url.key + name))
    return head is not None and metadata_of(url).items() <= head["Metadata"].items()


def refuse_loss(target: Path, names: Collection[str]) -> None:
    """Raise a TransferError if a folder to be replaced has files that the new one lacks."""
    lost = [
        os.fspath(path.relative_to(target))
        for path in sorted(target.rglob("*"))
        if not path.is_dir() and path.relative_to(target).as_posix() not in names
    ]
    if lost:
        raise TransferError(
            "the folder has files that the download would replace by nothing",
            path=target,
            found=", ".join(lost[:5]),
            hint="choose another folder, or move them away",
        )
