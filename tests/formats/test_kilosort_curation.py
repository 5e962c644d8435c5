"""Exports into folders that exist: what is replaced, what stays, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spikelab import SpikeData, convert
from spikelab.data_loaders.data_exporters import export_spikedata_to_kilosort
from spikelab.errors import FormatError, SpikelabWarning, TargetError
from spikelab.formats import kilosort


def session(**changes) -> SpikeData:
    units = [
        {"unit_id": 3, "electrode": 1, "location": [0.0, 20.0], "group": "good", "snr": 2.5},
        {"unit_id": 7, "electrode": 4, "location": [0.0, 80.0], "snr": 3.5},
        {"unit_id": 9, "electrode": 4, "location": [0.0, 80.0], "group": "mua", "snr": 4.5},
    ]
    settings = {"length": 50.0, "neuron_attributes": units} | changes
    return SpikeData([[1.0, 9.0], [4.0, 5.0, 6.0], []], **settings)


def export(folder: Path, **changes) -> Path:
    export_spikedata_to_kilosort(session(**changes), folder, fs_Hz=1000)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class TestReplacing:
    def test_nothing_is_there(self, tmp_path):
        assert kilosort.carry_over(tmp_path / "none") == set()
        assert kilosort.carry_over(tmp_path) == set()

    def test_an_unchanged_export_is_replaced_wholly(self, tmp_path):
        units = [{"wave": np.arange(3.0)}] * 3
        export(tmp_path / "a", neuron_attributes=units)
        assert (tmp_path / "a" / "attribute_wave.npy").exists()
        export(tmp_path / "a")
        assert content(tmp_path / "a") == content(export(tmp_path / "b"))

    def test_a_moved_export_is_replaced_too(self, tmp_path):
        export(tmp_path / "a").rename(tmp_path / "b")
        assert content(export(tmp_path / "b", length=60.0)) == content(
            export(tmp_path / "c", length=60.0)
        )

    def test_files_of_others_stay(self, tmp_path):
        folder = export(tmp_path / "a")
        (folder / "recording.dat").write_bytes(b"1234")
        (folder / "notes.txt").write_text("mine")
        (folder / "figures").mkdir()
        (folder / "figures" / "one.png").write_bytes(b"png")
        export(folder, length=60.0)
        assert (folder / "recording.dat").read_bytes() == b"1234"
        assert (folder / "notes.txt").read_text() == "mine"
        assert (folder / "figures" / "one.png").read_bytes() == b"png"
        assert convert.load(folder).length == 60.0

    def test_caches_of_phy_go_with_the_spikes_they_describe(self, tmp_path):
        folder = export(tmp_path / "a")
        (folder / ".phy").mkdir()
        (folder / ".phy" / "memcache.pkl").write_bytes(b"stale")
        (folder / "_phy_spikes_subset.spikes.npy").write_bytes(b"stale")
        assert content(export(folder)) == content(export(tmp_path / "b"))
        assert not (folder / ".phy").exists()

    def test_a_plain_export_of_the_spikelab_library_is_replaced(self, tmp_path):
        for name in ("spike_times", "spike_clusters", "channel_map"):
            np.save(tmp_path / f"{name}.npy", [1, 2])
        (tmp_path / "notes.txt").write_text("mine")
        assert kilosort.carry_over(tmp_path) == {"notes.txt"}
        assert convert.load(export(tmp_path)).N == 3


class TestRefusing:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("cluster_group.tsv", "cluster_id\tgroup\n3\tnoise\n"),
            ("cluster_info.tsv", "cluster_id\tgroup\n3\tnoise\n"),
            ("cluster_KSLabel.tsv", "cluster_id\tKSLabel\n3\tgood\n"),
            ("cluster_purity.csv", "cluster_id,purity\n3,1\n"),
            ("params.py", "dat_path = 'recording.dat'\n"),
            ("spike_clusters.npy", "other"),
            ("templates.npy", "other"),
        ],
    )
    def test_a_curated_export(self, tmp_path, name, text):
        folder = export(tmp_path / "a")
        (folder / name).write_text(text)
        before = content(folder)
        with pytest.raises(TargetError, match="would destroy curation") as caught:
            export(folder, length=60.0)
        assert name in str(caught.value)
        assert "move the folder away" in str(caught.value)
        assert content(folder) == before

    def test_a_curated_export_is_left_alone_where_nothing_is_new(self, tmp_path):
        folder = export(tmp_path / "a")
        (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n3\tnoise\n")
        before = content(folder)
        with pytest.warns(SpikelabWarning, match="left as it is"):
            export(folder)
        assert content(folder) == before

    @pytest.mark.parametrize(
        "name",
        ["params.py", "cluster_group.tsv", "cluster_groups.csv", "templates.npy", "rez.mat"],
    )
    def test_a_sorting_of_others(self, tmp_path, name):
        (tmp_path / name).write_text("x")
        with pytest.raises(TargetError, match="would destroy its curation") as caught:
            export(tmp_path)
        assert name in str(caught.value)
        assert content(tmp_path) == {name: b"x"}

    def test_an_export_whose_manifest_is_damaged(self, tmp_path):
        folder = export(tmp_path / "a")
        (folder / "spikelab_export.json").write_text("{")
        with pytest.raises(TargetError, match="cannot be checked for curation"):
            export(folder)

    def test_an_export_whose_manifest_is_gone(self, tmp_path):
        folder = export(tmp_path / "a")
        (folder / "spikelab_export.json").unlink()
        with pytest.raises(TargetError, match="would destroy its curation"):
            export(folder)


class TestReadingWhatWasCurated:
    def test_a_merge(self, tmp_path):
        folder = export(tmp_path / "a")
        np.save(folder / "spike_clusters.npy", np.array([10, 10, 10, 10, 10], dtype=np.int32))
        (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n10\tgood\n9\tnoise\n")
        (folder / "cluster_info.tsv").write_text(
            "cluster_id\tch\tdepth\tgroup\tsnr\tpurity\n10\t4\t80\tgood\t3.1\t7\n9\t4\t80\tnoise\t\t\n"
        )
        found = convert.load(folder)
        assert [times.tolist() for times in found.train] == [[], [1.0, 4.0, 5.0, 6.0, 9.0]]
        silent, merged = found.neuron_attributes
        assert (silent["unit_id"], silent["group"], silent["snr"]) == (9, "noise", 4.5)
        assert merged["location"].tolist() == [0.0, 80.0]
        del merged["location"]
        assert merged == {
            "unit_id": 10,
            "electrode": 4,
            "group": "good",
            "snr": 3.1,
            "purity": 7,
        }

    def test_a_label_that_was_given_and_one_that_was_not(self, tmp_path):
        folder = export(tmp_path / "a")
        assert [unit.get("group") for unit in convert.load(folder).neuron_attributes] == [
            "good",
            None,
            "mua",
        ]
        (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n7\tnoise\n3\tgood\n9\tmua\n")
        assert [unit.get("group") for unit in convert.load(folder).neuron_attributes] == [
            "good",
            "noise",
            "mua",
        ]

    def test_without_the_manifest_it_is_read_as_any_sorters(self, tmp_path):
        folder = export(tmp_path / "a")
        (folder / "spikelab_export.json").unlink()
        found = convert.load(folder)
        assert [unit["unit_id"] for unit in found.neuron_attributes] == [3, 7, 9]
        assert [unit["snr"] for unit in found.neuron_attributes] == [2.5, 3.5, 4.5]
        assert found.electrodes.tolist() == [1, 4, 4]
        assert found.length == 50.0


DAMAGE = {
    "layout": 99,
    "cluster_ids": [3, 3, 9],
    "silent": "9",
    "labels": ["good"],
    "attributes": [{"name": "snr"}],
    "files": [],
    "unknown": 1,
}


class TestManifest:
    @pytest.mark.parametrize("name", DAMAGE)
    def test_damage_is_named(self, tmp_path, name):
        path = export(tmp_path) / "spikelab_export.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: DAMAGE[name]}))
        with pytest.raises(FormatError, match=r"spikelab_export\.json is (damaged|of another)"):
            convert.load(tmp_path)

    @pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, "\ud800"])
    def test_what_is_no_manifest(self, tmp_path, text):
        path = export(tmp_path) / "spikelab_export.json"
        path.write_bytes(text.encode(errors="surrogatepass"))
        with pytest.raises(FormatError, match=r"spikelab_export\.json is damaged"):
            convert.load(tmp_path)

    @pytest.mark.parametrize("file", ["../x.npy", "/etc/x.npy", 5])
    def test_its_files_stay_in_the_folder(self, tmp_path, file):
        path = export(tmp_path, neuron_attributes=[{"a": np.arange(2)}] * 3)
        path = path / "spikelab_export.json"
        manifest = json.loads(path.read_text())
        manifest["attributes"][0]["file"] = file
        path.write_text(json.dumps(manifest))
        with pytest.raises(FormatError, match="is damaged"):
            convert.load(tmp_path)

    @pytest.mark.parametrize(
        ("kind", "place", "message"),
        [
            ("int", {"column": "snr"}, None),
            ("bool", {"column": "snr"}, "the column snr of cluster 3 is no bool"),
            ("array", {"file": "amplitudes.npy"}, "not one row per unit"),
            ("array", {"file": "none.npy"}, r"none\.npy"),
            ("array", {}, "is damaged"),
            ("json", {"values": [1]}, "is damaged"),
            ("other", {"column": "snr"}, "is damaged"),
            ("int", {"column": "snr", "absent": [[1]]}, "is damaged"),
        ],
    )
    def test_entries_that_do_not_fit(self, tmp_path, kind, place, message):
        path = export(tmp_path) / "spikelab_export.json"
        manifest = json.loads(path.read_text())
        manifest["attributes"] = [{"name": "x", "kind": kind, **place}]
        path.write_text(json.dumps(manifest))
        if message is None:
            assert [unit["x"] for unit in convert.load(tmp_path).neuron_attributes] == [
                2.5,
                3.5,
                4.5,
            ]
            return
        with pytest.raises(FormatError, match=message):
            convert.load(tmp_path)
