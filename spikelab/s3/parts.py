"""Bytes to and from an object: in parts, several at once, each tried again on its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from spikelab.errors import TransferError
from spikelab.s3 import client as limits
from spikelab.s3.client import S3Url, code_of, host_of
from spikelab.s3.content import Content, encoded, etag_of, part_bytes, part_count

Report = Callable[[str], None]
Item = TypeVar("Item")
Result = TypeVar("Result")
REPORT_EVERY_S = 5.0
_MB = 1e6


class Progress:
    """Says now and then how far a transfer is."""

    def __init__(self, report: Report | None, what: str, total: int, unit: str = "bytes") -> None:
        self._report, self._what = report, what
        self._unit, self._per_unit = ("MB", _MB) if unit == "bytes" else (unit, 1.0)
        self._total = total
        self._done = 0
        self._start_s = self._said_s = time.monotonic()
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count what has arrived."""
        with self._lock:
            self._done += count
            now_s = time.monotonic()
            if self._report is None or now_s - self._said_s < REPORT_EVERY_S:
                return
            self._said_s = now_s
            done, total = self._done / self._per_unit, self._total / self._per_unit
            rate = f"{done / (now_s - self._start_s):.1f} {self._unit}/s"
            self._report(f"{self._what}: {done:.0f} of {total:.0f} {self._unit}, {rate}")


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results in order; after the first error nothing new is begun."""
    with ThreadPoolExecutor(limits.THREADS) as pool:
        return list(pool.map(function, items))


def put(
    client: Any,
    content: Content,
    url: S3Url,
    metadata: dict[str, str],
    condition: dict[str, str],
    report: Report | None,
) -> None:
    """Send a file, in parts if it is large; `condition` is asked of the object in its place."""
    if len(content.md5s) == 1:
        body = content.part(0)
        content.confirm()
        where = {"Bucket": url.bucket, "Key": url.key, "Metadata": metadata}
        checksum = _checksum(client, content, 0)
        _on_condition(client.put_object, condition, **where, Body=body, **checksum)
    else:
        _put_parts(client, content, url, metadata, condition, report)


def _put_parts(
    client: Any,
    content: Content,
    url: S3Url,
    metadata: dict[str, str],
    condition: dict[str, str],
    report: Report | None,
) -> None:
    progress = Progress(report, str(url), content.size)
    where = {"Bucket": url.bucket, "Key": url.key}
    algorithm = {"ChecksumAlgorithm": "SHA256"} if _with_sha256(client) else {}
    begun = client.create_multipart_upload(**where, Metadata=metadata, **algorithm)
    where["UploadId"] = begun["UploadId"]

    def send(number: int) -> dict[str, Any]:
        chunk = content.part(number)
        checksum = _checksum(client, content, number)
        done = client.upload_part(**where, PartNumber=number + 1, Body=chunk, **checksum)
        progress.add(len(chunk))
        checksum.pop("ContentMD5", None)
        return {"PartNumber": number + 1, "ETag": done["ETag"]} | checksum

    try:
        parts = side_by_side(send, range(len(content.md5s)))
        content.confirm()
        finish = client.complete_multipart_upload
        _on_condition(finish, condition, **where, MultipartUpload={"Parts": parts})
    except BaseException:  # also when it is interrupted: parts that stay cost money
        abort(client, url, [where["UploadId"]])
        raise


def _on_condition(request: Callable[..., Any], condition: dict[str, str], **words: Any) -> None:
    from botocore.exceptions import ClientError

    try:
        request(**words, **condition)
    except ClientError as error:
        if code_of(error) not in ("NotImplemented", "501"):
            raise
        request(**words)


def _with_sha256(client: Any) -> bool:
    return client.meta.config.request_checksum_calculation == "when_supported"


def _checksum(client: Any, content: Content, number: int) -> dict[str, str]:
    """What the server shall compare a part with: in the newer way only where that is wanted."""
    if _with_sha256(client):
        return {"ChecksumSHA256": encoded(content.sha256s[number])}
    return {"ContentMD5": encoded(content.md5s[number])}


def abort(client: Any, url: S3Url, upload_ids: Iterable[str]) -> None:
    """End uploads in parts that will not be completed."""
    from botocore.exceptions import BotoCoreError, ClientError

    for upload_id in upload_ids:
        with suppress(BotoCoreError, ClientError):  # it has ended, or the next upload tries again
            client.abort_multipart_upload(Bucket=url.bucket, Key=url.key, UploadId=upload_id)


def get_to(client: Any, url: S3Url, head: dict[str, Any], path: Path, progress: Progress) -> None:
    """Write an object into a file."""
    size = head["ContentLength"]
    with path.open("wb") as file:
        file.truncate(size)

    def take(number: int) -> None:
        chunk = get_part(client, url, head, number)
        with path.open("r+b") as file:
            file.seek(number * part_bytes(size))
            file.write(chunk)
        progress.add(len(chunk))

    side_by_side(take, range(part_count(size)))


def get_part(client: Any, url: S3Url, head: dict[str, Any], number: int) -> bytes:
    """Read a part of the object that `head` describes; the first has number 0.

    Raises
    ------
    TransferError
        If the object has changed since.
    """
    from botocore.exceptions import IncompleteReadError, ResponseStreamingError

    for _ in range(limits.ATTEMPTS - 1):
        # Cut in the middle of the content, which boto3 does not try again.
        with suppress(IncompleteReadError, ResponseStreamingError):
            return _get_part(client, url, head, number)
    return _get_part(client, url, head, number)


def _get_part(client: Any, url: S3Url, head: dict[str, Any], number: int) -> bytes:
    from botocore.exceptions import ClientError

    size = head["ContentLength"]
    first = number * part_bytes(size)
    length = min(part_bytes(size), size - first)
    span = {} if length == size else {"Range": f"bytes={first}-{first + length - 1}"}
    match = f'"{etag_of(head)}"'
    try:
        answer = client.get_object(Bucket=url.bucket, Key=url.key, IfMatch=match, **span)
    except ClientError as error:
        if code_of(error) in ("PreconditionFailed", "412", "NoSuchKey", "404", "InvalidRange"):
            raise changed(client, url) from None
        raise
    if answer["ContentLength"] != length:
        raise changed(client, url)
    return answer["Body"].read()


def changed(client: Any, url: S3Url) -> TransferError:
    """The error for an object that is not the one that was begun with."""
    return TransferError(
        f"{url} on {host_of(client)} changed while it was downloaded", hint="download it again"
    )
