"""The check of what a receipt names: every object is read again, byte by byte."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spikelab.errors import OptionError, SpikelabError
from spikelab.s3 import objects
from spikelab.s3.client import (
    Access,
    S3Url,
    connection,
    host_of,
    is_amazon_host,
    parse_folder_url,
    parse_url,
)
from spikelab.s3.content import Content, part_count, stated_sha256
from spikelab.s3.folders import metadata_of, remove_stale, stale_of
from spikelab.s3.parts import get_part
from spikelab.s3.receipt import Receipt


@dataclass(frozen=True)
class Problem:
    """An object that is not what its receipt says.

    Attributes
    ----------
    url : str
        The object.
    what : str
        What is wrong with it.
    repaired : bool
        Whether it has been uploaded again.
    """

    url: str
    what: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.url}: {self.what}{' (repaired)' if self.repaired else ''}"


def check(receipt: Path, access: Access, *, repair: bool = False) -> list[Problem]:
    """Read again, byte by byte, what a receipt names, and say what differs.

    Parameters
    ----------
    receipt : pathlib.Path
        The file of a receipt.
    access : Access
        How to reach the server; it must be the one of the receipt.
    repair : bool
        Upload again what differs, if the local file is still what the receipt says, and write
        the receipt anew. The local file is looked for at its path, then beside the receipt. Once
        all of a folder is right, delete what other uploads of it left there besides.

    Returns
    -------
    list of Problem
        Nothing, if all is as the receipt says.

    Raises
    ------
    MissingFile, FormatError
        If the receipt is not there, or is none.
    OptionError
        If the endpoint is another one than that of the receipt, or is not usable.
    TransferError
        If objects cannot be read.
    """
    expected = Receipt.read(receipt)
    is_folder = expected.objects is not None
    place = (parse_folder_url if is_folder else parse_url)(expected.url)
    with connection(place, access) as client:
        _refuse_other_server(host_of(client), expected.endpoint.lower())
        problems: list[Problem] = []
        found = list(expected.files)
        for i, one in enumerate(expected.files):
            what = _difference(client, one)
            if what is not None and repair:
                metadata = metadata_of(place) if is_folder else {}
                found[i], problem = _repair(client, one, what, receipt, expected, metadata)
                problems.append(problem)
            elif what is not None:
                problems.append(Problem(one.url, what))
        if any(problem.repaired for problem in problems):
            whole = Receipt.of_folder(expected.path, expected.url, found)
            (whole if is_folder else found[0]).save(receipt)
        if is_folder:
            remove = repair and all(problem.repaired for problem in problems)
            problems += _besides(client, place, expected, remove)
    return problems


def _besides(client: Any, place: S3Url, expected: Receipt, remove: bool) -> list[Problem]:
    """Files that other uploads of a folder left there: with its own they would be wrong data."""
    names = {one.url.removeprefix(expected.url) for one in expected.files}
    found = (remove_stale if remove else stale_of)(client, place, names)
    what = "another upload of this folder left it there"
    return [Problem(f"{place}{name}", what, repaired=remove) for name in found]


def _refuse_other_server(host: str, expected: str) -> None:
    if host != expected and not (is_amazon_host(host) and is_amazon_host(expected)):
        raise OptionError(
            "the receipt is of another server than the one asked",
            found=host,
            allowed=expected,
            hint="name its endpoint in AWS_ENDPOINT_URL_S3, or as an argument",
        )


def _difference(client: Any, one: Receipt) -> str | None:
    """What is wrong with an object; None if nothing is."""
    url = parse_url(one.url)
    head = objects.head_of(client, url)
    if head is None:
        return "it is gone"
    size, sha256 = head["ContentLength"], hashlib.sha256()
    if size != one.size:
        return f"it has {size} bytes instead of {one.size}"
    for number in range(part_count(size)):
        sha256.update(get_part(client, url, head, number))
    if sha256.hexdigest() != one.sha256:
        return "its content changed"
    if stated_sha256(head) != one.sha256:
        return "its content is right, the SHA-256 in its metadata is not"
    return None


def _repair(
    client: Any,
    one: Receipt,
    what: str,
    receipt: Path,
    whole: Receipt,
    metadata: dict[str, str],
) -> tuple[Receipt, Problem]:
    local = _local_file(one, receipt, whole)
    if local is None:
        left = f"not repaired: {one.path} is gone as well, or no longer what was sent"
        return one, Problem(one.url, f"{what}; {left}")
    again = objects.put_object(client, local, parse_url(one.url), metadata=metadata, anew=True)
    return replace(again, path=one.path), Problem(one.url, what, repaired=True)


def _local_file(one: Receipt, receipt: Path, whole: Receipt) -> Path | None:
    """Where the file that was sent still is."""
    beside = receipt.parent / Path(whole.path).name / one.url.removeprefix(whole.url)
    for path in (Path(one.path), beside):
        # One that cannot be read is none of it, and one of another size need not be read.
        with suppress(SpikelabError, OSError, ValueError):
            if path.stat().st_size == one.size and Content.of(path).sha256 == one.sha256:
                return path
    return None
