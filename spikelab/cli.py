"""The command line: ``spikelab`` and its commands; ``upload`` has a module of its own."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from spikelab import __version__, cli_upload, convert
from spikelab.errors import OptionError, SpikelabError
from spikelab.formats import registry
from spikelab.summary import describe

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130  # as shells say it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words of the command; by default those of the process.

    Returns
    -------
    int
        0; 1 if ``upload --check`` finds a difference; 2 after an error, whose text goes to
        standard error; 130 if it was interrupted.
    """
    parsed = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            return parsed.run(parsed) or 0
    except SpikelabError as error:
        print(f"spikelab: error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("spikelab: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stderr.close()
        return 0


def _show_warning(message: Any, *_: Any) -> None:
    print(f"spikelab: warning: {message}", file=sys.stderr)


def _formats(_: argparse.Namespace) -> None:
    print(f"{'format':16}{'name ends in':16}{'':13}what it is")
    for entry in registry.FORMATS.values():
        access = "read, write" if entry.writes else "read"
        print(f"{entry.name:16}{entry.suffix or '(any)':16}{access:13}{entry.title}")


def _inspect(parsed: argparse.Namespace) -> None:
    entry = convert.find(parsed.path, parsed.source_format)
    sd = convert.load(parsed.path, entry.name, _options(parsed.read))
    facts = {"path": parsed.path, "format": entry.name} | describe(sd)
    if parsed.json:
        print(json.dumps(facts, indent=2, default=str))
        return
    for name, value in facts.items():
        print(f"{name.replace('_', ' ') + ':':23}{_readable(value)}")


def _readable(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list):
        return ", ".join(map(str, value)) if value else "none"
    return str(value)


def _convert(parsed: argparse.Namespace) -> None:
    target_format = _entry(parsed.target_format) or registry.guess(parsed.target)
    sd = convert.load_source(
        parsed.source, parsed.source_format, _options(parsed.read), fs_Hz=parsed.fs_hz
    )
    target = convert.save(sd, parsed.target, target_format.name, _options(parsed.write))
    print(f"{target} ({target_format.name}): {sd.N} units, {sum(map(len, sd.train))} spikes")


def _entry(name: str | None) -> registry.Format | None:
    return None if name is None else registry.get(name)


def _options(words: Sequence[str]) -> dict[str, Any]:
    """Turn ``NAME=VALUE`` words into options; values are JSON where they can be, else text."""
    options: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise OptionError("an option is not NAME=VALUE", found=word)
        try:
            options[name] = json.loads(text)
        except json.JSONDecodeError:
            options[name] = text
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spikelab", description="Sorted electrophysiology sessions in every format."
    )
    parser.add_argument("--version", action="version", version=f"spikelab {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    formats = commands.add_parser("formats", help="list the formats")
    formats.set_defaults(run=_formats)

    inspect = commands.add_parser("inspect", help="say what is in a file or folder")
    inspect.add_argument("path", metavar="PATH")
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(run=_inspect)

    one = commands.add_parser("convert", help="write a session in another format")
    one.add_argument("source", metavar="SOURCE")
    one.add_argument("target", metavar="TARGET")
    one.add_argument("--to", dest="target_format", metavar="FORMAT", help="format of TARGET")
    one.add_argument("--fs-hz", type=float, metavar="HZ", help="sampling frequency in Hz")
    one.add_argument(
        "--write",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of TARGET's format, for example raster_bin_size_ms=5",
    )
    one.set_defaults(run=_convert)

    cli_upload.add_to(commands)

    for command in (inspect, one):
        command.add_argument(
            "--from", dest="source_format", metavar="FORMAT", help="format of the source"
        )
        command.add_argument(
            "--read",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="option of the source's format, for example fs_Hz=30000",
        )
    return parser
