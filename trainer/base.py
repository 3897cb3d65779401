"""The base model: a diffusers folder's UNet, VAE, text encoder and noise levels, frozen."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from hndoctor.formats.hashes import short_hash
from trainer.config import POCKET
from trainer.diffusion import context_sizes
from trainer.errors import TrainerError
from trainer.sampler import NoiseSchedule

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
UNET_WEIGHTS = tuple(f"diffusion_pytorch_model{end}" for end in (".safetensors", ".fp16.safetensors", ".bin"))
NOISE_KEYS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")


@dataclass
class BaseModel:
    """What a training needs of a base model.  `vae` and `text_encoder` become None once they are no longer needed."""

    name: str
    hash: str | None  # ten hex digits of the UNet file's SHA-256
    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    schedule: NoiseSchedule
    device: torch.device

    @property
    def sizes(self) -> tuple[int, ...]:
        """Context widths, cross-attention first."""
        return context_sizes(self.unet)

    @property
    def factor(self) -> int:
        """Pixels to a latent, along each side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def native_size(self) -> int:
        """The side in pixels it was trained at."""
        return int(self.unet.config.sample_size) * self.factor


def folder(base_model: str) -> Path:
    """The folder of a base model as a configuration names it; raises `TrainerError` if it is not a whole one."""
    path = _pocket() if base_model == POCKET else Path(base_model)
    if not path.exists():
        raise TrainerError(f'base_model "{base_model}": no such folder; name a diffusers folder, or "{POCKET}"')
    missing = [part for part in PARTS if not (path / part).is_dir()]
    if missing:
        raise TrainerError(f'base_model "{base_model}": not a whole diffusers folder, {", ".join(missing)} missing')
    return path


def _pocket() -> Path:
    try:
        pocket = import_module("trainer.pocket")
    except ImportError:
        raise TrainerError(f'base_model "{POCKET}": not in this installation; name a diffusers folder') from None
    return Path(pocket.path())


def part_config(path: Path, part: str) -> dict[str, Any]:
    """The configuration of one part, without loading any weights."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    try:
        found = json.loads((path / part / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"{path / part / name}: cannot be read ({error}); the base model is not whole") from None
    return dict(found)


def sizes_of(path: Path) -> tuple[int, ...]:
    """The context widths of a base model from its configuration alone."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return context_sizes(UNet2DConditionModel.from_config(part_config(path, "unet")))


def load(base_model: str, device: torch.device, dtype: torch.dtype = torch.float32) -> BaseModel:
    """Load and freeze a base model; nothing is ever fetched.  `dtype` is the UNet's."""
    path = folder(base_model)
    try:
        with _quiet():
            unet, vae, text_encoder, tokenizer = _load_parts(path, dtype)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise TrainerError(f'base_model "{base_model}": cannot be loaded: {first}') from None
    for model in (unet, vae, text_encoder):
        model.requires_grad_(False).eval().to(device)
    name = POCKET if base_model == POCKET else path.resolve().name
    return BaseModel(name, unet_hash(path), unet, vae, text_encoder, tokenizer, noise_schedule(path), device)


def _load_parts(path: Path, dtype: torch.dtype) -> tuple[Any, Any, Any, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    def part(kind: Any, name: str, wanted: torch.dtype) -> Any:
        halves = any((path / name).glob("*.fp16.*")) and not any((path / name).glob("*model.safetensors"))
        variant = "fp16" if halves else None
        return kind.from_pretrained(path, subfolder=name, local_files_only=True, variant=variant).to(wanted)

    return (
        part(UNet2DConditionModel, "unet", dtype),
        part(AutoencoderKL, "vae", torch.float32),  # half precision overflows in some VAEs
        part(CLIPTextModel, "text_encoder", torch.float32),
        CLIPTokenizer.from_pretrained(path, subfolder="tokenizer", local_files_only=True),
    )


def noise_schedule(path: Path) -> NoiseSchedule:
    """The noise levels that the folder's scheduler names."""
    from diffusers import DDPMScheduler

    config = part_config(path, "scheduler")
    kept = {key: config[key] for key in NOISE_KEYS if key in config}
    kind = kept.get("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction"):
        raise TrainerError(f"{path}: prediction type {kind!r} is not known; it must be epsilon or v_prediction")
    return NoiseSchedule(DDPMScheduler(**kept).alphas_cumprod.double(), kind == "v_prediction")


def unet_hash(path: Path) -> str | None:
    """The hash that stands for a base model in every file written: of its UNet's weights."""
    found = next((path / "unet" / name for name in UNET_WEIGHTS if (path / "unet" / name).is_file()), None)
    return short_hash(found) if found else None


def choose_device(name: str) -> torch.device:
    """ "auto" is the fastest there is; anything else torch's name for it."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainerError(f'device "{name}": cannot be used: {first}; use "auto" or "cpu"') from None
    return device


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries' own progress bars and advice kept off the screen; only the command line speaks."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    levels = [(lib, lib.get_verbosity()) for lib in (diffusers_logging, transformers_logging)]
    shown = transformers_logging.is_progress_bar_enabled()
    for lib, _ in levels:
        lib.set_verbosity_error()
        lib.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for lib, level in levels:
            lib.set_verbosity(level)
        if shown:
            for lib, _ in levels:
                lib.enable_progress_bar()
