"""The loss, Stable Diffusion's: the mean squared error of predicted noise, or velocity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from trainer.noising import snr_weights
from trainer.sampler import NoiseSchedule

HALVES: Mapping[str, torch.dtype] = MappingProxyType({"bf16": torch.bfloat16, "fp16": torch.float16})
"""The 16-bit types by the configuration's names for them."""


class Objective:
    """Losses of noised latents under one UNet; `precision` "bf16" and "fp16" run it under autocast.

    `snr_gamma` weighs timesteps (min-SNR); 0: all alike.
    """

    def __init__(self, unet: Any, schedule: NoiseSchedule, precision: str = "fp32", snr_gamma: float = 0.0) -> None:
        self.unet, self.v_prediction = unet, schedule.v_prediction
        alphas = schedule.alphas.to(unet.device if unet.device.type != "mps" else "cpu")
        self.signal = alphas.sqrt().float().to(unet.device)
        self.spread = (1 - alphas).sqrt().float().to(unet.device)
        self.weights = snr_weights(schedule, snr_gamma).to(unet.device) if snr_gamma else None
        self.half = HALVES.get(precision)

    def __call__(
        self, latents: Tensor, noise: Tensor, timesteps: Tensor, context: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """The loss of every picture: (batch,), float32.  `weight` weighs places: (batch, 1, height, width)."""
        signal, spread = (table[timesteps].view(-1, 1, 1, 1) for table in (self.signal, self.spread))
        noisy = signal * latents + spread * noise
        target = signal * noise - spread * latents if self.v_prediction else noise
        with torch.autocast(noisy.device.type, self.half or torch.bfloat16, enabled=self.half is not None):
            predicted = predict(self.unet, noisy, timesteps, context)
        squares = (predicted.float() - target).square()
        losses = (squares if weight is None else squares * weight).mean(dim=(1, 2, 3))
        return losses if self.weights is None else losses * self.weights[timesteps]


def predict(unet: Any, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
    """What a diffusers UNet predicts, whatever its type."""
    kind = unet.dtype
    return unet(x.to(kind), timesteps, context.to(kind), return_dict=False)[0]  # type: ignore[no-any-return]  # untyped


def as_float(unet: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A UNet for the sampler: float32 in and out."""
    return lambda x, timesteps, context: predict(unet, x, timesteps, context).float()
