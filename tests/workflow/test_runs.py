"""What runs when: all, one format, one file, more sessions, other settings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from spikelab import convert
from tests.conftest import REPOSITORY
from tests.workflow.conftest import DOORS, SUFFIXES, Project, tiny_session


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """Two sessions, one the prefix of the other's name, in every format."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.source("one", seed=1)
    project.source("two", seed=2)
    project.sheet("s-1 data/one.pkl pickle 20000.0 .", "s-1.b data/two.pkl pickle . .")
    project.config("sessions: config/sessions.tsv\n")
    done = project.run()
    assert done.code == 0, done.text
    assert done.jobs == {
        "ingest": 2,
        "export_hdf5": 8,
        "export_nwb": 2,
        "export_kilosort": 2,
        "export_pickle": 2,
    }
    assert "14 exports of 2 sessions" in done.text
    return project


def planned(project: Project, *arguments: str) -> dict[str, int]:
    dry = project.run("--dry-run", *arguments)
    assert dry.code == 0, dry.text
    return dry.jobs


@pytest.mark.parametrize("session, seed", [("s-1", 1), ("s-1.b", 2)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_output_holds_the_spikes(finished, session, seed, suffix):
    back = convert.load(finished.result(session, suffix))
    source = tiny_session(seed)
    assert back.N == source.N
    tolerance = 1.0 if suffix == ".raster.h5" else 1e-9
    for got, expected in zip(back.train, source.train):
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def test_results_hold_nothing_else(finished):
    for session in ("s-1", "s-1.b"):
        names = {path.name for path in (finished.folder / "results" / session).iterdir()}
        assert names == {session + suffix for suffix in SUFFIXES}


def test_a_second_run_does_nothing(finished):
    again = finished.run()
    assert again.code == 0
    assert "Nothing to be done" in again.text


def test_every_job_leaves_a_log_and_a_benchmark(finished):
    logs = sorted(path.name for path in (finished.folder / "logs").rglob("*.log"))
    assert logs == sorted(["s-1.log", "s-1.b.log"] * 8)
    benchmarks = list((finished.folder / "work" / "benchmarks").rglob("*.tsv"))
    assert len(benchmarks) == len(logs)


def test_the_door_at_the_root_and_that_of_the_workflow_agree(finished):
    for door in DOORS:
        plan = finished.run("--dry-run", "--forceall", door=door)
        assert plan.jobs["export_hdf5"] == 8


def test_another_bin_size_reruns_rasters_only(finished):
    plan = planned(finished, "--config", "hdf5_raster={raster_bin_size_ms: 5.0}")
    assert plan == {"export_hdf5": 2}
    text = finished.run(
        "--dry-run", "--config", "hdf5_raster={raster_bin_size_ms: 5.0}", "--quiet", "host"
    ).text
    assert text.count("style raster") == 2


def test_report_and_dag(finished, tmp_path):
    report = tmp_path / "report.html"
    made = finished.run("--report", str(report))
    assert made.code == 0, made.text
    assert "s-1" in report.read_text()
    dag = finished.run("--dag")
    assert "digraph" in dag.text


def test_more_sessions_and_other_metadata_run_their_own_jobs_only(project):
    project.source("one", seed=1)
    columns = "session source format exports subject_id"
    project.sheet("a data/one.pkl pickle pickle,hdf5_paired x", columns=columns)
    assert project.run().code == 0

    two = ("a data/one.pkl pickle pickle,hdf5_paired x", "b data/one.pkl pickle pickle y")
    project.sheet(*two, columns=columns)
    assert planned(project) == {"ingest": 1, "export_pickle": 1}
    assert project.run().code == 0
    assert convert.load(project.result("b", ".pkl")).metadata["subject_id"] == "y"

    project.sheet(two[0], two[1].replace(" y", " z"), columns=columns)
    assert planned(project) == {"ingest": 1, "export_pickle": 1}

    project.sheet(*two, columns=columns)
    assert planned(project) == {}
    project.source("one", seed=7)
    assert planned(project) == {"ingest": 2, "export_pickle": 2, "export_hdf5": 1}


def test_a_file_in_a_source_folder_counts(project):
    phy = project.folder / "data" / "phy"
    convert.save(tiny_session(), phy, "kilosort")
    project.sheet("a data/phy kilosort . pickle")
    assert project.run().code == 0
    assert planned(project) == {}
    table = phy / "cluster_group.tsv"
    table.write_text(table.read_text() + "\n")
    os.utime(table)
    assert planned(project) == {"ingest": 1, "export_pickle": 1}


@pytest.mark.parametrize(
    "target, made",
    [
        ("hdf5_group", {".group.h5"}),
        ("results/a/a.raster.h5", {".raster.h5"}),
        ("results/a/a_kilosort", {"_kilosort"}),
    ],
)
def test_one_format_or_one_file(project, target, made):
    project.source("one")
    project.sheet("a data/one.pkl pickle")
    done = project.run(target)
    assert done.code == 0, done.text
    results = {path.name for path in (project.folder / "results" / "a").iterdir()}
    assert results == {f"a{suffix}" for suffix in made}
    assert "Nothing to be done" in project.run(target).text


def test_a_removed_result_is_made_again(project):
    project.source("one")
    project.sheet("a data/one.pkl pickle . kilosort,hdf5_group")
    assert project.run().code == 0
    project.result("a", ".group.h5").unlink()
    for path in project.result("a", "_kilosort").iterdir():
        path.unlink()
    project.result("a", "_kilosort").rmdir()
    assert planned(project) == {"export_hdf5": 1, "restore_kilosort": 1}
    assert project.run("results/a/a_kilosort", "results/a/a.group.h5").code == 0
    assert (project.result("a", "_kilosort") / "params.py").exists()
    assert planned(project) == {}


def test_a_folder_that_is_asked_for_by_name_only_is_made_again(project):
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    folder = project.result("a", "_kilosort")
    for _ in range(2):
        assert project.run("results/a/a_kilosort").code == 0
        assert (folder / "params.py").exists()
        shutil.rmtree(folder)


def test_results_that_are_away_during_a_dry_run_need_nothing_when_they_are_back(project):
    project.source("one")
    project.sheet("a data/one.pkl pickle . kilosort,nwb")
    assert project.run().code == 0
    results, elsewhere = project.folder / "results", project.folder / "elsewhere"
    results.rename(elsewhere)
    assert planned(project) == {"export_nwb": 1, "restore_kilosort": 1}
    elsewhere.rename(results)
    assert planned(project) == {}


def test_from_elsewhere_with_the_delivered_configuration(project):
    plan = project.run("--dry-run", "--directory", str(project.folder), cwd=REPOSITORY)
    assert plan.code == 0, plan.text
    assert plan.jobs["ingest"] == 5
    assert "profiles/default" in plan.text


def test_the_library_of_this_repository_is_used(project, tmp_path):
    """Another package of the same name, ahead on the path, is not."""
    decoy = tmp_path / "site" / "spikelab"
    decoy.mkdir(parents=True)
    (decoy / "__init__.py").write_text("raise ImportError('the wrong spikelab')\n")
    project.source("one")
    project.sheet("a data/one.pkl pickle . pickle")
    for door in DOORS:
        done = project.run("--forceall", door=door, PYTHONPATH=str(decoy.parent))
        assert done.code == 0, done.text


def test_lint_and_format():
    project = Project(REPOSITORY)
    lint = project.run("--lint")
    assert lint.code == 0, lint.text
    assert "good condition" in lint.text
    import subprocess

    snakefmt = Path(sys.executable).with_name("snakefmt")
    subprocess.run([snakefmt, "--check", "Snakefile", "workflow"], cwd=REPOSITORY, check=True)
