"""The layout of the DANDI archive, made by the workflow and checked by DANDI's own command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

COMPLETE = {
    "session_start_time": "2024-03-05T14:30:00+01:00",
    "session_description": "Spontaneous activity",
    "session_id": "day1",
    "subject_id": "m12",
    "subject_description": "A mouse",
    "species": "Mus musculus",
    "sex": "M",
    "age": "P90D",
    "experimenter": "Doe, Jane",
    "institution": "An institute",
    "experiment_description": "Recordings of the cortex",
    "device_name": "probe",
    "device_description": "A silicon probe",
    "device_model": "P1",
    "device_manufacturer": "A maker",
    "electrode_location": "root",
}
IN_PLACE = "dandiset/sub-m12/sub-m12_ses-day1_ecephys.nwb"


def test_complete_sessions_are_placed_and_the_others_say_what_they_lack(project: Project):
    project.source("early", start_time=-100.0, length=1300.0, metadata={"fs_Hz": 20e3} | COMPLETE)
    project.source("poor")
    project.sheet("early data/early.pkl pickle . nwb", "poor data/poor.pkl pickle . nwb,kilosort")
    project.config("nwb: {layout: dandi}\n")
    done = project.run()
    assert done.code == 1
    assert "poor: dandi could not be written" in done.text
    assert "species is not given" in done.text
    assert project.result("poor", ".nwb").exists()
    assert project.result("poor", "_kilosort").exists()

    placed = project.folder / IN_PLACE
    assert placed.samefile(project.result("early", ".nwb"))
    assert _validate(project.folder / "dandiset") == 0

    project.sheet("early data/early.pkl pickle . nwb")
    assert "Nothing to be done" in project.run().text
    placed.unlink()
    assert project.run("--dry-run").jobs == {"restore_dandi": 1}
    shutil.rmtree(project.folder / "dandiset")
    assert project.run().code == 0
    assert placed.exists()


@pytest.mark.parametrize("cores", [1, 2])
def test_two_sessions_of_one_name_are_refused(project: Project, cores):
    for number in (1, 2):
        project.source(f"s{number}", seed=number, metadata={"fs_Hz": 20e3} | COMPLETE)
    project.sheet("one data/s1.pkl pickle . nwb", "two data/s2.pkl pickle . nwb")
    project.config("nwb: {layout: dandi}\n")
    done = project.run(cores=cores)
    assert done.code == 1
    assert "another session has this place in the dandiset" in done.text
    assert "give the sessions different values of session_id" in done.text


def _validate(dandiset: Path) -> int:
    dandi = Path(sys.executable).with_name("dandi")
    return subprocess.run([dandi, "validate", str(dandiset)], capture_output=True).returncode
