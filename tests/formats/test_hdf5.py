"""The four HDF5 styles: layout on disk, round trips, names, contradictions."""

from __future__ import annotations

import time

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import SpikeData, convert
from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5
from spikelab.data_loaders.data_loaders import load_spikedata_from_hdf5
from spikelab.errors import AssumptionWarning, MissingFile, OptionError
from spikelab.formats.hdf5.header import format_of
from tests.conftest import make_hard_session
from tests.strategies import bin_sizes, sessions

UNIT_OPTIONS = {"ragged": "spike_times_unit", "group": "group_time_unit", "paired": "times_unit"}
NAMES = {
    "ragged": ("spike_times_dataset", "spike_times_index_dataset"),
    "raster": ("raster_dataset",),
    "group": ("group_per_unit",),
    "paired": ("idces_dataset", "times_dataset"),
}
RAW = {"raw_dataset": "raw_data", "raw_time_dataset": "raw_time"}
SESSION = SpikeData([[], [1.0, 2.5], [2.5], []], start_time=-1.0, length=11.0)


def required(style):
    return {"raster_bin_size_ms": 2.0} if style == "raster" else {}


def round_trip(sd, folder, **options):
    path = folder / "session.h5"
    export_spikedata_to_hdf5(sd, path, **options)
    return load_spikedata_from_hdf5(path)


def assert_same_frame(found, source):
    assert (found.N, found.start_time, found.length) == (
        source.N,
        source.start_time,
        source.length,
    )


# -- what is on disk ------------------------------------------------------------------------------


def test_ragged_holds_seconds_and_ends(tmp_path):
    export_spikedata_to_hdf5(SESSION, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["spike_times"].dtype == np.float64
        assert file["spike_times"][()].tolist() == [0.001, 0.0025, 0.0025]
        assert file["spike_times_index"].dtype == np.int64
        assert file["spike_times_index"][()].tolist() == [0, 2, 3, 3]


def test_paired_holds_milliseconds_in_order_of_time(tmp_path):
    sd = SpikeData([[3.0, 9.0], [1.0, 3.0]])
    export_spikedata_to_hdf5(sd, tmp_path / "a.h5", style="paired")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["idces"].dtype == np.int64
        assert file["idces"][()].tolist() == [1, 0, 1, 0]
        assert file["times"][()].tolist() == [1.0, 3.0, 3.0, 9.0]


def test_group_holds_one_dataset_per_unit(tmp_path):
    export_spikedata_to_hdf5(SESSION, tmp_path / "a.h5", style="group")
    with h5py.File(tmp_path / "a.h5") as file:
        assert sorted(file["units"]) == ["0", "1", "2", "3"]
        assert file["units/1"][()].tolist() == [0.001, 0.0025]
        assert file["units/0"].shape == (0,)
        assert file["units/0"].dtype == np.float64


def test_raster_holds_counts_from_the_start_of_the_session(tmp_path):
    export_spikedata_to_hdf5(SESSION, tmp_path / "a.h5", style="raster", raster_bin_size_ms=2.0)
    with h5py.File(tmp_path / "a.h5") as file:
        raster = file["raster"]
        assert raster.dtype == np.uint8
        assert raster.compression == "gzip"
        assert dict(raster.attrs) == {"bin_size_ms": 2.0, "time_origin_ms": -1.0}
        expected = np.zeros((4, 6))
        # From -1 ms on, 1.0 ms opens the second bin and 2.5 ms lies in it.
        expected[1, 1], expected[2, 1] = 2, 1
        np.testing.assert_array_equal(raster[()], expected)


@pytest.mark.parametrize(("n", "dtype"), [(255, np.uint8), (256, np.uint16), (65_536, np.uint32)])
def test_raster_takes_the_smallest_integers_that_hold_the_counts(tmp_path, n, dtype):
    sd = SpikeData([np.full(n, 0.5), [1.5]], length=2.0)
    export_spikedata_to_hdf5(sd, tmp_path / "a.h5", style="raster", raster_bin_size_ms=1.0)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["raster"].dtype == dtype
        assert file["raster"][()].tolist() == [[n, 0], [0, 1]]


def test_raster_of_many_blocks_is_the_matrix_of_the_session(tmp_path, monkeypatch):
    from spikelab.formats.hdf5 import raster

    rng = np.random.default_rng(3)
    sd = SpikeData([rng.uniform(0, 1000, n) for n in (0, 50, 900, 3, 0, 77, 1)], length=1000.25)
    for chunk, block in [(64, 64), (64, 1000), (3000, 3000), (5000, 10_000)]:
        monkeypatch.setattr(raster, "_CHUNK_BINS", chunk)
        monkeypatch.setattr(raster, "_BLOCK_BINS", block)
        found = round_trip(sd, tmp_path, style="raster", raster_bin_size_ms=1.0)
        np.testing.assert_array_equal(found.raster(1.0), sd.raster(1.0))
        with h5py.File(tmp_path / "session.h5") as file:
            np.testing.assert_array_equal(file["raster"][()], sd.raster(1.0))


def test_the_root_says_what_the_file_is(tmp_path):
    sd = make_hard_session()
    export_spikedata_to_hdf5(sd, tmp_path / "a.h5", style="paired", idces_dataset="who/is/it")
    with h5py.File(tmp_path / "a.h5") as file:
        stated = dict(file.attrs)
    assert stated.pop("unit_ids").tolist() == [3, 7, 50, 11, 20, 21]
    assert stated == {
        "spikelab_layout": 1,
        "style": "paired",
        "time_unit": "ms",
        "fs_Hz": 30_000.0,
        "n_units": 6,
        "n_spikes": 772,
        "start_time": 12_000.0,
        "length_ms": 30_000.0,
        "idces_dataset": "who/is/it",
        "times_dataset": "times",
        "has_raw": False,
    }


@pytest.mark.parametrize("style", NAMES)
def test_ids_that_units_share_are_numbered_and_said(tmp_path, style):
    units = [{"unit_id": one} for one in (5, 8, 5)]
    source = SpikeData([[1.0], [2.0], [3.0]], length=10.0, neuron_attributes=units)
    path = tmp_path / "s.h5"
    with pytest.warns(AssumptionWarning, match=r"one unit_id \(5\): HDF5 numbers.* 0 to 2"):
        convert.save(source, path, f"hdf5_{style}", required(style))
    with h5py.File(path) as file:
        assert file.attrs["unit_ids"].tolist() == [0, 1, 2]
    assert [unit["unit_id"] for unit in convert.load(path).neuron_attributes] == [5, 8, 5]


def test_twenty_thousand_units_with_long_ids(tmp_path):
    n = 20_000
    attributes = [{"unit_id": f"probe-A/unité-{i:05d}"} for i in range(n)]
    sd = SpikeData([], N=n, length=1.0, neuron_attributes=attributes)
    for style in ("ragged", "group"):
        found = round_trip(sd, tmp_path, style=style)
        assert found.neuron_attributes == attributes
        with h5py.File(tmp_path / "session.h5") as file:
            assert file.attrs["unit_ids"][n - 1] == "probe-A/unité-19999"


# -- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", UNIT_OPTIONS)
@settings(deadline=None, max_examples=25)
@given(sd=sessions())
def test_milliseconds_are_bit_identical(tmp_path_factory, style, sd):
    found = round_trip(sd, tmp_path_factory.mktemp("h"), style=style, **{UNIT_OPTIONS[style]: "ms"})
    assert_same_frame(found, sd)
    assert all(np.array_equal(a, b) for a, b in zip(found.train, sd.train, strict=True))
    assert found.neuron_attributes == sd.neuron_attributes
    assert found.metadata == sd.metadata


@pytest.mark.parametrize("style", UNIT_OPTIONS)
@settings(deadline=None, max_examples=25)
@given(sd=sessions())
def test_seconds_are_exact_to_rounding(tmp_path_factory, style, sd):
    found = round_trip(sd, tmp_path_factory.mktemp("h"), style=style, **{UNIT_OPTIONS[style]: "s"})
    assert_same_frame(found, sd)
    largest = max(abs(sd.start_time), abs(sd.start_time + sd.length))
    tolerance_ms = max(1e-9, 4 * np.spacing(largest))
    for a, b in zip(found.train, sd.train, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance_ms)


@pytest.mark.parametrize("style", UNIT_OPTIONS)
@settings(deadline=None, max_examples=25)
@given(sd=sessions(on_samples=True))
def test_samples_are_exact_to_the_sample(tmp_path_factory, style, sd):
    unit = {UNIT_OPTIONS[style]: "samples"}
    found = round_trip(sd, tmp_path_factory.mktemp("h"), style=style, **unit)
    assert_same_frame(found, sd)
    per_ms = sd.metadata["fs_Hz"] / 1000
    for a, b in zip(found.train, sd.train, strict=True):
        np.testing.assert_array_equal(np.rint(a * per_ms), np.rint(b * per_ms))


@settings(deadline=None, max_examples=40)
@given(sd=sessions(), bin_size_ms=bin_sizes())
def test_a_raster_gives_the_same_counts(tmp_path_factory, sd, bin_size_ms):
    found = round_trip(
        sd, tmp_path_factory.mktemp("h"), style="raster", raster_bin_size_ms=bin_size_ms
    )
    assert_same_frame(found, sd)
    np.testing.assert_array_equal(found.raster(bin_size_ms), sd.raster(bin_size_ms))
    assert found.neuron_attributes == sd.neuron_attributes


@pytest.mark.parametrize("raw_time_unit", ["s", "ms", "samples"])
@pytest.mark.parametrize("style", NAMES)
def test_raw_traces_come_back_with_their_dtype(tmp_path, style, raw_time_unit):
    traces = np.arange(-30, 30, dtype=np.int16).reshape(3, 20)
    # Not on whole samples: the first one is 0.3 samples after 12 s.
    times_ms = 12_000.01 + np.arange(20) / 30.0
    sd = make_hard_session(raw_data=traces, raw_time=times_ms)
    names = {"raw_dataset": "deep/in/raw", "raw_time_dataset": "/deep/in/time"}
    found = round_trip(
        sd, tmp_path, style=style, raw_time_unit=raw_time_unit, **names, **required(style)
    )
    assert found.raw_data.dtype == np.int16
    np.testing.assert_array_equal(found.raw_data, traces)
    np.testing.assert_allclose(found.raw_time, times_ms, rtol=0, atol=1e-9)
    if raw_time_unit == "ms":
        np.testing.assert_array_equal(found.raw_time, times_ms)


def test_asking_for_raw_traces_of_a_session_without_any_is_stated_in_the_file(tmp_path):
    found = round_trip(SESSION, tmp_path, **RAW)
    assert found.raw_data.shape == (0, 0)
    with h5py.File(tmp_path / "session.h5") as file:
        assert not file.attrs["has_raw"]
        assert "raw_data" not in file
    assert load_spikedata_from_hdf5(tmp_path / "session.h5", **RAW).raw_data.size == 0


def test_raw_traces_that_nobody_wrote_cannot_be_read(tmp_path):
    export_spikedata_to_hdf5(SESSION, tmp_path / "session.h5")
    with pytest.raises(OptionError, match="the file states that it has none"):
        load_spikedata_from_hdf5(tmp_path / "session.h5", **RAW)


def test_raw_traces_are_left_out_unless_asked_for(tmp_path):
    sd = SpikeData([[0.5]], length=2.0, raw_data=np.ones((1, 4)), raw_time=2.0)
    assert round_trip(sd, tmp_path).raw_data.shape == (0, 0)


@pytest.mark.parametrize("style", NAMES)
def test_names_of_any_depth_need_not_be_repeated(tmp_path, style):
    names = {option: f"/a/b{i}/µ x" for i, option in enumerate(NAMES[style])}
    found = round_trip(SESSION, tmp_path, style=style, **names, **required(style))
    assert_same_frame(found, SESSION)
    assert [len(times) for times in found.train] == [0, 2, 1, 0]
    again = load_spikedata_from_hdf5(tmp_path / "session.h5", **names, **required(style))
    assert [len(times) for times in again.train] == [0, 2, 1, 0]
    assert format_of(tmp_path / "session.h5") == f"hdf5_{style}"


def test_the_sampling_frequency_given_wins_and_is_kept(tmp_path):
    sd = SpikeData([[1.0]], length=2.0, metadata={"fs_Hz": 30_000.0})
    found = round_trip(sd, tmp_path, fs_Hz=20_000, spike_times_unit="samples")
    assert found.metadata == {"fs_Hz": 20_000.0}
    with h5py.File(tmp_path / "session.h5") as file:
        assert file["spike_times"][()].tolist() == [20]
        assert file["spike_times"].dtype == np.int64


def test_exports_hold_no_time_of_their_making(tmp_path):
    sd = make_hard_session(raw_data=np.ones((2, 9)), raw_time=30.0)
    for name in ("a", "b"):
        for style in NAMES:
            path = tmp_path / f"{style}.{name}"
            export_spikedata_to_hdf5(sd, path, style=style, **RAW, **required(style))
        time.sleep(1.1)  # HDF5 counts seconds
    for style in NAMES:
        assert (tmp_path / f"{style}.a").read_bytes() == (tmp_path / f"{style}.b").read_bytes()


# -- arguments that cannot be ---------------------------------------------------------------------

CONTRADICTIONS = [
    ("ragged", {"spike_times_unit": "ms"}, ["'ms'", "'s'"]),
    ("ragged", {"spike_times_dataset": "other"}, ["'other'", "'spike_times'"]),
    ("ragged", {"fs_Hz": 20_000.0}, ["20000.0", "30000.0"]),
    ("ragged", {"length_ms": 5.0}, ["5.0", "30000.0"]),
    ("ragged", {"start_time_ms": 5.0}, ["5.0", "12000.0"]),
    ("ragged", {"times_dataset": "times"}, ["times_dataset", "ragged"]),
    ("group", {"group_time_unit": "samples"}, ["'samples'", "'s'"]),
    ("paired", {"times_unit": "s"}, ["'s'", "'ms'"]),
    ("raster", {"raster_bin_size_ms": 1.0}, ["1.0", "2.0"]),
    ("raster", {"spike_times_unit": "s"}, ["spike_times_unit", "raster"]),
    ("paired", {"raw_dataset": "other"}, ["'other'", "'raw_data'"]),
    ("paired", {"raw_time_unit": "s"}, ["'s'", "'ms'"]),
]


@pytest.mark.parametrize(("style", "arguments", "said"), CONTRADICTIONS)
def test_arguments_that_contradict_the_file_are_refused(tmp_path, style, arguments, said):
    path = tmp_path / "a.h5"
    sd = make_hard_session(raw_data=np.ones((2, 9)), raw_time=30.0)
    export_spikedata_to_hdf5(sd, path, style=style, **RAW, **required(style))
    with pytest.raises(OptionError) as caught:
        load_spikedata_from_hdf5(path, **arguments)
    assert all(text in str(caught.value) for text in [*said, str(path)])


def test_arguments_that_agree_with_the_file_are_fine(tmp_path):
    path = tmp_path / "a.h5"
    export_spikedata_to_hdf5(make_hard_session(), path, style="group")
    found = load_spikedata_from_hdf5(
        path,
        group_per_unit="/units",
        group_time_unit="s",
        fs_Hz=30_000,
        length_ms=30_000,
        start_time_ms=12_000,
    )
    assert_same_frame(found, make_hard_session())


def test_a_format_that_contradicts_the_file_is_refused(tmp_path):
    export_spikedata_to_hdf5(SESSION, tmp_path / "a.h5", style="group")
    with pytest.raises(OptionError, match="hdf5_group"):
        convert.load(tmp_path / "a.h5", "hdf5_ragged")


def test_arguments_of_two_styles_are_refused(tmp_path):
    export_spikedata_to_hdf5(SESSION, tmp_path / "a.h5")
    with pytest.raises(OptionError, match=r"raster_dataset.*group_per_unit"):
        load_spikedata_from_hdf5(tmp_path / "a.h5", raster_dataset="a", group_per_unit="b")


UNUSABLE = [
    ({"style": "raster"}, "raster_bin_size_ms"),
    ({"style": "raster", "raster_bin_size_ms": 0.0}, "bin size"),
    ({"style": "raster", "raster_bin_size_ms": float("nan")}, "bin size"),
    ({"style": "columns"}, "columns"),
    ({"spike_times_unit": "minutes"}, "minutes"),
    ({"spike_times_unit": "samples"}, "fs_Hz"),
    ({"fs_Hz": -1.0}, "-1.0"),
    ({"raw_dataset": "raw"}, "raw_time_dataset"),
    ({"raw_time_dataset": "t"}, "raw_dataset"),
    ({"spike_times_dataset": "spike_times_index"}, "the same place"),
    ({"spike_times_dataset": "a", "spike_times_index_dataset": "a/b"}, "the same place"),
    ({"spike_times_dataset": "/x//y/", "spike_times_index_dataset": "x/y"}, "the same place"),
    ({"spike_times_dataset": "unit_attributes"}, "table of attributes"),
    ({"spike_times_dataset": "session_metadata/x"}, "table of metadata"),
    ({"style": "group", "raw_dataset": "units/raw", "raw_time_dataset": "t"}, "the same place"),
    ({"spike_times_dataset": ""}, "no name"),
    ({"spike_times_dataset": "/"}, "no name"),
    ({"spike_times_dataset": "a/./b"}, "no name"),
    ({"spike_times_dataset": "a\0b"}, "no name"),
    ({"spike_times_dataset": "a\ud800"}, "no name"),
]


@pytest.mark.parametrize(("arguments", "said"), UNUSABLE)
def test_unusable_arguments_are_refused_and_the_older_file_stays(tmp_path, arguments, said):
    path = tmp_path / "a.h5"
    path.write_bytes(b"precious")
    with pytest.raises(OptionError, match=said) as caught:
        export_spikedata_to_hdf5(SESSION, path, **arguments)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"precious"
    assert [one.name for one in tmp_path.iterdir()] == ["a.h5"]


def test_reading_options_are_none_for_writing(tmp_path):
    with pytest.raises(OptionError, match="reading"):
        convert.save(SESSION, tmp_path / "a.h5", "hdf5_ragged", {"length_ms": 5.0})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFile, match=r"gone\.h5"):
        load_spikedata_from_hdf5(tmp_path / "gone.h5")
    with pytest.raises(FileNotFoundError):
        format_of(tmp_path / "gone.h5")


@settings(deadline=None, max_examples=30)
@given(
    name=st.text(min_size=1, max_size=6).filter(
        lambda text: text.isprintable() and set(text.split("/")) - {""} and "." not in text
    )
)
def test_any_printable_name_works(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("h")
    found = round_trip(SESSION, folder, spike_times_dataset=f"x{name}")
    assert [len(times) for times in found.train] == [0, 2, 1, 0]
