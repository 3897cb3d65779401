"""CLIP's tokenizer without a download: its merges come with the package, the vocabulary follows from them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trainer import models
from trainer.pocket.tokenizer import byte_letters

START, END = "<|startoftext|>", "<|endoftext|>"
PAD_OPEN_CLIP = "!"  # token 0, with which open_clip fills up; OpenAI's CLIP fills up with its end mark


def merges() -> list[str]:
    """The 48,894 merges of OpenAI's CLIP, in order."""
    packed = (models.path("clip") / "merges.txt.gz").read_bytes()
    return gzip.decompress(packed).decode("utf-8").splitlines()


def vocabulary(pairs: list[str]) -> dict[str, int]:
    """Token to number: the bytes, the bytes that end a word, the merges, start and end."""
    letters = byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(pair.replace(" ", "") for pair in pairs)]
    return {word: number for number, word in enumerate([*words, START, END])}


def tokenizer(open_clip: bool) -> Any:
    """A transformers `CLIPTokenizer`, as Stable Diffusion 2 has it (`open_clip`) or 1."""
    from transformers import CLIPTokenizer

    with TemporaryDirectory(prefix="clip-") as folder:  # the one way that transformers 4 and 5 both take
        write(Path(folder), open_clip)
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def write(folder: Path, open_clip: bool) -> None:
    """The tokenizer's files, as a diffusers folder holds them."""
    pairs = merges()
    pad = PAD_OPEN_CLIP if open_clip else END
    told = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "errors": "replace",
        "add_prefix_space": False, "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad,
    }  # fmt: skip
    files = {
        "vocab.json": json.dumps(vocabulary(pairs), ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *pairs]) + "\n",
        "tokenizer_config.json": json.dumps(told),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
