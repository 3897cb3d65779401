"""A pickle interpreter that cannot do anything: it knows plain data, and the short list of `allowed`.

It reads protocols 0 to 4 as far as files of torch use them.  Every opcode is looked up in a table; extension codes and
out-of-band buffers make the file unsafe, any other byte makes it no pickle.  Sources: CPython's ``pickletools``; the
attacks that reference collections of malicious pickles use.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from hndoctor.formats.bytestream import TooEarlyError, unsafe
from hndoctor.formats.machine import MARK, Machine, integer_of
from hndoctor.formats.types import Refused
from hndoctor.records import Refusal

OPCODE_LIMIT = 1_000_000  # a hypernetwork needs a few thousand, a whole Stable Diffusion checkpoint some 60,000
PICKLE_LIMIT = 16 << 20  # bytes; a hypernetwork's has some kB, a whole Stable Diffusion checkpoint's a megabyte
MEMO_LIMIT = 200_000
STACK_LIMIT = 200_000
STOP = 0x2E

_BROKEN = (IndexError, KeyError, ValueError, TypeError, OverflowError, MemoryError, struct.error, AttributeError)


def unpickle(
    data: memoryview, start: int, persistent: Callable[[Any], Any], used: set[str] | None = None
) -> tuple[Any, int]:
    """The value of the pickle that begins at `start`, and the position after its STOP.

    `persistent` turns a persistent id into a value and may raise ValueError.  The names of the globals referred to are
    added to `used`.  Raises Refused: UNSAFE for anything that a real unpickler would have to import or call, DAMAGED
    for what no pickle can be.
    """
    machine = Machine(data[: start + PICKLE_LIMIT], start, persistent)
    for _ in range(OPCODE_LIMIT):
        here = machine.at
        try:
            code = machine.byte()
            if code == STOP:
                value = machine.last()
                break
            if code in _REFUSED:
                raise unsafe(f"pickle opcode {_REFUSED[code]} at byte {here}, which no state dict needs")
            _TABLE[code](machine)
        except _BROKEN as problem:
            if len(data) - start > PICKLE_LIMIT and isinstance(problem, TooEarlyError):
                raise unsafe(f"its pickle has more than {PICKLE_LIMIT >> 20} MiB, which no state dict needs") from None
            why = f": {problem}" if isinstance(problem, ValueError) else ""
            raise Refused(Refusal.DAMAGED, f"the pickle is damaged at byte {here}{why[:120]}") from None
        if len(machine.stack) > STACK_LIMIT or len(machine.memo) > MEMO_LIMIT:
            raise unsafe("the pickle is a bomb: it fills the memory")
    else:
        raise unsafe(f"the pickle is a bomb: more than {OPCODE_LIMIT} opcodes")
    if used is not None:
        used |= machine.used
    return value, machine.at


_REFUSED = {
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x96: "BYTEARRAY8",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
}

_TABLE: dict[int, Callable[[Machine], None]] = {
    ord(code): action
    for code, action in {
        "\x80": Machine.protocol,
        "\x95": Machine.frame,
        "(": lambda m: m.push(MARK),
        "0": Machine.drop,
        "1": Machine.drop_to_mark,
        "2": lambda m: m.push(m.last()),
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "I": Machine.integer,
        "L": Machine.long_text,
        "F": lambda m: m.push(float(m.line())),
        "J": lambda m: m.push(m.number("<i")),
        "K": lambda m: m.push(m.byte()),
        "M": lambda m: m.push(m.number("<H")),
        "G": lambda m: m.push(m.number(">d")),
        "\x8a": lambda m: m.long_bytes(m.byte()),
        "\x8b": lambda m: m.long_bytes(m.number("<i")),
        "S": Machine.quoted,
        "T": lambda m: m.raw_text(m.number("<i")),
        "U": lambda m: m.raw_text(m.byte()),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": lambda m: m.text(m.number("<I")),
        "\x8c": lambda m: m.text(m.byte()),
        "\x8d": lambda m: m.text(m.number("<Q")),
        "B": lambda m: m.raw(m.number("<I")),
        "C": lambda m: m.raw(m.byte()),
        "\x8e": lambda m: m.raw(m.number("<Q")),
        "}": lambda m: m.push({}),
        "]": lambda m: m.push([]),
        ")": lambda m: m.push(()),
        "\x8f": lambda m: m.push(set()),
        "d": lambda m: m.as_dict(m.since_mark()),
        "l": lambda m: m.push(m.since_mark()),
        "t": lambda m: m.push(tuple(m.since_mark())),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "s": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
        "u": lambda m: m.set_items(m.since_mark()),
        "a": lambda m: m.extend([m.pop()]),
        "e": lambda m: m.extend(m.since_mark()),
        "\x90": lambda m: m.add(m.since_mark()),
        "\x91": lambda m: m.as_frozen(m.since_mark()),
        "p": lambda m: m.remember(integer_of(m.line())),
        "q": lambda m: m.remember(m.byte()),
        "r": lambda m: m.remember(m.number("<I")),
        "\x94": lambda m: m.remember(len(m.memo)),
        "g": lambda m: m.push(m.memo[integer_of(m.line())]),
        "h": lambda m: m.push(m.memo[m.byte()]),
        "j": lambda m: m.push(m.memo[m.number("<I")]),
        "c": Machine.import_line,
        "\x93": Machine.import_stack,
        "i": Machine.instance,
        "o": Machine.object,
        "R": Machine.reduce,
        "\x81": Machine.reduce,
        "\x92": Machine.new_with_keywords,
        "b": Machine.build,
        "P": lambda m: m.persist(m.line().decode("latin-1")),
        "Q": lambda m: m.persist(m.pop()),
    }.items()
}
