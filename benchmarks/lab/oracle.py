"""The oracle: what a checkpoint does to pictures that neither training nor diagnosis has seen.

It knows every scene's attributes, has held-out pictures of its own, an independent classifier (benchmarks/pocket/judge)
and the bare base model beside it.  It never sees a score of ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.lab import material
from benchmarks.lab.truth import Measures, does_harm, mean
from benchmarks.pocket import judge as judging
from trainer.diffusion import apply_hypernetwork
from trainer.errors import TrainerError
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.pocket.make_vae import tensor
from trainer.pocket.scenes import Scene
from trainer.sampler import NoiseSchedule

HELD_OUT = 16  # pictures for the loss
DRAWN = 40  # pictures of the style that generated ones are compared with
TRAINED = 6  # training pictures at most for the loss
STRATA = 3  # timesteps and noises a picture
SAMPLES = 10  # generated pictures, of held-out captions
STEPS, CFG = 7, 4.0  # of DPM-Solver++ (2M)
READ = ("light", "ground", "object")  # attributes that a change of palette leaves readable
PIXELS = 16  # side of the small pictures in which nearest neighbours are looked for
SEED = 77  # of the fixed noises

Items = tuple[Tensor, Tensor, Tensor, Tensor]  # latents, noises, timesteps, contexts of pictures x STRATA


@dataclass(frozen=True)
class Subject:
    """A data set as the oracle sees it, and the bare base model on it."""

    name: str
    items: Items  # of HELD_OUT pictures
    scenes: tuple[Scene, ...]
    prompts: tuple[str, ...]
    features: Tensor  # of DRAWN pictures, standardised
    scale: tuple[Tensor, Tensor]
    small: np.ndarray
    readable: float
    base: Measures
    base_features: Tensor


class Lab:
    """A base model and a judge, loaded once."""

    def __init__(self, model: Path, judge: Path, scenes: int = judging.SCENES) -> None:
        self.judge, self.pipe = judging.load(judge, scenes), judging.pipeline(model)
        for part in (self.pipe.unet, self.pipe.vae, self.pipe.text_encoder):
            part.requires_grad_(False)
        velocity = self.pipe.scheduler.config.prediction_type == "v_prediction"
        noises = NoiseSchedule(self.pipe.scheduler.alphas_cumprod.double(), velocity)
        self.objective = Objective(self.pipe.unet, noises)
        self.chance = mean([1 / len(judging.ATTRIBUTES[name]) for name in READ])
        self._subjects: dict[str, Subject] = {}

    def subject(self, name: str) -> Subject:
        """The data set of that name, measured once."""
        if name not in self._subjects:
            self._subjects[name] = self._subject(name)
        return self._subjects[name]

    def trained(self, name: str, seed: int, indices: Sequence[int]) -> Trained:
        """The training pictures of a run, by their place in what `material.write` wrote."""
        pairs = [material.picture(name, seed, at) for at in indices]
        pictures = np.stack([np.asarray(picture) for picture, _ in pairs])
        texts = [text for _, text in pairs]
        return Trained(self._items(pictures[:TRAINED], texts[:TRAINED]), _small(pictures))

    def losses(self, items: Items, checkpoint: Path | None = None) -> tuple[float, ...]:
        """The mean loss of every picture, of the bare base model where no checkpoint is given."""
        if checkpoint is None:
            return self._losses(items)
        with apply_hypernetwork(self.pipe, Hypernetwork.load(checkpoint)):
            return self._losses(items)

    def followed(self, name: str, places: Sequence[int], checkpoint: Path) -> float:
        """The share of attributes that pictures of a data set's held-out captions show as they were asked for, 0..1."""
        texts = [material.picture(name, 0, material.AWAY + at)[1] for at in places]
        with apply_hypernetwork(self.pipe, Hypernetwork.load(checkpoint)):
            pictures = judging.generate(self.pipe, texts, SEED + places[0], STEPS, CFG, SAMPLES)
        return self._followed(pictures, [material.scene_of(name, 0, material.AWAY + at) for at in places])

    def items(self, name: str, seed: int, indices: Sequence[int]) -> Items:
        """Pictures of a data set, by their place in what `material.write` wrote or beyond, ready for their losses."""
        pairs = [material.picture(name, seed, at) for at in indices]
        return self._items(np.stack([np.asarray(picture) for picture, _ in pairs]), [text for _, text in pairs])

    def base(self, subject: Subject, trained: Trained) -> Measures:
        """The bare base model, with the training pictures of a run."""
        return replace(subject.base, train=self._losses(trained.items))

    def measure(
        self, number: int, checkpoint: Path, subject: Subject, trained: Trained, base: Measures, pictured: bool = True
    ) -> Measures:
        """One checkpoint.  `base`: the bare base model's measures with this run's training pictures.

        No pictures are drawn where the loss settles that it is broken; without `pictured` none either where the
        held-out loss is better than the bare base model's.
        """
        try:
            network = Hypernetwork.load(checkpoint)
        except TrainerError:
            return Measures(number, finite=False)
        if not network.is_finite():
            return Measures(number, finite=False)
        with apply_hypernetwork(self.pipe, network):
            held_out = self._losses(subject.items)
            if not all(map(math.isfinite, held_out)):
                return Measures(number, finite=False)
            found = Measures(number, True, held_out, self._losses(trained.items))
            if does_harm(found, base) or (mean(held_out) < mean(base.held_out) and not pictured):
                return found
            pictures = judging.generate(self.pipe, subject.prompts, SEED, STEPS, CFG, SAMPLES)
        return self._pictured(found, pictures, subject, trained.small)

    # --- the parts ----------------------------------------------------------------------------------------------------

    def _subject(self, name: str) -> Subject:
        pairs = [material.picture(name, 0, material.AWAY + at) for at in range(DRAWN)]
        pictures, texts = np.stack([np.asarray(p) for p, _ in pairs]), [text for _, text in pairs]
        scenes = tuple(material.scene_of(name, 0, material.AWAY + at) for at in range(DRAWN))
        items = self._items(pictures[:HELD_OUT], texts[:HELD_OUT])
        made = judging.generate(self.pipe, texts[:SAMPLES], SEED, STEPS, CFG, SAMPLES)
        features = self._style(pictures)
        both = torch.cat([features, self._style(made)])  # a style may leave some features without any spread of its own
        scale = both.mean(0), both.std(0).clamp(min=1e-4)
        subject = Subject(
            name, items, scenes[:SAMPLES], tuple(texts[:SAMPLES]), _scaled(features, scale), scale, _small(pictures),
            self._followed(pictures, scenes), Measures(0, held_out=self._losses(items)),
            _scaled(self._style(made), scale),
        )  # fmt: skip
        return replace(subject, base=self._pictured(subject.base, made, subject, None))

    def _items(self, pictures: np.ndarray, texts: Sequence[str]) -> Items:
        """Every picture at STRATA stratified timesteps with fixed noises."""
        with torch.no_grad():
            latents = self.pipe.vae.encode(tensor(pictures)).latent_dist.mean * self.pipe.vae.config.scaling_factor
            ids = self.pipe.tokenizer(list(texts), padding="max_length", max_length=77, truncation=True).input_ids
            context = self.pipe.text_encoder(torch.tensor(ids)).last_hidden_state
        rng = torch.Generator().manual_seed(SEED)
        count, total = len(pictures), len(self.objective.signal)
        at = (torch.arange(STRATA) + torch.rand((count, STRATA), generator=rng)) / STRATA * total
        noise = torch.randn((count * STRATA, *latents.shape[1:]), generator=rng)
        return (
            latents.repeat_interleave(STRATA, 0),
            noise,
            at.long().clamp(max=total - 1).flatten(),
            context.repeat_interleave(STRATA, 0),
        )

    @torch.no_grad()
    def _losses(self, items: Items) -> tuple[float, ...]:
        """The mean loss of every picture."""
        parts = [self.objective(*(part[at : at + 12] for part in items)) for at in range(0, len(items[0]), 12)]
        return tuple(round(value, 6) for value in torch.cat(parts).view(-1, STRATA).mean(1).tolist())

    def _pictured(
        self, found: Measures, pictures: np.ndarray, subject: Subject, trained: np.ndarray | None
    ) -> Measures:
        features = _scaled(self._style(pictures), subject.scale)
        unit = pictures.astype(np.float32) / 255
        return replace(
            found,
            followed=round(self._followed(pictures, subject.scenes), 4),
            style=round(energy(features, subject.features), 4),
            from_base=round(energy(features, subject.base_features), 4),
            memorised=None if trained is None else round(_memorised(_small(pictures), trained, subject.small), 4),
            spread=round(float(np.abs(unit - unit.mean(0)).mean()), 4),
        )

    def _style(self, pictures: np.ndarray) -> Tensor:
        with torch.no_grad():
            return self.judge.style(judging.small(pictures)).double()

    def _followed(self, pictures: np.ndarray, scenes: Sequence[Scene]) -> float:
        """Share of the attributes that are read as the scenes have them, 0..1."""
        right = judging.accuracy(self.judge, pictures, scenes)
        return mean([right[name] for name in READ]) / 100


@dataclass(frozen=True)
class Trained:
    """A run's own training pictures: items for the loss, small copies for nearest neighbours."""

    items: Items
    small: np.ndarray


def energy(one: Tensor, other: Tensor) -> float:
    """Energy distance (Szekely & Rizzo 2004) of two sets of features, unbiased; no covariances needed."""

    def within(x: Tensor) -> Tensor:
        return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))

    return float(2 * torch.cdist(one, other).mean() - within(one) - within(other))


def _scaled(features: Tensor, scale: tuple[Tensor, Tensor]) -> Tensor:
    return (features - scale[0]) / scale[1] / math.sqrt(features.shape[1])


def _small(pictures: np.ndarray) -> np.ndarray:
    """Box averages, (n, PIXELS * PIXELS * 3)."""
    n, side = len(pictures), pictures.shape[1] // PIXELS
    unit = pictures.astype(np.float32) / 255
    return np.asarray(unit.reshape(n, PIXELS, side, PIXELS, side, 3).mean(axis=(2, 4)).reshape(n, -1))


def _memorised(made: np.ndarray, trained: np.ndarray, held_out: np.ndarray) -> float:
    """How much nearer the training pictures lie than as many held-out ones: mean ln of the ratio; 0: no nearer."""
    count = min(len(trained), len(held_out))

    def nearest(to: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(made[:, None] - to[None, :count], axis=2).min(1))

    return float(np.log((nearest(held_out) + 1e-6) / (nearest(trained) + 1e-6)).mean())


@contextmanager
def one_thread() -> Iterator[None]:
    """One core for torch, and what it was before afterwards."""
    before: Any = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
