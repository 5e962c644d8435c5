"""The layout of the DANDI archive: names, readiness, what is never overwritten."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import yaml

from spikelab import SpikeData, convert, dandi
from spikelab.errors import FormatError, InvalidSpikeData, TargetError

READY = {
    "fs_Hz": 20_000.0,
    "session_start_time": "2024-03-05T14:30:00+01:00",
    "session_id": "div21",
    "experimenter": "Doe, Jane",
    "institution": "Institute",
    "experiment_description": "firing of cultures",
    "subject_id": "culture7",
    "subject_description": "cortical culture",
    "species": "Rattus norvegicus",
    "sex": "U",
    "age": "P21D",
}


def nwb(path: Path, start_ms: float = 0.0, align_start: bool = False, **changes) -> Path:
    metadata = {name: v for name, v in (READY | changes).items() if v is not None}
    sd = SpikeData([[start_ms + 1.0], []], start_time=start_ms, length=10.0, metadata=metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return convert.save(sd, path, "nwb", {"align_start": align_start})


class TestPath:
    @pytest.mark.parametrize(
        ("subject", "session", "expected"),
        [
            ("m1", "s1", "sub-m1/sub-m1_ses-s1_ecephys.nwb"),
            ("m_1", "day 2.5", "sub-m-1/sub-m-1_ses-day-2-5_ecephys.nwb"),
            ("a/../b", "c:d*e", "sub-a----b/sub-a----b_ses-c-d-e_ecephys.nwb"),
            (12, 3, "sub-12/sub-12_ses-3_ecephys.nwb"),
            (0, 0, "sub-0/sub-0_ses-0_ecephys.nwb"),
            ("Mäuse-7", "é", "sub-Mäuse-7/sub-Mäuse-7_ses-é_ecephys.nwb"),
        ],
    )
    def test_characters_that_mean_something_are_replaced(self, subject, session, expected):
        metadata = {"subject_id": subject, "session_id": session}
        assert dandi.relative_path(metadata).as_posix() == expected

    def test_the_session_of_the_sheet_steps_in(self):
        path = dandi.relative_path({"subject_id": "m1", "session_id": " "}, session="culture_1")
        assert path.as_posix() == "sub-m1/sub-m1_ses-culture-1_ecephys.nwb"
        given = {"subject_id": "m1", "session_id": "own"}
        assert dandi.relative_path(given, session="x").name == "sub-m1_ses-own_ecephys.nwb"

    @pytest.mark.parametrize(
        ("metadata", "name"),
        [
            ({}, "subject_id"),
            ({"subject_id": "m1"}, "session_id"),
            ({"subject_id": "../", "session_id": "s"}, "subject_id"),
            ({"subject_id": "m1", "session_id": "_"}, "session_id"),
        ],
    )
    def test_without_names_there_is_none(self, metadata, name):
        with pytest.raises(InvalidSpikeData, match=name):
            dandi.relative_path(metadata)


class TestReadiness:
    def test_nothing_is_missing(self, tmp_path):
        assert dandi.gaps(nwb(tmp_path / "a.nwb")) == []

    @pytest.mark.parametrize("name", sorted(READY.keys() - {"session_id"}))
    def test_each_thing_that_is_missing_is_named(self, tmp_path, name):
        (line,) = dandi.gaps(nwb(tmp_path / "a.nwb", **{name: None}))
        assert name in line

    @pytest.mark.parametrize(("name", "value"), [("species", "rat"), ("age", "old"), ("sex", "x")])
    def test_malformed_values_are_named(self, tmp_path, name, value):
        (line,) = dandi.gaps(nwb(tmp_path / "a.nwb", **{name: value}))
        assert name in line
        assert value in line

    def test_times_before_zero_need_aligning(self, tmp_path):
        (line,) = dandi.gaps(nwb(tmp_path / "a.nwb", start_ms=-50.0))
        assert "align_start" in line
        assert dandi.gaps(nwb(tmp_path / "b.nwb", start_ms=-50.0, align_start=True)) == []

    def test_what_is_no_nwb_file(self, tmp_path):
        (tmp_path / "a.nwb").write_text("text")
        with pytest.raises(FormatError, match=r"a\.nwb"):
            dandi.gaps(tmp_path / "a.nwb")


class TestArchive:
    def test_the_file_and_the_stand_in(self, tmp_path):
        source = nwb(tmp_path / "a.nwb")
        made = dandi.archive(source, tmp_path / "set")
        assert made == tmp_path / "set" / "sub-culture7" / "sub-culture7_ses-div21_ecephys.nwb"
        assert made.read_bytes() == source.read_bytes()
        assert made.samefile(source)
        stated = yaml.safe_load((tmp_path / "set" / "dandiset.yaml").read_text())
        assert stated.keys() == {"identifier", "name", "description"}
        assert stated["identifier"] == "unassigned"

    def test_where_links_cannot_be_made_it_is_a_copy(self, tmp_path, monkeypatch):
        def refuse(*_):
            raise OSError("another file system")

        monkeypatch.setattr("os.link", refuse)
        source = nwb(tmp_path / "a.nwb")
        made = dandi.archive(source, tmp_path / "set")
        assert made.read_bytes() == source.read_bytes()
        assert not made.samefile(source)

    def test_the_dandiset_that_is_there_stays(self, tmp_path):
        (tmp_path / "dandiset.yaml").write_text("identifier: DANDI:000123\n")
        dandi.archive(nwb(tmp_path / "a.nwb"), tmp_path)
        assert (tmp_path / "dandiset.yaml").read_text() == "identifier: DANDI:000123\n"

    def test_a_session_that_was_exported_anew_replaces_itself(self, tmp_path):
        dandi.archive(nwb(tmp_path / "a.nwb"), tmp_path / "set")
        newer = nwb(tmp_path / "a.nwb", institution="Another")
        made = dandi.archive(newer, tmp_path / "set")
        assert made.read_bytes() == newer.read_bytes()
        assert dandi.archive(newer, tmp_path / "set") == made
        assert len(list(made.parent.iterdir())) == 1

    @pytest.mark.parametrize(
        "other",
        [
            {"session_id": "div.21"},
            {"subject_id": "culture 7"},
            {"session_start_time": "2024-03-06T14:30:00+01:00"},
        ],
    )
    def test_another_session_is_not_replaced(self, tmp_path, other):
        first = {"session_id": "div-21", "subject_id": "culture-7"}
        made = dandi.archive(nwb(tmp_path / "a.nwb", **first), tmp_path / "set")
        before = made.read_bytes()
        with pytest.raises(TargetError, match=next(iter(other))):
            dandi.archive(nwb(tmp_path / "b.nwb", **(first | other)), tmp_path / "set")
        assert made.read_bytes() == before

    def test_a_dandiset_that_cannot_be_written(self, tmp_path):
        (tmp_path / "set").write_text("a file")
        with pytest.raises(TargetError, match="cannot be written"):
            dandi.archive(nwb(tmp_path / "a.nwb"), tmp_path / "set")

    def test_what_is_not_ready_is_refused_with_a_list(self, tmp_path):
        source = nwb(tmp_path / "a.nwb", sex=None, species=None)
        with pytest.raises(InvalidSpikeData, match=r"species.*sex.*What to do"):
            dandi.archive(source, tmp_path / "set")
        assert not (tmp_path / "set").exists()
