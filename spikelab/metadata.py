"""What is known about a session, its subject and its device: names, meaning, validity.

The keys of ``SpikeData.metadata`` with these names, the columns of a session sheet and the fields
of an NWB file are the same list: :data:`FIELDS`. The rules are those of the NWB standard and of
the archives that check it (nwbinspector's best practices, DANDI).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spikelab.errors import InvalidSpikeData

SEPARATOR = ";"
# Recordings before this are taken for clocks that nobody set.
EARLIEST_START = datetime(1980, 1, 1, tzinfo=UTC)

_DURATION = re.compile(
    r"P(?!$)(\d+(\.\d+)?Y)?(\d+(\.\d+)?M)?(\d+(\.\d+)?W)?(\d+(\.\d+)?D)?"
    r"(T(?=\d)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?"
)
_SPECIES = re.compile(r"[A-Z][a-z]* [a-z]+|http://purl\.obolibrary\.org/obo/NCBITaxon_\d+")
_WEIGHT = re.compile(r"\d+(\.\d+)? (kg|g|mg|ug|μg|ng|pg)", re.IGNORECASE)
_PERSON = re.compile(r"[\w\s\-.']+,\s+[\w\s\-.']+")
_WORM = ("Caenorhabditis elegans", "C. elegans")
_MOUSE = ("Mus musculus", "http://purl.obolibrary.org/obo/NCBITaxon_10090")


def parse_time(value: object, name: str = "session_start_time") -> datetime:
    """A point in time with its zone.

    Parameters
    ----------
    value : str or datetime.datetime
        ISO 8601, such as ``2024-05-06T10:00:00+02:00``.
    name : str
        What to call the value in the message.

    Raises
    ------
    InvalidSpikeData
        If it is no ISO 8601 time, or has no zone: a zone is never assumed.
    """
    allowed = "ISO 8601 with a zone, such as 2024-05-06T10:00:00+02:00"
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError as error:
        raise InvalidSpikeData(f"{name} is not a time", found=value, allowed=allowed) from error
    if time.utcoffset() is None:
        raise InvalidSpikeData(
            f"{name} has no time zone",
            found=str(value),
            allowed=allowed,
            hint="add the zone of the place of recording, or Z when the clock ran on UTC",
        )
    return time


def _start(value: Any, now: datetime) -> str | None:
    time = parse_time(value)
    if time <= EARLIEST_START:
        return "is before 1980, which looks like a clock that was not set"
    return "is in the future" if time >= now else None


def _birth(value: Any, now: datetime) -> str | None:
    return "is in the future" if parse_time(value, "date_of_birth") >= now else None


def _age(value: Any, now: datetime) -> str | None:
    bounds = str(value).split("/")
    known = [bound for bound in bounds if bound]
    if len(bounds) <= 2 and bounds[0] and all(_DURATION.fullmatch(bound) for bound in known):
        return None
    return "must be an ISO 8601 duration such as P90D or P3M, or a range such as P1D/P3D"


def _positive(value: Any, now: datetime) -> str | None:
    number = _number(value)
    is_positive = isinstance(number, float) and 0 < number < float("inf")
    return None if is_positive else "must be a positive finite number"


def _number(value: Any) -> Any:
    """A number, or the text of one, as float; anything else as it is."""
    try:
        return value if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return value


def _matching(pattern: re.Pattern[str], advice: str) -> Callable[[Any, datetime], str | None]:
    def check(value: Any, now: datetime) -> str | None:
        return None if pattern.fullmatch(str(value)) else f"must be {advice}"

    return check


def _people(value: Any, now: datetime) -> str | None:
    wrong = [name for name in as_list(value) if not _PERSON.fullmatch(name)]
    return f"must be 'Last, First', several separated by '{SEPARATOR}'" if wrong else None


@dataclass(frozen=True)
class Field:
    """One thing that can be known about a session.

    Attributes
    ----------
    name : str
        Key in ``SpikeData.metadata`` and column of a session sheet.
    description : str
        For people.
    check : callable, optional
        Takes a value and the present time; returns what is wrong with it, or None.
    number : bool
        Whether it is a number; a sheet has its text.
    many : bool
        Whether it may have several values; in a sheet they are separated by ``;``.
    subject : bool
        Whether it is about the subject.
    archive : bool
        Whether an archive's checks miss it where it is not given.
    """

    name: str
    description: str
    check: Callable[[Any, datetime], str | None] | None = None
    number: bool = False
    many: bool = False
    subject: bool = False
    archive: bool = False


_NO_SLASH = _matching(re.compile(r"[^/\\]*"), "free of slashes: archives make file names of it")
_SEX = _matching(re.compile("[MFOU]|XX|XO"), "M, F, O (other) or U (unknown)")
_KIND = _matching(_SPECIES, "a Latin binomial such as Mus musculus, or an NCBITaxon link")

FIELDS: tuple[Field, ...] = (
    Field(
        "session_start_time",
        "Start of the recording, ISO 8601 with its time zone, such as 2024-05-06T10:00:00+02:00",
        _start,
        archive=True,
    ),
    Field("session_description", "What was done in this session"),
    Field("identifier", "A name for the file that no other file has"),
    Field("session_id", "Name of the session in the lab, without slashes", _NO_SLASH),
    Field(
        "experimenter",
        "Who did the experiment: 'Last, First'; several separated by ';'",
        _people,
        many=True,
        archive=True,
    ),
    Field("institution", "Where the experiment was done", archive=True),
    Field("lab", "The lab in which it was done"),
    Field("experiment_description", "What the experiment was about", archive=True),
    Field(
        "keywords",
        "Terms to search for, separated by ';' (neo cannot read NWB files that have them)",
        many=True,
        archive=True,
    ),
    Field("protocol", "Number of the approved protocol"),
    Field("notes", "Anything else"),
    Field(
        "subject_id", "Name of the subject, without slashes", _NO_SLASH, subject=True, archive=True
    ),
    Field("subject_description", "What the subject is", subject=True, archive=True),
    Field(
        "species",
        "Latin binomial such as Mus musculus, or an NCBITaxon link",
        _KIND,
        subject=True,
        archive=True,
    ),
    Field("sex", "M, F, O (other) or U (unknown)", _SEX, subject=True, archive=True),
    Field("age", "ISO 8601 duration such as P90D, or a range such as P1D/P3D", _age, subject=True),
    Field("date_of_birth", "ISO 8601 with its time zone", _birth, subject=True),
    Field("strain", "Strain of the subject", subject=True),
    Field("genotype", "Genotype of the subject", subject=True),
    Field(
        "weight",
        "A number, a space and a unit, such as 0.021 kg",
        _matching(_WEIGHT, "a number, a space and a unit (kg, g, mg, ug), such as 0.021 kg"),
        subject=True,
    ),
    Field("device_name", "Name of the recording device or probe"),
    Field("device_description", "What the device is", archive=True),
    Field("device_manufacturer", "Who makes the device"),
    Field("device_model", "Model of the device"),
    Field("electrode_location", "Where the electrodes were: brain area, or culture"),
    Field(
        "raw_conversion_to_volts",
        "Volts per unit of the raw traces, such as 1.95e-7; for NWB with raw traces",
        _positive,
        number=True,
    ),
)
NAMES: tuple[str, ...] = tuple(field.name for field in FIELDS)
SUBJECT_NAMES: tuple[str, ...] = tuple(field.name for field in FIELDS if field.subject)
_BY_NAME = {field.name: field for field in FIELDS}


def as_list(value: Any) -> list[str]:
    """The values of a field that may have several: a list, or text separated by ``;``."""
    parts = value.split(SEPARATOR) if isinstance(value, str) else list(value)
    return [text for part in parts if (text := str(part).strip())]


def is_given(value: Any) -> bool:
    """Whether a value says anything: not None, not blank, not an empty list, not NaN."""
    if value is None or (isinstance(value, float) and value != value):
        return False
    if isinstance(value, str):
        return bool(value.strip())
    return len(value) > 0 if isinstance(value, (list, tuple)) else True


def parsed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take over values as a sheet gives them: blanks dropped, lists split, text stripped.

    Parameters
    ----------
    values : mapping
        Names and values. Names that are not in :data:`NAMES` pass unchanged.

    Returns
    -------
    dict
        A field that may have several values is a list where it has more than one.
    """
    return {name: _parsed(name, value) for name, value in values.items() if is_given(value)}


def _parsed(name: str, value: Any) -> Any:
    field = _BY_NAME.get(name)
    if field is not None and field.many:
        several = as_list(value)
        return several[0] if len(several) == 1 else several
    if field is not None and field.number:
        return _number(value)
    return value.strip() if isinstance(value, str) else value


def problems(metadata: Mapping[str, Any], *, now: datetime | None = None) -> list[str]:
    """Malformed values, one line each; what is not given is no problem here.

    Parameters
    ----------
    metadata : mapping
        Names of :data:`NAMES` and their values; other names are ignored.
    now : datetime.datetime, optional
        What counts as the present.
    """
    present = now or datetime.now(UTC)
    found = []
    for field in FIELDS:
        value = metadata.get(field.name)
        if not is_given(value) or field.check is None:
            continue
        try:
            wrong = field.check(value, present)
        except InvalidSpikeData as error:
            found.append(str(error))
            continue
        if wrong:
            found.append(f"{field.name} {wrong}; found {value!r}")
    return found + _odd_combinations(metadata)


def _odd_combinations(metadata: Mapping[str, Any]) -> list[str]:
    sex, species = metadata.get("sex"), metadata.get("species")
    if is_given(sex) and (sex in ("XX", "XO")) != (species in _WORM):
        wanted = "XX or XO for C. elegans, and M, F, O or U for every other species"
        return [f"sex must be {wanted}; found {sex!r} for {species!r}"]
    return []


def archive_gaps(metadata: Mapping[str, Any], *, electrodes: bool = True) -> list[str]:
    """What an archive's checks (nwbinspector, DANDI) would miss, one line each.

    Parameters
    ----------
    metadata : mapping
        The session's metadata; ``fs_Hz`` counts as well.
    electrodes : bool
        Whether units have electrodes: only then is there a device to be described.
    """
    gaps = [
        f"{field.name} is not given: {field.description}"
        for field in FIELDS
        if field.archive
        and not is_given(metadata.get(field.name))
        and (electrodes or not field.name.startswith("device"))
    ]
    if not is_given(metadata.get("age")) and not is_given(metadata.get("date_of_birth")):
        gaps.append("neither age nor date_of_birth is given")
    if not is_given(metadata.get("fs_Hz")):
        gaps.append("fs_Hz is not given: the resolution of the spike times is unknown")
    is_mouse = metadata.get("species") in _MOUSE
    if electrodes and is_mouse and not is_given(metadata.get("electrode_location")):
        gaps.append("electrode_location is not given: for a mouse, an Allen term or 'root'")
    return gaps
