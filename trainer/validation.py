"""The validation loss: fixed pictures, fixed timesteps, fixed noises, paired with the bare base model.

A step's loss is mostly its timestep.  With all of that fixed, two checkpoints are compared item by item and differ by
what the network learned alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hndoctor.records import ValidationPoint
from trainer import seeding
from trainer.data import Batch
from trainer.diffusion import Injection
from trainer.objective import Objective

DRAWS = 8  # timesteps and noises a picture, one from each eighth of the range (at least 4 strata: Voronov et al. 2023)


def items(
    latents: Sequence[Tensor],
    context: Sequence[Tensor],
    names: Sequence[str],
    timesteps: int,
    seed: int,
    weights: Sequence[Tensor | None] = (),
) -> list[Batch]:
    """One batch a picture: `DRAWS` stratified timesteps, each with its own noise, from a CPU generator.

    `latents` (4, height, width) and `context` (tokens, width) of each picture, `weights` of its places or none.
    """
    batches = []
    for index, name in enumerate(names):
        generator = seeding.generator(seed, "validation", name)
        jitter = torch.rand(DRAWS, generator=generator, dtype=torch.float64)
        drawn = ((torch.arange(DRAWS) + jitter) / DRAWS * timesteps).long().clamp(max=timesteps - 1)
        device, weight = latents[index].device, weights[index] if weights else None
        noise = torch.randn((DRAWS, *latents[index].shape), generator=generator)
        repeated = latents[index][None].expand(DRAWS, -1, -1, -1)
        text = context[index][None].expand(DRAWS, -1, -1)
        weighed = None if weight is None else weight[None].expand(DRAWS, -1, -1, -1)
        batches.append(Batch(repeated, noise.to(device), drawn.to(device), text, (index,), weighed))
    return batches


class Validation:
    """Held-out items, and as many training items, measured with the network and (once) without."""

    def __init__(
        self, objective: Objective, injection: Injection, held_out: Sequence[Batch], train: Sequence[Batch]
    ) -> None:
        self.objective, self.injection = objective, injection
        self.held_out, self.train = tuple(held_out), tuple(train)
        with injection.disabled():
            self.base = self._losses(self.held_out), self._losses(self.train)

    def measure(self, number: int) -> ValidationPoint:
        """The point of the checkpoint that is numbered so."""
        held_out, train = self._losses(self.held_out), self._losses(self.train)
        return ValidationPoint(
            step=number,
            held_out=_mean(held_out),
            held_out_base=_mean(self.base[0]),
            train=_mean(train),
            train_base=_mean(self.base[1]),
            items=held_out,
            base_items=self.base[0],
        )

    @torch.no_grad()
    def _losses(self, batches: Sequence[Batch]) -> tuple[float, ...]:
        modes = [network.training for network in self.injection.networks]
        for network in self.injection.networks:
            network.eval()
        losses = [self.objective(b.latents, b.noise, b.timesteps, b.context, b.weight) for b in batches]
        for network, mode in zip(self.injection.networks, modes, strict=True):
            network.train(mode)
        return tuple(torch.cat(losses).tolist()) if losses else ()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
