"""Base models by the name they have on the hub: fetched only when the user gives such a name."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from trainer.errors import TrainerError, first_line

PREFIX = "hub:"
WANTED = ("model_index.json", "*/*.json", "tokenizer/*", "unet/*.safetensors", "vae/*.safetensors",
          "text_encoder/*.safetensors")  # fmt: skip
UNWANTED = ("*.fp16.*", "*.non_ema.*", "safety_checker/*", "feature_extractor/*", "image_encoder/*")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def name_of(base_model: str) -> str | None:
    """The hub name that a user gives as `hub:owner/name`; None: a path.

    `owner/name` alone is a path: one that is misspelt must not reach out for the network.
    """
    return base_model.removeprefix(PREFIX) if base_model.startswith(PREFIX) else None


@lru_cache(maxsize=4)
def fetch(name: str) -> Path:
    """The folder that a model of the hub lies in, downloaded unless it was before.  Only JSON, text and safetensors."""
    if not _NAME.fullmatch(name):
        raise TrainerError(f'base_model "{PREFIX}{name}": a hub name is written owner/name')
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED)))
    except RepositoryNotFoundError:
        raise TrainerError(f'base_model "{PREFIX}{name}": there is no such model on the hub') from None
    except Exception as error:  # noqa: BLE001  (the errors of several HTTP libraries)
        first = first_line(error).split(". ")[0][:200]
        raise TrainerError(
            f'base_model "{PREFIX}{name}": the hub cannot be reached ({first}); '
            "go online, or name a diffusers folder or a .safetensors file"
        ) from None
