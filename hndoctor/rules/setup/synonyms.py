"""Tags that mean nearly the same (G5): the same words in another order, number, form or country's spelling."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import listed
from hndoctor.rules.setup.tags import spelling

SHOWN = 10  # groups told one by one (guess: what one reads)
STEM = 3  # letters that must be left of a word when an ending is taken off
_ABROAD = {"grey": "gray", "colour": "color", "blond": "blonde", "armour": "armor", "jewellery": "jewelry"}
_EMPTY = frozenset({"a", "an", "the", "of", "with", "in", "on", "one", "and"})
_NUMBER = re.compile(r"^1(?=[a-z])")


def stem(word: str) -> str:
    """What forms of one word share: ``smile`` and ``smiling``, ``flower`` and ``flowers``, ``grey`` and ``gray``."""
    word = _ABROAD.get(_NUMBER.sub("", word), _NUMBER.sub("", word))
    if word.endswith("s") and not word.endswith("ss") and len(word) > STEM:
        word = word[:-1]
    if word.endswith("ing") and len(word) - 3 >= STEM:
        word = word[:-3]
        word = word[:-1] if word[-1] == word[-2] and word[-1] not in "ls" else word  # sitting, sit
    return word.removesuffix("e") if len(word) > STEM else word


def sense(tag: str) -> frozenset[str]:
    """The words that carry a tag's meaning, in no order."""
    words = [word for word in spelling(tag).split() if word not in _EMPTY]
    return frozenset(map(stem, words))


@rule("HN585", Severity.INFO, needs="setup")
def tag_near_synonym(setup: Setup) -> Iterator[Sign]:
    """Two tags mean nearly the same.

    The same words in another order or form (`smile` and `smiling`, `grey hair` and `gray hair`): each gets only part of
    the pictures, and the network learns both halves worse (G5).  Choose one.
    """
    groups: dict[frozenset[str], Counter[str]] = defaultdict(Counter)
    for caption in setup.captions:
        for tag in dict.fromkeys(spelling(tag) for tag in caption.tags) if caption.source else ():
            groups[sense(tag)][tag] += 1
    found = [ways for key, ways in sorted(groups.items(), key=lambda g: sorted(g[0])) if key and len(ways) > 1]
    for ways in found[:SHOWN]:
        told = " and ".join(f'"{tag}" ({count})' for tag, count in ways.most_common())
        yield Sign(f"{told} mean nearly the same; choose one", value=len(ways), limit=1, confidence=0.6)
    if len(found) > SHOWN:
        rest = [" / ".join(sorted(ways)) for ways in found[SHOWN:]]
        yield Sign(f"{len(rest)} more tags have near-synonyms: {listed(rest)}; choose one of each", confidence=0.6)
