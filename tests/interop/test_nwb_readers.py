"""What other programs make of our NWB files, compared with the session sample by sample."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pynwb
import pytest

from spikelab import SpikeData, convert
from tests.conftest import make_hard_session

FS_HZ = 30_000
IDS = [3, 7, 50, 11, 20, 21]
CHANNELS = [4, 4, 9, 10, 0, 12]
COMPLETE = {
    "fs_Hz": float(FS_HZ),
    "session_start_time": "2024-03-05T14:30:00+01:00",
    "session_description": "spontaneous activity",
    "session_id": "div21",
    "experimenter": "Doe, Jane",
    "institution": "Institute",
    "experiment_description": "firing of cultures",
    "keywords": "culture",
    "subject_id": "culture7",
    "subject_description": "cortical culture",
    "species": "Rattus norvegicus",
    "sex": "U",
    "age": "P21D",
    "device_name": "array",
    "device_description": "a CMOS array",
    "device_manufacturer": "a maker",
    "device_model": "one",
}
WITHOUT_KEYWORDS = {name: value for name, value in COMPLETE.items() if name != "keywords"}
NAMES = {
    "standard": {},
    "own group": {"group": "cells", "spike_times_dataset": "t", "spike_times_index_dataset": "i"},
    "name sorts before": {"spike_times_dataset": "my_times"},
    "name sorts after": {"spike_times_dataset": "times", "spike_times_index_dataset": "zz"},
}
pytestmark = pytest.mark.filterwarnings("default")


def mixed_session(metadata=WITHOUT_KEYWORDS) -> SpikeData:
    """The hard session, with a unit without electrode and attributes that some units lack."""
    sd = make_hard_session(metadata=dict(metadata))
    attributes = sd.neuron_attributes
    for name in ("electrode", "location"):
        del attributes[3][name]
    attributes[1] |= {"depth": None, "flag": 1, "amps": np.arange(250.0)}
    attributes[2] |= {"depth": 4.5, "flag": 0, "amps": np.arange(31.0)}
    return sd


def save(sd: SpikeData, path: Path, **options) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return convert.save(sd, path, "nwb", options)


@pytest.fixture(params=NAMES)
def exported(request, tmp_path) -> tuple[SpikeData, Path]:
    sd = mixed_session()
    return sd, save(sd, tmp_path / "session.nwb", **NAMES[request.param])


def samples(times_s) -> np.ndarray:
    return np.rint(np.asarray(times_s) * FS_HZ).astype(np.int64)


def expected(sd: SpikeData) -> list[np.ndarray]:
    return [np.rint(times * FS_HZ / 1000).astype(np.int64) for times in sd.train]


def same(found, sd: SpikeData) -> bool:
    return len(found) == sd.N and all(map(np.array_equal, found, expected(sd)))


def test_pynwb(exported):
    sd, path = exported
    assert not pynwb.validate(path=str(path))
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        frame = file.units.to_dataframe()
        assert same([samples(times) for times in frame["spike_times"]], sd)
        assert list(frame.index) == IDS
        channels = [list(rows.index) for rows in frame["electrodes"]]
        assert channels == [[4], [4], [9], [], [0], [12]]
        probes = [list(rows["group_name"]) for rows in frame["electrodes"]]
        assert probes == [["A"], ["A"], ["B"], [], ["A"], ["B"]]
        places = [rows[["x", "y"]].to_numpy().tolist() for rows in frame["electrodes"]]
        assert places == [
            [[16.0 * (c % 2), 20.0 * c]] if i != 3 else [] for i, c in enumerate(CHANNELS)
        ]


def test_spikeinterface(exported):
    from spikeinterface import extractors

    sd, path = exported
    sorting = extractors.read_nwb_sorting(str(path))
    assert sorting.sampling_frequency == FS_HZ
    assert [int(one) for one in sorting.unit_ids] == IDS
    assert same([sorting.get_unit_spike_train(one) for one in sorting.unit_ids], sd)
    assert list(sorting.get_property("group")) == [u["group"] for u in sd.neuron_attributes]
    assert np.array_equal(sorting.get_property("snr"), [u["snr"] for u in sd.neuron_attributes])


def test_neo(exported):
    from neo.io import NWBIO

    sd, path = exported
    reader = NWBIO(str(path), mode="r")
    trains = reader.read_block().segments[0].spiketrains
    assert same([samples(train.rescale("s").magnitude) for train in trains], sd)
    assert {(float(t.t_start.rescale("s")), float(t.t_stop.rescale("s"))) for t in trains} == {
        (12.0, 42.0)
    }


def test_pynapple(exported):
    import pynapple

    sd, path = exported
    group = pynapple.NWBFile(str(path))["units"]
    assert sorted(group.keys()) == sorted(IDS)
    assert same([samples(group[one].times()) for one in IDS], sd)


def inspect(path: Path, config: str | None) -> list[tuple[str, str]]:
    import nwbinspector as inspector

    settings = None if config is None else inspector.load_config(config)
    return [
        (message.check_function_name, message.message)
        for message in inspector.inspect_nwbfile(nwbfile_path=str(path), config=settings)
    ]


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

    def test_raw_traces(self, tmp_path, config):
        sd = mixed_session(COMPLETE)
        sd.raw_data = np.zeros((2, 300), np.float32)
        sd.raw_time = 12_000 + np.arange(300) / 30
        path = save(sd, tmp_path / "session.nwb", raw=True)
        assert inspect(path, config) == []

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


def test_dandi(tmp_path):
    (tmp_path / "dandiset.yaml").write_text("identifier: '000001'\nname: test\n")
    folder = tmp_path / "sub-culture7"
    folder.mkdir()
    save(mixed_session(COMPLETE), folder / "sub-culture7_ses-div21_ecephys.nwb")
    command = [str(Path(sys.executable).with_name("dandi")), "validate", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No errors found" in done.stdout + done.stderr


def test_the_real_recording(real_recording, tmp_path):
    from neo.io import NWBIO
    from spikeinterface import extractors

    sd = convert.load(real_recording, "nwb")
    path = save(sd, tmp_path / "again.nwb", fs_Hz=float(FS_HZ))
    sorting = extractors.read_nwb_sorting(str(path))
    assert [int(one) for one in sorting.unit_ids] == [6, 191, 206]
    assert same([sorting.get_unit_spike_train(one) for one in sorting.unit_ids], sd)
    trains = NWBIO(str(path), mode="r").read_block().segments[0].spiketrains
    assert same([samples(train.rescale("s").magnitude) for train in trains], sd)
