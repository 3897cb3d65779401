"""The stack machine of a pickle that cannot do anything: it makes plain data, and the values of `allowed`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hndoctor.formats.allowed import ALLOWED, Global, NumpyArray, NumpyType, Parameters, Tensor, check_key
from hndoctor.formats.bytestream import ByteStream, unsafe
from hndoctor.formats.types import shown

LONG_LIMIT = 1024  # bytes of one integer; torch's own longest has 10
WORK_LIMIT = 1 << 19  # elements that calls may copy: each takes some 100 bytes, and a state dict has a thousand
SLOTS = 1 << 32  # of the memo: LONG_BINPUT's; longer numbers may all hash alike
BYTES_AN_ELEMENT = 64  # of a text that is copied, which costs as much as one element of a list

_GLOBALS = {
    (module, name): (Global(name, make), f"{module}.{name}" if "multiarray" in module else name)
    for (module, name), make in ALLOWED.items()
}
"""(module, name) -> the value that stands for it, and how its use is told."""
_WRITTEN = {f"{module}\n{name}\n".encode(): known for (module, name), known in _GLOBALS.items()}
_LONGEST = max(map(len, _WRITTEN))


class Machine(ByteStream):
    """A stack, a memo, and what the opcodes do with them.

    A mark puts the stack aside and begins another, as CPython's own does: nothing can be taken from below it by error.
    ValueError and its like for what no pickle can be; Refused(UNSAFE) for what a real unpickler would have to do.
    """

    def __init__(self, data: bytes | memoryview, start: int, persistent: Callable[[Any], Any]) -> None:
        super().__init__(data, start)
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lies under each mark
        self.buried = 0  # how many values that are, each mark being one
        self.memo: dict[int, Any] = {}
        self.used: set[str] = set()
        self.work, self.budget = 0, WORK_LIMIT

    # stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    @property
    def height(self) -> int:
        """How many values the stack holds, with its marks."""
        return len(self.stack) + self.buried

    def mark(self) -> None:
        self.below.append(self.stack)
        self.buried += len(self.stack) + 1
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        self.buried -= len(self.stack) + 1
        return items

    def remember(self, slot: int) -> None:
        if not 0 <= slot < SLOTS:
            raise ValueError("a memo slot that no pickler numbers")
        self.memo[slot] = self.stack[-1]

    def drop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    # globals

    def find(self, module: str, name: str) -> None:
        known = _GLOBALS.get((module, name))
        if known is None:
            raise unsafe(f"it would import {shown(module)}.{shown(name)}, which no state dict needs")
        self.use(known)

    def use(self, known: tuple[Global, str]) -> None:
        value, name = known
        self.used.add(name)
        self.stack.append(value)

    def call(self, function: Any, args: Any) -> None:
        if not isinstance(function, Global) or function.make is None:
            what = f"{function.name}" if isinstance(function, Global) else "something that is not a function"
            raise unsafe(f"it would call {what}, which no state dict needs")
        if not isinstance(args, tuple):
            raise ValueError("arguments that are not a tuple")
        self.spend(args)
        self.push(function.make(*args))

    def spend(self, values: tuple[Any, ...]) -> None:
        """Count what is copied: the same long list could be turned into a dictionary a million times."""
        text = 0
        for value in values:
            if isinstance(value, (list, tuple, dict, set)):
                self.work += len(value)
            elif isinstance(value, (str, bytes)):
                text += len(value)
        self.work += text // BYTES_AN_ELEMENT
        if self.work > self.budget:
            raise unsafe("the pickle is a bomb: it makes the same things over and over")

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        self.spend((state, *state) if isinstance(state, tuple) else (state,))
        if isinstance(target, (NumpyType, NumpyArray, Parameters)):
            target.build(state)
        elif not isinstance(target, (dict, Tensor)):
            raise unsafe("it would set the state of something that is not a tensor or a dictionary")

    # containers

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Parameters):
            target = target.entries
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("items for something that is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key)
            target[key] = value

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("items for something that is not a list")
        target.extend(items)

    def add(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, set):
            raise ValueError("items for something that is not a set")
        for item in items:
            check_key(item)
        target.update(items)

    def as_dict(self, items: list[Any]) -> None:
        self.push({})
        self.set_items(items)

    def as_frozen(self, items: list[Any]) -> None:
        self.push(set())
        self.add(items)

    def tuple_of(self, count: int) -> None:
        items = self.stack[-count:]
        if len(items) < count:
            raise ValueError("a tuple of more values than there are")
        self.stack[-count:] = [tuple(items)]

    # opcodes that need more than a line

    def integer(self) -> None:
        text = self.line()
        self.push({b"00": False, b"01": True}[text] if text in (b"00", b"01") else integer_of(text))

    def long_text(self) -> None:
        self.push(integer_of(self.line().removesuffix(b"L")))

    def long_bytes(self, length: int) -> None:
        if not 0 <= length <= LONG_LIMIT:
            raise ValueError(f"an integer of {length} bytes")
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    def quoted(self) -> None:
        text = self.line()
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
            raise ValueError("a string without quotes")
        self.push(text[1:-1].decode("unicode_escape"))

    def import_line(self) -> None:
        window = bytes(self.data[self.at : self.at + _LONGEST])
        end = window.find(b"\n", window.find(b"\n") + 1) + 1
        known = _WRITTEN.get(window[:end])  # by its bytes: a third of the time that reading and decoding lines takes
        if known is None:
            self.find(self.line().decode("utf-8"), self.line().decode("utf-8"))
        else:
            self.skip(end)
            self.use(known)

    def import_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise unsafe("it would import something whose name is not text")
        self.find(module, name)

    def instance(self) -> None:
        args = tuple(self.since_mark())
        self.import_line()
        self.call(self.stack.pop(), args)

    def object(self) -> None:
        function, *args = self.since_mark()
        self.call(function, tuple(args))

    def reduce(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        self.call(function, args)

    def new_with_keywords(self) -> None:
        if self.stack.pop() != {}:
            raise unsafe("it would make an object with keyword arguments, which no state dict needs")
        self.reduce()

    def persist(self, ident: Any) -> None:
        self.push(self.persistent(ident))

    def protocol(self) -> None:
        if self.byte() > 5:
            raise ValueError("an unknown protocol")

    def text(self, length: int) -> None:
        at = self.skip(length)
        self.stack.append(str(self.data[at : at + length], "utf-8", "surrogatepass"))

    def raw_text(self, length: int) -> None:
        if length < 0:
            raise ValueError("a text of less than no bytes")
        self.push(self.take(length).decode("latin-1"))

    def raw(self, length: int) -> None:
        self.push(self.take(length))


def integer_of(text: bytes) -> int:
    if len(text) > LONG_LIMIT:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)
