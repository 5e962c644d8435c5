"""The session sheet, the configuration, and their schemas."""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from spikelab import config, metadata, plan, sheet, sheet_row, source_url, uploads
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


@pytest.mark.parametrize(
    "url, format, copy",
    [
        ("s3://lab/rats/day 1.nwb", "nwb", "work/sources/x/day 1.nwb"),
        ("s3://lab/rats/day1_phy/", "kilosort", "work/sources/x/day1_phy"),
        ("s3://Old_Lab/day1/", "spikeinterface", "work/sources/x/day1"),
        ("s3://lab/day1.hdf5", "spikeinterface", "work/sources/x/day1.hdf5"),
    ],
)
def test_sources_on_s3(tmp_path, url, format, copy):
    (session,), problems = read(tmp_path, f"session\tsource\tformat\nx\t{url}\t{format}\n")
    assert problems == []
    assert (session.url, session.source) == (url, Path(copy))


@pytest.mark.parametrize(
    "url, format, part",
    [
        ("s3://lab", "nwb", "this is not the URL of an object on S3; found s3://lab; allowed: s3:"),
        ("s3://lab/", "kilosort", "this is not the URL of an object on S3"),
        ("s3://b/x.nwb", "nwb", "this is not the URL of an object on S3"),
        ("s3:///x.nwb", "nwb", "this is not the URL of an object on S3"),
        ("s3://lab//x.nwb", "nwb", "this is not the URL of an object on S3"),
        ("s3://lab/../x.nwb", "nwb", "this is not the URL of an object on S3"),
        ("s3://lab/a/..", "nwb", "this is not the URL of an object on S3"),
        ("s3://lab/a\x1b[2J.nwb", "nwb", "this is not the URL of an object on S3"),
        ("s3://lab/phy", "kilosort", "a Kilosort/Phy session is a folder, not a file"),
        ("s3://lab/x.nwb/", "nwb", "a source of the format nwb is a file, not a folder"),
        ("https://x.org/a.nwb", "nwb", "can be read; found https://...; allowed: a path"),
        ("https://x.org/a.nwb?password=hunter2", "nwb", "can be read; found https://..."),
        ("https://x.org/a.nwb#hunter2", "nwb", "can be read; found https://..."),
        ("ftp://id:hunter2/x@x.org/a.nwb", "nwb", "can be read; found ftp://..."),
        ("S3://lab/a.nwb", "nwb", "only files on this machine and objects on S3 can be read"),
        ("file:///data/a.nwb", "nwb", "give the path of the file"),
        ("s3://id:hunter2@lab/a.nwb", "nwb", "credentials must not stand"),
        ("https://id:hunter2@x.org/a.nwb", "nwb", "credentials must not stand"),
        ("https://x.org/a.nwb?X-Amz-Signature=hunter2", "nwb", "credentials must not stand"),
    ],
)
def test_addresses_that_cannot_be_used(tmp_path, url, format, part):
    (problem,) = one(tmp_path, "session\tsource\tformat", f"x\t{url}\t{format}")
    assert problem.startswith(", line 2, column source: ")
    assert part in problem
    assert "hunter2" not in problem


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
        ({"upload": {"bucket": "s3://lab"}}, "config: upload.bucket: the value is not usable"),
        ({"upload": {"bucket": "la"}}, "config: upload.bucket: the value is not usable"),
        ({"upload": {"prefix": "/lab"}}, "no slash in front"),
        ({"upload": {"prefix": "lab//2024"}}, "config: upload.prefix: the value is not usable"),
        ({"upload": {"prefix": "lab/../2024"}}, "config: upload.prefix: the value is not usable"),
        ({"upload": {"prefix": "lab\n"}}, "config: upload.prefix: the value is not usable"),
        ({"upload": {"formats": ["nbw"]}}, "did you mean nwb?"),
        ({"upload": {"formats": ["hdf5_raw"]}}, "config: upload.formats.0: the value is unknown"),
        ({"upload": {"endpoint": "s3.example.org"}}, "config: upload.endpoint: "),
        ({"upload": {"endpoint": "https://me:password = x@s3.org"}}, "config: upload.endpoint: "),
        ({"upload": {"endpoint": "me:password = x@s3.org"}}, "config: upload.endpoint: "),
        ({"upload": {"endpoint": "https://s3.org?token=password = x"}}, "config: upload.endpoint"),
        ({"upload": {"endpoint": "https://s3.org#password = x"}}, "config: upload.endpoint: "),
        ({"upload": {"bucket": "https://me:password = x@s3.org/b"}}, "(not shown)@s3.org/b"),
        ({"download": {"endpoint": "http://x:9000/?a=b"}}, "config: download.endpoint: "),
        ({"upload": {"secret_key": "password = x"}}, "credentials must not stand"),
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


def test_an_upload_can_be_given_on_the_command_line():
    given = {"upload": {"bucket": "2024", "formats": "[nwb]", "endpoint": "null"}}
    section = {"bucket": "2024", "formats": ["nwb"], "endpoint": None}
    assert config.typed(given, CONFIG) == {"upload": section}
    assert config.check({"upload": section}, CONFIG) == []


@pytest.mark.parametrize(
    "prefix, place", [("", "s3://lab/"), ("rats", "s3://lab/rats/"), ("a b/c/", "s3://lab/a b/c/")]
)
def test_where_exports_go(prefix, place):
    assert config.check({"upload": {"bucket": "lab", "prefix": prefix}}, CONFIG) == []
    up = uploads.Uploads(bucket="lab", prefix=prefix, formats=["nwb"], endpoint=None)
    assert up.url("s-1", "nwb") == f"{place}s-1/s-1.nwb"
    assert up.url("s-1", "kilosort") == f"{place}s-1/s-1_kilosort/"
    assert up.takes("nwb") and not up.takes("pickle")


def test_the_schema_lists_what_can_be_uploaded():
    section = CONFIG["properties"]["upload"]["properties"]
    assert section["formats"]["items"]["enum"] == list(EXPORTS)
    assert section["bucket"]["pattern"] == rf"^{source_url.BUCKET}$(?!\n)"


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
