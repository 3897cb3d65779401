"""The bytes of a pickle, read on and on: never beyond the end, never across the end of a frame."""

from __future__ import annotations

from struct import Struct
from typing import Any

from hndoctor.formats.types import Refused
from hndoctor.records import Refusal

LINE_LIMIT = 1 << 16  # bytes of one line of protocol 0
SHORT_LINE = 1 << 7  # most are shorter
_LENGTH = Struct("<Q")


def unsafe(reason: str) -> Refused:
    """The refusal of a file that would make a loader do more than read."""
    return Refused(Refusal.UNSAFE, reason)


class TooEarlyError(ValueError):
    """The bytes end where more are needed."""


class ByteStream:
    """A position in a buffer.  ValueError where there is nothing left to read.

    Single bytes come out of `bytes` twice as fast as out of a view; what may be long is better handed over as a view.
    """

    def __init__(self, data: bytes | memoryview, start: int) -> None:
        self.data, self.at, self.end = data, start, len(data)
        self.frame_end: int | None = None

    def take(self, count: int) -> bytes:
        """The next bytes."""
        at = self.at
        if count < 0 or at + count > self.end:
            raise TooEarlyError("it ends too early")
        if self.frame_end is None:
            self.at = at + count
        else:
            self.advance(count)
        return bytes(self.data[at : at + count])

    def byte(self) -> int:
        """The next byte."""
        at = self.at
        if at >= self.end:
            raise TooEarlyError("it ends too early")
        if self.frame_end is None:  # mostly: half of the calls of a whole pickle come here
            self.at = at + 1
        else:
            self.advance(1)
        return self.data[at]

    def advance(self, count: int) -> None:
        """Go on, never across the end of a frame: readers differ in what they make of that."""
        if self.frame_end is not None and self.at + count > self.frame_end:
            if self.at != self.frame_end:
                raise unsafe("a pickle frame ends inside an opcode, which pickle readers take in different ways")
            self.frame_end = None
        self.at += count

    def number(self, layout: Struct) -> Any:
        """The next number, in this layout."""
        return layout.unpack(self.take(layout.size))[0]

    def line(self) -> bytes:
        """The bytes up to the next line feed."""
        for length in (SHORT_LINE, LINE_LIMIT):
            window = bytes(self.data[self.at : self.at + length])
            end = window.find(b"\n")
            if end >= 0:
                break
        if end < 0:
            raise TooEarlyError("a line without an end")
        self.advance(end + 1)
        return window[:end]

    def frame(self) -> None:
        """Enter a frame of protocol 4."""
        length = self.number(_LENGTH)
        if length > len(self.data) - self.at:
            raise TooEarlyError("a frame beyond the end")
        if self.frame_end is not None and self.at < self.frame_end:
            raise unsafe("a pickle frame inside a frame, which pickle readers take in different ways")
        self.frame_end = self.at + length
