"""Writes the pocket model's own CLIP vocabulary: bytes, merges (each caption word one token), two specials.

As ``vocab.json`` + ``merges.txt``, which CLIPTokenizer of transformers 4 and 5 both load from a folder.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

from trainer.pocket import captions

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77  #: tokens, start and end included, as in CLIP

Pair = tuple[str, str]


def byte_letters() -> list[str]:
    """The 256 printable stand-ins for bytes that GPT-2 and CLIP use, in their order."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    return [chr(b) for b in shown] + [chr(256 + i) for i in range(len(hidden))]


def pieces(word: str, ranks: dict[Pair, int]) -> list[str]:
    """Byte-pair encoding of one word, as CLIP does it: the earliest merge first."""
    parts = [*word[:-1], word[-1] + "</w>"]
    while True:
        known = [(ranks[p], i) for i, p in enumerate(pairwise(parts)) if p in ranks]
        if not known:
            return parts
        i = min(known)[1]
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def merges(words: list[str]) -> list[Pair]:
    """Merges under which every word is one token. Words only add behind what is there: none is undone."""
    ranks: dict[Pair, int] = {}
    for word in words:
        parts = pieces(word, ranks)
        while len(parts) > 1:
            ranks[parts[0], parts[1]] = len(ranks)
            parts = pieces(word, ranks)
    return list(ranks)


def single_words() -> list[str]:
    """The caption words as CLIP's own splitter cuts them (it parts hyphens and digits)."""
    found = (re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", w) for w in captions.words())
    return list(dict.fromkeys(part for parts in found for part in parts))


def vocabulary() -> tuple[dict[str, int], list[Pair]]:
    """Token to id (bytes, bytes ending a word, merges, start, end) and the merges in order."""
    letters = byte_letters()
    pairs = merges(single_words())
    tokens = [*letters, *(c + "</w>" for c in letters)]
    tokens += [t for t in dict.fromkeys(a + b for a, b in pairs) if t not in tokens]
    tokens += [START, END]
    return {t: i for i, t in enumerate(tokens)}, pairs


def write(folder: Path) -> None:
    """Write the tokenizer's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab, pairs = vocabulary()
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {
        **special,
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "do_lower_case": True,
        "add_prefix_space": False,
        "errors": "replace",
    }
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
