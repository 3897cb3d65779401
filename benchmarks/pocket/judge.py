"""A judge of pictures: a small network that reads a scene's attributes, and a distance between styles.

It is trained on drawn scenes alone (seeds that the pocket model never saw), never on generated pictures,
and prints how often it is right on held-out drawn scenes and on what the pocket model made from captions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import sqrtm
from torch import nn

from trainer.pocket import captions, looks, pool, scenes

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "sky": tuple(scenes.SKIES),
    "light": scenes.LIGHTS,
    "ground": tuple(scenes.GROUNDS),
    "object": scenes.OBJECTS,
    "colour": tuple(scenes.COLOURS),
}
LOOKS: dict[str, tuple[str, ...]] = {"palette": looks.PALETTES, "hand": looks.HANDS}
HEADS = {**ATTRIBUTES, **LOOKS}
SIDE = 64  #: the judge looks at pictures of half size


class Judge(nn.Module):
    """Four convolutions, then a linear head per attribute (and two for the look, for the features)."""

    def __init__(self) -> None:
        super().__init__()
        widths, layers = (3, 32, 64, 96, 128), []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers.append(
                nn.Sequential(nn.Conv2d(a, b, 3, 1 if i == 3 else 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            )
        self.layers = nn.ModuleList(layers)
        self.body = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(128 * 16, 192), nn.ReLU())
        self.heads = nn.ModuleDict({k: nn.Linear(192, len(v)) for k, v in HEADS.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Pictures (n, 3, 64, 64) in 0..1 to logits by head."""
        for layer in self.layers:
            x = layer(x)
        x = self.body(F.adaptive_avg_pool2d(x, 4))
        return {k: head(x) for k, head in self.heads.items()}

    def style(self, x: torch.Tensor) -> torch.Tensor:
        """Style features (n, 128): means and deviations over the picture of the second layer's maps."""
        for layer in self.layers[:2]:
            x = layer(x)
        return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


def small(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (n, 128, 128, 3) to what the judge looks at, (n, 3, 64, 64) in 0..1."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    return F.interpolate(x, size=SIDE, mode="area") if x.shape[-1] != SIDE else x


def labels(held: Sequence[scenes.Scene]) -> dict[str, torch.Tensor]:
    """Class indices (n,) of the scenes, by head."""
    return {k: torch.tensor([v.index(getattr(s, k)) for s in held]) for k, v in HEADS.items()}


def _worse(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Slightly blurred, noisy, brighter or darker: a decoder's small faults should not sway the judge."""
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mix = torch.rand(len(x), 1, 1, 1, generator=rng)
    gain = 1 + 0.06 * torch.randn(len(x), 1, 1, 1, generator=rng)
    return (x + mix * (soft - x)) * gain + 0.03 * torch.randn(x.shape, generator=rng)


def train(count: int, epochs: int = 8, say: Callable[[str], None] = lambda _: None) -> Judge:
    """A judge trained on ``count`` drawn scenes."""
    torch.manual_seed(31)
    rng = torch.Generator().manual_seed(32)
    held = [pool.scene_at(pool.JUDGE, i) for i in range(count)]
    parts = [range(i, min(i + 500, count)) for i in range(0, count, 500)]
    x = torch.cat([small(pool.drawn(pool.JUDGE, part)) for part in parts])
    y, judge = labels(held), Judge()
    batch, steps = 64, epochs * (count // 64)
    opt = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=steps)
    for step in range(steps):
        i = torch.randint(count, (batch,), generator=rng)
        out = judge(_worse(x[i], rng))
        loss = torch.stack([F.cross_entropy(out[k], y[k][i]) for k in HEADS]).sum()
        opt.zero_grad()
        torch.autograd.backward(loss)
        opt.step()
        plan.step()
        if step % 200 == 0:
            say(f"step {step} of {steps}: loss {float(loss.detach()):.3f}")
    return judge.eval().requires_grad_(False)


SCENES = 30_000  #: that a judge is trained on; with 12,000 it was the weaker part (README.md)


def load(file: Path, scenes: int = SCENES) -> Judge:
    """The judge of a file; trained and written there if there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(train(scenes, say=lambda line: print(line, flush=True)).state_dict(), file)
    judge = Judge()
    judge.load_state_dict(torch.load(file, weights_only=True))
    return judge.eval().requires_grad_(False)


def read(judge: Judge, pictures: np.ndarray) -> dict[str, torch.Tensor]:
    """Class indices (n,) by head that the judge reads in uint8 pictures (n, 128, 128, 3)."""
    with torch.no_grad():
        parts = [judge(small(pictures[i : i + 100])) for i in range(0, len(pictures), 100)]
    return {k: torch.cat([p[k] for p in parts]).argmax(1) for k in HEADS}


def accuracy(judge: Judge, pictures: np.ndarray, held: Sequence[scenes.Scene]) -> dict[str, float]:
    """Per cent read right, by head, and ``mean`` over the five attributes (the look left out)."""
    seen, truth = read(judge, pictures), labels(held)
    out = {k: 100 * float((seen[k] == truth[k]).float().mean()) for k in HEADS}
    return {**out, "mean": float(np.mean([out[k] for k in ATTRIBUTES]))}


def frechet(judge: Judge, a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance between two sets of pictures in the judge's style features.

    Covariances are shrunk by a tenth to their diagonal: sets have tens of pictures, features are 128 wide.
    """

    def moments(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f = judge.style(small(pictures)).double().numpy()
        cov = np.cov(f, rowvar=False)
        return f.mean(0), 0.9 * cov + 0.1 * np.diag(np.diag(cov)) + 1e-6 * np.eye(len(cov))

    (m1, c1), (m2, c2) = moments(a), moments(b)
    root = np.real(sqrtm(c1 @ c2))
    return float(((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * root))


def generate(
    pipe: Any, prompts: Sequence[str], seed: int = 0, steps: int = 20, cfg: float = 4.0, batch: int = 20
) -> np.ndarray:
    """Pictures of the prompts, uint8 (n, 128, 128, 3); picture ``i`` has the noise of ``seed + i``."""
    out = []
    for i in range(0, len(prompts), batch):
        texts = list(prompts[i : i + batch])
        noise = [torch.Generator().manual_seed(seed + i + k) for k in range(len(texts))]
        made = pipe(
            texts,
            num_inference_steps=steps,
            guidance_scale=cfg,
            generator=noise,
            height=128,
            width=128,
            output_type="np",
        ).images
        out.append((np.asarray(made) * 255 + 0.5).astype(np.uint8))
    return np.concatenate(out)


def pipeline(folder: Path) -> Any:
    """The pocket model with DPM-Solver++ (2M), quiet."""
    import diffusers

    library: Any = diffusers  # its functions are not typed
    pipe = library.StableDiffusionPipeline.from_pretrained(str(folder), torch_dtype=torch.float32)
    pipe.scheduler = library.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(count: int) -> list[scenes.Scene]:
    """Scenes to ask for, of a seed kept from training."""
    return [pool.scene_at(pool.JUDGE_TEST, i) for i in range(count)]


def table(rows: dict[str, dict[str, float]]) -> str:
    """The figures as a Markdown table."""
    names = list(next(iter(rows.values())))
    lines = ["| pictures | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    return "\n".join(
        [*lines, *(f"| {k} | " + " | ".join(f"{r[n]:.1f}" for n in names) + " |" for k, r in rows.items())]
    )


#: Looks in which colours cannot be read, or not surely.
HIDING = {"palette": ("sepia", "duotone", "grey"), "hand": ("woodcut",)}


def groups(held: Sequence[scenes.Scene]) -> dict[str, list[int]]:
    """The scenes, and those among them whose look is plain, or shows colours: indices."""
    plain = [i for i, s in enumerate(held) if (s.palette, s.hand) == ("plain", "plain")]
    seen = [i for i, s in enumerate(held) if not any(getattr(s, k) in v for k, v in HIDING.items())]
    return {"all looks": list(range(len(held))), "plain": plain, "coloured looks": seen}


def main(argv: list[str] | None = None) -> None:
    """Train or load the judge; print what it reads in drawn and in generated pictures."""
    from trainer import pocket

    parser = argparse.ArgumentParser(description="Judge the pocket model's pictures.")
    parser.add_argument("--judge", type=Path, default=Path("judge.pt"), help="the judge; trained if absent")
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--pictures", type=Path, help="keep the generated pictures here (.npy), or take them from here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(argv)
    judge, held, rows = load(args.judge), asked(args.count), {}
    drawn = np.stack([np.asarray(scenes.draw(s)) for s in held])
    if args.pictures and args.pictures.exists():
        made = np.load(args.pictures)
    else:
        with torch.autocast("cpu", torch.bfloat16):
            prompts = [captions.caption(s) for s in held]
            made = generate(pipeline(args.model), prompts, steps=args.steps, cfg=args.cfg)
        if args.pictures:
            np.save(args.pictures, made)
    for name, chosen in groups(held).items():
        for kind, pictures in (("drawn", drawn), ("generated", made)):
            rows[f"{kind}, {name} (n={len(chosen)})"] = accuracy(judge, pictures[chosen], [held[i] for i in chosen])
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
