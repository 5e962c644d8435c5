"""Objects on S3 and servers like it: checked uploads and downloads of single files.

An upload carries the file's SHA-256 in the object's metadata and is compared afterwards; a
download is compared with it. Folders and receipts kept in files are in
:mod:`spikelab.s3.transfers`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spikelab.atomic import replacing_file
from spikelab.errors import MissingFile, TargetError, TransferError
from spikelab.s3.client import Access, S3Url, code_of, connection, host_of
from spikelab.s3.content import SHA256, Content, etag_of, md5_etag, stated_sha256
from spikelab.s3.parts import Progress, Report, abort, get_to, put
from spikelab.s3.receipt import Receipt

FROM_ENVIRONMENT = Access()
# What a server answers to a write when another writer was faster, or cleared our parts away.
_OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "NoSuchUpload")


def upload(local: Path, url: S3Url, access: Access = FROM_ENVIRONMENT) -> str:
    """Upload a complete file, unless the object is the same already, and compare.

    Parameters
    ----------
    local : pathlib.Path
        The file.
    url : S3Url
        Where to.
    access : Access
        How to reach the server.

    Returns
    -------
    str
        The URL of the object.

    Raises
    ------
    MissingFile
        If there is no such file.
    TransferError
        If the upload fails, if what arrived differs, or if somebody else wrote the object or the
        file meanwhile.
    """
    with connection(url, access) as client:
        put_object(client, local, url)
    return str(url)


def download(url: S3Url, local: Path, access: Access = FROM_ENVIRONMENT) -> Path:
    """Download an object; an older file is replaced once the new one is complete and checked.

    Parameters
    ----------
    url : S3Url
        The object.
    local : pathlib.Path
        The file to make.
    access : Access
        How to reach the server.

    Returns
    -------
    pathlib.Path
        `local`.

    Raises
    ------
    MissingFile
        If there is no such object.
    TargetError
        If the file cannot be written.
    TransferError
        If the download fails, or if the content is not what was uploaded.
    """
    with connection(url, access) as client:
        get_object(client, url, local)
    return local


def put_object(
    client: Any,
    local: Path,
    url: S3Url,
    *,
    metadata: dict[str, str] | None = None,
    leftovers: dict[str, list[str]] | None = None,
    anew: bool = False,
    report: Report | None = None,
) -> Receipt:
    """Upload a file as :func:`upload` does.

    Parameters
    ----------
    client : botocore.client.S3
        From :func:`spikelab.s3.client.connection`.
    local, url
        From where to where.
    metadata : dict of str, optional
        What the object carries besides the file's SHA-256.
    leftovers : dict of list of str, optional
        The answer of :func:`unfinished`, where it is known already.
    anew : bool
        Upload also where the server says that the object is the same.
    report : callable, optional
        Takes a line of text now and then.
    """
    head = head_of(client, url)  # a wrong secret shows before a large file is read
    content = Content.of(local)
    metadata = metadata or {}
    if leftovers is None:
        leftovers = unfinished(client, url, report)
    if anew or content.differences(head) or not _has(head, metadata):
        refusal = _put(client, content, url, metadata, head, report)
        head = head_of(client, url)
        problems = content.differences(head)
        if problems:
            raise TransferError(
                f"what is at {url} is not what was sent to {host_of(client)}",
                found="; ".join([*problems, *refusal]),
                hint="upload again; if it stays so, something else writes there as well",
            )
    abort(client, url, leftovers.get(url.key, ()))
    return _receipt(client, local, url, head or {}, content.sha256)


def _has(head: dict[str, Any] | None, metadata: dict[str, str]) -> bool:
    return head is not None and metadata.items() <= head["Metadata"].items()


def _put(
    client: Any,
    content: Content,
    url: S3Url,
    metadata: dict[str, str],
    head: dict[str, Any] | None,
    report: Report | None,
) -> list[str]:
    """Send; return the server's refusal, where another writer was faster: what counts is there."""
    from botocore.exceptions import ClientError

    condition = {"IfNoneMatch": "*"} if head is None else {"IfMatch": head["ETag"]}
    try:
        put(client, content, url, metadata | {SHA256: content.sha256}, condition, report)
    except ClientError as error:
        if code_of(error) not in _OVERTAKEN:
            raise
        return [code_of(error)]
    return []


def unfinished(client: Any, url: S3Url, report: Report | None = None) -> dict[str, list[str]]:
    """Uploads that never ended, of all keys that begin with that of `url`: ids by key.

    Their parts are kept, and cost money, until somebody ends them.
    """
    from botocore.exceptions import ClientError

    found: dict[str, list[str]] = {}
    try:
        pages = client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=url.bucket, Prefix=url.key):
            for one in page.get("Uploads", ()):
                found.setdefault(one["Key"], []).append(one["UploadId"])
    except ClientError as error:  # not everybody may list them, not every server can
        if report is not None and code_of(error) != "NoSuchBucket":
            report(f"{url}: unfinished uploads cannot be listed here ({code_of(error)})")
    return found


def get_object(client: Any, url: S3Url, local: Path, report: Report | None = None) -> Receipt:
    """Download as :func:`download` does, with a client."""
    head = head_of(client, url)
    if head is None:
        raise MissingFile(
            f"there is no object {url} on {host_of(client)}",
            hint="correct the bucket and the key, or upload it first",
        )
    progress = Progress(report, str(url), head["ContentLength"])
    try:
        with replacing_file(local) as scratch:
            get_to(client, url, head, scratch, progress)
            sha256 = _check_download(scratch, head, url)
    except TransferError:
        raise
    except OSError as error:
        raise TargetError(
            f"{url} cannot be written here", path=local, found=error.strerror
        ) from None
    return _receipt(client, local, url, head, sha256)


def _check_download(path: Path, head: dict[str, Any], url: S3Url) -> str:
    stated, etag = stated_sha256(head), md5_etag(head)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    wrong = stated not in (None, found)
    if stated is None and etag is not None and "-" not in etag:
        with path.open("rb") as file:
            wrong = hashlib.file_digest(file, _md5).hexdigest() != etag
    if wrong:
        raise TransferError(
            f"the content of {url} is not what was uploaded there",
            found=f"{path.stat().st_size} bytes, SHA-256 {found}",
            allowed=f"SHA-256 {stated}" if stated else f"MD5 {etag}",
            hint="upload it again from its source",
        )
    return found


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def head_of(client: Any, url: S3Url) -> dict[str, Any] | None:
    """What the server says about the object; None when there is none."""
    from botocore.exceptions import ClientError

    try:
        return client.head_object(Bucket=url.bucket, Key=url.key, ChecksumMode="ENABLED")
    except ClientError as error:
        if code_of(error) in ("404", "NoSuchKey"):
            return None
        raise


def _receipt(client: Any, local: Path, url: S3Url, head: dict[str, Any], sha256: str) -> Receipt:
    version = head.get("VersionId")
    return Receipt(
        path=str(local),
        url=str(url),
        size=head["ContentLength"],
        sha256=sha256,
        etag=etag_of(head),
        version_id=None if version == "null" else version,
        endpoint=host_of(client),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
