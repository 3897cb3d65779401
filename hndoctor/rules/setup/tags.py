"""The tag table (G5): tags seen once, tags seen everywhere, and two spellings of the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import listed
from hndoctor.rules.setup.lexicon import ARTIST, TWINS

ENOUGH = 5  # captions before counts of tags say anything (guess)
ONCE_SHARE = 0.5  # share of different tags seen once from which the vocabulary is called scattered (guess)
TAG_WORDS = 3  # words; what is longer is a phrase (guess)
SHORTEST = 5  # letters of a word whose misspelling can be told from another word (guess)
OFTEN = 3  # uses of a word before its neighbour is called a misspelling of it (guess)
SELDOM = 1  # uses of a misspelling
_SPLIT = re.compile(r"[\s_\-]+")
_WORD = re.compile(r"[^\W\d_]+")


def spelling(tag: str) -> str:
    """What two spellings of one tag have in common."""
    return " ".join(_SPLIT.split(tag.lower().replace("\\", "").strip()))


def captioned(setup: Setup) -> list[frozenset[str]]:
    """The different tags of every caption that has words, spelled alike."""
    return [frozenset(spelling(tag) for tag in c.tags) for c in setup.captions if c.tags and c.source]


@rule("HN506", Severity.INFO, needs="setup")
def tag_everywhere(setup: Setup) -> Iterator[Sign]:
    """A tag is on every picture.

    Nothing in the set shows what the tag alone does, so it becomes part of what the network adds always (G5).  Right
    for the name that calls the network; for anything that should stay free, leave it out or add pictures without it.
    """
    sets = captioned(setup)
    if len(sets) < ENOUGH:
        return
    first = {spelling(c.tags[0]) for c in setup.captions if c.tags and c.source}
    everywhere = frozenset.intersection(*sets) - (first if len(first) == 1 else set())
    named = [spelling(setup.name)] if setup.name else []
    free = sorted(tag for tag in everywhere if not ARTIST.search(tag) and not any(name in tag for name in named))
    if free:
        message = (
            f"on all {len(sets)} captioned pictures: {listed(free)}; leave out what should not be part of the subject"
        )
        yield Sign(message, value=len(free), limit=0, confidence=0.7)


@rule("HN507", Severity.INFO, needs="setup")
def tag_once(setup: Setup) -> Iterator[Sign]:
    """Most tags occur only once.

    From a single picture the network cannot tell what a tag means (G5).  Check them: a misspelling, a tag that other
    pictures lack, or a detail that need not be named.
    """
    counts = Counter(tag for tags in captioned(setup) for tag in tags)
    once = sorted(tag for tag, count in counts.items() if count == 1)
    if sum(len(tag.split()) <= TAG_WORDS for tag in counts) < ONCE_SHARE * len(counts):
        return  # sentences, not tags: each is its own
    if len(captioned(setup)) >= ENOUGH and once and len(once) >= ONCE_SHARE * len(counts):
        message = f"{len(once)} of {len(counts)} tags occur once: {listed(once)}; correct or complete them"
        yield Sign(message, value=len(once) / len(counts), limit=ONCE_SHARE, confidence=0.7)


@rule("HN508", Severity.INFO, needs="setup")
def tag_spelled_twice(setup: Setup) -> Iterator[Sign]:
    """The same tag is spelled in two ways.

    To the text encoder they are different words, and each gets half of the pictures (G5).  Choose one spelling.
    """
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for caption in setup.captions:
        for tag in caption.tags if caption.source else ():
            ways[spelling(tag)][tag] += 1
    for variants in (found for _, found in sorted(ways.items()) if len(found) > 1):
        told = " and ".join(f'"{tag}" ({count})' for tag, count in variants.most_common())
        yield Sign(f"one tag is spelled {told}; choose one spelling", value=len(variants), limit=1, confidence=0.9)


@rule("HN516", Severity.INFO, needs="setup")
def tag_misspelled(setup: Setup) -> Iterator[Sign]:
    """A word looks like a misspelling of another.

    It occurs once and differs by one letter from a word that occurs often (edit distance 1, plurals apart): the picture
    is then missing from that word's pictures (G5).  Correct it, or leave it if it is meant.
    """
    uses: dict[str, set[str]] = defaultdict(set)
    for caption in setup.captions:
        for word in _WORD.findall(caption.text.lower()) if caption.source else ():
            uses[word].add(caption.source or "")
    for rare, often in _neighbours(uses):
        source = min(uses[rare])
        message = f'{source}: "{rare}" looks like "{often}", which is used {len(uses[often])} times; correct it'
        yield Sign(message, subject=source, value=len(uses[rare]), limit=SELDOM, confidence=0.6)


def _neighbours(uses: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Pairs of a seldom and an often used word that one edit parts."""
    long = {word: len(seen) for word, seen in uses.items() if len(word) >= SHORTEST}
    index: dict[str, list[str]] = defaultdict(list)
    for word in (word for word, count in long.items() if count >= OFTEN):
        for key in _shortened(word):
            index[key].append(word)
    for rare in sorted(word for word, count in long.items() if count <= SELDOM and word not in TWINS):
        near = {word for key in _shortened(rare) for word in index[key] if one_edit(rare, word)}
        near = {word for word in near if not _related(rare, word)}
        if near:
            yield rare, max(sorted(near), key=lambda word: long[word])


def _shortened(word: str) -> set[str]:
    """The word, and the word without any one letter: two words one edit apart share one of these."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _related(one: str, other: str) -> bool:
    """Forms of the same word rather than a slip: plurals and the like, and a changed first letter."""
    short, long = sorted((one, other), key=len)
    return one[0] != other[0] or (long.startswith(short) and len(long) > len(short))


def one_edit(one: str, other: str) -> bool:
    """Whether two different words are one letter put in, left out, changed, or swapped with its neighbour apart."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, others = one[start:], other[start:]
    swapped = len(rest) > 1 and rest[1::-1] + rest[2:] == others
    return swapped or _tail(rest, others) in ((1, 1), (0, 1), (1, 0))


def _tail(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """How many letters are left of each when the common end is taken off."""
    shared = 0
    while shared < min(len(one), len(other)) and one[-1 - shared] == other[-1 - shared]:
        shared += 1
    return len(one) - shared, len(other) - shared
