"""The session sheet: one tab-separated line per session, read and checked as a whole.

Reading collects every problem instead of stopping at the first one, so that a user corrects a
sheet once. Only the standard library and jsonschema are needed: a thousand lines take a moment.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from spikelab.errors import OptionError
from spikelab.schema import Schema, looks_secret, secret_problem, unknown, validator
from spikelab.sheet_row import Row, Session, values_of


def read(path: Path, base: Path, schema: Schema) -> tuple[list[Session], list[OptionError]]:
    """Read a sheet.

    Parameters
    ----------
    path : pathlib.Path
        The sheet: UTF-8, tab-separated, with a line of column names. Blank lines and lines that
        begin with ``#`` do not count.
    base : pathlib.Path
        The folder from which relative sources are looked up.
    schema : mapping
        JSON schema of a line.

    Returns
    -------
    sessions : list of Session
        The lines without problems.
    problems : list of OptionError
        Everything else, in the order of the sheet.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return [], [OptionError("the session sheet cannot be read", found=str(error), path=path)]
    except UnicodeDecodeError:
        hint = "save it again as text, tab-separated, UTF-8"
        return [], [OptionError("the session sheet is not UTF-8 text", hint=hint, path=path)]
    lines = [
        (number, [cell.strip() for cell in cells])
        for number, cells in _cells(text)
        if any(map(str.strip, cells)) and not cells[0].lstrip().startswith("#")
    ]
    if not lines:
        hint = "write a line of column names: " + ", ".join(schema["required"])
        return [], [OptionError("the session sheet is empty", hint=hint, path=path)]
    names = lines[0][1]
    problems = _header_problems(path, *lines[0], schema)
    if len(lines) == 1 and not problems:
        problems = [OptionError("the sheet lists no session", hint="add a line", path=path)]
    if not set(schema["required"]) <= set(names):
        return [], problems
    sessions, more = _sessions(path, base, schema, names, lines[1:])
    return sessions, problems + more


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.splitlines(), delimiter="\t")
    for cells in reader:
        yield reader.line_num, cells


def _header_problems(
    path: Path, number: int, names: list[str], schema: Schema
) -> list[OptionError]:
    place = f"{path}, line {number}"
    if len(names) == 1 and any(sign in names[0] for sign in ",;"):
        return [
            OptionError(
                "the columns are separated by commas or semicolons",
                found=names[0],
                allowed="tabs",
                hint="save the sheet as tab-separated text (.tsv)",
                path=place,
            )
        ]
    known = tuple(schema["properties"])
    given = [name for name in names if name]
    problems = [secret_problem(place, name) for name in given if looks_secret(name)]
    problems += [
        unknown(place, "column", name, known)
        for name in given
        if name not in known and not looks_secret(name)
    ]
    problems += [
        OptionError("the column is there twice", found=name, hint="keep one", path=place)
        for name in dict.fromkeys(given)
        if given.count(name) > 1
    ]
    return problems + [
        OptionError(f"the column {name} is missing", hint="add it", path=place)
        for name in schema["required"]
        if name not in given
    ]


def _sessions(
    path: Path, base: Path, schema: Schema, names: list[str], lines: list[tuple[int, list[str]]]
) -> tuple[list[Session], list[OptionError]]:
    sessions: list[Session] = []
    problems: list[OptionError] = []
    seen: dict[str, tuple[str, int]] = {}
    check = validator(schema)
    for number, cells in lines:
        row = Row(f"{path}, line {number}", values_of(names, cells, schema["properties"]), [])
        if any(cells[len(names) :]) or any(cell for name, cell in zip(names, cells) if not name):
            row.refuse(None, "there are more cells than columns", found=" | ".join(cells))
        row.check_all(check, seen, number, base)
        problems += row.problems
        if not row.problems:
            sessions.append(row.session(number, base))
    return sessions, problems
