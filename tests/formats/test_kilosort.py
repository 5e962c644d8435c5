"""What a Kilosort/Phy export consists of."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import SpikeData, convert
from spikelab.compare import Precision, differences
from spikelab.data_loaders.data_exporters import export_spikedata_to_kilosort
from spikelab.errors import AssumptionWarning, LossWarning, OptionError
from spikelab.formats import registry
from spikelab.formats.kilosort import templates as templates_module

FS_HZ = 1000.0
KEPT = registry.get("kilosort").keeps


def export(sd: SpikeData, folder: Path, fs_Hz: float = FS_HZ, **options) -> Path:
    export_spikedata_to_kilosort(sd, folder, fs_Hz=fs_Hz, **options)
    return folder


def assigned(folder: Path) -> dict[str, object]:
    tree = ast.parse((folder / "params.py").read_text())
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def two_units(*attributes: dict, **changes) -> SpikeData:
    given = {"length": 20.0, "neuron_attributes": attributes or None} | changes
    return SpikeData([[1.0, 9.0], [4.0]], **given)


class TestArrays:
    def test_spikes_are_in_order_of_time(self, tmp_path):
        export(two_units({"unit_id": 7}, {"unit_id": 3}), tmp_path)
        expected = {
            "spike_times.npy": (np.int64, [1, 4, 9]),
            "spike_clusters.npy": (np.int32, [7, 3, 7]),
            "spike_templates.npy": (np.int32, [0, 1, 0]),
            "amplitudes.npy": (np.float64, [1.0, 1.0, 1.0]),
        }
        for name, (dtype, values) in expected.items():
            array = np.load(tmp_path / name)
            assert (array.dtype, array.tolist()) == (dtype, values)

    def test_a_late_start_leaves_sample_numbers_absolute(self, tmp_path):
        export(SpikeData([[100.0, 101.0]], start_time=100.0, length=5.0), tmp_path)
        assert np.load(tmp_path / "spike_times.npy").tolist() == [100, 101]
        assert assigned(tmp_path)["sample_offset"] == 0

    def test_a_negative_start_is_sample_zero(self, tmp_path):
        export(SpikeData([[-100.0, 1.0]], start_time=-100.0, length=200.0), tmp_path)
        assert np.load(tmp_path / "spike_times.npy").tolist() == [0, 101]
        assert assigned(tmp_path)["sample_offset"] == -100

    def test_params_hold_literals_and_no_path(self, tmp_path):
        export(SpikeData([[2.5]], start_time=2.0, length=7.25), tmp_path, fs_Hz=24_414.0625)
        values = assigned(tmp_path)
        assert values["dat_path"] == []
        assert values["sample_rate"] == 24_414.0625
        assert (values["start_time_ms"], values["length_ms"]) == (2.0, 7.25)
        assert values["time_unit"] == "samples"
        assert "/" not in (tmp_path / "params.py").read_text()

    @pytest.mark.parametrize("n_units", [0, 1, 2, 5])
    def test_there_are_always_two_templates(self, tmp_path, n_units):
        export(SpikeData([[1.0, 2.0]] * n_units, length=5.0), tmp_path)
        assert len(np.load(tmp_path / "templates.npy")) == max(n_units, 2)

    def test_amplitudes_are_those_of_the_spikes(self, tmp_path):
        sd = two_units({"amplitudes": np.array([10.0, 30.0])}, {"amplitudes": np.array([20.0])})
        export(sd, tmp_path)
        assert np.load(tmp_path / "amplitudes.npy").tolist() == [10.0, 20.0, 30.0]
        found = convert.load(tmp_path)
        assert found.neuron_attributes[0]["amplitudes"].tolist() == [10.0, 30.0]


class TestChannels:
    def test_there_is_one_for_each_electrode(self, tmp_path):
        units = [{"electrode": number} for number in (900, 4, 900)]
        export(SpikeData([[1.0], [2.0], [3.0]], length=5.0, neuron_attributes=units), tmp_path)
        assert np.load(tmp_path / "channel_map.npy").tolist() == [4, 900]
        assert np.load(tmp_path / "channel_map.npy").dtype == np.int32
        assert assigned(tmp_path)["n_channels_dat"] == 901
        templates = np.load(tmp_path / "templates.npy")
        assert (templates.dtype, templates.shape) == (np.float32, (3, 2, 2))
        assert np.argmax(np.ptp(templates, axis=1), axis=1).tolist() == [1, 0, 1]
        assert [row["ch"] for row in rows(tmp_path / "cluster_info.tsv")] == ["900", "4", "900"]

    @pytest.mark.parametrize("number", [2**31, 2**40])
    def test_huge_numbers_are_kept(self, tmp_path, number):
        export(two_units({"channel": number}, {"channel": 1}), tmp_path)
        assert np.load(tmp_path / "channel_map.npy").tolist() == [1, number]

    @pytest.mark.parametrize("known", [{}, {"electrode": "B7"}, {"ch": -1}, {"ch": float("nan")}])
    def test_an_unknown_one_is_invented_and_said_to_be(self, tmp_path, known):
        export(two_units({"unit_id": 8, "electrode": 5}, {"unit_id": 9, **known}), tmp_path)
        assert np.load(tmp_path / "channel_map.npy").tolist() == [5, 6]
        assert json.loads((tmp_path / "spikelab_export.json").read_text())["invented_channels"] == [
            9
        ]
        assert "channel invented, none known: clusters 9." in (tmp_path / "params.py").read_text()
        assert [row["ch"] for row in rows(tmp_path / "cluster_info.tsv")] == ["5", ""]

    def test_probes_that_share_numbers_are_kept_apart(self, tmp_path):
        units = [
            {"electrode": 5, "probe": "A", "location": [0.0, 100.0]},
            {"electrode": 3, "probe": "B", "location": [500.0, 200.0]},
            {"electrode": 3, "probe": "A", "location": [0.0, 60.0]},
        ]
        sd = SpikeData([[1.0], [2.0], [3.0]], length=5.0, neuron_attributes=units)
        with pytest.warns(AssumptionWarning, match="share channel numbers"):
            export(sd, tmp_path)
        assert np.load(tmp_path / "channel_map.npy").tolist() == [0, 1, 2]
        places = np.load(tmp_path / "channel_positions.npy")
        assert places.tolist() == [[0.0, 60.0], [0.0, 100.0], [500.0, 200.0]]
        peaks = np.argmax(np.ptp(np.load(tmp_path / "templates.npy"), axis=1), axis=1)
        assert peaks.tolist() == [1, 2, 0]
        assert "row after row: 3, 5, 3." in (tmp_path / "params.py").read_text()
        found = convert.load(tmp_path)
        assert found.electrodes.tolist() == [5, 3, 3]
        assert found.unit_locations.tolist() == [unit["location"] for unit in units]

    def test_a_cluster_that_curation_made_has_the_number_on_its_probe(self, tmp_path):
        units = [
            {"electrode": 3, "probe": p, "location": [x, 1.0]} for p, x in (("A", 0), ("B", 9))
        ]
        with pytest.warns(AssumptionWarning, match="share channel numbers"):
            export(two_units(*units), tmp_path)
        np.save(tmp_path / "spike_clusters.npy", np.array([0, 7, 0], dtype=np.int32))
        found = convert.load(tmp_path).neuron_attributes[-1]
        assert (found["unit_id"], found["electrode"]) == (7, 3)
        assert found["location"].tolist() == [9.0, 1.0]

    def test_shanks_of_distinct_numbers_keep_them(self, tmp_path):
        export(two_units({"ch": 9, "shank": 0}, {"ch": 4, "shank": 1}), tmp_path)
        assert np.load(tmp_path / "channel_map.npy").tolist() == [4, 9]

    @pytest.mark.parametrize("kind", [list, tuple, np.array])
    def test_of_several_the_first_counts(self, tmp_path, kind):
        export(two_units({"electrode": kind([8, 3])}, {"electrode": kind([4, 8])}), tmp_path)
        assert np.load(tmp_path / "channel_map.npy").tolist() == [4, 8]
        assert "channel invented" not in (tmp_path / "params.py").read_text()
        found = convert.load(tmp_path).neuron_attributes
        assert [list(unit["electrode"]) for unit in found] == [[8, 3], [4, 8]]

    def test_they_lie_where_their_units_lie(self, tmp_path):
        sd = two_units({"ch": 1, "x": 8.0, "y": 40.0}, {"ch": 0, "x": 0.0, "y": 20.0})
        export(sd, tmp_path)
        positions = np.load(tmp_path / "channel_positions.npy")
        assert (positions.dtype, positions.tolist()) == (np.float64, [[0.0, 20.0], [8.0, 40.0]])
        assert [row["depth"] for row in rows(tmp_path / "cluster_info.tsv")] == ["40.0", "20.0"]

    @pytest.mark.parametrize(
        "places",
        [
            [[0, 0], [0, 0], [0, 0]],
            [[0, 0], [100, 0], [0, 0]],
            [None, None, [5.0, 1.0]],
            [None, None, None],
            [[np.nan, 0], [-0.0, 0.0], [0.0, 0.0]],
            [[1, 2, 3], [1, 2, 4], "cortex"],
        ],
    )
    def test_their_places_are_distinct(self, tmp_path, places):
        units = [{"ch": i, "location": place} for i, place in enumerate(places)]
        export(SpikeData([[]] * 3, length=5.0, neuron_attributes=units), tmp_path)
        positions = np.load(tmp_path / "channel_positions.npy")
        assert np.isfinite(positions).all()
        assert len({tuple(place) for place in positions.tolist()}) == 3

    def test_a_second_probe_keeps_its_shape(self, tmp_path):
        shape = [(0.0, 0.0), (30.0, 10.0), (0.0, 25.0)]
        units = [{"ch": i, "location": shape[i % 3]} for i in range(6)]
        export(SpikeData([[]] * 6, length=5.0, neuron_attributes=units), tmp_path)
        positions = np.load(tmp_path / "channel_positions.npy")
        assert positions[:3].tolist() == [list(place) for place in shape]
        assert np.ptp(positions[3:] - positions[:3], axis=0).tolist() == [0.0, 0.0]
        depths = [row["depth"] for row in rows(tmp_path / "cluster_info.tsv")]
        assert depths == ["0.0", "10.0", "25.0"] * 2


class TestTemplates:
    def test_a_waveform_goes_to_the_channel_of_its_unit(self, tmp_path):
        waves = [np.array([0.0, -5.0, 2.0]), np.array([0.0, -1.0, 3.0])]
        export(two_units(*({"ch": 3 - i, "waveform": w} for i, w in enumerate(waves))), tmp_path)
        templates = np.load(tmp_path / "templates.npy")
        assert templates.tolist() == [
            [[0, 0], [0, -5], [0, 2]],
            [[0, 0], [-1, 0], [3, 0]],
        ]

    @pytest.mark.parametrize("turned", [False, True])
    def test_a_waveform_on_all_channels_is_taken_as_it_is(self, tmp_path, turned):
        waves = [np.array([[0.0, 0.0], [-9.0, -2.0], [3.0, 1.0]]) for _ in range(2)]
        waves[1] = waves[1][:, ::-1]
        units = [{"ch": i, "template": w.T if turned else w} for i, w in enumerate(waves)]
        export(two_units(*units), tmp_path)
        assert np.array_equal(np.load(tmp_path / "templates.npy"), waves)
        assert "templates.npy" not in (tmp_path / "params.py").read_text()

    @pytest.mark.parametrize("turned", [False, True])
    def test_one_on_the_whole_probe_gives_the_channels_of_the_folder(self, tmp_path, turned):
        probe = np.zeros((2, 5, 40), dtype=np.float32)
        probe[0, 2, [30, 31, 8]] = -9, -5, -1
        probe[1, 2, [8, 9, 30]] = -7, -6, -2
        units = [{"ch": c, "waveform": w.T if turned else w} for c, w in zip((30, 8), probe)]
        export(two_units(*units), tmp_path)
        assert np.array_equal(np.load(tmp_path / "templates.npy"), probe[:, :, [8, 30]])
        assert np.load(tmp_path / "channel_map.npy").tolist() == [8, 30]

    @pytest.mark.parametrize("n_columns", [2, 3])
    def test_a_peak_on_another_channel_goes_to_that_of_the_unit(self, tmp_path, n_columns):
        wave = np.zeros((4, n_columns))
        wave[1:3] = [1.0, -8.0, 0.5][:n_columns], [0.0, 2.0, 0.0][:n_columns]
        export(two_units({"ch": 5, "waveform": wave}, {"ch": 9, "waveform": -wave[:, 1]}), tmp_path)
        if n_columns == 2:  # the peak is on the channel of the other unit
            assert np.load(tmp_path / "channel_map.npy").tolist() == [5, 9]
        templates = np.load(tmp_path / "templates.npy")
        assert templates.tolist() == [
            [[0, 0], [-8, 0], [2, 0], [0, 0]],
            [[0, 0], [0, 8], [0, -2], [0, 0]],
        ]
        text = (tmp_path / "params.py").read_text()
        assert "only the trace with the peak, put on the unit's channel: clusters 0." in text

    @pytest.mark.parametrize(
        "wave",
        [np.zeros(40), np.full(40, np.nan), np.full(40, 1e300), [1.0], np.zeros((4, 5, 6)), "wave"],
    )
    def test_what_shows_no_peak_is_replaced_by_a_placeholder(self, tmp_path, wave):
        sd = two_units({"ch": 9, "waveform": wave}, {"ch": 2})
        if isinstance(wave, str):
            export(sd, tmp_path)
        else:
            with pytest.warns(LossWarning, match="waveforms of clusters 0, of shape"):
                export(sd, tmp_path)
        assert np.load(tmp_path / "templates.npy").tolist() == [
            [[0, -1], [0, 0]],
            [[-1, 0], [0, 0]],
        ]
        text = (tmp_path / "params.py").read_text()
        if isinstance(wave, str):
            assert "no waveform known: all clusters." in text
        else:
            assert f"waveforms of shape {np.shape(wave)} not usable: clusters 0." in text
            assert "no waveform known: clusters 1." in text

    def test_those_too_large_for_memory_are_replaced_too(self, tmp_path, monkeypatch):
        monkeypatch.setattr(templates_module, "_MAX_TEMPLATE_BYTES", 2 * 2 * 40 * 4 - 1)
        with pytest.warns(LossWarning, match="cannot be templates"):
            export(two_units(*({"ch": i, "waveform": np.arange(40)} for i in range(2))), tmp_path)
        assert np.load(tmp_path / "templates.npy").shape == (2, 2, 2)
        text = (tmp_path / "params.py").read_text()
        assert "waveforms of shape (40,) not usable: all clusters." in text

    def test_shorter_waveforms_end_in_zeros(self, tmp_path):
        export(two_units({"waveform": [0.0, 1.0, 2.0]}, {"waveform": [0.0, 1.0]}), tmp_path)
        assert np.load(tmp_path / "templates.npy").tolist() == [
            [[0, 0], [1, 0], [2, 0]],
            [[0, 0], [0, 1], [0, 0]],
        ]
        assert "zeros at the end: clusters 1." in (tmp_path / "params.py").read_text()
        found = convert.load(tmp_path).neuron_attributes
        assert [list(unit["waveform"]) for unit in found] == [[0.0, 1.0, 2.0], [0.0, 1.0]]


class TestLabels:
    @pytest.mark.parametrize(
        ("unit", "label"),
        [
            ({"group": "mua"}, "mua"),
            ({"group": 3, "KSLabel": "good"}, "good"),
            ({"quality": " Noise ", "KSLabel": "good"}, "noise"),
            ({"label": "mua"}, "mua"),
            ({"group": "bursty"}, "unsorted"),
            ({}, "unsorted"),
        ],
    )
    def test_only_those_of_phy_count(self, tmp_path, unit, label):
        sd = SpikeData([[], [1.0]], length=5.0, neuron_attributes=[unit, {"group": "good"}])
        if isinstance(unit.get("group"), int):
            sd.neuron_attributes[1] = {"group": 1, "quality": "good"}
        export(sd, tmp_path)
        for name in ("cluster_group.tsv", "cluster_info.tsv"):
            table = rows(tmp_path / name)
            assert [row["cluster_id"] for row in table] == ["0", "1"]
            assert [row["group"] for row in table] == [label, "good"]
        assert differences(sd, convert.load(tmp_path), Precision("samples", FS_HZ), KEPT) == []


class TestIds:
    def test_given_ones_become_the_identity(self, tmp_path):
        export(two_units({"unit_id": "a"}, {"unit_id": "b"}), tmp_path, cluster_ids=[12, 5])
        found = convert.load(tmp_path).neuron_attributes
        assert [unit["unit_id"] for unit in found] == [12, 5]
        assert [unit["original_unit_id"] for unit in found] == ["a", "b"]

    @pytest.mark.parametrize("ids", [["a", "b"], [-1, 4], [2**63, 1]])
    def test_unusable_ones_of_the_session_become_numbers_and_come_back(self, tmp_path, ids):
        sd = two_units(*({"unit_id": unit} for unit in ids))
        with pytest.warns(AssumptionWarning, match="numbered 0 to 1"):
            export(sd, tmp_path)
        assert np.load(tmp_path / "spike_clusters.npy").tolist() == [0, 1, 0]
        assert [unit["unit_id"] for unit in convert.load(tmp_path).neuron_attributes] == ids

    @pytest.mark.parametrize("ids", [[5, 5], [5, 5.0], ["a", "a"]])
    def test_one_that_two_units_have_is_named(self, tmp_path, ids):
        sd = two_units(*({"unit_id": unit} for unit in ids))
        with pytest.warns(AssumptionWarning, match=f"found {ids[0]} more than once.*0 to 1"):
            export(sd, tmp_path)
        assert [unit["unit_id"] for unit in convert.load(tmp_path).neuron_attributes] == ids

    @pytest.mark.parametrize(
        "ids", [[1], [1, 1], [-1, 2], [0.5, 1], [True, 2], [2**63, 1], ["3", 4]]
    )
    def test_unusable_given_ones_are_refused(self, tmp_path, ids):
        with pytest.raises(OptionError, match="cluster_ids do not fit"):
            export(two_units(), tmp_path / "x", cluster_ids=ids)
        assert not (tmp_path / "x").exists()

    def test_beyond_int32_they_are_kept_with_a_warning(self, tmp_path):
        with pytest.warns(LossWarning, match="does not fit int32"):
            export(two_units(), tmp_path, cluster_ids=[2**40, 1])
        assert np.load(tmp_path / "spike_clusters.npy").tolist() == [2**40, 1, 2**40]
        assert [u["unit_id"] for u in convert.load(tmp_path).neuron_attributes] == [2**40, 1]

    def test_those_that_phy_has_no_memory_for_are_named(self, tmp_path):
        with pytest.warns(LossWarning, match="takes 64 GB in Phy"):
            export(two_units(), tmp_path, cluster_ids=[2 * 10**9, 1])


class TestNamesAndUnits:
    def test_custom_names_are_there_beside_the_standard_ones(self, tmp_path):
        paths = export_spikedata_to_kilosort(
            two_units(),
            tmp_path,
            fs_Hz=FS_HZ,
            spike_times_file="t.npy",
            spike_clusters_file="c.npy",
        )
        assert [Path(path).name for path in paths] == ["t.npy", "c.npy"]
        for own, standard in (("t.npy", "spike_times.npy"), ("c.npy", "spike_clusters.npy")):
            assert (tmp_path / own).read_bytes() == (tmp_path / standard).read_bytes()
            assert not (tmp_path / standard).is_symlink()

    @pytest.mark.parametrize(
        "name",
        [
            *("../t.npy", "a/t.npy", "a\\t.npy", "/t.npy", "", "..", "t", "t\n.npy"),
            *("templates.npy", "spike_clusters.npy", "attribute_x.npy", "Amplitudes.npy"),
            *("spikes.clusters.npy", "pc_features.npy", "template_ind.npy"),
        ],
    )
    def test_other_names_are_refused(self, tmp_path, name):
        with pytest.raises(OptionError, match="spike_times_file"):
            export(two_units(), tmp_path / "x", spike_times_file=name)

    def test_two_files_need_two_names(self, tmp_path):
        with pytest.raises(OptionError, match="files of different names"):
            export(two_units(), tmp_path, spike_times_file="a.npy", spike_clusters_file="A.npy")

    @pytest.mark.parametrize(("unit", "expected"), [("s", [0.0011, 0.004]), ("ms", [1.1, 4.0])])
    def test_other_units_are_for_other_readers(self, tmp_path, unit, expected):
        sd = SpikeData([[1.1], [4.0]], length=9.0)
        with pytest.warns(LossWarning, match="Phy and SpikeInterface take its numbers for samples"):
            export(sd, tmp_path, time_unit=unit)
        array = np.load(tmp_path / "spike_times.npy")
        assert array.dtype == np.float64
        assert np.allclose(array, expected, rtol=1e-15)
        assert differences(sd, convert.load(tmp_path), Precision(unit), KEPT) == []

    def test_under_another_name_other_units_lose_no_reader(self, tmp_path):
        sd = SpikeData([[-1.25], [4.75]], start_time=-2.0, length=9.0)
        export(sd, tmp_path, time_unit="ms", spike_times_file="exact.npy")
        assert np.load(tmp_path / "exact.npy").tolist() == [-1.25, 4.75]
        assert np.load(tmp_path / "spike_times.npy").tolist() == [1, 7]
        assert differences(sd, convert.load(tmp_path), Precision("ms"), KEPT) == []
        standard = convert.load(tmp_path, "kilosort", {"spike_times_file": "spike_times.npy"})
        assert [times.tolist() for times in standard.train] == [[-1.0], [5.0]]

    @pytest.mark.parametrize("options", [{"time_unit": "min"}, {"fs_Hz": 0.0}, {"fs_Hz": np.nan}])
    def test_what_is_no_unit_or_rate_is_refused(self, tmp_path, options):
        with pytest.raises(OptionError):
            export(two_units(), tmp_path / "x", **options)

    def test_the_rate_may_come_from_the_session(self, tmp_path):
        convert.save(two_units(metadata={"fs_Hz": 500.0}), tmp_path / "a_kilosort")
        assert assigned(tmp_path / "a_kilosort")["sample_rate"] == 500.0
        with pytest.raises(OptionError, match="needs the sampling frequency"):
            convert.save(two_units(), tmp_path / "b_kilosort")


ATTRIBUTES = {
    "int": [1, -(2**60)],
    "float": [0.1 + 0.2, np.nan],
    "bool": [True, False],
    "text": ["007", "True"],
    "blank": ["", " "],
    "control": ["a\tb\nc", "\x00\r"],
    "surrogate": ["\ud800", "a"],
    "quotes": ['a "b" c', "d,e;'f'"],
    "partly": [None, 3.5],
    "none": [None, None],
    "array": [np.arange(4, dtype=np.uint8), np.arange(4, 8, dtype=np.uint8)],
    "bools": [np.array([True, False]), np.array([False, False])],
    "matrix": [np.eye(2), np.zeros((2, 2))],
    "half": [None, np.arange(3.0)],
    "ragged": [np.arange(2), np.arange(3)],
    "nested": [{"a": [1, {"b": None}]}, []],
    "mixed": [1, "one"],
    "big": [2**70, 1],
    "n_spikes": [17, 18],
    "cluster_id": [5, 6],
    "si_unit_id": [1, 2],
    "ch": [3, 4],
    "depth": [1.5, 2.5],
    "group": [0, 1],
    "": ["x", "y"],
    "file/name": [np.arange(2), np.arange(2)],
    "file_name": [np.arange(2), np.arange(2)],
}


class TestAttributes:
    @pytest.mark.parametrize("name", ATTRIBUTES)
    def test_they_come_back(self, tmp_path, name):
        sd = two_units(*({name: value} for value in ATTRIBUTES[name]))
        found = convert.load(export(sd, tmp_path))
        assert differences(sd, found, Precision("samples", FS_HZ), KEPT) == []

    def test_all_together_come_back(self, tmp_path):
        sd = two_units(*({name: pair[i] for name, pair in ATTRIBUTES.items()} for i in (0, 1)))
        found = convert.load(export(sd, tmp_path))
        assert differences(sd, found, Precision("samples", FS_HZ), KEPT) == []
        header = list(rows(tmp_path / "cluster_info.tsv")[0])
        assert len(set(header)) == len(header)
        assert "si_unit_id" not in header
        assert header.count("cluster_id") == 1

    def test_a_unit_that_lacks_one_still_lacks_it(self, tmp_path):
        found = convert.load(export(two_units({"a": 1}, {"b": "x"}), tmp_path)).neuron_attributes
        assert found == [{"unit_id": 0, "a": 1}, {"unit_id": 1, "b": "x"}]

    @pytest.mark.parametrize("value", [{1: 2}, {"a": {3}}, b"x", 1j, object()])
    def test_what_no_file_can_hold_is_named(self, tmp_path, value):
        with pytest.warns(LossWarning, match="cannot hold the attributes odd;"):
            export(two_units({"odd": value, "kept": 1}, {"kept": 2}), tmp_path)
        assert [unit["kept"] for unit in convert.load(tmp_path).neuron_attributes] == [1, 2]


@st.composite
def sessions(draw) -> tuple[SpikeData, float]:
    fs_Hz = draw(st.sampled_from([1000.0, 20_000.0, 24_414.0625, 30_000.0, 31_250.5]))
    start = draw(st.integers(-(10**7), 10**9))
    n_samples = draw(st.integers(0, 10**7))
    spikes = st.lists(st.integers(start, start + n_samples), max_size=8).map(sorted)
    samples = draw(st.lists(spikes, max_size=5))
    ids = draw(
        st.lists(st.integers(0, 5000), min_size=len(samples), max_size=len(samples), unique=True)
    )
    channels = [draw(st.none() | st.integers(0, 400)) for _ in samples]
    units = [
        {"unit_id": unit} | ({} if channel is None else {"electrode": channel})
        for unit, channel in zip(ids, channels)
    ]
    train = [np.array(numbers, dtype=np.float64) * 1000 / fs_Hz for numbers in samples]
    edges = np.array([start, start + n_samples]) * 1000 / fs_Hz
    last = max([edges[1], *(times[-1] for times in train if times.size)])
    sd = SpikeData(train, start_time=edges[0], length=last - edges[0], neuron_attributes=units)
    return sd, fs_Hz


@settings(deadline=None, max_examples=60)
@given(sessions())
def test_any_session_comes_back_to_the_sample(tmp_path_factory, drawn):
    sd, fs_Hz = drawn
    folder = tmp_path_factory.mktemp("any")
    found = convert.load(export(sd, folder, fs_Hz=fs_Hz))
    assert differences(sd, found, Precision("samples", fs_Hz), KEPT) == []
    samples = np.load(folder / "spike_times.npy")
    assert (np.diff(samples) >= 0).all()
    assert (samples >= 0).all()
