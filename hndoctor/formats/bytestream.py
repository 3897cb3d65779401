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
        self.data, self.at = data, start
        self.end = self.limit = len(data)  # of everything; and of what may be read without a look at frames
        self.frame_end = 0

    def skip(self, count: int) -> int:
        """Go on; where the bytes begin that were passed over."""
        at = self.at
        if at + count > self.limit:
            self._leave_frame(count)
        self.at = at + count
        return at

    def _leave_frame(self, count: int) -> None:
        """Let more bytes be read: never beyond the end, never across the end of a frame: readers differ there."""
        if self.at + count > self.end:
            raise TooEarlyError("it ends too early")
        if self.at != self.limit:
            raise unsafe("a pickle frame ends inside an opcode, which pickle readers take in different ways")
        self.limit = self.end

    def take(self, count: int) -> bytes:
        """The next bytes."""
        at = self.skip(count)
        return bytes(self.data[at : at + count])

    def byte(self) -> int:
        """The next byte."""
        at = self.at
        if at >= self.limit:  # as in `skip`, without another call: half of the calls of a whole pickle come here
            self._leave_frame(1)
        self.at = at + 1
        return self.data[at]

    def number(self, layout: Struct) -> Any:
        """The next number, in this layout."""
        return layout.unpack_from(self.data, self.skip(layout.size))[0]

    def line(self) -> bytes:
        """The bytes up to the next line feed."""
        for length in (SHORT_LINE, LINE_LIMIT):
            window = bytes(self.data[self.at : self.at + length])
            end = window.find(b"\n")
            if end >= 0:
                self.skip(end + 1)
                return window[:end]
        raise TooEarlyError("a line without an end")

    def frame(self) -> None:
        """Enter a frame of protocol 4."""
        length = self.number(_LENGTH)
        if length > self.end - self.at:
            raise TooEarlyError("a frame beyond the end")
        if self.at < self.frame_end:
            raise unsafe("a pickle frame inside a frame, which pickle readers take in different ways")
        self.frame_end = self.limit = self.at + length
