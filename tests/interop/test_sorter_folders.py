"""Folders as each Kilosort leaves them and Phy curates them: we read what the others read."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import spikeinterface
from phylib.io.model import load_model
from spikeinterface import exporters, extractors
from spikeinterface.postprocessing import template_similarity

from spikelab import SpikeData, convert

FS_HZ = 30_000
# Channels 3 and 8 were left out as dead. Template 2 found no spike.
CHANNEL_MAP = np.array([0, 1, 2, 4, 5, 6, 7, 9])
PEAK_ROWS = [6, 1, 0, 3, 7]
TEMPLATES_WITH_SPIKES = [0, 1, 3, 4]
N_SPIKES = 600
PARAMS = """\
dat_path = {dat_path}
n_channels_dat = 10
dtype = 'int16'
offset = 0
sample_rate = {rate}
hp_filtered = False
"""


class Unreadable:
    """Unpickling it fails: nobody who only wants spikes needs ops.npy."""

    def __reduce__(self):
        return eval, ("1 / 0",)


@dataclass(frozen=True)
class Sorter:
    """How one version writes."""

    columns: bool
    times: type
    ids: type
    places: type
    params: str
    tables: dict[str, str]
    extra: dict[str, np.ndarray] = field(default_factory=dict)


def table(column: str, values) -> str:
    rows = (f"{unit}\t{value}\n" for unit, value in enumerate(values))
    return f"cluster_id\t{column}\n{''.join(rows)}"


LABELS = ["good", "mua", "mua", "good", "good"]
TABLES = {
    "cluster_KSLabel.tsv": table("KSLabel", LABELS),
    "cluster_ContamPct.tsv": table("ContamPct", [0.0, 12.5, 100.0, 3.1, 0.2]),
    "cluster_Amplitude.tsv": table("Amplitude", [31.5, 12.0, 9.9, 40.1, 22.2]),
}
FIRST = PARAMS.format(dat_path="'rec.dat'", rate="30000")
MATLAB = PARAMS.format(dat_path=r"'D:\\data\\rec.dat'", rate="30000.")
PYTHON = PARAMS.format(dat_path="['/data/one.bin', '/data/two.bin']", rate="30000.0")
SORTERS = {
    "kilosort2": Sorter(True, np.uint64, np.uint32, np.float64, FIRST, TABLES),
    "kilosort2.5": Sorter(True, np.uint64, np.uint32, np.float64, MATLAB, TABLES),
    "kilosort3": Sorter(
        True,
        np.int64,
        np.int32,
        np.float64,
        MATLAB,
        TABLES | {"cluster_group.tsv": table("group", LABELS)},
    ),
    "kilosort4": Sorter(
        False,
        np.int64,
        np.int32,
        np.float32,
        PYTHON,
        TABLES | {"cluster_group.tsv": table("KSLabel", LABELS)},
        {
            "ops.npy": np.array({"settings": Unreadable()}, dtype=object),
            "spike_positions.npy": np.zeros((N_SPIKES, 2), np.float32),
            "kept_spikes.npy": np.ones(N_SPIKES, bool),
            "channel_shanks.npy": np.zeros(len(CHANNEL_MAP)),
        },
    ),
}


def spikes() -> tuple[np.ndarray, np.ndarray]:
    """Samples, ascending, and the template of each spike."""
    rng = np.random.default_rng(11)
    samples = np.sort(rng.choice(3_000_000, N_SPIKES, replace=False))
    return samples, rng.choice(TEMPLATES_WITH_SPIKES, N_SPIKES)


def whitened_templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Templates as they are stored, the whitening matrix, and its inverse."""
    n_channels = len(CHANNEL_MAP)
    distance = np.abs(np.subtract.outer(np.arange(n_channels), np.arange(n_channels)))
    inverse = 200.0 * np.exp(-distance / 0.6)
    whitening = np.linalg.inv(inverse)
    shape = np.sin(np.arange(61) / 8.0) * np.exp(-np.arange(61) / 20.0)
    templates = np.zeros((len(PEAK_ROWS), 61, n_channels))
    for number, row in enumerate(PEAK_ROWS):
        templates[number] = -np.outer(shape, np.exp(-np.abs(np.arange(n_channels) - row)))
    return (templates @ whitening).astype(np.float32), whitening, inverse


def sorted_by(version: str, folder: Path) -> Path:
    """The output folder of a version of Kilosort."""
    sorter = SORTERS[version]
    samples, of_spike = spikes()
    templates, whitening, inverse = whitened_templates()
    n_channels = len(CHANNEL_MAP)
    vectors = {
        "spike_times.npy": samples.astype(sorter.times),
        "spike_templates.npy": of_spike.astype(sorter.ids),
        "spike_clusters.npy": of_spike.astype(sorter.ids),
        "amplitudes.npy": np.linspace(10, 60, N_SPIKES),
        "channel_map.npy": CHANNEL_MAP.astype(np.int32),
    }
    matrices = {
        "templates.npy": templates,
        "templates_ind.npy": np.tile(np.arange(n_channels, dtype=float), (len(PEAK_ROWS), 1)),
        "whitening_mat.npy": whitening,
        "whitening_mat_inv.npy": inverse,
        "similar_templates.npy": np.eye(len(PEAK_ROWS), dtype=np.float32),
        "channel_positions.npy": places().astype(sorter.places),
    }
    if sorter.columns:
        vectors = {name: values[:, None] for name, values in vectors.items()}
        matrices = {name: np.asfortranarray(values) for name, values in matrices.items()}
    folder.mkdir()
    for name, values in (vectors | matrices | sorter.extra).items():
        np.save(folder / name, values)
    for name, text in (sorter.tables | {"params.py": sorter.params}).items():
        (folder / name).write_text(text)
    return folder


def places() -> np.ndarray:
    rows = np.arange(len(CHANNEL_MAP))
    return np.stack([16.0 + 32.0 * (rows % 2), 20.0 * rows], axis=1)


@pytest.fixture(params=SORTERS)
def folder(request, tmp_path) -> Path:
    return sorted_by(request.param, tmp_path / request.param)


def samples_of(sd: SpikeData) -> dict[int, list[int]]:
    return {
        unit["unit_id"]: np.rint(times * FS_HZ / 1000).astype(int).tolist()
        for unit, times in zip(sd.neuron_attributes, sd.train, strict=True)
    }


def expected(clusters: np.ndarray) -> dict[int, list[int]]:
    samples, _ = spikes()
    return {int(one): samples[clusters == one].tolist() for one in np.unique(clusters)}


def without_silent(sd: SpikeData) -> dict[int, list[int]]:
    return {unit: samples for unit, samples in samples_of(sd).items() if samples}


class TestBeforeCuration:
    def test_spikes(self, folder):
        found = convert.load(folder)
        assert without_silent(found) == expected(spikes()[1])
        assert found.metadata == {"fs_Hz": 30_000.0}

    def test_units_are_on_the_peaks_of_their_templates(self, folder):
        found = convert.load(folder)
        units = {unit["unit_id"]: unit for unit in found.neuron_attributes}
        for template in TEMPLATES_WITH_SPIKES:
            row = PEAK_ROWS[template]
            assert units[template]["electrode"] == CHANNEL_MAP[row]
            assert units[template]["location"].tolist() == places()[row].tolist()

    def test_labels_and_measures(self, folder):
        for unit in convert.load(folder).neuron_attributes:
            number = unit["unit_id"]
            assert unit["KSLabel"] == LABELS[number]
            assert unit["ContamPct"] == [0.0, 12.5, 100.0, 3.1, 0.2][number]
            assert unit["Amplitude"] == [31.5, 12.0, 9.9, 40.1, 22.2][number]

    def test_spikeinterface_reads_the_same(self, folder):
        ours = without_silent(convert.load(folder))
        theirs = extractors.read_kilosort(folder)
        assert ours == {
            int(one): theirs.get_unit_spike_train(one).tolist() for one in theirs.unit_ids
        }

    def test_phylib_reads_the_same(self, folder):
        ours = convert.load(folder)
        channels = {unit["unit_id"]: unit.get("electrode") for unit in ours.neuron_attributes}
        with warnings.catch_warnings():
            # It divides by the amplitude of the template that has no spike.
            warnings.simplefilter("ignore", RuntimeWarning)
            model = load_model(folder / "params.py")
        for unit, samples in without_silent(ours).items():
            assert model.spike_samples[model.get_cluster_spikes(unit)].tolist() == samples
            assert model.channel_mapping[model.get_cluster_channels(unit)[0]] == channels[unit]
        model.close()


class TestAfterCuration:
    """Clusters 0 and 1 were merged; a few spikes of 3 were split off; labels were given."""

    @pytest.fixture
    def curated(self, folder) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            model = load_model(folder / "params.py")
        model.save_spike_clusters(self.clusters())
        model.save_metadata("group", {5: "good", 6: "noise", 7: "mua", 4: "good"})
        model.close()
        return folder

    def clusters(self) -> np.ndarray:
        clusters = spikes()[1].copy()
        clusters[np.isin(clusters, [0, 1])] = 5
        split = np.flatnonzero(clusters == 3)
        clusters[split[:40]] = 6
        clusters[split[40:]] = 7
        return clusters

    def test_spikes_labels_and_channels(self, curated):
        found = convert.load(curated)
        assert samples_of(found) == expected(self.clusters())
        units = {unit["unit_id"]: unit for unit in found.neuron_attributes}
        labels = {number: unit["group"] for number, unit in units.items()}
        assert labels == {4: "good", 5: "good", 6: "noise", 7: "mua"}
        counts = np.bincount(spikes()[1])
        dominant = 0 if counts[0] >= counts[1] else 1
        rows = {4: PEAK_ROWS[4], 5: PEAK_ROWS[dominant], 6: PEAK_ROWS[3], 7: PEAK_ROWS[3]}
        for number, row in rows.items():
            assert units[number]["electrode"] == CHANNEL_MAP[row]

    def test_spikeinterface_reads_the_same(self, curated):
        # SpikeInterface drops clusters that a table lacks, but for this one, which Phy writes.
        info = "cluster_id\tch\tgroup\n4\t9\tgood\n5\t6\tgood\n6\t4\tnoise\n7\t4\tmua\n"
        (curated / "cluster_info.tsv").write_text(info)
        theirs = extractors.read_phy(curated)
        assert samples_of(convert.load(curated)) == {
            int(one): theirs.get_unit_spike_train(one).tolist() for one in theirs.unit_ids
        }


def test_what_spikeinterface_exports_for_phy(tmp_path, monkeypatch):
    # Compiling this function takes ten times as long as all the rest: it runs as it is written.
    similarity = "_compute_similarity_matrix"
    compiled = getattr(template_similarity, similarity)
    monkeypatch.setattr(template_similarity, similarity, getattr(compiled, "py_func", compiled))
    recording, truth = spikeinterface.generate_ground_truth_recording(
        durations=[10.0], num_channels=8, num_units=4, seed=7
    )
    truth = truth.rename_units([3, 11, 12, 40])
    analyzer = spikeinterface.create_sorting_analyzer(truth, recording, sparse=True)
    analyzer.compute(["random_spikes", "waveforms", "templates", "noise_levels"])
    analyzer.compute(["spike_amplitudes"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exporters.export_to_phy(
            analyzer,
            tmp_path / "phy",
            compute_pc_features=False,
            copy_binary=False,
            remove_if_exists=True,
            verbose=False,
        )
    found = convert.load(tmp_path / "phy")
    # Its clusters are numbers from 0; the ids are in a column.
    assert [unit["unit_id"] for unit in found.neuron_attributes] == [0, 1, 2, 3]
    assert [unit["si_unit_id"] for unit in found.neuron_attributes] == [3, 11, 12, 40]
    templates = analyzer.get_extension("templates").get_data(operator="average")
    # The channel of the largest peak-to-peak amplitude, as phylib chooses it.
    peaks = np.ptp(templates, axis=1).argmax(axis=1)
    assert found.electrodes.tolist() == peaks.tolist()
    for times, unit in zip(found.train, truth.unit_ids, strict=True):
        samples = np.rint(times * recording.sampling_frequency / 1000)
        assert np.array_equal(samples, truth.get_unit_spike_train(unit))


def test_a_folder_without_params_is_read_with_a_rate(tmp_path):
    folder = sorted_by("kilosort2", tmp_path / "sorted")
    (folder / "params.py").unlink()
    shutil.rmtree(folder / ".phy", ignore_errors=True)
    found = convert.load_source(folder, "kilosort", fs_Hz=FS_HZ)
    assert without_silent(found) == expected(spikes()[1])


def test_the_readers_of_spikeinterface_by_name(folder):
    """``format: spikeinterface`` with ``reader:`` gives what our own reader gives."""
    found = convert.load(folder, "spikeinterface", {"reader": "kilosort"})
    assert samples_of(found) == without_silent(convert.load(folder))
    assert found.metadata["fs_Hz"] == FS_HZ
