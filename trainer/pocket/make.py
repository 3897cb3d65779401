"""Remakes the pocket model from nothing: draw, autoencoder, latents, UNet and text encoder, export.

Every stage resumes from what the work folder holds, so a stage may be stopped and started again::

    python -m trainer.pocket.make all --work FOLDER

The stages ``vae`` and ``unet`` run best as one process a core::

    torchrun --nproc-per-node 2 -m trainer.pocket.make unet --work FOLDER
"""

from __future__ import annotations

import argparse
import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from trainer.pocket import feed, make_unet, make_vae, path, pool, tokenizer, twins

STAGES = ("draw", "vae", "encode", "unet", "export")


def scaling(work: Path, vae: Any) -> float:
    """One over the standard deviation of the latents of the first shard that was drawn."""
    import numpy as np

    first = next(iter(pool.pixels(work, 1)))[:500]
    with torch.no_grad():
        parts = [make_vae.tensor(np.array(first[i : i + 20])) for i in range(0, len(first), 20)]
        means = [vae.encode(x).latent_dist.mean for x in parts]
    return round(1 / float(torch.cat(means).std()), 5)


def factor(work: Path) -> float:
    """The scaling factor of the trained autoencoder, kept in ``work/factor.json``."""
    file = work / "factor.json"
    if not file.exists():
        file.write_text(json.dumps({"scaling_factor": scaling(work, make_vae.trained(work))}) + "\n")
    return float(json.loads(file.read_text())["scaling_factor"])


def _half(model: Any, folder: Path) -> None:
    model.half().save_pretrained(str(folder), safe_serialization=True)
    for file in folder.iterdir():
        file.chmod(0o644)


def _load_as_float32(config: Path) -> None:
    """Transformers 5 loads weights in the dtype that the config names; the UNet's default is float32."""
    held = json.loads(config.read_text())
    config.write_text(json.dumps({**held, "dtype": "float32"}, indent=2) + "\n")


def export(work: Path, target: Path) -> None:
    """Write the pipeline's folder beside its name, then rename: readers never see half of it."""
    import diffusers

    library: Any = diffusers  # its functions are not typed
    partial, old = target.with_name(target.name + ".part"), target.with_name(target.name + ".old")
    shutil.rmtree(partial, ignore_errors=True)
    vae, (unet, text) = make_vae.trained(work), make_unet.trained(work)
    vae.register_to_config(scaling_factor=factor(work))
    _half(vae, partial / "vae")
    _half(unet, partial / "unet")
    _half(text, partial / "text_encoder")
    _load_as_float32(partial / "text_encoder" / "config.json")
    library.PNDMScheduler(**_pndm()).save_pretrained(str(partial / "scheduler"))
    tokenizer.write(partial / "tokenizer")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (partial / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _pndm() -> dict[str, Any]:
    """SD1's own scheduler settings."""
    return {
        **{k: v for k, v in make_unet.SCHEDULE.items() if k != "clip_sample"},
        "skip_prk_steps": True,
        "set_alpha_to_one": False,
    }


def run(stage: str, work: Path, shards: int, plan: make_unet.Plan, target: Path) -> None:
    """One stage."""
    if stage == "draw":
        pool.fill(work, range(shards))
    elif stage == "vae":
        make_vae.train(work, make_vae.Plan())
    elif stage == "encode":
        factor(work)
        feed.caption_shards(work)
        feed.encode(work, make_vae.trained(work))
    elif stage == "unet":
        for line in make_unet.train(work, plan, factor(work)):
            print(json.dumps(line), flush=True)
    else:
        export(work, target)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    usual = make_unet.Plan()
    parser = argparse.ArgumentParser(description="Remake the pocket model from nothing.")
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures and checkpoints, 5 GB")
    parser.add_argument("--shards", type=int, default=30, help=f"shards of {pool.SHARD} scenes to draw")
    parser.add_argument("--steps", type=int, default=usual.steps, help="steps of the UNet in all")
    parser.add_argument("--decay", type=int, default=usual.decay, help="last steps, in which the rate falls")
    parser.add_argument("--batch", type=int, default=usual.batch)
    parser.add_argument("--compile", action="store_true", help="compile the UNet first (many minutes)")
    parser.add_argument("--target", type=Path, default=path(), help="where the pipeline is exported")
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    args.work.mkdir(parents=True, exist_ok=True)
    plan = make_unet.Plan(steps=args.steps, decay=args.decay, batch=args.batch, compile=args.compile)
    for stage in STAGES if args.stage == "all" else (args.stage,):
        run(stage, args.work, args.shards, plan, args.target)
    twins.leave()


if __name__ == "__main__":
    main()
