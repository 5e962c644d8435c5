"""Phy's own library, SpikeInterface and neuroconv open an export and see what was exported."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from neuroconv.datainterfaces import PhySortingInterface
from phylib.io.model import load_model
from spikeinterface import extractors

from spikelab import SpikeData, convert
from spikelab.data_loaders.data_exporters import export_spikedata_to_kilosort

FS_HZ = 30_000.0
START_MS = 12_000.0
LENGTH_MS = 60_000.0
IDS = [3, 7, 50, 11, 20, 21]
# Unit 11 is silent; 3 and 7 share an electrode; the second probe starts at channel 200.
COUNTS = [400, 250, 31, 0, 2, 90]
CHANNELS = [4, 4, 209, 210, 0, 212]
LABELS = ["good", "mua", "noise", "good", "unsorted", "mua"]
# Both probes count their micrometres from their own tip: channel 4 and 209 have one place.
PLACES = [(16.0, 80.0), (16.0, 80.0), (16.0, 80.0), (32.0, 80.0), (16.0, 0.0), (32.0, 0.0)]


def samples_per_unit() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [np.sort(rng.choice(np.arange(360_000, 1_500_000), n, replace=False)) for n in COUNTS]


def session(**changes) -> SpikeData:
    units = [
        {
            "unit_id": IDS[i],
            "electrode": CHANNELS[i],
            "location": list(PLACES[i]),
            "probe": "AB"[CHANNELS[i] >= 200],
            "KSLabel": LABELS[i] if LABELS[i] in ("good", "mua") else "mua",
            "quality": LABELS[i],
            "snr": 1.25 * i,
            "is_fast": bool(i % 2),
            "stimuli": {"a": [i]},
        }
        for i in range(len(IDS))
    ]
    settings = {"start_time": START_MS, "length": LENGTH_MS, "neuron_attributes": units}
    train = [samples * 1000.0 / FS_HZ for samples in samples_per_unit()]
    return SpikeData(train, **(settings | changes))


WAVES = np.sin(np.arange(41) / 5.0)[None, :] * np.arange(1, 7)[:, None]


def with_waveforms() -> SpikeData:
    sd = session()
    for unit, wave in zip(sd.neuron_attributes, WAVES):
        unit["waveform"] = wave
    return sd


@pytest.fixture(params=["placeholders", "waveforms", "moved"])
def folder(request, tmp_path) -> Path:
    sd = with_waveforms() if request.param == "waveforms" else session()
    first = tmp_path / "session_kilosort"
    export_spikedata_to_kilosort(sd, first, fs_Hz=FS_HZ)
    if request.param != "moved":
        return first
    second = tmp_path / "elsewhere" / "renamed folder"
    second.parent.mkdir()
    return Path(shutil.move(first, second))


def phylib_model(folder: Path):
    return load_model(folder / "params.py")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestPhylib:
    def test_every_spike_is_in_its_cluster(self, folder):
        model = phylib_model(folder)
        for unit, samples in zip(IDS, samples_per_unit()):
            spikes = model.get_cluster_spikes(unit)
            assert np.array_equal(model.spike_samples[spikes], samples)
        assert model.n_spikes == sum(COUNTS)
        assert model.sample_rate == FS_HZ
        model.close()

    def test_every_cluster_is_on_its_channel(self, folder):
        model = phylib_model(folder)
        for unit, channel, place, count in zip(IDS, CHANNELS, PLACES, COUNTS):
            if count:
                best = model.get_cluster_channels(unit)[0]
                assert model.channel_mapping[best] == channel
                assert model.channel_positions[best][1] == place[1]
                assert model.clusters_channels[unit] == best
        model.close()

    def test_a_second_probe_is_moved_as_a_whole(self, folder):
        model = phylib_model(folder)
        where = dict(zip(model.channel_mapping.tolist(), model.channel_positions.tolist()))
        assert where[4] == [16.0, 80.0]
        assert len({tuple(place) for place in where.values()}) == 5
        model.close()

    def test_labels_and_attributes_are_shown(self, folder):
        model = phylib_model(folder)
        assert model.metadata["group"] == dict(zip(IDS, LABELS))
        assert model.metadata["probe"] == {3: "A", 7: "A", 50: "B", 11: "B", 20: "A", 21: "B"}
        assert model.metadata["snr"][50] == 2.5
        model.close()

    def test_it_writes_nothing_into_the_folder(self, folder):
        before = bytes_of(folder)
        phylib_model(folder).close()
        assert bytes_of(folder) == before

    def test_known_waveforms_are_the_templates(self, tmp_path):
        export_spikedata_to_kilosort(with_waveforms(), tmp_path, fs_Hz=FS_HZ)
        model = phylib_model(tmp_path)
        for unit, wave in zip(IDS, WAVES):
            if unit != 11:
                shown = model.get_cluster_mean_waveforms(unit).mean_waveforms[:, 0]
                assert np.allclose(shown, wave, atol=1e-6)
        model.close()

    @pytest.mark.parametrize("start_ms", [0.0, -500.0])
    def test_a_single_unit_opens(self, tmp_path, start_ms):
        sd = SpikeData([[1.0, 2.0, 3.0]], start_time=start_ms, length=600.0)
        export_spikedata_to_kilosort(sd, tmp_path, fs_Hz=1000.0)
        model = phylib_model(tmp_path)
        assert model.spike_samples.tolist() == [1 - start_ms, 2 - start_ms, 3 - start_ms]
        model.close()

    def test_custom_names_open_too(self, tmp_path):
        export_spikedata_to_kilosort(
            session(),
            tmp_path,
            fs_Hz=FS_HZ,
            spike_times_file="times_ms.npy",
            spike_clusters_file="ids.npy",
            time_unit="ms",
        )
        model = phylib_model(tmp_path)
        spikes = model.get_cluster_spikes(7)
        assert np.array_equal(model.spike_samples[spikes], samples_per_unit()[1])
        model.close()

    def test_what_a_merge_in_phy_leaves_is_read(self, tmp_path):
        export_spikedata_to_kilosort(session(), tmp_path, fs_Hz=FS_HZ)
        model = phylib_model(tmp_path)
        clusters = model.spike_clusters.copy()
        clusters[np.isin(clusters, [3, 7])] = 51
        model.save_spike_clusters(clusters)
        labels = {51: "good", 50: "noise", 20: "good", 21: "mua"}
        model.save_metadata("group", labels)
        model.close()
        found = convert.load(tmp_path)
        units = {unit["unit_id"]: unit for unit in found.neuron_attributes}
        assert list(units) == [50, 11, 20, 21, 51]
        assert {unit: units[unit].get("group") for unit in labels if unit != 50} == {
            51: "good",
            20: "good",
            21: None,
        }
        assert units[51]["electrode"] == 4
        assert units[51]["location"].tolist() == [16.0, 80.0]
        merged = np.sort(np.concatenate(samples_per_unit()[:2])) * 1000 / FS_HZ
        assert np.allclose(found.train[-1], merged, atol=1e-9, rtol=0)


class TestSpikeInterface:
    def test_read_phy(self, folder):
        sorting = extractors.read_phy(folder)
        assert sorting.get_unit_ids().tolist() == IDS
        assert sorting.get_sampling_frequency() == FS_HZ
        for unit, samples in zip(IDS, samples_per_unit()):
            assert np.array_equal(sorting.get_unit_spike_train(unit), samples)
        assert sorting.get_property("quality").tolist() == LABELS
        assert sorting.get_property("ch").tolist() == CHANNELS
        assert sorting.get_property("n_spikes").tolist() == COUNTS
        assert sorting.get_property("snr").tolist() == [1.25 * i for i in range(6)]
        assert sorting.get_property("probe").tolist() == ["A", "A", "B", "B", "A", "B"]

    def test_a_slice_of_time(self, folder):
        sorting = extractors.read_phy(folder).frame_slice(500_000, 900_000)
        for unit, samples in zip(IDS, samples_per_unit()):
            inside = samples[(samples >= 500_000) & (samples < 900_000)]
            assert np.array_equal(sorting.get_unit_spike_train(unit), inside - 500_000)

    def test_read_kilosort(self, folder):
        sorting = extractors.read_kilosort(folder, remove_empty_units=False)
        assert sorting.get_unit_ids().tolist() == IDS
        with_spikes = extractors.read_kilosort(folder)
        assert with_spikes.get_unit_ids().tolist() == [3, 7, 50, 20, 21]
        for unit, samples in zip(IDS, samples_per_unit()):
            assert np.array_equal(sorting.get_unit_spike_train(unit), samples)

    @pytest.mark.parametrize("train", [[[1.0]], [[]], [[], []]])
    def test_one_spike_or_none(self, tmp_path, train):
        export_spikedata_to_kilosort(SpikeData(train, length=10.0), tmp_path, fs_Hz=1000.0)
        sorting = extractors.read_phy(tmp_path)
        assert sorting.get_unit_ids().tolist() == list(range(len(train)))
        assert sorting.get_unit_spike_train(0).tolist() == train[0]

    def test_no_attributes(self, tmp_path):
        sd = session(neuron_attributes=None)
        export_spikedata_to_kilosort(sd, tmp_path, fs_Hz=FS_HZ)
        sorting = extractors.read_phy(tmp_path)
        assert sorting.get_unit_ids().tolist() == [0, 1, 2, 3, 4, 5]
        assert sorting.get_property("ch") is None


class TestNeuroconv:
    def test_phy_interface(self, folder):
        interface = PhySortingInterface(folder_path=folder)
        sorting = interface.sorting_extractor
        assert sorting.get_unit_ids().tolist() == IDS
        for unit, samples in zip(IDS, samples_per_unit()):
            assert np.array_equal(sorting.get_unit_spike_train(unit), samples)
        assert sorting.get_property("quality").tolist() == LABELS


def test_both_tables_list_every_unit(folder):
    for name in ("cluster_group.tsv", "cluster_info.tsv", "cluster_attributes.tsv"):
        with (folder / name).open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        assert [int(row["cluster_id"]) for row in rows] == IDS
        assert "si_unit_id" not in rows[0]


@pytest.mark.parametrize("sorting", ["read_phy", "read_kilosort"])
def test_what_spikeinterface_reads_equals_what_we_read(folder, sorting):
    theirs = getattr(extractors, sorting)(folder)
    ours = convert.load(folder)
    for unit in theirs.get_unit_ids():
        samples = ours.train[IDS.index(unit)] * FS_HZ / 1000
        assert np.array_equal(np.rint(samples), theirs.get_unit_spike_train(unit))
