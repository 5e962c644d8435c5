"""Files and folders to and from S3, with receipts.

A folder becomes one object per file. The files of a folder are checked one by one; readers that
come while it is uploaded can see some files of the older and some of the newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spikelab.atomic import replacing_folder
from spikelab.errors import SpikelabError, TargetError
from spikelab.s3 import objects
from spikelab.s3.client import Access, S3Url, connection, parse_folder_url, parse_url
from spikelab.s3.content import PART_BYTES
from spikelab.s3.folders import (
    confirm,
    files_of,
    metadata_of,
    names_of,
    refuse_loss,
    remove_stale,
)
from spikelab.s3.parts import Progress, Report, side_by_side
from spikelab.s3.receipt import Receipt


def send(source: Path, url: str, access: Access, *, progress: Report | None = None) -> Receipt:
    """Upload a complete file or folder, unless it is there already, and compare.

    Parameters
    ----------
    source : pathlib.Path
        A file or a folder.
    url : str
        ``s3://bucket/key``; for a folder ``s3://bucket/prefix/``. Objects under the prefix that
        an earlier upload of this folder made, and that it no longer has, are deleted; those of
        others stay.
    access : Access
        How to reach the server.
    progress : callable, optional
        Takes a line of text, every few seconds.

    Returns
    -------
    Receipt
        What the server confirmed.

    Raises
    ------
    MissingFile
        If there is no such file, or no file in the folder.
    OptionError
        If the URL or the endpoint is not usable.
    FormatError
        If a file of a folder has a name that a download would refuse.
    TransferError
        If the upload fails, if what arrived differs, or if somebody else wrote the object or the
        file meanwhile.
    """
    if source.is_dir():
        return _send_folder(source, parse_folder_url(url), access, progress)
    place = parse_url(url)
    with connection(place, access) as client:
        return objects.put_object(client, source, place, report=progress)


def _send_folder(source: Path, url: S3Url, access: Access, progress: Report | None) -> Receipt:
    files = files_of(source, progress)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    with connection(url, access) as client:
        leftovers = objects.unfinished(client, url, progress)

        def send_one(name: str) -> Receipt:
            return objects.put_object(
                client,
                files[name],
                _below(url, name),
                metadata=metadata_of(url),
                leftovers=leftovers,
                report=progress,
            )

        sent = _few_at_once(send_one, sizes, Progress(progress, str(url), len(sizes), "files"))
        for name in remove_stale(client, url, set(files)):
            if progress is not None:
                progress(f"{url}{name}: deleted, the folder no longer has it")
        confirm(client, url, sent)
    return Receipt.of_folder(str(source), str(url), sent)


def _few_at_once(
    transfer: Callable[[str], Receipt], sizes: dict[str, int], progress: Progress
) -> list[Receipt]:
    """Small files side by side, large ones one by one: their parts go side by side."""

    def transfer_one(name: str) -> Receipt:
        done = transfer(name)
        progress.add(1)
        return done

    large = [name for name, size in sizes.items() if size > PART_BYTES]
    small = [name for name, size in sizes.items() if size <= PART_BYTES]
    return [*side_by_side(transfer_one, small), *map(transfer_one, large)]


def _below(url: S3Url, name: str) -> S3Url:
    return S3Url(url.bucket, url.key + name)


def fetch(url: str, target: Path, access: Access, *, progress: Report | None = None) -> Receipt:
    """Download an object, or with a trailing slash all objects below it, checked, in one step.

    The content is compared with the SHA-256 in the object's metadata; where there is none, with
    the ETag if that is an MD5; and always with the size.

    Parameters
    ----------
    url : str
        ``s3://bucket/key`` for a file, ``s3://bucket/prefix/`` for a folder.
    target : pathlib.Path
        What to make. An older file is replaced at the end; an older folder as well, unless it has
        files that the new one lacks.
    access : Access
        How to reach the server.
    progress : callable, optional
        Takes a line of text, every few seconds.

    Returns
    -------
    Receipt
        What was found there.

    Raises
    ------
    MissingFile
        If there is no such object.
    OptionError
        If the URL or the endpoint is not usable.
    FormatError
        If the name of an object would lead out of the folder, or is no plain name.
    TargetError
        If the target cannot be written.
    TransferError
        If the download fails, or if the content is not what was uploaded.
    """
    if url.endswith("/"):
        return _fetch_folder(parse_folder_url(url), target, access, progress)
    place = parse_url(url)
    if target.is_dir():
        raise TargetError("a folder is in the place of the file", path=target)
    with connection(place, access) as client:
        return objects.get_object(client, place, target, progress)


def _fetch_folder(url: S3Url, target: Path, access: Access, progress: Report | None) -> Receipt:
    if target.exists() and not target.is_dir():
        raise TargetError("a file is in the place of the folder", path=target)
    with connection(url, access) as client:
        sizes = names_of(client, url)
        refuse_loss(target, set(sizes))
        try:
            with replacing_folder(target) as scratch:

                def fetch_one(name: str) -> Receipt:
                    got = objects.get_object(client, _below(url, name), scratch / name, progress)
                    return replace(got, path=str(target / name))

                counted = Progress(progress, str(url), len(sizes), "files")
                came = _few_at_once(fetch_one, sizes, counted)
        except SpikelabError:
            raise
        except OSError as error:
            raise TargetError(
                f"{url} cannot be written here", path=target, found=error.strerror
            ) from None
    return Receipt.of_folder(str(target), str(url), came)
