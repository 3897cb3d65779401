"""What reading a file gives: tensors as numpy arrays, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hndoctor.records import NetworkMetadata, Refusal

Array = NDArray[Any]  # float32, float16, float64, integers; bfloat16 arrives as float32, exactly


class Refused(Exception):  # noqa: N818  (the word is the shared noun)
    """A file that will not be read, with its reason in one line."""

    def __init__(self, kind: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def more_after(rest: memoryview, last: str) -> Refused:
    """The refusal of a file that goes on after its last part: with zeros, as a bad copy does, or with what may hide."""
    if len(rest) < 1 << 20 and not any(rest):
        return Refused(Refusal.DAMAGED, f"{len(rest)} zeros follow the last {last}: a copy went wrong")
    return Refused(Refusal.UNSAFE, f"{len(rest)} bytes follow the last {last}")


def shown(name: str) -> str:
    """A name out of a file, harmless and short enough for a message."""
    return name.encode("unicode_escape").decode("ascii")[:80]


@dataclass(frozen=True)
class Module:
    """One module (k or v) of one context width."""

    size: int
    side: str  # "k" or "v"
    tensors: Mapping[str, Array]  # "linear.0.weight" -> (out, in) array; legacy names already renamed
    dtypes: Mapping[str, str] = field(default_factory=dict)  # as stored: "float32", "float16", "bfloat16"


@dataclass(frozen=True)
class HypernetworkFile:
    """A hypernetwork as stored, whatever the container."""

    path: Path
    container: str  # "zip", "legacy", "safetensors"
    modules: tuple[Module, ...]  # in the file's own order: (size, k), (size, v), ...
    metadata: NetworkMetadata
    keys: tuple[str, ...]  # the metadata keys that are really there: they tell who wrote it
    provenance: str
    sha256: str  # 64 hex digits; empty where `read` was told not to hash
    bytes: int
    members: tuple[str, ...] = ()  # zip member names below the top folder
    top: str = ""  # the name of that folder; empty for other containers
    globals: tuple[str, ...] = ()  # names its pickle refers to; numpy's with their module
    raw: Mapping[str, Any] = field(default_factory=dict)  # other keys, plain values only
    content: str = ""  # the content key of its bytes; empty where `read` was told not to compute it


@dataclass(frozen=True)
class OptimizerFile:
    """A `.optim` as stored."""

    path: Path
    optimizer_name: str | None
    hash: str | None
    state: Mapping[int, Mapping[str, Array | float | int]]
    param_groups: tuple[Mapping[str, Any], ...]
    sha256: str
    bytes: int
    content: str = ""


@dataclass(frozen=True)
class TensorFile:
    """Tensors of another kind: a textual-inversion embedding, a LoRA, or just tensors."""

    path: Path
    container: str
    kind: str  # "embedding", "lora", "model", "tensors"
    tensors: Mapping[str, Array]
    dtypes: Mapping[str, str]
    sha256: str
    bytes: int
    content: str = ""


FLOAT = np.float32
