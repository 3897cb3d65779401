"""Whether a UNet predicts velocity or noise, told from what it does: the weights' names do not say it."""

from __future__ import annotations

from typing import Any

import torch

V_PROBE = -1.0  # mean of prediction less input at the last timestep, below which it is velocity (web UI's probe)


@torch.no_grad()
def predicts_velocity(unet: Any) -> bool:
    """Whether a Stable Diffusion 2 UNet predicts velocity: what it makes of a constant at the last timestep.

    Source: web UI, `is_using_v_parameterization_for_sd2`.  A noise prediction gives the input back there.
    """
    config, kind = unet.config, unet.dtype
    x = torch.full((1, config.in_channels, 8, 8), 0.5, dtype=kind, device=unet.device)
    context = torch.full((1, 2, config.cross_attention_dim), 0.5, dtype=kind, device=unet.device)
    predicted = unet(x, torch.tensor([999], device=unet.device), context, return_dict=False)[0]
    return float((predicted.float() - x.float()).mean()) < V_PROBE
