"""Pictures and captions as the UNet takes them: encoded once, drawn from by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from hndoctor.formats.captions import CaptionError, create_text, read_template
from trainer import seeding
from trainer.base import BaseModel
from trainer.config import Config, names_a_file
from trainer.errors import TrainerError
from trainer.events import Preparing
from trainer.pictures import Picture, load, to_size, to_tensor
from trainer.prompt import TextEncoder, pad_to_longest

TEXT_CACHE_BYTES = 512 << 20  # beyond this the text encoder stays and captions are encoded as they come (guess)


@dataclass(frozen=True)
class Latents:
    """What the VAE makes of the pictures: mean and standard deviation, (pictures, 4, height, width), scaled."""

    mean: Tensor
    std: Tensor

    def chosen(self, how: str, seed: int, names: Sequence[str]) -> Latents:
        """As `latent_sampling` wants them: "once" draws now and for good, "random" anew each time they are used."""
        if how == "random":
            return self
        if how == "deterministic":
            return Latents(self.mean, torch.zeros_like(self.std))
        shape = self.mean.shape[1:]
        noise = torch.stack([torch.randn(shape, generator=seeding.generator(seed, "latent", name)) for name in names])
        return Latents(self.mean + self.std * noise.to(self.mean.device), torch.zeros_like(self.std))


@torch.no_grad()
def encode_pictures(base: BaseModel, pictures: Sequence[Picture], config: Config) -> Iterator[Preparing | Latents]:
    """Encode one by one (so that no batch decides a bit of the result); the last thing yielded is the latents."""
    means, stds = [], []
    width, height = frame(config, base)
    for number, picture in enumerate(pictures, 1):
        pixels = to_tensor(to_size(load(picture.path), width, height, config.resize == "distort"))
        encoded = base.vae.encode(pixels[None].to(base.device, base.vae.dtype)).latent_dist
        if not bool(torch.isfinite(encoded.mean).all()):
            raise TrainerError(f"{picture.path}: the VAE makes NaN of this picture; take it out, or use another VAE")
        means.append(encoded.mean.float())
        stds.append(encoded.std.float())
        yield Preparing("pictures", number, len(pictures))
    scale = float(base.vae.config.scaling_factor)
    yield Latents(torch.cat(means) * scale, torch.cat(stds) * scale)


def frame(config: Config, base: BaseModel) -> tuple[int, int]:
    """Width and height of the training pictures in pixels."""
    width, height = config.width or base.native_size, config.height or base.native_size
    for key, value in (("width", width), ("height", height)):
        step = base.factor * 2 ** (len(base.unet.config.block_out_channels) - 1)
        if value % step:
            raise TrainerError(f"{key} = {value}: the base model takes multiples of {step} pixels")
    return width, height


class Texts:
    """Embeddings of prompts by their text; the encoder is let go once all that can come are known (G12)."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder: TextEncoder | None = encoder
        self.known: dict[str, Tensor] = {}

    def learn(self, prompts: Sequence[str]) -> Iterator[Preparing]:
        """Encode prompts beforehand."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.known]
        for number, prompt in enumerate(new, 1):
            self.known[prompt] = self._encode(prompt)
            yield Preparing("captions", number, len(new))

    def bytes_of(self, count: int) -> int:
        """Roughly how much memory `count` embeddings of one chunk take."""
        assert self.encoder is not None
        return count * 4 * (self.encoder.length + 2) * int(self.encoder.model.config.hidden_size)

    def batch(self, prompts: Sequence[str]) -> Tensor:
        """(prompts, tokens, width)."""
        return pad_to_longest([self.known[p] if p in self.known else self._encode(p) for p in prompts])

    def close(self) -> None:
        """Let the text encoder go."""
        self.encoder = None

    def _encode(self, prompt: str) -> Tensor:
        if self.encoder is None:
            raise KeyError(prompt)
        return self.encoder.encode(prompt)


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
    """An endless stream of samples: position p is picture p mod n of epoch p div n, in that epoch's order."""

    def __init__(
        self, pictures: Sequence[Picture], latents: Latents, texts: Texts, config: Config, timesteps: int
    ) -> None:
        self.pictures, self.latents, self.texts, self.config = tuple(pictures), latents, texts, config
        self.timesteps = timesteps
        self.template = template_lines(config)
        self.random_latents = config.latent_sampling == "random"
        self._order = lru_cache(maxsize=2)(lambda epoch: seeding.order(config.seed, epoch, len(self.pictures)))

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def steps_per_epoch(self) -> int:
        """As the web UI counts them for its loss log."""
        return max(1, len(self) // self.config.batch_size // self.config.gradient_step)

    def picture_at(self, position: int) -> int:
        """The picture of a position."""
        epoch, place = divmod(position, len(self))
        return self._order(epoch)[place]

    def text_at(self, position: int) -> str:
        """The prompt of a position: a template line filled with the picture's caption."""
        config, rng = self.config, seeding.python(self.config.seed, "text", position)
        if config.caption_drop_out and rng.random() < config.caption_drop_out:
            return ""
        caption = self.pictures[self.picture_at(position)].caption
        return create_text(
            self.template, caption, config.name, rng, config.shuffle_tags, config.tag_drop_out, config.keep_first
        )

    def possible_texts(self) -> list[str] | None:
        """Every prompt that can come; None if tags are shuffled or dropped, so that anything can."""
        if self.config.shuffle_tags or self.config.tag_drop_out:
            return None
        texts = [self.plain_text(picture, line) for picture in self.pictures for line in self.template]
        return [*texts, ""] if self.config.caption_drop_out else texts

    def plain_text(self, picture: Picture, line: str | None = None) -> str:
        """A picture's prompt without anything left to chance: the first template line."""
        return create_text(line or self.template[0], picture.caption, self.config.name, seeding.python(0))

    def batch(self, position: int, size: int) -> Batch:
        """The samples from `position` on; noise and timestep of each follow from the seed and its position alone."""
        places = range(position, position + size)
        indices = tuple(self.picture_at(place) for place in places)
        device, shape = self.latents.mean.device, self.latents.mean.shape[1:]
        drawn = [self._draw(place, shape) for place in places]
        noise = torch.stack([one[1] for one in drawn]).to(device, non_blocking=True)
        timesteps = torch.tensor([one[0] for one in drawn]).to(device, non_blocking=True)
        picked = torch.tensor(indices, device=device)
        latents = self.latents.mean[picked]
        if self.random_latents:
            fresh = torch.stack([one[2] for one in drawn]).to(device, non_blocking=True)
            latents = latents + self.latents.std[picked] * fresh
        context = self.texts.batch([self.text_at(place) for place in places])
        return Batch(latents, noise, timesteps, context, indices)

    def _draw(self, position: int, shape: torch.Size) -> tuple[int, Tensor, Tensor]:
        generator = seeding.generator(self.config.seed, "noise", position)
        timestep = int(torch.randint(self.timesteps, (), generator=generator))
        noise = torch.randn(shape, generator=generator)
        return timestep, noise, torch.randn(shape, generator=generator) if self.random_latents else noise


def template_lines(config: Config) -> tuple[str, ...]:
    """The template's lines: those of the configuration, or of the file it names."""
    given = config.template
    try:
        if names_a_file(given):
            return read_template(Path(given[0]))
        return read_template(given)
    except CaptionError as error:
        raise TrainerError(str(error)) from None


def split(pictures: Sequence[Picture], config: Config) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """(training pictures, held-out pictures), chosen by the seed."""
    wanted = config.validation
    count = round(wanted * len(pictures)) if wanted < 1 else int(wanted)
    count = max(count, 1) if wanted else 0
    if count >= len(pictures):
        raise TrainerError(
            f"validation = {wanted:g}: holding out {count} of {len(pictures)} pictures leaves none to train on"
        )
    shuffled = seeding.order(config.seed, -1, len(pictures))
    held = set(shuffled[:count])
    kept = tuple(picture for index, picture in enumerate(pictures) if index not in held)
    return kept, tuple(pictures[index] for index in sorted(held))
