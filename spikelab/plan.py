"""The plan of a run: which session becomes which files, decided and checked before any job."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spikelab import __version__, config, sheet
from spikelab.errors import OptionError, SpikelabError
from spikelab.formats.registry import FORMATS
from spikelab.places import (
    COPIES,
    DANDI,
    FETCHED,
    RECEIPT,
    SESSION_FILE,
    UPLOAD,
    format_of,
    proof,
    result,
    s3_receipt,
)
from spikelab.schema import read_schema
from spikelab.sheet_row import Session
from spikelab.uploads import Uploads


class SetupError(SpikelabError):
    """Everything that is wrong with configuration and sheet, in one message."""

    def __init__(self, problems: list[OptionError]) -> None:
        count = "one thing" if len(problems) == 1 else f"{len(problems)} things"
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"Nothing was started: {count} must be changed first.{lines}")
        self.problems = problems


@dataclass(frozen=True)
class Plan:
    """Sessions, and what is to be made of them.

    Attributes
    ----------
    sessions : dict of str to Session
        In the order of the sheet.
    config : dict
        The configuration, complete.
    """

    sessions: dict[str, Session]
    config: dict[str, Any]

    def session(self, name: str) -> Session:
        """The session of that name.

        Raises
        ------
        OptionError
            If the sheet has none; the message names the closest one.
        """
        if name in self.sessions:
            return self.sessions[name]
        close = difflib.get_close_matches(name, self.sessions, n=1)
        raise OptionError(
            f"there is no session {name!r} in the sheet {self.config['sessions']}",
            hint=f"did you mean {close[0]}?" if close else "add it to the sheet",
        )

    def formats_of(self, session: Session) -> tuple[str, ...]:
        """The formats to make of a session: its own list, or that of the configuration."""
        return session.exports or tuple(self.config["formats"])

    @cached_property
    def exports(self) -> list[tuple[str, str]]:
        """All (session name, format) pairs."""
        return [
            (name, format)
            for name, session in self.sessions.items()
            for format in self.formats_of(session)
        ]

    def targets(self, *formats: str) -> list[str]:
        """The files that stand for these formats of all sessions, for Snakemake to ask for."""
        pairs = [pair for pair in self.exports if not formats or pair[1] in formats]
        archived = [name for name, format in pairs if format == "nwb" and self.archives]
        return _exported(pairs) + [proof(name, DANDI) for name in archived]

    @cached_property
    def uploads(self) -> Uploads:
        """Which exports go to S3, and where to."""
        return Uploads(**self.config["upload"])

    def s3_receipts(self) -> list[str]:
        """The files that stand for the uploads of a run; none where no bucket is set."""
        return [s3_receipt(*pair) for pair in self.exports if self.uploads.takes(pair[1])]

    def upload_targets(self) -> list[str]:
        """The uploads and the exports that they are of, for those who ask for nothing else.

        Raises
        ------
        OptionError
            If there is none.
        """
        pairs = [pair for pair in self.exports if self.uploads.takes(pair[1])]
        if not pairs:
            raise OptionError(
                f"no session has an export to upload to {self.uploads.place}",
                found=f"formats: {self.config['upload']['formats']}",
                hint="add formats there, or make these of some session",
                path="config: upload.formats",
            )
        return _exported(pairs) + self.s3_receipts()

    def upload_inputs(self, name: str, format: str) -> list[str]:
        """What an upload waits for: the export's receipt, itself, and a folder's return.

        Where the export failed since the last upload, it names the receipt once more: that is a
        change of input, which makes Snakemake try again instead of taking the upload for done.
        """
        receipt = RECEIPT.format(session=name, format=format)
        path = result(format).format(session=name)
        files = {receipt, proof(name, format) if FORMATS[format].folder else path}
        parts = (receipt, SESSION_FILE.format(session=name))
        failed = not all(Path(part).exists() for part in parts)
        again = failed and Path(s3_receipt(name, format)).exists()
        return [*sorted(files), *([receipt] if again else [])]

    def upload_options(self, name: str, suffix: str) -> dict[str, Any]:
        """What makes an export be uploaded anew when it changes; Snakemake writes it down.

        Raises
        ------
        OptionError
            If no bucket is set.
        """
        format = format_of(suffix)
        return {
            "source": result(format).format(session=name),
            "url": self.uploads.url(name, format),
            "endpoint": self.uploads.endpoint,
        }

    def fetch_options(self, name: str) -> dict[str, Any]:
        """What makes a source be downloaded anew when it changes.

        Raises
        ------
        OptionError
            If it is a file on this machine.
        """
        session = self.session(name)
        if session.url is None:
            raise OptionError("the source is not on S3", found=str(session.source), session=name)
        return {"target": str(session.source), "url": session.url, **self.config["download"]}

    @property
    def archives(self) -> bool:
        """Whether NWB files are to be placed in a dandiset as well."""
        return self.config["nwb"]["layout"] == DANDI

    def steps(self, name: str) -> list[tuple[str, str]]:
        """The jobs of a session, each with the file that shows that it is done."""
        session = self.session(name)
        formats = list(self.formats_of(session))
        if self.archives and "nwb" in formats:
            formats.append(DANDI)
        fetch = [("fetch", FETCHED.format(session=name))] if session.url else []
        receipts = [(format, RECEIPT.format(session=name, format=format)) for format in formats]
        sent = [
            (UPLOAD + FORMATS[format].suffix, s3_receipt(name, format))
            for format in formats
            if self.uploads.takes(format)
        ]
        return [*fetch, ("ingest", SESSION_FILE.format(session=name)), *receipts, *sent]

    def export_options(self, format: str) -> dict[str, Any]:
        """What shapes the bytes of an export."""
        options = _given(self.config[format])
        if format == "nwb" and options.pop("layout") == DANDI:
            options["align_start"] = True  # the archive wants no times before zero
        return {"format": format, "options": options, "library": __version__}

    def reading_options(self, name: str) -> dict[str, Any]:
        """What shapes the bytes of a session file."""
        session = self.session(name)
        options = _given(self.config["read"].get(session.format, {})) | session.options
        return {
            "source": str(session.source),
            **({"url": session.url} if session.url else {}),
            "format": session.format,
            "options": options,
            "fs_Hz": session.fs_Hz,
            "metadata": session.metadata,
            "library": __version__,
        }

    def source_files(self, name: str) -> list[str]:
        """The files of a source: the file itself, or those in the folder (hidden ones aside).

        Of a source on S3, the folder of the local copy, and its receipt.
        """
        session = self.session(name)
        if session.url:  # fetched in this very run, perhaps: nobody knows the files yet
            return [FETCHED.format(session=name), COPIES.format(session=name)]
        source = session.source
        if not source.is_dir():
            return [str(source)]
        files = [path for path in sorted(source.rglob("*")) if path.is_file()]
        shown = [
            str(path)
            for path in files
            if not any(part.startswith(".") for part in path.relative_to(source).parts)
        ]
        return shown or [str(source)]


def _exported(pairs: list[tuple[str, str]]) -> list[str]:
    """What stands for exports: their session files, what shows that they are there, files."""
    files = [SESSION_FILE.format(session=name) for name in dict.fromkeys(name for name, _ in pairs)]
    for name, format in pairs:
        files.append(proof(name, format))
        if not FORMATS[format].folder:
            files.append(result(format).format(session=name))
    return files


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def make(values: Mapping[str, Any], schemas: Path, home: Path) -> Plan:
    """Check configuration and sheet, and plan the run.

    Parameters
    ----------
    values : mapping
        The configuration as Snakemake read it.
    schemas : pathlib.Path
        The folder with the schemas of both.
    home : pathlib.Path
        The folder of the workflow. Its own sheet stands in where the working directory has no
        file of that name; relative sources then count from there, else from the working
        directory.

    Returns
    -------
    Plan

    Raises
    ------
    SetupError
        With all problems of both.
    """
    schema = read_schema(schemas / "config.schema.yaml")
    values = config.typed(values, schema)
    problems = config.check(values, schema)
    sheet_name = values.get("sessions", schema["properties"]["sessions"]["default"])
    sessions: list[Session] = []
    if isinstance(sheet_name, str) and sheet_name:
        own = not Path(sheet_name).exists() and (home / sheet_name).exists()
        base = home if own else Path()
        sessions, more = sheet.read(
            base / sheet_name, base, read_schema(schemas / "sessions.schema.yaml")
        )
        problems += more
    if problems:
        raise SetupError(problems)
    return Plan({session.name: session for session in sessions}, config.filled(values, schema))
