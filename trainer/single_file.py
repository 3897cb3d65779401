"""A base model in one `.safetensors` or `.ckpt` of the original layout, without network and without unpickling.

The tensors come from our own reader, the configurations from the package (or from a folder that the user names).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hndoctor.formats import HypernetworkFile, Refused, TensorFile, read
from hndoctor.formats.types import Array
from trainer import ldm, models, pocket
from trainer.errors import TrainerError

SUFFIXES = frozenset({".safetensors", ".ckpt", ".pt", ".pth"})
SHOWN = 3  # tensors named in an error
V_MARK = "v_pred"  # an empty tensor of this name says "v-prediction" (ComfyUI's and the web UI's convention)
_INPUT = f"{ldm.UNET}input_blocks.0.0.weight"
_CONTEXT = f"{ldm.UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"
_SD2_TEXT = f"{ldm.OPEN_CLIP}transformer.resblocks.0.attn.in_proj_weight"
_MOVED = {  # what old merges and SD2 Turbo call it -> what others do (web UI, `transform_checkpoint_dict_key`)
    "cond_stage_model.transformer.embeddings.": f"{ldm.CLIP}embeddings.",
    "cond_stage_model.transformer.encoder.": f"{ldm.CLIP}encoder.",
    "cond_stage_model.transformer.final_layer_norm.": f"{ldm.CLIP}final_layer_norm.",
    "conditioner.embedders.0.model.": ldm.OPEN_CLIP,
}
_OTHERS = {  # a tensor's name -> the model that has it, none of which a hypernetwork can be trained on (web UI's signs)
    "conditioner.embedders.1.model.ln_final.weight": "Stable Diffusion XL",
    "conditioner.embedders.0.model.ln_final.weight": "the refiner of Stable Diffusion XL",
    "depth_model.model.pretrained.act_postprocess3.0.project.0.bias": "Stable Diffusion 2 depth",
    "embedder.model.ln_final.weight": "Stable Diffusion 2 unCLIP",
    "cond_stage_model.roberta.embeddings.word_embeddings.weight": "AltDiffusion",
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": "Stable Diffusion 3",
}
_INPUTS = {9: "an inpainting model", 8: "InstructPix2Pix", 5: "a depth model", 7: "an upscaler"}
_SHAPES = {(320, 768): "sd1", (320, 1024): "sd2"}  # (channels of the first convolution, width of the text) -> kind
_YAML = re.compile(r"^\s*parameterization\s*:\s*[\"']?(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class SingleFile:
    """A checkpoint in the original layout: its tensors, and the folder of the configurations that belong to it."""

    path: Path
    tensors: Mapping[str, Array]
    hash: str  # the web UI's: ten hex digits of the file's SHA-256
    configs: Path

    @property
    def open_clip(self) -> bool:
        """Whether its text encoder is Stable Diffusion 2's."""
        return _SD2_TEXT in self.tensors

    def config(self, part: str) -> dict[str, Any]:
        """The configuration of "unet", "vae", "text_encoder" or "scheduler"."""
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        try:
            return dict(json.loads((self.configs / part / name).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise TrainerError(f"base_config {self.configs / part / name}: cannot be read ({error})") from None

    def says_v(self) -> bool | None:
        """Whether it says that it predicts velocity: by its mark, or a `.yaml` beside it; None: says nothing."""
        if V_MARK in self.tensors:
            return True
        try:
            told = _YAML.search(self.path.with_suffix(".yaml").read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None
        return told[1] == "v" if told else None


def open_file(path: Path, configs: Path | None = None) -> SingleFile:
    """Read and recognise a checkpoint.  Raises `TrainerError` for anything but a whole Stable Diffusion 1 or 2."""
    tensors, digest = _read(path)
    return SingleFile(path, tensors, digest[:10], configs or _configs(path, tensors))


def close_files() -> None:
    """Let go of what was read last."""
    _tensors.cache_clear()


def _read(path: Path) -> tuple[dict[str, Array], str]:
    """Its tensors and its SHA-256; the file that was read last is not read again while it is the same."""
    status = path.stat()
    return _tensors(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)  # planned first, loaded then: hashed once
def _tensors(path: Path, changed: int, size: int) -> tuple[dict[str, Array], str]:
    try:
        file = read(path)
    except Refused as refused:
        raise TrainerError(f"{path}: {refused.reason}; the file is not used") from None
    if not isinstance(file, TensorFile):
        kind = "a hypernetwork" if isinstance(file, HypernetworkFile) else "an optimizer state"
        raise TrainerError(f"{path}: is {kind}, not a model to train on")
    return {_modern(name): array for name, array in file.tensors.items()}, file.sha256


def _modern(name: str) -> str:
    name = name.removeprefix("state_dict.")
    return next((new + name[len(old) :] for old, new in _MOVED.items() if name.startswith(old)), name)


def _configs(path: Path, tensors: Mapping[str, Array]) -> Path:
    """The package's configurations of a checkpoint, told from its tensors as the web UI tells them."""
    other = next((known for key, known in _OTHERS.items() if key in tensors), None)
    if other is None and _INPUT in tensors:
        other = _INPUTS.get(tensors[_INPUT].shape[1])
    if other:
        raise TrainerError(f"{path}: is {other}; hypernetworks are trained on Stable Diffusion 1 and 2")
    if _INPUT not in tensors or _CONTEXT not in tensors:
        raise TrainerError(f"{path}: is no Stable Diffusion in the original layout: {_INPUT} is not in it")
    shape = tensors[_INPUT].shape[0], tensors[_CONTEXT].shape[1]
    if kind := _SHAPES.get(shape):
        return models.path(kind)
    return _pocket_configs(path, shape)


def _pocket_configs(path: Path, shape: tuple[int, int]) -> Path:
    """The pocket model's folder, if the checkpoint is one of its kind."""
    folder = pocket.path()
    config = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    if shape == (config["block_out_channels"][0], config["cross_attention_dim"]):
        return folder
    raise TrainerError(
        f"{path}: neither Stable Diffusion 1 nor 2 (its first layer is {shape[0]} wide, its text {shape[1]}); "
        "name a diffusers folder with its configurations and tokenizer, base_config = …"
    )


# --- parts ------------------------------------------------------------------------------------------------------------


def load_unet(file: SingleFile, dtype: torch.dtype) -> Any:
    """The UNet, in `dtype`."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(file.config("unet"))
    return filled(unet, ldm.unet_names(unet.config, iter(unet.state_dict())), file.tensors, file.path, dtype)


def load_vae(file: SingleFile) -> Any:
    """The VAE, in float32."""
    from diffusers import AutoencoderKL

    if not any(name.startswith(ldm.VAE) for name in file.tensors):
        raise TrainerError(f"{file.path}: has no VAE in it; name one, vae = …")
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(file.config("vae"))
    return filled(vae, ldm.vae_names(vae.config, iter(vae.state_dict())), file.tensors, file.path, torch.float32)


def load_text_encoder(file: SingleFile) -> Any:
    """The text encoder, in float32."""
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        model = CLIPTextModel(CLIPTextConfig(**file.config("text_encoder")))
    keys = [key for key in model.state_dict() if not key.endswith("position_ids")]
    if file.open_clip:
        found = _open_clip_tensors(file, keys)
        model = filled(model, {key: key for key in keys}, found, file.path, torch.float32)
    else:
        model = filled(model, ldm.clip_names(iter(keys)), file.tensors, file.path, torch.float32)
    _count_positions(model)
    return model


def load_tokenizer(file: SingleFile) -> Any:
    """The tokenizer of the configurations, or CLIP's own."""
    from transformers import CLIPTokenizer

    from trainer import clip_vocabulary

    if (file.configs / "tokenizer").is_dir():
        return CLIPTokenizer.from_pretrained(file.configs, subfolder="tokenizer", local_files_only=True)
    return clip_vocabulary.tokenizer(file.open_clip)


def _open_clip_tensors(file: SingleFile, keys: Sequence[str]) -> dict[str, Array]:
    """open_clip keeps the projections of query, key and value in one tensor: here each on its own."""
    found = {}
    for key, (name, third) in ldm.open_clip_names(iter(keys)).items():
        if name in file.tensors:
            array = file.tensors[name]
            size = len(array) // 3
            found[key] = array if third is None else array[third * size : (third + 1) * size]
    return found


def _count_positions(model: Any) -> None:
    """The one buffer of CLIP that no file needs to hold: 0, 1, 2, …"""
    for module in model.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if name == "position_ids":
                module.register_buffer(name, torch.arange(buffer.shape[-1]).expand(1, -1), persistent=False)


def filled(
    model: Any, names: Mapping[str, str], tensors: Mapping[str, Array], path: Path, dtype: torch.dtype
) -> Any:
    """A model without weights, given those that the file has under `names`.  Raises `TrainerError` if any lacks."""
    missing = [name for name in names.values() if name not in tensors]
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
        raise TrainerError(f"{path}: {len(missing)} of {len(names)} tensors are not in it ({shown})")
    shapes = {key: parameter.shape for key, parameter in model.state_dict().items()}
    state = {key: _fitted(tensors[name], shapes[key], name, path, dtype) for key, name in names.items()}
    model.load_state_dict(state, strict=False, assign=True)
    return model


def _fitted(array: Array, shape: torch.Size, name: str, path: Path, dtype: torch.dtype) -> Tensor:
    """A tensor of its own memory; 1 × 1 convolutions and linear layers stand for each other."""
    squeezed = [tuple(n for n in one if n != 1) for one in (array.shape, shape)]
    if squeezed[0] != squeezed[1]:
        raise TrainerError(f"{path}: {name} is {list(array.shape)}, the configuration wants {list(shape)}")
    return torch.tensor(array).reshape(shape).to(dtype)


def load_vae_file(path: Path, config: Mapping[str, Any]) -> Any:
    """A VAE of its own file: original names with or without their prefix, or diffusers' names; float32."""
    from diffusers import AutoencoderKL

    tensors, _ = _read(path)
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(dict(config))
    keys = list(vae.state_dict())
    names = ldm.vae_names(vae.config, iter(keys))
    if keys[0] in tensors and "encoder.down_blocks.0.resnets.0.conv1.weight" in tensors:
        names = {key: key for key in keys}
    elif not any(name.startswith(ldm.VAE) for name in tensors):
        names = {key: name.removeprefix(ldm.VAE) for key, name in names.items()}
    try:
        return filled(vae, names, tensors, path, torch.float32)
    finally:
        close_files()
