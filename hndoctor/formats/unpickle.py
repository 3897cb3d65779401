"""A pickle interpreter that cannot do anything: it knows plain data, and the short list of `allowed`.

It reads protocols 0 to 4 as far as files of torch use them.  Every opcode is looked up in a table; extension codes and
out-of-band buffers make the file unsafe, any other byte makes it no pickle.  Sources: CPython's ``pickletools``; the
attacks that reference collections of malicious pickles use.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Any

from hndoctor.formats.bytestream import TooEarlyError, unsafe
from hndoctor.formats.machine import Machine, integer_of
from hndoctor.formats.types import Refused
from hndoctor.records import Refusal

OPCODE_LIMIT = 1_000_000  # a hypernetwork needs a few thousand, a whole Stable Diffusion checkpoint some 60,000
PICKLE_LIMIT = 16 << 20  # bytes; a hypernetwork's has some kB, a whole Stable Diffusion checkpoint's a megabyte
MEMO_LIMIT = 200_000
STACK_LIMIT = 200_000
STOP = 0x2E

_BROKEN = (IndexError, KeyError, ValueError, TypeError, OverflowError, MemoryError, struct.error, AttributeError)


def unpickle(
    data: bytes | memoryview, start: int, persistent: Callable[[Any], Any], used: set[str] | None = None
) -> tuple[Any, int]:
    """The value of the pickle that begins at `start`, and the position after its STOP.

    `persistent` turns a persistent id into a value and may raise ValueError.  The names of the globals referred to are
    added to `used`.  Raises Refused: UNSAFE for anything that a real unpickler would have to import or call, DAMAGED
    for what no pickle can be.
    """
    machine = Machine(data[: start + PICKLE_LIMIT], start, persistent)
    byte, look = machine.byte, 0
    for done in range(OPCODE_LIMIT):
        here = machine.at
        try:
            code = byte()
            if code == STOP:
                value = machine.stack[-1]
                break
            _TABLE[code](machine)
        except _BROKEN as problem:
            if len(data) - start > PICKLE_LIMIT and isinstance(problem, TooEarlyError):
                raise unsafe(f"its pickle has more than {PICKLE_LIMIT >> 20} MiB, which no state dict needs") from None
            why = f": {problem}" if isinstance(problem, ValueError) else ""
            raise Refused(Refusal.DAMAGED, f"the pickle is damaged at byte {here}{why[:120]}") from None
        if done >= look:
            room = min(STACK_LIMIT - machine.height, MEMO_LIMIT - len(machine.memo))
            if room < 0:
                raise unsafe("the pickle is a bomb: it fills the memory")
            look = done + room + 1  # an opcode adds one value to either at most: before then neither can be full
    else:
        raise unsafe(f"the pickle is a bomb: more than {OPCODE_LIMIT} opcodes")
    if used is not None:
        used |= machine.used
    return value, machine.at


def _refusing(name: str) -> Callable[[Machine], None]:
    def refuse(machine: Machine) -> None:
        raise unsafe(f"pickle opcode {name} at byte {machine.at - 1}, which no state dict needs")

    return refuse


_REFUSED = ("\x82 EXT1", "\x83 EXT2", "\x84 EXT4", "\x96 BYTEARRAY8", "\x97 NEXT_BUFFER", "\x98 READONLY_BUFFER")
_I32, _U16, _U32, _U64, _DOUBLE = (Struct(layout) for layout in ("<i", "<H", "<I", "<Q", ">d"))

_TABLE: dict[int, Callable[[Machine], None]] = {
    ord(code): action
    for code, action in {
        "\x80": Machine.protocol,
        "\x95": Machine.frame,
        "(": Machine.mark,
        "0": Machine.drop,
        "1": Machine.since_mark,
        "2": lambda m: m.push(m.stack[-1]),
        "N": lambda m: m.stack.append(None),
        "\x88": lambda m: m.stack.append(True),
        "\x89": lambda m: m.stack.append(False),
        "I": Machine.integer,
        "L": Machine.long_text,
        "F": lambda m: m.push(float(m.line())),
        "J": lambda m: m.stack.append(m.number(_I32)),
        "K": lambda m: m.stack.append(m.byte()),
        "M": lambda m: m.stack.append(m.number(_U16)),
        "G": lambda m: m.stack.append(m.number(_DOUBLE)),
        "\x8a": lambda m: m.long_bytes(m.byte()),
        "\x8b": lambda m: m.long_bytes(m.number(_I32)),
        "S": Machine.quoted,
        "T": lambda m: m.raw_text(m.number(_I32)),
        "U": lambda m: m.raw_text(m.byte()),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": lambda m: m.text(m.number(_U32)),
        "\x8c": lambda m: m.text(m.byte()),
        "\x8d": lambda m: m.text(m.number(_U64)),
        "B": lambda m: m.raw(m.number(_U32)),
        "C": lambda m: m.raw(m.byte()),
        "\x8e": lambda m: m.raw(m.number(_U64)),
        "}": lambda m: m.stack.append({}),
        "]": lambda m: m.stack.append([]),
        ")": lambda m: m.stack.append(()),
        "\x8f": lambda m: m.stack.append(set()),
        "d": lambda m: m.as_dict(m.since_mark()),
        "l": lambda m: m.push(m.since_mark()),
        "t": lambda m: m.push(tuple(m.since_mark())),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "s": lambda m: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
        "u": lambda m: m.set_items(m.since_mark()),
        "a": lambda m: m.extend([m.stack.pop()]),
        "e": lambda m: m.extend(m.since_mark()),
        "\x90": lambda m: m.add(m.since_mark()),
        "\x91": lambda m: m.as_frozen(m.since_mark()),
        "p": lambda m: m.remember(integer_of(m.line())),
        "q": lambda m: m.memo.__setitem__(m.byte(), m.stack[-1]),  # the most frequent of all
        "r": lambda m: m.remember(m.number(_U32)),
        "\x94": lambda m: m.remember(len(m.memo)),
        "g": lambda m: m.push(m.memo[integer_of(m.line())]),
        "h": lambda m: m.stack.append(m.memo[m.byte()]),
        "j": lambda m: m.stack.append(m.memo[m.number(_U32)]),
        "c": Machine.import_line,
        "\x93": Machine.import_stack,
        "i": Machine.instance,
        "o": Machine.object,
        "R": Machine.reduce,
        "\x81": Machine.reduce,
        "\x92": Machine.new_with_keywords,
        "b": Machine.build,
        "P": lambda m: m.persist(m.line().decode("latin-1")),
        "Q": lambda m: m.persist(m.stack.pop()),
        **{told[0]: _refusing(told[2:]) for told in _REFUSED},
    }.items()
}
