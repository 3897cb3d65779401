"""Runs made by hand: records as measuring would give them, without a file on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hndoctor.records import (
    Checkpoint,
    LossPoint,
    ModuleVitals,
    NetworkMetadata,
    OptimizerVitals,
    Preview,
    Refusal,
    Settings,
    TensorVitals,
    Unreadable,
    ValidationPoint,
    Vitals,
)

SD1 = (320, 640, 768, 1280)
POCKET = (48, 80, 96, 112)
STEPS = tuple(range(500, 6500, 500))


def a_checkpoint(
    step: int | None,
    gain: float | None = 0.1,
    *,
    nan: int = 0,
    sizes: Iterable[int] = SD1,
    name: str = "x",
    **more: Any,
) -> Checkpoint:
    """A network whose modules all have one gain; `nan` values are not finite."""
    stored = step - 1 if step is not None else more.pop("stored_step", 0)
    metadata = NetworkMetadata(name=name, step=stored, **more.pop("metadata", {}))
    modules = tuple(ModuleVitals(size, side, gain, rms=0.01) for size in sizes for side in "kv")
    tensor = TensorVitals("768.k.linear.0.weight", (2, 2), "float32", 4, nan, 0, 0, 0, 0.1, 0.05, 0.1)
    file = f"hypernetworks/{name}-{step}.pt" if step is not None else f"hypernetworks/{name}.pt"
    return replace(
        Checkpoint(file, step, stored, 1000, 0.0, "0" * 64, "legacy", "web UI", metadata, (tensor,), modules), **more
    )


def an_optimizer(rate: float | None = None, **more: Any) -> OptimizerVitals:
    told = {"hash": "0123456789"} if more.get("hash_matches") is not None else {}
    return replace(OptimizerVitals("x.pt.optim", "AdamW", rate, None, None, None, None), **(told | more))


def a_preview(step: int, noise: float = 0.02, index: int = 0) -> Preview:
    suffix = f"-{index}" if index else ""
    return Preview(f"images/x-{step}{suffix}.png", step, 512, 512, prompt="a house", seed=1, noise=noise)


def losses(steps: Iterable[int], loss: float | Mapping[int, float] = 0.1, rate: float = 5e-6) -> tuple[LossPoint, ...]:
    """A loss log with a little ripple; a mapping gives the loss from a step on."""
    points = []
    for step in steps:
        value = loss if not isinstance(loss, Mapping) else next(v for s, v in sorted(loss.items())[::-1] if step >= s)
        finite = value == value and abs(value) != float("inf")
        points.append(LossPoint(step, value * (1 + 0.1 * (step // 10 % 3 - 1)) if finite else None, rate, not finite))
    return tuple(points)


def validation(curve: Mapping[int, float], base: float = 0.1, train: Mapping[int, float] | None = None, items: int = 8):
    """Held-out loss by step, items spread evenly around it as around the base's."""
    spread = [1 + 0.2 * (at - (items - 1) / 2) / items for at in range(items)]
    return tuple(
        ValidationPoint(
            step,
            value,
            base,
            train[step] if train else None,
            base if train else None,
            tuple(value * part for part in spread),
            tuple(base * part for part in spread),
        )
        for step, value in curve.items()
    )


def unreadable(step: int | None, kind: Refusal = Refusal.DAMAGED) -> Unreadable:
    return Unreadable(f"hypernetworks/x-{step}.pt", step, kind, "it ends in the middle of a tensor")


def a_run(
    steps: Iterable[int] = STEPS,
    gain: float | Mapping[int, float] = 0.1,
    noise: float | Mapping[int, float] | None = 0.02,
    loss: float | Mapping[int, float] | None = 0.1,
    rate: float = 5e-6,
    sizes: Iterable[int] = SD1,
    **more: Any,
) -> Vitals:
    """A run with a checkpoint and a preview at each step and a loss row every ten steps.

    A mapping gives a value from a step on: `gain={0: 0.1, 4000: 20}` explodes at step 4000.
    """
    steps, sizes = tuple(steps), tuple(sizes)

    def at(value: float | Mapping[int, float], step: int) -> float:
        return value if not isinstance(value, Mapping) else next(v for s, v in sorted(value.items())[::-1] if step >= s)

    given: dict[str, Any] = {
        "run": "runs/x",
        "name": "x",
        "checkpoints": tuple(a_checkpoint(step, at(gain, step), sizes=sizes) for step in steps),
        "previews": tuple(a_preview(step, at(noise, step)) for step in steps) if noise is not None else (),
        "losses": losses(range(10, max(steps, default=0) + 1, 10), loss, rate) if loss is not None else (),
        "settings": Settings(learn_rate=str(rate), steps=max(steps, default=0), batch_size=1, images=50),
    }
    return Vitals(**(given | more))
