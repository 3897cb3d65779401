"""The web UI's attention syntax, ``(more) [less] (exactly:1.3) \\(brackets\\) BREAK``: text in pieces with weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

ROUND = 1.1  # weight of ( ); of [ ] its inverse (web UI)
_TOKENS = re.compile(
    r"""
    (?P<escaped>\\[()\[\]\\]?)             # a bracket that is meant, or a lone backslash
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?[.\d]+)\s*\)     # :1.3)
    | (?P<close>[)\]])
    | (?P<text>[^\\()\[\]:]+|:)
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """Text of one weight; `is_break`: a new chunk begins here."""

    text: str
    weight: float = 1.0
    is_break: bool = False


@dataclass
class _Reader:
    """Pieces read so far, and where the brackets that are still open began."""

    texts: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    breaks: set[int] = field(default_factory=set)
    opened: dict[str, list[int]] = field(default_factory=lambda: {"(": [], "[": []})

    def add(self, text: str, weight: float = 1.0) -> None:
        self.texts.append(text)
        self.weights.append(weight)

    def add_with_breaks(self, text: str) -> None:
        for number, part in enumerate(_BREAK.split(text)):
            if number:
                self.breaks.add(len(self.texts))
                self.add("BREAK", -1.0)  # the web UI's mark for it
            self.add(part)

    def close(self, bracket: str, factor: float) -> None:
        start = self.opened[bracket].pop()
        for index in range(start, len(self.weights)):
            self.weights[index] *= factor
            self.breaks.discard(index)  # the web UI loses its mark there, and takes BREAK for a word


def parse(prompt: str) -> tuple[Piece, ...]:
    """The pieces of a prompt, neighbours of equal weight joined.  Never fails: brackets left open close at the end."""
    reader = _Reader()
    for match in _TOKENS.finditer(prompt):
        _take(reader, match)
    for bracket, factor in (("(", ROUND), ("[", 1 / ROUND)):
        while reader.opened[bracket]:
            reader.close(bracket, factor)
    pieces = (
        Piece(text, weight, index in reader.breaks)
        for index, (text, weight) in enumerate(zip(reader.texts, reader.weights, strict=True))
    )
    return tuple(_joined(pieces)) or (Piece(""),)


def _take(reader: _Reader, match: re.Match[str]) -> None:
    found = match.group()
    if match["escaped"] is not None:
        reader.add(found[1:])
    elif match["open"]:
        reader.opened[found].append(len(reader.texts))
    elif match["weight"] and reader.opened["("]:
        reader.close("(", _weight(match["weight"]))
    elif found == ")" and reader.opened["("]:
        reader.close("(", ROUND)
    elif found == "]" and reader.opened["["]:
        reader.close("[", 1 / ROUND)
    else:
        reader.add_with_breaks(found)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # "1.2.3": the web UI stops with an error there
        return 1.0


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    for (weight, is_break), run in groupby(pieces, key=lambda piece: (piece.weight, piece.is_break)):
        if is_break:
            yield from run
        else:
            yield Piece("".join(piece.text for piece in run), weight)
