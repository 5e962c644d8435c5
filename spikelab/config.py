"""The configuration of the workflow: checked against its schema, with the defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spikelab.errors import OptionError
from spikelab.schema import (
    Schema,
    looks_secret,
    secret_problem,
    unknown,
    validator,
    wrong_value,
)


def typed(config: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """A configuration with numbers where its schema wants no text.

    Snakemake hands over what was nested in ``--config`` as text: ``'5.0'``, ``'false'``.
    """
    parts = schema.get("properties", {})
    return {key: _typed(value, parts.get(key, {})) for key, value in config.items()}


def _typed(value: Any, schema: Schema) -> Any:
    import yaml

    if isinstance(value, Mapping):
        return typed(value, schema)
    if value is None and schema.get("type") == "object":
        return {}  # a section whose keys are all commented out
    kinds = schema.get("type", "string")
    if "null" in kinds and value == "null":
        return None
    takes_text = "$ref" in schema or "string" in kinds
    if isinstance(value, str) and (not takes_text or "oneOf" in schema):
        read = yaml.safe_load(value)
        # YAML 1.1, which Snakemake reads, takes 1e1 for text.
        return _number(read) if isinstance(read, str) else read
    return value


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def check(config: Mapping[str, Any], schema: Schema) -> list[OptionError]:
    """All problems of a configuration.

    Parameters
    ----------
    config : mapping
        As Snakemake read it from files and command line.
    schema : mapping
        Its JSON schema.

    Returns
    -------
    list of OptionError
        One for each key that is unknown, a credential, or holds what it must not.
    """
    problems = list(_secrets(config))
    for error in validator(schema).iter_errors(dict(config)):
        place = _place([str(key) for key in error.absolute_path])
        if error.validator == "additionalProperties":
            known = tuple(error.schema["properties"])
            problems += [
                unknown(place, "key", str(key), known)
                for key in error.instance
                if key not in known and not looks_secret(str(key))
            ]
        else:
            problems.append(wrong_value(place, error))
    return problems + list(_half_given(config))


def _half_given(config: Mapping[str, Any]) -> Iterator[OptionError]:
    """Raw traces are written when both they and their times have a name."""
    for format, options in config.items():
        if isinstance(options, Mapping):
            names = [options.get("raw_dataset"), options.get("raw_time_dataset")]
            if names.count(None) == 1:
                yield OptionError(
                    "raw_dataset and raw_time_dataset must be given together",
                    found=f"raw_dataset={names[0]!r}, raw_time_dataset={names[1]!r}",
                    hint="give both to write the raw traces, or none",
                    path=_place([str(format)]),
                )


def _place(keys: list[str]) -> str:
    return "config: " + ".".join(keys) if keys else "config"


def _secrets(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[OptionError]:
    for key, value in values.items():
        if looks_secret(str(key)):
            yield secret_problem(_place(list(above)), str(key))
        elif isinstance(value, Mapping):
            yield from _secrets(value, (*above, str(key)))


def filled(config: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """A valid configuration with the default of every key that is not given."""
    complete = dict(config)
    for key, part in schema.get("properties", {}).items():
        if "default" in part:
            complete.setdefault(key, part["default"])
        if isinstance(complete.get(key), Mapping) and "properties" in part:
            complete[key] = filled(complete[key], part)
    return complete
