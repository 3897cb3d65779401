"""A diffusers folder as one file in the original layout, which the web UI, ComfyUI and this trainer read.

    from trainer.export_ldm import export
    export("pocket", Path("models/pocket.safetensors"))
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer import ldm, single_file
from trainer.base import BaseModel, load
from trainer.errors import TrainerError

KINDS = (".safetensors", ".ckpt")


def export(base_model: str, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Write a base model (a diffusers folder, "pocket") to `path`, a `.safetensors` or a `.ckpt`, in `dtype`.

    Raises `TrainerError` for another suffix or a base model that cannot be read, OSError if it cannot be written.
    """
    if path.suffix not in KINDS:
        raise TrainerError(f"{path}: end its name in {' or '.join(KINDS)}")
    tensors = original(load(base_model, torch.device("cpu")))
    _write(path, {name: tensor.detach().to(dtype).contiguous() for name, tensor in tensors.items()})
    return path


def original(base: BaseModel) -> dict[str, Tensor]:
    """Every tensor of a base model under its original name; an empty one marks a model that predicts velocity."""
    tensors = dict(_unet(base.unet)) | dict(_vae(base.vae)) | dict(_text(base.text_encoder))
    if base.schedule.v_prediction:
        tensors[single_file.V_MARK] = torch.zeros(0)
    return tensors


def _unet(unet: Any) -> Iterator[tuple[str, Tensor]]:
    state = unet.state_dict()
    for key, name in ldm.unet_names(unet.config, iter(state)).items():
        yield name, state[key]


def _vae(vae: Any) -> Iterator[tuple[str, Tensor]]:
    """The original's attention projects by 1 × 1 convolutions."""
    state = vae.state_dict()
    for key, name in ldm.vae_names(vae.config, iter(state)).items():
        projects = ".attn_1." in name and state[key].dim() == 2
        yield name, state[key][:, :, None, None] if projects else state[key]


def _text(model: Any) -> Iterator[tuple[str, Tensor]]:
    state = {key: tensor for key, tensor in model.state_dict().items() if not key.endswith("position_ids")}
    if model.config.hidden_act == "quick_gelu":  # OpenAI's CLIP; open_clip's has the true one
        yield from ((name, state[key]) for key, name in ldm.clip_names(iter(state)).items())
        return
    thirds: dict[str, list[Tensor]] = {}
    for key, (name, third) in ldm.open_clip_names(iter(state)).items():
        if third is None:
            yield name, state[key]
        else:
            thirds.setdefault(name, [torch.empty(0)] * len(ldm.QKV))[third] = state[key]
    yield from ((name, torch.cat(parts)) for name, parts in thirds.items())


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Written beside, then renamed: a model of gigabytes is never half there."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        if path.suffix == ".ckpt":
            torch.save({"state_dict": dict(tensors)}, beside)
        else:
            from safetensors.torch import save_file

            save_file(dict(tensors), beside, metadata={"format": "pt"})
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
