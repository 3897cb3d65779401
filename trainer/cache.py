"""Encoded pictures and captions on disk, by what they were made of: never stale, never half, never trusted unread.

An entry's name is a hash of everything that decides its numbers, so a changed picture, size, VAE or option simply has
another name.  What is read back must carry the checksum of its content, or it counts as damaged and is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hndoctor.formats.atomic import write_whole
from hndoctor.formats.safetensors import read_safetensors
from hndoctor.formats.types import Refused
from trainer.errors import TrainerError, why

VERSION = 1  # of what an entry's name covers; raised when encoding changes in any bit
Tensors = Mapping[str, Tensor]


class Cache:
    """A folder of entries; `Cache(None)` keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.damaged: list[str] = []  # what was made anew because its entry was no good
        self.refused: str | None = None  # why entries cannot be written
        if folder is not None and folder.exists() and not folder.is_dir():
            raise TrainerError(f"cache {folder}: is a file; name a folder")

    def get(self, key: str, what: str, names: tuple[str, ...]) -> dict[str, Tensor] | None:
        """The tensors of an entry, on the CPU; None if there is none that is whole."""
        if self.folder is None:
            return None
        path = self.path(key)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            raw = b""
        found = _checked(raw, key, names)
        if found is None:
            self.damaged.append(what)
        return found

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep an entry.  A disk that refuses is remembered, and not asked again."""
        if self.folder is None or self.refused:
            return
        from safetensors.torch import save

        plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, [save(plain, {"key": key, "sha256": checksum(plain)})])
        except OSError as error:
            self.refused = why(error)

    def path(self, key: str) -> Path:
        """Where an entry lies."""
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.safetensors"

    def notices(self) -> list[str]:
        """What the user should know of it."""
        told = []
        if self.damaged:
            names = ", ".join(dict.fromkeys(self.damaged))
            told.append(f"cache {self.folder}: {len(self.damaged)} damaged, made anew ({names})")
        if self.refused:
            told.append(f"cache {self.folder}: cannot be written, training goes on without it: {self.refused}")
        return told


def _checked(raw: bytes, key: str, names: tuple[str, ...]) -> dict[str, Tensor] | None:
    """The tensors of an entry's bytes; None unless they are exactly what was written for that key."""
    if len(raw) < 10 or raw[8:9] != b"{":
        return None
    try:
        flat = read_safetensors(memoryview(raw))
    except Refused:
        return None
    tensors = {name: torch.tensor(array) for name, array in flat.tensors.items()}
    if set(tensors) != set(names) or flat.metadata.get("key") != key:
        return None
    return tensors if flat.metadata.get("sha256") == checksum(tensors) else None


def checksum(tensors: Tensors) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def key_of(what: str, **made_of: Any) -> str:
    """The name of an entry: a hash of everything that decides it."""
    text = json.dumps({"what": what, "version": VERSION, **made_of}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def weights_digest(*modules: Any) -> str:
    """SHA-256 over the weights of modules, by content: a folder and a single file of the same model agree."""
    tensors = {
        f"{number}.{name}": tensor.detach().to("cpu")
        for number, module in enumerate(modules)
        if module is not None
        for name, tensor in module.state_dict().items()
        if not name.endswith("position_ids")
    }
    return checksum(tensors)
