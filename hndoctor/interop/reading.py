"""Reading what is to be carried over, and refusing to overwrite what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hndoctor.formats import HypernetworkFile, OptimizerFile, Refused, read
from hndoctor.formats.types import Array
from hndoctor.interop.errors import InteropError

Pairs = list[tuple[int, dict[str, Array], dict[str, Array]]]  # size, k tensors, v tensors


def network(path: Path) -> HypernetworkFile:
    """A whole hypernetwork.  Raises InteropError, in one line, for anything else."""
    if path.is_dir():
        raise InteropError(f"{path}: is a folder; name one hypernetwork's file (.pt or .safetensors)")
    if not path.is_file():
        raise InteropError(f"{path}: there is no such file; name a hypernetwork's .pt or .safetensors")
    try:
        file = read(path)
    except Refused as refused:
        raise InteropError(f"{path}: {refused.reason}; take another checkpoint") from None
    if not isinstance(file, HypernetworkFile):
        raise InteropError(f"{path}: this is not a hypernetwork; name a hypernetwork's .pt or .safetensors")
    return file


def optimizer(path: Path) -> OptimizerFile | str:
    """The optimizer state beside a network, or why it cannot be used."""
    try:
        file = read(path)
    except Refused as refused:
        return refused.reason
    return file if isinstance(file, OptimizerFile) else "it is no optimizer state"


def refuse_existing(path: Path, overwrite: bool = False) -> None:
    """Raise InteropError where a file would be overwritten."""
    if path.is_dir():
        raise InteropError(f"{path}: is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise InteropError(f"{path}: is there already, and nothing is overwritten; choose another name")


def check_finite(file: HypernetworkFile, what: str) -> None:
    """Raise InteropError for a network that has values that are not numbers."""
    for module in file.modules:
        for name, array in module.tensors.items():
            if not np.isfinite(array).all():
                where = f"{module.size}.{module.side}.{name}"
                raise InteropError(f"{file.path}: {where} has values that are not numbers; {what}")


def pairs(modules: Mapping[tuple[int, str], dict[str, Array]]) -> Pairs:
    """Modules as the writer takes them, sizes in their order."""
    sizes = dict.fromkeys(size for size, _ in modules)
    return [(size, modules[size, "k"], modules[size, "v"]) for size in sizes]
