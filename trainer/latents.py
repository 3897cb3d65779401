"""Pictures through the VAE, once: one by one, so that no batch decides a bit of the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from trainer import seeding
from trainer.base import BaseModel
from trainer.cache import Cache, key_of, weights_digest
from trainer.errors import TrainerError
from trainer.events import Preparing
from trainer.pictures import Picture, load, to_size, to_tensor


@dataclass(frozen=True)
class View:
    """A picture as it is trained on: at which size (width, height), mirrored or not."""

    picture: Picture
    size: tuple[int, int]
    flipped: bool = False

    @property
    def name(self) -> str:
        """Which draws are its own."""
        return f"{self.picture.name}/flipped" if self.flipped else self.picture.name


@dataclass(frozen=True)
class Latents:
    """What the VAE makes of the views: mean and standard deviation of each, (4, height, width), scaled."""

    mean: Sequence[Tensor]  # one tensor of all, or tensors of unlike sizes
    std: Sequence[Tensor]

    def chosen(self, how: str, seed: int, names: Sequence[str]) -> Latents:
        """As `latent_sampling` wants them: "once" draws now and for good, "random" anew each time they are used."""
        if how == "random":
            return self
        std = tuple(torch.zeros_like(one) for one in self.std)
        if how == "deterministic":
            return Latents(self.mean, std)
        drawn = zip(names, self.mean, self.std, strict=True)
        return Latents(tuple(mean + deviation * _noise(mean, seed, name) for name, mean, deviation in drawn), std)

    def part(self, start: int, end: int) -> Latents:
        """Some of them."""
        return Latents(tuple(self.mean[start:end]), tuple(self.std[start:end]))

    def pick(self, indices: Sequence[int], noise: Sequence[Tensor] | None) -> Tensor:
        """Those of one batch, all of one size: (batch, 4, height, width); drawn anew where `noise` is given."""
        mean = torch.stack([self.mean[index] for index in indices])
        if noise is None:
            return mean
        return mean + torch.stack([self.std[i] for i in indices]) * torch.stack(list(noise)).to(mean.device)


def _noise(like: Tensor, seed: int, name: str) -> Tensor:
    return torch.randn(like.shape, generator=seeding.generator(seed, "latent", name)).to(like.device)


@torch.no_grad()
def encode(
    base: BaseModel, views: Sequence[View], distort: bool = False, cache: Cache | None = None
) -> Iterator[Preparing | Latents]:
    """Encode every view, or take it from the cache; the last thing yielded is the latents.

    Raises `TrainerError` for a picture of which the VAE makes NaN, and for one that has become unreadable.
    """
    cache, means, stds = cache or Cache(None), [], []
    made_by = _made_by(base, distort) if cache.folder else {}
    scale = float(base.vae.config.scaling_factor)
    for number, view in enumerate(views, 1):
        key = _key(view, made_by) if cache.folder else ""
        found = cache.get(key, view.picture.name, ("mean", "std"))
        if found is None:
            found = _encoded(base, view, distort)
            cache.put(key, found)
        means.append(found["mean"].to(base.device) * scale)
        stds.append(found["std"].to(base.device) * scale)
        yield Preparing("pictures", number, len(views))
    yield Latents(tuple(means), tuple(stds))


def _encoded(base: BaseModel, view: View, distort: bool) -> dict[str, Tensor]:
    try:
        picture = load(view.picture.path)
    except TrainerError as error:
        raise TrainerError(f"{view.picture.path}: {error}; it could be read a moment ago: put it back") from None
    image = to_size(picture, *view.size, distort)
    if view.flipped:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    encoded = base.vae.encode(to_tensor(image)[None].to(base.device, base.vae.dtype)).latent_dist
    mean, std = encoded.mean[0].float(), encoded.std[0].float()
    if not bool(torch.isfinite(mean).all() and torch.isfinite(std).all()):
        raise TrainerError(
            f"{view.picture.path}: the VAE makes NaN of this picture; take it out, or use another VAE (vae = …)"
        )
    return {"mean": mean, "std": std}


def _made_by(base: BaseModel, distort: bool) -> dict[str, Any]:
    """Everything beside the view that decides its latents.  The decoder does not."""
    vae = base.vae
    return {
        "vae": weights_digest(vae.encoder, vae.quant_conv),
        "layers": [list(vae.config.block_out_channels), vae.config.layers_per_block, vae.config.norm_num_groups],
        "crop": "distort" if distort else "crop",
        "dtype": str(vae.dtype),
        "device": base.device.type,
    }


def _key(view: View, made_by: dict[str, Any]) -> str:
    return key_of("latents", picture=view.picture.content, size=list(view.size), flip=view.flipped, **made_by)
