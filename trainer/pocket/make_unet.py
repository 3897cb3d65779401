"""Trains the pocket model's UNet and text encoder, jointly, on latents computed beforehand."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from trainer.pocket import tokenizer, twins
from trainer.pocket.feed import Data

#: The last two equal, as in SD1: hypernetworks meet 64, 96, 112 and the text width.
WIDTHS = (64, 96, 112, 112)
TEXT = 80  #: cross-attention width, unlike any of the above

UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": WIDTHS,
    "cross_attention_dim": TEXT,
    "attention_head_dim": 4,
    "norm_num_groups": 16,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "prediction_type": "epsilon",
    "steps_offset": 1,
}
STOP, TELL, SAVE = 20, 100, 500  #: steps between looks for the file ``stop``, lines, and savings


@dataclass(frozen=True)
class Plan:
    """Warm up, stay, decay: ``steps`` may be set as late as ``decay`` steps before the end."""

    steps: int = 7000
    decay: int = 1700
    batch: int = 32
    rate: float = 1e-3
    warm: int = 200
    gamma: float = 5.0
    drop: float = 0.1
    seed: int = 21
    compile: bool = False

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        left = (self.steps - step) / self.decay
        return self.rate * min(1.0, (step + 1) / self.warm, max(left, 0.005))


def new() -> tuple[Any, Any]:
    """An untrained UNet and text encoder."""
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel

    last = len(tokenizer.vocabulary()[0]) - 1
    config = CLIPTextConfig(
        vocab_size=last + 1,
        hidden_size=TEXT,
        intermediate_size=4 * TEXT,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.LENGTH,
        projection_dim=TEXT,
        bos_token_id=last - 1,
        eos_token_id=last,
        pad_token_id=last,
    )
    library: Any = diffusers  # its functions are not typed
    return library.UNet2DConditionModel(**UNET), CLIPTextModel(config)


def _plain_attention(models: Any) -> None:
    """Attention by plain products: on a CPU the fused kernel's backward pass took half of all the time."""
    from diffusers.models.attention_processor import AttnProcessor

    models[0].set_attn_processor(AttnProcessor())
    models[1].set_attn_implementation("eager")


def cumulative() -> torch.Tensor:
    """The noise schedule's cumulative alphas (1000,), as SD1 has them."""
    lo, hi = SCHEDULE["beta_start"] ** 0.5, SCHEDULE["beta_end"] ** 0.5
    return torch.cumprod(1 - torch.linspace(lo, hi, 1000) ** 2, 0)


class Trainer:
    """UNet, text encoder, their running averages, optimiser; all of it resumable from one file."""

    def __init__(self, work: Path, plan: Plan, data: Data) -> None:
        self.rank, self.world = twins.join()
        torch.manual_seed(plan.seed)
        self.work, self.plan, self.data, self.step, self.seconds = work, plan, data, 0, 0.0
        self.model = torch.nn.ModuleList(new())
        _plain_attention(self.model)
        self.ema = copy.deepcopy(self.model)
        weights = self.model.parameters()
        self.opt = torch.optim.AdamW(weights, lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
        self.alphas, self.rng = cumulative(), torch.Generator()
        self.call: Any = torch.compile(self._predict) if plan.compile else self._predict
        if (work / "unet.pt").exists():
            self._load()
        self.rng.manual_seed((plan.seed * 100_000 + self.step) * 16 + self.rank)

    def _predict(self, noisy: torch.Tensor, t: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        words = self.model[1](ids).last_hidden_state
        guess: torch.Tensor = self.model[0](noisy, t, encoder_hidden_states=words, return_dict=False)[0]
        return guess

    def _loss(self) -> torch.Tensor:
        x, ids = self.data.batch(self.plan.batch // self.world, self.plan.drop, self.rng)
        t = torch.randint(1000, (len(x),), generator=self.rng)
        noise = torch.randn(x.shape, generator=self.rng)
        a = self.alphas[t][:, None, None, None]
        noisy = a.sqrt() * x + (1 - a).sqrt() * noise
        with torch.autocast("cpu", torch.bfloat16):
            guess = self.call(noisy, t, ids)
        snr = (a / (1 - a)).flatten()
        error = F.mse_loss(guess.float(), noise, reduction="none").mean(dim=(1, 2, 3))
        return (error * snr.clamp(max=self.plan.gamma) / snr).mean()

    def advance(self) -> float:
        """One step; its loss."""
        for group in self.opt.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        loss = self._loss()
        self.opt.zero_grad()
        torch.autograd.backward(loss)
        twins.average(self.model.parameters(), self.world)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.opt.step()
        decay = min(0.999, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        self.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """Write ``unet.pt``, whole or not at all."""
        held = {"model": self.model.state_dict(), "ema": self.ema.state_dict(), "opt": self.opt.state_dict()}
        torch.save({**held, "step": self.step, "seconds": self.seconds}, self.work / "unet.part")
        (self.work / "unet.part").replace(self.work / "unet.pt")

    def _load(self) -> None:
        held = torch.load(self.work / "unet.pt", weights_only=True)
        self.model.load_state_dict(held["model"])
        self.ema.load_state_dict(held["ema"])
        self.opt.load_state_dict(held["opt"])
        self.step, self.seconds = held["step"], held["seconds"]


def train(work: Path, plan: Plan, factor: float) -> Iterator[dict[str, float]]:
    """Train to ``plan.steps`` or until a file ``stop`` is in the work folder, resuming if there is a state.

    Yields a line every ``TELL`` steps and appends it to ``unet.jsonl``.
    """
    trainer = Trainer(work, plan, Data(work, factor))
    start, losses = time.time() - trainer.seconds, []
    while trainer.step < plan.steps:
        losses.append(trainer.advance())
        if trainer.step % STOP == 0 and twins.agree((work / "stop").exists(), trainer.world):
            break
        if trainer.rank == 0 and trainer.step % TELL == 0:
            trainer.seconds = time.time() - start
            line = {
                "step": trainer.step,
                "loss": round(float(np.mean(losses)), 5),
                "seconds": round(trainer.seconds),
                "rate": plan.rate_at(trainer.step),
            }
            losses = []
            with (work / "unet.jsonl").open("a") as f:
                f.write(json.dumps(line) + "\n")
            yield line
        if trainer.rank == 0 and trainer.step % SAVE == 0:
            trainer.save()
    if trainer.rank == 0:
        trainer.save()


def trained(work: Path) -> tuple[Any, Any]:
    """The averaged UNet and text encoder of ``unet.pt``."""
    models = torch.nn.ModuleList(new())
    models.load_state_dict(torch.load(work / "unet.pt", weights_only=True)["ema"])
    models.eval().requires_grad_(False)
    return models[0], models[1]
