"""The names that a Stable Diffusion's tensors have in the original layout (LDM, the web UI) and in diffusers.

One table of prefixes a part, worked out from the part's configuration, read in both directions: exporting renames by
it, loading looks every tensor that a model needs up by it.  Nothing is guessed from what a file happens to hold.
Source: the module trees of CompVis/stable-diffusion's `openaimodel.py` and `model.py`, of open_clip's `transformer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.text_model.", "cond_stage_model.model."

Pairs = Iterator[tuple[str, str]]  # (original prefix, diffusers prefix)
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_VAE_INNER = {
    "conv_shortcut": "nin_shortcut", "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v",
    "to_out.0": "proj_out", "query": "q", "key": "k", "value": "v", "proj_attn": "proj_out",
}  # fmt: skip
_OPEN_CLIP_INNER = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip
_OPEN_CLIP_OUTER = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
QKV = ("q_proj", "k_proj", "v_proj")  # one tensor, `attn.in_proj_*`, in open_clip


def unet_names(config: Mapping[str, Any], keys: Iterator[str]) -> dict[str, str]:
    """diffusers' name -> original name, with its prefix, of every tensor of a UNet."""
    prefixes = {ours: theirs for theirs, ours in _unet_prefixes(config)}
    return {key: UNET + _renamed(key, prefixes, _RESNET) for key in keys}


def vae_names(config: Mapping[str, Any], keys: Iterator[str]) -> dict[str, str]:
    """diffusers' name -> original name, with its prefix, of every tensor of an AutoencoderKL."""
    prefixes = {ours: theirs for theirs, ours in _vae_prefixes(config)}
    return {key: VAE + _renamed(key, prefixes, _VAE_INNER) for key in keys}


def clip_names(keys: Iterator[str]) -> dict[str, str]:
    """transformers' name -> original name of a CLIP text model; with or without its `text_model.`."""
    return {key: CLIP + key.removeprefix("text_model.") for key in keys}


def open_clip_names(keys: Iterator[str]) -> dict[str, tuple[str, int | None]]:
    """transformers' name -> (open_clip's name, which third of it; None: all of it)."""
    return {key: _open_clip(key.removeprefix("text_model.")) for key in keys}


def _renamed(key: str, prefixes: Mapping[str, str], inner: Mapping[str, str]) -> str:
    """A name with its longest known prefix replaced, and what follows by the table of its block."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in prefixes:
            rest = ".".join(parts[length:])
            named = next((new + rest[len(old) :] for old, new in inner.items() if rest.startswith(old + ".")), rest)
            return f"{prefixes[prefix]}.{named}"
    return key


def _unet_prefixes(config: Mapping[str, Any]) -> Pairs:
    yield from (("time_embed.0", "time_embedding.linear_1"), ("time_embed.2", "time_embedding.linear_2"))
    yield from (("input_blocks.0.0", "conv_in"), ("out.0", "conv_norm_out"), ("out.2", "conv_out"))
    yield from (("middle_block.0", "mid_block.resnets.0"), ("middle_block.1", "mid_block.attentions.0"))
    yield "middle_block.2", "mid_block.resnets.1"
    layers, last = _layers(config), len(config["down_block_types"]) - 1
    number = 1
    for level, kind in enumerate(config["down_block_types"]):
        for layer in range(layers[level]):
            yield f"input_blocks.{number}.0", f"down_blocks.{level}.resnets.{layer}"
            if "CrossAttn" in kind:
                yield f"input_blocks.{number}.1", f"down_blocks.{level}.attentions.{layer}"
            number += 1
        if level < last:
            yield f"input_blocks.{number}.0.op", f"down_blocks.{level}.downsamplers.0.conv"
            number += 1
    yield from _up_prefixes(config, layers[::-1])


def _up_prefixes(config: Mapping[str, Any], layers: list[int]) -> Pairs:
    number, last = 0, len(config["up_block_types"]) - 1
    for level, kind in enumerate(config["up_block_types"]):
        for layer in range(layers[level] + 1):
            yield f"output_blocks.{number}.0", f"up_blocks.{level}.resnets.{layer}"
            if "CrossAttn" in kind:
                yield f"output_blocks.{number}.1", f"up_blocks.{level}.attentions.{layer}"
            if layer == layers[level] and level < last:
                place = 2 if "CrossAttn" in kind else 1
                yield f"output_blocks.{number}.{place}.conv", f"up_blocks.{level}.upsamplers.0.conv"
            number += 1


def _layers(config: Mapping[str, Any]) -> list[int]:
    given = config.get("layers_per_block", 2)
    return list(given) if isinstance(given, list | tuple) else [given] * len(config["down_block_types"])


def _vae_prefixes(config: Mapping[str, Any]) -> Pairs:
    levels, layers = len(config["block_out_channels"]), config.get("layers_per_block", 1)
    for side in ("encoder", "decoder"):
        yield f"{side}.conv_in", f"{side}.conv_in"
        yield f"{side}.norm_out", f"{side}.conv_norm_out"
        yield f"{side}.conv_out", f"{side}.conv_out"
        yield f"{side}.mid.block_1", f"{side}.mid_block.resnets.0"
        yield f"{side}.mid.attn_1", f"{side}.mid_block.attentions.0"
        yield f"{side}.mid.block_2", f"{side}.mid_block.resnets.1"
    for level in range(levels):
        up = levels - 1 - level  # the original counts the decoder's blocks from the picture
        yield f"encoder.down.{level}.downsample.conv", f"encoder.down_blocks.{level}.downsamplers.0.conv"
        yield f"decoder.up.{up}.upsample.conv", f"decoder.up_blocks.{level}.upsamplers.0.conv"
        for layer in range(layers + 1):
            yield f"encoder.down.{level}.block.{layer}", f"encoder.down_blocks.{level}.resnets.{layer}"
            yield f"decoder.up.{up}.block.{layer}", f"decoder.up_blocks.{level}.resnets.{layer}"


def _open_clip(key: str) -> tuple[str, int | None]:
    if key in _OPEN_CLIP_OUTER:
        return OPEN_CLIP + _OPEN_CLIP_OUTER[key], None
    parts = key.split(".")  # encoder.layers.3.self_attn.q_proj.weight
    block, rest = f"{OPEN_CLIP}transformer.resblocks.{parts[2]}.", ".".join(parts[3:])
    if parts[3] == "self_attn" and parts[4] in QKV:
        return f"{block}attn.in_proj_{parts[5]}", QKV.index(parts[4])
    named = next((new + rest[len(old) :] for old, new in _OPEN_CLIP_INNER.items() if rest.startswith(old + ".")), rest)
    return block + named, None
