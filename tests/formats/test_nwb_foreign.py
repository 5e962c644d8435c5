"""Reading NWB files that others made: good, old, sloppy and broken ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.ecephys import ElectricalSeries

from spikelab import convert
from spikelab.data_loaders.data_loaders import load_spikedata_from_nwb
from spikelab.errors import (
    AssumptionWarning,
    FormatError,
    LossWarning,
    OptionError,
    SpikelabError,
)
from spikelab.formats.nwb import Options, read

BOTH = pytest.mark.parametrize("prefer_pynwb", [True, False])


def new_file() -> NWBFile:
    return NWBFile(
        session_description="a session",
        identifier="x1",
        session_start_time=datetime(2023, 4, 5, 6, tzinfo=UTC),
    )


def store(file: NWBFile, path: Path) -> Path:
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def with_electrodes(file: NWBFile, n: int = 3, **columns) -> NWBFile:
    device = file.create_device(name="probe")
    group = file.create_electrode_group("g", description="d", location="CA1", device=device)
    for row in range(n):
        values = {name: column[row] for name, column in columns.items()}
        file.add_electrode(group=group, location="CA1", **values)
    return file


def minimal(path: Path, **changes) -> Path:
    """A file of the bare types that NWB 2.0 knew, made without pynwb; None leaves one out."""
    datasets = {
        "id": np.array([4, 9]),
        "spike_times": np.array([0.5, 1.5, 1.0]),
        "spike_times_index": np.array([2, 3], dtype=np.uint8),
    }
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.0b"
        file.attrs["neurodata_type"] = "NWBFile"
        units = file.create_group("units")
        units.attrs["neurodata_type"] = "Units"
        units.attrs["colnames"] = np.array(["spike_times"], dtype=h5py.string_dtype())
        for name, value in (datasets | changes).items():
            if value is not None:
                units[name] = value
    return path


def load(path: Path, **options):
    """With h5py: these files have fewer types than pynwb asks for."""
    return read(path, Options(prefer_pynwb=False, **options))


@BOTH
def test_electrodes_places_and_areas(tmp_path, prefer_pynwb):
    file = with_electrodes(new_file(), 3, id=[10, 20, 30], x=[1.0, 2.0, 3.0], y=[4.0, 5.0, 6.0])
    file.add_unit_column("quality", "q")
    file.add_unit(id=7, spike_times=[0.1, 0.2], electrodes=[2], quality="good")
    file.add_unit(id=3, spike_times=[0.3], electrodes=[0], quality="")
    sd = read(store(file, tmp_path / "a.nwb"), Options(prefer_pynwb=prefer_pynwb))
    assert sd.neuron_attributes == [
        {"unit_id": 7, "quality": "good", "electrode": 30, "x": 3.0, "y": 6.0, "location": "CA1"},
        {"unit_id": 3, "electrode": 10, "x": 1.0, "y": 4.0, "location": "CA1"},
    ]
    assert sd.unit_locations.tolist() == [[3.0, 6.0], [1.0, 4.0]]
    assert np.allclose(sd.train[0], [100, 200])


@BOTH
def test_several_electrodes_and_none(tmp_path, prefer_pynwb):
    file = with_electrodes(new_file())
    file.add_unit(spike_times=[0.1], electrodes=[0, 2])
    file.add_unit(spike_times=[0.1], electrodes=[])
    sd = read(store(file, tmp_path / "a.nwb"), Options(prefer_pynwb=prefer_pynwb))
    assert sd.neuron_attributes == [
        {"unit_id": 0, "electrode": [0, 2], "location": "CA1"},
        {"unit_id": 1},
    ]


@BOTH
def test_each_unit_has_the_place_of_its_first_electrode(tmp_path, prefer_pynwb):
    file = with_electrodes(new_file(), 3, id=[10, 20, 30], x=[1.0, 2.0, np.nan], y=[4.0, 5.0, 6.0])
    for rows in ([1, 0], [], [0], [2]):
        file.add_unit(spike_times=[0.1], electrodes=rows)
    sd = read(store(file, tmp_path / "a.nwb"), Options(prefer_pynwb=prefer_pynwb))
    assert sd.neuron_attributes == [
        {"unit_id": 0, "electrode": [20, 10], "x": 2.0, "y": 5.0, "location": "CA1"},
        {"unit_id": 1},
        {"unit_id": 2, "electrode": 10, "x": 1.0, "y": 4.0, "location": "CA1"},
        {"unit_id": 3, "electrode": 30, "y": 6.0, "location": "CA1"},
    ]


def test_channels_that_are_names(tmp_path):
    file = with_electrodes(new_file(), 2)
    file.add_electrode_column("channel", "names", data=["A1", "B2"])
    file.add_unit(spike_times=[0.1], electrodes=[1])
    file.add_unit(spike_times=[0.1], electrodes=[0, 1])
    sd = read(store(file, tmp_path / "a.nwb"), Options())
    assert [unit["electrode"] for unit in sd.neuron_attributes] == ["B2", ["A1", "B2"]]


@BOTH
def test_ids_that_units_share_are_kept_and_said(tmp_path, prefer_pynwb):
    file = new_file()
    for one in (3, 8, 3):
        file.add_unit(id=one, spike_times=[0.1])
    path = store(file, tmp_path / "a.nwb")
    with pytest.warns(AssumptionWarning, match=r"one unit_id \(3\).* 0 to 2"):
        sd = read(path, Options(prefer_pynwb=prefer_pynwb))
    assert [unit["unit_id"] for unit in sd.neuron_attributes] == [3, 8, 3]


@BOTH
def test_electrode_groups_without_electrodes(tmp_path, prefer_pynwb):
    file = new_file()
    device = file.create_device(name="probe")
    groups = [file.create_electrode_group(n, "d", location="x", device=device) for n in "ab"]
    for group in groups:
        file.add_unit(spike_times=[1.0], electrode_group=group)
    sd = read(store(file, tmp_path / "a.nwb"), Options(prefer_pynwb=prefer_pynwb))
    assert [unit["electrode_group"] for unit in sd.neuron_attributes] == ["a", "b"]


@BOTH
@pytest.mark.parametrize(
    ("names", "ids"), [(["u1", "u2"], ["u1", "u2"]), (["31", "7"], [31, 7]), (["a", "a"], [0, 1])]
)
def test_ids_as_text(tmp_path, prefer_pynwb, names, ids):
    file = new_file()
    file.add_unit_column("unit_name", "names")
    for name in names:
        file.add_unit(spike_times=[1.0], unit_name=name)
    sd = read(store(file, tmp_path / "a.nwb"), Options(prefer_pynwb=prefer_pynwb))
    assert [unit["unit_id"] for unit in sd.neuron_attributes] == ids


def test_ids_that_are_texts_themselves(tmp_path):
    ids = np.array(["a", "b"], dtype=h5py.string_dtype())
    sd = load(minimal(tmp_path / "a.nwb", id=ids))
    assert [unit["unit_id"] for unit in sd.neuron_attributes] == ["a", "b"]


@BOTH
def test_times_out_of_order_take_their_values_along(tmp_path, prefer_pynwb):
    file = new_file()
    file.add_unit_column("amps", "per spike", index=True)
    file.add_unit(spike_times=[0.3, 0.1, 0.2], amps=[3.0, 1.0, 2.0])
    file.add_unit(spike_times=[0.05], amps=[0.5])
    sd = read(store(file, tmp_path / "a.nwb"), Options(prefer_pynwb=prefer_pynwb))
    assert np.allclose(sd.train[0], [100, 200, 300])
    assert sd.neuron_attributes[0]["amps"].tolist() == [1, 2, 3]


@BOTH
def test_thousands_of_units(tmp_path, prefer_pynwb):
    path = tmp_path / "many.nwb"
    n = 5000
    file = new_file()
    file.add_unit(spike_times=[0.0])
    store(file, path)
    with h5py.File(path, "r+") as h5:
        for name, values in {
            "id": np.arange(n) * 2,
            "spike_times": np.tile([0.25, 0.5], n),
            "spike_times_index": np.arange(1, n + 1) * 2,
        }.items():
            attributes = dict(h5["units"][name].attrs)
            del h5["units"][name]
            h5["units"][name] = values
            h5["units"][name].attrs.update(attributes)
        h5["units/spike_times_index"].attrs["target"] = h5["units/spike_times"].ref
    sd = read(path, Options(prefer_pynwb=prefer_pynwb))
    assert n == sd.N
    assert sd.neuron_attributes[-1] == {"unit_id": 2 * n - 2}
    assert all(times.tolist() == [250, 500] for times in sd.train)


@pytest.mark.parametrize(
    ("resolution", "rate", "fs_Hz"),
    [(1 / 30_000, None, 30_000.0), (None, 24_000.0, 24_000.0), (-1.0, None, None)],
)
def test_sampling_frequency(tmp_path, resolution, rate, fs_Hz):
    file = with_electrodes(new_file(), 1)
    file.units = pynwb.misc.Units(name="units", description="d", resolution=resolution)
    file.add_unit(spike_times=[0.5])
    if rate is not None:
        region = file.create_electrode_table_region([0], "all")
        series = ElectricalSeries(name="raw", data=np.ones((5, 1)), electrodes=region, rate=rate)
        file.add_acquisition(series)
    sd = read(store(file, tmp_path / "a.nwb"), Options())
    assert sd.metadata.get("fs_Hz") == fs_Hz
    assert sd.raw_data.size == 0


def with_series(path: Path, times_s, **rates_Hz) -> Path:
    """A unit, and one series of traces for each name; no resolution is stated."""
    file = with_electrodes(new_file(), 1)
    file.add_unit(spike_times=times_s)
    for name, rate in rates_Hz.items():
        region = file.create_electrode_table_region([0], "all")
        series = ElectricalSeries(name=name, data=np.ones((5, 1)), electrodes=region, rate=rate)
        file.add_acquisition(series)
    return store(file, path)


@pytest.mark.parametrize(
    ("rates_Hz", "fs_Hz"),
    [
        ({"ElectricalSeriesLFP": 1_250.0}, None),
        ({"ElectricalSeriesLFP": 30_000.0}, None),
        ({"slow": 1_250.0}, None),
        ({"ElectricalSeriesLFP": 1_250.0, "ElectricalSeriesAP": 30_000.0}, 30_000.0),
        ({"off_grid": 20_000.0}, None),
        ({"one": 30_000.0, "another": 15_000.0}, None),
    ],
)
def test_which_traces_tell_the_sampling_frequency(tmp_path, rates_Hz, fs_Hz):
    # Odd numbers of samples of 30 kHz, from a start that is none of them.
    times_s = 0.12345678 + np.array([0, 1, 7, 31, 301, 3001]) / 30_000
    path = with_series(tmp_path / "a.nwb", times_s, **rates_Hz)
    assert read(path, Options()).metadata.get("fs_Hz") == fs_Hz


@pytest.mark.parametrize("name", ["ElectricalSeriesLFP", "raw"])
def test_the_caller_goes_before_the_rate_of_traces(tmp_path, name):
    path = with_series(tmp_path / "a.nwb", [0.5], **{name: 6_000.0})
    assert convert.load_source(path, fs_Hz=30_000.0).metadata["fs_Hz"] == 30_000.0
    assert read(path, Options(fs_Hz=30_000.0)).metadata["fs_Hz"] == 30_000.0


def test_the_caller_cannot_contradict_the_resolution(tmp_path):
    file = new_file()
    file.units = pynwb.misc.Units(name="units", description="d", resolution=1 / 30_000.0001)
    file.add_unit(spike_times=[0.5])
    path = store(file, tmp_path / "a.nwb")
    assert convert.load_source(path, fs_Hz=30_000.0).metadata["fs_Hz"] == 30_000.0
    with pytest.raises(OptionError, match="contradicts the file"):
        convert.load_source(path, fs_Hz=20_000.0)


def test_a_link_to_nothing_among_the_traces(tmp_path):
    path = minimal(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        file.create_group("acquisition")["lost"] = h5py.SoftLink("/nowhere")
    assert "fs_Hz" not in load(path).metadata


class TestStartAndLength:
    def test_observation_intervals(self, tmp_path):
        file = new_file()
        file.add_unit(spike_times=[2.0], obs_intervals=[[1.0, 3.0], [5.0, 9.0]])
        file.add_unit(spike_times=[], obs_intervals=[[1.0, 9.0]])
        sd = read(store(file, tmp_path / "a.nwb"), Options())
        assert (sd.start_time, sd.length) == (1000.0, 8000.0)
        assert sd.neuron_attributes[0]["obs_intervals_s"].tolist() == [[1.0, 3.0], [5.0, 9.0]]

    def test_spikes_outside_of_them_are_counted(self, tmp_path):
        file = new_file()
        file.add_unit(spike_times=[0.5, 2.0, 7.0], obs_intervals=[[1.0, 3.0]])
        with pytest.warns(AssumptionWarning, match="2 spikes lie outside"):
            sd = read(store(file, tmp_path / "a.nwb"), Options())
        assert (sd.start_time, sd.length) == (500.0, 6500.0)

    def test_without_any_the_last_spike_or_the_caller(self, tmp_path):
        file = new_file()
        file.add_unit(spike_times=[-0.5, 2.0])
        path = store(file, tmp_path / "a.nwb")
        sd = load_spikedata_from_nwb(path)
        assert (sd.start_time, sd.length) == (-500.0, 2500.0)
        sd = load_spikedata_from_nwb(path, start_time_ms=-1000.0, length_ms=4000.0)
        assert (sd.start_time, sd.length) == (-1000.0, 4000.0)
        with pytest.raises(SpikelabError, match=r"1 spike.*outside.*"):
            load_spikedata_from_nwb(path, length_ms=100.0)


def test_metadata_under_our_names(tmp_path):
    file = new_file()
    file.add_unit(spike_times=[1.0])
    file.experimenter = ("Doe, Jane", "Roe, R")
    file.lab = ""
    file.subject = pynwb.file.Subject(subject_id="m1", species="Mus musculus", age="P3M", sex="")
    sd = read(store(file, tmp_path / "a.nwb"), Options())
    assert sd.metadata == {
        "session_start_time": "2023-04-05T06:00:00+00:00",
        "session_description": "a session",
        "identifier": "x1",
        "experimenter": ["Doe, Jane", "Roe, R"],
        "subject_id": "m1",
        "species": "Mus musculus",
        "age": "P3M",
    }


def test_a_placeholder_of_others_is_no_start(tmp_path):
    file = NWBFile("d", "i", datetime(1970, 1, 1, tzinfo=UTC))
    file.add_unit(spike_times=[1.0])
    assert "session_start_time" not in read(store(file, tmp_path / "a.nwb"), Options()).metadata


@BOTH
def test_waveforms_of_every_spike_are_left_out_and_named(tmp_path, prefer_pynwb):
    file = new_file()
    file.add_unit(spike_times=[1.0], waveforms=[[[1.0, 2.0]]])
    path = store(file, tmp_path / "a.nwb")
    with pytest.warns(LossWarning, match="waveforms"):
        sd = read(path, Options(prefer_pynwb=prefer_pynwb))
    assert sd.neuron_attributes == [{"unit_id": 0}]


class TestWithoutTypes:
    """Files that carry the names of NWB and none of its types, as the SpikeLab library writes."""

    def make(self, path: Path, group="units", times="spike_times", index="spike_times_index"):
        with h5py.File(path, "w") as file:
            file.attrs["start_time"], file.attrs["length_ms"] = 100.0, 900.0
            units = file.create_group(group)
            units[times] = [0.2, 0.3, 0.9]
            units[index] = [0, 2, 3]
            units["id"] = [0, 1, 2]
            units["electrodes"] = [12, 5, 5]
            units["electrodes_index"] = [1, 2, 3]
            table = file.create_group("general/extracellular_ephys/electrodes")
            table["id"], table["x"], table["y"] = [5, 12], [1.0, 2.0], [3.0, 4.0]
        return path

    @pytest.mark.parametrize(
        "names", [{}, {"group": "cells"}, {"group": "cells", "times": "t", "index": "i"}]
    )
    def test_everything_is_found(self, tmp_path, names):
        sd = convert.load(self.make(tmp_path / "a.nwb", **names), "nwb")
        assert [times.tolist() for times in sd.train] == [[], [200.0, 300.0], [900.0]]
        assert (sd.start_time, sd.length) == (100.0, 900.0)
        assert sd.electrodes.tolist() == [12, 5, 5]
        assert sd.unit_locations.tolist() == [[2.0, 4.0], [1.0, 3.0], [1.0, 3.0]]

    def test_a_zero_before_the_first_end(self, tmp_path):
        path = self.make(tmp_path / "a.nwb")
        with h5py.File(path, "r+") as file:
            del file["units/spike_times_index"]
            file["units/spike_times_index"] = [0, 1, 1, 3]
        sd = convert.load(path)
        assert [times.tolist() for times in sd.train] == [[200.0], [], [300.0, 900.0]]


def test_a_file_that_pynwb_cannot_open_is_read_and_said(tmp_path):
    path = minimal(tmp_path / "a.nwb")
    with pytest.warns(AssumptionWarning, match="pynwb cannot open"):
        sd = read(path, Options())
    assert [times.tolist() for times in sd.train] == [[500.0, 1500.0], [1000.0]]
    assert sd.neuron_attributes == [{"unit_id": 4}, {"unit_id": 9}]


def test_a_table_without_units(tmp_path):
    file = new_file()
    file.units = pynwb.misc.Units(name="units", description="none yet")
    path = store(file, tmp_path / "a.nwb")
    assert read(path, Options()).N == 0


class TestHostile:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"spike_times": None}, "no spike times"),
            ({"spike_times_index": None}, "no spike times"),
            ({"spike_times_index": np.array([2, 7])}, "does not fit"),
            ({"spike_times_index": np.array([3, 2])}, "does not fit"),
            ({"spike_times_index": np.array([3])}, "does not fit the units"),
            ({"spike_times_index": np.array([2.0, 3.0])}, "wrong content"),
            ({"spike_times": np.array([0.5, np.nan, 1.0])}, "NaN"),
            ({"spike_times": np.array([b"a", b"b", b"c"])}, "wrong content"),
            ({"spike_times": np.ones((3, 2))}, "wrong content"),
            ({"id": np.array([1.5, 2.5])}, "id"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path, changes, message):
        with pytest.raises(SpikelabError, match=message):
            load(minimal(tmp_path / "a.nwb", **changes))

    def test_a_group_instead_of_a_dataset(self, tmp_path):
        path = minimal(tmp_path / "a.nwb", spike_times=None)
        with h5py.File(path, "r+") as file:
            file.create_group("units/spike_times")
        with pytest.raises(FormatError, match="spike_times"):
            load(path)

    def test_electrodes_that_are_not_there(self, tmp_path):
        file = with_electrodes(new_file(), 2)
        file.add_unit(spike_times=[1.0], electrodes=[1])
        path = store(file, tmp_path / "a.nwb")
        with h5py.File(path, "r+") as h5:
            h5["units/electrodes"][...] = 9
        with pytest.raises(FormatError, match="electrodes that the file does not have"):
            load(path)

    def test_metadata_that_were_tampered_with(self, tmp_path):
        path = minimal(tmp_path / "a.nwb")
        with h5py.File(path, "r+") as file:
            file.attrs["spikelab_metadata"] = "{broken"
        with pytest.raises(FormatError, match="damaged"):
            load(path)

    def test_a_link_to_another_file_is_not_followed(self, tmp_path):
        minimal(tmp_path / "other.nwb")
        path = minimal(tmp_path / "a.nwb", spike_times=None)
        with h5py.File(path, "r+") as file:
            file["units/spike_times"] = h5py.ExternalLink("other.nwb", "/units/spike_times")
        with pytest.raises(FormatError, match="another file"):
            load(path)

    def test_no_units(self, tmp_path):
        with pytest.raises(FormatError, match="no units table") as caught:
            read(store(new_file(), tmp_path / "a.nwb"), Options())
        assert "What to do" in str(caught.value)

    def test_no_hdf5_and_cut_short(self, tmp_path):
        text = tmp_path / "text.nwb"
        text.write_text("not NWB")
        whole = minimal(tmp_path / "a.nwb").read_bytes()
        short = tmp_path / "short.nwb"
        short.write_bytes(whole[: len(whole) // 2])
        for path, message in ((text, "no HDF5"), (short, "truncated")):
            with pytest.raises(FormatError, match=message):
                read(path, Options())


def test_devices_and_groups_that_lead_nowhere_are_passed_over(tmp_path):
    path = minimal(tmp_path / "m.nwb")
    with h5py.File(path, "r+") as file:
        for place in ("general/devices/probe", "general/extracellular_ephys/g"):
            file[place] = h5py.SoftLink("/nowhere")
    found = read(path, Options(prefer_pynwb=False))
    assert [times.tolist() for times in found.train] == [[500.0, 1500.0], [1000.0]]


def test_what_pynwb_cannot_make_objects_of_is_read_without_it(tmp_path):
    path = store(with_electrodes(new_file()), tmp_path / "m.nwb")
    with h5py.File(path, "r+") as file:
        del file["general/extracellular_ephys/g/device"]
        file["units/spike_times"] = [0.5]
        file["units/spike_times_index"] = [1]
        file["units/id"] = [0]
    with pytest.warns(AssumptionWarning, match="ConstructError"):
        found = read(path, Options())
    assert [times.tolist() for times in found.train] == [[500.0]]
