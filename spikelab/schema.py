"""JSON schemas, and what they refuse, in words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikelab.errors import OptionError

Schema = Mapping[str, Any]

_SECRET = re.compile(
    r"passw|secret|token|credential|(access|api|private)_?key|^aws_", re.IGNORECASE
)

# What may be the user and the password of an address, also where its scheme is forgotten.
_USER_INFO = re.compile(r"[^\s'\"]*@")


def read_schema(path: Path) -> dict[str, Any]:
    """Read a JSON schema that is written in YAML."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), loader)


def validator(schema: Schema) -> Any:
    """A ``jsonschema`` validator."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


def looks_secret(name: str) -> bool:
    """Whether a column or key is named like a credential."""
    return bool(_SECRET.search(name))


def secret_problem(place: str, name: str) -> OptionError:
    """The refusal of a credential; its value is not repeated."""
    return OptionError(
        "credentials must not stand in files of the workflow",
        found=f"{name} = (not shown)",
        hint="remove it, and give it to boto3 by the environment (AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY) or a profile",
        path=place,
    )


def unknown(place: str, kind: str, name: str, allowed: Sequence[str]) -> OptionError:
    """The refusal of an unknown name, with the closest known one."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return OptionError(
        f"the {kind} is unknown",
        found=name,
        allowed=", ".join(allowed),
        hint=f"did you mean {close[0]}?" if close else None,
        path=place,
    )


def wrong_value(place: str, error: Any) -> OptionError:
    """The refusal of a value, from an error of ``jsonschema``."""
    if error.validator == "enum" and isinstance(error.instance, str):
        return unknown(place, "value", error.instance, [str(one) for one in error.validator_value])
    described = error.schema.get("description", "").strip().rstrip(".")
    return OptionError(
        "the value is not usable",
        # Addresses of servers come with all kinds of secrets: queries, fragments, users.
        found=None if place.endswith("endpoint") else _without_user(error.instance),
        allowed=in_words(error.schema),
        hint=f"correct it ({described})" if described else None,
        path=place,
    )


def _without_user(value: Any) -> Any:
    text = value if isinstance(value, str) else repr(value)
    shown = _USER_INFO.sub("(not shown)@", text)
    return value if shown == text else shown


def in_words(schema: Schema) -> str:
    """What a part of a schema admits."""
    if "oneOf" in schema:
        return " or ".join(in_words(choice) for choice in schema["oneOf"])
    if "enum" in schema:
        return ", ".join("null" if value is None else str(value) for value in schema["enum"])
    kinds = schema.get("type", "string")
    names = {"string": "text", "object": "keys and values", "array": "a list", "number": "a number"}
    text = " or ".join(names.get(k, k) for k in ([kinds] if isinstance(kinds, str) else kinds))
    limits = {"exclusiveMinimum": "above", "minimum": "at least", "maximum": "at most"}
    words = [text, *(f"{word} {schema[key]}" for key, word in limits.items() if key in schema)]
    if "properties" in schema:
        words.append(f"({', '.join(schema['properties'])})")
    if schema.get("minItems"):
        words.append("with at least one entry")
    if schema.get("uniqueItems"):
        words.append("without repetitions")
    if "pattern" in schema:
        words.append(f"that matches {schema['pattern']}")
    return " ".join(words)
