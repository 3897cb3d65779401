"""What captions say about themselves: underscores, attention syntax, alphabetical order.  Text only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise

SORTABLE = 4  # tags a caption needs, apart from those that all captions share, to have an order worth naming
TAGS_PER_SLIP = 8  # tags of a sorted caption among which one may be out of order (guess)
ORDER_CHANCE = -4.0  # log10 of the chance that so many captions are sorted by accident; below: on purpose (guess)
ORDER_SHARE = 0.5  # share of the sortable captions that must be sorted: the rule is about the set (G3)

_WORD = re.compile(r"[^\W_]{2,}")
_SILENT = -50.0  # logarithm that stands for a weight of 0 or below: the tag is silenced or inverted
_EVEN = 1e-6  # logarithm of a weight that is 1 but for rounding
_WORDED = re.compile(r"[^\W_]{2,}_|_[^\W_]{2,}|[^\W_]_\\?\(")  # o_o and >_< are emoticons, not words
_SYNTAX = re.compile(r"\\.|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:", re.DOTALL)
_PLACEHOLDER = re.compile(r"\[(?:name|filewords)\]")
_WRAPPED = re.compile(r"^([(\[]+)([^()\[\]\\]+?)(?::\s*[+-]?[.\d]+\s*)?([)\]]+)$")
_UNESCAPED = re.compile(r"\\.|[()\[\]]", re.DOTALL)


@dataclass(frozen=True)
class Order:
    """How many captions are in alphabetical order, and how likely that is by accident."""

    sortable: int
    sorted: int
    chance: float  # log10

    @property
    def deliberate(self) -> bool:
        """Whether a tagger sorted the set."""
        return self.sortable > 0 and self.sorted >= ORDER_SHARE * self.sortable and self.chance < ORDER_CHANCE


def is_underscored(tag: str) -> bool:
    """Whether the words of a tag are parted by underscores (G2)."""
    return bool(_WORDED.search(tag))


def spaced(tag: str) -> str:
    """The tag with spaces between its words."""
    return re.sub(r"_+", " ", tag) if is_underscored(tag) else tag


def emphasised(text: str) -> tuple[str, ...]:
    """The pieces of a caption that the web UI's attention syntax would weigh differently from 1 (G4).

    Follows ``parse_prompt_attention``: ``( )`` times 1.1, ``[ ]`` divided by it, ``(x:1.2)``; an opening bracket
    that is never closed weighs everything after it, a closing one that was never opened is plain text.
    """
    pieces: list[str] = []
    rounds: list[int] = []
    squares: list[int] = []
    spans: list[tuple[int, int, float]] = []  # first piece, piece after the last, logarithm of the weight
    for match in _SYNTAX.finditer(_PLACEHOLDER.sub("", text)):
        token, weight = match.group(0), match.group(1)
        if token in "([":
            (rounds if token == "(" else squares).append(len(pieces))
        elif weight is not None and rounds and _number(weight):
            spans.append((rounds.pop(), len(pieces), _log(float(weight))))
        elif token == ")" and rounds:
            spans.append((rounds.pop(), len(pieces), _log(1.1)))
        elif token == "]" and squares:
            spans.append((squares.pop(), len(pieces), -_log(1.1)))
        else:
            pieces.append(token)
    spans += [(start, len(pieces), _log(1.1)) for start in rounds]
    spans += [(start, len(pieces), -_log(1.1)) for start in squares]
    return tuple(piece.strip() for piece in _weighed(pieces, spans) if piece.strip(" ,\n"))


def _weighed(pieces: Sequence[str], spans: Sequence[tuple[int, int, float]]) -> Iterator[str]:
    """The pieces whose weights do not cancel out."""
    changes = [0.0] * (len(pieces) + 1)
    for start, end, weight in spans:
        changes[start] += weight
        changes[end] -= weight
    return (piece for piece, weight in zip(pieces, accumulate(changes), strict=False) if abs(weight) > _EVEN)


def _log(weight: float) -> float:
    return math.log(weight) if weight > 0 else _SILENT


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def plain(text: str) -> str:
    """The caption without attention syntax: what reaches the tokenizer."""
    without = re.sub(r":\s*[+-]?[.\d]+\s*\)", ")", _PLACEHOLDER.sub("", text))
    return _UNESCAPED.sub(lambda found: found.group(0)[1:], without)


def escaped(tag: str) -> str:
    """The tag without attention syntax: brackets around whole tags go, others are escaped.  ``[name]`` stays.

    A bracket without its partner belongs to a weight over several tags, ``(red hair, hat:1.2)``, and goes too.
    """
    if _PLACEHOLDER.fullmatch(tag.strip()):
        return tag
    wrapped = _WRAPPED.match(tag.strip())
    if wrapped and len(wrapped[1]) == len(wrapped[3]):
        return tag.replace(tag.strip(), wrapped[2].strip())
    whole = _without_halves(tag) if _WORD.search(tag) else tag
    parts = _PLACEHOLDER.split(whole)
    held = [*_PLACEHOLDER.findall(whole), ""]
    return "".join(_UNESCAPED.sub(_escape, part) + keep for part, keep in zip(parts, held, strict=True))


def _without_halves(tag: str) -> str:
    """The tag without brackets that have no partner in it; those of emoticons stay."""
    tokens = [found.group(0) for found in _SYNTAX.finditer(tag)]
    opened: dict[str, list[int]] = {")": [], "]": []}
    halves: set[int] = set()
    for index, token in enumerate(tokens):
        if token in "([":
            opened[")" if token == "(" else "]"].append(index)
        elif token[-1] in ")]" and token[0] != "\\":
            if opened[token[-1]]:
                opened[token[-1]].pop()
            elif len(token) > 1 or _beside_word(tokens, index - 1):
                halves.add(index)
    halves |= {index for left in opened.values() for index in left if _beside_word(tokens, index + 1)}
    return "".join(token for index, token in enumerate(tokens) if index not in halves)


def _beside_word(tokens: Sequence[str], index: int) -> bool:
    """Whether the neighbour is a word or another bracket, and not the eyes of a face."""
    return 0 <= index < len(tokens) and (tokens[index] in "()[]" or bool(_WORD.search(tokens[index])))


def _escape(found: re.Match[str]) -> str:
    token = found.group(0)
    return token if len(token) > 1 else "\\" + token


def common_start(captions: Sequence[Sequence[str]]) -> int:
    """How many leading tags all captions share: a name put in front says nothing about the order of the rest."""
    shared = 0
    while captions and all(len(tags) > shared for tags in captions) and len({tags[shared] for tags in captions}) == 1:
        shared += 1
    return shared if len(captions) > 1 else 0


def shared_tags(captions: Sequence[Sequence[str]]) -> frozenset[str]:
    """The tags that all of several captions have."""
    return frozenset.intersection(*map(frozenset, captions)) if len(captions) > 1 else frozenset()


def order_of(captions: Sequence[Sequence[str]]) -> Order:
    """The alphabetical order of a whole set of captions, given as their tags.

    Tags that all captions share are left out: a name put in front or behind says nothing about the rest.  The chance is
    exact for one caption (of n tags in random order so many descents or fewer, by Eulerian numbers), and for the set
    counts that any subset might have been the sorted one.
    """
    shared = shared_tags(captions)
    rests = [[tag for tag in tags if tag not in shared] for tags in captions]
    rests = [rest for rest in rests if len(set(rest)) >= SORTABLE]
    in_order = [rest for rest in rests if is_sorted(rest)]
    choices = 0.0 if len(in_order) == len(rests) else len(rests) * math.log10(2)
    chance = choices + sum(_chance(len(rest), descents(rest)) for rest in in_order)
    return Order(len(rests), len(in_order), min(0.0, chance))


def is_sorted(tags: Sequence[str]) -> bool:
    """Whether tags are in alphabetical order, give or take one tag in eight that somebody put in by hand."""
    return descents(tags) <= len(tags) // TAGS_PER_SLIP


def descents(tags: Sequence[str]) -> int:
    """How often a tag comes before its left neighbour, as people or as taggers (with underscores) sort them."""
    return min(sum(key(b) < key(a) for a, b in pairwise(tags)) for key in (str.lower, _tagger_key))


def _tagger_key(tag: str) -> str:
    return tag.lower().replace(" ", "_").replace("\\", "")


@cache
def _chance(n: int, most: int) -> float:
    """log10 of the probability that n tags in random order have at most so many descents."""
    row = [1]  # Eulerian numbers of 1: how many orders have 0, 1, ... descents
    for size in range(2, n + 1):
        longer = [*row, 0]
        row = [(k + 1) * longer[k] + (size - k) * (longer[k - 1] if k else 0) for k in range(size)]
    return (math.log(sum(row[: most + 1])) - math.lgamma(n + 1)) / math.log(10)
