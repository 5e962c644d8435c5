import numpy as np
import pytest

from spikelab import SpikeData
from spikelab.spikedata.attributes import unit_ids


def session(*attributes):
    return SpikeData([[] for _ in attributes], neuron_attributes=attributes)


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ([6, 191, 206], [6, 191, 206]),
        ([9, 3, 5], [9, 3, 5]),
        ([np.int32(4), np.uint8(2)], [4, 2]),
        ([6.0, np.float64(7)], [6, 7]),
        (["b", "a"], ["b", "a"]),
        ([1, "a"], ["1", "a"]),
        ([-1, 0], [-1, 0]),
        ([3, 3], [0, 1]),
        ([1, "1"], [0, 1]),
        ([3, None], [0, 1]),
        ([1.5, 2], [0, 1]),
        ([True, False], [0, 1]),
        ([np.nan, 1.0], [0, 1]),
    ],
)
def test_unit_ids(given, ids):
    found = unit_ids([{"unit_id": value} for value in given], len(given))
    assert found == ids
    assert {type(value) for value in found} <= {int, str}


def test_units_without_ids_are_numbered():
    assert unit_ids(None, 2) == [0, 1]
    assert unit_ids([{}, {"unit_id": 5}], 2) == [0, 1]
    assert unit_ids([], 0) == []


@pytest.mark.parametrize("key", ["electrode", "channel", "ch"])
def test_electrodes_by_any_name(key):
    electrodes = session({key: 4}, {key: np.int16(7)}).electrodes
    assert electrodes.tolist() == [4, 7]
    assert electrodes.dtype.kind == "i"


def test_electrodes_prefer_the_first_name_that_a_unit_has():
    both = {"ch": 1, "channel": 2, "electrode": 3}
    assert session(both, {"ch": 1}, {"electrode": None, "ch": 9}).electrodes.tolist() == [3, 1, 9]


def test_electrodes_as_text_and_several_of_one_unit():
    assert session({"electrode": "A1"}, {"electrode": "B2"}).electrodes.tolist() == ["A1", "B2"]
    several = session({"electrode": [1, 2]}, {"electrode": [3]}).electrodes
    assert several.shape == (2,)
    assert several.tolist() == [[1, 2], [3]]


def test_no_electrodes_when_a_unit_has_none():
    assert session({"electrode": 1}, {}).electrodes is None
    assert session().electrodes is None
    assert SpikeData([[]]).electrodes is None


@pytest.mark.parametrize(
    ("attributes", "places"),
    [
        ([{"location": [1, 2]}, {"location": (3, 4)}], [[1, 2], [3, 4]]),
        ([{"location": np.array([1, 2, 3])}], [[1, 2, 3]]),
        ([{"x": 1, "y": 2}, {"x": 3, "y": 4}], [[1, 2], [3, 4]]),
        ([{"x": 1, "y": 2, "z": 3}], [[1, 2, 3]]),
        ([{"x": 1, "y": 2, "z": 3}, {"x": 4, "y": 5}], [[1, 2], [4, 5]]),
        ([{"position": [5, 6]}], [[5, 6]]),
        ([{"location": "CA1", "x": 1, "y": 2}], [[1, 2]]),
        ([{"location": [7, 8], "x": 1, "y": 2, "position": [5, 6]}], [[7, 8]]),
        ([{"x": 1, "y": 2, "position": [5, 6]}], [[1, 2]]),
        ([{"location": [1, 2]}, {"x": 3, "y": 4}, {"position": [5, 6]}], [[1, 2], [3, 4], [5, 6]]),
        ([{"x": 1, "position": [5, 6]}], [[5, 6]]),
    ],
)
def test_places(attributes, places):
    found = session(*attributes).unit_locations
    assert found.dtype == np.float64
    assert found.tolist() == places


@pytest.mark.parametrize(
    "attributes",
    [
        [{"location": "CA1"}],
        [{"x": 1}],
        [{"location": [1, 2]}, {}],
        [{"location": [1, 2]}, {"location": [1, 2, 3]}],
        [{"location": 5}],
        [{"location": []}],
        [],
    ],
)
def test_no_places(attributes):
    assert session(*attributes).unit_locations is None
    assert SpikeData([[]]).unit_locations is None
