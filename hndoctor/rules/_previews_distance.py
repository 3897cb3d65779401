"""How far previews are from each other, by their fingerprints.  Plain numbers, no pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hndoctor.records import Preview


def distance(one: Preview, other: Preview) -> float | None:
    """RMS difference of two fingerprints, 0..1; None if either has none."""
    if not one.fingerprint or len(one.fingerprint) != len(other.fingerprint):
        return None
    squares = sum((a - b) ** 2 for a, b in zip(one.fingerprint, other.fingerprint, strict=True))
    return math.sqrt(squares / len(one.fingerprint))


def composition_distance(one: Preview, other: Preview) -> float | None:
    """How differently light and dark lie in two pictures: √(1 − r) of their fingerprints' luma, 0 to 1.42.

    Blind to contrast and palette, so that a sepia style does not seem to make pictures alike.  None as in `distance`;
    a picture without contrast has no composition, and counts as like every other.
    """
    if not one.fingerprint or len(one.fingerprint) != len(other.fingerprint):
        return None
    a, b = (_centred_luma(p.fingerprint) for p in (one, other))
    energy = math.sqrt(sum(v * v for v in a) * sum(v * v for v in b))
    return math.sqrt(max(0.0, 1 - sum(u * v for u, v in zip(a, b, strict=True)) / energy)) if energy > 1e-6 else 0.0


def _centred_luma(fingerprint: Sequence[float]) -> list[float]:
    luma = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in zip(*(fingerprint[i::3] for i in range(3)), strict=True)]
    mean = sum(luma) / len(luma)
    return [v - mean for v in luma]


Distance = Callable[[Preview, Preview], float | None]


def diversity(previews: Sequence[Preview], apart: Distance = distance) -> float | None:
    """Mean distance over all pairs of previews; None with fewer than two fingerprints."""
    found = [d for i, one in enumerate(previews) for other in previews[i + 1 :] if (d := apart(one, other)) is not None]
    return sum(found) / len(found) if found else None
