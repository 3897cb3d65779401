"""Sentences that rules, diagnosis and prescription make in English, said in another language.

The catalogue holds English sentences with ``{places}`` for what changes, and their translations: whoever adds a rule
writes English only, and a sentence that no translation fits any more stays English instead of saying something else.
A place whose name begins as in `_PROSE` takes any words (and is itself translated where it can be); every other takes
one word without blanks, so that no text from a file can make the search slow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST = 600  # characters of a sentence that is looked up; guess: nothing of ours is longer
_REMEMBERED = 10_000  # sentences kept, so that a watch of weeks does not grow
_DEPTH = 4  # sentences within sentences: a verdict quotes a finding, which names a stretch; a list within a part
_NAMED = 3  # colons up to which the end of a name is looked for: ``C: my run: a.png: blurred``
_PROSE = ("file", "list", "more", "tail", "text", "what", "where", "who", "why")
_NARROW = {  # places that would else let a sentence fit what it does not mean
    "listed": r"(?:(?!: ).)+",
    "tensor": r"\w+(?:\.\w+)+",
    "where": r"at step [\d,]+|in \S+|from step .+? checkpoints\)",
}
_PLACE = re.compile(r"\{(\w+)\}")
_SPACED = re.compile(r"((?<=[^\x00-\x7f]) )?\{(\w+)\}( (?=[^\x00-\x7f]))?")  # with its blanks beside Japanese
_VERBS = {"are": "is", "were": "was", "do": "does", "have": "has", "show": "shows"}
_ONE = {rf"\ {many}": rf"\ (?:{many}|{one})" for many, one in _VERBS.items()}
_MANY = re.compile(rf"^((?:\\ [a-z]+){{1,2}}?)s\b(\\ (?:{'|'.join(_VERBS)})\b)?")  # of what `re.escape` made


@dataclass(frozen=True)
class Saying:
    """One sentence with places, and its translation."""

    said: re.Pattern[str]
    translation: str
    literal: int  # characters that are not places: the more, the more exactly it fits


@dataclass(frozen=True)
class Sayings:
    """All sentences of one language, the most exact first."""

    known: tuple[Saying, ...] = ()
    _seen: dict[str, str | None] = field(default_factory=dict, repr=False)

    def translate(self, text: str, depth: int = _DEPTH) -> str | None:
        """The sentence in the other language; None where none fits."""
        if depth == 0 or len(text) > LONGEST:
            return None
        if len(self._seen) > _REMEMBERED:
            self._seen.clear()
        if text not in self._seen:
            self._seen[text] = self._search(text, depth)
        return self._seen[text]

    def _search(self, text: str, depth: int) -> str | None:
        for saying in self.known:
            if found := saying.said.fullmatch(text):
                return filled(saying.translation, {k: self._part(v, depth) for k, v in found.groupdict().items()})
        if "; " not in text:
            return self._named(text, depth)
        parts = [self.translate(part, depth - 1) for part in text.split("; ")]
        return None if None in parts else "。".join(filter(None, parts))

    def _named(self, text: str, depth: int) -> str | None:
        """``a.png: blurred``: a name, which stays unless it is known, and what is said of it, which must be."""
        parts = text.split(": ", _NAMED)
        for i in range(1, len(parts)):
            told = self.translate(": ".join(parts[i:]), depth - 1)
            if told is not None:
                name = ": ".join(parts[:i])
                return f"{self.translate(name, depth - 1) or name}：{told}"
        return None

    def _part(self, text: str, depth: int) -> str:
        """What stands in a place: a sentence, several parted by semicolons, or something that stays as it is."""
        if (whole := self.translate(text, depth - 1)) is not None:
            return whole
        parts = [self.translate(part, depth - 1) or self._list(part, depth) or part for part in text.split("; ")]
        return "。".join(parts)

    def _list(self, text: str, depth: int) -> str | None:
        """``the key network of size 320, the value network of size 768``: told where each of them can be."""
        told = [self.translate(part, depth - 1) for part in text.split(", ")]
        return None if None in told else "、".join(filter(None, told))


def filled(translation: str, values: Mapping[str, str]) -> str:
    """A translation with its places filled: a blank parts Japanese from figures and names, not from Japanese."""

    def fill(place: re.Match[str]) -> str:
        before, name, after = place.groups(default="")
        value = values[name]
        return (before if value[:1].isascii() else "") + value + (after if value[-1:].isascii() else "")

    return _SPACED.sub(fill, translation)


def sayings_of(told: Mapping[str, str]) -> Sayings:
    """The catalogue of ``{"Go back to step {step}.": "…"}``."""
    made = (Saying(_pattern(english), translation, _literal(english)) for english, translation in told.items())
    return Sayings(tuple(sorted(made, key=lambda saying: -saying.literal)))


@lru_cache(maxsize=4096)
def _pattern(english: str) -> re.Pattern[str]:
    parts = _PLACE.split(english)
    outer = {1} if not parts[0] else set()
    outer |= {len(parts) - 2} if not parts[-1] else set()
    made = [_counting(re.escape(part), i) if i % 2 == 0 else _place(part, i in outer) for i, part in enumerate(parts)]
    return re.compile("".join(made), re.DOTALL)


def _counting(escaped: str, at: int) -> str:
    """What follows a number fits one thing as well as many: ``{n} pictures are`` is said of ``1 picture is`` too."""
    return _MANY.sub(lambda found: f"{found[1]}s?{_ONE.get(found[2], '')}", escaped) if at else escaped


def _place(name: str, outer: bool) -> str:
    """What may stand in a place.  One at either end of its sentence never takes in the sentence beside it."""
    prose = r"(?:(?!; ).)+?" if outer else ".+?"
    pattern = _NARROW.get(name, prose if name.startswith(_PROSE) else r"\S+?")
    return f"(?P<{name}>{pattern})"


def _literal(english: str) -> int:
    return len(_PLACE.sub("", english))
