"""What a step costs in arithmetic on a full-size Stable Diffusion 1 UNet: counted without weights, on the meta device.

    python -m benchmarks.flops

One sample of 512 × 512 pixels and 77 tokens; a multiplication and an addition are two operations, attention is plain
matrix products (fused kernels recompute a part of the backward pass).  Ways that were counted before,
independently of this code and with another version of torch and diffusers, are set against that count; a deviation of
more than 2 % fails.

The web UI's pattern was counted with non-reentrant checkpoints, which stop recomputing a block at the last tensor that
its backward pass needs and so skip the block's last convolution or product.  The web UI's own checkpoints are reentrant
and recompute whole blocks; that costs 3 % more and is counted beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from trainer.diffusion import Injection
from trainer.network import Hypernetwork

TOLERANCE = 0.02  # share
ALL = (768, 320, 640, 1280)
SHALLOW, DEEP = (1.0, 2.0, 1.0), (1.0, 2.0, 4.0, 2.0, 1.0)


@dataclass(frozen=True)
class Way:
    """One way of training, and what it was counted to cost before, in GFLOP (None: it was not)."""

    name: str
    known: float | None
    sizes: Sequence[int] = (768,)
    structure: Sequence[float] = SHALLOW
    shared: bool = True  # the text context is rewritten once a UNet call, not in each of 16 attentions
    checkpointing: bool = False
    reentrant: bool = False
    frozen: bool = True


WAYS = (
    Way("768, as we train", 1671),
    Way("768, every attention anew", 1698, shared=False),
    Way("768 of 1, 2, 4, 2, 1, as we train", 1680, structure=DEEP),
    Way("768 of 1, 2, 4, 2, 1, every attention anew", 1838, structure=DEEP, shared=False),
    Way("all sizes, every attention anew", 2038, ALL, shared=False),
    Way("all sizes of 1, 2, 4, 2, 1, every attention anew", 3405, ALL, DEEP, shared=False),
    Way("1280 alone", 1589, (1280,), shared=False),
    Way("768, gradient checkpointing, as we train", None, checkpointing=True),
    Way("768, gradient checkpointing, every attention anew", 2297, shared=False, checkpointing=True),
    Way("768, the web UI's pattern, as it was counted", 3045, shared=False, checkpointing=True, frozen=False),
    Way("768, the web UI's pattern", None, shared=False, checkpointing=True, reentrant=True, frozen=False),
    Way("all sizes, the web UI's, as it was counted", 3455, ALL, shared=False, checkpointing=True, frozen=False),
    Way("all sizes, the web UI's", None, ALL, shared=False, checkpointing=True, reentrant=True, frozen=False),
)


def make_unet() -> Any:
    """Stable Diffusion 1's UNet, without weights."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).train()


def count(step: Callable[[], object]) -> float:
    """Operations in GFLOP."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 1e9


def forward(unet: Any) -> torch.Tensor:
    """One sample through it."""
    with torch.device("meta"):
        x, t, context = torch.empty(1, 4, 64, 64), torch.empty(1, dtype=torch.long), torch.empty(1, 77, 768)
    predicted: torch.Tensor = unet(x, t, context, return_dict=False)[0]
    return predicted


def cost(unet: Any, way: Way) -> float:
    """One training step's operations in GFLOP."""
    with torch.device("meta"):
        network = Hypernetwork.create(way.sizes, way.structure).requires_grad_(True).train()
    unet.requires_grad_(not way.frozen)
    if way.checkpointing:
        unet.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=way.reentrant, preserve_rng_state=False))
    with Injection(unet, [network], shared_context=way.shared):
        counted = count(lambda: forward(unet).square().mean().backward())
    unet.disable_gradient_checkpointing()
    unet.zero_grad(set_to_none=True)
    return counted


def main() -> int:
    """Count and print; exit code 1 if a count is off."""
    unet = make_unet().requires_grad_(False)
    with torch.no_grad():
        bare = count(lambda: forward(unet))
    print(f"{'way':<52}{'GFLOP':>8}{'× forward':>12}{'known':>8}{'off by':>9}")
    print(f"{'bare forward':<52}{bare:>8.0f}{1:>12.2f}{803:>8}{bare / 803 - 1:>9.1%}")
    worst = abs(bare / 803 - 1)
    for way in WAYS:
        counted = cost(unet, way)
        line = f"{way.name:<52}{counted:>8.0f}{counted / bare:>12.2f}"
        if way.known:
            off = counted / way.known - 1
            worst = max(worst, abs(off))
            line += f"{way.known:>8.0f}{off:>9.1%}"
        print(line, flush=True)
    print(f"largest deviation {worst:.1%} (allowed {TOLERANCE:.0%})")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
