"""One line of the session sheet: what it may say, and the session that it stands for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikelab import metadata as metadata_fields
from spikelab import metadata_file, source_url
from spikelab.errors import OptionError
from spikelab.formats.registry import FORMATS
from spikelab.schema import wrong_value

# Which source formats can be told these things; the others state them, or have no place for them.
_TIMELESS = ("hdf5_ragged", "hdf5_raster", "hdf5_group", "hdf5_paired", "nwb", "kilosort")
READING_COLUMNS: Mapping[str, frozenset[str]] = {
    "length_ms": frozenset({*_TIMELESS, "spikelab_npz"}),
    "start_time_ms": frozenset(_TIMELESS),
    "dataset": frozenset({"hdf5_raw"}),
    "reader": frozenset({"spikeinterface"}),
}
_FILES = frozenset(name for name, entry in FORMATS.items() if not entry.folder)
_NUMBERS = ("fs_hz", "length_ms", "start_time_ms")


@dataclass(frozen=True)
class Session:
    """One line of the sheet.

    Attributes
    ----------
    name, format : str
    source : pathlib.Path
        The file or folder; of a source on S3, its local copy.
    line : int
        Where it stands in the sheet.
    url : str or None
        Where a source on S3 is.
    fs_Hz : float or None
        Sampling frequency in Hz, where the sheet gives it.
    exports : tuple of str, or None
        The formats to make; None for those of the configuration.
    options : dict
        What the reader is told besides.
    metadata : dict
        Names as in :mod:`spikelab.metadata`.
    """

    name: str
    source: Path
    format: str
    line: int
    url: str | None = None
    fs_Hz: float | None = None
    exports: tuple[str, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def values_of(names: list[str], cells: list[str], known: Collection[str]) -> dict[str, Any]:
    """The cells that are not blank, under columns that are known; numbers and lists as such."""
    values: dict[str, Any] = {
        name: cell for name, cell in zip(names, cells) if name in known and cell
    }
    for name in values.keys() & set(_NUMBERS):
        values[name] = _number(values[name])
    if "exports" in values:
        listed = [name.strip() for name in values["exports"].split(",")]
        values["exports"] = list(dict.fromkeys(filter(None, listed)))
    return values


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


@dataclass
class Row:
    """One line on its way to a :class:`Session`; what is wrong with it gathers in `problems`."""

    place: str
    values: dict[str, Any]
    problems: list[OptionError]

    def check_all(
        self, check: Any, seen: dict[str, tuple[str, int]], line: int, base: Path
    ) -> None:
        """Gather everything that is wrong.

        Parameters
        ----------
        check : jsonschema validator
            Of a line.
        seen : dict
            Names of earlier lines, and their numbers; this one's is added.
        line : int
            Number of this line.
        base : pathlib.Path
            The folder from which relative paths count.
        """
        self._check_schema(check)
        self._check_name(seen, line)
        self._check_source(base)
        self._check_reading()
        self._take_metadata_file(base)
        self._check_metadata()

    def refuse(self, column: str | None, what: str, **details: Any) -> None:
        """Add a problem of a column, or of the line."""
        place = self.place if column is None else f"{self.place}, column {column}"
        self.problems.append(OptionError(what, path=place, **details))

    def _check_schema(self, check: Any) -> None:
        for error in check.iter_errors(self.values):
            if error.validator == "required":
                continue
            column = error.absolute_path[0]
            self.problems.append(wrong_value(f"{self.place}, column {column}", error))
        for column in check.schema["required"]:
            if column not in self.values:
                self.refuse(column, "the cell is blank", hint="fill it in")

    def _check_name(self, seen: dict[str, tuple[str, int]], line: int) -> None:
        name = self.values.get("session")
        if name is None:
            return
        first, first_line = seen.setdefault(name.casefold(), (name, line))
        if first_line != line:
            same = "twice" if first == name else "twice but for upper and lower case"
            self.refuse(
                "session",
                f"the name is there {same}",
                found=name,
                hint=f"rename it here or in line {first_line}: each session has its own files",
            )

    def _check_source(self, base: Path) -> None:
        text = self.values.get("source")
        if text is None:
            return
        if source_url.is_url(text):
            problem = source_url.problem(text, self.values.get("format"))
            if problem:
                self.problems.append(problem.locate(path=f"{self.place}, column source"))
            return
        source, folder = _path(base, text), self.values.get("format") == "kilosort"
        if not source.exists():
            self.refuse(
                "source",
                "there is no such file or folder",
                found=text,
                hint=f"correct the path; relative paths are looked up from {base.resolve()}",
            )
        elif folder and not source.is_dir():
            self.refuse("source", "a Kilosort/Phy session is a folder, not a file", found=text)
        elif source.is_dir() and self.values.get("format") in _FILES:
            what = f"a source of the format {self.values['format']} is a file, not a folder"
            self.refuse("source", what, found=text)
        elif folder and "fs_hz" not in self.values and not (source / "params.py").exists():
            self.refuse(
                "fs_hz",
                "the folder has no params.py, so that the sampling frequency is unknown",
                hint="give it in Hz",
            )

    def _check_reading(self) -> None:
        format = self.values.get("format")
        for column in READING_COLUMNS.keys() & self.values.keys():
            if format in FORMATS and format not in READING_COLUMNS[column]:
                self.refuse(
                    column,
                    f"a source of the format {format} is not read with it",
                    found=self.values[column],
                    allowed=f"for {', '.join(sorted(READING_COLUMNS[column]))}",
                    hint="leave the cell blank",
                )

    def _take_metadata_file(self, base: Path) -> None:
        """Take over what the metadata file says; a cell of the sheet goes before it."""
        text = self.values.pop("metadata_file", None)
        if text is not None:
            values, problems = metadata_file.read(_path(base, text))
            self.values = values | self.values
            self.problems += [self._placed(problem) for problem in problems]

    def _placed(self, problem: OptionError) -> OptionError:
        problem.path = f"{self.place}, column metadata_file: {problem.path}"
        return problem

    def _check_metadata(self) -> None:
        for problem in metadata_fields.problems(self._metadata()):
            self.refuse(None, problem)

    def _metadata(self) -> dict[str, Any]:
        given = self.values.keys() & set(metadata_fields.NAMES)
        return metadata_fields.parsed({name: self.values[name] for name in sorted(given)})

    def session(self, line: int, base: Path) -> Session:
        """The session of a line that has no problem."""
        values, name, source = self.values, self.values["session"], self.values["source"]
        remote = source_url.is_url(source)
        return Session(
            name=name,
            source=source_url.copy_of(source, name) if remote else _path(base, source),
            format=values["format"],
            line=line,
            url=source if remote else None,
            fs_Hz=values.get("fs_hz"),
            exports=tuple(values["exports"]) if values.get("exports") else None,
            options={name: values[name] for name in READING_COLUMNS if name in values},
            metadata=self._metadata(),
        )


def _path(base: Path, text: str) -> Path:
    return base / Path(text).expanduser()
