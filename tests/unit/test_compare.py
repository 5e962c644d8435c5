"""A comparison that cannot see a fault proves nothing: every kind of fault is put in."""

from __future__ import annotations

import numpy as np
import pytest

from spikelab import SpikeData
from spikelab.compare import Precision, differences, same_value
from tests.conftest import make_hard_session


def changed(**changes) -> SpikeData:
    sd = make_hard_session()
    state = {
        name: getattr(sd, name) for name in ("train", "start_time", "length", "neuron_attributes")
    }
    return SpikeData(**({"metadata": sd.metadata} | state | changes))


def with_attribute(name, value) -> SpikeData:
    units = [dict(unit) for unit in make_hard_session().neuron_attributes]
    units[2][name] = value
    return changed(neuron_attributes=units)


def test_equal_sessions_do_not_differ(hard_session):
    assert differences(hard_session, changed()) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: changed(start_time=11_999.0), "start_time: 12000.0 ms, found 11999.0 ms"),
        (lambda: changed(length=29_999.0), "length: 30000.0 ms, found 29999.0 ms"),
        (lambda: changed(metadata={}), "metadata: fs_Hz is lost"),
        (lambda: with_attribute("unit_id", 51), "unit ids: [3, 7, 50"),
        (lambda: with_attribute("snr", 4.6), "unit 2: snr is 4.5, found 4.6"),
        (lambda: with_attribute("is_inhibitory", 1), "unit 2: is_inhibitory is True, found 1"),
        (lambda: with_attribute("waveform", np.zeros(40)), "unit 2: waveform is"),
        (lambda: changed(raw_data=[[1.0]], raw_time=[0.0]), "raw traces or their times differ"),
        (
            lambda: changed(train=make_hard_session().train[::-1]),
            "unit 0: 400 spikes in the source, 90 found",
        ),
        (lambda: SpikeData([], length=1), "units: 6 in the source, 0 found"),
    ],
)
def test_each_fault_is_named(hard_session, found, expected):
    assert any(line.startswith(expected) for line in differences(hard_session, found()))


@pytest.mark.parametrize(
    ("precision", "harmless_ms", "fault_ms"),
    [
        (Precision("ms"), 0.0, 1e-11),
        (Precision("s"), 4e-12, 1e-8),
        (Precision("samples", fs_Hz=30_000), 0.4 / 30, 0.6 / 30),
        (Precision("bin", bin_size_ms=1.0), 0.2, 1.0),
    ],
)
def test_spikes_may_move_as_far_as_the_precision_says(precision, harmless_ms, fault_ms):
    source = SpikeData([[10.5, 20.5]], length=100)
    moved = [SpikeData([[10.5, 20.5 + shift]], length=100) for shift in (harmless_ms, fault_ms)]
    assert differences(source, moved[0], precision) == []
    assert len(differences(source, moved[1], precision)) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.nan, float("nan"), True),
        ([1, 2], np.array([1, 2]), True),
        ([1, [2, 3]], [1, [2, 4]], False),
        ({"a": [1]}, {"a": (1,)}, True),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, [1], False),
        (np.zeros(2), np.zeros(3), False),
        (True, 1, False),
        ("1", 1, False),
        (None, None, True),
        (np.float64(2.0), 2.0, True),
    ],
)
def test_values(one, other, same):
    assert same_value(one, other) is same
