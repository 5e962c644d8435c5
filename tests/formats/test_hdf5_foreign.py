"""Other people's HDF5 files: plain datasets, raw traces, and files that mean no good."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest

from spikelab import SpikeData, convert
from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5
from spikelab.data_loaders.data_loaders import (
    load_spikedata_from_hdf5,
    load_spikedata_from_hdf5_raw_thresholded,
)
from spikelab.errors import FormatError, InvalidSpikeData, MissingFile, OptionError, SpikelabError
from spikelab.formats.hdf5.header import format_of


def make(folder, attributes=(), **datasets):
    path = folder / "foreign.h5"
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name] = data
        file.attrs.update(attributes)
    return path


def train_of(sd):
    return [times.tolist() for times in sd.train]


# -- plain datasets -------------------------------------------------------------------------------


def test_ragged_in_seconds_unsorted_with_unsigned_ends(tmp_path):
    path = make(tmp_path, spike_times=[0.25, 0.125, 2.0], spike_times_index=np.uint32([2, 2, 3]))
    sd = load_spikedata_from_hdf5(path)
    assert train_of(sd) == [[125.0, 250.0], [], [2000.0]]
    assert (sd.start_time, sd.length) == (0.0, 2000.0)


def test_ragged_that_begins_with_a_silent_unit(tmp_path):
    path = make(tmp_path, spike_times=[1.0, 2.0, 3.0], spike_times_index=[0, 1, 3])
    assert train_of(load_spikedata_from_hdf5(path)) == [[], [1000.0], [2000.0, 3000.0]]


def test_ragged_with_a_leading_zero_that_ids_give_away(tmp_path):
    path = make(tmp_path, spike_times=[1.0, 2.0, 3.0], spike_times_index=[0, 1, 3], id=[7, 9])
    assert train_of(load_spikedata_from_hdf5(path)) == [[1000.0], [2000.0, 3000.0]]


def test_our_own_first_silent_unit_stays_whatever_lies_beside(tmp_path):
    path = tmp_path / "own.h5"
    export_spikedata_to_hdf5(SpikeData([[], [1.0]], length=2.0), path)
    with h5py.File(path, "r+") as file:
        file["id"] = [7]
    assert train_of(load_spikedata_from_hdf5(path)) == [[], [1.0]]


def test_samples_need_the_sampling_frequency_from_caller_or_file(tmp_path):
    datasets = {"spike_times": [20, 40], "spike_times_index": [2]}
    path = make(tmp_path, **datasets)
    with pytest.raises(OptionError, match="fs_Hz"):
        load_spikedata_from_hdf5(path, spike_times_unit="samples")
    sd = load_spikedata_from_hdf5(path, spike_times_unit="samples", fs_Hz=20_000)
    assert train_of(sd) == [[1.0, 2.0]]
    assert sd.metadata == {"fs_Hz": 20_000.0}
    path = make(tmp_path, {"sampling_rate": 10_000}, **datasets)
    assert train_of(load_spikedata_from_hdf5(path, spike_times_unit="samples")) == [[2.0, 4.0]]


def test_paired_in_any_order(tmp_path):
    path = make(tmp_path, idces=np.uint8([2, 0, 2]), times=[5.0, 4.0, 3.0])
    assert train_of(load_spikedata_from_hdf5(path)) == [[4.0], [], [3.0, 5.0]]
    assert train_of(load_spikedata_from_hdf5(path, times_unit="s"))[0] == [4000.0]


def test_group_in_natural_order(tmp_path):
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        for unit in range(12):
            file[f"units/{unit}"] = [float(unit)]
    sd = load_spikedata_from_hdf5(path, group_time_unit="ms")
    assert train_of(sd) == [[float(unit)] for unit in range(12)]
    assert sd.neuron_attributes is None


@pytest.mark.parametrize(
    ("names", "ids"), [(["7", "10", "9"], [7, 9, 10]), (["u10", "u9"], ["u9", "u10"])]
)
def test_group_names_become_ids(tmp_path, names, ids):
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        for name in names:
            file[f"units/{name}"] = np.float32([float(name.strip("u"))])
    sd = load_spikedata_from_hdf5(path)
    assert sd.neuron_attributes == [{"unit_id": one} for one in ids]
    assert train_of(sd) == [[float(str(one).strip("u")) * 1000] for one in ids]


def test_group_of_compressed_and_chunked_datasets(tmp_path):
    path = tmp_path / "g.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("units/0", data=np.arange(500.0), compression="gzip")
        file.create_dataset("units/1", (3,), "f4", chunks=(2,), fillvalue=4.0)
    assert train_of(load_spikedata_from_hdf5(path, group_time_unit="ms")) == [
        list(np.arange(500.0)),
        [4.0] * 3,
    ]


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32, np.uint8])
def test_raster_of_any_numbers(tmp_path, dtype):
    path = make(tmp_path, raster=np.array([[0, 1, 0], [1, 1, 0]], dtype))
    with pytest.raises(OptionError, match="raster_bin_size_ms"):
        load_spikedata_from_hdf5(path)
    sd = load_spikedata_from_hdf5(path, raster_bin_size_ms=10.0, start_time_ms=-5.0)
    assert train_of(sd) == [[10.0], [0.0, 10.0]]
    assert (sd.start_time, sd.length) == (-5.0, 30.0)


def test_raster_that_states_bin_and_origin(tmp_path):
    path = make(tmp_path, raster=[[0, 3]])
    with h5py.File(path, "r+") as file:
        file["raster"].attrs.update({"bin_size_ms": 8, "time_origin_ms": 100})
    assert train_of(load_spikedata_from_hdf5(path)) == [[110.0, 112.0, 114.0]]
    with pytest.raises(OptionError, match="8"):
        load_spikedata_from_hdf5(path, raster_bin_size_ms=4.0)


def test_raster_longer_than_the_session(tmp_path):
    path = make(tmp_path, {"length_ms": 20.0}, raster=[[1, 0, 1, 0]])
    sd = load_spikedata_from_hdf5(path, raster_bin_size_ms=10.0)
    assert train_of(sd) == [[5.0, 20.0]]  # a bin that begins at the end holds the end itself
    path = make(tmp_path, {"length_ms": 20.0}, raster=[[1, 0, 0, 2]])
    with pytest.raises(FormatError, match="2 spikes"):
        load_spikedata_from_hdf5(path, raster_bin_size_ms=10.0)


def test_start_and_length_from_attributes_or_caller(tmp_path):
    datasets = {"spike_times": [0.5], "spike_times_index": [1]}
    sd = load_spikedata_from_hdf5(make(tmp_path, {"start_time": 100, "length_ms": 900}, **datasets))
    assert (sd.start_time, sd.length) == (100.0, 900.0)
    path = make(tmp_path, {"start_time": "2024-03-05"}, **datasets)
    sd = load_spikedata_from_hdf5(path, start_time_ms=200.0, length_ms=400.0)
    assert (sd.start_time, sd.length) == (200.0, 400.0)
    with pytest.raises(InvalidSpikeData, match="outside"):
        load_spikedata_from_hdf5(path, length_ms=400.0)


def test_raw_traces_beside_spikes(tmp_path):
    path = make(tmp_path, idces=[0], times=[1.0], v=np.ones((2, 3), "i2"), t=[0.0, 0.5, 1.0])
    sd = load_spikedata_from_hdf5(path, raw_dataset="v", raw_time_dataset="t", raw_time_unit="s")
    assert sd.raw_time.tolist() == [0.0, 500.0, 1000.0]
    sd = load_spikedata_from_hdf5(path, raw_dataset="v", fs_Hz=2000)
    assert sd.raw_time.tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(OptionError, match="fs_Hz"):
        load_spikedata_from_hdf5(path, raw_dataset="v")
    with pytest.raises(OptionError, match="raw_dataset"):
        load_spikedata_from_hdf5(path, raw_time_dataset="t")
    with pytest.raises(FormatError, match="do not fit"):
        load_spikedata_from_hdf5(path, raw_dataset="v", raw_time_dataset="times")


def test_units_of_an_nwb_file_can_be_named(tmp_path):
    path = tmp_path / "x.nwb"
    with h5py.File(path, "w") as file:
        file["units/spike_times"] = [1.0, 2.0]
        file["units/spike_times_index"] = [1, 2]
    assert format_of(path) == "nwb"
    with pytest.raises(FormatError, match="load_spikedata_from_nwb"):
        load_spikedata_from_hdf5(path)
    sd = load_spikedata_from_hdf5(
        path,
        spike_times_dataset="units/spike_times",
        spike_times_index_dataset="units/spike_times_index",
    )
    assert train_of(sd) == [[1000.0], [2000.0]]


@pytest.mark.parametrize(
    ("datasets", "expected"),
    [
        ({"spike_times": [1.0], "spike_times_index": [1]}, "hdf5_ragged"),
        ({"raster": [[1]]}, "hdf5_raster"),
        ({"units/0": [1.0]}, "hdf5_group"),
        ({"idces": [0], "times": [1.0]}, "hdf5_paired"),
        ({"raw_data": [[1.0]]}, "hdf5_raw"),
    ],
)
def test_usual_names_tell_the_format(tmp_path, datasets, expected):
    assert format_of(make(tmp_path, **datasets)) == expected
    assert convert.detect(tmp_path / "foreign.h5").name == expected


def test_an_unknown_content_is_listed(tmp_path):
    path = make(tmp_path, things=[1, 2], **{"more/of": [1.0]})
    with pytest.raises(FormatError, match=r"more/.*things \(2,\) int64") as caught:
        load_spikedata_from_hdf5(path)
    assert str(path) in str(caught.value)


# -- raw traces to be thresholded -----------------------------------------------------------------


def trace():
    """One channel at 1 kHz, flat, with two large deflections at samples 100 and 300."""
    data = np.zeros((2, 400), np.int16)
    data[0, [100, 300]] = -100
    return data


def test_thresholding_finds_the_deflections(tmp_path):
    path = make(tmp_path, {"sampling_frequency": 1000.0}, raw_data=trace())
    sd = convert.load(path, options={"filter": False})
    assert train_of(sd) == [[100.0, 300.0], []]
    assert sd.length == 400.0
    assert sd.raw_data.dtype == np.int16
    named = load_spikedata_from_hdf5_raw_thresholded(path, "raw_data", fs_Hz=1000, filter=False)
    assert train_of(named) == train_of(sd)


def test_thresholding_takes_the_only_matrix(tmp_path):
    path = make(tmp_path, {"fs_Hz": 1000.0}, **{"a/traces": trace(), "t": np.arange(3.0)})
    sd = convert.load(path, "hdf5_raw", {"filter": False})
    assert train_of(sd)[0] == [100.0, 300.0]
    path = make(tmp_path, {"fs_Hz": 1000.0}, a=trace(), b=trace())
    with pytest.raises(FormatError, match="a, b"):
        convert.load(path, "hdf5_raw")


def test_thresholding_needs_one_sampling_frequency(tmp_path):
    path = make(tmp_path, raw_data=trace())
    with pytest.raises(OptionError, match="fs_Hz"):
        load_spikedata_from_hdf5_raw_thresholded(path, "raw_data")
    with h5py.File(path, "r+") as file:
        file["raw_data"].attrs["sampling_rate"] = 1000
    with pytest.raises(OptionError, match="1000"):
        load_spikedata_from_hdf5_raw_thresholded(path, "raw_data", fs_Hz=2000)


def test_thresholding_the_traces_of_an_export(tmp_path):
    sd = SpikeData([[]], start_time=50.0, length=600.0, raw_data=trace(), raw_time=1.0)
    path = tmp_path / "own.h5"
    export_spikedata_to_hdf5(sd, path, raw_dataset="v", raw_time_dataset="t", raw_time_unit="s")
    found = convert.load(path, "hdf5_raw", {"filter": False})
    assert train_of(found)[0] == [150.0, 350.0]
    assert (found.start_time, found.length) == (50.0, 600.0)
    assert found.metadata["fs_Hz"] == 1000.0


def test_a_file_of_raw_traces_alone_names_its_loader(tmp_path):
    path = make(tmp_path, raw_data=trace())
    with pytest.raises(FormatError, match="load_spikedata_from_hdf5_raw_thresholded"):
        load_spikedata_from_hdf5(path)


# -- files that mean no good ----------------------------------------------------------------------

RAGGED = {"spike_times": [1.0, 2.0], "spike_times_index": [1, 2]}
PAIRED = {"idces": [0, 1], "times": [1.0, 2.0]}
HOSTILE = [
    (RAGGED | {"spike_times_index": [1, 3]}, "does not fit"),
    (RAGGED | {"spike_times_index": [2, 1]}, "does not fit"),
    (RAGGED | {"spike_times_index": [-1, 2]}, "does not fit"),
    (RAGGED | {"spike_times_index": np.uint64([2**64 - 1, 2])}, "does not fit"),
    (RAGGED | {"spike_times_index": [0, 1]}, "does not fit"),
    (RAGGED | {"spike_times_index": [1.0, 2.0]}, "float64"),
    (RAGGED | {"spike_times_index": [[1, 2]]}, r"\(1, 2\)"),
    (RAGGED | {"spike_times": [1.0, np.nan]}, "NaN"),
    (RAGGED | {"spike_times": [1.0, np.inf]}, "infinite"),
    (RAGGED | {"spike_times": [[1.0, 2.0]]}, r"\(1, 2\)"),
    (RAGGED | {"spike_times": ["a", "b"]}, "object"),
    (RAGGED | {"spike_times": 5.0}, r"\(\)"),
    (RAGGED | {"spike_times": h5py.Empty("f8")}, "no shape"),
    (PAIRED | {"idces": [0]}, "equally long"),
    (PAIRED | {"idces": [0, -1]}, "-1"),
    (PAIRED | {"idces": [0, 2**62]}, "too high"),
    (PAIRED | {"idces": [0.5, 1.0]}, "whole numbers"),
    (PAIRED | {"times": [1.0, -2.0]}, "outside"),
    ({"units/0": [1.0], "units/deeper/1": [1.0]}, "deeper"),
    ({"units/0": ["a"]}, "object"),
    ({"units/0": [[1.0]]}, r"\(1, 1\)"),
    ({"raster": [[1, -1]]}, "no spike counts"),
    ({"raster": [[1.0, 0.5]]}, "no spike counts"),
    ({"raster": [[1.0, np.nan]]}, "no spike counts"),
    ({"raster": [1, 2]}, r"\(2,\)"),
    ({"raster": [["a"]]}, "object"),
]


@pytest.mark.parametrize(("datasets", "said"), HOSTILE)
def test_content_that_cannot_be_is_said(tmp_path, datasets, said):
    path = make(tmp_path, **datasets)
    arguments = {"raster_bin_size_ms": 1.0} if "raster" in datasets else {}
    with pytest.raises(SpikelabError, match=said) as caught:
        load_spikedata_from_hdf5(path, **arguments)
    assert str(path) in str(caught.value)


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"spikes, honestly")
    with pytest.raises(FormatError, match="no HDF5 file"):
        load_spikedata_from_hdf5(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="no HDF5 file"):
        format_of(path)
    with pytest.raises(SpikelabError):
        format_of(tmp_path)


def test_a_file_cut_short_anywhere(tmp_path):
    path = tmp_path / "a.h5"
    export_spikedata_to_hdf5(SpikeData([np.arange(1000.0)], length=1e3), path)
    whole = path.read_bytes()
    for part in (0.01, 0.3, 0.6, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(FormatError, match=r"a\.h5"):
            load_spikedata_from_hdf5(path)


@pytest.mark.parametrize("style", ["ragged", "group", "paired"])
def test_a_damaged_header_of_any_object_is_an_error(tmp_path, style):
    path = tmp_path / "a.h5"
    attributes = [{"unit_id": i, "label": "good", "mixed": (i, "x")} for i in range(3)]
    sd = SpikeData([[1.0], [2.0], []], neuron_attributes=attributes)
    export_spikedata_to_hdf5(sd, path, style=style)
    whole = path.read_bytes()
    headers = [found.start() for found in re.finditer(b"OHDR", whole)]
    assert len(headers) > 5
    for position in headers:
        broken = bytearray(whole)
        broken[position + 8] ^= 0xFF
        path.write_bytes(broken)
        with pytest.raises(FormatError, match=r"a\.h5"):
            load_spikedata_from_hdf5(path)


@pytest.mark.parametrize("options", [{}, {"chunks": (1024,)}])
def test_sizes_that_are_claimed_but_not_stored(tmp_path, options):
    path = make(tmp_path, spike_times_index=[10**12])
    with h5py.File(path, "r+") as file:
        file.create_dataset("spike_times", (10**12,), "f4", **options)
    with pytest.raises(FormatError, match="claims more than the file holds"):
        load_spikedata_from_hdf5(path)


def test_a_group_member_that_claims_too_much(tmp_path):
    path = make(tmp_path, **{"units/0": [1.0]})
    with h5py.File(path, "r+") as file:
        file.create_dataset("units/1", (10**12,), "f4")
    with pytest.raises(FormatError, match="claims more"):
        load_spikedata_from_hdf5(path)


def test_links_inside_the_file_work_and_others_are_refused(tmp_path):
    other = make(tmp_path, times=[1.0]).rename(tmp_path / "other.h5")
    path = make(tmp_path, idces=[0], real=[5.0])
    with h5py.File(path, "r+") as file:
        file["times"] = h5py.SoftLink("/real")
    assert train_of(load_spikedata_from_hdf5(path)) == [[5.0]]
    with h5py.File(path, "r+") as file:
        del file["times"]
        file["times"] = h5py.ExternalLink(str(other), "times")
    with pytest.raises(FormatError, match=r"another file.*other\.h5"):
        load_spikedata_from_hdf5(path)
    with h5py.File(path, "r+") as file:
        del file["times"]
        file["times"] = h5py.SoftLink("/times")
    with pytest.raises(FormatError, match="links"):
        load_spikedata_from_hdf5(path)
    with h5py.File(path, "r+") as file:
        del file["times"]
        file["times"] = h5py.SoftLink("/nowhere")
    with pytest.raises(FormatError, match="no known HDF5 style"):
        load_spikedata_from_hdf5(path)


def test_data_in_other_files_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(4.0).tobytes())
    for name in ("times", "units/0"):
        path = make(tmp_path, idces=[0, 0, 0, 0])
        with h5py.File(path, "r+") as file:
            file.create_dataset(name, (4,), "f8", external=[(str(secret), 0, 32)])
        with pytest.raises(FormatError, match="another file"):
            load_spikedata_from_hdf5(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("style", "columns"),
        ("style", 5),
        ("n_units", 7),
        ("n_units", -1),
        ("n_units", "two"),
        ("time_unit", "fortnights"),
        ("spike_times_dataset", 3),
        ("spike_times_dataset", "elsewhere"),
        ("spikelab_layout", 2),
        ("spikelab_layout", "one"),
        ("start_time", "noon"),
        ("length_ms", np.nan),
        ("unit_ids", [1]),
        ("length_ms", 1.0),
    ],
)
def test_a_file_of_ours_whose_description_is_damaged(tmp_path, name, value):
    path = tmp_path / "a.h5"
    export_spikedata_to_hdf5(SpikeData([[1.0, 2.0], []]), path)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(SpikelabError, match=r"a\.h5"):
        load_spikedata_from_hdf5(path)


def test_a_file_open_elsewhere(tmp_path):
    path = make(tmp_path, **PAIRED)
    with h5py.File(path, "r", locking=False):
        # HDF5 refuses to open it with locks now, as it does where the file system has none.
        assert train_of(load_spikedata_from_hdf5(path)) == [[1.0], [2.0]]


def test_a_missing_file_is_no_format_error(tmp_path):
    with pytest.raises(MissingFile):
        load_spikedata_from_hdf5_raw_thresholded(tmp_path / "gone.h5", "raw", fs_Hz=1.0)


# -- damage ---------------------------------------------------------------------------------------


def test_names_that_are_no_text_are_refused(tmp_path):
    path = make(tmp_path, other=[1.0])
    with h5py.File(path, "r+") as file:
        file[b"\xff\xfe"] = [1.0]
    with pytest.raises(FormatError, match="can't decode"):
        convert.load(path, "hdf5_ragged")


def test_a_type_that_numpy_has_not_is_refused(tmp_path):
    path = make(tmp_path, spike_times=[0.25], spike_times_index=[1])
    with h5py.File(path, "r+") as file:
        broad = h5py.h5t.IEEE_F64LE.copy()
        broad.set_size(64)
        broad.set_precision(512)
        broad.set_fields(511, 400, 111, 0, 400)
        h5py.h5a.create(file.id, b"length_ms", broad, h5py.h5s.create(h5py.h5s.SCALAR))
    with pytest.raises(FormatError, match="damaged"):
        convert.load(path, "hdf5_ragged")


@pytest.mark.parametrize("bin_size_ms", [1.0, 1e300])
def test_counts_that_would_fill_the_memory_are_refused(tmp_path, bin_size_ms):
    raster = np.zeros((2, 10), dtype=np.int64)
    raster[0, 3] = 2**44
    path = make(tmp_path, raster=raster)
    options = {"raster_bin_size_ms": bin_size_ms}
    with pytest.raises(FormatError, match=r"no spike counts|more than the memory"):
        convert.load(path, "hdf5_raster", options)


def test_times_that_overflow_are_refused(tmp_path):
    path = make(tmp_path, spike_times=[0.25, 1e308], spike_times_index=[2])
    with pytest.raises(InvalidSpikeData):
        convert.load(path, "hdf5_ragged")
