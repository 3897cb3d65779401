"""Pictures that are there twice, exactly or nearly (G5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from hndoctor.records import PictureVitals, Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import FLAT, listed, readable

NEAR = 6  # of 64 bits in which perceptual hashes may differ (Zauner 2010 calls up to 10 % similar)
NEAR_DIFFERENCE = 10  # of 64 bits in which the second hash may differ; it confirms the first (guess)


@rule("HN524", Severity.WARNING, needs="setup")
def picture_duplicate(setup: Setup) -> Iterator[Sign]:
    """Two files show exactly the same pixels.

    The picture counts twice and is learned by heart first (G5, G8).  Remove one.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for picture in readable(setup):
        groups[picture.digest].append(picture.path)
    for names in (names for names in groups.values() if len(names) > 1):
        message = f"{listed(names)} show the same pixels; keep one"
        yield Sign(message, subject=names[1], value=len(names), limit=1, subjects=tuple(names))


@rule("HN525", Severity.WARNING, needs="setup")
def picture_near_duplicate(setup: Setup) -> Iterator[Sign]:
    """Two pictures look alike.

    Copies in another size or quality, or neighbouring frames: what they share weighs double (G5, G8).  Keep the best.
    Told by two perceptual hashes that must agree; flat pictures are left out.
    """
    for names in alike([p for p in readable(setup) if (p.contrast or 0) >= FLAT]):
        message = f"{listed(names)} look alike; keep the best one"
        yield Sign(message, subject=names[1], value=len(names), limit=1, confidence=0.8, subjects=tuple(names))


def alike(pictures: Sequence[PictureVitals]) -> list[list[str]]:
    """Groups of pictures whose hashes are close, exact duplicates apart; names in order."""
    parent = {picture.path: picture.path for picture in pictures}

    def root(path: str) -> str:
        while parent[path] != path:
            path = parent[path]
        return path

    for one, other in _candidates(pictures):
        if one.digest != other.digest and _close(one, other):
            parent[root(other.path)] = root(one.path)
    groups: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        groups[root(picture.path)].append(picture.path)
    return [names for names in groups.values() if len(names) > 1]


def _candidates(pictures: Sequence[PictureVitals]) -> Iterator[tuple[PictureVitals, PictureVitals]]:
    """Pairs with an equal byte in their hashes: with at most 6 bits apart, one of the 8 bytes must be equal."""
    seen: set[tuple[str, str]] = set()
    for byte in range(0, 16, 2):
        bands: dict[str, list[PictureVitals]] = defaultdict(list)
        for picture in pictures:
            bands[picture.perceptual_hash[byte : byte + 2]].append(picture)
        for one, other in (pair for band in bands.values() for pair in combinations(band, 2)):
            if (one.path, other.path) not in seen:
                seen.add((one.path, other.path))
                yield one, other


def _close(one: PictureVitals, other: PictureVitals) -> bool:
    second = not (one.difference_hash and other.difference_hash)
    return bits_apart(one.perceptual_hash, other.perceptual_hash) <= NEAR and (
        second or bits_apart(one.difference_hash, other.difference_hash) <= NEAR_DIFFERENCE
    )


def bits_apart(one: str, other: str) -> int:
    """The Hamming distance of two hashes in hex."""
    return (int(one or "0", 16) ^ int(other or "0", 16)).bit_count()
