"""Which exports of a run go to S3, and where each of them has its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spikelab.errors import OptionError
from spikelab.formats.registry import FORMATS


@dataclass(frozen=True)
class Uploads:
    """The section ``upload`` of the configuration.

    Attributes
    ----------
    bucket : str or None
        None uploads nothing.
    prefix : str
        What the keys of all objects begin with; one slash at its end does not count.
    formats : sequence of str, or None
        None for every format that a session exports.
    endpoint : str or None
        URL of the server; None leaves it to boto3.
    """

    bucket: str | None
    prefix: str
    formats: Sequence[str] | None
    endpoint: str | None

    def takes(self, format: str) -> bool:
        """Whether exports of a format are uploaded."""
        return self.bucket is not None and format in (self.formats or FORMATS)

    @property
    def place(self) -> str:
        """The URL below which every export has its own; it ends in a slash.

        Raises
        ------
        OptionError
            If no bucket is set.
        """
        if self.bucket is None:
            raise OptionError(
                "nothing can be uploaded, because no bucket is set",
                hint="set bucket under upload in config/config.yaml",
                path="config: upload.bucket",
            )
        return "/".join(["s3:/", *filter(None, [self.bucket, self.prefix.rstrip("/")]), ""])

    def url(self, session: str, format: str) -> str:
        """Where an export goes; the URL of a folder ends in a slash."""
        entry = FORMATS[format]
        return f"{self.place}{session}/{session}{entry.suffix}{'/' if entry.folder else ''}"
