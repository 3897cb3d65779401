"""What settings must be, told before any file is looked at."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from hndoctor.formats.curve import SHAPES
from hndoctor.formats.layout import parse_structure
from hndoctor.formats.schedule import strict_schedule
from trainer.config.settings import Config
from trainer.errors import TrainerError
from trainer.module import ACTIVATIONS, INITIALISATIONS

EMPHASES = ("Original", "No norm", "Ignore", "None")  # the web UI's
FORBIDDEN_IN_NAMES = '()/\\:*?"<>|'  # "(" truncates the name in the web UI; the rest no file system takes everywhere

_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activation": tuple(name for name in ACTIVATIONS if name not in ("multiheadattention", "threshold", "glu")),
        "weight_init": tuple(INITIALISATIONS),
        "clip_grad_mode": ("disabled", "value", "norm"),
        "precision": ("fp32", "bf16", "fp16"),
        "lr_scheduler": tuple(SHAPES),
        "latent_sampling": ("once", "deterministic", "random"),
        "resize": ("crop", "distort"),
        "prediction_type": ("auto", "epsilon", "v_prediction"),
        "emphasis": EMPHASES,
        "preview_noise": ("cpu", "nv"),
    }
)
_AT_LEAST: Mapping[str, float] = MappingProxyType(
    {
        "steps": 1, "batch_size": 1, "gradient_step": 1, "clip_skip": 1, "preview_steps": 1, "repeats": 1,
        "bucket_step": 0, "bucket_min": 0, "bucket_max": 0,
        "save_every": 0, "image_every": 0, "csv_every": 0, "keep_last": 0, "keep_every": 0, "keep_first": 0,
        "width": 0, "height": 0, "validation": 0, "validate_every": 0, "weight_decay": 0, "preview_cfg": 0,
        "tag_drop_out": 0, "caption_drop_out": 0, "seed": 0, "preview_seed": -1, "preview_ensd": 0,
        "comma_backtrack": 0, "lr_warmup_steps": 0, "lr_num_cycles": 1, "lr_min_ratio": 0, "ema": 0,
        "min_snr_gamma": 0, "noise_offset": 0, "min_timestep": 0, "max_timestep": 0,
    }
)  # fmt: skip


def check(config: Config) -> None:
    """Raise `TrainerError` for the first setting that cannot work, without looking at any file."""
    _check_name(config.name)
    if config.data == Path():
        raise TrainerError('data is not set: name the folder of the training pictures, data = "…"')
    for key, choices in _CHOICES.items():
        if getattr(config, key) not in choices:
            raise TrainerError(_no_choice(key, getattr(config, key), choices))
    for key, least in _AT_LEAST.items():
        if not getattr(config, key) >= least:
            raise TrainerError(f"{key} = {getattr(config, key)}: must be {least:g} or more")
    for key in ("tag_drop_out", "caption_drop_out"):
        if getattr(config, key) > 1:
            raise TrainerError(f"{key} = {getattr(config, key)}: is a probability, from 0 to 1")
    for key in ("width", "height", "bucket_step", "bucket_min", "bucket_max"):
        if getattr(config, key) % 8:
            raise TrainerError(f"{key} = {getattr(config, key)}: must be a multiple of 8 pixels")
    try:
        parse_structure(config.layer_structure)
        strict_schedule(config.learn_rate, config.steps)
        if config.clip_grad_mode != "disabled":
            strict_schedule(config.clip_grad_value, config.steps)
        _check_course(config)
    except ValueError as error:
        raise TrainerError(str(error)) from None


def _check_course(config: Config) -> None:
    if not config.lr_warmup_steps < config.steps:
        raise ValueError(f"lr_warmup_steps = {config.lr_warmup_steps}: must be fewer than steps = {config.steps}")
    if config.lr_min_ratio > 1:
        raise ValueError(f"lr_min_ratio = {config.lr_min_ratio}: is a share of the rate, from 0 to 1")
    if config.ema >= 1:
        raise ValueError(f"ema = {config.ema}: is a decay, below 1; 0.999 is usual")
    if config.preview_ema and not config.ema:
        raise ValueError("preview_ema: there is no moving average; set ema, 0.999 is usual")
    if config.varsize and config.buckets:
        raise ValueError("varsize and buckets: pictures cannot keep their size and be brought to a few; choose one")
    if config.ema and config.optimizer.endswith("ScheduleFree"):
        raise ValueError(f'ema = {config.ema}: optimizer "{config.optimizer}" averages by itself; leave ema out')


def _check_name(name: str) -> None:
    bad = sorted(set(name) & set(FORBIDDEN_IN_NAMES))
    if bad:
        what = "the web UI cuts a name there" if bad[0] == "(" else "it cannot stand in a file name"
        raise TrainerError(f'name "{name}" has "{bad[0]}" in it: {what}; use letters, digits, . _ and -')
    if not name.strip(". ") or name != name.strip() or any(ord(mark) < 32 for mark in name):
        raise TrainerError(f'name "{name}": give the network a name of letters, digits, . _ and -')


def _no_choice(key: str, value: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value, choices, n=1, cutoff=0.4)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'{key} = "{value}": must be one of {", ".join(choices)}{hint}'
