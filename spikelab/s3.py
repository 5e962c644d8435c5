"""Objects on S3 and servers like it: checked uploads and downloads.

An upload carries the file's SHA-256 in the object's metadata and is compared afterwards; a
download is compared with it.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikelab.atomic import replacing_file
from spikelab.errors import MissingFile, TransferError
from spikelab.s3_client import Access, S3Url, code_of, connection, host_of, parse_url

__all__ = ["Access", "S3Url", "download", "parse_url", "upload"]

PART_BYTES = 8 * 2**20
THREADS = 4
MAX_PARTS = 10_000
SHA256 = "sha256"
FROM_ENVIRONMENT = Access()
_MD5_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")


@dataclass(frozen=True)
class _Content:
    """What identifies a file: its size, its SHA-256, and its ETag when sent in our parts."""

    size: int
    sha256: str
    etag: str

    @property
    def part_bytes(self) -> int:
        return _part_bytes(self.size)

    @classmethod
    def of(cls, path: Path) -> _Content:
        size = path.stat().st_size
        whole, parts = hashlib.sha256(), []
        with path.open("rb") as file:
            while chunk := file.read(_part_bytes(size)):
                whole.update(chunk)
                parts.append(hashlib.md5(chunk, usedforsecurity=False))
        etag = (parts or [hashlib.md5(usedforsecurity=False)])[0].hexdigest()
        if size >= _part_bytes(size):
            joined = b"".join(part.digest() for part in parts)
            etag = f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
        return cls(size, whole.hexdigest(), etag)

    def differences(self, head: dict[str, Any] | None) -> list[str]:
        """In what an object differs, by what the server says about it."""
        if head is None:
            return ["no object"]
        found = []
        if head["ContentLength"] != self.size:
            found.append(f"{head['ContentLength']} bytes instead of {self.size}")
        if head["Metadata"].get(SHA256) != self.sha256:
            found.append("another SHA-256")
        etag = head["ETag"].strip('"')
        # Under a key of its own (aws:kms), and on some servers, the ETag is no MD5.
        is_md5 = head.get("ServerSideEncryption", "AES256") == "AES256" and bool(
            _MD5_ETAG.fullmatch(etag)
        )
        if is_md5 and etag != self.etag:
            found.append("another ETag")
        return found


def _part_bytes(size: int) -> int:
    return max(PART_BYTES, -(-size // MAX_PARTS))


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
    TransferError
        If the upload fails, or if what arrived differs.
    """
    content = _Content.of(local)
    with connection(url, access) as client:
        if content.differences(_head(client, url)):
            _send(client, local, url, content)
            problems = content.differences(_head(client, url))
            if problems:
                raise TransferError(
                    f"what is at {url} is not what was sent to {host_of(client)}",
                    found="; ".join(problems),
                    hint="upload again; if it stays so, something else writes there as well",
                )
    return str(url)


def _send(client: Any, local: Path, url: S3Url, content: _Content) -> None:
    from boto3.exceptions import S3UploadFailedError

    in_parts = content.size >= content.part_bytes
    leftovers = _unfinished(client, url) if in_parts else []
    extra = {"Metadata": {SHA256: content.sha256}}
    config = _transfer_config(content.part_bytes)
    try:
        client.upload_file(str(local), *url, ExtraArgs=extra, Config=config)
    except S3UploadFailedError as error:
        # Another job that sent the same file at the same time may have cleared ours away.
        if code_of(error) != "NoSuchUpload" or content.differences(_head(client, url)):
            raise
    _abort(client, url, leftovers)


def _unfinished(client: Any, url: S3Url) -> list[str]:
    """Ids of uploads of exactly this key that never ended; their parts cost money for ever."""
    from botocore.exceptions import ClientError

    found: list[str] = []
    with suppress(ClientError):  # not everybody may list them
        pages = client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=url.bucket, Prefix=url.key):
            uploads = page.get("Uploads", ())
            found += [one["UploadId"] for one in uploads if one["Key"] == url.key]
    return found


def _abort(client: Any, url: S3Url, upload_ids: list[str]) -> None:
    from botocore.exceptions import ClientError

    for upload_id in upload_ids:
        with suppress(ClientError):
            client.abort_multipart_upload(Bucket=url.bucket, Key=url.key, UploadId=upload_id)


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
    TransferError
        If the download fails, or if the content is not what was uploaded.
    """
    with connection(url, access) as client:
        head = _head(client, url)
        if head is None:
            raise MissingFile(
                f"there is no object {url} on {host_of(client)}",
                hint="correct the bucket and the key, or upload it first",
            )
        with replacing_file(local) as scratch:
            client.download_file(*url, str(scratch), Config=_transfer_config(PART_BYTES))
            _check_download(scratch, head, url)
    return local


def _check_download(path: Path, head: dict[str, Any], url: S3Url) -> None:
    stated = head["Metadata"].get(SHA256)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if path.stat().st_size != head["ContentLength"] or stated not in (None, found):
        raise TransferError(
            f"the content of {url} is not what was uploaded there",
            found=f"{path.stat().st_size} bytes, SHA-256 {found}",
            allowed=f"{head['ContentLength']} bytes, SHA-256 {stated or 'unknown'}",
            hint="upload it again from its source",
        )


def _head(client: Any, url: S3Url) -> dict[str, Any] | None:
    """What the server says about the object; None when there is none."""
    from botocore.exceptions import ClientError

    try:
        return client.head_object(Bucket=url.bucket, Key=url.key)
    except ClientError as error:
        if code_of(error) in ("404", "NoSuchKey"):
            return None
        raise


def _transfer_config(part_bytes: int) -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(
        multipart_threshold=part_bytes, multipart_chunksize=part_bytes, max_concurrency=THREADS
    )
