"""Receipts of uploads: what was put where, as the server confirmed it.

A receipt is a small JSON file. It proves nothing about later changes on the server; for that
:func:`spikelab.s3.check` reads the objects again and compares them with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from spikelab.atomic import replacing_file
from spikelab.errors import FormatError, MissingFile

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
        """Write it as JSON, in one step."""
        facts = asdict(self)
        for one in (facts, *(facts["objects"] or ())):
            if one["objects"] is None:
                del one["objects"]
        with replacing_file(path) as scratch:
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
            If it is no receipt.
        """
        try:
            return _parse(json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            raise MissingFile("there is no such receipt", path=path) from None
        except (ValueError, TypeError, IsADirectoryError) as error:
            raise FormatError(
                "this is no receipt of an upload",
                path=path,
                found=str(error),
                hint=f"give a file that ends in {SUFFIX}",
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
    unknown = set(facts) - {field.name for field in fields(Receipt)}
    if wrong or unknown or (inside and "objects" in facts):
        raise ValueError(f"wrong entries: {', '.join([*wrong, *sorted(unknown)]) or 'objects'}")
    objects = facts.get("objects")
    if objects is None:
        return Receipt(**facts)
    if not isinstance(objects, list) or not objects:
        raise ValueError("wrong entries: objects")
    inner = tuple(_parse(one, inside=True) for one in objects)
    return Receipt(**facts | {"objects": inner})
