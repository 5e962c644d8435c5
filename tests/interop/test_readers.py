"""Every reader on every export that it opens: spikes, ids, channels, places, start and end."""

from __future__ import annotations

import numpy as np
import pytest

from spikelab.formats import registry
from tests.interop import table
from tests.interop.comparing import Reader, Seen, findings
from tests.interop.readers import READERS
from tests.interop.refusals import REFUSALS, outcome
from tests.interop.sessions import EDGES, EXPORTS, export, hard

# pynapple, on a unit with a single spike.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Some epochs have no duration:UserWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning"),
]


def name_of(reader: Reader) -> str:
    return f"{reader.package}-{reader.format}-{reader.name}"


@pytest.mark.parametrize("reader", READERS, ids=name_of)
def test_the_hard_session(reader, hard_exports, spikelab_library):
    source, paths = hard_exports
    found = table.observed(reader, source, paths, spikelab_library)
    assert found == table.declared(reader)


@pytest.mark.parametrize("reader", READERS, ids=name_of)
def test_the_real_recording(reader, real_exports, spikelab_library):
    """It has no silent units and no electrodes, so that there are fewer limits to meet."""
    source, paths = real_exports
    found = table.observed(reader, source, paths, spikelab_library)
    assert found.items() <= table.declared(reader).items()


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: f"{one.package}-{one.session}")
def test_what_readers_do_not_bear(refusal, tmp_path, spikelab_library):
    """Also so that it is noticed once they do."""
    sd = EDGES[refusal.session]()
    path = export(sd, tmp_path, refusal.format)
    for reader in READERS:
        if (reader.package, reader.format) == (refusal.package, refusal.format):
            assert refusal.says in outcome(reader, path, spikelab_library, sd.N)


def test_no_export_is_left_out():
    assert {reader.format for reader in READERS} == set(EXPORTS) == set(registry.EXPORTS)


def test_the_table_in_the_documentation_is_theirs():
    """``python -m tests.interop.table`` makes it anew."""
    expected = table.render(table.declared, lambda package: "1.0")
    assert table.without_versions(table.in_document()) == table.without_versions(expected)


class TestComparing:
    """That the comparison can fail."""

    reader = Reader("a reader", "a package", "nwb", read=lambda path, library: Seen())

    def seen(self, **changes) -> Seen:
        source = hard()
        trains = list(source.samples().values())
        settings = {
            "trains": trains,
            "ids": source.ids,
            "channels": source.channels,
            "places": source.places,
            "window_s": (12.0, 42.0),
        }
        return Seen(**(settings | changes))

    def test_all_is_well(self):
        assert findings(self.reader, self.seen(), hard()) == {}

    def test_nothing_is_said(self):
        nothing = dict.fromkeys(("ids", "channels", "places", "window_s"))
        assert findings(self.reader, self.seen(**nothing), hard()) == dict.fromkeys(
            ("ids", "channels", "places", "start and end"), "unspoken"
        )

    @pytest.mark.parametrize(
        ("fact", "changes"),
        [
            ("ids", {"ids": [3, 7, 50, 11, 20, 22]}),
            ("spikes", {"ids": [7, 3, 50, 11, 20, 21]}),
            ("channels", {"channels": [4, 4, 9, 10, 0, 12]}),
            ("places", {"places": [[0.0, 80.0, 0.0]] * 6}),
            ("start and end", {"window_s": (12.0, 32.0)}),
            ("messages", {"messages": ["check_keywords", "check_another"]}),
        ],
    )
    def test_one_thing_is_wrong(self, fact, changes):
        assert findings(self.reader, self.seen(**changes), hard())[fact] == "wrong"

    def test_one_spike_is_a_sample_late(self):
        trains = [train.copy() for train in hard().samples().values()]
        trains[0][17] += 1
        assert findings(self.reader, self.seen(trains=trains), hard()) == {"spikes": "wrong"}

    def test_silent_units_are_missing(self):
        keep = [0, 1, 2, 4, 5]
        source = hard()
        every = {"ids": source.ids, "channels": source.channels, "places": source.places}
        fewer = {name: [values[i] for i in keep] for name, values in every.items()}
        trains = [train for train in source.samples().values() if np.size(train)]
        found = findings(self.reader, self.seen(trains=trains, **fewer), source)
        assert found == {"silent units": "unspoken"}
