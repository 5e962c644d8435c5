"""The command line, run as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from spikelab import convert
from spikelab.cli import main
from spikelab.compare import Precision, differences
from spikelab.formats import registry


@pytest.fixture
def pickled(tmp_path, hard_session):
    return convert.save(hard_session, tmp_path / "a.pkl")


def test_python_minus_m_lists_every_format():
    command = [sys.executable, "-m", "spikelab", "formats"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == list(registry.FORMATS)


def test_inspect_says_what_is_in_a_file(pickled, capsys):
    assert main(["inspect", str(pickled), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["format"] == "pickle"
    assert (facts["units"], facts["silent_units"], facts["spikes"]) == (6, 1, 772)
    assert facts["unit_ids"] == ["3", "7", "50", "11", "20", "21"]
    assert (facts["start_s"], facts["duration_s"]) == (12.0, 30.0)
    assert facts["sampling_frequency_Hz"] == 30_000
    assert "snr (float)" in facts["attributes"]
    assert facts["raw_traces"] == "none"


def test_inspect_prints_a_line_per_fact(pickled, capsys):
    main(["inspect", str(pickled)])
    shown = capsys.readouterr().out
    assert ["sampling", "frequency", "Hz:", "30000.0"] in [
        one.split() for one in shown.splitlines()
    ]
    assert len(shown.splitlines()) == 12


def test_convert_guesses_the_formats_from_the_paths(pickled, tmp_path, hard_session, capsys):
    target = tmp_path / "a.paired.h5"
    assert main(["convert", str(pickled), str(target)]) == 0
    assert "(hdf5_paired): 6 units, 772 spikes" in capsys.readouterr().out
    assert differences(hard_session, convert.load(target)) == []


def test_convert_takes_formats_and_options(pickled, tmp_path, hard_session):
    target = tmp_path / "counts.h5"
    words = ["--to", "hdf5_raster", "--write", "raster_bin_size_ms=5"]
    assert main(["convert", str(pickled), str(target), *words]) == 0
    precision = Precision("bin", bin_size_ms=5)
    assert differences(hard_session, convert.load(target), precision, frozenset()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["convert", "no.pkl", "a.nwb"], "no.pkl: there is no such file"),
        (["inspect", "no.pkl"], "no.pkl: there is no such file"),
        (["inspect", "."], "the folder holds no session that is known; found a.pkl"),
        (["convert", "{pickled}", "a.xyz"], "does not tell its format"),
        (["convert", "{pickled}", "a.h5", "--to", "hdf5_rugged"], "did you mean hdf5_ragged?"),
        (["convert", "{pickled}", "a.raster.h5"], "raster_bin_size_ms"),
        (["convert", "{pickled}", "a.pkl", "--write", "speed=1"], "no such option; found speed"),
        (["convert", "{pickled}", "a.pkl", "--fs-hz", "20000"], "another sampling frequency"),
        (["convert", "{pickled}", "a.raw.h5"], "can only be read"),
    ],
)
def test_errors_say_what_is_wrong_and_exit_with_2(
    pickled, tmp_path, monkeypatch, capsys, words, expected
):
    monkeypatch.chdir(tmp_path)
    assert main([word.format(pickled=pickled) for word in words]) == 2
    assert expected in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]


def test_warnings_are_shown_as_one_line(tmp_path, hard_session, capsys):
    del hard_session.metadata["session_start_time"]
    source = convert.save(hard_session, tmp_path / "a.pkl")
    assert main(["convert", str(source), str(tmp_path / "a.nwb")]) == 0
    warning = capsys.readouterr().err
    assert warning.startswith("spikelab: warning: ")
    assert "session_start_time" in warning
