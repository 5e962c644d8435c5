"""A file with the metadata of sessions, in YAML or JSON, for what is too long for a sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikelab import metadata
from spikelab.errors import OptionError
from spikelab.schema import looks_secret, secret_problem, unknown

_HINT = "write lines such as 'species: Mus musculus'"


def read(path: Path) -> tuple[dict[str, Any], list[OptionError]]:
    """Read a metadata file.

    Parameters
    ----------
    path : pathlib.Path
        A YAML or JSON mapping of names as in :mod:`spikelab.metadata` to texts or lists of texts.

    Returns
    -------
    values : dict
        What it says, lists and texts taken over by :func:`spikelab.metadata.parsed`.
    problems : list of OptionError
        One for each thing that is wrong with it; malformed values are for
        :func:`spikelab.metadata.problems` to find.
    """
    import yaml

    try:
        # Everything stays text: YAML's own dates would lose how they were written.
        content = yaml.load(path.read_text(encoding="utf-8-sig"), yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = "the metadata file cannot be read"
        return {}, [OptionError(what, found=str(error), hint=_HINT, path=path)]
    if not isinstance(content, dict):
        what = "the metadata file holds no names and values"
        return {}, [OptionError(what, found=type(content).__name__, hint=_HINT, path=path)]
    problems = []
    for name, value in content.items():
        if looks_secret(name):
            problems.append(secret_problem(str(path), name))
        elif name not in metadata.NAMES:
            problems.append(unknown(str(path), "name", name, metadata.NAMES))
        elif not _is_text(value):
            problems.append(
                OptionError(f"{name} is neither text nor a list of texts", found=value, path=path)
            )
    return ({} if problems else metadata.parsed(content)), problems


def _is_text(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return all(isinstance(part, str) for part in parts)
