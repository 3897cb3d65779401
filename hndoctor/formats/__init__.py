"""Bytes <-> tensors and metadata, without executing a pickle and without torch.

`read` chooses by content, never by the file's name.  What it gives is complete and proven, or it raises `Refused` with
the reason in one line.  Names arrive when they are asked for: whoever only lists a folder need not wait for numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hndoctor.formats.reading import read, read_bytes
    from hndoctor.formats.types import HypernetworkFile, Module, OptimizerFile, Refused, TensorFile

__all__ = ["HypernetworkFile", "Module", "OptimizerFile", "Refused", "TensorFile", "read", "read_bytes"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "reading" if name.startswith("read") else "types"
    return getattr(import_module(f"hndoctor.formats.{home}"), name)
