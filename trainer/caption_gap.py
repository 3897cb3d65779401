"""The caption gap: how much worse pictures are predicted under another picture's caption than under their own.

A network that ignores or ruins captions loses the gap, though its pictures may be clean and its loss low.  Measured on
the validation's own items, with their timesteps and noises: the same loss, only the text is another's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from trainer.data import Batch

# of the draws of an item (eighths of the timesteps, from the least noise): where the text tells most and least chance
# is in it.  Lab, tuning half: these two part sound from broken checkpoints as well as all eight do, the noisiest do not
PLACES = (2, 4)


@dataclass(frozen=True)
class Swapped:
    """Those pictures of the validation whose caption another one's differs from."""

    pictures: tuple[int, ...]  # their places among all, held-out ones first
    items: tuple[Batch, ...]  # each at PLACES, under the other caption

    @classmethod
    def of(cls, held_out: Sequence[Batch], train: Sequence[Batch]) -> Swapped:
        """Each picture takes the next caption of its own kind that differs, or else one of the other kind."""
        found: dict[int, Batch] = {}
        for begun, own, others in ((0, held_out, train), (len(held_out), train, held_out)):
            for at, item in enumerate(own):
                rest = (*own[at + 1 :], *own[:at], *others)
                other = next((one for one in rest if not torch.equal(one.context[0], item.context[0])), None)
                if other is not None:
                    found[begun + at] = under(item, other)
        return cls(tuple(found), tuple(found.values()))

    def own(self, losses: Sequence[float], draws: int) -> tuple[float, ...]:
        """Those of the losses of all pictures, `draws` of each, that `items` are compared with."""
        return tuple(losses[draws * picture + place] for picture in self.pictures for place in PLACES)


def under(item: Batch, other: Batch) -> Batch:
    """The item's latents, noises and timesteps at PLACES, the other's text."""
    places = list(PLACES)
    return replace(
        item,
        latents=item.latents[places],
        noise=item.noise[places],
        timesteps=item.timesteps[places],
        context=other.context[places],
        weight=None if item.weight is None else item.weight[places],
    )


def gaps(own: Sequence[float], swapped: Sequence[float]) -> tuple[float, ...]:
    """ln(loss under another caption / under its own) of each picture, whose losses at PLACES follow one another.

    Empty where a loss is no positive number.
    """
    if not all(math.isfinite(value) and value > 0 for value in (*own, *swapped)):
        return ()
    count = len(PLACES)
    begins = range(0, len(own), count)
    return tuple(math.log(sum(swapped[at : at + count]) / sum(own[at : at + count])) for at in begins)
