"""The session sheet, the configuration, and their schemas."""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from spikelab import config, metadata, plan, sheet, sheet_row
from spikelab.formats.registry import EXPORTS, FORMATS
from spikelab.schema import read_schema
from tests.conftest import REPOSITORY

SCHEMAS = REPOSITORY / "workflow" / "schemas"
LINE = read_schema(SCHEMAS / "sessions.schema.yaml")
CONFIG = read_schema(SCHEMAS / "config.schema.yaml")


def read(folder: Path, text: str | bytes):
    (folder / "a.pkl").touch()
    path = folder / "sessions.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    sessions, problems = sheet.read(path, folder, LINE)
    return sessions, [str(problem).removeprefix(str(path)) for problem in problems]


def one(folder: Path, columns: str, cells: str):
    """The problems of a sheet with one line."""
    return read(folder, f"{columns}\n{cells}\n")[1]


def test_what_spreadsheets_make_of_it(tmp_path):
    text = (
        "\ufeff# a remark\r\n\r\nsession\tsource\tformat\tfs_hz\texports\tage\t\r\n"
        's1\t a.pkl \tpickle\t30000.0\t"nwb, kilosort"\tP3D\t\t\r\n\t\t\t\r\n# s2\tx\r\n'
    )
    sessions, problems = read(tmp_path, text)
    assert problems == []
    assert sessions == [
        sheet_row.Session(
            name="s1",
            source=tmp_path / "a.pkl",
            format="pickle",
            line=4,
            fs_Hz=30000.0,
            exports=("nwb", "kilosort"),
            metadata={"age": "P3D"},
        )
    ]


def test_commas_instead_of_tabs(tmp_path):
    (problem,) = one(tmp_path, "session,source,format", "a,a.pkl,pickle")
    assert "separated by commas or semicolons" in problem
    assert "allowed: tabs" in problem


@pytest.mark.parametrize(
    "text, part",
    [
        (b"", "the session sheet is empty"),
        (b"session\tsource\tformat\n", "the sheet lists no session"),
        ("session\tsource\tformat\ns\u00e9\ta.pkl\tpickle".encode("latin-1"), "not UTF-8"),
        (b"session\tsource\nx\ta.pkl\n", ", line 1: the column format is missing"),
        (b"session\tsource\tformat\tage\tage\n", ", line 1: the column is there twice; found age"),
        (b"session\tsource\tformat\tspecie\n", "did you mean species?"),
        (b"session\tsource\tformat\tapi_token\n", "credentials must not stand"),
    ],
)
def test_sheets_that_cannot_be_used(tmp_path, text, part):
    sessions, problems = read(tmp_path, text)
    assert sessions == []
    assert any(part in problem for problem in problems)


@pytest.mark.parametrize("name", ["a", "s-1", "s_1.b", "2024.01.02", "_x", "A" * 100])
def test_good_names(tmp_path, name):
    assert one(tmp_path, "session\tsource\tformat", f"{name}\ta.pkl\tpickle") == []


@pytest.mark.parametrize(
    "name", ["-a", ".a", "a.", "a b", "a/b", "../a", "a\\b", "a*", "é", "a{b}", "A" * 101]
)
def test_unsafe_names(tmp_path, name):
    (problem,) = one(tmp_path, "session\tsource\tformat", f"{name}\ta.pkl\tpickle")
    assert problem.startswith(", line 2, column session: the value is not usable; found")


@pytest.mark.parametrize(
    "columns, cells, part",
    [
        ("fs_hz", "0", "column fs_hz: the value is not usable; found 0"),
        ("fs_hz", "nan", "column fs_hz"),
        ("fs_hz", "30,5", "found 30,5; allowed: a number above 0"),
        ("length_ms", "5", "a source of the format pickle is not read with it"),
        ("dataset", "x", "allowed: for hdf5_raw"),
        ("exports", ",", "column exports: the value is not usable; found []"),
        ("exports", "nwb,hdf5_raw", "column exports: the value is unknown; found hdf5_raw"),
        ("session_start_time", "2024-05-06T10:00:00", "has no time zone"),
        ("sex", "female", "sex must be"),
    ],
)
def test_cells_that_cannot_be_used(tmp_path, columns, cells, part):
    found = one(tmp_path, f"session\tsource\tformat\t{columns}", f"x\ta.pkl\tpickle\t{cells}")
    assert len(found) == 1
    assert part in found[0]


def test_a_metadata_file_gives_way_to_the_cells(tmp_path):
    (tmp_path / "m.yaml").write_text("species: Mus musculus\nage: P90D\nsex: male\n")
    columns = "session\tsource\tformat\tmetadata_file\tage\tsex"
    (session,), problems = read(tmp_path, f"{columns}\ns1\ta.pkl\tpickle\tm.yaml\tP3D\tF\n")
    assert problems == []
    assert session.metadata == {"species": "Mus musculus", "age": "P3D", "sex": "F"}
    (problem,) = one(tmp_path, columns, "s1\ta.pkl\tpickle\tm.yaml\tP3D\t")
    assert "sex must be M, F, O" in problem
    (problem,) = one(tmp_path, columns, "s1\ta.pkl\tpickle\tno.yaml")
    assert "line 2, column metadata_file: " in problem
    assert "no.yaml: the metadata file cannot be read" in problem


def test_a_folder_where_a_file_belongs(tmp_path):
    (tmp_path / "folder").mkdir()
    (problem,) = one(tmp_path, "session\tsource\tformat", "s1\tfolder\tnwb")
    assert "a source of the format nwb is a file, not a folder; found folder" in problem


def test_numbers_as_people_write_them():
    assert config.typed({"hdf5_raster": {"raster_bin_size_ms": "1e1"}}, CONFIG) == {
        "hdf5_raster": {"raster_bin_size_ms": 10.0}
    }


def test_an_unknown_column_hides_no_problem_of_the_lines(tmp_path):
    sessions, problems = read(tmp_path, "session\tsource\tformat\tcolour\ns1\tno.pkl\tpikle\tred\n")
    assert sessions == []
    assert [problem.split(":")[0] for problem in problems] == [
        ", line 1",
        ", line 2, column format",
        ", line 2, column source",
    ]


def test_more_cells_than_columns(tmp_path):
    (problem,) = one(tmp_path, "session\tsource\tformat", "x\ta.pkl\tpickle\tmore")
    assert problem.startswith(", line 2: there are more cells than columns")


def test_blank_cells_of_required_columns(tmp_path):
    found = one(tmp_path, "session\tsource\tformat\tfs_hz", "\t\t\t20000")
    assert [problem.split(";")[0].split(". ")[0] for problem in found] == [
        f", line 2, column {column}: the cell is blank"
        for column in ("session", "source", "format")
    ]


def test_a_phy_folder_without_a_rate(tmp_path):
    (tmp_path / "phy").mkdir()
    cells = "session\tsource\tformat\tfs_hz"
    (problem,) = one(tmp_path, cells, "x\tphy\tkilosort\t")
    assert problem.startswith(", line 2, column fs_hz: the folder has no params.py")
    assert one(tmp_path, cells, "x\tphy\tkilosort\t30000") == []
    (problem,) = one(tmp_path, cells, "x\ta.pkl\tkilosort\t30000")
    assert "is a folder, not a file" in problem


def test_the_schema_of_a_line_and_the_library_agree():
    own = {"session", "source", "format", "fs_hz", "exports", "metadata_file"}
    assert set(LINE["properties"]) == own | {*sheet_row.READING_COLUMNS, *metadata.NAMES}
    assert LINE["properties"]["format"]["enum"] == list(FORMATS)
    assert LINE["properties"]["exports"]["items"]["enum"] == list(EXPORTS)
    for field in metadata.FIELDS:
        assert LINE["properties"][field.name]["description"] == field.description


def test_reading_columns_are_options_of_the_readers():
    for column, formats in sheet_row.READING_COLUMNS.items():
        assert formats == {name for name in FORMATS if column in FORMATS[name].option_names()}


def option_sections():
    parts = CONFIG["properties"]
    yield from ((name, parts[name]) for name in EXPORTS)
    yield from parts["read"]["properties"].items()


@pytest.mark.parametrize("name, section", list(option_sections()))
def test_the_schema_of_the_configuration_and_the_formats_agree(name, section):
    options = FORMATS[name].load_module().Options
    # The layout is a matter of the workflow: where an NWB file is placed once more.
    own = {key: part for key, part in section["properties"].items() if key != "layout"}
    assert set(own) <= {field.name for field in fields(options)}
    defaults = {key: part["default"] for key, part in own.items()}
    assert isinstance(FORMATS[name].options(defaults), options)


def keys_of(schema, above=""):
    for name, part in schema.get("properties", {}).items():
        yield f"{above}{name}", part
        yield from keys_of(part, f"{above}{name}.")


def test_every_key_says_what_it_is_and_its_default():
    for schema in (CONFIG, LINE):
        for name, part in keys_of(schema):
            assert part.get("description"), name
            assert "default" in part or name in schema.get("required", ()), name
            assert part.get("type") != "object" or part["additionalProperties"] is False, name


def test_the_delivered_configuration_holds_the_defaults_and_comments():
    text = (REPOSITORY / "config" / "config.yaml").read_text()
    delivered = yaml.safe_load(text)
    assert config.check(delivered, CONFIG) == []
    assert config.filled({}, CONFIG) == delivered
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for above, line in itertools.pairwise(lines):
        assert above.startswith("#") or line.startswith(("#", "-")), line


def test_the_configuration_readme_lists_every_column():
    text = (REPOSITORY / "config" / "README.md").read_text()
    assert all(f"`{name}`" in text for name in LINE["properties"])


@pytest.mark.parametrize(
    "values, part",
    [
        ({"nwb": {"raw": "maybe"}}, "config: nwb.raw: the value is not usable; found maybe"),
        ({"formats": ["nwb", "nwb"]}, "without repetitions"),
        ({"formats": []}, "with at least one entry"),
        ({"hdf5_group": {"raw_dataset": "raw"}}, "config: hdf5_group: raw_dataset and raw_time"),
        ({"formats": "nwb"}, "config: formats: the value is not usable; found nwb"),
        ({"read": {"hdf5_raw": {"filter": {"low": 3}}}}, "config: read.hdf5_raw.filter: "),
        ({"s3": {"password": "x"}}, "credentials must not stand"),
        ({"kilosort": {"time_unit": "sample"}}, "did you mean samples?"),
    ],
)
def test_configurations_that_cannot_be_used(values, part):
    problems = config.check(config.typed(values, CONFIG), CONFIG)
    assert any(part in str(problem) for problem in problems)
    assert not any("password = x" in str(problem) for problem in problems)


def test_text_from_the_command_line_becomes_numbers():
    given = {"hdf5_raster": {"raster_bin_size_ms": "5.0"}, "nwb": {"raw": "true"}, "pickle": None}
    assert config.typed(given, CONFIG) == {
        "hdf5_raster": {"raster_bin_size_ms": 5.0},
        "nwb": {"raw": True},
        "pickle": {},
    }


def test_the_sheet_of_the_workflow_stands_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = plan.make({}, SCHEMAS, REPOSITORY)
    assert len(made.sessions) == 5
    assert all(session.source.is_absolute() for session in made.sessions.values())


def test_every_problem_of_both_in_one_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.tsv").write_text("session\tsource\tformat\nx\tnone.pkl\tpickle\n")
    with pytest.raises(plan.SetupError) as refused:
        plan.make({"sessions": "s.tsv", "fromats": []}, SCHEMAS, REPOSITORY)
    assert len(refused.value.problems) == 2
    assert f"relative paths are looked up from {tmp_path}" in str(refused.value)
