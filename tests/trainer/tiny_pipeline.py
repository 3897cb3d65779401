"""A random Stable Diffusion in miniature: every part real, every width small and distinct."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SIZES = (20, 16, 24)  # cross-attention first, then the blocks


def _byte_symbols() -> list[str]:
    """The printable characters that stand for the 256 bytes in CLIP's and GPT-2's vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(extra))]


def write_tokenizer(folder: Path) -> None:
    """A CLIP tokenizer over bytes, with a few merges: 512 tokens of bytes, the merges, two marks."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = ["c a", "ca t</w>", "r e", "re d</w>", "s k", "sk y</w>"]
    symbols = _byte_symbols()
    words = [*symbols, *(s + "</w>" for s in symbols), *(m.replace(" ", "") for m in merges)]
    vocab = {word: index for index, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    told = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")


def make_unet() -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 24), layers_per_block=1, cross_attention_dim=20,
        norm_num_groups=8, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()  # fmt: skip


def write_parts(folder: Path) -> None:
    from diffusers import AutoencoderKL, DDPMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel

    make_unet().save_pretrained(folder / "unet")
    torch.manual_seed(2)
    AutoencoderKL(
        block_out_channels=(4, 8, 8, 8), norm_num_groups=2, latent_channels=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")  # fmt: skip
    torch.manual_seed(3)
    text = CLIPTextConfig(
        vocab_size=520, hidden_size=20, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, bos_token_id=518, eos_token_id=519, pad_token_id=519,
    )  # fmt: skip
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(
        folder / "scheduler"
    )
    parts = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.32.0", "safety_checker": [None, None],
        "feature_extractor": [None, None], "requires_safety_checker": False,
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDPMScheduler"],
    }  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(parts), encoding="utf-8")
