"""The command ``spikelab upload``: files and folders to S3, and the check of their receipts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from spikelab import s3
from spikelab.errors import MissingFile, OptionError, SpikelabError
from spikelab.s3.client import parse_folder_url, parse_url
from spikelab.s3.receipt import SUFFIX, try_place

EXIT_DIFFERENT = 1
EXIT_ERROR = 2
DESCRIPTION = """\
Upload files and folders to S3 or a server like it, or check earlier uploads.

  spikelab upload a.nwb s3://bucket/lab/a.nwb     one file, under this key
  spikelab upload a.nwb b.h5 s3://bucket/lab/     each under lab/, by its name
  spikelab upload a_kilosort s3://bucket/lab/     a folder: lab/a_kilosort/...
  spikelab upload --check results/*/*.s3.json     read the objects again, compare

Every upload is compared with the file and leaves a receipt (NAME.s3.json) beside
it. What is there already, unchanged, is not sent again.
"""
EPILOG = """\
Credentials come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY),
a profile (AWS_PROFILE) or whatever else boto3 finds; they are no arguments. Without
--endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and the profile are asked.

Exit code: 0 all is well; 1 --check found a difference; 2 an error.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the program."""
    parser = commands.add_parser(
        "upload",
        help="upload to S3, or check uploads",
        usage="spikelab upload [OPTION ...] PATH [PATH ...] s3://BUCKET/KEY-OR-PREFIX/\n"
        "       spikelab upload --check [--repair] [OPTION ...] RECEIPT [RECEIPT ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="+", metavar="PATH", help="files or folders, and where to; or receipts"
    )
    parser.add_argument(
        "--endpoint-url", metavar="URL", help="another server than Amazon's, such as MinIO or Ceph"
    )
    parser.add_argument(
        "--receipt",
        metavar="PATH",
        help="where to write the receipt: a file, or a folder for the receipts of several",
    )
    parser.add_argument(
        "--check", action="store_true", help="read again what receipts name, and compare"
    )
    parser.add_argument(
        "--repair", action="store_true", help="with --check: upload again what differs"
    )
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    access = s3.Access(endpoint_url=parsed.endpoint_url)
    if parsed.check:
        if parsed.receipt is not None:
            raise OptionError("--receipt is for uploads", hint="name the receipts after --check")
        codes = [_check(Path(word), access, parsed.repair) for word in parsed.words]
        return max(codes)
    if parsed.repair:
        raise OptionError("--repair needs --check", hint="give both, and receipts")
    *paths, url = parsed.words
    _upload([Path(path) for path in paths], url, parsed.receipt, access)
    return 0


def _check(path: Path, access: s3.Access, repair: bool) -> int:
    try:
        problems = s3.check(path, access, repair=repair)
    except SpikelabError as error:  # the other receipts are checked all the same
        print(f"{path}: not checked", flush=True)
        print(f"spikelab: error: {error}", file=sys.stderr)
        return EXIT_ERROR
    left = [problem for problem in problems if not problem.repaired]
    state = "differs" if left else "repaired" if problems else "ok"
    print(": ".join([str(path), state, "; ".join(map(str, problems))]).removesuffix(": "))
    return EXIT_DIFFERENT if left else 0


def _upload(paths: list[Path], url: str, receipt: str | None, access: s3.Access) -> None:
    # All that can be wrong with the words is found before anything is sent.
    sources = [_named(path) for path in paths if not _is_receipt(path)]
    targets = _targets(sources, url)
    receipts = _receipts(sources, receipt)
    for target, place in zip(targets, receipts, strict=True):
        (parse_folder_url if target.endswith("/") else parse_url)(target)
        try_place(place)
    for source, target, place in zip(sources, targets, receipts, strict=True):
        sent = s3.send(source, target, access, progress=_say)
        sent.save(place)
        print(f"{sent.url}: {sent.size} bytes on {sent.endpoint}, receipt {place}", flush=True)


def _named(path: Path) -> Path:
    if not os.access(path, os.F_OK):  # which takes an over-long name for no file
        raise MissingFile("there is no such file or folder", path=path)
    return path.resolve() if path.name in ("", "..") else path


def _is_receipt(path: Path) -> bool:
    """Whether it is one of ours, which ``results/*/*`` takes in; they stay here."""
    if path.name.endswith(SUFFIX):
        _say(f"{path}: a receipt, not uploaded")
        return True
    return False


def _targets(sources: list[Path], url: str) -> list[str]:
    """The URL of every source: that of a folder ends in a slash."""
    if not url.startswith("s3://") or not sources:
        raise OptionError(
            "an upload needs what to send, and where to",
            found=url,
            allowed="PATH [PATH ...] s3://bucket/key-or-prefix/",
        )
    below = url.endswith("/")
    if len(sources) > 1 and not below:
        raise OptionError(
            "several files cannot have one key", found=url, hint="end the URL in a slash"
        )
    names = [source.name if below else "" for source in sources]
    if len(set(names)) < len(names):
        raise OptionError(
            "two of them have the same name",
            found=", ".join(map(str, sources)),
            hint="upload them one by one, under other prefixes",
        )
    ends = ["/" if source.is_dir() else "" for source in sources]
    return [f"{url}{name}{end}" for name, end in zip(names, ends, strict=True)]


def _receipts(sources: list[Path], given: str | None) -> list[Path]:
    names = [f"{source.name}{SUFFIX}" for source in sources]
    if given is None:
        return [source.with_name(name) for source, name in zip(sources, names, strict=True)]
    if len(sources) == 1 and not given.endswith(os.sep) and not Path(given).is_dir():
        return [Path(given)]
    return [Path(given) / name for name in names]


def _say(line: str) -> None:
    print(f"spikelab: {line}", file=sys.stderr, flush=True)
