"""Trains the pocket model's autoencoder: pictures of 128 x 128 to latents (4, 16, 16) and back."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from trainer.pocket import pool, twins

CONFIG: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "block_out_channels": (16, 32, 64, 64),
    "sample_size": 128,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
TELL, SAVE = 50, 200  #: steps between lines, and savings


@dataclass(frozen=True)
class Plan:
    """Steps on crops of 64 x 64 (four times cheaper), then on whole pictures, for their borders."""

    crop_steps: int = 900
    whole_steps: int = 600
    crop_batch: int = 24
    whole_batch: int = 8
    rate: float = 2e-3
    kl: float = 2e-3
    seed: int = 11

    @property
    def steps(self) -> int:
        """All steps."""
        return self.crop_steps + self.whole_steps


def new() -> Any:
    """An untrained autoencoder."""
    import diffusers

    library: Any = diffusers  # its functions are not typed
    vae = library.AutoencoderKL(**CONFIG)
    for module in vae.modules():
        _calm(module)
    _colours_first(vae)
    return vae


#: Brightness and two opponent colours out of red, green, blue; and the way back.
OPPONENT = torch.tensor(((1 / 3, 1 / 3, 1 / 3), (1.0, 0.0, -1.0), (-0.5, 1.0, -0.5)))
BACK = torch.linalg.inv(OPPONENT)


def _calm(module: Any) -> None:
    """Start near the identity: silent residual branches, samplers that average and repeat.

    The first six channels are passed on untouched; see :func:`_colours_first`.
    """
    with torch.no_grad():
        kind = type(module).__name__
        if kind == "ResnetBlock2D":
            module.conv2.weight.zero_()
            if module.conv_shortcut is not None:
                _pass_on(module.conv_shortcut.weight, slice(0, 1), 1.0)
        elif kind == "Downsample2D":
            _pass_on(module.conv.weight, slice(0, 2), 0.25)
        elif kind == "Upsample2D":
            _pass_on(module.conv.weight, slice(1, 2), 1.0)
        elif kind == "Attention":
            module.to_out[0].weight.zero_()


def _pass_on(weight: torch.Tensor, taps: slice, gain: float) -> None:
    weight *= 0.3
    weight[:6] = 0
    for i in range(min(weight.shape[:2])):
        weight[i, i, taps, taps] += gain


def _colours_first(vae: Any) -> None:
    """Let three latent channels be the mean colour of their cell from the start.

    From a random start the green-magenta axis was still missing after 1,200 steps. A channel and its negative
    go side by side, since silu(x) - silu(-x) = x.
    """
    eye = torch.eye(3)
    with torch.no_grad():
        for conv, rows in ((vae.encoder.conv_in, OPPONENT), (vae.decoder.conv_in, torch.eye(3, 4))):
            conv.weight[:6] = 0
            conv.bias[:6] = 0
            conv.weight[:3, :, 1, 1], conv.weight[3:6, :, 1, 1] = rows, -rows
        for conv, rows, others in ((vae.encoder.conv_out, eye, 1.0), (vae.decoder.conv_out, 0.4 * BACK, 0.3)):
            conv.weight[3:] *= others
            conv.weight[:3] *= 0.1
            conv.weight[:3, :6] = 0
            conv.weight[:3, :3, 1, 1], conv.weight[:3, 3:6, 1, 1] = rows, -rows
        for conv in (vae.quant_conv, vae.post_quant_conv):
            conv.weight.copy_(torch.eye(len(conv.weight))[:, :, None, None])
            conv.bias.zero_()
        vae.encoder.conv_out.bias[4:] = -3.0  # latents start out sharp


def tensor(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (n, H, W, 3) to float (n, 3, H, W) in -1..1."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


def sharpness_loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """L1 of the pictures, of their gradients, of smaller copies, and of their opponent colours."""
    loss = F.l1_loss(a, b)
    for axis in (2, 3):
        loss = loss + 0.5 * F.l1_loss(a.diff(dim=axis), b.diff(dim=axis))
    for factor in (2, 4, 8):
        far = F.avg_pool2d(a, factor) - F.avg_pool2d(b, factor)
        loss = loss + 0.5 * far.abs().mean()
        if factor > 2:
            loss = loss + 0.5 * (far[:, 0] - far[:, 1]).abs().mean()
            loss = loss + 0.5 * (far[:, 2] - 0.5 * (far[:, 0] + far[:, 1])).abs().mean()
    rim = torch.ones_like(b[:, :1])
    rim[:, :, 4:-4, 4:-4] = 0
    return loss + 0.5 * (rim * (a - b).abs()).mean()


def batch(shards: list[np.ndarray], plan: Plan, step: int, rank: int, world: int) -> torch.Tensor:
    """A process's share of the batch of a step; it depends on seed, step, process (and the shards there)."""
    rng = np.random.default_rng((plan.seed, step, rank))
    crops = step < plan.crop_steps
    n, side = (plan.crop_batch, 64) if crops else (plan.whole_batch, 128)
    out = []
    for _ in range(n // world):
        shard = shards[int(rng.integers(len(shards)))]
        y, x = (int(v) for v in rng.integers(0, 128 - side + 1, 2))
        out.append(shard[int(rng.integers(len(shard))), y : y + side, x : x + side])
    return tensor(np.stack(out))


def _rate(plan: Plan, step: int) -> float:
    """Warm-up over 50 steps, then a cosine to a fiftieth."""
    warm = min(1.0, (step + 1) / 50)
    return plan.rate * warm * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * step / plan.steps))))


def _step(vae: Any, x: torch.Tensor, plan: Plan) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        back = vae.decode(posterior.sample()).sample
    kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
    loss = sharpness_loss(back.float(), x)
    return loss + plan.kl * kl, F.l1_loss(back.float(), x)


def _blend(ema: Any, model: Any, decay: float) -> None:
    with torch.no_grad():
        for a, b in zip(ema.parameters(), model.parameters(), strict=True):
            a.lerp_(b, 1 - decay)


def train(work: Path, plan: Plan) -> None:
    """Train, resuming from ``work/vae.pt``; a line of JSON every ``TELL`` steps in ``work/vae.jsonl``."""
    rank, world = twins.join()
    torch.manual_seed(plan.seed)
    vae = new().to(memory_format=torch.channels_last)
    ema = copy.deepcopy(vae)
    opt = torch.optim.AdamW(vae.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-3)
    state, first, seconds = work / "vae.pt", 0, 0.0
    if state.exists():
        held = torch.load(state, weights_only=True)
        vae.load_state_dict(held["vae"])
        ema.load_state_dict(held["ema"])
        opt.load_state_dict(held["opt"])
        first, seconds = held["step"], held["seconds"]
    torch.manual_seed(plan.seed + first + rank)
    start, sums = time.time() - seconds, []
    for step in range(first, plan.steps):
        for group in opt.param_groups:
            group["lr"] = _rate(plan, step)
        loss, l1 = _step(vae, batch(pool.pixels(work), plan, step, rank, world), plan)
        opt.zero_grad()
        torch.autograd.backward(loss)
        twins.average(vae.parameters(), world)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        opt.step()
        _blend(ema, vae, min(0.995, (step + 1) / (step + 10)))
        sums.append((float(loss.detach()), float(l1.detach())))
        if rank == 0 and (step + 1) % TELL == 0:
            mean = np.mean(sums, axis=0)
            sums = []
            line = {"step": step + 1, "loss": round(mean[0], 5), "l1": round(mean[1], 5)}
            with (work / "vae.jsonl").open("a") as f:
                f.write(json.dumps({**line, "seconds": round(time.time() - start)}) + "\n")
        if rank == 0 and ((step + 1) % SAVE == 0 or step + 1 == plan.steps):
            held = {"vae": vae.state_dict(), "ema": ema.state_dict(), "opt": opt.state_dict()}
            torch.save({**held, "step": step + 1, "seconds": time.time() - start}, work / "vae.part")
            (work / "vae.part").replace(state)


def trained(work: Path) -> Any:
    """The averaged autoencoder of ``work/vae.pt``, in eval mode."""
    vae = new()
    vae.load_state_dict(torch.load(work / "vae.pt", weights_only=True)["ema"])
    return vae.eval().requires_grad_(False).to(memory_format=torch.channels_last)
