"""Folders as objects with a common prefix: which names they may have, and which are stale."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from spikelab.errors import FormatError, MissingFile, TransferError
from spikelab.s3.client import S3Url, code_of, host_of
from spikelab.s3.objects import head_of

FOLDER = "spikelab-folder"


def metadata_of(url: S3Url) -> dict[str, str]:
    """What marks an object as one that an upload of this folder put there."""
    # Hashed: metadata hold ASCII only, and are short.
    return {FOLDER: hashlib.sha256(url.key.encode()).hexdigest()[:16]}


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a local folder, by their names in it, with slashes; hidden ones stay here.

    Raises
    ------
    MissingFile
        If there is none.
    FormatError
        If a name is none that a download would accept.
    """
    found = {
        PurePosixPath(path.relative_to(folder)).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_hidden(path.relative_to(folder))
    }
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
        for name, size in _listed(client, url)
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


def _listed(client: Any, url: S3Url) -> Iterator[tuple[str, int]]:
    pages = client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=url.bucket, Prefix=url.key):
        for one in page.get("Contents", ()):
            yield one["Key"][len(url.key) :], one["Size"]


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

    stale = [name for name in _others(client, url, names) if _is_ours(client, url, name)]
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


def _others(client: Any, url: S3Url, names: set[str]) -> list[str]:
    return [name for name, _ in _listed(client, url) if name not in names]


def _is_ours(client: Any, url: S3Url, name: str) -> bool:
    head = head_of(client, S3Url(url.bucket, url.key + name))
    return head is not None and metadata_of(url).items() <= head["Metadata"].items()


def refuse_loss(target: Path, names: list[str]) -> None:
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
