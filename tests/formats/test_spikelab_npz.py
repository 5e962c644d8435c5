"""SpikeLab's compiled sorting results: read as they are laid out, run never."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import convert
from spikelab.data_loaders.data_loaders import load_spikedata_from_spikelab_sorted_npz
from spikelab.errors import FormatError, SpikelabError

FS_HZ = 20_000.0


def unit(unit_id, samples, **more):
    return {
        "unit_id": unit_id,
        "spike_train": np.array(samples),
        "x_max": np.float64(17.5),
        "y_max": 35.0,
        "template": np.ones((3, 4), np.float32),
        **more,
    }


def saved(path, **entries):
    np.savez(path, **{"fs": FS_HZ, "locations": None, **entries})
    return path


@pytest.fixture
def path(tmp_path):
    units = [
        unit(4, [200, 40, 400]),
        unit(
            np.int64(9),
            np.array([], np.int64),
            electrode=7,
            amplitudes=np.array([1.5, 2.5]),
            std_norms=np.array([0.1]),
            peak_sign="negative",
            max_channel_id=np.str_("c12"),
            peak_ind=30,
        ),
    ]
    return saved(tmp_path / "sorted.npz", units=units, locations=np.arange(6.0).reshape(3, 2))


def test_spikes_and_attributes(path):
    sd = load_spikedata_from_spikelab_sorted_npz(path)
    assert [times.tolist() for times in sd.train] == [[2.0, 10.0, 20.0], []]
    assert sd.length == 20.0
    assert sd.metadata["fs_Hz"] == FS_HZ
    assert sd.metadata["channel_locations"].shape == (3, 2)
    first, second = sd.neuron_attributes
    assert set(first) == {"unit_id", "location", "template"}
    assert (first["unit_id"], first["location"]) == (4, [17.5, 35.0])
    assert first["template"].dtype == np.float32
    assert (second["unit_id"], second["electrode"]) == (9, 7)
    assert second["amplitudes"].tolist() == [1.5, 2.5]
    assert (second["peak_sign"], second["max_channel_id"]) == ("negative", "c12")


def test_the_name_tells_the_format_and_the_length_can_be_given(path):
    assert convert.load(path).N == 2
    assert load_spikedata_from_spikelab_sorted_npz(path, length_ms=100.0).length == 100.0


def test_no_units_and_compressed(tmp_path):
    path = tmp_path / "none.npz"
    np.savez_compressed(path, fs=np.array(FS_HZ), units=np.array([], object), locations=None)
    assert load_spikedata_from_spikelab_sorted_npz(path).N == 0


class Hostile:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("entry", ["units", "locations", "fs"])
def test_code_in_it_does_not_run(tmp_path, entry):
    canary = tmp_path / "canary"
    content = {"units": [unit(1, [1])], entry: np.array([Hostile(canary)], object)}
    path = saved(tmp_path / "hostile.npz", **content)
    with pytest.raises(FormatError, match=r"hostile\.npz.*system"):
        load_spikedata_from_spikelab_sorted_npz(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    "entries",
    [
        {"units": [{"unit_id": 1, "spike_train": None}]},
        {"units": [{"unit_id": 1}]},
        {"units": [{"spike_train": np.array([1])}]},
        {"units": [{"unit_id": "a", "spike_train": np.array([1])}]},
        {"units": [{"unit_id": 1, "spike_train": np.ones((2, 2))}]},
        {"units": [{"unit_id": 1, "spike_train": np.array(["a"])}]},
        {"units": [unit(1, [1], x_max="left")]},
        {"units": [1, 2]},
        {"units": 3},
        {"units": [unit(1, [1])], "fs": 0.0},
        {"units": [unit(1, [1])], "fs": "fast"},
        {"units": [unit(1, [1])], "fs": np.ones(2)},
        {"units": [unit(1, [-5])]},
    ],
)
def test_what_is_no_result_is_refused(tmp_path, entries):
    path = saved(tmp_path / "odd.npz", **entries)
    with pytest.raises(SpikelabError, match=r"odd\.npz"):
        load_spikedata_from_spikelab_sorted_npz(path)


def test_another_archive_is_named_as_such(tmp_path):
    np.savez(tmp_path / "other.npz", unit_ids=[1])
    with pytest.raises(FormatError, match="unit_ids"):
        load_spikedata_from_spikelab_sorted_npz(tmp_path / "other.npz")


def test_a_header_that_promises_too_much(tmp_path, path):
    header = repr({"descr": "<f8", "fortran_order": False, "shape": (2**50,)}).encode()
    fake = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"12345678"
    huge = tmp_path / "huge.npz"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(huge, "w") as target:
        for name in source.namelist():
            target.writestr(name, fake if name == "fs.npy" else source.read(name))
    with pytest.raises(FormatError, match="fs is damaged"):
        load_spikedata_from_spikelab_sorted_npz(huge)


@settings(max_examples=200, deadline=None)
@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, 40),
)
def test_flipped_bytes_give_a_session_or_an_error_of_ours(tmp_path_factory, compressed, flips, cut):
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, fs=FS_HZ, units=[unit(4, [200, 40])], locations=None)
    damaged = bytearray(path.read_bytes())
    for position, value in flips:
        damaged[position % len(damaged)] = value
    path.write_bytes(damaged[: len(damaged) - cut])
    try:
        found = load_spikedata_from_spikelab_sorted_npz(path)
    except SpikelabError as error:
        assert "flipped.npz" in str(error)
    else:
        assert found.N == 1


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'shape': (), 'fortran_order': False, (\0",
        b"{'descr': '<f8', 'shape': (1L,), 'fortran_order': False}",
        rb"{'descr': '\o', 'shape': (), 'fortran_order': False}",
    ],
)
def test_a_header_that_is_no_header_is_refused_without_other_warnings(tmp_path, path, header):
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    damaged = tmp_path / "damaged.npz"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(damaged, "w") as made:
        made.writestr("units.npy", archive.read("units.npy"))
        made.writestr("fs.npy", array)
    with pytest.raises(FormatError, match="fs is damaged"):
        convert.load(damaged)
