import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from spikelab import SpikeData
from spikelab.errors import InvalidSpikeData, OptionError

FS_HZ = 20_000.0


def noise_with_spikes(n_samples=20_000, seed=3):
    """Three channels: spikes down at 5000 and 9000, up at 12000; both; noise only. Slow drift."""
    traces = np.random.default_rng(seed).normal(0, 1, (3, n_samples))
    shape = np.hanning(16)
    for channel, sample, height in [(0, 5000, -60), (0, 9000, -60), (1, 5000, -60), (1, 12000, 60)]:
        traces[channel, sample : sample + 16] += height * shape
    return traces + 200 * np.sin(np.arange(n_samples) / 4000)


def reference(traces, fs_Hz, sigma, sides, low=300.0, high=6000.0, order=3):
    """Sample numbers of the crossings, sample after sample."""
    filtered = sosfiltfilt(butter(order, [low, high], "bandpass", fs=fs_Hz, output="sos"), traces)
    found = []
    for channel in filtered:
        limit = sigma * np.sqrt(np.mean((channel - channel.mean()) ** 2))
        beyond = [any(side * value > limit for side in sides) for value in channel]
        found.append([i for i in range(1, len(beyond)) if beyond[i] and not beyond[i - 1]])
    return found


@pytest.mark.parametrize(("direction", "sides"), [("both", (1, -1)), ("up", (1,)), ("down", (-1,))])
def test_against_an_independent_detection(direction, sides):
    traces = noise_with_spikes()
    sd = SpikeData.from_thresholding(traces, FS_HZ, 5.0, direction=direction)
    expected = reference(traces, FS_HZ, 5.0, sides)
    assert sum(map(len, expected)) > 0
    for times, samples in zip(sd.train, expected):
        np.testing.assert_array_equal(np.rint(times * FS_HZ / 1000), samples)


def test_another_filter():
    traces = noise_with_spikes()
    band = {"lowcut": 500.0, "highcut": 3000.0, "order": 2}
    sd = SpikeData.from_thresholding(traces, FS_HZ, 4.0, filter=band)
    expected = reference(traces, FS_HZ, 4.0, (1, -1), 500.0, 3000.0, 2)
    for times, samples in zip(sd.train, expected):
        np.testing.assert_array_equal(np.rint(times * FS_HZ / 1000), samples)
    default = {"lowcut": 300.0, "highcut": 6000.0, "order": 3}
    for filter in (True, default):
        again = SpikeData.from_thresholding(traces, FS_HZ, filter=filter)
        assert len(again.train[0]) == len(reference(traces, FS_HZ, 5.0, (1, -1))[0])


def test_spikes_are_where_they_were_put():
    sd = SpikeData.from_thresholding(noise_with_spikes(), FS_HZ, 8.0, direction="down")
    np.testing.assert_allclose(sd.train[0], [5000 / 20, 9000 / 20], atol=0.8)


def square(*levels):
    return np.repeat(np.array([levels], dtype=float), 3, axis=1)


@pytest.mark.parametrize(
    ("direction", "hysteresis", "samples"),
    [
        ("both", True, [6, 12]),
        ("up", True, [6]),
        ("down", True, [12]),
        ("both", False, [6, 7, 8, 12, 13, 14]),
        ("up", False, [6, 7, 8]),
        ("down", False, [12, 13, 14]),
    ],
)
def test_hysteresis_and_direction(direction, hysteresis, samples):
    traces = square(0, 0, 9, 0, -9, 0, 0)
    sd = SpikeData.from_thresholding(
        traces, 1000, 1.0, filter=False, hysteresis=hysteresis, direction=direction
    )
    assert sd.train[0].tolist() == samples


def test_the_threshold_is_the_channels_own_deviation():
    traces = np.vstack([square(0, 1, 0, 0, 0, 0)[0], 1000 * square(0, 1, 0, 0, 0, 0)[0]])
    sd = SpikeData.from_thresholding(traces, 1000, 2.0, filter=False)
    assert [times.tolist() for times in sd.train] == [[3.0], [3.0]]  # std 0.37, level 2.7 std
    assert [len(t) for t in SpikeData.from_thresholding(traces, 1000, 3.0, False).train] == [0, 0]


def test_a_trace_that_begins_beyond_has_crossed_nothing():
    traces = square(9, 0, 0, 0, 9, 0)
    assert SpikeData.from_thresholding(traces, 1000, 1.0, filter=False).train[0].tolist() == [12.0]


def test_the_session_around_the_spikes():
    traces = (100 * noise_with_spikes()).astype(np.int16)
    before = traces.copy()
    sd = SpikeData.from_thresholding(traces, FS_HZ, start_time=-500, metadata={"lab": "x"})
    np.testing.assert_array_equal(sd.raw_data, before)
    assert (sd.N, sd.start_time, sd.length) == (3, -500.0, 1000.0)
    assert sd.metadata == {"lab": "x", "fs_Hz": FS_HZ}
    assert sd.electrodes.tolist() == [0, 1, 2]
    np.testing.assert_allclose(sd.raw_time[[0, 1, -1]], [-500, -499.95, 499.95])
    assert np.isin(np.rint((sd.train[0] + 500) * 20), np.arange(20_000)).all()
    assert SpikeData.from_thresholding(traces, FS_HZ, length=3000).length == 3000.0


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.float16])
def test_small_number_types_lose_nothing(dtype):
    traces = np.full((1, 400_000), 500, dtype)
    traces[0, ::2] = 502
    traces[0, 1000] = 700
    sd = SpikeData.from_thresholding(traces, 1000, 600.0, filter=False)
    wide = SpikeData.from_thresholding(traces.astype(np.float64), 1000, 600.0, filter=False)
    assert sd.train[0].tolist() == wide.train[0].tolist() == [1000.0]


@pytest.mark.parametrize("level", [0.0, 1000.0])
def test_dead_channels_have_no_spikes(level):
    assert SpikeData.from_thresholding(np.full((1, 5000), level)).train[0].size == 0


def test_no_channels_and_no_samples():
    assert SpikeData.from_thresholding(np.zeros((0, 100))).N == 0
    empty = SpikeData.from_thresholding(np.zeros((2, 0)))
    assert (empty.N, empty.length) == (2, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fs_Hz": 0}, "sampling frequency"),
        ({"fs_Hz": None}, "fs_Hz"),
        ({"fs_Hz": 10_000}, "half the sampling frequency"),
        ({"filter": {"lowcut": 500, "highcut": 300}}, "pass band"),
        ({"filter": {"low": 500}}, "filter is not understood"),
        ({"filter": {"lowcut": "300"}}, "filter is not understood"),
        ({"filter": {}}, "filter is not understood"),
        ({"filter": None}, "filter is not understood"),
        ({"filter": {"lowcut": 300, "order": 0}}, "order"),
        ({"filter": {"lowcut": 300, "order": 1.5}}, "order"),
        ({"direction": "left"}, "direction is unknown; found left; allowed: both, up, down"),
        ({"threshold_sigma": 0}, "threshold_sigma"),
        ({"threshold_sigma": np.nan}, "threshold_sigma"),
    ],
)
def test_unusable_options_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        SpikeData.from_thresholding(np.zeros((1, 1000)), **arguments)


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        (np.zeros(10), "numeric array"),
        ([["a"]], "numeric array"),
        (np.full((1, 100), np.nan), "not finite"),
        (np.zeros((1, 5)), "too short"),
    ],
)
def test_unusable_traces_are_refused(traces, message):
    with pytest.raises(InvalidSpikeData, match=message):
        SpikeData.from_thresholding(traces)
