import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import SpikeData, binning
from spikelab.errors import InvalidSpikeData, OptionError
from tests.strategies import bin_sizes, sessions

PROPERTY = settings(deadline=None, max_examples=100)
FORTY_HOURS_MS = 40 * 3.6e6


@pytest.mark.parametrize("start", ["0", "-200", "0.1", "-0.7", "12345.6", "144000000"])
@pytest.mark.parametrize("size", ["0.1", "0.3", "1", "3", "0.7", "20"])
def test_decimal_multiples_open_their_bin(start, size):
    """A spike at start + k * size, all of them decimal numbers, is the first of bin k."""
    n_bins = 211
    exact = [Fraction(start) + k * Fraction(size) for k in range(n_bins)]
    sd = SpikeData(
        [[float(time) for time in exact]],
        start_time=float(start),
        length=float(n_bins * Fraction(size)),
    )
    np.testing.assert_array_equal(sd.raster(float(size)), np.ones((1, n_bins)))


@pytest.mark.parametrize("start", ["0", "-200", "144000000"])
@pytest.mark.parametrize("size", ["0.1", "0.3", "1", "3"])
def test_spikes_just_before_an_edge_stay_in_their_bin(start, size):
    before = Fraction(1, 1000)  # of a bin
    exact = [Fraction(start) + (k + 1 - before) * Fraction(size) for k in range(50)]
    sd = SpikeData([[float(time) for time in exact]], start_time=float(start), length=150.0)
    assert sd.raster(float(size))[0, :50].tolist() == [1] * 50


@pytest.mark.parametrize(
    ("length", "size", "n_bins"),
    [
        (0.3, 0.1, 3),
        (0.7, 0.1, 7),
        (1.1, 1.1, 1),
        (10, 3, 4),
        (9, 3, 3),
        (9.000001, 3, 4),
        (0.5, 1, 1),
        (0, 1, 0),
        (FORTY_HOURS_MS, 0.1, 1_440_000_000),
        (FORTY_HOURS_MS + 0.1, 0.1, 1_440_000_001),
        (1000 / 30_000 * 90_000, 1000 / 30_000, 90_000),
    ],
)
def test_number_of_bins(length, size, n_bins):
    assert binning.n_bins(length, size) == n_bins


def test_a_length_measured_late_makes_no_extra_bin():
    """40 h into a recording, end - start of a session of 0.3 ms is 0.30000001 ms."""
    start = FORTY_HOURS_MS
    length = (start + 0.3) - start
    assert length > 0.3 + 1e-9
    assert SpikeData([[]], start_time=start, length=length).raster(0.1).shape == (1, 3)


def test_bins_are_half_open_and_the_end_belongs_to_the_last():
    sd = SpikeData([[0, 0.999, 1, 2, 3], [3]], length=3)
    assert sd.raster(1).tolist() == [[2, 1, 2], [0, 0, 1]]
    cut = SpikeData([[2.2, 2.5]], length=2.5)
    assert cut.raster(1).tolist() == [[0, 0, 2]]


def test_bins_count_from_the_start():
    sd = SpikeData([[-200, -0.5, 0, 299.5]], start_time=-200, length=500)
    assert np.flatnonzero(sd.raster(10)[0]).tolist() == [0, 19, 20, 49]


def test_a_session_without_length_has_one_bin_if_it_has_spikes():
    assert SpikeData([[5.0, 5.0]], start_time=5).raster(1).tolist() == [[2]]
    assert SpikeData([[]]).raster(1).shape == (1, 0)
    assert SpikeData([]).raster(1).shape == (0, 0)
    assert SpikeData([], length=3).raster(1).shape == (0, 3)


@PROPERTY
@given(sd=sessions(with_attributes=False), size=bin_sizes())
def test_raster_agrees_with_exact_arithmetic(sd, size):
    """Every spike is in the bin that fractions give, or within rounding of its edge."""
    start, width = Fraction(sd.start_time), Fraction(size)
    raster = sd.raster(size)
    n_bins = raster.shape[1]
    exact_bins = Fraction(sd.length) / width
    noise = max(1e-9, 8 * float(np.spacing(abs(sd.start_time) + sd.length)) / size)
    if sd.length:
        assert math.ceil(exact_bins - Fraction(noise)) <= n_bins <= math.ceil(exact_bins)
    np.testing.assert_array_equal(raster.sum(axis=1), [len(times) for times in sd.train])
    for counts, times in zip(raster, sd.train):
        for column, time in zip(np.repeat(np.arange(n_bins), counts), times):
            position = (Fraction(time) - start) / width
            assert column - noise <= position
            assert position < column + 1 + noise or column == n_bins - 1


@PROPERTY
@given(sd=sessions(with_attributes=False), size=bin_sizes())
def test_sparse_and_dense_agree(sd, size):
    sparse = sd.sparse_raster(size)
    assert sparse.has_canonical_format
    np.testing.assert_array_equal(sparse.toarray(), sd.raster(size))


@PROPERTY
@given(
    counts=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=4),
    size=bin_sizes(),
    start=st.sampled_from((0.0, -250.5, FORTY_HOURS_MS)) | st.floats(-1e6, 1e6),
    cut=st.sampled_from((0.0, 0.5, 0.99)) | st.floats(0, 0.999),
)
def test_raster_gives_back_the_counts_of_from_raster(counts, size, start, cut):
    width = max(map(len, counts))
    counts = np.array([row + [0] * (width - len(row)) for row in counts])
    length = (width - cut) * size
    sd = SpikeData.from_raster(counts, size, start_time=start, length=length)
    np.testing.assert_array_equal(sd.raster(size), counts)
    assert (sd.length, sd.start_time) == (length, start)


def test_from_raster_spreads_spikes_evenly():
    sd = SpikeData.from_raster([[3, 0, 1], [0, 0, 0]], 10, start_time=-5)
    np.testing.assert_allclose(sd.train[0], [-2.5, 0, 2.5, 20])
    assert (sd.N, sd.length, sd.start_time) == (2, 30, -5)


def test_from_raster_takes_what_counts_come_in():
    from scipy.sparse import csr_array

    counts = np.array([[0, 2], [1, 0]])
    for raster in (counts.tolist(), counts.astype(np.uint8), counts * 1.0, csr_array(counts)):
        np.testing.assert_array_equal(SpikeData.from_raster(raster, 1).raster(1), counts)
    assert SpikeData.from_raster(counts > 0, 1).raster(1).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("raster", [[1, 2], [[0.5]], [[-1]], [[np.nan]], [[np.inf]], [["a"]]])
def test_from_raster_refuses_what_is_no_count(raster):
    with pytest.raises(InvalidSpikeData, match="spike counts"):
        SpikeData.from_raster(raster, 1)


def test_from_raster_refuses_a_session_shorter_than_its_bins():
    with pytest.raises(InvalidSpikeData, match=r"3 bins of 1\.0 ms, length 2\.0 ms"):
        SpikeData.from_raster([[1, 1, 1]], 1, length=2)


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, "wide", None])
@pytest.mark.parametrize("call", ["raster", "sparse_raster", "from_raster"])
def test_bin_sizes_must_be_positive(size, call):
    sd = SpikeData([[1.0]], length=2)
    with pytest.raises(OptionError, match="bin size"):
        sd.from_raster([[1]], size) if call == "from_raster" else getattr(sd, call)(size)
