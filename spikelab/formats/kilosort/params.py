"""``params.py``: written as literals, read as literals, never run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spikelab.errors import FormatError
from spikelab.formats.kilosort.options import PARAMS

_MAX_BYTES = 1 << 20


class _Unreadable(str):
    """The text of an assignment whose value is no literal."""


class Params:
    """The assignments of a ``params.py``; what is no literal is an error only where needed.

    Parameters
    ----------
    values : mapping of str to object
        Name, in lower case, to value.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def is_literal(self, name: str) -> bool:
        """Whether `name` is assigned, and its value can be read."""
        return name in self._values and not isinstance(self._values[name], _Unreadable)

    def get(self, name: str, kind: type | tuple[type, ...], allowed: str) -> Any:
        """The value of `name`, or None when it is not assigned.

        Raises
        ------
        FormatError
            If the value is not a literal of that kind.
        """
        value = self._values.get(name)
        wrong = not isinstance(value, kind) or isinstance(value, (bool, _Unreadable))
        if name in self._values and wrong:
            raise FormatError(
                f"{PARAMS}: {name} is not usable (the file is read, never run)",
                found=value,
                allowed=allowed,
                hint=f"write a plain value for {name}",
            )
        return value

    def number(self, name: str) -> float | None:
        """The finite number under `name`, or None."""
        value = self.get(name, (int, float), "a number")
        if value is not None and not abs(value) < float("inf"):
            raise FormatError(f"{PARAMS}: {name} is not finite", found=value)
        return None if value is None else float(value)

    def file_name(self, name: str) -> str | None:
        """The name of a file in the same folder under `name`, or None."""
        value = self.get(name, str, "the name of a file in the folder")
        if value is not None and not is_plain_name(value):
            raise FormatError(
                f"{PARAMS}: {name} leads out of the folder", found=value, allowed="a plain name"
            )
        return value


def is_plain_name(name: object) -> bool:
    """Whether a name means a file in the same folder, on any operating system."""
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
    )


def read(folder: Path) -> Params:
    """Read the ``params.py`` of a folder; empty when there is none.

    Raises
    ------
    FormatError
        If the file is no text.
    """
    path = folder / PARAMS
    if not path.is_file():
        return Params({})
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{PARAMS} is no text", found=str(error), allowed="UTF-8") from error
    if len(content) > _MAX_BYTES:
        raise FormatError(f"{PARAMS} is no list of parameters", found="more than 1 MiB")
    return Params(dict(_assignments(text)))


def _assignments(text: str) -> Iterator[tuple[str, Any]]:
    """Each plain assignment at the top level; names in lower case, as Phy takes them."""
    tree = _parse(text)
    if tree is not None:
        yield from _of_tree(tree, text)
        return
    # One bad line, such as a Windows path with "\U", must not hide the others.
    for line in text.splitlines():
        tree = _parse(line)
        if tree is not None:
            yield from _of_tree(tree, line)
        elif line.split("=")[0].strip().isidentifier():
            yield line.split("=")[0].strip().lower(), _Unreadable(line.strip())


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            # Python minds the backslashes of Windows paths.
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _of_tree(tree: ast.Module, text: str) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        try:
            value = ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            value = _Unreadable(ast.get_source_segment(text, node) or "")
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id.lower(), value


def render(values: Mapping[str, object], notes: list[str]) -> str:
    """The text of a ``params.py``: notes as comments, then one literal per line."""
    lines = [f"# {note}" for note in notes]
    lines += [f"{name} = {value!r}" for name, value in values.items()]
    return "\n".join(lines) + "\n"
