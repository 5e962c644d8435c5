"""Receipts of uploads: what was put where, as the server confirmed it.

A receipt is a small JSON file. It proves nothing about later changes on the server; for that
:func:`spikelab.s3.check` reads the objects again and compares them with it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from spikelab.atomic import replacing_file
from spikelab.errors import FormatError, MissingFile, TargetError

SUFFIX = ".s3.json"


@dataclass(frozen=True)
class Receipt:
    """One file or folder on a server.

    Attributes
    ----------
    path : str
        The local file or folder, as it was named.
    url : str
        ``s3://bucket/key``; that of a folder ends in a slash.
    size : int
        Bytes; of a folder, the sum.
    sha256 : str
        Of the content. Of a folder, of its listing: a line as ``sha256sum`` prints it for every
        file, sorted by name.
    etag : str or None
        As the server states it, without quotes; None for a folder.
    version_id : str or None
        Where the bucket keeps versions; None for a folder.
    endpoint : str
        Host of the server, and its port where one is named.
    time : str
        When it was confirmed: ISO 8601, in UTC.
    objects : tuple of Receipt, optional
        The files of a folder, sorted by name; None for a file.
    """

    path: str
    url: str
    size: int
    sha256: str
    etag: str | None
    version_id: str | None
    endpoint: str
    time: str
    objects: tuple[Receipt, ...] | None = None

    @property
    def files(self) -> tuple[Receipt, ...]:
        """The receipts of its objects; of a file, itself."""
        return (self,) if self.objects is None else self.objects

    @classmethod
    def of_folder(cls, path: str, url: str, objects: list[Receipt]) -> Receipt:
        """The receipt of a folder whose objects are there."""
        objects = sorted(objects, key=lambda one: one.url)
        return cls(
            path=path,
            url=url,
            size=sum(one.size for one in objects),
            sha256=hashlib.sha256(listing(url, objects).encode()).hexdigest(),
            etag=None,
            version_id=None,
            endpoint=objects[0].endpoint,
            time=max(one.time for one in objects),
            objects=tuple(objects),
        )

    def save(self, path: Path) -> Path:
        """Write it as JSON, in one step.

        Raises
        ------
        TargetError
            If it cannot be written there.
        """
        facts = asdict(self)
        for one in (facts, *(facts["objects"] or ())):
            if one["objects"] is None:
                del one["objects"]
        with _writing(path), replacing_file(path) as scratch:
            scratch.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Receipt:
        """Read a receipt.

        Raises
        ------
        MissingFile
            If there is no such file.
        FormatError
            If it is no receipt, or cannot be read.
        """
        try:
            return _parse(json.loads(path.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFile("there is no such receipt", path=path) from None
        except (ValueError, TypeError, RecursionError, OSError) as error:
            raise FormatError(
                "this is no receipt of an upload",
                path=path,
                found=getattr(error, "strerror", None) or str(error),
                hint=f"give a file that ends in {SUFFIX}",
            ) from None


def try_place(path: Path) -> None:
    """Raise a TargetError if no receipt can be written there; an older one stays."""
    with _writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.resolve().parent):
            pass


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(
            "the receipt cannot be written",
            path=path,
            found=error.strerror,
            hint="name another place in --receipt",
        ) from None


def listing(url: str, objects: list[Receipt]) -> str:
    """The files of a folder in the form of ``sha256sum``."""
    return "".join(f"{one.sha256}  {one.url.removeprefix(url)}\n" for one in objects)


_TYPES: dict[str, Any] = {
    "path": str,
    "url": str,
    "size": int,
    "sha256": str,
    "etag": str | None,
    "version_id": str | None,
    "endpoint": str,
    "time": str,
}


def _parse(facts: Any, *, inside: bool = False) -> Receipt:
    if not isinstance(facts, dict):
        raise TypeError("no JSON object")
    wrong = [name for name, kind in _TYPES.items() if not isinstance(facts.get(name, ...), kind)]
    if type(facts.get("size")) is bool:
        wrong.append("size")
    unknown = set(facts) - {field.name for field in fields(Receipt)}
    if wrong or unknown or (inside and "objects" in facts):
        raise ValueError(f"wrong entries: {', '.join([*wrong, *sorted(unknown)]) or 'objects'}")
    facts = facts | {"sha256": facts["sha256"].lower()}
    objects = facts.get("objects")
    if objects is None:
        return Receipt(**facts)
    if not isinstance(objects, list) or not objects:
        raise ValueError("wrong entries: objects")
    inner = [_parse(one, inside=True) for one in objects]
    whole = Receipt(**facts | {"objects": tuple(inner)})
    expected = Receipt.of_folder(whole.path, whole.url, inner)
    if (whole.size, whole.sha256) != (expected.size, expected.sha256):
        raise ValueError("size or sha256 is not that of its objects")
    if not all(one.url.startswith(whole.url) and one.url != whole.url for one in inner):
        raise ValueError("an object lies outside of its folder")
    return whole
