from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spikelab import metadata
from spikelab.errors import InvalidSpikeData

NOW = datetime(2025, 6, 1, tzinfo=UTC)
COMPLETE = {
    "session_start_time": "2024-05-06T10:00:00+02:00",
    "experimenter": "Doe, Jane; Roe, Richard",
    "institution": "Institute",
    "experiment_description": "spontaneous firing",
    "keywords": "culture; firing",
    "subject_id": "c7",
    "subject_description": "cortical culture",
    "species": "Rattus norvegicus",
    "sex": "U",
    "age": "P21D",
    "device_description": "CMOS array",
    "fs_Hz": 30_000.0,
}


def problems(**values) -> list[str]:
    return metadata.problems(values, now=NOW)


def test_names_are_distinct_and_described():
    assert len(set(metadata.NAMES)) == len(metadata.NAMES) == 26
    assert all(field.description for field in metadata.FIELDS)
    assert {"subject_id", "subject_description", "weight"} <= set(metadata.SUBJECT_NAMES)


def test_complete_metadata_have_neither_problem_nor_gap():
    assert metadata.problems(COMPLETE, now=NOW) == []
    assert metadata.archive_gaps(COMPLETE) == []


@pytest.mark.parametrize("name", [n for n in COMPLETE if n != "age"])
def test_every_missing_field_is_a_gap_of_its_own(name):
    gaps = metadata.archive_gaps({k: v for k, v in COMPLETE.items() if k != name})
    assert len(gaps) == 1
    assert gaps[0].startswith(name)


def test_age_or_date_of_birth_is_enough():
    without = {k: v for k, v in COMPLETE.items() if k != "age"}
    assert metadata.archive_gaps(without) == ["neither age nor date_of_birth is given"]
    assert metadata.archive_gaps(without | {"date_of_birth": "2024-01-01T00:00:00Z"}) == []


def test_a_mouse_needs_a_place_of_its_electrodes():
    mouse = COMPLETE | {"species": "Mus musculus"}
    assert [gap.split()[0] for gap in metadata.archive_gaps(mouse)] == ["electrode_location"]
    assert metadata.archive_gaps(mouse, electrodes=False) == []
    assert metadata.archive_gaps(mouse | {"electrode_location": "VISp"}) == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("session_start_time", "2024-05-06T10:00:00Z", "2024-05-06T10:00:00"),
        ("session_start_time", "1980-01-02T00:00:00+00:00", "1979-12-31T00:00:00+00:00"),
        ("session_start_time", "2025-05-31T00:00:00+00:00", "2025-06-02T00:00:00+00:00"),
        ("session_start_time", "2024-05-06 10:00+05:30", "yesterday"),
        ("age", "P90D", "90 days"),
        ("age", "P1Y2M", "P"),
        ("age", "PT12H", "PT"),
        ("age", "P1D/P3D", "P1D/P2D/P3D"),
        ("age", "P90D/", "/P90D"),
        ("sex", "M", "male"),
        ("sex", "U", "m"),
        ("species", "Mus musculus", "mouse"),
        ("species", "http://purl.obolibrary.org/obo/NCBITaxon_10090", "Mus Musculus"),
        ("date_of_birth", "2024-01-01T00:00:00+01:00", "2024-01-01"),
        ("date_of_birth", "2025-05-31T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("experimenter", "Doe, Jane", "Jane Doe"),
        ("experimenter", "Doe, Jane; O'Neil-Roe, R. J.", "Doe, Jane; Roe"),
        ("experimenter", ["Doe, Jane"], ["Doe"]),
        ("weight", "0.02 kg", "20"),
        ("subject_id", "m-1", "m/1"),
        ("session_id", "s_1", "a\\b"),
        ("raw_conversion_to_volts", "1.95e-7", "0.195 uV"),
        ("raw_conversion_to_volts", 1e-6, 0),
        ("raw_conversion_to_volts", 1, "inf"),
    ],
)
def test_malformed_values_are_named(name, good, bad):
    assert problems(**{name: good}) == []
    found = problems(**{name: bad})
    assert len(found) == 1
    assert name in found[0]


def test_numbers_of_a_sheet_are_texts():
    name = "raw_conversion_to_volts"
    assert metadata.parsed({name: " 1.95e-7 "}) == {name: 1.95e-7}
    assert metadata.parsed({name: "a few uV"}) == {name: "a few uV"}


def test_sex_of_worms():
    assert problems(species="Caenorhabditis elegans", sex="XX") == []
    assert "XX or XO" in problems(species="Caenorhabditis elegans", sex="M")[0]
    assert "XX or XO" in problems(species="Mus musculus", sex="XO")[0]


def test_the_present_is_the_clock():
    assert metadata.problems({"session_start_time": "2999-01-01T00:00:00Z"}) != []


@pytest.mark.parametrize("value", ["", "  ", None, float("nan"), []])
def test_what_is_not_given_is_no_problem(value):
    assert problems(session_start_time=value, age=value, experimenter=value) == []
    assert metadata.parsed({"age": value, "other": value}) == {}


def test_values_of_a_sheet():
    row = {"experimenter": " Doe, Jane ; Roe, Richard", "keywords": "one;", "lab": " L ", "n": 3}
    assert metadata.parsed(row) == {
        "experimenter": ["Doe, Jane", "Roe, Richard"],
        "keywords": "one",
        "lab": "L",
        "n": 3,
    }


def test_a_time_keeps_its_zone():
    time = metadata.parse_time("2024-05-06T10:00:00+02:00")
    assert time.utcoffset().total_seconds() == 7200
    assert metadata.parse_time(time) is time


@pytest.mark.parametrize("value", ["2024-05-06T10:00:00", "soon", 5])
def test_a_zone_is_never_assumed(value):
    with pytest.raises(InvalidSpikeData, match="session_start_time"):
        metadata.parse_time(value)
