"""The jobs of the workflow: one library call each, with a log, a receipt and readable errors."""

from __future__ import annotations

import faulthandler
import json
import os
import platform
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from spikelab import convert, dandi, s3
from spikelab.atomic import replacing_file
from spikelab.errors import MissingFile, SpikelabError, SpikelabWarning
from spikelab.s3.client import Access

# The last line of the log of a failed job begins with this.
ERROR = "error: "


@dataclass
class Log:
    """A job's log while it runs.

    Attributes
    ----------
    file : file object
        Open for writing.
    notes : list of str
        What the library warned about.
    """

    file: TextIO
    notes: list[str]

    def say(self, line: str) -> None:
        """Write a line to the log at once."""
        print(line, file=self.file, flush=True)

    def warn(self, message: Any, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        """Write a warning to the log; keep it where it is about the session."""
        print(f"{category.__name__}: {message}", file=self.file)
        if issubclass(category, SpikelabWarning):
            self.notes.append(str(message))


@contextmanager
def logged(path: str) -> Iterator[Log]:
    """Send stderr and warnings to a log; end the process readably where the job fails.

    Parameters
    ----------
    path : str
        The log. Its last line is the reason of a failure, after the traceback.
    """
    with Path(path).open("w", encoding="utf-8") as file, warnings.catch_warnings():
        log = Log(file, [])
        log.say(_place())
        warnings.simplefilter("always", SpikelabWarning)
        warnings.showwarning = log.warn
        faulthandler.enable(file)
        try:
            with redirect_stderr(file):
                yield log
        except Exception as error:
            reason = str(error) if isinstance(error, SpikelabError) else repr(error)
            traceback.print_exc(file=file)
            file.write(f"{ERROR}{' '.join(reason.split())}\n")
            print(f"{reason}\nThe full error is in {Path(path).resolve()}", file=sys.stderr)
            sys.exit(1)
        finally:
            faulthandler.disable()


def _place() -> str:
    """Where and when a job began: of one that was killed, its log holds nothing else."""
    job = os.environ.get("SLURM_JOB_ID")
    slurm = f", Slurm job {job}" if job else ""
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"began {when} on {platform.node()}, process {os.getpid()}{slurm}"


def fetch(
    *, url: str, target: str, endpoint: str | None, anonymous: bool, receipt: str, log: str
) -> None:
    """Download a source, and leave a receipt of what came.

    Parameters
    ----------
    url, endpoint : str
        The object, or with a slash at its end the folder, and the server; None leaves that to
        boto3.
    anonymous : bool
        Whether to ask without a key.
    target, receipt, log : str
        The local copy, the receipt and the log to write.
    """
    with logged(log) as running:
        running.say(f"downloading {url}")
        access = Access(endpoint_url=endpoint, anonymous=anonymous)
        done = s3.fetch(url, Path(target), access, progress=running.say)
        running.say(f"{target} is {url} of {done.endpoint}: {done.size} bytes")
        done.save(Path(receipt))


def ingest(
    target: str,
    *,
    log: str,
    session: str,
    source: str,
    format: str,
    options: Mapping[str, Any],
    fs_Hz: float | None,
    metadata: Mapping[str, Any],
    url: str | None = None,
) -> None:
    """Read a source into a session file (a pickle).

    Parameters
    ----------
    target, log : str
        The session file and the log to write.
    session, source, format : str
        Name of the session, its file or folder, and the format of that.
    options : mapping
        Options of the format.
    fs_Hz : float or None
        Sampling frequency in Hz as the sheet gives it.
    metadata : mapping
        Metadata as the sheet gives it.
    url : str, optional
        Where the source was downloaded from.
    """
    with logged(log), _downloaded_from(url):
        sd = convert.load_source(
            source, format, options, fs_Hz=fs_Hz, metadata=metadata, session=session
        )
        convert.save(sd, target, "pickle", session=session)


def export(
    session_file: str,
    target: str,
    receipt: str,
    *,
    log: str,
    session: str,
    format: str,
    options: Mapping[str, Any],
) -> None:
    """Export a session file, and leave a receipt of what was made.

    Parameters
    ----------
    session_file, target, receipt, log : str
        The session file to read; the export, the receipt and the log to write.
    session, format : str
        Name of the session and format of the export.
    options : mapping
        Options of the format.
    """
    with logged(log) as running:
        sd = convert.load(session_file, "pickle", session=session)
        made = convert.save(sd, target, format, options, session=session)
        content = {
            "session": session,
            "format": format,
            "path": target,
            "bytes": _size(made),
            "units": sd.N,
            "spikes": sum(map(len, sd.train)),
            "notes": running.notes,
        }
        _write_receipt(receipt, content)


def upload(*, source: str, url: str, endpoint: str | None, receipt: str, log: str) -> None:
    """Upload an export, and leave a receipt of what the server confirmed.

    Parameters
    ----------
    source : str
        The file or folder.
    url, endpoint : str
        Where to, and the server; None leaves that to boto3.
    receipt, log : str
        The receipt and the log to write.
    """
    with logged(log) as running:
        running.say(f"uploading {source} to {url}")
        if not Path(source).exists():
            hint = "run again: what is missing is exported first"
            raise MissingFile("the export to upload is gone", path=source, hint=hint)
        access = Access(endpoint_url=endpoint)
        done = s3.send(Path(source), url, access, progress=running.say)
        running.say(f"{done.url} on {done.endpoint} is {source}: {done.size} bytes")
        done.save(Path(receipt))


def archive(nwb: str, dandiset: str, receipt: str, *, log: str, session: str) -> None:
    """Place an NWB export in the layout of the DANDI archive, and leave a receipt.

    Parameters
    ----------
    nwb, dandiset, receipt, log : str
        The NWB file and the root of the dandiset; the receipt and the log to write.
    session : str
        Name of the session, which names the file where the metadata have no ``session_id``.
    """
    with logged(log) as running:
        made = str(dandi.archive(nwb, dandiset, session=session, taken=_claimed(receipt)))
        _write_receipt(receipt, {"session": session, "path": made, "notes": running.notes})
        # Two sessions of one name may have come at the same time: then each sees the other's.
        if made in _claimed(receipt):
            dandi.archive(nwb, dandiset, session=session, taken=[made])


@contextmanager
def _downloaded_from(url: str | None) -> Iterator[None]:
    """Let errors name the URL besides the local copy."""
    try:
        yield
    except SpikelabError as error:
        if url is not None:
            error.path = f"{error.path}, downloaded from {url}" if error.path else url
        raise


def _claimed(receipt: str) -> list[str]:
    """The places in the dandiset that belong to other sessions, by their receipts."""
    own = Path(receipt)
    receipts = own.parents[1].glob(f"*/{own.name}")
    others = [one for one in receipts if one.parent.name != own.parent.name]
    return [json.loads(one.read_text(encoding="utf-8"))["path"] for one in others]


def _write_receipt(receipt: str, content: Mapping[str, Any]) -> None:
    with replacing_file(Path(receipt)) as scratch:
        scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
