"""Which learning rates teach the pocket model a style, and which ruin it.

A hypernetwork as the web UI has it (per width one pair of MLPs 1, 2, 1 with ReLU, for keys and for values)
is trained at several rates; each row of the table says what came of one: loss, gain, whether the captions are
still followed (judge), how far the previews are from held-out pictures of the style, how alike they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from benchmarks.pocket import judge as judging
from trainer import pocket
from trainer.pocket import captions, datasets, make_unet, scenes
from trainer.pocket.make_vae import tensor

READ = ("light", "ground", "object")  #: attributes that a change of palette leaves readable


class Hypernetwork(nn.Module):
    """MLP pairs by width; ``x + f(x)`` before every projection to keys and to values."""

    def __init__(self, widths: Sequence[int], seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.pairs = nn.ModuleDict({f"{w}{side}": self._mlp(w) for w in widths for side in "kv"})

    @staticmethod
    def _mlp(w: int) -> nn.Sequential:
        layers = nn.Linear(w, 2 * w), nn.Linear(2 * w, w)
        for layer in layers:
            nn.init.normal_(layer.weight, 0.0, 0.01)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layers[0], nn.ReLU(), layers[1])

    @contextmanager
    def on(self, unet: nn.Module) -> Iterator[None]:
        """Steer every attention of the UNet while in the block."""
        hooks = []
        for name, layer in unet.named_modules():
            if name.endswith((".to_k", ".to_v")):
                net = self.pairs[f"{layer.in_features}{name[-1]}"]
                hooks.append(layer.register_forward_pre_hook(lambda _, args, net=net: (args[0] + net(args[0]),)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


@dataclass(frozen=True)
class Row:
    """What came of one rate. Loss: mean of the last 50 steps; gain: ||f(x)|| / ||x|| of the text's values."""

    dataset: str
    rate: float
    steps: int
    loss: float
    gain: float
    object: float
    followed: float
    style: float
    spread: float


def train(
    pipe: Any, name: str, rate: float, steps: int, count: int = 40, batch: int = 4, seed: int = 0
) -> tuple[Hypernetwork, float, float]:
    """Train on a data set: the hypernetwork, mean loss of the last 50 steps, gain."""
    held = [datasets.picture(name, 0, i) for i in range(count)]
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        x = pipe.vae.encode(tensor(np.stack([np.asarray(p) for p, _ in held]))).latent_dist.mean
        x = x * pipe.vae.config.scaling_factor
        ids = pipe.tokenizer([c for _, c in held], padding="max_length", max_length=77, truncation=True)
        words = pipe.text_encoder(torch.tensor(ids.input_ids)).last_hidden_state
    net = Hypernetwork((make_unet.TEXT, *sorted(set(make_unet.WIDTHS))), seed)
    opt, alphas = torch.optim.AdamW(net.parameters(), lr=rate), make_unet.cumulative()
    losses: list[float] = []
    with net.on(pipe.unet):
        for _ in range(steps):
            i = torch.randint(count, (batch,), generator=rng)
            t = torch.randint(1000, (batch,), generator=rng)
            noise, a = torch.randn(x[i].shape, generator=rng), alphas[t][:, None, None, None]
            noisy = a.sqrt() * x[i] + (1 - a).sqrt() * noise
            guess = pipe.unet(noisy, t, encoder_hidden_states=words[i]).sample
            loss = F.mse_loss(guess, noise)
            opt.zero_grad()
            torch.autograd.backward(loss)
            opt.step()
            losses.append(float(loss.detach()))
    with torch.no_grad():
        gain = float(net.pairs[f"{make_unet.TEXT}v"](words).norm() / words.norm())
    return net, float(np.mean(losses[-50:])), gain


def asked(name: str, count: int) -> list[tuple[scenes.Scene, str]]:
    """Scenes and captions to preview a data set's style with."""
    held = [replace(scene, palette="plain", hand="plain") for scene in judging.asked(count)]
    if name != "lantern":
        return [(s, captions.caption(s)) for s in held]
    texts = [captions.caption(replace(s, colour="purple", object="striped balloon")) for s in held]
    return list(zip(held, texts, strict=True))


def measure(judge: judging.Judge, name: str, made: np.ndarray, held: Sequence[scenes.Scene]) -> dict[str, float]:
    """Per cent of objects right, mean of the readable attributes, style distance, and spread of the previews.

    Spread: mean distance of a preview from the previews' mean picture, 0..1; 0 when all are one picture.
    """
    right = judging.accuracy(judge, made, held)
    style = np.stack([np.asarray(p) for p, _ in datasets.held_out(name, 80)])
    x = made.astype(np.float32) / 255
    return {
        "object": right["object"],
        "followed": float(np.mean([right[k] for k in READ])),
        "style": judging.frechet(judge, made, style),
        "spread": float(np.abs(x - x.mean(0)).mean()),
    }


def sheet(rows: Sequence[np.ndarray], file: Path) -> None:
    """Previews, a row a rate."""
    Image.fromarray(np.concatenate([np.concatenate(list(r[:10]), 1) for r in rows], 0)).save(file)


def main(argv: list[str] | None = None) -> None:
    """Train at every rate, print a JSON line each, write the previews."""
    parser = argparse.ArgumentParser(description="Rates that teach the pocket model a style, or ruin it.")
    parser.add_argument("--dataset", default="redfig", choices=datasets.NAMES)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--previews", type=int, default=40)
    parser.add_argument("--judge", type=Path, default=Path("judge.pt"))
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--out", type=Path, default=Path())
    args = parser.parse_args(argv)
    judge, pipe = judging.load(args.judge), judging.pipeline(args.model)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    held = asked(args.dataset, args.previews)
    pictures = [judging.generate(pipe, [c for _, c in held])]
    seen = measure(judge, args.dataset, pictures[0], [s for s, _ in held])
    found = [Row(args.dataset, 0.0, 0, 0.0, 0.0, **seen)]
    print(json.dumps(asdict(found[0])), flush=True)
    for rate in args.rates:
        net, loss, gain = train(pipe, args.dataset, rate, args.steps)
        with net.on(pipe.unet):
            pictures.append(judging.generate(pipe, [c for _, c in held]))
        seen = measure(judge, args.dataset, pictures[-1], [s for s, _ in held])
        found.append(Row(args.dataset, rate, args.steps, round(loss, 4), round(gain, 3), **seen))
        print(json.dumps(asdict(found[-1])), flush=True)
        sheet(pictures, args.out / f"rates-{args.dataset}.png")


if __name__ == "__main__":
    main()
