"""Writing NWB, and reading it back."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikelab import SpikeData, convert
from spikelab.compare import Precision, differences
from spikelab.errors import (
    AssumptionWarning,
    InvalidSpikeData,
    LossWarning,
    OptionError,
)
from spikelab.formats.nwb import Options, read
from tests.conftest import REPOSITORY, make_hard_session

START = {"session_start_time": "2024-03-05T14:30:00+01:00"}


def save(sd: SpikeData, path: Path, **options) -> Path:
    return convert.save(sd, path, "nwb", options)


def session(attributes=None, *, n: int | None = None, **changes) -> SpikeData:
    """A session of two units, or as many as have attributes."""
    n = len(attributes) if attributes is not None else n or 2
    train = [[10.0 + unit, 50.0] for unit in range(n)]
    settings = {"length": 100.0, "metadata": START | {"fs_Hz": 20_000.0}}
    return SpikeData(train, neuron_attributes=attributes, **(settings | changes))


def attributes_after(attributes, tmp_path) -> list[dict]:
    found = read(save(session(attributes), tmp_path / "s.nwb"), Options())
    return found.neuron_attributes


@pytest.fixture
def hard_file(tmp_path):
    """The hard session as a file, opened with pynwb."""
    path = save(make_hard_session(), tmp_path / "hard.nwb")
    assert not pynwb.validate(path=str(path))
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        yield io.read()


class TestUnitsTable:
    def test_spike_times_are_seconds_of_each_unit(self, hard_file):
        for unit, times_ms in enumerate(make_hard_session().train):
            assert np.allclose(hard_file.units["spike_times"][unit], times_ms / 1e3, atol=1e-12)

    def test_ids_names_resolution_and_intervals(self, hard_file):
        units = hard_file.units
        assert list(units.id[:]) == [3, 7, 50, 11, 20, 21]
        assert list(units["unit_name"][:]) == ["3", "7", "50", "11", "20", "21"]
        assert units.resolution == 1 / 30_000
        for unit in range(6):
            assert units["obs_intervals"][unit].tolist() == [[12.0, 42.0]]

    def test_attributes_are_typed_columns(self, hard_file):
        columns = {name: hard_file.units[name].data for name in hard_file.units.colnames[3:]}
        assert columns["snr"].dtype == np.float64
        assert columns["is_inhibitory"].dtype == bool
        assert columns["waveform"].dtype == np.float32
        assert columns["waveform"].shape == (6, 40)
        assert list(columns["group"][:]) == ["good", "good", "mua", "good", "noise", "mua"]

    def test_electrodes_are_rows_of_their_table(self, hard_file):
        table = hard_file.electrodes
        assert table.id[:].tolist() == [0, 4, 9, 10, 12]
        assert list(table["group_name"][:]) == ["A", "A", "B", "B", "B"]
        assert [group.name for group in table["group"][:]] == ["A", "A", "B", "B", "B"]
        regions = [hard_file.units["electrodes"][unit].index.tolist() for unit in range(6)]
        assert regions == [[4], [4], [9], [10], [0], [12]]
        for axis, expected in {"x": [0, 0, 16, 0, 0], "y": [0, 80, 180, 200, 240]}.items():
            assert table[axis][:].tolist() == expected
            assert table[f"rel_{axis}"][:].tolist() == expected

    def test_start_and_length_are_root_attributes_in_ms(self, tmp_path):
        with h5py.File(save(make_hard_session(), tmp_path / "s.nwb")) as file:
            assert file.attrs["start_time"] == 12_000.0
            assert file.attrs["length_ms"] == 30_000.0

    def test_channels_of_two_probes_with_one_number_stay_two(self, tmp_path):
        units = [{"electrode": 5, "probe": "A"}, {"electrode": 5, "probe": "B"}]
        path = save(session(units), tmp_path / "s.nwb")
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            file = io.read()
            assert file.electrodes.id[:].tolist() == [0, 1]
            assert file.electrodes["channel"][:].tolist() == [5, 5]
            assert [file.units["electrodes"][u].index.tolist() for u in range(2)] == [[0], [1]]
        assert read(path, Options()).neuron_attributes == units

    def test_units_on_several_electrodes_on_none_and_by_name(self, tmp_path):
        units = [{"electrode": [2, 7]}, {"note": "none"}, {"channel": 7.0}]
        path = save(session(units), tmp_path / "s.nwb")
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            regions = io.read().units["electrodes"]
            assert [regions[u].index.tolist() for u in range(3)] == [[2, 7], [], [7]]
        named = save(session([{"ch": "B3"}, {"ch": "A1"}]), tmp_path / "named.nwb")
        with pynwb.NWBHDF5IO(str(named), "r") as io:
            assert list(io.read().electrodes["channel"][:]) == ["A1", "B3"]

    def test_units_that_disagree_on_a_place_are_named(self, tmp_path):
        units = [{"electrode": 3, "location": [0.0, 1.0]}, {"electrode": 3, "location": [0.0, 2.0]}]
        with pytest.warns(AssumptionWarning, match="channels \\[3\\]"):
            path = save(session(units), tmp_path / "s.nwb")
        places = read(path, Options()).unit_locations
        assert places.tolist() == [[0.0, 1.0], [0.0, 2.0]]

    def test_an_unknown_sampling_frequency_stays_unknown(self, tmp_path):
        path = save(session(metadata=START), tmp_path / "s.nwb")
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            assert io.read().units.resolution is None
        assert "fs_Hz" not in read(path, Options()).metadata

    def test_compression_changes_nothing_but_size(self, tmp_path):
        plain = save(make_hard_session(), tmp_path / "a.nwb")
        small = save(make_hard_session(), tmp_path / "b.nwb", compression="gzip")
        with h5py.File(small) as file:
            assert file["units/spike_times"].compression == "gzip"
        one, other = read(plain, Options()), read(small, Options())
        assert differences(one, other) == []


class TestAttributesComeBack:
    @pytest.mark.parametrize(
        "values",
        [
            [1, 2, 3],
            [0, 1, 1],
            [2**53 + 1, -5, 0],
            [2**64 - 1, 0, 1],
            [0.0, 1.0, 1.0],
            [np.nan, 1.5, -2.0],
            [True, False, True],
            ["a", "", "üñî"],
            ["yes", "no", "no"],
            [None, 4, 5],
            [None, 0, 1],
            [None, 0.5, 1.5],
            [None, True, False],
            [None, "x", ""],
        ],
    )
    def test_scalars_with_their_types(self, tmp_path, values):
        found = [
            unit["value"] for unit in attributes_after([{"value": v} for v in values], tmp_path)
        ]
        assert repr(found) == repr(values)

    def test_what_a_unit_lacks_it_lacks_again(self, tmp_path):
        units = [
            {"n": 1, "s": "a", "b": True, "f": 0.5, "v": np.arange(3), "m": np.ones(2, bool)},
            {"n": None, "s": None},
            {},
        ]
        found = attributes_after(units, tmp_path)
        assert [sorted(unit) for unit in found] == [sorted(unit) for unit in units]
        assert found[1] == {"n": None, "s": None}
        assert found[0]["v"].tolist() == [0, 1, 2]
        assert found[0]["v"].dtype == np.int64
        assert found[0]["m"].dtype == bool

    @pytest.mark.parametrize("dtype", ["int8", "uint16", "float16", "float32", "float64", "bool"])
    def test_arrays_with_their_types(self, tmp_path, dtype):
        units = [{"a": np.zeros((2, 3), dtype)}, {"a": np.ones((2, 3), dtype)}]
        found = attributes_after(units, tmp_path)
        assert [unit["a"].dtype for unit in found] == [np.dtype(dtype)] * 2
        assert found[1]["a"].tolist() == units[1]["a"].tolist()

    def test_values_of_different_lengths(self, tmp_path):
        units = [
            {"amps": np.array([1.5, 2.5]), "tags": ["a", "b"]},
            {"amps": np.array([]), "tags": []},
        ]
        found = attributes_after(units, tmp_path)
        assert [unit["amps"].tolist() for unit in found] == [[1.5, 2.5], []]
        assert [unit["tags"] for unit in found] == [["a", "b"], []]

    @pytest.mark.parametrize(
        "name",
        ["id", "electrodes", "spike_times", "name", "a/b", "a:b", "x_index", "waveforms", "parent",
         "electrode_group", "unit_name", "obs_intervals", ".", "", "colnames", "waveform_mean"],
    )  # fmt: skip
    def test_names_that_mean_something_to_nwb(self, tmp_path, name):
        units = [{name: 4, "x": 1.5}, {name: 9, "x": 2.5}]
        path = save(session(units), tmp_path / "s.nwb")
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            assert len(io.read().units) == 2
        assert not pynwb.validate(path=str(path))
        assert read(path, Options()).neuron_attributes == units

    def test_a_mean_waveform_is_the_standards_column(self, tmp_path):
        units = [{"waveform_mean": np.arange(4.0) + unit} for unit in range(2)]
        path = save(session(units), tmp_path / "s.nwb")
        with h5py.File(path) as file:
            assert file["units/waveform_mean"].shape == (2, 4)
            assert file["units/waveform_mean"].attrs["unit"] == "unknown"
        assert read(path, Options()).neuron_attributes[1]["waveform_mean"].tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        "ids", [["a", "b"], ["10", "9"], [7, 3], [-1, 4], [2**63, 1], ["x", 3]]
    )
    def test_identities(self, tmp_path, ids):
        source = session([{"unit_id": one} for one in ids])
        found = read(save(source, tmp_path / "s.nwb"), Options())
        assert set(differences(source, found, Precision("s"), frozenset({"unit_ids"}))) == set()

    def test_ids_that_units_share(self, tmp_path):
        units = [{"unit_id": one} for one in (5, 8, 5, 9, 8)]
        with pytest.warns(AssumptionWarning, match=r"one unit_id \(5, 8\): NWB numbers.* 0 to 4"):
            path = save(session(units), tmp_path / "s.nwb")
        with h5py.File(path) as file:
            assert file["units/id"][:].tolist() == [0, 1, 2, 3, 4]
        assert read(path, Options()).neuron_attributes == units

    @pytest.mark.parametrize("prefer_pynwb", [True, False])
    @pytest.mark.parametrize(
        "electrodes",
        [
            [[3, 4], 5],
            [5, [4, 3], None],
            [np.int32(5), np.array([9, 4])],
            [["B", "A"], "C"],
        ],
    )
    @pytest.mark.parametrize("name", ["electrode", "ch"])
    def test_one_electrode_and_several(self, tmp_path, electrodes, name, prefer_pynwb):
        units = [{} if one is None else {name: one} for one in electrodes]
        found = read(save(session(units), tmp_path / "s.nwb"), Options(prefer_pynwb=prefer_pynwb))
        expected = [None if one is None else np.asarray(one).tolist() for one in electrodes]
        values = [unit.get(name) for unit in found.neuron_attributes]
        assert values == expected
        assert [type(value) for value in values] == [type(value) for value in expected]

    def test_one_electrode_and_several_on_probes_that_share_numbers(self, tmp_path):
        units = [{"electrode": [3, 4], "probe": "A"}, {"electrode": 3, "probe": "B"}]
        assert attributes_after(units, tmp_path) == units

    @pytest.mark.parametrize(
        "electrodes", [[[3, 4], 5.0], [[3], 5], [[3, 3], 5], [[3, 4], 5, None], [["A", "B"], 5]]
    )
    def test_electrodes_that_their_table_cannot_say(self, tmp_path, electrodes):
        units = [{"electrode": one} for one in electrodes]
        with pytest.warns(LossWarning, match="attribute electrode"):
            path = save(session(units), tmp_path / "s.nwb")
        assert read(path, Options()).neuron_attributes is None

    def test_what_cannot_be_kept_is_named_once(self, tmp_path):
        units = [{"d": {"a": 1}, "mixed": 1, "ok": 2}, {"d": {}, "mixed": "x", "ok": 3}]
        source = session(units, metadata=START | {"odd": {1, 2}, "even": [1, "a"]})
        with pytest.warns(LossWarning) as caught:
            path = save(source, tmp_path / "s.nwb")
        assert len(caught) == 1
        text = str(caught[0].message)
        assert all(name in text for name in ("attribute d", "attribute mixed", "metadata odd"))
        assert "ok" not in text
        found = read(path, Options())
        assert found.neuron_attributes == [{"ok": 2}, {"ok": 3}]
        assert found.metadata["even"] == [1, "a"]

    def test_no_attributes_stay_none(self, tmp_path):
        assert read(save(session(), tmp_path / "s.nwb"), Options()).neuron_attributes is None


SCALARS = (
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
)


@given(
    data=st.data(),
    n_units=st.integers(0, 5),
    start=st.floats(-1e6, 1e6),
)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_session_comes_back(tmp_path, data, n_units, start):
    times = st.lists(st.floats(0, 1e5), max_size=6)
    train = [[start + t for t in data.draw(times)] for _ in range(n_units)]
    names = data.draw(
        st.lists(st.text("abc_/:. ", min_size=1, max_size=6), unique=True, max_size=3)
    )
    units: list[dict] = [{} for _ in range(n_units)]
    for name in names:
        kind = data.draw(st.sampled_from(SCALARS))
        for unit in units:
            if data.draw(st.booleans()):
                unit[name] = data.draw(kind)
    source = SpikeData(train, start_time=start, length=2e5, neuron_attributes=units, metadata=START)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossWarning)
        path = save(source, tmp_path / "s.nwb")
    for prefer_pynwb in (True, False):
        found = read(path, Options(prefer_pynwb=prefer_pynwb))
        parts = frozenset({"start_time", "length", "unit_ids", "metadata"})
        assert differences(source, found, Precision("s"), parts) == []


class TestTime:
    def test_times_before_zero_stay_as_they_are(self, tmp_path):
        source = session(start_time=-500.0, length=600.0)
        source.train[0] = np.array([-400.0, 3.0])
        path = save(source, tmp_path / "s.nwb")
        with h5py.File(path) as file:
            assert file["units/spike_times"][0] == -0.4
            assert file["units/obs_intervals"][0].tolist() == [-0.5, 0.1]

    def test_aligned_to_the_start_no_time_is_negative(self, tmp_path):
        source = session(start_time=-500.0, length=600.0)
        source.train[0] = np.array([-400.0, 3.0])
        path = save(source, tmp_path / "s.nwb", align_start=True)
        with h5py.File(path) as file:
            assert file["units/spike_times"][0] == pytest.approx(0.1, abs=1e-12)
            assert (
                file["timestamps_reference_time"].asstr()[()] == "2024-03-05T14:29:59.500000+01:00"
            )
            assert file.attrs["start_time"] == 0.0
        found = read(path, Options())
        assert differences(source, found, Precision("s")) == []

    def test_an_argument_that_contradicts_the_file_is_refused(self, tmp_path):
        path = save(session(), tmp_path / "s.nwb")
        assert read(path, Options(length_ms=100.0, start_time_ms=0.0)).length == 100.0
        for wrong in ({"length_ms": 99.0}, {"start_time_ms": 1.0}, {"fs_Hz": 30_000.0}):
            with pytest.raises(OptionError, match="contradicts"):
                read(path, Options(**wrong))

    def test_any_sampling_frequency_comes_back(self, tmp_path):
        for fs_Hz in (20_833.333333333332, 24_414.0625, 49.0):
            source = session(metadata=START | {"fs_Hz": fs_Hz})
            assert read(save(source, tmp_path / "s.nwb"), Options()).metadata["fs_Hz"] == fs_Hz


class TestMetadata:
    def test_everything_comes_back(self, tmp_path):
        from spikelab.metadata import NAMES

        values = {name: f"the {name}" for name in NAMES} | START
        values |= {"experimenter": ["Doe, Jane", "Roe, R"], "keywords": ["a", "b"]}
        values |= {"date_of_birth": "2024-01-01T00:00:00+01:00", "weight": "0.02 kg", "fs_Hz": 5e3}
        source = session([{"electrode": 1}, {"electrode": 2}], metadata=values)
        with pytest.warns(LossWarning, match="neo"):
            path = save(source, tmp_path / "s.nwb")
        for prefer_pynwb in (True, False):
            assert read(path, Options(prefer_pynwb=prefer_pynwb)).metadata == values

    def test_an_unknown_start_is_a_stated_placeholder(self, tmp_path):
        with pytest.warns(AssumptionWarning, match="session_start_time"):
            path = save(session(metadata={"notes": "mine"}), tmp_path / "s.nwb")
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            file = io.read()
            assert file.session_start_time.year == 1970
            assert "not known" in file.notes
        assert read(path, Options()).metadata == {"notes": "mine"}

    def test_a_start_without_zone_is_refused(self, tmp_path):
        source = session(metadata={"session_start_time": "2024-05-06T10:00:00"})
        with pytest.raises(InvalidSpikeData, match="no time zone"):
            save(source, tmp_path / "s.nwb")
        assert list(tmp_path.iterdir()) == []


class TestRaw:
    @pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
    def test_regular_traces_state_a_rate(self, tmp_path, dtype):
        data = np.arange(60).reshape(2, 30).astype(dtype)
        source = session([{"electrode": 1}, {"electrode": 7}], raw_data=data, raw_time=20.0)
        path = save(source, tmp_path / "s.nwb", raw=True)
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            series = io.read().acquisition["ElectricalSeries"]
            assert series.rate == 20_000.0
            assert series.starting_time == 0.0
            assert series.data[:].tolist() == data.T.tolist()
            assert series.electrodes.table.id[:][series.electrodes.data[:]].tolist() == [0, 1]
        assert differences(source, read(path, Options()), Precision("s")) == []

    def test_a_known_conversion_to_volts(self, tmp_path):
        known = START | {"fs_Hz": 20_000.0, "raw_conversion_to_volts": "1.95e-7"}
        source = session(raw_data=np.ones((1, 3), np.int16), raw_time=20.0, metadata=known)
        for raw in (True, False):
            path = save(source, tmp_path / "s.nwb", raw=raw)
            assert read(path, Options()).metadata["raw_conversion_to_volts"] == 1.95e-7
            with h5py.File(path) as file:
                if raw:
                    data = file["acquisition/ElectricalSeries/data"]
                    assert data.attrs["conversion"] == 1.95e-7
                    assert data.attrs["unit"] == "volts"
                    assert data[:].tolist() == [[1], [1], [1]]

    @pytest.mark.parametrize("value", ["0.195 uV", 0, -1e-6, float("inf"), True])
    def test_a_conversion_that_is_none(self, tmp_path, value):
        known = START | {"raw_conversion_to_volts": value}
        source = session(raw_data=np.ones((1, 3)), raw_time=20.0, metadata=known)
        with (
            warnings.catch_warnings(),
            pytest.raises(InvalidSpikeData, match="positive finite number"),
        ):
            warnings.simplefilter("ignore", LossWarning)
            save(source, tmp_path / "s.nwb", raw=True)

    def test_other_traces_state_each_time(self, tmp_path):
        times = np.array([0.0, 1.0, 5.0])
        source = session(raw_data=np.ones((1, 3)), raw_time=times)
        path = save(source, tmp_path / "s.nwb", raw=True)
        with h5py.File(path) as file:
            assert file["acquisition/ElectricalSeries/timestamps"][:].tolist() == [0, 0.001, 0.005]
        assert np.allclose(read(path, Options()).raw_time, times, atol=1e-9)

    def test_traces_are_left_out_unless_asked_for(self, tmp_path):
        source = session(raw_data=np.ones((1, 3)), raw_time=20.0)
        assert read(save(source, tmp_path / "s.nwb"), Options()).raw_data.size == 0


class TestCustomNames:
    @pytest.mark.parametrize(
        ("names", "group", "times", "index"),
        [
            ({"spike_times_dataset": "zt"}, "units", "zt", "spike_times_index"),
            ({"spike_times_dataset": "my_times"}, "units", "my_times", "spike_times_index"),
            ({"spike_times_index_dataset": "ends"}, "units", "spike_times", "ends"),
            (
                {"spike_times_dataset": "t", "spike_times_index_dataset": "i"},
                "units",
                "t",
                "i",
            ),
            ({"group": "cells"}, "cells", "spike_times", "spike_times_index"),
            (
                {"group": "cells", "spike_times_dataset": "t", "spike_times_index_dataset": "i"},
                "cells",
                "t",
                "i",
            ),
        ],
    )
    def test_they_are_there_and_the_standard_ones_too(self, tmp_path, names, group, times, index):
        path = save(make_hard_session(), tmp_path / "s.nwb", **names)
        path = path.rename(tmp_path / "moved.nwb")
        with h5py.File(path) as file:
            for ours, standard in ((times, "spike_times"), (index, "spike_times_index")):
                assert np.array_equal(file[group][ours][:], file["units"][standard][:])
        assert not pynwb.validate(path=str(path))
        for prefer_pynwb in (True, False):
            found = read(path, Options(prefer_pynwb=prefer_pynwb))
            assert differences(make_hard_session(), found, Precision("s")) == []

    @pytest.mark.parametrize(
        "names",
        [
            {"group": "general"},
            {"group": "session_start_time"},
            {"group": "a/b"},
            {"group": ""},
            {"group": ".."},
            {"spike_times_dataset": "id"},
            {"spike_times_dataset": "electrodes"},
            {"spike_times_dataset": "snr"},
            {"spike_times_dataset": "x", "spike_times_index_dataset": "x"},
            {"spike_times_dataset": "spike_times_index"},
            {"spike_times_index_dataset": "spike_times"},
            {"group": "cells", "spike_times_dataset": "id"},
            {"compression": "lzf"},
        ],
    )
    def test_names_that_are_taken_are_refused(self, tmp_path, names):
        with pytest.raises(OptionError):
            save(make_hard_session(), tmp_path / "s.nwb", **names)
        assert list(tmp_path.iterdir()) == []


_EXPORT = """
import sys, warnings
from spikelab import convert
from tests.conftest import make_hard_session
warnings.simplefilter("ignore")
sd = make_hard_session()
sd.metadata |= {"a set": {"a", "b", "c"}, "an object": object(), "other": {"z": 1, "a": [2]}}
convert.save(sd, sys.argv[1], "nwb", {"group": "cells", "compression": "gzip"})
"""


def test_the_same_bytes_in_other_processes_and_zones(tmp_path):
    contents = set()
    for number, (seed, zone) in enumerate([("0", "UTC"), ("7", "Asia/Tokyo"), ("8", "Etc/GMT+9")]):
        path = tmp_path / f"{number}.nwb"
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone}
        subprocess.run(
            [sys.executable, "-c", _EXPORT, str(path)], check=True, env=environment, cwd=REPOSITORY
        )
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_every_object_has_an_identity_of_its_own_and_of_its_content(tmp_path):
    def identities(path: Path) -> list[str]:
        found: list[str] = []
        with h5py.File(path) as file:
            found.append(file.attrs["object_id"])
            file.visititems(lambda _, item: found.append(item.attrs.get("object_id", "")))
        return [one for one in found if one]

    one = identities(save(session(), tmp_path / "a.nwb"))
    other = identities(save(session(length=101.0), tmp_path / "b.nwb"))
    assert len(set(one)) == len(one) > 5
    assert not set(one) & set(other)


def test_the_real_recording_goes_through(real_recording, tmp_path):
    with h5py.File(real_recording) as file:
        times_s, ends = file["units/spike_times"][:], file["units/spike_times_index"][:]
    for prefer_pynwb in (True, False):
        sd = read(real_recording, Options(prefer_pynwb=prefer_pynwb))
        assert [unit["unit_id"] for unit in sd.neuron_attributes] == [6, 191, 206]
        assert {unit["electrode_group"] for unit in sd.neuron_attributes} == {"group0_psb"}
        assert all("location" not in unit for unit in sd.neuron_attributes)
        assert "subject_id" not in sd.metadata
        for times, part in zip(sd.train, np.split(times_s, ends[:-1].astype(int))):
            assert np.array_equal(times, part * 1000)
    sd.metadata["fs_Hz"] = 30_000.0
    path = save(sd, tmp_path / "again.nwb")
    assert not pynwb.validate(path=str(path))
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        units = io.read().units
        assert units.id[:].tolist() == [6, 191, 206]
        assert np.abs(units.spike_times[:] - times_s).max() < 1e-12
        assert units["electrode_group"][0].name == "group0_psb"
    assert differences(sd, read(path, Options()), Precision("s")) == []
