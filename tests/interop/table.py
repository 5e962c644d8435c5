"""The table of readers in docs/formats.md: ``python -m tests.interop.table`` makes it anew.

It runs every reader on the hard session, so it must be run where the readers are installed.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.interop.comparing import Reader, findings
from tests.interop.conftest import find_spikelab
from tests.interop.readers import READERS
from tests.interop.refusals import REFUSALS
from tests.interop.sessions import Source, export_all, hard
from tests.interop.spikelab_process import SpikelabProcess

DOCUMENT = REPOSITORY / "docs" / "formats.md"
BEGIN, END = "<!-- readers: begin -->", "<!-- readers: end -->"
_TITLES = {"spikelab": "SpikeLab library", "spikeinterface": "SpikeInterface"}


def declared(reader: Reader) -> dict[str, str]:
    """The findings that a reader's entry admits."""
    return dict.fromkeys(reader.unspoken, "unspoken") | dict.fromkeys(reader.limits, "wrong")


def observed(
    reader: Reader, source: Source, paths: Mapping[str, Path], library: SpikelabProcess
) -> dict[str, str]:
    """The findings of a reader on the exports of a session."""
    return findings(reader, reader.read(paths[reader.format], library), source)


def render(found: Callable[[Reader], Mapping[str, str]], versions: Callable[[str], str]) -> str:
    """Both tables as Markdown.

    Parameters
    ----------
    found : callable
        The findings of a reader.
    versions : callable
        The version of a package.
    """
    lines = ["| reader | export | result |", "| --- | --- | --- |"]
    for one in READERS:
        lines.append(f"| {_title(one.package, versions)} {one.name} | {one.format} | "
                     f"{_cell(one, found(one))} |")  # fmt: skip
    lines += ["", "What readers do not bear in a session, whoever wrote the file:", ""]
    lines += ["| reader | export | session | what becomes of it |", "| --- | --- | --- | --- |"]
    for one in REFUSALS:
        says = one.says if one.says[0].islower() else f"`{one.says}`"
        lines.append(f"| {_title(one.package, versions)} | {one.format} | {one.session} | {says} |")
    return "\n".join(lines)


def _title(package: str, versions: Callable[[str], str]) -> str:
    return f"{_TITLES.get(package, package)} {versions(package)}"


def _cell(reader: Reader, found: Mapping[str, str]) -> str:
    parts = [reader.limits[fact] for fact, how in found.items() if how == "wrong"]
    unspoken = [fact for fact, how in found.items() if how == "unspoken"]
    if "keywords" in unspoken:
        parts.append("asks for `keywords`, which neo does not bear")
    elif unspoken:
        parts.append(f"says nothing of {', '.join(unspoken)}")
    verdict = "limit" if "wrong" in found.values() else "pass"
    return f"{verdict}: {'; '.join(dict.fromkeys(parts))}" if parts else verdict


def in_document() -> str:
    """What docs/formats.md has now."""
    return DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()


def without_versions(table: str) -> str:
    """The table with a dot for each version."""
    return re.sub(r"(?m)^(\| [A-Za-z ]+ )\d[\w.]*", r"\1.", table)


def main() -> None:
    """Run every reader, and write what was found into the document."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), hard()
        paths = export_all(source.sd, folder)
        with SpikelabProcess(find_spikelab(), folder) as library:
            versions = {"spikelab": library.version()}
            table = render(
                lambda reader: observed(reader, source, paths, library),
                lambda package: versions.get(package) or version(package),
            )
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    DOCUMENT.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
