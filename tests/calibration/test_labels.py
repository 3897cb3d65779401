"""What a picture of noise is evidence for: one tint is no colourful noise, and four blobs in a frame prove nothing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.previews.labels import settled
from benchmarks.previews.measuring import NAMES, Table


def table(group: str, family: str, hues: float, small: bool) -> Table:
    scores = np.zeros((1, len(NAMES)))
    scores[0, NAMES.index("hue_entropy")] = hues
    words = (np.array([word]) for word in ("p", group, family))
    return Table(*words, np.array([small]), np.array([-1]), np.array([np.nan]), scores, np.zeros((1, 0)))


@pytest.mark.parametrize(
    ("group", "family", "hues", "small", "settles"),
    [
        ("noise", "found white1", 0.49, False, ("grey noise", "grey one tint found white1")),
        ("noise", "found white1", 0.51, False, ("noise", "found white1")),
        ("dying", "dying a", 0.49, True, ("grey noise", "grey one tint dying a")),
        ("art", "sepia", 0.1, False, ("art", "sepia")),  # a picture of one tint is a picture
        ("noise", "linear smooth 1.5", 0.9, True, ("few blobs", "linear smooth 1.5")),
        ("noise", "bilinear: smooth 1.5", 0.9, True, ("few blobs", "bilinear: smooth 1.5")),
        ("noise", "linear smooth 1.5", 0.9, False, ("noise", "linear smooth 1.5")),
        ("noise", "linear smooth 1", 0.9, True, ("noise", "linear smooth 1")),
        ("noise", "halved smooth 1.5", 0.9, True, ("noise", "halved smooth 1.5")),  # drawn at 256 px
    ],
)
def test_two_rules_settle_what_noise_is(group, family, hues, small, settles):
    found = settled(table(group, family, hues, small))
    assert (found.group[0], found.family[0]) == settles
