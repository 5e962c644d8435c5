"""Sortings of SpikeInterface: in memory, saved, analysed; and objects that only look alike."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import spikeinterface as si

from spikelab import convert
from spikelab.data_loaders.data_loaders import load_spikedata_from_spikeinterface as take_over
from spikelab.errors import (
    AssumptionWarning,
    FormatError,
    InvalidSpikeData,
    MissingDependency,
    OptionError,
)
from spikelab.formats import spikeinterface as format_module

FS_HZ = 25_000.0


class Lookalike:
    """No more than the library's documentation asks for."""

    def __init__(self, trains, fs_Hz=FS_HZ):
        self.trains = trains
        self.fs_Hz = fs_Hz

    def get_unit_ids(self):
        return list(self.trains)

    def get_sampling_frequency(self):
        return self.fs_Hz

    def get_unit_spike_train(self, unit_id, segment_index=0):
        return self.trains[unit_id]


class WithProperties(Lookalike):
    properties = {"ch": np.array([7, 9, 11]), "position": np.arange(6.0).reshape(3, 2)}

    def get_property(self, name):
        return self.properties.get(name)


class TestLookalikes:
    sorting = Lookalike({5: [25, 50], "a": np.array([], int), np.int64(2): np.array([2500])})

    def test_spikes_and_ids(self):
        sd = take_over(self.sorting)
        assert [times.tolist() for times in sd.train] == [[1.0, 2.0], [], [100.0]]
        assert [unit["unit_id"] for unit in sd.neuron_attributes] == [5, "a", 2]
        assert type(sd.neuron_attributes[2]["unit_id"]) is int
        assert (sd.start_time, sd.length) == (0.0, 100.0)
        assert sd.metadata["fs_Hz"] == FS_HZ

    def test_the_rate_can_be_given(self):
        with pytest.warns(AssumptionWarning, match="is read at 50000.0 Hz as asked for"):
            sd = take_over(self.sorting, sampling_frequency=50_000.0)
        assert sd.train[0].tolist() == [0.5, 1.0]
        assert sd.metadata["fs_Hz"] == 50_000.0

    def test_units_in_the_order_asked_for_keep_their_properties(self):
        sd = take_over(WithProperties({1: [1], 2: [2], 3: [3]}), unit_ids=[3, 1])
        assert [unit["unit_id"] for unit in sd.neuron_attributes] == [3, 1]
        assert sd.electrodes.tolist() == [11, 7]
        assert sd.unit_locations.tolist() == [[4.0, 5.0], [0.0, 1.0]]

    def test_a_unit_that_is_not_there(self):
        with pytest.raises(OptionError, match=r"no such units.*found 8, b.*5, a, 2"):
            take_over(self.sorting, unit_ids=[5, 8, "b"])

    @pytest.mark.parametrize("fs_Hz", [0, -1.0, None, np.nan])
    def test_no_usable_rate(self, fs_Hz):
        with pytest.raises(OptionError, match="fs_Hz"):
            take_over(Lookalike({1: [1]}, fs_Hz))

    @pytest.mark.parametrize("thing", [None, {1: [2]}, np.zeros(3)])
    def test_something_else(self, thing):
        with pytest.raises(OptionError, match="no sorting"):
            take_over(thing)


@pytest.fixture
def quiet():
    """Libraries of others warn about themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def sorting():
    """Two segments, ids as text, a silent unit, properties of several kinds."""
    segments = [
        {"u7": np.array([25, 2500]), "u2": np.array([], int), "u30": np.array([50])},
        {"u7": np.array([75]), "u2": np.array([100]), "u30": np.array([], int)},
    ]
    made = si.NumpySorting.from_unit_dict(segments, FS_HZ)
    made.set_property("quality", ["good", "noise", "mua"])
    made.set_property("snr", np.array([3.5, np.nan, 8.0]))
    made.set_property("main_channel_id", np.array(["4", "0", "12"]))
    made.set_property("gt_unit_locations", np.arange(9.0).reshape(3, 3))
    return made


def check(sd) -> None:
    assert [times.tolist() for times in sd.train] == [[1.0, 100.0], [], [2.0]]
    units = sd.neuron_attributes
    assert [unit["unit_id"] for unit in units] == ["u7", "u2", "u30"]
    assert [unit["quality"] for unit in units] == ["good", "noise", "mua"]
    assert [unit["snr"] for unit in units] == [3.5, pytest.approx(np.nan, nan_ok=True), 8.0]
    assert sd.electrodes.tolist() == [4, 0, 12]
    assert sd.unit_locations.tolist() == np.arange(9.0).reshape(3, 3).tolist()


class TestSortings:
    def test_in_memory(self, sorting):
        check(take_over(sorting))

    def test_another_segment(self, sorting):
        sd = take_over(sorting, segment_index=1)
        assert [times.tolist() for times in sd.train] == [[3.0], [4.0], []]
        assert sd.length == 4.0

    @pytest.mark.parametrize("segment_index", [2, -1])
    def test_a_segment_that_is_not_there(self, sorting, segment_index):
        with pytest.raises(OptionError, match="0 to 1"):
            take_over(sorting, segment_index=segment_index)

    def test_ids_as_numbers(self):
        made = si.NumpySorting.from_unit_dict([{7: np.array([25]), 3: np.array([50])}], FS_HZ)
        ids = [unit["unit_id"] for unit in take_over(made).neuron_attributes]
        assert ids == [7, 3]
        assert {type(one) for one in ids} == {int}

    def test_the_recording_gives_start_and_length(self, sorting, quiet):
        samples = [np.zeros((5000, 2), "f4"), np.zeros((250, 2), "f4")]
        recording = si.NumpyRecording(samples, FS_HZ, t_starts=[3.0, 10.0])
        sorting.register_recording(recording)
        sd = take_over(sorting)
        assert (sd.start_time, sd.length) == (3000.0, 200.0)
        assert sd.train[0].tolist() == [3001.0, 3100.0]
        assert take_over(sorting, segment_index=1).length == pytest.approx(10.0, abs=1e-9)

    def test_spikes_past_the_end_of_the_recording_are_counted(self, sorting, quiet):
        sorting.register_recording(si.NumpyRecording([np.zeros((2000, 2), "f4")] * 2, FS_HZ))
        with pytest.raises(InvalidSpikeData, match="1 spike"):
            take_over(sorting)

    def test_the_recordings_own_clock(self, sorting, quiet):
        recording = si.NumpyRecording([np.zeros((5000, 2), "f4")] * 2, FS_HZ)
        uneven = 2.0 + np.arange(5000) / 20_000.0
        recording.set_times(uneven, segment_index=0, with_warning=False)
        sorting.register_recording(recording)
        sd = take_over(sorting)
        np.testing.assert_allclose(sd.train[0], uneven[[25, 2500]] * 1000, rtol=0, atol=1e-9)
        assert sd.start_time == 2000.0


class TestPaths:
    @pytest.mark.parametrize("kind", ["numpy_folder", "zarr"])
    def test_a_saved_sorting(self, sorting, tmp_path, kind, quiet):
        path = tmp_path / ("sorting.zarr" if kind == "zarr" else "sorting")
        sorting.save(folder=path, format=kind)
        check(convert.load(path))
        check(convert.load(path, "spikeinterface", {"fs_Hz": FS_HZ}))
        assert convert.load(path, options={"segment_index": 1}).train[0].tolist() == [3.0]

    def test_a_saved_npz(self, sorting, tmp_path, quiet):
        si.NpzSortingExtractor.write_sorting(sorting, tmp_path / "sorting.npz")
        sd = convert.load(tmp_path / "sorting.npz", "spikeinterface")
        assert [times.tolist() for times in sd.train] == [[1.0, 100.0], [], [2.0]]

    def test_another_rate_is_a_contradiction(self, sorting, tmp_path, quiet):
        sorting.save(folder=tmp_path / "sorting")
        with pytest.raises(OptionError, match="contradicts"):
            convert.load(tmp_path / "sorting", "spikeinterface", {"fs_Hz": 30_000.0})

    @pytest.mark.parametrize("kind", ["binary_folder", "zarr"])
    def test_an_analyzer(self, tmp_path, kind, quiet):
        recording, truth = si.generate_ground_truth_recording(
            durations=[6.0], num_channels=8, num_units=4, seed=3
        )
        analyzer = si.create_sorting_analyzer(truth, recording, sparse=True, format="memory")
        analyzer.compute(["random_spikes", "templates", "unit_locations"])
        path = tmp_path / ("analyzer.zarr" if kind == "zarr" else "analyzer")
        analyzer.save_as(folder=path, format=kind)
        sd = convert.load(path)
        assert sd.length == 6000.0
        assert sd.N == 4
        frames = [truth.get_unit_spike_train(one, segment_index=0) for one in truth.unit_ids]
        for times, expected in zip(sd.train, frames):
            np.testing.assert_array_equal(np.rint(times * FS_HZ / 1000).astype(int), expected)
        places = analyzer.get_extension("unit_locations").get_data()
        np.testing.assert_array_equal(sd.unit_locations, places)
        # The main channel is where the average waveform goes down furthest.
        templates = analyzer.get_extension("templates").get_data(operator="average")
        deepest = templates.min(axis=1).argmin(axis=1)
        assert sd.electrodes.tolist() == [int(recording.channel_ids[i]) for i in deepest]

    def test_a_reader_by_name(self, sorting, tmp_path, quiet):
        si.NpzSortingExtractor.write_sorting(sorting, tmp_path / "sorting.npz")
        for reader in ("npz_sorting", "read_npz_sorting"):
            sd = convert.load(tmp_path / "sorting.npz", "spikeinterface", {"reader": reader})
            assert sd.N == 3

    @pytest.mark.parametrize("reader", ["phi", "os", "__class__", "NpzSortingExtractor"])
    def test_a_reader_that_is_not_there(self, tmp_path, reader):
        with pytest.raises(OptionError, match="no such reader"):
            convert.load(tmp_path, "spikeinterface", {"reader": reader})

    def test_near_names_are_suggested(self, tmp_path):
        with pytest.raises(OptionError, match=r"allowed: .*kilosort"):
            convert.load(tmp_path, "spikeinterface", {"reader": "kilosrt"})

    def test_a_folder_of_something_else(self, tmp_path, quiet):
        (tmp_path / "notes.txt").write_text("nothing")
        with pytest.raises(FormatError, match="cannot read"):
            convert.load(tmp_path, "spikeinterface")

    def test_a_recording_is_no_sorting(self, tmp_path, quiet):
        recording = si.NumpyRecording([np.zeros((50, 2), "f4")], FS_HZ)
        recording.save(folder=tmp_path / "recording")
        with pytest.raises(FormatError, match="finds no sorting"):
            convert.load(tmp_path / "recording", "spikeinterface")

    @pytest.mark.parametrize("name", ["sorting.pkl", "folder/cached.pkl", "a/recording.pickle"])
    def test_pickles_are_not_opened(self, tmp_path, name):
        canary = tmp_path / "canary"
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cos\nsystem\n(X" + _text(f"touch {canary}") + b"tR.")
        source = path if path.parent == tmp_path else path.parent
        with pytest.raises(FormatError, match="not opened"):
            convert.load(source, "spikeinterface")
        assert not canary.exists()

    @pytest.mark.parametrize("depth", [0, 1])
    def test_classes_of_others_are_not_made(self, tmp_path, depth):
        canary = tmp_path / "canary"
        entry = {"class": "subprocess.Popen", "module": "subprocess", "version": "1"}
        entry |= {"kwargs": {"args": ["touch", str(canary)]}, "relative_paths": False}
        for _ in range(depth):
            entry = {"class": "spikeinterface.core.NumpySorting", "kwargs": {"parent": entry}}
        folder = tmp_path / "sorting"
        folder.mkdir()
        (folder / "si_folder.json").write_text(json.dumps(entry))
        for source in (folder, folder / "si_folder.json"):
            with pytest.raises(FormatError, match="not opened"):
                convert.load(source, "spikeinterface")
        assert not canary.exists()

    def test_pickled_arrays_are_not_opened(self, sorting, tmp_path, quiet):
        path = tmp_path / "sorting.zarr"
        sorting.save(folder=path, format="zarr")
        (path / "odd").mkdir()
        (path / "odd" / ".zarray").write_text(json.dumps({"filters": [{"id": "pickle"}]}))
        with pytest.raises(FormatError, match="not opened"):
            convert.load(path)

    def test_damaged_json(self, tmp_path, quiet):
        (tmp_path / "sorting.json").write_text("{")
        with pytest.raises(FormatError):
            convert.load(tmp_path / "sorting.json", "spikeinterface")


def _text(value: str) -> bytes:
    return len(value).to_bytes(4, "little") + value.encode()


def test_without_spikeinterface_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "spikeinterface", None)
    with pytest.raises(MissingDependency, match="pip install spikeinterface"):
        format_module.read(tmp_path, format_module.Options())
