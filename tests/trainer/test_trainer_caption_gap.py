"""The caption gap: the same items under another picture's caption."""

from __future__ import annotations

import math

import pytest
import torch

from trainer.caption_gap import PLACES, Swapped, gaps, under
from trainer.data import Batch
from trainer.validation import DRAWS, items


def batches(*captions: float, first: int = 0) -> list[Batch]:
    """Items whose context is filled with one number each."""
    latents = [torch.full((4, 2, 2), float(first + at)) for at in range(len(captions))]
    context = [torch.full((3, 5), caption) for caption in captions]
    return items(latents, context, [f"{first + at}.png" for at in range(len(captions))], 1000, 0)


def told(swapped: Swapped) -> list[float]:
    return [float(item.context[0, 0, 0]) for item in swapped.items]


def test_each_picture_gets_the_next_caption_of_its_kind_that_differs() -> None:
    swapped = Swapped.of(batches(1, 1, 2), batches(3, 4, first=10))
    assert swapped.pictures == (0, 1, 2, 3, 4)
    assert told(swapped) == [2, 2, 1, 4, 3]


def test_a_single_picture_gets_a_caption_of_the_other_kind_and_equal_ones_none() -> None:
    assert told(Swapped.of(batches(1), batches(2, first=10))) == [2, 1]
    assert Swapped.of(batches(1, 1), batches(1, first=10)) == Swapped((), ())
    assert gaps((), ()) == ()


def test_only_the_text_is_anothers() -> None:
    one, other = batches(1, 2)
    mixed = under(one, other)
    for name in ("latents", "noise", "timesteps"):
        assert torch.equal(getattr(mixed, name), getattr(one, name)[list(PLACES)])
    assert torch.equal(mixed.context, other.context[list(PLACES)])
    assert mixed.weight is None


def test_gaps_are_logarithms_of_ratios_picture_by_picture() -> None:
    swapped = Swapped((0, 2), ())
    losses = [float(at) for at in range(3 * DRAWS)]
    own = swapped.own(losses, DRAWS)
    assert own == tuple(losses[DRAWS * picture + place] for picture in (0, 2) for place in PLACES)
    assert gaps((1.0, 3.0, 2.0, 2.0), (4.0, 4.0, 1.0, 1.0)) == pytest.approx((math.log(2), -math.log(2)))
    for ruined in (math.nan, math.inf, 0.0):
        assert gaps((1.0, 1.0), (1.0, ruined)) == ()
