from fractions import Fraction

import numpy as np
import pytest

from spikelab.formats.columns import ABSENT, NONE, PRESENT, columns_of


def only(*values):
    (column,) = columns_of([{"a": value} for value in values])
    return column


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([True, np.False_], "bool", np.bool_),
        ([1, np.int8(-2)], "int", np.int64),
        ([2**63, 1], "int", np.uint64),
        ([1, 2.5], "float", np.float64),
        ([np.float32(0.1), 1], "float", np.float64),
        ([np.nan, 1.0], "float", np.float64),
        (["a", np.str_("b")], "str", object),
        ([[1, 2], (3, 4)], "array", np.int64),
        ([np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)], "array", np.float32),
    ],
)
def test_kinds_that_files_keep_as_typed_columns(values, kind, dtype):
    column = only(*values)
    assert (column.kind, column.complete) == (kind, True)
    filled = column.filled(None)
    assert filled.dtype == dtype
    for found, value in zip(filled, values):
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize(
    "values",
    [
        [True, 1],
        [1, "a"],
        [[1], [1, 2]],
        [{"b": 1}],
        [[[1], [2, 3]]],
        [["a", "b"]],
        [np.array(1)],
        [2**64],
        [-1, 2**63],
        [2**53 + 1, 0.5],
        [Fraction(1, 3)],
        [1j],
        [b"raw"],
        [None],
    ],
)
def test_other_kinds(values):
    assert only(*values).kind == "other"


def test_gaps_are_told_apart():
    (a, b) = columns_of([{"a": 1, "b": None}, {"b": 2.0}, {"a": 3}])
    assert (a.name, a.values, a.complete) == ("a", [1, None, 3], False)
    assert a.status.tolist() == [PRESENT, ABSENT, PRESENT]
    assert b.status.tolist() == [NONE, PRESENT, ABSENT]
    assert a.filled(-1).tolist() == [1, -1, 3]
    np.testing.assert_array_equal(b.filled(np.nan), [np.nan, 2.0, np.nan])


def test_gaps_do_not_cost_precision():
    filled = columns_of([{"a": 2**64 - 1}, {}])[0].filled(-1)
    assert filled.tolist() == [2**64 - 1, 0]
    arrays = columns_of([{"a": np.float32([1, 2])}, {}])[0].filled(np.float32(np.nan))
    assert (arrays.shape, arrays.dtype) == ((2, 2), np.float32)


def test_columns_come_in_the_order_of_their_first_appearance():
    names = [column.name for column in columns_of([{"b": 1}, {"a": 1, "b": 2, 7: 0}])]
    assert names == ["b", "a", "7"]
    assert columns_of(None) == columns_of([]) == []
