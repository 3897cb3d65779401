"""What the UNet is fed: latents and captions of the pool, computed beforehand and held in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.pocket import captions, pool, tokenizer, twins
from trainer.pocket.scenes import Scene

VARIANTS = 6  #: captions per scene


def encode(work: Path, vae: Any) -> None:
    """Latents (means, unscaled) of every drawn shard that has none yet, float16 (SHARD, 4, 16, 16).

    Under ``torchrun`` the processes share the shards.
    """
    from trainer.pocket.make_vae import tensor

    rank, world = twins.join()
    for path in sorted(work.glob("pixels-???.npy"))[rank::world]:
        target = path.with_name(path.name.replace("pixels", "latents"))
        if target.exists():
            continue
        shard, out = np.load(path, mmap_mode="r"), []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for i in range(0, len(shard), 16):  # small batches stay in the cache: twice as fast as large ones
                out.append(vae.encode(tensor(shard[i : i + 16])).latent_dist.mean.half().numpy())
        pool.save(target, np.concatenate(out))


def token_rows(folder: Path, texts: list[str]) -> np.ndarray:
    """Token ids int16 (n, 77), padded with the end token."""
    from transformers import CLIPTokenizer

    clip = CLIPTokenizer.from_pretrained(str(folder))
    rows = clip(texts, padding="max_length", truncation=True, max_length=tokenizer.LENGTH).input_ids
    return np.asarray(rows, dtype=np.int16)


def caption_shards(work: Path) -> None:
    """Token ids of ``VARIANTS`` captions for every drawn scene, int16 (SHARD, VARIANTS, 77)."""
    tokenizer.write(work / "tokenizer")
    for path in sorted(work.glob("pixels-???.npy")):
        target, k = path.with_name(path.name.replace("pixels", "tokens")), int(path.stem[-3:])
        if target.exists():
            continue
        texts: list[str] = []
        for i in range(k * pool.SHARD, (k + 1) * pool.SHARD):
            rng = np.random.default_rng((pool.TRAIN, i, 5))
            scene = pool.scene_at(pool.TRAIN, i)
            texts += [captions.random_caption(scene, rng) for _ in range(VARIANTS)]
        rows = token_rows(work / "tokenizer", texts)
        pool.save(target, rows.reshape(pool.SHARD, VARIANTS, tokenizer.LENGTH))


def _share(scene: Scene) -> float:
    """How often a scene is shown, against its share of the pool: plain scenes teach what the words mean.

    Of the scenes shown 53 % are plain, 21 % have a palette, 22 % a hand, 5 % both.
    """
    if scene.palette != "plain":
        return 0.8 if scene.hand == "plain" else 0.33
    if scene.hand == "plain":
        return 1.8
    return 0.9 if scene.hand in ("outlines", "white", "pixels", "poster") else 0.55


class Data:
    """Latents, scaled to unit deviation, and captions of all shards, in memory (16 MB a shard of 2,000)."""

    def __init__(self, work: Path, factor: float) -> None:
        held = sorted(work.glob("latents-???.npy"))
        tokens = [np.load(p.with_name(p.name.replace("latents", "tokens"))) for p in held]
        self.tokens = torch.from_numpy(np.concatenate(tokens))
        self.latents = torch.from_numpy(np.concatenate([np.load(p) for p in held])) * factor
        shown = (pool.scene_at(pool.TRAIN, i) for i in range(len(self.latents)))
        self.weights = torch.tensor([_share(s) for s in shown])
        self.empty = torch.from_numpy(token_rows(work / "tokenizer", [""]).astype(np.int64))

    def batch(self, n: int, drop: float, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (n, 4, 16, 16) and token ids (n, 77), a share ``drop`` of them the empty caption."""
        i = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        ids = self.tokens[i, torch.randint(VARIANTS, (n,), generator=rng)].long()
        dropped = torch.rand(n, 1, generator=rng) < drop
        return self.latents[i].float(), torch.where(dropped, self.empty, ids)
