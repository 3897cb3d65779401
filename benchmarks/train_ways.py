"""The three ways of taking a training step that `benchmarks.train` compares: on the pocket model, or at full size."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from torch.utils.checkpoint import checkpoint

from trainer import base as bases
from trainer import course as courses
from trainer import models, seeding
from trainer.config import Config
from trainer.data import Batch
from trainer.lock import RunLock
from trainer.loop import Course, run
from trainer.network import Hypernetwork
from trainer.processes import ALONE
from trainer.setting_up import set_up
from trainer.training import Training

PICTURES = 12
SHAPES = {"sd1": False, "sd2": True}  # full-size UNets by their shipped configuration; whether it predicts velocity


def prepared(model: str, batch: int, folder: Path) -> Training:
    """A training on random pictures, ready for its first step."""
    rng = np.random.default_rng(0)
    data = folder / "data"
    data.mkdir()
    for number in range(PICTURES):
        pixels = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f"red house {number}.png")
    config = Config(
        name="speed", data=data, out=folder, base_model=model, batch_size=batch, steps=10**6, learn_rate="1e-6",
        image_every=0, save_every=0, csv_every=0,
    )  # fmt: skip
    return ready(config)


def ready(config: Config) -> Training:
    """A training before its first step; nothing is told."""
    setting_up = set_up(config, None, False, RunLock(config.run))
    while True:
        try:
            next(setting_up)
        except StopIteration as finished:
            training: Training = finished.value
            return training


class RandomData:
    """Random samples of a full-size model, made anew for each step as real ones are; `width` is the text encoder's."""

    def __init__(self, pixels: int, width: int, device: torch.device) -> None:
        self.shape, self.device = (4, pixels // 8, pixels // 8), device
        self.pictures = [SimpleNamespace(name=f"{number}.png") for number in range(PICTURES)]
        self.latents = torch.randn((PICTURES, *self.shape), device=device)
        self.context = torch.randn((PICTURES, 77, width), device=device)

    def __len__(self) -> int:
        return PICTURES

    def batch(self, position: int, size: int) -> Batch:
        """The samples from a position on."""
        places = [place % PICTURES for place in range(position, position + size)]
        noise = torch.stack([torch.randn(self.shape, generator=seeding.generator(0, place)) for place in places])
        timesteps = torch.randint(1000, (size,), generator=seeding.generator(0, "t", position))
        return Batch(
            self.latents[places], noise.to(self.device), timesteps.to(self.device), self.context[places], tuple(places)
        )


def full_size(kind: str, pixels: int, batch: int, folder: Path) -> Course:
    """A course on a randomly initialised UNet of full size, the text encoder's width alone being trained."""
    from diffusers import UNet2DConditionModel

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = "bf16" if device.type == "cuda" else "fp32"
    shape, noise = (
        json.loads((models.path(kind) / part).read_text(encoding="utf-8"))
        for part in ("unet/config.json", "scheduler/scheduler_config.json")
    )
    velocity = {"prediction_type": "v_prediction"} if SHAPES[kind] else {}
    with device:
        unet = UNet2DConditionModel.from_config(shape)
    if precision == "bf16":
        unet = unet.to(torch.bfloat16)
    unet.requires_grad_(False).eval()
    schedule = bases.noise_schedule(noise | velocity, models.path(kind))
    base = SimpleNamespace(unet=unet, device=device, hash=None, name="random", schedule=schedule)
    config = Config(
        name="speed", data=folder, out=folder, batch_size=batch, steps=10**6, learn_rate="1e-6", precision=precision
    )
    width = int(shape["cross_attention_dim"])
    network = Hypernetwork.create((width,), seed=0)
    return courses.make(config, base, network, RandomData(pixels, width, device), ALONE)  # type: ignore[arg-type]  # stand-ins


def ours(course: Course) -> Callable[[], object]:
    """A step of the loop."""
    steps: Iterator[object] = run(course)
    return partial(next, steps)


def floor(course: Course) -> Callable[[], object]:
    """What no trainer can do without."""
    batch = course.batches(0)[0]
    optimizer = torch.optim.AdamW(course.network.parameters(), lr=1e-6, fused=True)

    def step() -> float:
        loss = course.objective(batch.latents, batch.noise, batch.timesteps, batch.context).mean()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    return step


def webui(course: Course) -> Callable[[], object]:
    """The web UI's pattern; leaves the UNet as it was, but for the gradients that the web UI never lets go of."""
    batch, unet = course.batches(0)[0], course.objective.unet
    optimizer = torch.optim.AdamW(course.network.parameters(), lr=1e-6)

    def step() -> float:
        unet.requires_grad_(True)
        unet.train()
        unet.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=True))
        course.injection.shared_context = False
        loss = course.objective(batch.latents, batch.noise, batch.timesteps, batch.context).mean()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        course.injection.shared_context = "auto"
        unet.disable_gradient_checkpointing()
        unet.eval()
        unet.requires_grad_(False)
        return value

    return step
