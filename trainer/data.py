"""The stream of samples as the UNet takes them: encoded once, drawn from by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hndoctor.formats.captions import CaptionError, create_text, read_template
from hndoctor.formats.counted import counted
from trainer import seeding
from trainer.config import Config, names_a_file
from trainer.errors import TrainerError
from trainer.latents import Latents
from trainer.order import Order
from trainer.pictures import Picture
from trainer.texts import Texts


@dataclass(frozen=True)
class Batch:
    """One micro-batch on the device."""

    latents: Tensor  # (batch, 4, height, width)
    noise: Tensor
    timesteps: Tensor  # (batch,), integers
    context: Tensor  # (batch, tokens, width)
    pictures: tuple[int, ...]
    weight: Tensor | None = None  # of places in the loss: (batch, 1, height, width)


class TrainingData:
    """An endless stream of samples; what comes at a position follows from the seed and the position alone.

    `latents` are those of the pictures, then (with `flip`) of the same pictures mirrored; `weights` are as many.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        latents: Latents,
        texts: Texts,
        config: Config,
        timesteps: int,
        weights: Sequence[Tensor | None] = (),
    ) -> None:
        self.pictures, self.latents, self.texts, self.config = tuple(pictures), latents, texts, config
        self.timesteps = timesteps
        self.template = template_lines(config)
        self.random_latents = config.latent_sampling == "random"
        self.weights = _whole(weights, latents)
        self._order = Order(config.seed, _buckets(self.pictures, latents), config.batch_size)
        self._anything = config.shuffle_tags or bool(config.tag_drop_out)

    def __len__(self) -> int:
        """The samples of an epoch: the pictures, each as often as it repeats."""
        return self._order.total

    @property
    def steps_per_epoch(self) -> int:
        """As the web UI counts them for its loss log."""
        return max(1, len(self) // self.config.batch_size // self.config.gradient_step)

    def picture_at(self, position: int) -> int:
        """The picture of a position."""
        return self._order(position)

    def flipped_at(self, position: int) -> bool:
        """Whether the picture of a position comes mirrored."""
        return self.config.flip and seeding.python(self.config.seed, "flip", position).random() < 0.5

    def text_at(self, position: int) -> str:
        """The prompt of a position: a template line filled with the picture's caption."""
        config, rng = self.config, seeding.python(self.config.seed, "text", position)
        if config.caption_drop_out and rng.random() < config.caption_drop_out:
            return ""
        picture = self.pictures[self.picture_at(position)]
        template = (self._own_line(picture),) if self._frozen else self.template
        return create_text(
            template, picture.caption, config.name, rng, config.shuffle_tags, config.tag_drop_out, config.keep_first
        )

    def possible_texts(self) -> list[str] | None:
        """Every prompt that can come; None if tags are shuffled or dropped, so that anything can."""
        if self._anything:
            return None
        texts = [
            filled(picture, line, self.config.name)
            for picture in self.pictures
            for line in ((self._own_line(picture),) if self._frozen else self.template)
        ]
        return [*texts, ""] if self.config.caption_drop_out else texts

    def plain_text(self, picture: Picture) -> str:
        """See `plain_text`."""
        return plain_text(self.template, picture, self.config.name)

    def batch(self, position: int, size: int) -> Batch:
        """The samples from `position` on; noise and timestep of each follow from the seed and its position alone.

        With pictures of several sizes a batch is one of the stream's own: `position` a multiple of `size`.
        """
        places = range(position, position + size)
        indices = tuple(self.picture_at(place) for place in places)
        views = [i + len(self.pictures) * self.flipped_at(place) for i, place in zip(indices, places, strict=True)]
        device = self.latents.mean[0].device
        drawn = [self._draw(place, self.latents.mean[view].shape) for place, view in zip(places, views, strict=True)]
        noise = torch.stack([one[1] for one in drawn]).to(device, non_blocking=True)
        timesteps = torch.tensor([one[0] for one in drawn]).to(device, non_blocking=True)
        latents = self.latents.pick(views, [one[2] for one in drawn] if self.random_latents else None)
        context = self.texts.batch([self.text_at(place) for place in places])
        weight = torch.stack([self.weights[view] for view in views]) if self.weights else None
        return Batch(latents, noise, timesteps, context, indices, weight)

    def _draw(self, position: int, shape: torch.Size) -> tuple[int, Tensor, Tensor]:
        generator = seeding.generator(self.config.seed, "noise", position)
        timestep = int(torch.randint(self.timesteps, (), generator=generator))
        noise = torch.randn(shape, generator=generator)
        return timestep, noise, torch.randn(shape, generator=generator) if self.random_latents else noise

    @property
    def _frozen(self) -> bool:
        """The web UI draws one line for a picture, for good, unless its tags change anyway."""
        return self.config.webui_template and not self._anything

    def _own_line(self, picture: Picture) -> str:
        return seeding.python(self.config.seed, "template", picture.name).choice(self.template)


def plain_text(template: Sequence[str], picture: Picture, name: str) -> str:
    """A picture's prompt without anything left to chance: the first line of the template that says something."""
    return filled(picture, next((line for line in template if line), ""), name)


def filled(picture: Picture, line: str, name: str) -> str:
    """One line of the template with the picture's caption and the network's name."""
    return create_text(line, picture.caption, name, seeding.python(0))


def _buckets(pictures: Sequence[Picture], latents: Latents) -> list[list[int]]:
    """The pictures of every size, each as often as it repeats."""
    buckets: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        buckets.setdefault(tuple(latents.mean[index].shape), []).extend([index] * picture.repeats)
    return [buckets[shape] for shape in sorted(buckets)]


def _whole(weights: Sequence[Tensor | None], latents: Latents) -> tuple[Tensor, ...]:
    """Weights for all or for none: ones where a picture has none but another does."""
    if all(weight is None for weight in weights):
        return ()
    pairs = zip(weights, latents.mean, strict=True)
    return tuple(
        (torch.ones_like(latent[:1]) if weight is None else weight.to(latent.device)) for weight, latent in pairs
    )


def template_lines(config: Config) -> tuple[str, ...]:
    """The template's lines: those of the configuration, or of the file it names."""
    given = config.template
    try:
        if names_a_file(given):
            return read_template(Path(given[0]), config.webui_template)
        return read_template(given, config.webui_template)
    except CaptionError as error:
        raise TrainerError(str(error)) from None


def split(pictures: Sequence[Picture], config: Config) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """(training pictures, held-out pictures), chosen by the seed."""
    wanted = config.validation
    count = round(wanted * len(pictures)) if wanted < 1 else int(wanted)
    count = max(count, 1) if wanted else 0
    if count >= len(pictures):
        raise TrainerError(
            f"validation = {wanted:g}: holding out {count} of {counted(len(pictures), 'picture')} "
            "leaves none to train on"
        )
    shuffled = seeding.order(config.seed, -1, len(pictures))
    held = set(shuffled[:count])
    kept = tuple(picture for index, picture in enumerate(pictures) if index not in held)
    return kept, tuple(pictures[index] for index in sorted(held))
