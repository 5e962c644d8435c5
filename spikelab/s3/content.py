"""What identifies the content of a file and of an object, and how they are compared."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikelab.errors import MissingFile, TransferError

SHA256 = "sha256"
PART_BYTES = 8 * 2**20
# Amazon takes ten times as many; OpenStack Swift, by default, no more.
MAX_PARTS = 1_000
_HEX_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MD5_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")


@dataclass(frozen=True)
class Content:
    """A complete file, as it was when it was read.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    size : int
        Bytes.
    sha256 : str
        Hexadecimal.
    md5s, sha256s : tuple of bytes
        Checksums of its parts, in which it is sent. Every file has at least one part.
    stamp : tuple of int
        By which the file system tells a changed file.
    """

    path: Path
    size: int
    sha256: str
    md5s: tuple[bytes, ...]
    sha256s: tuple[bytes, ...]
    stamp: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Content:
        """Read a file.

        Raises
        ------
        MissingFile
            If there is none.
        TransferError
            If it cannot be read.
        """
        try:
            return cls._of(path)
        except FileNotFoundError:
            raise MissingFile("there is no such file to upload", path=path) from None
        except OSError as error:
            raise TransferError(
                "the file to upload cannot be read", path=path, found=error.strerror
            ) from None

    @classmethod
    def _of(cls, path: Path) -> Content:
        stamp = _stamp(path)
        size = stamp[0]
        whole = hashlib.sha256()
        md5s: list[bytes] = []
        sha256s: list[bytes] = []
        with path.open("rb") as file:
            while (chunk := file.read(part_bytes(size))) or not md5s:
                whole.update(chunk)
                md5s.append(_md5(chunk))
                sha256s.append(hashlib.sha256(chunk).digest())
        return cls(path, size, whole.hexdigest(), tuple(md5s), tuple(sha256s), stamp)

    def part(self, number: int) -> bytes:
        """Read a part again; the first has number 0.

        Raises
        ------
        TransferError
            If it is not what it was.
        """
        length = part_bytes(self.size)
        with self.path.open("rb") as file:
            file.seek(number * length)
            chunk = file.read(length)
        if _md5(chunk) != self.md5s[number]:
            raise self._changed()
        return chunk

    def confirm(self) -> None:
        """Raise a TransferError if the file was written to since it was read."""
        if _stamp(self.path) != self.stamp:
            raise self._changed()

    def _changed(self) -> TransferError:
        return TransferError(
            "the file changed while it was uploaded",
            path=self.path,
            hint="upload it again once it is complete",
        )

    def differences(self, head: dict[str, Any] | None) -> list[str]:
        """In what an object differs, by what the server says about it."""
        if head is None:
            return ["no object"]
        found = []
        if head["ContentLength"] != self.size:
            found.append(f"{head['ContentLength']} bytes instead of {self.size}")
        if stated_sha256(head) != self.sha256:
            found.append("another SHA-256 in the metadata")
        etag = md5_etag(head)
        tail = f"-{len(self.md5s)}" if len(self.md5s) > 1 else ""
        if etag and etag != _joined(hashlib.md5, self.md5s).hex() + tail:
            found.append("another ETag")
        # Some servers leave out the number of parts, which the ETag has as well.
        checksum = head.get("ChecksumSHA256", "").partition("-")[0]
        if checksum and checksum != encoded(_joined(hashlib.sha256, self.sha256s)):
            found.append("another checksum")
        return found


def part_bytes(size: int) -> int:
    """Bytes of each part but the last, of an object of `size` bytes."""
    return max(PART_BYTES, -(-size // MAX_PARTS))


def part_count(size: int) -> int:
    """How many parts an object of `size` bytes has; at least one."""
    return max(1, -(-size // part_bytes(size)))


def stated_sha256(head: dict[str, Any]) -> str | None:
    """The SHA-256 in the metadata; others may use that name for something else."""
    stated = head["Metadata"].get(SHA256, "")
    return stated.lower() if _HEX_SHA256.fullmatch(stated) else None


def md5_etag(head: dict[str, Any]) -> str | None:
    """The ETag where it is an MD5, of the content or of the MD5s of its parts."""
    # Under a key of its own (aws:kms), and on some servers, it is none.
    if head.get("ServerSideEncryption", "AES256") != "AES256":
        return None
    etag = etag_of(head)
    return etag if _MD5_ETAG.fullmatch(etag) else None


def etag_of(head: dict[str, Any]) -> str:
    """The ETag, without its quotes."""
    return head["ETag"].strip('"')


def encoded(digest: bytes) -> str:
    """A checksum as headers hold it."""
    return b64encode(digest).decode()


def _joined(algorithm: Any, digests: tuple[bytes, ...]) -> bytes:
    """A checksum of the whole, as servers make it from those of the parts."""
    if len(digests) == 1:
        return digests[0]
    return algorithm(b"".join(digests), usedforsecurity=False).digest()


def _md5(chunk: bytes) -> bytes:
    return hashlib.md5(chunk, usedforsecurity=False).digest()


def _stamp(path: Path) -> tuple[int, ...]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino
