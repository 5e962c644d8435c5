"""Pickles of sessions: what comes back, which bytes are written, what is left out."""

from __future__ import annotations

import datetime
import os
import pickle
import subprocess
import sys
import zoneinfo
from collections import OrderedDict, defaultdict
from decimal import Decimal
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spikelab import SpikeData, convert
from spikelab.compare import differences
from spikelab.data_loaders.data_exporters import export_to_pickle
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
from spikelab.errors import LossWarning, OptionError
from tests.conftest import REPOSITORY, make_hard_session

CET = datetime.timezone(datetime.timedelta(hours=1), "CET")
PROTOCOLS = range(6)


def round_trip(value, path: Path, protocol: int = 5):
    export_to_pickle(SpikeData([], metadata={"x": value}), path, protocol=protocol)
    return load_spikedata_from_pickle(path).metadata["x"]


VALUES = {
    "none": None,
    "bool": True,
    "ints": [0, -1, 255, 65536, 2**31, -(2**63), 2**200],
    "floats": [0.1, -0.0, 1e308, float("inf")],
    "complex": 1 - 2j,
    "text": ["", "a", "µV ∞ 🧠", "line\nend\\u0041", "x" * 300, "x" * 70_000],
    "bytes": [b"", b"a", bytes(range(256)), b"x" * 300],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "nested": {"a": {"b": [{"c": (1, [2, {}])}]}},
    "keys": {1: "a", 2.5: "b", None: "c", (0, 1): "e", b"k": "f", np.int64(9): "g"},
    "sets": [set(), {3, 1, 2}, {"b", "a", "c"}, frozenset({"x", 1})],
    "times": [
        datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999),
        datetime.datetime(2024, 10, 27, 2, 30, tzinfo=CET),
        datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
        datetime.date(9999, 12, 31),
        datetime.time(12, 30, 1, 5, tzinfo=CET),
        datetime.timedelta(days=-3, seconds=7, microseconds=1),
        datetime.UTC,
    ],
    "scalars": [
        np.float64(1.5), np.float32(0.1), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True),
        np.str_("abc"), np.str_(""), np.bytes_(b"xy"), np.complex64(1 + 2j), np.float16(2),
        np.datetime64("2024-03-05T14:30", "ns"), np.timedelta64(5, "ms"), np.datetime64("NaT"),
    ],
}  # fmt: skip


def same(found, expected) -> bool:
    """Equal in value and in type, all the way down."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return same(list(found.items()), list(expected.items()))
    if isinstance(expected, np.generic):
        return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    if isinstance(expected, datetime.datetime):
        return (found.isoformat(), found.fold) == (expected.isoformat(), expected.fold)
    return repr(found) == repr(expected) if isinstance(expected, float) else found == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", VALUES)
def test_plain_values_come_back_as_they_are(tmp_path, name, protocol):
    assert same(round_trip(VALUES[name], tmp_path / "x.pkl", protocol), VALUES[name])


@pytest.mark.parametrize("protocol", [4, 5])
def test_the_second_of_two_equal_clock_times_comes_back(tmp_path, protocol):
    """Older protocols do not hold it, whoever writes them."""
    moments = [datetime.datetime(2024, 10, 27, 2, 30, fold=1), datetime.time(2, 30, fold=1)]
    found = round_trip(moments, tmp_path / "x.pkl", protocol)
    assert found == moments
    assert [one.fold for one in found] == [1, 1]


@settings(max_examples=150, deadline=None)
@given(
    npst.arrays(
        st.one_of(
            npst.scalar_dtypes(),
            npst.byte_string_dtypes(min_len=1, max_len=5),
            npst.unicode_string_dtypes(min_len=1, max_len=5),
        ),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.sampled_from(PROTOCOLS),
    st.sampled_from("CF"),
)
def test_arrays_come_back_bit_by_bit(tmp_path_factory, array, protocol, order):
    path = tmp_path_factory.getbasetemp() / "array.pkl"
    found = round_trip(np.array(array, order=order), path, protocol)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_objects_come_back(tmp_path, protocol):
    array = np.empty((2, 2), object)
    array[:] = [["a", None], [np.arange(3), {"k": {1}}]]
    found = round_trip(array, tmp_path / "x.pkl", protocol)
    assert found.shape == (2, 2)
    assert found[0].tolist() == ["a", None]
    assert found[1, 0].tolist() == [0, 1, 2]
    assert found[1, 1] == {"k": {1}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_standard_pickler_is_understood(tmp_path, protocol):
    sd = make_hard_session(metadata=VALUES | {"od": OrderedDict(a=1), "p": PurePosixPath("/a/b")})
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(sd, protocol))
    found = load_spikedata_from_pickle(path)
    assert differences(sd, found, parts=frozenset({"start_time", "length", "attributes"})) == []
    assert found.metadata.pop("od") == {"a": 1}
    assert found.metadata.pop("p") == "/a/b"
    assert same(found.metadata, VALUES)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_standard_unpickler_understands_ours(tmp_path, protocol):
    sd = make_hard_session()
    sd.metadata["tags"] = {"b", "a"}
    path = export_to_pickle(sd, tmp_path / "x.pkl", protocol=protocol)
    found = pickle.loads(Path(path).read_bytes())
    assert type(found) is SpikeData
    assert differences(sd, found) == []
    assert all(times.flags.writeable for times in found.train)


def test_numpy_1_wrote_other_names(tmp_path):
    sd = make_hard_session()
    for protocol in PROTOCOLS:
        content = pickle.dumps(sd, protocol)
        older = content.replace(b"numpy._core.", b"numpy.core.")
        # The length of a name is stored beside it, except in the oldest protocols.
        older = older.replace(b"\x8c\x16numpy.core.m", b"\x8c\x15numpy.core.m")
        older = older.replace(b"\x8c\x13numpy.core.n", b"\x8c\x12numpy.core.n")
        assert older != content
        # Frames count bytes as well; readers of whole files need not mind them.
        path = tmp_path / "x.pkl"
        path.write_bytes(older)
        assert differences(sd, load_spikedata_from_pickle(path)) == []


class TestBytes:
    def test_do_not_depend_on_which_objects_are_one(self, tmp_path):
        shared, label = np.arange(3.0), "".join(["la", "bel"])
        one = [{"w": shared, "k": label, "d": np.dtype("f8").type(1)}, {"w": shared, "k": label}]
        two = [
            {"w": np.arange(3.0), "k": "".join(["lab", "el"]), "d": np.float64(1)},
            {"".join(["", "w"]): np.arange(6.0)[:3], "k": "label"},
        ]
        assert self.written(tmp_path, one) == self.written(tmp_path, two)

    def test_do_not_depend_on_how_arrays_lie_in_memory(self, tmp_path):
        plain = np.arange(6.0).reshape(2, 3)
        frozen = plain.copy()
        frozen.flags.writeable = False
        annotated = plain.astype(np.dtype("f8", metadata={"unit": "uV"}))
        strided = np.zeros((4, 6))[::2, ::2]
        strided[:] = plain
        expected = self.written(tmp_path, [{"w": plain}, {}])
        for other in (np.asfortranarray(plain), frozen, annotated, strided, plain.copy("F").T.T):
            assert self.written(tmp_path, [{"w": other}, {}]) == expected

    @staticmethod
    def written(tmp_path, attributes, **options) -> bytes:
        sd = SpikeData([[1.0], [2.0]], neuron_attributes=attributes)
        return Path(export_to_pickle(sd, tmp_path / "x.pkl", **options)).read_bytes()

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_stay_after_a_round_trip(self, tmp_path, protocol):
        sd = make_hard_session(metadata=VALUES)
        first = Path(export_to_pickle(sd, tmp_path / "1.pkl", protocol=protocol))
        again = load_spikedata_from_pickle(first)
        second = Path(export_to_pickle(again, tmp_path / "2.pkl", protocol=protocol))
        assert first.read_bytes() == second.read_bytes()

    @pytest.mark.parametrize("seed", ["0", "1", "2"])
    def test_of_sets_do_not_depend_on_the_hash_seed(self, tmp_path, seed):
        code = (
            "import sys; from spikelab import SpikeData, convert\n"
            "tags = {'s': {'alpha', 'beta', 'gamma', 1, (2, 'x')}, 'f': frozenset('abcdef')}\n"
            "convert.save(SpikeData([], metadata=tags), sys.argv[1])"
        )
        written = []
        for place in (seed, "7"):
            target = tmp_path / f"{place}.pkl"
            environment = os.environ | {"PYTHONHASHSEED": place}
            command = [sys.executable, "-c", code, str(target)]
            subprocess.run(command, check=True, cwd=REPOSITORY, env=environment)
            written.append(target.read_bytes())
        assert written[0] == written[1]


class TestOptions:
    def test_the_protocol_is_the_one_asked_for(self, tmp_path):
        for protocol in (2, 3, 4, 5):
            path = export_to_pickle(make_hard_session(), tmp_path / "x.pkl", protocol=protocol)
            assert Path(path).read_bytes()[:2] == bytes((0x80, protocol))

    def test_five_by_default_and_as_highest(self, tmp_path):
        for protocol in (None, -1):
            path = export_to_pickle(make_hard_session(), tmp_path / "x.pkl", protocol=protocol)
            assert Path(path).read_bytes()[:2] == b"\x80\x05"

    @pytest.mark.parametrize("protocol", [6, -2, "5", 2.0, True])
    def test_there_is_no_other(self, tmp_path, protocol):
        with pytest.raises(OptionError, match="0 to 5"):
            export_to_pickle(make_hard_session(), tmp_path / "x.pkl", protocol=protocol)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("thing", [{"train": []}, None, [1.0], SpikeData])
    def test_only_sessions_are_exported(self, tmp_path, thing):
        with pytest.raises(OptionError, match="SpikeData"):
            export_to_pickle(thing, tmp_path / "x.pkl")


class Probe:
    """Of a laboratory, unknown to everybody else."""


class TestLosses:
    @pytest.mark.parametrize(
        "value",
        [
            Probe(), Probe, len, Decimal(1), 2**5000, [1, [Probe()]], {"deep": {"er": Probe()}},
            {Probe(): 1}, np.array([Probe()]), np.ma.array([1.0, 2.0], mask=[True, False]),
            np.zeros(2, [("a", "f8")]), np.zeros(2, [("a", "f8")])[0], range(3), iter([1]),
        ],
    )  # fmt: skip
    def test_what_could_not_be_read_back_is_left_out_and_named(self, tmp_path, value):
        sd = SpikeData([], metadata={"odd": value, "fs_Hz": 1.0})
        with pytest.warns(LossWarning, match=r"metadata\['odd'\].*left out"):
            export_to_pickle(sd, tmp_path / "x.pkl")
        assert load_spikedata_from_pickle(tmp_path / "x.pkl").metadata == {"fs_Hz": 1.0}

    def test_one_warning_for_all_units(self, tmp_path):
        attributes = [{"probe": Probe(), "k": i} for i in range(5)]
        sd = SpikeData([[]] * 5, neuron_attributes=attributes)
        with pytest.warns(LossWarning, match=r"probe.*5 times.*Probe") as caught:
            export_to_pickle(sd, tmp_path / "x.pkl")
        assert len(caught) == 1
        assert Path(caught[0].filename) == Path(__file__)
        found = load_spikedata_from_pickle(tmp_path / "x.pkl")
        assert found.neuron_attributes == [{"k": i} for i in range(5)]

    def test_values_that_contain_themselves(self, tmp_path):
        ring: list = []
        ring.append(ring)
        with pytest.warns(LossWarning, match="nested too deeply"):
            export_to_pickle(SpikeData([], metadata={"ring": ring}), tmp_path / "x.pkl")

    def test_paths_become_text(self, tmp_path):
        with pytest.warns(LossWarning, match="kept as text"):
            assert round_trip(PurePosixPath("/data/a"), tmp_path / "x.pkl") == "/data/a"

    def test_of_a_named_time_zone_the_offset_is_kept(self, tmp_path):
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        moment = datetime.datetime(2024, 7, 1, 12, tzinfo=zone)
        with pytest.warns(LossWarning, match="offset"):
            found = round_trip(moment, tmp_path / "x.pkl")
        assert found.isoformat() == "2024-07-01T12:00:00+02:00"

    def test_dicts_of_other_kinds_become_dicts(self, tmp_path):
        kinds = [OrderedDict(b=1, a=2), defaultdict(list, c=[1])]
        assert same(round_trip(kinds, tmp_path / "x.pkl"), [{"b": 1, "a": 2}, {"c": [1]}])

    def test_attributes_of_a_later_library_are_named(self, tmp_path):
        sd = make_hard_session()
        sd.colour = "blue"
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(sd))
        with pytest.warns(LossWarning, match="colour"):
            convert.load(tmp_path / "x.pkl")


def test_a_pickle_without_the_later_attributes_opens(tmp_path):
    """Earlier versions of the library had no start_time."""
    sd = SpikeData([[1.0]], length=2.0)
    del sd.start_time, sd.metadata, sd.raw_data, sd.raw_time
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(sd))
    found = load_spikedata_from_pickle(tmp_path / "x.pkl")
    assert (found.start_time, found.length, found.metadata) == (0.0, 2.0, {})
