"""What a run made and what it did not, for people; and which results are out of date."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from spikelab.formats.registry import FORMATS
from spikelab.jobs import ERROR
from spikelab.plan import RECEIPT, SESSION_FILE, Plan, result

# Longer lists are summed up.
MAX_ROWS = 40
MAX_FAILURES = 20
# The clock of a file server and ours may differ.
CLOCK_SLACK_S = 5
NO_MESSAGE = "the job ended without a message: killed, or out of memory or time"


def log_of(session: str, step: str) -> Path:
    """The log of a job; `step` is ``ingest`` or the format of an export."""
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


def failures(plan: Plan, since: float) -> list[tuple[str, str, str, Path]]:
    """The jobs of a run that made nothing: session, step, reason, log.

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
            log = log_of(name, step)
            if not log.exists() or log.stat().st_mtime < since - CLOCK_SLACK_S:
                continue
            reason = _reason(log)
            if reason or not Path(product).exists():
                found.append((name, step, reason or NO_MESSAGE, log))
    return found


def _reason(log: Path) -> str | None:
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    if lines and lines[-1].startswith(ERROR):
        return lines[-1].removeprefix(ERROR).removeprefix(f"session {log.stem}: ")
    return None


def failure_report(plan: Plan, since: float) -> str:
    """What failed, why, where the log is, and what to type next; arguments as in `failures`."""
    failed = failures(plan, since)
    made = [pair for pair in plan.exports if _is_made(*pair)]
    kept = [pair for pair in plan.exports if _is_kept(*pair)]
    older = f" {len(kept)} older ones are kept." if kept else ""
    sessions = len({name for name, *_ in failed})
    lines = ["", f"{len(made)} of {len(plan.exports)} exports are made.{older}"]
    lines += [f"Sessions that failed: {sessions}"] if failed else []
    for name, step, reason, log in failed[:MAX_FAILURES]:
        what = "could not be read" if step == "ingest" else f"{step} could not be written"
        lines += [f"  {name}: {what}", f"    {reason}", f"    log: {log}"]
    if len(failed) > MAX_FAILURES:
        lines.append(f"  ... and {len(failed) - MAX_FAILURES} more, see the folder logs")
    if failed:
        lines.append("Correct this, then give the same command again: only what is missing runs.")
    else:
        lines.append("No job left a message: what stopped the run is said above.")
    return "\n".join([*lines, ""])


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
    lines += [f"  {Path('results').resolve()}", *_notes(receipts), ""]
    return "\n".join(lines)


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
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"  {format} of {listed}: {note}")
    if len(about) > MAX_FAILURES:
        lines.append(f"  ... and {len(about) - MAX_FAILURES} more, see the folder logs")
    return lines


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
