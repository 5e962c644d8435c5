"""A pickle that somebody made to do harm: it does none, and the error says what it wanted."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikelab import SpikeData, convert
from spikelab.data_loaders.data_loaders import load_spikedata_from_pickle
from spikelab.errors import FormatError, SpikelabError
from spikelab.formats import safe_pickle
from tests.conftest import make_hard_session

SPIKEDATA = b"cspikelab.spikedata.spikedata\nSpikeData\n"
EMPTY_SESSION = SPIKEDATA + b")\x81"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def session_with(metadata: bytes, rest: bytes = b"") -> bytes:
    """A pickle of an empty session whose metadata hold one value made by these instructions."""
    state = text("train") + b"]" + text("metadata") + b"}" + text("x") + metadata + b"s" + rest
    return b"\x80\x02" + EMPTY_SESSION + b"}(" + state + b"ub."


def calls(module: str, name: str, *arguments: bytes, how: bytes = b"R") -> bytes:
    return f"c{module}\n{name}\n(".encode() + b"".join(arguments) + b"t" + how


def touch(canary: Path) -> list[bytes]:
    """Many ways to make a careless reader create a file."""
    command = f"touch {canary}"
    argument = text(command)
    code = text(f"open({str(canary)!r}, 'w')")
    getattr_call = calls("builtins", "getattr", b"cos\nsystem\n", text("__call__"))
    return [
        calls("os", "system", argument),
        calls("posix", "system", argument),
        calls("nt", "system", argument),
        calls("os", "system", argument, how=b"\x81"),
        calls("subprocess", "check_output", b"(" + text("touch") + text(str(canary)) + b"l"),
        calls("builtins", "eval", code),
        calls("builtins", "exec", code),
        calls("__builtin__", "eval", code),
        calls("builtins", "open", text(str(canary)), text("w")),
        calls("builtins", "__import__", text("antigravity")),
        calls("builtins", "getattr", b"cos\npath\n", text("join")),
        getattr_call + b"(" + argument + b"tR",
        calls("io", "FileIO", text(str(canary)), text("w")),
        calls("pathlib", "Path.touch", text(str(canary))),
        calls("numpy", "load", text(str(canary))),
        calls("numpy", "save", text(str(canary)), b"K\x00"),
        calls("numpy", "memmap", text(str(canary)), text("uint8"), text("w+"), b"K\x00", b"K\x08"),
        calls("numpy.core.multiarray", "fromfile", text(str(canary))),
        calls("numpy.testing._private.utils", "runstring", code, b"}"),
        calls("numpy.f2py.diagnose", "run_command", argument),
        calls("numpy.distutils.exec_command", "exec_command", argument),
        calls("spikelab.spikedata.spikedata", "SpikeData.to_hdf5", text(str(canary))),
        calls("spikelab.spikedata.spikedata", "np.save", text(str(canary)), b"K\x00"),
        calls("spikelab.data_loaders.data_exporters", "os.system", argument),
        calls("spikelab.atomic", "os.system", argument),
        calls("functools", "partial", b"cos\nsystem\n", argument),
        calls("operator", "methodcaller", text("system"), argument) + b"(cos\npath\ntR",
        calls("copyreg", "_reconstructor", b"cos\nsystem\n", b"c__builtin__\nobject\n", b"N"),
        calls("copyreg", "__newobj__", b"cos\nsystem\n"),
        calls("importlib", "import_module", text("this")),
        calls("types", "FunctionType", b"N"),
        calls("codecs", "encode", text("x"), text("latin1")),
        calls("webbrowser", "open", text(f"file://{canary}")),
        text("os") + text("system") + b"\x93(" + argument + b"tR",
        text("builtins") + text("bytes.__subclasses__") + b"\x93)R",
        text("numpy") + text("ndarray.tofile") + b"\x93(" + text(str(canary)) + b"tR",
        text("spikelab.spikedata.spikedata") + text("SpikeData.__init__.__globals__") + b"\x93",
        b"(" + argument + b"ios\nsystem\n",
        b"(cos\nsystem\n" + argument + b"o",
        b"cos\nsystem\n(" + argument + b"t}\x92",
        b"P" + command.encode() + b"\n",
        argument + b"Q",
        b"\x82\x01",
        b"\x83\x01\x00",
        b"\x84\x01\x00\x00\x00",
        b"\x97",
        argument + b"\x98",
        # State that would overwrite what a class or a function is.
        b"c__builtin__\nset\nN}" + text("__call__") + argument + b"s\x86b",
        SPIKEDATA + b"N}" + text("__init__") + argument + b"s\x86b",
        b"cnumpy\nndarray\n}" + text("tofile") + argument + b"sb",
        # A list that would run on appending, a dict on setting.
        calls("collections", "UserList") + argument + b"a",
        calls("collections", "OrderedDict", b"cos\nsystem\n" + argument + b"\x86"),
    ]


@pytest.mark.parametrize("number", range(len(touch(Path("canary")))))
@pytest.mark.parametrize("bare", [False, True], ids=["in a session", "bare"])
def test_code_in_a_pickle_does_not_run(tmp_path, number, bare):
    canary = tmp_path / "canary"
    instructions = touch(canary)[number]
    path = tmp_path / "hostile.pkl"
    path.write_bytes(b"\x80\x04" + instructions + b"." if bare else session_with(instructions))
    with pytest.raises(FormatError, match=r"hostile\.pkl"):
        load_spikedata_from_pickle(path)
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path):
    """The corpus is no sham: the standard unpickler runs it."""
    canary = tmp_path / "canary"
    pickle.loads(b"\x80\x02" + calls("os", "system", text(f"touch {canary}")) + b".")
    assert canary.exists()


def test_the_error_names_what_was_asked_for_and_what_to_do(tmp_path):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(session_with(calls("os", "system", text("true"))))
    with pytest.raises(FormatError, match=r"os\.system.*What to do: ") as caught:
        load_spikedata_from_pickle(path)
    assert caught.value.path == path


def test_a_class_registered_for_an_extension_code_is_refused():
    import copyreg

    copyreg.add_extension("os", "system", 117)
    try:
        # The standard unpickler now has it in its cache, where no find_class can see it.
        assert pickle.loads(b"\x80\x02\x82\x75.") is os.system
        with pytest.raises(FormatError, match="EXT1"):
            safe_pickle.loads(b"\x80\x02\x82\x75.")
    finally:
        copyreg.remove_extension("os", "system", 117)


F8 = (
    calls("numpy", "dtype", text("f8"), b"\x89", b"\x88")
    + b"(K\x03"
    + text("<")
    + (b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
)
O8 = F8.replace(text("f8"), text("O8"))
EIGHT = b"B\x08\x00\x00\x00AAAAAAAA"


def array(state: bytes, *more: bytes) -> bytes:
    made = calls("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"K\x00\x85", EIGHT)
    return made + b"(K\x01" + state + b"tb" + b"".join(more)


def dtype_state(*items: bytes) -> bytes:
    return calls("numpy", "dtype", text("O8"), b"\x89", b"\x88") + b"(" + b"".join(items) + b"tb"


ONE = b"K\x01\x85"
FILLED = ONE + F8 + b"\x89" + EIGHT
FAR = b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40"  # 2**62
# Object type, flags cleared: numpy itself would take the bytes that follow for pointers.
NO_FLAGS = dtype_state(b"K\x03", text("|"), b"NNN", b"K\x08", b"K\x08", b"K\x00")
RECORD = (
    calls("numpy", "dtype", text("V8"), b"\x89", b"\x88")
    + b"(K\x03"
    + text("|")
    + b"N"
    + text("a")
    + b"\x85}"
    + text("a")
    + b"(cnumpy\nndarray\nK\x00ts"
    + b"K\x08K\x01K\x10tb"
)

BROKEN_ARRAYS = {
    "bytes as pointers": array(ONE + NO_FLAGS + b"\x89" + EIGHT),
    "object scalar from bytes": calls("numpy.core.multiarray", "scalar", NO_FLAGS, EIGHT),
    "object scalar": calls("numpy.core.multiarray", "scalar", O8, b"]"),
    "objects from a buffer": calls("numpy.core.numeric", "_frombuffer", EIGHT, O8, ONE, text("C")),
    "record type": array(ONE + RECORD + b"\x89" + EIGHT),
    "negative shape": array(b"J\xff\xff\xff\xff\x85" + F8 + b"\x89" + EIGHT),
    "two negative sides": array(b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86" + F8 + b"\x89" + EIGHT),
    "huge shape": array(FAR + b"\x85" + F8 + b"\x89" + EIGHT),
    "huge empty shape": array(FAR + FAR + b"K\x00\x87" + F8 + b"\x89" + b"B\x00\x00\x00\x00"),
    "shape overflows to the size": array(FAR + b"K\x04\x86" + F8 + b"\x89" + EIGHT),
    "shape is no tuple": array(b"K\x01" + F8 + b"\x89" + EIGHT),
    "shape of floats": array(b"G\x3f\xf0" + b"\x00" * 6 + b"\x85" + F8 + b"\x89" + EIGHT),
    "many dimensions": array(b"(" + b"K\x01" * 200 + b"t" + F8 + b"\x89" + EIGHT),
    "too few bytes": array(b"K\x02\x85" + F8 + b"\x89" + EIGHT),
    "too many bytes": array(b"K\x00\x85" + F8 + b"\x89" + EIGHT),
    "content is text": array(ONE + F8 + b"\x89" + text("AAAAAAAA")),
    "too few objects": array(b"K\x02\x85" + O8 + b"\x89" + b"(Nl"),
    "filled twice": array(FILLED, b"(K\x01" + FILLED + b"tb"),
    "never filled": calls("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n)", EIGHT),
    "of another class": calls("numpy.core.multiarray", "_reconstruct", SPIKEDATA + b")", EIGHT),
    "bad axes": calls(
        "numpy._core.numeric", "_frombuffer", EIGHT, F8, ONE, text("K"), b"K\x07\x85"
    ),
    "unknown element type": calls("numpy", "dtype", text("f3"), b"\x89", b"\x88"),
    "huge elements": array(b"K\x00\x85" + F8.replace(text("f8"), text("U999999999")) + b"\x89)"),
    "a billion empty texts": array(
        FAR + b"\x85" + F8.replace(text("f8"), text("U0")) + b"\x89" + b"B\x00\x00\x00\x00"
    ),
    "code points that are none": array(
        ONE + F8.replace(text("f8"), text("U2")) + b"\x89" + b"B\x08\x00\x00\x00" + b"\xff" * 8
    ),
    "another codec": calls("_codecs", "encode", text("A"), text("rot13")),
    "codec lists": calls("_codecs", "encode", text("A"), text("latin1"), text("strict")),
    "array without type": calls("numpy.core.numeric", "_frombuffer", EIGHT, b"N", ONE, text("C")),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_ARRAYS)
def test_a_crafted_array_is_refused(name):
    with pytest.raises(FormatError):
        safe_pickle.loads(b"\x80\x02" + BROKEN_ARRAYS[name] + b".")


def test_the_crafted_arrays_are_one_step_from_a_sound_one():
    made = safe_pickle.loads(b"\x80\x02" + array(ONE + F8 + b"\x89" + EIGHT) + b".")
    assert made.tobytes() == b"AAAAAAAA"


def laughs(levels: int) -> bytes:
    """A list of two references to a list of two references to ..."""
    return b"(lq\x00" + b"0(h\x00h\x00lq\x00" * levels


DAMAGED = {
    "empty file": b"",
    "not a pickle": b"\x89HDF\r\n\x1a\n",
    "nothing on the stack": b"\x80\x04.",
    "two values": b"\x80\x04NN.",
    "open mark": b"\x80\x04N(.",
    "no mark": b"\x80\x04Nt.",
    "pop from nothing": b"\x80\x04" + b"0" * 5 + b".",
    "memo never filled": b"\x80\x04h\x07.",
    "memo of a word": b"gseven\n.",
    "negative memo": b"g-1\n.",
    "bytes after the end": pickle.dumps(make_hard_session(), 4) + b"N.",
    "another pickle after the end": pickle.dumps([1]) * 2,
    "gigabytes promised": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"A.",
    "more than an address promised": b"\x80\x04\x8e" + b"\xff" * 8 + b"A.",
    "bytearray promised": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"A.",
    "text promised": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"A.",
    "frame promised": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b".",
    "negative length": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "very large number": b"\x80\x02\x8b\x00\x10\x00\x00" + b"\x7f" * 4096 + b".",
    "endless digits": b"L" + b"9" * 10_000 + b"L\n.",
    "no number": b"Iabc\n.",
    "byte string of Python 2": b"U\x03abc.",
    "quoted string of Python 2": b"S'\\q'\n.",
    "not UTF-8": b"\x80\x04\x8c\x02\xff\xfe.",
    "odd number of items": b"\x80\x02}(Nu.",
    "key is a list": b"\x80\x02}]Ns.",
    "key is a dict": b"\x80\x02}}Ns.",
    "key hashes for ever": b"\x80\x02}" + laughs(70).replace(b"l", b"t") + b"Ns.",
    "item of a set is a list": b"\x80\x04\x8f(]\x90.",
    "appending to a number": b"\x80\x02K\x01Na.",
    "setting in a list": b"\x80\x02]NNs.",
    "adding to a list": b"\x80\x04](N\x90.",
    "building a list": b"\x80\x02]}b.",
    "calling a list": b"\x80\x02])R.",
    "calling with a list": b"\x80\x02c__builtin__\nset\n]R.",
    "nested deeply": b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b".",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "laughs": b"\x80\x02" + laughs(200) + b".",
    "laughs, not so deep": b"\x80\x02" + laughs(50) + b".",
    "a wide list many times": (
        b"\x80\x02(" + b"N" * 100_000 + b"lq\x000(" + b"h\x00" * 100_000 + b"l."
    ),
    "a class as a value": session_with(b"c__builtin__\nset\n"),
    "a class as the content": b"\x80\x02" + SPIKEDATA + b".",
    "a session in a session": session_with(EMPTY_SESSION),
    "a date that is none": calls("datetime", "datetime", b"C\x0a" + b"\xff" * 10) + b".",
    "a time zone far away": calls(
        "datetime", "timezone", calls("datetime", "timedelta", b"K\x09K\x00K\x00")
    ) + b".",
    "an endless duration": calls("datetime", "timedelta", FAR, b"K\x00K\x00") + b".",
    "a number of texts": calls("__builtin__", "complex", text("1"), text("2")) + b".",
    "zero bytes by number": calls("__builtin__", "bytes", FAR) + b".",
    "set of a range": calls("__builtin__", "set", text("abc")) + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_pickle_is_one_error(tmp_path, name):
    path = tmp_path / "damaged.pkl"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(FormatError, match=r"damaged\.pkl"):
        load_spikedata_from_pickle(path)


def state_of(**changes) -> bytes:
    sd = make_hard_session()
    for name, value in changes.items():
        setattr(sd, name, value)
    return pickle.dumps(sd)


class Loud:
    """Would be noticed if it were made."""


ONE_ARRAY = np.arange(1000.0)
IMPOSSIBLE = {
    "train is a number": {"train": 3},
    "train is a text": {"train": "abc"},
    "train of numbers": {"train": [1.0, 2.0]},
    "train of texts": {"train": [np.array(["a"])] * 6},
    "train of tables": {"train": [np.ones((2, 2))] * 6},
    "one array many times": {"train": [ONE_ARRAY] * 1000, "N": 1000, "neuron_attributes": None},
    "NaN": {"train": [np.array([np.nan])] * 6},
    "spikes outside": {"length": 5.0},
    "N is huge": {"N": 10**12},
    "N is a text": {"N": "6"},
    "length is None": {"length": None},
    "length is negative": {"length": -1.0},
    "length is infinite": {"length": float("inf")},
    "length is astronomical": {"length": 10**400},
    "length is an array": {"length": np.ones(1)},
    "length is complex": {"length": 1j},
    "start_time is a text": {"start_time": "0"},
    "attributes of too few units": {"neuron_attributes": [{}]},
    "attributes are a dict": {"neuron_attributes": {}},
    "attributes are numbers": {"neuron_attributes": [1] * 6},
    "metadata is a list": {"metadata": [1]},
    "raw without time": {"raw_data": np.ones((2, 3)), "raw_time": None},
    "raw of objects": {"raw_data": np.empty((2, 3), object), "raw_time": np.ones(3)},
    "raw time by rate": {"raw_data": np.empty((0, 10)), "raw_time": np.array(1e-9)},
    "raw of another length": {"raw_data": np.ones((2, 3)), "raw_time": np.ones(4)},
    "an unknown class in metadata": {"metadata": {"x": Loud()}},
    "an unknown class as metadata": {"metadata": Loud()},
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_session_that_cannot_be_is_refused(tmp_path, name):
    path = tmp_path / "odd.pkl"
    path.write_bytes(state_of(**IMPOSSIBLE[name]))
    with pytest.raises(SpikelabError, match=r"odd\.pkl"):
        load_spikedata_from_pickle(path)


def test_a_pickle_of_something_else_says_what_it_is(tmp_path):
    path = tmp_path / "table.pkl"
    path.write_bytes(pickle.dumps({"spikes": [1, 2]}))
    with pytest.raises(FormatError, match="a dict"):
        load_spikedata_from_pickle(path)


def test_a_promise_of_gigabytes_takes_no_memory():
    promise = b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b"A."
    tracemalloc.start()
    with pytest.raises(FormatError):
        safe_pickle.loads(promise)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def sound_pickles() -> list[bytes]:
    """Small pickles of every protocol, by the standard pickler and by ours."""
    sd = SpikeData(
        [[1.0, 2.5], [], [3.0]],
        length=9.0,
        neuron_attributes=[{"unit_id": 3 + i, "w": np.ones(2, "f4"), "ok": True} for i in range(3)],
        metadata={"fs_Hz": 30e3, "ids": np.array(["a", None], object), "s": {1, 2}, "b": b"xyz"},
    )
    made = [pickle.dumps(sd, protocol) for protocol in range(6)]
    for protocol in range(6):
        stream = io.BytesIO()
        pickler = pickle.Pickler(stream, protocol)
        pickler.fast = True
        pickler.dump(sd)
        made.append(stream.getvalue())
    return made


SOUND = sound_pickles()


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(range(len(SOUND))),
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_flipped_bytes_give_a_session_or_an_error_of_ours(tmp_path_factory, which, flips, cut):
    damaged = bytearray(SOUND[which])
    for position, value in flips:
        damaged[position % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "flipped.pkl"
    path.write_bytes(damaged[: len(damaged) - cut])
    try:
        found = convert.load(path, "pickle")
    except SpikelabError as error:
        assert "flipped.pkl" in str(error)
    except UserWarning as warning:
        assert "a session has not" in str(warning)
    else:
        assert isinstance(found, SpikeData)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_give_an_error_of_ours(data):
    try:
        safe_pickle.loads(data)
    except FormatError as error:
        assert str(error)
