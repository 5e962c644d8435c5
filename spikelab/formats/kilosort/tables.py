"""Tables of clusters: tab- or comma-separated text with one row per cluster."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spikelab.errors import FormatError
from spikelab.formats.kilosort.options import ATTRIBUTE_TABLE, INFO_TABLE

# Column name to {cluster id: text}; blanks are not in it.
Table = dict[str, dict[int, str]]

_ID_COLUMNS = ("cluster_id", "id")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_ID = re.compile(r"\s*([+-]?[0-9]{1,18})(\.0*)?\s*")
_BOOLS = {"True": True, "False": False}


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a tab-separated table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def text_of(value: Any) -> str:
    """A scalar as text that :func:`parse` undoes; blank for None."""
    if value is None:
        return ""
    if hasattr(value, "item"):
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)


def parse(text: str, kind: str) -> Any:
    """A scalar of kind ``bool``, ``int``, ``float`` or ``str`` from its text.

    Raises
    ------
    ValueError
        If the text is none.
    """
    if kind == "str":
        return text
    if kind == "bool":
        if text not in _BOOLS:
            raise ValueError(f"{text!r} is neither True nor False")
        return _BOOLS[text]
    if "_" in text:
        raise ValueError(f"{text!r} is no number")
    # Other programs write whole numbers as 3.0 or floats where whole numbers were.
    return int(text) if kind == "int" and _WHOLE.fullmatch(text) else float(text)


def typed(texts: Mapping[int, str]) -> dict[int, Any]:
    """The values of a column of unknown type: all whole numbers, all numbers, all bools, or text.

    A column is of one type: where a single entry is no number, all its entries stay text.
    """
    for kind in ("int", "float", "bool"):
        if kind == "int" and not all(_WHOLE.fullmatch(text) for text in texts.values()):
            continue
        try:
            return {unit: parse(text, kind) for unit, text in texts.items()}
        except ValueError:
            continue
    return dict(texts)


def read_folder(folder: Path, info_table: str | None) -> Table:
    """All tables of a folder in one.

    Where two tables have the same column, a table of its own (``cluster_group.tsv``) goes before
    the attributes, and those before ``cluster_info.tsv``, which Phy rounds; a table that the
    caller names goes before all.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    info_table : str, optional
        Name of a table that must be there.

    Returns
    -------
    dict of str to dict of int to str

    Raises
    ------
    FormatError
        If a table cannot be read.
    """
    rank = {Path(INFO_TABLE).stem: 0, Path(ATTRIBUTE_TABLE).stem: 1}
    paths = sorted(
        (path for path in folder.glob("cluster_*") if path.suffix in (".tsv", ".csv")),
        key=lambda path: (rank.get(path.stem, 2), path.name),
    )
    if info_table is not None:
        paths.append(folder / info_table)
    merged: Table = {}
    for path in paths:
        for column, texts in read(path).items():
            merged.setdefault(column, {}).update(texts)
    return merged


def read(path: Path) -> Table:
    """Read one table; empty when it has no column of cluster ids.

    Raises
    ------
    FormatError
        If the file is no table, or an id no whole number.
    """
    if not path.is_file():
        raise FormatError(f"the table {path.name} is not a file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if "\t" in file.readline() else ","
            file.seek(0)
            rows = list(csv.reader(file, delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(
            f"{path.name} is no table",
            found=str(error),
            allowed="tab-separated UTF-8 text",
        ) from error
    header = [name.strip() for name in rows[0]] if rows else []
    ids = next((header.index(name) for name in _ID_COLUMNS if name in header), None)
    if ids is None:
        return {}
    table: Table = {name: {} for number, name in enumerate(header) if number != ids}
    for number, row in enumerate(rows[1:], start=2):
        if any(row):
            _add(table, header, row, ids, f"{path.name}, row {number}")
    return table


def _add(table: Table, header: Sequence[str], row: Sequence[str], ids: int, where: str) -> None:
    if any(row[len(header) :]) or len(row) <= ids:
        raise FormatError(f"{where}: the cells do not fit the header", found=row)
    unit = _id(row[ids], where)
    for name, text in zip(header, row):
        if name in table and text.strip():
            table[name][unit] = text


def _id(text: str, where: str) -> int:
    match = _ID.fullmatch(text)
    if match is None:
        raise FormatError(f"{where}: the cluster id is no whole number", found=text)
    return int(match[1])
