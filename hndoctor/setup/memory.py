"""How much of a graphics card's memory a planned training takes: arithmetic with named parts, for hndoctor and web UI.

    weights of the UNet, once; in the web UI its gradients too, as it never freezes the UNet (a1111.md §3.2)
    VAE and text encoder, where they stay on the card
    network: weight, gradient and Adam's two moments, 4 bytes each
    activations: what one picture leaves behind between forward and backward, times pictures of a batch
    the rest: CUDA's own context, workspaces, fragmentation

Parameters of the models are their published sizes.  Activations: 0.8 GiB for a picture of 512 px in half precision with
memory-efficient attention (trainers.md §Q2: 3.4 GiB measured on the meta device, less 2.2 of attention matrices and 0.4
to 0.8 of views).  The web UI checkpoints blocks and uses plain attention, so a picture costs little but the largest
block much; 0.9 GB a picture agrees with what people report: 512 px at batch 1 fits 8 GB (#2549, GTX 1080), without half
precision it does not fit 10 GB (#2574), batch 20 fits 24 GB (a1111.md §7).  All of it is an estimate, good to a fifth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from hndoctor.records import PlanVitals

GB = 10**9
REFERENCE = 512 * 512  # px of the picture that the figures below are for
ACTIVATIONS = int(0.8 * 2**30)  # bytes a picture, half precision, memory-efficient attention (trainers.md §Q2)
WEBUI_LINEAR, WEBUI_ATTENTION = int(0.25 * GB), int(0.65 * GB)  # bytes a picture; the second grows with pixels squared
REST = int(0.7 * GB)  # bytes (guess)
CHECKPOINTED = 0.4  # share of activations that gradient checkpointing leaves (guess: block inputs, and one block)
STATE = 16  # bytes a parameter of the network: weight, gradient, two moments, as float32


@dataclass(frozen=True)
class Model:
    """Parameters of a base model's parts, in millions."""

    unet: float
    text: float
    vae: float = 83.7


MODELS: Mapping[int, Model] = MappingProxyType(
    {768: Model(859.5, 123.1), 1024: Model(865.9, 340.4), 2048: Model(2567.5, 817.7)}
)  # by width of cross-attention: Stable Diffusion 1, 2 and XL; other widths are not known


def with_memory(
    plan: PlanVitals, config: Mapping[str, Any], webui: Mapping[str, str], card_bytes: int | None = None
) -> PlanVitals:
    """The plan with what it takes of a card's memory; unchanged but for the card where the base model is not known."""
    model = MODELS.get(plan.context_width or 0)
    if model is None or plan.parameters is None:
        return replace(plan, card_bytes=card_bytes)
    half = 4 if config.get("precision", "fp32") == "fp32" else 2
    pixels = (plan.width or 512) * (plan.height or 512) / REFERENCE
    batch = max(1, plan.batch_size or 1)
    ours = {
        "base model": model.unet * 1e6 * half,
        "network": plan.parameters * STATE,
        "activations": ACTIVATIONS * half / 2 * pixels * batch * (CHECKPOINTED if _checkpoints(config) else 1),
        "CUDA and the rest": REST,
    }
    return replace(
        plan,
        memory=tuple((part, round(size)) for part, size in ours.items()),
        memory_webui=tuple((part, round(size)) for part, size in _webui(plan, model, pixels, batch, webui).items()),
        card_bytes=card_bytes,
    )


def _checkpoints(config: Mapping[str, Any]) -> bool:
    return config.get("gradient_checkpointing") is True


def _webui(plan: PlanVitals, model: Model, pixels: float, batch: int, settings: Mapping[str, str]) -> dict[str, float]:
    arguments = " ".join(value for key, value in settings.items() if key.endswith(":COMMANDLINE_ARGS")).split()
    width = 4 if "--no-half" in arguments else 2
    away = settings.get("config.json:unload_models_when_training") == "true"
    linear, attention = WEBUI_LINEAR * pixels, WEBUI_ATTENTION * pixels**2
    return {
        "base model": model.unet * 1e6 * width,
        "gradients of the base model": model.unet * 1e6 * width,
        "VAE and text encoder": 0 if away else (model.vae + model.text) * 1e6 * width,
        "network": (plan.parameters or 0) * STATE,
        "activations": (linear + attention) * width / 2 * min(batch, plan.pictures or batch),
        "CUDA and the rest": REST,
    }


def total(parts: tuple[tuple[str, int], ...]) -> int:
    """The sum of named parts, in bytes."""
    return sum(size for _, size in parts)
