"""The validation loss: fixed pictures, fixed timesteps, fixed noises, paired with the bare base model.

A step's loss is mostly its timestep.  With all of that fixed, two checkpoints are compared item by item and differ by
what the network learned alone.  Item i belongs to eighth i mod 8 of the timesteps; no weighting is at work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hndoctor.records import ValidationPoint
from trainer import seeding
from trainer.caption_gap import Swapped, gaps
from trainer.data import Batch
from trainer.diffusion import Injection
from trainer.interrupts import NEVER, Stop
from trainer.network import Hypernetwork
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


@dataclass(frozen=True)
class Baseline:
    """The bare base model on the fixed items: its losses never change, so they are kept in the run."""

    key: str  # hash of everything they follow from
    held_out: tuple[float, ...]
    train: tuple[float, ...]
    caption_gaps: tuple[float, ...]

    @classmethod
    def read(cls, path: Path, key: str) -> Baseline | None:
        """What an earlier start of the same run has measured; None if it was of other items, or cannot be read."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            losses = (tuple(map(float, told[name])) for name in ("held_out", "train", "caption_gaps"))
            found = cls(str(told["key"]), *losses)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.key == key else None


class Validation:
    """Held-out items, and as many training items, measured with the network and (once) without."""

    def __init__(
        self,
        objective: Objective,
        injection: Injection,
        held_out: Sequence[Batch],
        train: Sequence[Batch],
        cache: Path | None = None,
        base_hash: str | None = None,
    ) -> None:
        self.objective, self.injection = objective, injection
        self.held_out, self.train = tuple(held_out), tuple(train)
        self.swapped = Swapped.of(self.held_out, self.train)
        key = self._key(base_hash)
        known = Baseline.read(cache, key) if cache is not None else None
        self.known = known is not None
        self.base = known or self._bare(key)

    def measure(self, number: int, stop: Stop = NEVER) -> ValidationPoint:
        """The point of the checkpoint that is numbered so.  Raises `LeftError` when `stop` is set."""
        held_out, train, captions = self._measured(stop)
        base = self.base
        return ValidationPoint(
            step=number,
            held_out=_mean(held_out),
            held_out_base=_mean(base.held_out),
            train=_mean(train) if train else None,
            train_base=_mean(base.train) if train else None,
            items=held_out,
            base_items=base.held_out,
            caption_gaps=captions,
            base_caption_gaps=base.caption_gaps if captions else (),
        )

    def held_out_of(self, network: Hypernetwork, stop: Stop = NEVER) -> float:
        """The held-out loss of another network, such as the moving average."""
        with self.injection.using(network):
            return _mean(self._losses(self.held_out, stop))

    def _bare(self, key: str) -> Baseline:
        with self.injection.disabled():
            return Baseline(key, *self._measured())

    def _measured(self, stop: Stop = NEVER) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """The losses of the held-out and of the training items, and the caption gaps of both."""
        sets = (self.held_out, self.train, self.swapped.items)
        held_out, train, swapped = (self._losses(items_, stop) for items_ in sets)
        return held_out, train, gaps(self.swapped.own((*held_out, *train), DRAWS), swapped)

    def _key(self, base_hash: str | None) -> str:
        """A hash of the items, the base model and the precision."""
        objective = self.objective
        told = f"{base_hash} {objective.half} {objective.unet.device.type} {objective.v_prediction}"
        digest = hashlib.sha256(told.encode())
        for batch in (*self.held_out, *self.train):
            weight = () if batch.weight is None else (batch.weight[0],)
            for tensor in (batch.latents[0], batch.noise, batch.timesteps, batch.context[0], *weight):
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @torch.no_grad()
    def _losses(self, batches: Sequence[Batch], stop: Stop = NEVER) -> tuple[float, ...]:
        modes = [network.training for network in self.injection.networks]
        for network in self.injection.networks:
            network.eval()
        losses = []
        try:
            for b in batches:
                stop.heed()
                losses.append(self.objective(b.latents, b.noise, b.timesteps, b.context, b.weight))
        finally:
            for network, mode in zip(self.injection.networks, modes, strict=True):
                network.train(mode)
        return tuple(torch.cat(losses).tolist()) if losses else ()


def bins(items: Sequence[float]) -> tuple[float, ...]:
    """The mean loss of each eighth of the timesteps, from the least noise to the most."""
    return tuple(_mean(items[place::DRAWS]) for place in range(DRAWS))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
