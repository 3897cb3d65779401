"""Preview pictures while training: the same prompts, the same seed, the same noise, every time (G25, G27)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from hndoctor.formats.infotext import Infotext, compose
from trainer import seeding
from trainer.base import BaseModel
from trainer.config import Config
from trainer.diffusion import Injection
from trainer.interrupts import NEVER, Stop
from trainer.network import Hypernetwork
from trainer.objective import HALVES, as_float
from trainer.sampler import Noise, guided, resolve, sample

SEEDS = 2**32  # the web UI draws from as many
TOGETHER = 4  # pictures drawn in one go: memory of twice as many UNet samples (guess)


@dataclass(frozen=True)
class Previewer:
    """Draws the previews of a run.  Takes nothing from any global generator; leaves the network's mode as it was."""

    base: BaseModel
    injection: Injection
    config: Config
    prompts: tuple[str, ...]
    contexts: tuple[Tensor, ...]  # one embedding a prompt: (tokens, width)
    negative: Tensor
    size: tuple[int, int]  # width and height in pixels

    def seeded(self, number: int) -> Previewer:
        """Where the seed is -1, with one of this checkpoint's own, so that a resumed run draws the same pictures."""
        if self.config.preview_seed >= 0:
            return self
        seed = seeding.derive(self.config.seed, "previews", number) % SEEDS
        return replace(self, config=replace(self.config, preview_seed=seed))

    @torch.no_grad()
    def draw(
        self, bare: bool = False, network: Hypernetwork | None = None, stop: Stop = NEVER
    ) -> tuple[Image.Image, ...]:
        """One picture a prompt; `bare`: by the base model alone, as a reference; else by another network if given.

        Raises `LeftError` when `stop` is set.
        """
        quiet: AbstractContextManager[None] = self.injection.disabled() if bare else nullcontext()
        other: AbstractContextManager[None] = self.injection.using(network) if network else nullcontext()
        with other, self._evaluating(), quiet:
            latents = torch.cat([self._latents(contexts, stop) for contexts in self._groups()])
        return decode(self.base, latents, stop)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The networks without dropout for a while, then as they were, whatever happens."""
        networks = self.injection.networks
        modes = [network.training for network in networks]
        try:
            for network in networks:
                network.eval()
            yield
        finally:
            for network, mode in zip(networks, modes, strict=True):
                network.train(mode)

    def _groups(self) -> list[Tensor]:
        """Neighbouring prompts of equal length, a few at a time: (prompts, tokens, width)."""
        groups: list[list[Tensor]] = []
        alone = resolve(self.config.preview_sampler, self.config.preview_scheduler).sampler.alone
        for context in self.contexts:
            if groups and len(groups[-1]) < (1 if alone else TOGETHER) and groups[-1][0].shape == context.shape:
                groups[-1].append(context)
            else:
                groups.append([context])
        return [torch.stack(group) for group in groups]

    def _latents(self, contexts: Tensor, stop: Stop) -> Tensor:
        config, base = self.config, self.base
        shape = (int(base.unet.config.in_channels), self.size[1] // base.factor, self.size[0] // base.factor)
        negative = self.negative[None].expand(len(contexts), -1, -1)
        unet = as_float(base.unet)

        def heeding(*inputs: Tensor) -> Tensor:
            stop.heed()
            return unet(*inputs)

        predict = guided(heeding, base.schedule, contexts, negative, config.preview_cfg)
        noise = Noise([config.preview_seed] * len(contexts), shape, config.preview_noise, config.preview_ensd)
        half = HALVES.get(config.precision)
        with torch.autocast(base.device.type, half, enabled=half is not None):
            return sample(config.preview_sampler, base.schedule, predict, noise, config.preview_steps, base.device,
                          config.preview_scheduler)  # fmt: skip

    def infotext(self, prompt: str) -> str:
        """How the web UI would describe the picture of a prompt."""
        config = self.config
        choice = resolve(config.preview_sampler, config.preview_scheduler)
        whole = int(config.preview_cfg)
        ensd = {"ENSD": str(config.preview_ensd)} if config.preview_ensd and choice.sampler.ensd else {}
        return compose(
            Infotext(
                prompt=prompt,
                negative_prompt=config.preview_negative_prompt,
                steps=config.preview_steps,
                sampler=choice.name,
                schedule_type=choice.told,
                cfg_scale=whole if whole == config.preview_cfg else config.preview_cfg,
                seed=config.preview_seed,
                size=self.size,
                model_hash=self.base.hash,
                model=self.base.name,
                clip_skip=config.clip_skip if config.clip_skip > 1 else None,
                extra=ensd | {"RNG": config.preview_noise.upper()},
            )
        )

    def png(self, picture: Image.Image, prompt: str) -> bytes:
        """A picture as a PNG file that says how it was made, in the chunk that the web UI reads."""
        told = PngInfo()
        told.add_text("parameters", self.infotext(prompt))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", pnginfo=told)
        return buffer.getvalue()


def sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures side by side in as many rows as columns, or one less, as the web UI's grid has them."""
    rows = max(1, round(math.sqrt(len(pictures))))
    columns = math.ceil(len(pictures) / rows)
    width, height = pictures[0].size
    grid = Image.new("RGB", (columns * width, rows * height))
    for place, picture in enumerate(pictures):
        grid.paste(picture, (place % columns * width, place // columns * height))
    return grid


def decode(base: BaseModel, latents: Tensor, stop: Stop = NEVER) -> tuple[Image.Image, ...]:
    """Pictures of latents: clamped, and cut (not rounded) to 8 bits as the web UI does; what is no number is black."""
    home = base.vae.device
    base.vae.to(base.device)
    scaled = latents / float(base.vae.config.scaling_factor)
    pictures = []
    try:
        for one in scaled:
            stop.heed()
            pictures.append(base.vae.decode(one[None].to(base.vae.dtype), return_dict=False)[0][0])
    finally:
        base.vae.to(home)
    return tuple(Image.fromarray(_bytes(picture)) for picture in pictures)


def _bytes(picture: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    unit = ((picture.float() + 1) / 2).clamp(0, 1).nan_to_num(0.0)
    return (unit * 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def default_prompts(texts: Sequence[str]) -> tuple[str, ...]:
    """Without prompts of the user's: those of the first and of the middle training picture."""
    return tuple(dict.fromkeys((texts[0].strip(), texts[len(texts) // 2].strip())))
