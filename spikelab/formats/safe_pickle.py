"""Read pickles without running anything that they bring.

The standard unpickler imports and calls whatever a file names. This one never imports and never
calls: it is a stack machine over :func:`pickletools.genops` that knows the opcodes of plain
data, and hands the few names of :mod:`spikelab.formats.pickle_names` to builders of our own.
Anything else (another name, a persistent id, an extension code, INST, OBJ, out-of-band buffers,
byte strings of Python 2) is refused.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from typing import Any

from spikelab.errors import FormatError
from spikelab.formats.pickle_names import BUILDERS, ArrayDraft, DtypeDraft, Name, Session
from spikelab.formats.plain import Walk, check_key

_BROKEN = (IndexError, KeyError, TypeError, ValueError, OverflowError)
_SHARED_ITEMS = 2_000_000
HINT = (
    "where you made the file and trust it, open it with the library that wrote it, remove that "
    "entry and save it again; otherwise do not open it with any program"
)


def loads(data: bytes) -> Any:
    """The content of a pickle of protocol 0 to 5.

    Parameters
    ----------
    data : bytes
        The whole pickle.

    Returns
    -------
    Session or plain value
        Plain values are those of :mod:`spikelab.formats.plain`. A pickled ``SpikeData`` is
        returned as a :class:`~spikelab.formats.pickle_names.Session`: its attributes, unchecked.

    Raises
    ------
    FormatError
        If the pickle is damaged, or asks for anything that plain data does not need.
    """
    stream = io.BytesIO(data)
    # Every value that is not shared takes a byte; some sharing is normal, more is an attack.
    walk = Walk(_resolve, max_items=len(data) + _SHARED_ITEMS)
    try:
        with warnings.catch_warnings():
            # Damaged text makes the parser warn about its escapes.
            warnings.simplefilter("ignore")
            value = _run(stream)
            return value.resolved(walk) if isinstance(value, Session) else walk(value)
    except _BROKEN as error:
        if isinstance(error, FormatError):
            raise
        # A key error's text is the bare key, which may be anything at all.
        reason = "a value is missing" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            "the pickle is damaged or made up",
            found=reason or type(error).__name__,
            hint="copy the file again from where it comes from",
        ) from error


def _run(stream: io.BytesIO) -> Any:
    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name not in _HANDLERS:
            raise FormatError(
                "the pickle uses an instruction that sessions do not need",
                found=opcode.name,
                hint=HINT,
            )
        _HANDLERS[opcode.name](machine, argument)
    if stream.read(1):
        raise ValueError("bytes follow the end of the pickle")
    (value,) = machine.stack
    return value


def _resolve(value: Any, walk: Callable[[Any], Any]) -> Any:
    if isinstance(value, (ArrayDraft, DtypeDraft)):
        return value.result(walk)
    if isinstance(value, (Name, Session)):
        raise FormatError("the pickle holds a class where a value belongs", found=value.text)
    return value


class _Machine:
    """The stack, its marks and the memo of an unpickler."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: None) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def pop(self, _: None) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def pop_mark(self, _: None) -> None:
        self.since_mark()

    def get(self, index: int) -> None:
        self.push(self.memo[index])

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def tuple_of(self, n: int) -> None:
        items = tuple(self.stack[len(self.stack) - n :])
        if len(items) < n:
            raise ValueError("a tuple has too few items")
        del self.stack[len(self.stack) - n :]
        self.push(items)

    def on(self, kind: type) -> Any:
        """The container on top of the stack, which must be a list, dict or set."""
        top = self.stack[-1]
        if type(top) is not kind:
            raise ValueError(f"items are added to something that is no {kind.__name__}")
        return top

    def extend(self, items: list[Any]) -> None:
        self.on(list).extend(items)

    def add(self, items: list[Any]) -> None:
        self.on(set).update(map(check_key, items))

    def update(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise ValueError("a key has no value")
        target = self.on(dict)
        for key, value in zip(items[::2], items[1::2]):
            target[check_key(key)] = value

    def global_name(self, module: Any, name: Any) -> None:
        if not (type(module) is str and type(name) is str and (module, name) in BUILDERS):
            raise FormatError(
                "the pickle asks for a class or function that is not on the list, and was not run",
                found=ascii(f"{module}.{name}" if module else name),
                allowed="SpikeData, numpy arrays, dates and plain values",
                hint=HINT,
            )
        self.push(Name(module, name))

    def call(self, _: None) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if type(name) is not Name or type(arguments) is not tuple:
            raise ValueError("something is called that is no function")
        self.push(BUILDERS[name.module, name.name](*arguments))

    def build(self, _: None) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, (ArrayDraft, DtypeDraft, Session)):
            raise ValueError("a value is changed that cannot be")
        target.build(state)


def _pushing(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    machine = _Machine()
    machine.push({})
    machine.update(items)
    return machine.stack[0]


_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"), _Machine.push),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), _Machine.push),
    "NONE": _pushing(None),
    "NEWTRUE": _pushing(True),
    "NEWFALSE": _pushing(False),
    "EMPTY_TUPLE": _pushing(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "DICT": lambda machine, _: machine.push(_pairs(machine.since_mark())),
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(check_key, machine.since_mark()))),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.since_mark()),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": lambda machine, text: machine.global_name(*text.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.global_name(
        machine.stack.pop(-2), machine.stack.pop()
    ),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
}
