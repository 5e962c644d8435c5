import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import trains
from spikelab.errors import FormatError, InvalidSpikeData

PROPERTY = settings(deadline=None, max_examples=60)
TRAINS = st.lists(st.lists(st.floats(-100, 100), max_size=8).map(sorted), max_size=6).map(
    lambda units: [np.array(unit, dtype=float) for unit in units]
)


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


@PROPERTY
@given(TRAINS)
def test_split_undoes_flatten(train):
    flat, ends = trains.flatten(train)
    assert flat.tolist() == [time for unit in train for time in unit]
    same(trains.split(flat, ends), train)


@PROPERTY
@given(TRAINS)
def test_by_unit_undoes_chronological(train):
    times, idces = trains.chronological(train)
    pairs = sorted((time, i) for i, unit in enumerate(train) for time in unit)
    assert list(zip(times.tolist(), idces.tolist())) == pairs
    same(trains.by_unit(idces, times, len(train)), train)


def test_by_unit_keeps_silent_units_and_the_order_within_a_unit():
    same(trains.by_unit([3, 1, 3], [9.0, 5.0, 2.0], 5), [[], [5.0], [], [9.0, 2.0], []])
    same(trains.by_unit([], [], 2), [[], []])


@pytest.mark.parametrize(
    ("idces", "times", "message"),
    [
        ([0, 1], [1.0], "equally long"),
        ([[0]], [[1.0]], "one-dimensional"),
        ([0, 2], [1.0, 2.0], "indices from 0 to 2; allowed: 0 to 1"),
        ([-1, 0], [1.0, 2.0], "indices from -1 to 0"),
        ([0.5], [1.0], "whole numbers"),
        ([True], [1.0], "whole numbers"),
        ([np.nan], [1.0], "whole numbers"),
    ],
)
def test_by_unit_refuses(idces, times, message):
    with pytest.raises(InvalidSpikeData, match=message):
        trains.by_unit(idces, times, 2)


@pytest.mark.parametrize(
    ("flat", "ends", "message"),
    [
        ([1.0, 2.0], [1], "does not fit"),
        ([1.0, 2.0], [1, 3], "does not fit"),
        ([1.0, 2.0], [2, 1, 2], "does not fit"),
        ([1.0, 2.0], [-1, 2], "does not fit"),
        ([1.0], [], "does not fit"),
        ([1.0], [1.0], "not integer"),
        ([[1.0]], [1], "one-dimensional"),
    ],
)
def test_split_refuses_an_index_that_does_not_fit(flat, ends, message):
    with pytest.raises(FormatError, match=message):
        trains.split(np.array(flat), np.array(ends, dtype=None if ends else np.int64))


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.uint64, np.int64])
def test_split_takes_any_integer_index(dtype):
    same(trains.split(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 3], dtype)), [[], [1, 2], [3]])


def test_whole_numbers():
    assert trains.as_integers([1.0, -2.0], "ids").tolist() == [1, -2]
    assert trains.as_integers([], "ids").dtype == np.int64
    for bad in ([1.5], [np.inf], ["a"], [None]):
        with pytest.raises(InvalidSpikeData, match="ids must be whole numbers"):
            trains.as_integers(bad, "ids")


def test_ordered_keeps_what_is_in_order():
    first, second = np.array([1.0, 1.0, 2.0]), np.array([3.0, 1.0, 2.0])
    found = trains.ordered([first, second])
    assert found[0] is first
    assert found[1].tolist() == [1.0, 2.0, 3.0]
    assert second.tolist() == [3.0, 1.0, 2.0]


def test_settle_moves_only_what_rounding_explains():
    inside = np.array([1.0, 2.0])
    outside = np.array([-0.5, -0.1, 5.0, 10.1, 10.5])
    settled = trains.settle([inside, outside, np.empty(0)], 0.0, 10.0, 0.25)
    assert settled[0] is inside
    assert settled[1].tolist() == [-0.5, 0.0, 5.0, 10.0, 10.5]
    assert outside.tolist() == [-0.5, -0.1, 5.0, 10.1, 10.5]
