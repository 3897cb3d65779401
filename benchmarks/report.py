"""What rendering the report costs: seconds of CPU and bytes, the best of five; runs are made up, thumbnails are real.

`make bench-report`.  The goals are those of the design: 50 checkpoints in 2 s and 2 MB, 1,000 in 10 MB.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from hndoctor.records import (
    Checkpoint,
    Diagnosis,
    LossPoint,
    ModuleVitals,
    NetworkMetadata,
    Preview,
    State,
    Station,
    TensorVitals,
    Verdict,
    Vitals,
)
from hndoctor.render import render_html, render_index
from hndoctor.rules import RULES

SIZES = (320, 640, 768, 1280)
SIDE = 160  # pixels of a thumbnail, as vitals.json holds them


def thumbnail(seed: int) -> str:
    """A noisy landscape as a base64 JPEG: noise is what JPEG makes largest."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    picture = np.stack([y, x, 1 - y], -1) * 0.7 + rng.random((SIDE, SIDE, 3)) * 0.3
    out = io.BytesIO()
    Image.fromarray((picture * 255).astype("uint8")).save(out, "JPEG", quality=78)
    return base64.b64encode(out.getvalue()).decode("ascii")


def checkpoint(step: int, rng: np.random.Generator) -> Checkpoint:
    """Four pairs of three layers, 32 tensors."""
    scale = float(rng.uniform(0.9, 1.1)) * (1 + step / 1e5)
    modules = tuple(
        ModuleVitals(size, side, gain=0.1 * scale, rms=0.02 * scale, update_rms=1e-4 * scale)
        for size in SIZES
        for side in "kv"
    )
    tensors = tuple(
        TensorVitals(
            f"{size}.{side}.linear.{layer}.{kind}", (size, size), "float32", size * size, 0, 0, 0, 0,
            0.1 * scale, 0.02 * scale, 3.0, (1.0, 1.1) if kind == "weight" else None,
        )
        for size in SIZES for side in "kv" for layer in (0, 1) for kind in ("weight", "bias")
    )  # fmt: skip
    path = f"hypernetworks/big-{step}.pt"
    return Checkpoint(
        path, step, step - 1, 88_000_000, 0.0, "0" * 64, "zip", "web UI", NetworkMetadata(), tensors, modules
    )


def run_of(checkpoints: int, previews: int) -> tuple[Diagnosis, Vitals]:
    """A run of so many of each, with a loss row every ten steps."""
    rng, pictures = np.random.default_rng(0), [thumbnail(i) for i in range(20)]
    saved = tuple(checkpoint(500 * (i + 1), rng) for i in range(checkpoints))
    end = 500 * checkpoints
    shown = tuple(
        Preview(f"images/big-{i}.png", end * (i + 1) // previews, 512, 512, "a prompt", seed=1, noise=0.02,
                thumbnail=pictures[i % 20])
        for i in range(previews)
    )  # fmt: skip
    losses = tuple(
        LossPoint(s, float(v), 5e-6) for s, v in zip(range(10, end, 10), rng.gamma(2, 0.06, end), strict=False)
    )
    p = {"starting": 0.1, "healthy": 0.85, "overtrained": 0.05, "broken": 0.0}
    course = tuple(Station(c.step or 0, c.stored_step, c.path, State.HEALTHY, p) for c in saved)
    vitals = Vitals("runs/big", "big", saved, previews=shown, losses=losses)
    return Diagnosis("runs/big", "big", Verdict.HEALTHY, "Healthy.", course=course), vitals


def best(render: Callable[[], str], times: int = 5) -> tuple[float, int]:
    """(least seconds of CPU, bytes)."""
    least, size = float("inf"), 0
    for _ in range(times):
        begun = time.process_time()
        size = len(render().encode())
        least = min(least, time.process_time() - begun)
    return least, size


def main() -> None:
    print(f"{'page':<44}{'CPU s':>8}{'MB':>8}{'goal s':>9}{'goal MB':>9}")
    for checkpoints, previews, goal_s, goal_mb in ((50, 100, "2", "2"), (1000, 1000, "-", "10")):
        diagnosis, vitals = run_of(checkpoints, previews)
        seconds, size = best(lambda d=diagnosis, v=vitals: render_html(d, v, RULES))  # type: ignore[misc]  # defaults of a lambda
        what = f"{checkpoints} checkpoints, {previews} previews"
        print(f"{what:<44}{seconds:8.2f}{size / 1e6:8.2f}{goal_s:>9}{goal_mb:>9}")
    diagnosis, vitals = run_of(50, 100)
    seconds, size = best(lambda: render_index([diagnosis] * 12, vitals=[vitals]))
    print(f"{'index of 12 runs of 50 checkpoints':<44}{seconds:8.2f}{size / 1e6:8.2f}{'-':>9}{'-':>9}")


if __name__ == "__main__":
    main()
