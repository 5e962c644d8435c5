"""NWB files under other names and with other content; nwbinspector's every word."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pynwb
import pytest
from spikeinterface import extractors

from spikelab import SpikeData, convert
from tests.interop import sessions
from tests.interop.comparing import findings
from tests.interop.readers import READERS, inspect
from tests.interop.sessions import COMPLETE, mixed_session

NAMES = {
    "standard": {},
    "own group": {"group": "cells", "spike_times_dataset": "t", "spike_times_index_dataset": "i"},
    "name sorts before": {"spike_times_dataset": "my_times"},
    "name sorts after": {"spike_times_dataset": "times", "spike_times_index_dataset": "zz"},
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:Some epochs have no duration:UserWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning"),
]


def save(sd: SpikeData, path: Path, **options) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return convert.save(sd, path, "nwb", options)


@pytest.mark.parametrize("names", [name for name in NAMES if name != "standard"])
@pytest.mark.parametrize(
    "reader",
    [one for one in READERS if one.format == "nwb" and one.package not in ("dandi", "spikelab")],
    ids=lambda one: f"{one.package}-{one.name}",
)
def test_other_names_lose_no_reader(reader, names, tmp_path):
    source = sessions.hard()
    path = save(source.sd, tmp_path / "session.nwb", **NAMES[names])
    found = findings(reader, reader.read(path, None), source)
    assert found == dict.fromkeys(reader.unspoken, "unspoken")


def test_attributes_are_properties(hard_exports):
    source, paths = hard_exports
    units = source.sd.neuron_attributes
    sorting = extractors.read_nwb_sorting(str(paths["nwb"]))
    assert sorting.sampling_frequency == 30_000
    for name in ("group", "snr", "is_inhibitory", "probe"):
        assert sorting.get_property(name).tolist() == [unit[name] for unit in units]
    assert np.array_equal(sorting.get_property("waveform"), [unit["waveform"] for unit in units])


def test_electrodes_know_their_probes(hard_exports):
    _, paths = hard_exports
    with pynwb.NWBHDF5IO(str(paths["nwb"]), "r") as io:
        rows = io.read().units.to_dataframe()["electrodes"]
        probes = [list(one["group_name"]) for one in rows]
    assert probes == [["A"], ["A"], ["B"], [], ["A"], ["B"]]


@pytest.mark.parametrize("config", [None, "dandi"])
class TestInspector:
    @pytest.mark.parametrize("names", NAMES)
    def test_nothing_to_say_about_complete_metadata(self, tmp_path, config, names):
        path = save(mixed_session(COMPLETE), tmp_path / "session.nwb", **NAMES[names])
        assert inspect(path, config) == []

    def test_only_metadata_that_nobody_gave(self, tmp_path, config):
        path = save(mixed_session({}), tmp_path / "session.nwb")
        assert {name for name, _ in inspect(path, config)} == {
            "check_session_start_time_old_date",
            "check_experimenter_exists",
            "check_experiment_description",
            "check_institution",
            "check_keywords",
            "check_subject_exists",
            "check_units_resolution_is_set",
            "check_description",
        }

    def test_the_real_recording_with_what_is_in_its_file(self, tmp_path, config, real_recording):
        """Its experimenter is no 'Last, First'; the rest nobody gave."""
        path = save(convert.load(real_recording, "nwb"), tmp_path / "session.nwb")
        assert {name for name, _ in inspect(path, config)} == {
            "check_experimenter_form",
            "check_experiment_description",
            "check_institution",
            "check_keywords",
            "check_subject_exists",
            "check_units_resolution_is_set",
            "check_description",
        }

    def test_raw_traces(self, tmp_path, config):
        sd = mixed_session(COMPLETE)
        sd.raw_data = np.zeros((2, 300), np.float32)
        sd.raw_time = 12_000 + np.arange(300) / 30
        path = save(sd, tmp_path / "session.nwb", raw=True)
        assert inspect(path, config) == []

    def test_raw_traces_of_integers_need_their_conversion(self, tmp_path, config):
        known = mixed_session({**COMPLETE, "raw_conversion_to_volts": 1.95e-7})
        unknown = mixed_session(COMPLETE)
        for sd in (known, unknown):
            sd.raw_data = np.arange(600, dtype=np.int16).reshape(2, 300)
            sd.raw_time = 12_000 + np.arange(300) / 30
        assert inspect(save(known, tmp_path / "known.nwb", raw=True), config) == []
        found = inspect(save(unknown, tmp_path / "unknown.nwb", raw=True), config)
        assert [name for name, _ in found] == ["check_electrical_series_unscaled_data"]

    def test_times_before_zero_are_a_violation_unless_aligned(self, tmp_path, config):
        sd = SpikeData(
            [[-200.5, -100.25], [-300.0]],
            start_time=-400.0,
            length=500.0,
            metadata={**COMPLETE, "fs_Hz": 20e3},
        )
        kept = save(sd, tmp_path / "kept.nwb")
        assert [name for name, _ in inspect(kept, config)] == ["check_negative_spike_times"]
        assert inspect(save(sd, tmp_path / "aligned.nwb", align_start=True), config) == []
