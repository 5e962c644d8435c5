"""Folders of sorters and of Phy, honest and hostile, as they are found on people's disks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from spikelab import SpikeData, convert
from spikelab.data_loaders.data_exporters import export_spikedata_to_kilosort
from spikelab.data_loaders.data_loaders import load_spikedata_from_kilosort
from spikelab.errors import (
    FormatError,
    InvalidSpikeData,
    MissingFile,
    OptionError,
    SpikelabError,
    SpikelabWarning,
)

PARAMS = "dat_path = r'C:\\data\\x.dat'\nn_channels_dat = 4\ndtype = 'int16'\nsample_rate = 1000.\n"
TIMES = [10, 20, 30, 40, 50]
CLUSTERS = [2, 0, 2, 5, 2]


def sorter_folder(folder: Path, **files) -> Path:
    """A folder as Kilosort leaves it, at 1 kHz: clusters 0, 2 and 5 from templates 0 to 2."""
    templates = np.zeros((3, 4, 3), dtype=np.float32)
    templates[[0, 1, 2], 1, [2, 0, 1]] = -10
    content = {
        "params.py": PARAMS,
        "spike_times.npy": np.array(TIMES, dtype=np.uint64)[:, None],
        "spike_clusters.npy": np.array(CLUSTERS, dtype=np.uint32)[:, None],
        "spike_templates.npy": np.array([1, 0, 1, 2, 0], dtype=np.uint32)[:, None],
        "templates.npy": templates,
        "channel_map.npy": np.array([[7], [8], [11]], dtype=np.int32),
        "channel_positions.npy": np.array([[0.0, 5.0], [1.0, 15.0], [0.0, 25.0]]),
    }
    for name, value in (content | {k.replace("__", "."): v for k, v in files.items()}).items():
        if isinstance(value, np.ndarray):
            np.save(folder / name, value)
        elif value is not None:
            (folder / name).write_bytes(value.encode() if isinstance(value, str) else value)
    return folder


def attribute(sd: SpikeData, name: str) -> dict[int, object]:
    return {unit["unit_id"]: unit.get(name) for unit in sd.neuron_attributes}


def trains_of(sd: SpikeData) -> dict[int, list[float]]:
    return {u["unit_id"]: times.tolist() for u, times in zip(sd.neuron_attributes, sd.train)}


class TestSorterOutput:
    def test_column_vectors_and_unsigned_numbers(self, tmp_path):
        found = load_spikedata_from_kilosort(sorter_folder(tmp_path))
        assert trains_of(found) == {0: [20.0], 2: [10.0, 30.0, 50.0], 5: [40.0]}
        assert (found.start_time, found.length) == (0.0, 50.0)
        assert found.metadata == {"fs_Hz": 1000.0}

    @pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.float64, ">i4", np.float32])
    def test_any_number_type(self, tmp_path, dtype):
        times, clusters = np.array(TIMES, dtype=dtype), np.array([CLUSTERS], dtype=dtype)
        sorter_folder(tmp_path, spike_times__npy=times, spike_clusters__npy=clusters)
        assert trains_of(convert.load(tmp_path))[2] == [10.0, 30.0, 50.0]

    def test_unsorted_times(self, tmp_path):
        sorter_folder(tmp_path, spike_times__npy=np.array(TIMES[::-1]))
        assert trains_of(convert.load(tmp_path, "kilosort", {"length_ms": 50.0})) == {
            0: [40.0],
            2: [10.0, 30.0, 50.0],
            5: [20.0],
        }

    def test_before_curation_the_clusters_are_the_templates(self, tmp_path):
        sorter_folder(tmp_path, spike_clusters__npy=None)
        (tmp_path / "spike_clusters.npy").unlink(missing_ok=True)
        assert trains_of(convert.load(tmp_path)) == {0: [20.0, 50.0], 1: [10.0, 30.0], 2: [40.0]}

    def test_no_spikes_at_all(self, tmp_path):
        empty = {name: np.empty((0, 1), dtype=np.int64) for name in ("a", "b", "c")}
        sorter_folder(
            tmp_path,
            spike_times__npy=empty["a"],
            spike_clusters__npy=empty["b"],
            spike_templates__npy=empty["c"],
            cluster_group__tsv="cluster_id\tgroup\n4\tgood\n",
        )
        found = convert.load(tmp_path)
        assert (found.N, found.length) == (1, 0.0)
        assert attribute(found, "group") == {4: "good"}

    @pytest.mark.parametrize("ids", [[-1, 3], [2**40, 3]])
    def test_odd_ids(self, tmp_path, ids):
        clusters = np.array([ids[0], ids[1], ids[0], ids[1], ids[1]])
        sorter_folder(tmp_path, spike_clusters__npy=clusters)
        assert trains_of(convert.load(tmp_path)) == {
            ids[0]: [10.0, 30.0],
            ids[1]: [20.0, 40.0, 50.0],
        }


class TestChannels:
    def test_the_dominant_template_tells(self, tmp_path):
        found = convert.load(sorter_folder(tmp_path))
        # Cluster 2 has two spikes of template 1 (row 0) and one of template 0.
        assert attribute(found, "electrode") == {0: 11, 2: 7, 5: 8}
        assert attribute(found, "location")[2].tolist() == [0.0, 5.0]
        assert found.electrodes.tolist() == [11, 7, 8]

    def test_the_table_goes_first(self, tmp_path):
        table = "cluster_id\tch\tgroup\n0\t7\tgood\n2\t8\tmua\n5\t11\t\n"
        found = convert.load(sorter_folder(tmp_path, cluster_info__tsv=table))
        assert attribute(found, "electrode") == {0: 7, 2: 8, 5: 11}
        assert attribute(found, "location")[5].tolist() == [0.0, 25.0]

    def test_blanks_of_the_table_are_filled(self, tmp_path):
        table = "cluster_id\tch\n0\t\n2\t8\n5\t\n"
        found = convert.load(sorter_folder(tmp_path, cluster_info__tsv=table))
        assert attribute(found, "electrode") == {0: 11, 2: 8, 5: 8}

    @pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e400", "B7", "-1", "2.5", "9" * 30])
    def test_what_is_no_number_counts_as_blank(self, tmp_path, cell):
        table = f"cluster_id\tch\n0\t{cell}\n2\t8.0\n5\t7\n"
        found = convert.load(sorter_folder(tmp_path, cluster_info__tsv=table))
        assert attribute(found, "electrode") == {0: 11, 2: 8, 5: 7}

    def test_templates_are_seen_without_whitening(self, tmp_path):
        # Unwhitened, what is on row 0 appears tenfold on row 1, and so on.
        unwhiten = np.eye(3) + 10 * np.roll(np.eye(3), 1, axis=1)
        found = convert.load(sorter_folder(tmp_path, whitening_mat_inv__npy=unwhiten))
        assert attribute(found, "electrode") == {0: 7, 2: 8, 5: 11}

    def test_sparse_templates(self, tmp_path):
        rows = np.array([[2, 1, 0], [1, 0, 2], [0, 2, 1]])
        found = convert.load(sorter_folder(tmp_path, template_ind__npy=rows))
        assert attribute(found, "electrode") == {0: 7, 2: 8, 5: 11}

    def test_a_template_that_is_not_a_number_tells_nothing(self, tmp_path):
        templates = np.zeros((3, 4, 3))
        templates[1] = np.nan
        found = convert.load(sorter_folder(tmp_path, templates__npy=templates))
        assert attribute(found, "electrode") == {0: 7, 2: None, 5: 7}

    def test_without_templates_the_channel_map_is_one_of_units(self, tmp_path):
        np.save(tmp_path / "spike_times.npy", [5, 6, 7])
        np.save(tmp_path / "spike_clusters.npy", [0, 2, 9])
        np.save(tmp_path / "channel_map.npy", [40, 41, 42])
        found = load_spikedata_from_kilosort(tmp_path, fs_Hz=1000)
        assert attribute(found, "electrode") == {0: 40, 2: 42, 9: None}

    def test_files_of_other_names(self, tmp_path):
        sorter_folder(tmp_path, map__npy=np.array([1, 2, 3]), where__npy=np.full((3, 3), 4.0))
        found = load_spikedata_from_kilosort(
            tmp_path, channel_map_file="map.npy", channel_positions_file="where.npy"
        )
        assert attribute(found, "electrode") == {0: 3, 2: 1, 5: 2}
        assert attribute(found, "location")[0].tolist() == [4.0, 4.0, 4.0]
        with pytest.raises(FormatError, match=r"none\.npy is not in the folder"):
            load_spikedata_from_kilosort(tmp_path, channel_map_file="none.npy")


GROUPS = "cluster_id\tgroup\n0\tgood\n2\tnoise\n5\t\n8\tmua\n"


class TestTables:
    def test_all_are_merged_and_silent_units_kept(self, tmp_path):
        sorter_folder(
            tmp_path,
            cluster_group__tsv=GROUPS,
            cluster_KSLabel__tsv="cluster_id\tKSLabel\n0\tmua\n1\tgood\n2\tgood\n5\tgood\n",
            cluster_ContamPct__tsv="cluster_id\tContamPct\n0\t1.5\n2\t100\n5\t\n",
            cluster_notes__csv="id,note,n,flag\n0,007,3,True\n2,x,4,False\n",
        )
        found = convert.load(tmp_path)
        assert attribute(found, "group") == {0: "good", 2: "noise", 5: None, 8: "mua"}
        assert attribute(found, "KSLabel") == {0: "mua", 2: "good", 5: "good", 8: None}
        assert attribute(found, "ContamPct") == {0: 1.5, 2: 100.0, 5: None, 8: None}
        assert attribute(found, "note") == {0: "007", 2: "x", 5: None, 8: None}
        assert attribute(found, "n") == {0: 3, 2: 4, 5: None, 8: None}
        assert attribute(found, "flag") == {0: True, 2: False, 5: None, 8: None}
        assert found.train[3].size == 0

    def test_without_curation_the_sorters_table_names_the_silent_ones(self, tmp_path):
        table = "cluster_id\tKSLabel\n0\tmua\n1\tgood\n2\tgood\n5\tgood\n"
        found = convert.load(sorter_folder(tmp_path, cluster_KSLabel__tsv=table))
        assert list(trains_of(found)) == [0, 1, 2, 5]

    def test_noise_is_left_out_when_asked_and_counted(self, tmp_path):
        sorter_folder(tmp_path, cluster_group__tsv=GROUPS)
        with pytest.warns(SpikelabWarning, match="1 of 4 units are labelled noise"):
            found = load_spikedata_from_kilosort(tmp_path, include_noise=False)
        assert list(trains_of(found)) == [0, 5, 8]

    def test_a_number_under_group_is_no_label(self, tmp_path):
        table = "cluster_id\tgroup\tKSLabel\n0\t1\tnoise\n2\t2\tgood\n5\t2\tgood\n"
        sorter_folder(tmp_path, cluster_info__tsv=table)
        with pytest.warns(SpikelabWarning, match="1 of 3 units"):
            found = load_spikedata_from_kilosort(tmp_path, include_noise=False)
        assert attribute(found, "group") == {2: 2, 5: 2}

    def test_a_named_table_goes_before_all(self, tmp_path):
        table = "cluster_id,group\r\n0,mua\r\n2,good\r\n"
        sorter_folder(tmp_path, cluster_group__tsv=GROUPS, mine__csv=table)
        found = load_spikedata_from_kilosort(tmp_path, cluster_info_tsv="mine.csv")
        assert attribute(found, "group") == {0: "mua", 2: "good", 5: None}

    @pytest.mark.parametrize("table", ["", "\n", "a\tb\n1\t2\n", "cluster_id\tgroup\n"])
    def test_tables_without_clusters_say_nothing(self, tmp_path, table):
        found = convert.load(sorter_folder(tmp_path, cluster_x__tsv=table))
        assert list(trains_of(found)) == [0, 2, 5]

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("cluster_id\tgroup\nx\tgood\n", "cluster_x.tsv, row 2: the cluster id"),
            ("cluster_id\tgroup\n1.5\tgood\n", "cluster_x.tsv, row 2: the cluster id"),
            ("cluster_id\tgroup\n1\tgood\tmore\n", "cluster_x.tsv, row 2: the cells"),
            (b"cluster_id\tgroup\n1\t\xff\n", "cluster_x.tsv is no table"),
            ("cluster_id\tgroup\n" + "9" * 5000 + "\tgood\n", "the cluster id"),
            ("cluster_id\tgroup\n1\t" + "x" * 200_000 + "\n", "cluster_x.tsv is no table"),
        ],
    )
    def test_damaged_ones_are_named(self, tmp_path, table, message):
        sorter_folder(tmp_path, cluster_x__tsv=table)
        with pytest.raises(FormatError, match=message):
            convert.load(tmp_path)

    def test_a_named_table_must_be_there(self, tmp_path):
        with pytest.raises(FormatError, match=r"nope\.tsv is not a file"):
            load_spikedata_from_kilosort(sorter_folder(tmp_path), cluster_info_tsv="nope.tsv")


class TestParams:
    def test_they_are_never_run(self, tmp_path):
        trap = tmp_path / "trap"
        code = f"open({str(trap)!r}, 'w').close()\nimport os\nx = open({str(trap)!r}, 'w')\n"
        found = convert.load(sorter_folder(tmp_path, params__py=code + PARAMS))
        assert found.metadata["fs_Hz"] == 1000.0
        assert not trap.exists()

    @pytest.mark.parametrize(
        "text",
        [
            "dat_path = 'C:\\Users\\me'\nsample_rate = 1000\n",
            "SAMPLE_RATE = 1e3\nif True:\n    sample_rate = 5\n",
            "\ufeffsample_rate = 1000 # Hz\n",
            "sample_rate = 7\nsample_rate = 1000\nother = f()\n",
            "x = [1,\n  2]\nsample_rate = 1000\n)(\n",
        ],
    )
    def test_other_lines_do_no_harm(self, tmp_path, text):
        assert convert.load(sorter_folder(tmp_path, params__py=text)).metadata["fs_Hz"] == 1000.0

    @pytest.mark.parametrize(
        "value",
        ["3e4 * 1", "f()", "'1000'", "True", "None", "[1]", "1e999", "-5.0", "0", "'", "(" * 9000],
    )
    def test_a_rate_that_is_no_plain_number_is_an_error(self, tmp_path, value):
        sorter_folder(tmp_path, params__py=f"sample_rate = {value}\n")
        with pytest.raises(SpikelabError, match=r"sample_rate|fs_Hz"):
            convert.load(tmp_path)

    @pytest.mark.parametrize("value", ["30*1000.", "f()", "'"])
    def test_a_rate_that_cannot_be_read_may_be_given(self, tmp_path, value):
        sorter_folder(tmp_path, params__py=f"sample_rate = {value}\n")
        found = load_spikedata_from_kilosort(tmp_path, fs_Hz=30_000)
        assert found.metadata["fs_Hz"] == 30_000.0
        assert trains_of(found)[5] == [pytest.approx(40 / 30)]

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"#" * (1 << 20) + b"\n#"])
    def test_what_is_no_text_is_an_error(self, tmp_path, content):
        with pytest.raises(FormatError, match=r"params\.py"):
            convert.load(sorter_folder(tmp_path, params__py=content))

    def test_another_rate_is_a_contradiction(self, tmp_path):
        sorter_folder(tmp_path)
        assert load_spikedata_from_kilosort(tmp_path, fs_Hz=1000).metadata["fs_Hz"] == 1000.0
        with pytest.raises(OptionError, match=r"1000\.0 Hz in the folder, 30000 Hz given"):
            load_spikedata_from_kilosort(tmp_path, fs_Hz=30000)

    def test_without_any_rate_it_must_be_given(self, tmp_path):
        sorter_folder(tmp_path, params__py="n_channels_dat = 4\n")
        with pytest.raises(OptionError, match="fs_Hz"):
            convert.load(tmp_path)
        assert trains_of(load_spikedata_from_kilosort(tmp_path, fs_Hz=2000))[0] == [10.0]

    def test_times_in_seconds_need_no_rate(self, tmp_path):
        times = np.array(TIMES) / 1000
        sorter_folder(tmp_path, params__py="x = 1\n", spike_times__npy=times)
        found = load_spikedata_from_kilosort(tmp_path, time_unit="s")
        assert found.train[0] == pytest.approx([20.0], abs=1e-12)
        assert "fs_Hz" not in found.metadata

    @pytest.mark.parametrize("name", ["../secret.npy", "/etc/passwd", "..", "a\\\\b"])
    def test_file_names_stay_in_the_folder(self, tmp_path, name):
        sorter_folder(tmp_path, params__py=f"{PARAMS}spike_times_file = '{name}'\n")
        with pytest.raises(FormatError, match="leads out of the folder"):
            convert.load(tmp_path)


class TestEdges:
    def test_start_and_length_may_be_given(self, tmp_path):
        found = load_spikedata_from_kilosort(
            sorter_folder(tmp_path), length_ms=200.0, start_time_ms=-5.0
        )
        assert (found.start_time, found.length) == (-5.0, 200.0)

    def test_spikes_beyond_the_end_are_counted(self, tmp_path):
        with pytest.raises(InvalidSpikeData, match="2 spike times of unit 1"):
            load_spikedata_from_kilosort(sorter_folder(tmp_path), length_ms=29.0)

    def test_what_an_export_states_cannot_be_contradicted(self, tmp_path):
        sd = SpikeData([[5.0]], start_time=2.0, length=10.0)
        export_spikedata_to_kilosort(sd, tmp_path, fs_Hz=1000)
        same = {"fs_Hz": 1000, "length_ms": 10.0, "start_time_ms": 2.0, "time_unit": "samples"}
        assert load_spikedata_from_kilosort(tmp_path, **same).length == 10.0
        for name, value in (("length_ms", 11.0), ("start_time_ms", 0.0), ("time_unit", "ms")):
            with pytest.raises(OptionError, match="states another"):
                load_spikedata_from_kilosort(tmp_path, **{name: value})

    def test_a_last_spike_that_rounding_moved_stays_inside(self, tmp_path):
        sd = SpikeData([[0.0, 10.6]], length=10.6)
        export_spikedata_to_kilosort(sd, tmp_path, fs_Hz=1000)
        assert convert.load(tmp_path).train[0].tolist() == [0.0, 10.6]


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


HUGE = "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000000,), }"


class TestHostileArrays:
    @pytest.mark.parametrize("name", ["spike_times.npy", "spike_clusters.npy", "templates.npy"])
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x93NUMPY",
            b"no array at all",
            b"\x80\x04.",
            b"PK\x03\x04",
            npy(HUGE),
            npy(HUGE.replace("1000000000000000", "-3")),
            npy(HUGE.replace("1000000000000000", "9" * 40)),
            npy(HUGE.replace("<i8", "|O"), b"\x80\x04N."),
            npy(HUGE.replace("(1000000000000000,)", "(1000000,)"), b"12345678"),
            npy("{'descr': '<i8'"),
            npy("(" * 110),
            npy("__import__('os')"),
        ],
    )
    def test_they_are_named_and_refused(self, tmp_path, name, content):
        sorter_folder(tmp_path, **{name.replace(".", "__"): content})
        with pytest.raises(FormatError, match=name.replace(".", r"\.")):
            convert.load(tmp_path)

    def test_a_truncated_one(self, tmp_path):
        sorter_folder(tmp_path)
        path = tmp_path / "spike_times.npy"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(FormatError, match=r"spike_times\.npy is no whole array file"):
            convert.load(tmp_path)

    @pytest.mark.parametrize(
        ("name", "array", "message"),
        [
            ("spike_times", np.array([1.0, np.nan, np.inf, 2.0, 3.0]), "2 NaN or infinite"),
            ("spike_times", np.ones((5, 2)), "is no vector"),
            ("spike_times", np.array(3), "is no vector"),
            ("spike_times", np.ones(5, dtype=bool), "holds no times"),
            ("spike_times", np.ones(5, dtype=complex), "holds no numbers"),
            ("spike_times", np.arange(4), "5 clusters for 4 spike times"),
            ("spike_clusters", np.full(5, 0.5), "must hold whole numbers"),
            ("spike_clusters", np.full(5, 2**63, dtype=np.uint64), "beyond int64"),
            ("spike_clusters", np.array(["a"] * 5), "holds no numbers"),
            ("spike_templates", np.arange(4), "4 entries for 5 spikes"),
            ("spike_templates", np.full(5, 3), "templates that are not there"),
            ("spike_templates", np.full(5, -1), "templates that are not there"),
            ("templates", np.zeros((3, 4)), "has not three dimensions"),
            ("channel_map", np.array([0.5, 1, 2]), "must hold whole numbers"),
            ("channel_positions", np.zeros(3), "no table of places"),
        ],
    )
    def test_what_does_not_fit(self, tmp_path, name, array, message):
        sorter_folder(tmp_path, **{f"{name}__npy": array})
        with pytest.raises(FormatError, match=message):
            convert.load(tmp_path)

    def test_an_error_names_the_folder(self, tmp_path):
        sorter_folder(tmp_path, spike_times__npy=b"")
        with pytest.raises(FormatError) as caught:
            convert.load(tmp_path, session="culture-7")
        assert str(caught.value).startswith(f"session culture-7: {tmp_path}: ")

    @pytest.mark.parametrize("name", ["spike_times.npy", "spike_clusters.npy"])
    def test_a_missing_one(self, tmp_path, name):
        sorter_folder(tmp_path)
        (tmp_path / name).unlink()
        if name == "spike_clusters.npy":
            (tmp_path / "spike_templates.npy").unlink()
        with pytest.raises(MissingFile, match=f"the folder has no {name}"):
            convert.load(tmp_path)

    @pytest.mark.parametrize("target", ["nowhere", "spike_times.npy"])
    def test_a_link_that_leads_nowhere_is_a_missing_file(self, tmp_path, target):
        sorter_folder(tmp_path)
        (tmp_path / "spike_times.npy").unlink()
        (tmp_path / "spike_times.npy").symlink_to(tmp_path / target)
        with pytest.raises(MissingFile, match="has no spike_times"):
            convert.load(tmp_path)

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        sorter_folder(tmp_path)
        (tmp_path / "spike_times.npy").unlink()
        os.mkfifo(tmp_path / "spike_times.npy")
        with pytest.raises(MissingFile, match="has no spike_times"):
            convert.load(tmp_path)


class TestDamage:
    def test_backslashes_of_windows_are_no_warning(self, tmp_path):
        params = "dat_path = 'C:\\data\\rec.bin'\nsample_rate = 1000.\n"
        assert convert.load(sorter_folder(tmp_path, params__py=params)).metadata["fs_Hz"] == 1000.0

    def test_a_cluster_with_a_negative_id_has_no_place_in_the_map(self, tmp_path):
        clusters = np.array([-1, 0, -1, -(2**24), -1])
        sorter_folder(tmp_path, templates__npy=None, spike_clusters__npy=clusters)
        assert attribute(convert.load(tmp_path), "electrode") == {-(2**24): None, -1: None, 0: 7}

    def test_a_header_of_python_2_is_no_warning(self, tmp_path):
        header = b"{'descr': '<u8', 'shape': (5L,), 'fortran_order': False}"
        array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        sorter_folder(tmp_path, spike_times__npy=array + np.array(TIMES, "<u8").tobytes())
        assert trains_of(convert.load(tmp_path))[2] == [10.0, 30.0, 50.0]

    @pytest.mark.parametrize("value", [-1e30, 1e30])
    def test_ids_beyond_int64_are_refused(self, tmp_path, value):
        sorter_folder(tmp_path, spike_clusters__npy=np.array([value, 0, 1, 2, 3]))
        with pytest.raises(FormatError, match="beyond int64"):
            convert.load(tmp_path)
