"""Sources that are objects on S3: ``s3://bucket/key``, with a slash at the end for a folder."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from spikelab.errors import OptionError
from spikelab.formats.registry import FORMATS
from spikelab.places import COPIES

# Amazon's older and other servers' buckets have capitals and underscores as well.
BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]"
_S3_URL = re.compile(rf"s3://{BUCKET}/(?P<key>.+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


def is_url(text: str) -> bool:
    """Whether a source is named by an address instead of a path."""
    return _SCHEME.match(text) is not None


def copy_of(url: str, session: str) -> Path:
    """Where the object, or the folder of objects, is once it is downloaded."""
    return Path(COPIES.format(session=session), url.rstrip("/").rpartition("/")[2])


def problem(url: str, format: str | None) -> OptionError | None:
    """Why a session cannot be read from an address; None where it can.

    Parameters
    ----------
    url : str
        As the sheet gives it.
    format : str or None
        The format of the source, where it is known.
    """
    if "@" in url.split("://", 1)[1].split("/", 1)[0] or _is_signed(url):
        # What was found is not repeated.
        return OptionError(
            "credentials must not stand in the address of a source",
            allowed="s3://bucket/key",
            hint="give them to boto3 by the environment or a profile",
        )
    if not url.startswith("s3://"):
        return OptionError(
            "only files on this machine and objects on S3 can be read",
            found=f"{url.partition('://')[0]}://...",  # the rest may grant access
            allowed="a path, s3://bucket/key, or s3://bucket/prefix/ for a folder",
            hint="download it, and give the path of the file",
        )
    found = _S3_URL.fullmatch(url)
    if (
        not found
        or not url.isprintable()
        or {"", ".", ".."} & set(found["key"].removesuffix("/").split("/"))
    ):
        return OptionError(
            "this is not the URL of an object on S3",
            found=url,
            allowed="s3://bucket/key, or s3://bucket/prefix/ for a folder",
            hint="correct the bucket and the key; no part of the key is '.', '..' or blank",
        )
    return _wrong_kind(url, format)


def _is_signed(url: str) -> bool:
    """Whether an address grants access by its query, as presigned ones do."""
    query = urlsplit(url).query.casefold() if not url.startswith("s3://") else ""
    return any(word in query for word in ("signature", "sig=", "token", "key="))


def _wrong_kind(url: str, format: str | None) -> OptionError | None:
    if format == "kilosort" and not url.endswith("/"):
        what = "a Kilosort/Phy session is a folder, not a file"
        return OptionError(what, found=url, hint="end the URL of a folder in a slash")
    entry = FORMATS.get(format or "")
    if entry and not entry.folder and url.endswith("/"):
        what = f"a source of the format {format} is a file, not a folder"
        return OptionError(what, found=url, hint="leave out the slash at the end")
    return None
