"""Running out of memory: how it is told from other errors, and the one remedy that changes no result."""

from __future__ import annotations

from typing import Any

import torch

_WORDS = ("can't allocate memory", "not enough memory", "out of memory")  # torch's CPU allocator raises RuntimeError


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


def checkpoint(unet: Any) -> bool:
    """Turn gradient checkpointing on; False if it was on already, or the UNet has none."""
    if getattr(unet, "is_gradient_checkpointing", False) or not hasattr(unet, "enable_gradient_checkpointing"):
        return False
    unet.enable_gradient_checkpointing()
    return True


def release(device: torch.device) -> None:
    """Give back what the allocator keeps."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
