import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikelab
from spikelab import SpikeData, convert
from spikelab.errors import InvalidSpikeData, OptionError
from tests.strategies import sessions

PROPERTY = settings(deadline=None, max_examples=60)


def trains_of(sd):
    return [times.tolist() for times in sd.train]


@pytest.fixture
def sd():
    attributes = [
        {"unit_id": 6, "group": "good"},
        {"unit_id": 191, "group": "mua", "tags": np.array([1, 2])},
        {"unit_id": 206, "group": "good"},
    ]
    return SpikeData(
        [[10, 20, 30], [], [15, 25, 40]],
        length=40,
        neuron_attributes=attributes,
        metadata={"fs_Hz": 1000.0},
        raw_data=np.arange(80).reshape(2, 40),
        raw_time=1.0,
    )


# -- what it holds --------------------------------------------------------------------------------


def test_it_is_found_in_three_places():
    from spikelab.spikedata import SpikeData as one
    from spikelab.spikedata.spikedata import SpikeData as other

    assert spikelab.SpikeData is one is other
    assert (one.__module__, one.__qualname__) == ("spikelab.spikedata.spikedata", "SpikeData")


def test_defaults():
    sd = SpikeData([[3, 1], []])
    assert trains_of(sd) == [[1.0, 3.0], []]
    assert all(times.dtype == np.float64 for times in sd.train)
    assert (sd.N, sd.length, sd.start_time) == (2, 3.0, 0.0)
    assert (sd.neuron_attributes, sd.metadata) == (None, {})
    assert (sd.raw_data.shape, sd.raw_time.shape) == ((0, 0), (0,))
    assert type(sd.N) is int
    assert type(sd.length) is float


def test_the_instance_dict_is_what_pickles_exchange():
    assert list(vars(SpikeData([]))) == [
        *["train", "N", "start_time", "length", "neuron_attributes", "metadata"],
        *["raw_data", "raw_time"],
    ]


@pytest.mark.parametrize(
    "times",
    [
        [2, 1],
        (1.0, 2.0),
        np.array([2, 1], np.uint16),
        np.array([1, 2], np.float32),
        np.array([1, 2], ">i8"),
        np.array([9, 1, 9, 2])[1::2],
        np.ma.array([1.0, 2.0]),
    ],
)
def test_times_of_any_number_type(times):
    sd = SpikeData([times])
    assert trains_of(sd) == [[1.0, 2.0]]
    assert sd.train[0].dtype == np.float64


def test_trains_may_come_from_a_generator_or_a_matrix():
    assert trains_of(SpikeData(iter([[1], [2]]))) == [[1.0], [2.0]]
    assert trains_of(SpikeData(np.array([[2, 1], [3, 4]]))) == [[1.0, 2.0], [3.0, 4.0]]


def test_inputs_are_neither_changed_nor_shared():
    times, attributes, metadata = np.array([2.0, 1.0]), [{"a": 1}], {"b": 2}
    sd = SpikeData([times], neuron_attributes=attributes, metadata=metadata)
    assert times.tolist() == [2.0, 1.0]
    ordered = np.array([1.0, 2.0])
    other = SpikeData([ordered])
    sd.train[0][:] = other.train[0][:] = 0
    sd.neuron_attributes[0]["a"] = sd.metadata["b"] = "changed"
    assert (times.tolist(), ordered.tolist()) == ([2.0, 1.0], [1.0, 2.0])
    assert (attributes, metadata) == ([{"a": 1}], {"b": 2})


def test_n_adds_silent_units():
    sd = SpikeData([[1.0]], N=3)
    assert (sd.N, trains_of(sd)) == (3, [[1.0], [], []])
    assert SpikeData([], N=np.int64(2)).N == 2


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_n_must_hold_the_trains(n):
    with pytest.raises(InvalidSpikeData, match=r"N=.* with 2 trains; allowed: .* at least 2"):
        SpikeData([[1], [2]], N=n)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, np.nan, np.inf], "unit 1 are not all finite; found 2 .* first at position 1"),
        ([True, False], "dtype bool"),
        (["1", "2"], "not a list of numbers"),
        ([1, None], "not a list of numbers"),
        ([[1], [2, 3]], "unit 1 are ragged"),
        ([[1.0]], r"shape \(1, 1\)"),
        (5.0, r"shape \(\)"),
        ((time for time in [1.0]), "not a list of numbers"),
        ([1j], "dtype complex"),
        (np.ma.array([1.0, 2.0], mask=[False, True]), "unit 1 are partly masked"),
    ],
)
def test_trains_that_are_none(times, message):
    with pytest.raises(InvalidSpikeData, match=message):
        SpikeData([[1.0], times])


def test_times_with_a_unit_of_their_own_are_not_taken_for_ms():
    import quantities

    with pytest.raises(InvalidSpikeData, match="from_neo_spiketrains"):
        SpikeData([[1.0, 2.0] * quantities.s])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 9.9}, "1 spike times of unit 1 .* 2.0 to 10.0 ms; allowed: 0.0 to 9.9 ms"),
        ({"start_time": 3}, "1 spike times of unit 1 .*allowed: 3.0 to"),
        ({"start_time": 3, "length": 2}, "2 spike times of unit 1 lie outside"),
        ({"length": -1}, "length must not be negative"),
        ({"length": np.nan}, "length must be a finite number"),
        ({"length": "long"}, "length must be a finite number; found long"),
        ({"start_time": np.inf}, "start_time must be a finite number"),
        ({"start_time": None}, "start_time must be a finite number"),
        ({"neuron_attributes": [{}]}, "1 entries for 2 units"),
        ({"neuron_attributes": [{}, 5]}, "attributes of unit 1 must be a mapping; found int"),
        ({"metadata": [1]}, "metadata must be a mapping"),
        ({"raw_data": [[1]]}, "given together"),
        ({"raw_time": 1.0}, "given together"),
        ({"raw_data": [1, 2], "raw_time": 1.0}, r"shapes \(2,\)"),
        ({"raw_data": [[1, 2]], "raw_time": [0.0]}, r"shapes \(1, 2\) and \(1,\)"),
        ({"raw_data": [[1, 2]], "raw_time": 0}, "above 0 kHz"),
        ({"raw_data": [[1, 2]], "raw_time": [0, np.nan]}, "finite and ascending"),
        ({"raw_data": [[1, 2]], "raw_time": [1, 0]}, "finite and ascending"),
        ({"raw_data": [["a"]], "raw_time": 1.0}, "must be numbers"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(InvalidSpikeData, match=message):
        SpikeData([[5.0], [2.0, 10.0]], **arguments)


@PROPERTY
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5), st.floats(-1e9, 1e9))
def test_a_session_holds_its_spikes_whatever_is_rounded(times, start):
    """SpikeLab's check, start <= t <= start + length, without any tolerance."""
    times = [time for time in times if time >= start] + [start]
    for length in (None, max(times) - start):
        sd = SpikeData([times], start_time=start, length=length)
        assert trains_of(sd) == [sorted(times)]
        assert start <= sd.train[0][0]
        assert sd.train[0][-1] <= sd.start_time + sd.length
        assert sd.length == pytest.approx(max(times) - start, rel=1e-15, abs=1e-15)
        if sd.length:
            assert trains_of(sd.subtime(None, None, shift_to=0)) == [sorted(times)]


def test_edges_belong_to_the_session():
    sd = SpikeData([[-200, 300]], start_time=-200, length=500)
    assert (sd.start_time, sd.length) == (-200.0, 500.0)


def test_raw_time_as_a_rate_in_khz_counts_from_the_start():
    sd = SpikeData([], start_time=-10, length=5, raw_data=np.zeros((2, 4)), raw_time=20)
    np.testing.assert_allclose(sd.raw_time, [-10, -9.95, -9.9, -9.85])


@pytest.mark.parametrize("clone", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_copies_are_equal_and_independent(sd, clone):
    cloned = clone(sd)
    assert trains_of(cloned) == trains_of(sd)
    assert cloned.neuron_attributes[0] == sd.neuron_attributes[0]
    np.testing.assert_array_equal(cloned.raw_data, sd.raw_data)
    cloned.train[0][0] = 0
    cloned.neuron_attributes[0]["group"] = "noise"
    assert (sd.train[0][0], sd.neuron_attributes[0]["group"]) == (10.0, "good")


def test_repr_is_short():
    assert repr(SpikeData([[1, 2], []], length=9)) == "SpikeData(2 units, 2 spikes, 9 ms from 0 ms)"


# -- constructors ---------------------------------------------------------------------------------


@PROPERTY
@given(sessions(with_attributes=False))
def test_events_and_pairs_give_back_the_session(sd):
    idces, times = sd.idces_times()
    assert np.all(np.diff(times) >= 0)
    settings_of = {"start_time": sd.start_time, "length": sd.length}
    for other in (
        SpikeData.from_idces_times(idces, times, sd.N, **settings_of),
        SpikeData.from_idces_times(idces[::-1], times[::-1], sd.N, **settings_of),
        SpikeData.from_events(zip(idces, times), sd.N, **settings_of),
    ):
        assert trains_of(other) == trains_of(sd)
        assert other.N == sd.N


def test_the_number_of_units_is_the_highest_index_plus_one():
    assert SpikeData.from_idces_times([2], [1.0]).N == 3
    assert SpikeData.from_events([(1, 5.0)]).N == 2
    assert SpikeData.from_idces_times([], []).N == SpikeData.from_events([]).N == 0
    assert SpikeData.from_events([], N=2).N == 2


@pytest.mark.parametrize("events", [[(1, 2, 3), (4, 5, 6)], [0, 1.0], [(0, "a")], [(0, 1), (1,)]])
def test_events_must_be_pairs(events):
    with pytest.raises(InvalidSpikeData, match="not pairs"):
        SpikeData.from_events(events)


@pytest.mark.parametrize(("idces", "n"), [([0, 3], 3), ([-1, 0], None), ([0.5, 1], None)])
def test_indices_must_be_units(idces, n):
    with pytest.raises(InvalidSpikeData):
        SpikeData.from_idces_times(idces, [1.0, 2.0], n)


def test_neo_spike_trains_of_different_units():
    import neo

    one = neo.SpikeTrain([0.5, 1.5], units="s", t_start=0.25, t_stop=2)
    two = neo.SpikeTrain([300.0, 2500.0], units="ms", t_start=100, t_stop=2600)
    silent = neo.SpikeTrain([], units="us", t_stop=1e6, t_start=5e5)
    sd = SpikeData.from_neo_spiketrains(train for train in (one, two, silent))
    assert trains_of(sd) == [[500.0, 1500.0], [300.0, 2500.0], []]
    assert (sd.start_time, sd.length) == (100.0, 2500.0)
    longer = SpikeData.from_neo_spiketrains([one], start_time=-50, length=5000)
    assert (longer.start_time, longer.length) == (-50.0, 5000.0)
    assert SpikeData.from_neo_spiketrains([one], start_time=50).length == 1950.0
    assert SpikeData.from_neo_spiketrains([]).N == 0


# -- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "by", "preserve_order", "ids"),
    [
        ([2, 0], None, False, [6, 206]),
        ([2, 0, 2], None, True, [206, 6]),
        (np.array([1]), None, False, [191]),
        (1, None, False, [191]),
        ([], None, False, []),
        ([206, 6], "unit_id", False, [6, 206]),
        ([206, 6], "unit_id", True, [206, 6]),
        (206, "unit_id", False, [206]),
        ("good", "group", False, [6, 206]),
        (["mua", "good"], "group", True, [191, 6, 206]),
        ([5], "unit_id", False, []),
        ([None], "tags", False, []),
        ([[1, 2]], "tags", False, [191]),
    ],
)
def test_subset(sd, units, by, preserve_order, ids):
    part = sd.subset(units, by=by, preserve_order=preserve_order)
    assert [unit["unit_id"] for unit in part.neuron_attributes] == ids
    spikes = {6: [10, 20, 30], 191: [], 206: [15, 25, 40]}
    assert trains_of(part) == [spikes[unit_id] for unit_id in ids]
    assert (part.length, part.start_time, part.metadata) == (40.0, 0.0, {"fs_Hz": 1000.0})


@pytest.mark.parametrize("units", [[3], [-1], [0, 7]])
def test_subset_refuses_units_that_do_not_exist(sd, units):
    with pytest.raises(OptionError, match=r"does not exist; found .*; allowed: 0 to 2"):
        sd.subset(units)


def test_subset_refuses_a_mask_and_an_unknown_attribute(sd):
    with pytest.raises(InvalidSpikeData, match="whole numbers"):
        sd.subset([True, False, True])
    with pytest.raises(OptionError, match="found unit_idx; allowed: group, tags, unit_id"):
        sd.subset([6], by="unit_idx")
    with pytest.raises(OptionError, match="no attributes"):
        SpikeData([[1.0]]).subset([6], by="unit_id")


def test_parts_do_not_share_what_can_change(sd):
    for part in (sd.subset([0, 1, 2]), sd.subtime(None, None)):
        part.train[0][:] = 1.0
        part.neuron_attributes[0]["group"] = "noise"
        part.metadata["fs_Hz"] = 0.0
    assert trains_of(sd)[0] == [10, 20, 30]
    assert (sd.neuron_attributes[0]["group"], sd.metadata["fs_Hz"]) == ("good", 1000.0)


@pytest.mark.parametrize(
    ("start", "end", "shift_to", "trains", "new_start", "length"),
    [
        (10, 30, None, [[0, 10], [], [5, 15]], 0, 20),
        (10, 30, 20, [[-10, 0], [], [-5, 5]], -10, 20),
        (10, 30, 0, [[10, 20], [], [15, 25]], 10, 20),
        (None, ..., None, [[10, 20, 30], [], [15, 25, 40]], 0, 40),
        (..., 20, None, [[10], [], [15]], 0, 20),
        (30, None, None, [[0], [], [10]], 0, 10),
        (-15, -5, None, [[5], [], [0]], 0, 10),
        (-15, 40, None, [[5], [], [0, 15]], 0, 15),
    ],
)
def test_subtime(sd, start, end, shift_to, trains, new_start, length):
    part = sd.subtime(start, end, shift_to)
    assert trains_of(part) == trains
    assert (part.start_time, part.length) == (new_start, length)
    assert part.N == 3


def test_subtime_cuts_the_raw_traces_too(sd):
    part = sd.subtime(10, 13, shift_to=11)
    assert part.raw_data.tolist() == [[10, 11, 12], [50, 51, 52]]
    assert part.raw_time.tolist() == [-1, 0, 1]


def test_subtime_takes_negative_times_literally_before_zero():
    sd = SpikeData([[-150, -50, 50]], start_time=-200, length=400)
    assert trains_of(sd.subtime(-100, 100, shift_to=0)) == [[-50, 50]]


@pytest.mark.parametrize("window", [(-1e9, None), (0, 41), (41, None), (20, 20), (30, 10)])
def test_subtime_refuses_windows_outside(sd, window):
    with pytest.raises(OptionError, match="not inside the session"):
        sd.subtime(*window)
    with pytest.raises(InvalidSpikeData, match="finite"):
        sd.subtime(np.nan, None)


@PROPERTY
@given(sessions(with_attributes=False), st.floats(0.01, 0.99))
def test_two_parts_make_the_whole(sd, share):
    middle = sd.start_time + share * sd.length
    if not sd.start_time < middle < sd.start_time + sd.length:
        return
    early, late = sd.subtime(None, middle, 0), sd.subtime(middle, None, 0)
    for times, first, second in zip(sd.train, early.train, late.train):
        np.testing.assert_array_equal(np.append(first, second), times)
        assert np.all(first < middle)


def test_methods_that_export(tmp_path):
    sd = SpikeData(
        [[1.0, 2.5], []],
        length=10.0,
        metadata={"session_start_time": "2024-05-06T10:00:00+02:00"},
    )
    sd.to_hdf5(str(tmp_path / "a.h5"), style="paired")
    sd.to_nwb(str(tmp_path / "a.nwb"))
    times_file, clusters_file = sd.to_kilosort(str(tmp_path / "folder"), fs_Hz=20_000)
    assert np.load(times_file).tolist() == [20, 50]
    assert np.load(clusters_file).tolist() == [0, 0]
    for name in ("a.h5", "a.nwb", "folder"):
        found = convert.load(tmp_path / name)
        assert [times.round(9).tolist() for times in found.train] == [[1.0, 2.5], []]
