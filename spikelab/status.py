"""What a run made and what it did not, for people; and which results are out of date."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from spikelab.errors import SpikelabError
from spikelab.formats.registry import FORMATS
from spikelab.jobs import ERROR
from spikelab.places import RECEIPT, SESSION_FILE, UPLOAD, format_of, result, s3_receipt
from spikelab.plan import Plan
from spikelab.s3.receipt import Receipt

# Longer lists are summed up.
MAX_ROWS = 40
MAX_FAILURES = 20
# The clock of a file server and ours may differ.
CLOCK_SLACK_S = 5
NO_MESSAGE = "the job ended without a message: killed, or out of memory or time"


def log_of(session: str, step: str) -> Path:
    """The log of a job; `step` is one of those that :meth:`Plan.steps` names."""
    return Path("logs", step, f"{session}.log")


def outdate_kept(plan: Plan) -> None:
    """Date older results, kept because the job that was to replace them failed, back to 1970.

    Such a result lacks its receipt or its session file. Snakemake takes a file that is in place
    for the product of the failed job; the date makes it try again, also when that file alone is
    asked for.
    """
    for name, format in plan.exports:
        if _is_kept(name, format) and _result(name, format).is_file():
            os.utime(_result(name, format), (0, 0))


def outdate_uploads(plan: Plan) -> None:
    """Date receipts back to 1970 that are damaged, or of uploads to other places.

    Such as those of uploads by hand. Snakemake would take them for the product of its own job.
    """
    for name, format in plan.exports:
        path = Path(s3_receipt(name, format))
        if not plan.uploads.takes(format) or not path.exists():
            continue
        if _planned_receipt(plan, name, format) is None:
            os.utime(path, (0, 0))


def failures(plan: Plan, since: float) -> list[tuple[str, str, str, Path]]:
    """The jobs of a run that began and made nothing: session, step, reason, log.

    Parameters
    ----------
    plan : Plan
        The plan of the run.
    since : float
        When the run began, in seconds since 1970: older logs tell of other runs.
    """
    found = []
    for name in plan.sessions:
        for step, product in plan.steps(name):
            text = _log_of_run(name, step, since)
            reason = _reason(name, text) if text else None
            if reason or (text and not Path(product).exists()):
                found.append((name, step, reason or NO_MESSAGE, log_of(name, step)))
    return found


def _log_of_run(name: str, step: str, since: float) -> str | None:
    """Text of the log of a job of this run; empty where its cluster job ended before it began."""
    log = log_of(name, step)
    if not log.exists() or log.stat().st_mtime < since - CLOCK_SLACK_S:
        return None
    return log.read_text(encoding="utf-8", errors="replace")


def _reason(name: str, text: str) -> str | None:
    last = text.rstrip().rpartition("\n")[2]
    if not last.startswith(ERROR):
        return None
    return last.removeprefix(ERROR).removeprefix(f"session {name}: ")


def _not_begun(plan: Plan, since: float, failed: set[str]) -> list[str]:
    """Sessions that lost jobs because a cluster job ended, though nothing of theirs failed."""
    return [
        name
        for name in plan.sessions
        if name not in failed
        and any(
            _log_of_run(name, step, since) == "" and not Path(product).exists()
            for step, product in plan.steps(name)
        )
    ]


def failure_report(plan: Plan, since: float) -> str:
    """What failed, why, where the log is, and what to type next; arguments as in `failures`."""
    failed = failures(plan, since)
    made = [pair for pair in plan.exports if _is_made(*pair)]
    kept = [pair for pair in plan.exports if _is_kept(*pair)]
    older = f" {len(kept)} older ones are kept." if kept else ""
    sessions = {name for name, *_ in failed}
    waiting = _not_begun(plan, since, sessions)
    lines = ["", f"{len(made)} of {len(plan.exports)} exports are made.{older}", *_uploads(plan)]
    lines += [f"Sessions that failed: {len(sessions)}"] if failed else []
    for name, step, reason, log in failed[:MAX_FAILURES]:
        lines += [f"  {name}: {_what_failed(step)}", f"    {reason}", f"    log: {log}"]
    if len(failed) > MAX_FAILURES:
        lines.append(f"  ... and {len(failed) - MAX_FAILURES} more, see the folder logs")
    if waiting:
        what = "Sessions that were not done, because their cluster job ended first: "
        lines.append(f"{what}{len(waiting)} ({some(waiting)})")
    lines.append(
        "Correct this, then give the same command again: only what is missing runs."
        if failed
        else "What stopped the run is said above. To go on, give the same command again: only what "
        "is missing runs."
    )
    return "\n".join([*lines, ""])


def _what_failed(step: str) -> str:
    if step.startswith(UPLOAD):
        return f"{format_of(step.removeprefix(UPLOAD))} could not be uploaded"
    own = {"fetch": "could not be downloaded", "ingest": "could not be read"}
    return own.get(step, f"{step} could not be written")


def _is_made(name: str, format: str) -> bool:
    parts = (RECEIPT.format(session=name, format=format), SESSION_FILE.format(session=name))
    return _result(name, format).exists() and all(Path(part).exists() for part in parts)


def _is_kept(name: str, format: str) -> bool:
    return _result(name, format).exists() and not _is_made(name, format)


def _result(name: str, format: str) -> Path:
    return Path(result(format).format(session=name))


def table(plan: Plan) -> str:
    """Sessions and formats with the size of each export, and the notes of the exporters."""
    receipts = dict(_receipts(plan))
    formats = [name for name in FORMATS if any(format == name for _, format in receipts)]
    sessions = [name for name in plan.sessions if any((name, f) in receipts for f in formats)]
    if not receipts:
        return "Nothing is made yet."
    total = _human(sum(receipt["bytes"] for receipt in receipts.values()))
    rows = [["session", "units", "spikes", *formats]]
    for name in sessions[:MAX_ROWS]:
        own = {format: receipts.get((name, format)) for format in formats}
        one = next(receipt for receipt in own.values() if receipt)
        sizes = [_human(receipt["bytes"]) if receipt else "-" for receipt in own.values()]
        rows.append([name, str(one["units"]), str(one["spikes"]), *sizes])
    lines = ["", *_aligned(rows)]
    if len(sessions) > MAX_ROWS:
        lines.append(f"... and {len(sessions) - MAX_ROWS} more sessions")
    lines += ["", f"{len(receipts)} exports of {len(sessions)} sessions, {total}, in"]
    lines += [f"  {Path('results').resolve()}", *_uploads(plan), *_notes(receipts), ""]
    return "\n".join(lines)


def _uploads(plan: Plan) -> list[str]:
    """How many exports are on S3 as they are here, and where; nothing where none is to be."""
    asked = [pair for pair in plan.exports if plan.uploads.takes(pair[1])]
    done = [one for one in (_upload(plan, *pair) for pair in asked) if one]
    if not asked:
        return []
    hosts = ", ".join(dict.fromkeys(one.endpoint for one in done))
    count = f"{len(done)} of {len(asked)}" if len(done) < len(asked) else str(len(done))
    return [
        f"{count} exports uploaded to {plan.uploads.place.rstrip('/')}"
        + f" on {hosts}" * bool(done)
    ]


def _upload(plan: Plan, name: str, format: str) -> Receipt | None:
    """The receipt of an upload of the export that is there now, to where it is to go now."""
    export, path = Path(RECEIPT.format(session=name, format=format)), Path(s3_receipt(name, format))
    if not (export.exists() and path.exists()):
        return None
    receipt = _planned_receipt(plan, name, format)
    return receipt if path.stat().st_mtime >= export.stat().st_mtime else None


def _planned_receipt(plan: Plan, name: str, format: str) -> Receipt | None:
    """The receipt beside an export, if it is of an upload to where the export is to go now."""
    try:
        receipt = Receipt.read(Path(s3_receipt(name, format)))
    except SpikelabError:
        return None
    return receipt if receipt.url == plan.uploads.url(name, format) else None


def _receipts(plan: Plan) -> Iterator[tuple[tuple[str, str], dict]]:
    for name, format in plan.exports:
        path = Path(RECEIPT.format(session=name, format=format))
        if path.exists():
            yield (name, format), json.loads(path.read_text(encoding="utf-8"))


def _notes(receipts: dict[tuple[str, str], dict]) -> list[str]:
    """The notes, each once, with the sessions it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for (name, format), receipt in receipts.items():
        for note in receipt["notes"]:
            about.setdefault((format, note), []).append(name)
    lines = ["To know:"] if about else []
    for (format, note), names in list(about.items())[:MAX_FAILURES]:
        lines.append(f"  {format} of {some(names)}: {note}")
    if len(about) > MAX_FAILURES:
        lines.append(f"  ... and {len(about) - MAX_FAILURES} more, see the folder logs")
    return lines


def some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


def _human(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
