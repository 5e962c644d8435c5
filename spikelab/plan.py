"""The plan of a run: which session becomes which files, decided and checked before any job."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spikelab import __version__, config, sheet
from spikelab.errors import OptionError, SpikelabError
from spikelab.formats.registry import FORMATS
from spikelab.schema import read_schema
from spikelab.sheet_row import Session

SESSION_FILE = "work/sessions/{session}.pkl"
# Which names a sheet may give is said in its schema; here, what keeps wildcards apart.
SESSION_WILDCARD = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
RECEIPT = "work/receipts/{session}/{format}.json"
# Stands for a result that is made again because it was removed; temporary.
RESTORED = "work/restored/{session}/{format}.json"
# NWB files once more, in the layout of the DANDI archive.
DANDI = "dandi"
DANDISET = "dandiset"


class SetupError(SpikelabError):
    """Everything that is wrong with configuration and sheet, in one message."""

    def __init__(self, problems: list[OptionError]) -> None:
        count = "one thing" if len(problems) == 1 else f"{len(problems)} things"
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"Nothing was started: {count} must be changed first.{lines}")
        self.problems = problems


def result(format: str) -> str:
    """Pattern of the path of an export, with the wildcard ``{session}``."""
    return "results/{session}/{session}" + FORMATS[format].suffix


def proof(session: str, format: str) -> str:
    """The file for Snakemake to ask for, so that an export is there.

    This is its receipt, and for an export that was removed since, the product of a rule of its
    own: a receipt of what is gone does not make Snakemake run anything, and parsing a workflow
    (for a dry run, say) must not remove it.
    """
    receipt = Path(RECEIPT.format(session=session, format=format))
    is_output = format in FORMATS and not FORMATS[format].folder
    if is_output or not receipt.exists() or Path(json.loads(receipt.read_text())["path"]).exists():
        return str(receipt)
    return RESTORED.format(session=session, format=format)


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
        sessions = dict.fromkeys(name for name, _ in pairs)
        files = [SESSION_FILE.format(session=name) for name in sessions]
        for name, format in pairs:
            files.append(proof(name, format))
            if not FORMATS[format].folder:
                files.append(result(format).format(session=name))
            if format == "nwb" and self.archives:
                files.append(proof(name, DANDI))
        return files

    @property
    def archives(self) -> bool:
        """Whether NWB files are to be placed in a dandiset as well."""
        return self.config["nwb"]["layout"] == DANDI

    def steps(self, name: str) -> list[tuple[str, str]]:
        """The jobs of a session, each with the file that shows that it is done."""
        formats = list(self.formats_of(self.session(name)))
        if self.archives and "nwb" in formats:
            formats.append(DANDI)
        receipts = [(format, RECEIPT.format(session=name, format=format)) for format in formats]
        return [("ingest", SESSION_FILE.format(session=name)), *receipts]

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
            "format": session.format,
            "options": options,
            "fs_Hz": session.fs_Hz,
            "metadata": session.metadata,
            "library": __version__,
        }

    def source_files(self, name: str) -> list[str]:
        """The files of a source: the file itself, or those in the folder (hidden ones aside)."""
        source = self.session(name).source
        if not source.is_dir():
            return [str(source)]
        files = [path for path in sorted(source.rglob("*")) if path.is_file()]
        shown = [
            str(path)
            for path in files
            if not any(part.startswith(".") for part in path.relative_to(source).parts)
        ]
        return shown or [str(source)]


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
