"""Bad input: refused before anything starts, or one session's failure and no other's."""

from __future__ import annotations

import pytest

from spikelab import convert
from tests.workflow.conftest import tiny_session


def test_all_problems_in_one_message(project):
    project.source("one")
    project.sheet(
        "a data/one.pkl pickel . nbw x 3months",
        "A data/none.pkl pickle 30k . . .",
        "../up data/one.pkl pickle . . . .",
        columns="session source format fs_hz exports subject_id age",
    )
    project.config(
        "formats: [nwb, hdf5_rasterr]\n"
        "hdf5_raster: {raster_bin_size_ms: 0, bin: 3}\n"
        "format: [nwb]\n"
        "pickle: {aws_secret_access_key: hunter2}\n"
    )
    refused = project.run()
    assert refused.code == 1
    assert "Traceback" not in refused.text
    assert "hunter2" not in refused.text
    for part in (
        "config: formats.1: the value is unknown; found hdf5_rasterr",
        "did you mean hdf5_raster?",
        "config: hdf5_raster.raster_bin_size_ms: the value is not usable; found 0",
        "config: hdf5_raster: the key is unknown; found bin",
        "config: the key is unknown; found format; ",
        "config: pickle: credentials must not stand",
        "line 2, column format: the value is unknown; found pickel",
        "line 2, column exports: the value is unknown; found nbw",
        "line 2: age must be",
        "line 3, column fs_hz: the value is not usable; found 30k",
        "line 3, column source: there is no such file or folder; found data/none.pkl",
        "line 3, column session: the name is there twice but for upper and lower case",
        "line 4, column session: the value is not usable; found ../up",
        "Nothing was started: 12 things must be changed first",
    ):
        assert part in refused.text
    assert not (project.folder / "work").exists()


def test_an_unknown_session_is_named(project):
    project.source("one")
    project.sheet("culture data/one.pkl pickle")
    refused = project.run("results/cultur/cultur.nwb")
    assert refused.code == 1
    assert "there is no session 'cultur' in the sheet" in refused.text
    assert "did you mean culture?" in refused.text


def test_one_bad_session_does_not_stop_the_others(project):
    project.source("one")
    (project.folder / "data" / "bad.pkl").write_bytes(b"junk")
    project.sheet(
        "good data/one.pkl pickle . pickle",
        "bad data/bad.pkl pickle . pickle",
        "late data/one.pkl pickle . pickle",
    )
    done = project.run(cores=1)
    assert done.code == 1
    assert project.result("good", ".pkl").exists()
    assert project.result("late", ".pkl").exists()
    assert not project.result("bad", ".pkl").exists()
    summary = done.text[done.text.index("2 of 3 exports are made") :]
    assert "bad: could not be read" in summary
    assert "data/bad.pkl" in summary
    assert "log: logs/ingest/bad.log" in summary
    log = (project.folder / "logs" / "ingest" / "bad.log").read_text()
    assert "Traceback" in log
    assert log.splitlines()[-1].startswith("error: session bad: data/bad.pkl: ")

    unread = project.run("results/good/nothing.xyz")
    assert unread.code == 1
    assert "bad:" not in unread.text, "a failure of another run"

    project.source("bad")
    again = project.run()
    assert again.code == 0, again.text
    assert again.jobs == {"ingest": 1, "export_pickle": 1}


@pytest.mark.parametrize("target", [(), ("results/a/a.ragged.h5",)])
def test_an_older_export_survives_a_failed_one(project, target):
    project.source("one", metadata={})
    project.sheet("a data/one.pkl pickle . hdf5_ragged")
    assert project.run().code == 0
    older = project.result("a", ".ragged.h5").read_bytes()

    in_samples = "hdf5_ragged: {spike_times_unit: samples}\n"
    project.config(in_samples)
    failed = project.run(*target)
    assert failed.code == 1
    assert "fs_Hz" in failed.text
    assert project.result("a", ".ragged.h5").read_bytes() == older

    still = project.run(*target)
    assert still.code == 1, "the failure must not be forgotten"
    assert project.result("a", ".ragged.h5").read_bytes() == older

    project.sheet("a data/one.pkl pickle 20000 hdf5_ragged")
    assert project.run(*target).code == 0
    assert project.result("a", ".ragged.h5").read_bytes() != older
    assert "Nothing to be done" in project.run(*target).text


@pytest.mark.parametrize("target", [(), ("results/a/a.pkl",)])
def test_a_failed_reading_is_not_forgotten(project, target):
    source = project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    assert project.run().code == 0
    older = project.result("a", ".pkl").read_bytes()
    source.write_bytes(b"junk")
    for _ in range(2):
        failed = project.run(*target)
        assert failed.code == 1
        assert "0 of 1 exports are made. 1 older ones are kept." in failed.text
    assert project.result("a", ".pkl").read_bytes() == older
    project.source("one", seed=3)
    assert project.run(*target).code == 0
    assert project.result("a", ".pkl").read_bytes() != older


def test_a_curated_folder_is_never_deleted(project):
    project.source("one")
    project.sheet("a data/one.pkl pickle . kilosort")
    assert project.run().code == 0
    folder = project.result("a", "_kilosort")
    groups = folder / "cluster_group.tsv"
    groups.write_text(groups.read_text().replace("unsorted", "good"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    metadata = tiny_session().metadata | {"lab": "another"}
    project.source("one", metadata=metadata)
    same = project.run()
    assert same.code == 0, "nothing new for the folder"
    assert same.jobs == {"ingest": 1, "export_kilosort": 1}
    assert "left as it is" in same.text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    project.source("one", seed=5)
    for target in ((), ("results/a/a_kilosort",)):
        refused = project.run(*target)
        assert refused.code == 1
        assert "would destroy curation" in refused.text
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    folder.rename(project.folder / "curated")
    assert project.run().code == 0
    assert convert.load(folder).train[2][0] == pytest.approx(tiny_session(5).train[2][0])
