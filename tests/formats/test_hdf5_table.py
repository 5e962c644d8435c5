"""Attributes and metadata keep their values and types in HDF5."""

from __future__ import annotations

import datetime
import warnings

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import SpikeData
from spikelab.data_loaders.data_exporters import export_spikedata_to_hdf5
from spikelab.data_loaders.data_loaders import load_spikedata_from_hdf5
from spikelab.errors import FormatError, LossWarning

NOTHING = object()
COLUMNS = {
    "bool": [True, False, True],
    "bool, some missing": [True, None, NOTHING],
    "int": [1, -(2**63), 2**63 - 1],
    "int, some missing": [NOTHING, 5, None],
    "int beyond int64": [2**64 - 1, 0, 1],
    "int beyond any": [2**70, -1, 0],
    "int and float": [1, 2.5, NOTHING],
    "int and float, too large": [2**53 + 1, 2.5, 1],
    "float": [0.1, float("nan"), -float("inf")],
    "str": ["good", "", "naïve µ 漢字"],
    "str, zero character": ["a\0b", "c", "\0"],
    "str, surrogate": ["\ud800", "", "x"],
    "str, some missing": [None, NOTHING, "x"],
    "bool and int": [True, 1, 0],
    "str and int": ["1", 1, None],
    "none": [None, None, NOTHING],
    "int16": [np.int16(1), np.int16(-5), None],
    "uint64": [np.uint64(2**64 - 1), np.uint64(0), np.uint64(1)],
    "float32": [np.float32(0.1), np.float32("nan"), NOTHING],
    "float64 and float": [np.float64(0.1), 0.1, np.float32(0.1)],
    "numpy bool": [np.bool_(True), None, True],
    "numpy str": [np.str_("a"), "b", np.str_("µ")],
    "numpy ints": [np.uint64(3), np.int8(-1), 7],
    "datetime64": [np.datetime64("2024-01-01T00:00:01.5"), None, np.datetime64("NaT")],
    "array": [np.arange(6, dtype=np.float32).reshape(2, 3) + i for i in range(3)],
    "array, big-endian": [np.arange(2, dtype=">i2"), None, NOTHING],
    "array of bool": [np.array([True, False]), NOTHING, np.array([False, False])],
    "array of complex": [np.array([1 + 2j, np.nan]), np.array([0j, 1j]), None],
    "array of str": [np.array(["a", "bcd"]), None, np.array(["", "µ"])],
    "array of objects": [np.array([1, "a", None], dtype=object), None, NOTHING],
    "array without entries": [np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3))],
    "array without dimensions": [np.array(1.5), np.array(2.5), None],
    "ragged": [np.arange(3.0), np.empty(0), np.array([7.0])],
    "ragged, some missing": [np.arange(3, dtype=np.uint8), None, NOTHING],
    "ragged matrices": [np.ones((2, 3), np.int16), np.ones((0, 4), np.int16), None],
    "arrays of several dtypes": [np.arange(3), np.arange(3.0), np.arange(2, dtype="i1")],
    "list": [[1.0, 2.0], [3.0, float("nan")], NOTHING],
    "list of ints": [[1, 2], [3, 4], [5, 6]],
    "list of both": [[1, 2.5], [3, 4], [5, 6]],
    "lists of several lengths": [[1], [], [1, 2, 3]],
    "tuple": [(1, 2), (3, 4), None],
    "tuple and list": [(1, 2), [3, 4], np.array([5, 6])],
    "nested": [[(1, 2), [3]], ((1,), (2,)), [[1, 2], [3, 4]]],
    "dict": [{"a": 1, "b": (1, np.float32(2))}, {}, {"$tuple": [1]}],
    "dict, other keys": [{1: "a", (2, 3): None}, {None: 1}, {True: 0}],
    "bytes": [b"\x00\xff", b"", None],
    "complex": [1 + 2j, complex("nan"), 0j],
    "set": [{3, 1, 2}, frozenset("ba"), set()],
    "dates": [
        datetime.datetime(2024, 3, 5, 14, 30, tzinfo=datetime.UTC),
        datetime.date(2024, 3, 5),
        None,
    ],
    "": [1, 2, 3],
    ".": [1, 2, 3],
    "a/b": [1, 2, 3],
    "/": [1.5, NOTHING, 2.5],
    "column_56": ["also", "a", "name"],
    "with\0zero": [1, 2, 3],
    "ünï": [1, 2, 3],
}  # fmt: skip


def units_with(columns):
    n = max(map(len, columns.values()))
    return [
        {name: v[i] for name, v in columns.items() if i < len(v) and v[i] is not NOTHING}
        for i in range(n)
    ]


def kept(tmp_path, attributes, metadata=None):
    sd = SpikeData([[1.0]] * len(attributes), neuron_attributes=attributes, metadata=metadata)
    export_spikedata_to_hdf5(sd, tmp_path / "a.h5")
    found = load_spikedata_from_hdf5(tmp_path / "a.h5")
    return found.neuron_attributes, found.metadata


def in_order(attributes):
    """The attributes with their names in the order in which they first appear among all units."""
    names = dict.fromkeys(name for unit in attributes for name in unit)
    return [{name: unit[name] for name in names if name in unit} for unit in attributes]


def assert_same(found, expected):
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    elif expected == expected and "nan" not in repr(expected):
        assert found == expected
    else:
        assert repr(found) == repr(expected)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_kind_of_value_comes_back_as_it_was(tmp_path, name):
    attributes = units_with({name: COLUMNS[name]})
    assert_same(kept(tmp_path, attributes)[0], attributes)


def test_all_kinds_together_keep_names_and_order(tmp_path):
    attributes = units_with(COLUMNS)
    found, _ = kept(tmp_path, attributes)
    assert_same(found, in_order(attributes))
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file["unit_attributes"]) == len(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
def test_metadata_come_back_as_they_were(tmp_path, name):
    metadata = {name: next(value for value in COLUMNS[name] if value is not NOTHING)}
    assert_same(kept(tmp_path, [{}], metadata)[1], metadata)


def test_no_attributes_and_empty_ones_differ(tmp_path):
    assert kept(tmp_path, [{}, {}])[0] == [{}, {}]
    assert kept(tmp_path, [])[0] == []
    export_spikedata_to_hdf5(SpikeData([[1.0]]), tmp_path / "b.h5")
    assert load_spikedata_from_hdf5(tmp_path / "b.h5").neuron_attributes is None


def test_columns_are_plain_datasets_for_other_programs(tmp_path):
    attributes = units_with(
        {"snr": [1.5, 2.5], "n": [1, 2], "label": ["a", "µ"], "good": [True, False],
         "place": [[1.0, 2.0], [3.0, 4.0]], "amps": [np.arange(2.0), np.arange(3.0)]}
    )  # fmt: skip
    kept(tmp_path, attributes)
    with h5py.File(tmp_path / "a.h5") as file:
        table = file["unit_attributes"]
        assert table["snr"][()].tolist() == [1.5, 2.5]
        assert (table["snr"].dtype, table["n"].dtype) == (np.float64, np.int64)
        assert table["label"].asstr()[()].tolist() == ["a", "µ"]
        assert table["good"][()].tolist() == [True, False]
        assert table["place"][()].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert table["amps"][()].tolist() == [0.0, 1.0, 0.0, 1.0, 2.0]
        assert table["amps"].attrs["shapes"].tolist() == [[2], [3]]


def test_what_cannot_be_kept_is_named_in_one_warning(tmp_path):
    attributes = [{"fine": 1, "odd": object()}, {"fine": 2, "odd": 3, 7: "seven"}]
    metadata = {"handle": print, "deep": {"a": [object()]}, "fine": 1}
    sd = SpikeData([[1.0], []], neuron_attributes=attributes, metadata=metadata)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export_spikedata_to_hdf5(sd, tmp_path / "a.h5")
    assert [one.category for one in caught] == [LossWarning]
    message = str(caught[0].message)
    assert all(name in message for name in ("'odd'", "7", "'handle'", "'deep'"))
    assert "'fine'" not in message
    found = load_spikedata_from_hdf5(tmp_path / "a.h5")
    assert found.neuron_attributes == [{"fine": 1}, {"fine": 2, "odd": 3, "7": "seven"}]
    assert found.metadata == {"fine": 1}


def test_a_masked_array_is_named_and_not_kept_without_its_mask(tmp_path):
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    with pytest.warns(LossWarning, match="'m'"):
        found, _ = kept(tmp_path, [{"m": masked}])
    assert found == [{}]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(st.text(max_size=4), values, max_size=4), max_size=4))
def test_any_plain_value_comes_back(tmp_path_factory, attributes):
    found, _ = kept(tmp_path_factory.mktemp("t"), attributes)
    assert_same(found, in_order(attributes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.attrs.__delitem__("columns"),
        lambda table: table.attrs.__setitem__("columns", "[1, 2"),
        lambda table: table.attrs.__setitem__("columns", "[1, 2]"),
        lambda table: table.attrs.__setitem__("columns", 5),
        lambda table: table.__delitem__("n"),
        lambda table: table["n"].attrs.__setitem__("encoding", "rot13"),
        lambda table: table["n"].attrs.__setitem__("type", "os.system"),
        lambda table: table["n"].attrs.__delitem__("type"),
        lambda table: table["n"].attrs.__setitem__("missing", [0, 0, 0]),
        lambda table: table["odd"].__setitem__(0, '{"$array": {"dtype": "O"}}'),
        lambda table: table["odd"].__setitem__(0, '{"$array": {"dtype": "zz"}}'),
        lambda table: table["odd"].__setitem__(0, '{"$tuple": 1}'),
        lambda table: table["odd"].__setitem__(0, "{"),
        lambda table: (table.__delitem__("n"), table.__setitem__("n", [1, 2, 3])),
    ],
)
def test_a_damaged_table_is_an_error_that_names_it(tmp_path, damage):
    kept(tmp_path, [{"n": 1, "odd": (1, "a")}, {"n": 2}])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        damage(file["unit_attributes"])
    with pytest.raises(FormatError, match="unit_attributes"):
        load_spikedata_from_hdf5(tmp_path / "a.h5")
