from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import trains, units
from spikelab.errors import InvalidSpikeData, OptionError
from tests.strategies import SAMPLING_RATES_HZ, sampling_rates

HOURS_41_MS = 41 * 3.6e6
PROPERTY = settings(deadline=None, max_examples=60)


def test_known_values():
    times_ms = [0.0, 1.5, -2.0, 3.6e6]
    np.testing.assert_array_equal(units.from_ms(times_ms, "s"), [0.0, 0.0015, -0.002, 3600.0])
    samples = units.from_ms(times_ms, "samples", 20_000)
    np.testing.assert_array_equal(samples, [0, 30, -40, 72_000_000])
    assert samples.dtype == np.int64
    np.testing.assert_array_equal(units.to_ms([30, -40], "samples", 20_000), [1.5, -2.0])
    np.testing.assert_array_equal(units.to_ms([0.25], "s"), [250.0])
    np.testing.assert_array_equal(units.to_ms(np.uint64([7]), "ms"), [7.0])


@PROPERTY
@given(
    numbers=st.lists(st.integers(-(10**6), 41 * 3600 * 30_000), min_size=1),
    rate_Hz=sampling_rates(),
)
def test_sample_numbers_survive_milliseconds_and_seconds(numbers, rate_Hz):
    numbers = np.array(numbers)
    times_ms = units.to_ms(numbers, "samples", rate_Hz)
    np.testing.assert_array_equal(units.from_ms(times_ms, "samples", rate_Hz), numbers)
    over_s = units.to_ms(units.from_ms(times_ms, "s"), "s")
    np.testing.assert_array_equal(units.from_ms(over_s, "samples", rate_Hz), numbers)


@PROPERTY
@given(number=st.integers(0, 10**9), rate_Hz=sampling_rates())
def test_samples_to_ms_is_the_nearest_float_or_its_neighbour(number, rate_Hz):
    exact = Fraction(number) * 1000 / Fraction(rate_Hz)
    time_ms = float(units.to_ms(number, "samples", rate_Hz))
    assert abs(Fraction(time_ms) - exact) <= Fraction(float(np.spacing(time_ms)))


@PROPERTY
@given(time_ms=st.floats(-HOURS_41_MS, HOURS_41_MS), rate_Hz=sampling_rates())
def test_round_off_bounds_what_storage_does_to_a_time(time_ms, rate_Hz):
    for unit, fs_Hz in (("ms", None), ("s", None), ("samples", rate_Hz)):
        back = units.to_ms(units.from_ms(time_ms, unit, fs_Hz), unit, fs_Hz)
        assert abs(back - time_ms) <= units.round_off_ms(unit, time_ms, fs_Hz)


def test_round_off_is_half_a_sample_and_not_more():
    assert 0.5 / 30 <= units.round_off_ms("samples", 0.0, 30_000) < 0.5001 / 30
    assert units.round_off_ms("ms", 1e9) == 0.0
    assert 0 < units.round_off_ms("s", 1e6) < 1e-9


@pytest.mark.parametrize("rate_Hz", SAMPLING_RATES_HZ)
@pytest.mark.parametrize("edge_ms", [100.0, 1234.567, HOURS_41_MS])
def test_settle_takes_a_rounded_spike_back_to_the_edge(rate_Hz, edge_ms):
    """A spike at the end of the session, stored as a sample number, may come back later."""
    back = units.to_ms(units.from_ms([edge_ms], "samples", rate_Hz), "samples", rate_Hz)
    tolerance = units.round_off_ms("samples", edge_ms, rate_Hz)
    (late,) = trains.settle([np.maximum(back, edge_ms)], 0.0, edge_ms, tolerance)
    (early,) = trains.settle([np.minimum(back, edge_ms)], edge_ms, edge_ms + 1, tolerance)
    assert (late[0], early[0]) == (edge_ms, edge_ms)


@pytest.mark.parametrize("fs_Hz", [0, -1, np.nan, np.inf, "fast", [1]])
def test_unusable_sampling_frequencies_are_refused(fs_Hz):
    with pytest.raises(OptionError, match="not a sampling frequency"):
        units.from_ms([1.0], "samples", fs_Hz)


@pytest.mark.parametrize("convert", [units.from_ms, units.to_ms])
def test_samples_need_a_rate_and_units_a_known_name(convert):
    with pytest.raises(OptionError, match="fs_Hz"):
        convert([1.0], "samples")
    with pytest.raises(OptionError, match="found us; allowed: s, ms, samples"):
        convert([1.0], "us")


def test_times_beyond_exact_counting_are_refused():
    with pytest.raises(InvalidSpikeData, match="too large"):
        units.from_ms([1e15], "samples", 30_000)


def test_input_is_left_alone():
    times_ms = np.array([1.0, 2.0])
    for unit in ("s", "samples"):
        units.from_ms(times_ms, unit, 1000)
        units.to_ms(times_ms, unit, 1000)
    np.testing.assert_array_equal(times_ms, [1.0, 2.0])
