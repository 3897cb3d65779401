"""The loss, Stable Diffusion's: the mean squared error of predicted noise, or velocity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainer.sampler import NoiseSchedule


class Objective:
    """Losses of noised latents under one UNet; `precision` "bf16" runs it under autocast."""

    def __init__(self, unet: Any, schedule: NoiseSchedule, precision: str = "fp32") -> None:
        self.unet, self.v_prediction = unet, schedule.v_prediction
        alphas = schedule.alphas.to(unet.device if unet.device.type != "mps" else "cpu")
        self.signal = alphas.sqrt().float().to(unet.device)
        self.spread = (1 - alphas).sqrt().float().to(unet.device)
        self.autocast = precision == "bf16"

    def __call__(
        self, latents: Tensor, noise: Tensor, timesteps: Tensor, context: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """The loss of every picture: (batch,), float32.  `weight` weighs places: (batch, 1, height, width)."""
        signal, spread = (table[timesteps].view(-1, 1, 1, 1) for table in (self.signal, self.spread))
        noisy = signal * latents + spread * noise
        target = signal * noise - spread * latents if self.v_prediction else noise
        with torch.autocast(noisy.device.type, torch.bfloat16, enabled=self.autocast):
            predicted = predict(self.unet, noisy, timesteps, context)
        squares = (predicted.float() - target).square()
        return (squares if weight is None else squares * weight).mean(dim=(1, 2, 3))


def predict(unet: Any, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
    """What a diffusers UNet predicts, whatever its type."""
    kind = unet.dtype
    return unet(x.to(kind), timesteps, context.to(kind), return_dict=False)[0]  # type: ignore[no-any-return]


def as_float(unet: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A UNet for the sampler: float32 in and out."""
    return lambda x, timesteps, context: predict(unet, x, timesteps, context).float()
