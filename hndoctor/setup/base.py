"""What is known of a base model without loading it: the context widths it has, and its picture size."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hndoctor.formats.bounded import read_text

LIMIT = 1 << 20  # bytes of a model's configuration
SD1_WIDTH = 768  # cross-attention width of Stable Diffusion 1, on which the guide's figures were found
POCKET = "pocket"  # the base model that comes with the trainer
_ATTENDING = "CrossAttn"  # block types whose self-attention a hypernetwork reaches
_LATENT = 8  # pixels per latent pixel, where no VAE says otherwise


@dataclass(frozen=True)
class Base:
    """Context widths (cross-attention first) and the side of its pictures in pixels.  None: not known."""

    width: int | None = None
    sizes: tuple[int, ...] = ()
    side: int | None = None
    folder: Path | None = None


_KNOWN = (
    (re.compile(r"xl", re.IGNORECASE), Base(2048, (2048, 640, 1280), 1024)),
    (re.compile(r"(sd|v|diffusion)[-_. ]?2(?!\d)|768-v", re.IGNORECASE), Base(1024, (1024, 320, 640, 1280), 768)),
    (re.compile(r"(sd|v|diffusion)[-_. ]?1(?!\d)", re.IGNORECASE), Base(768, (768, 320, 640, 1280), 512)),
)


def find_base(base_model: str | None) -> Base:
    """What can be told of a base model: from the diffusers folder that it is, else from its name, else nothing."""
    if not base_model:
        return Base()
    for folder in _folders(base_model):
        found = _from_folder(folder)
        if found is not None:
            return found
    name = Path(base_model).name
    return next((known for pattern, known in _KNOWN if pattern.search(name)), Base())


def _folders(base_model: str) -> Iterator[Path]:
    if base_model != POCKET:
        yield Path(base_model)
        return
    # The doctor never imports the trainer; where it lies beside, its model's own settings tell the widths.
    spec = importlib.util.find_spec("trainer")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for found in sorted(Path(place, "pocket").glob("**/unet/config.json")):
            yield found.parent.parent


def _from_folder(folder: Path) -> Base | None:
    try:
        config = json.loads(read_text(folder / "unet" / "config.json", LIMIT))
        return _from_unet(config, folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _from_unet(config: Mapping[str, Any], folder: Path) -> Base:
    cross = config.get("cross_attention_dim", SD1_WIDTH)
    width = int(cross[0] if isinstance(cross, list) else cross)
    channels, kinds = config["block_out_channels"], config["down_block_types"]
    own = [int(n) for n, kind in zip(channels, kinds, strict=True) if _ATTENDING in kind]
    sizes = tuple(dict.fromkeys((width, *own, int(channels[-1]))))
    side = config.get("sample_size")
    return Base(width, sizes, side * _factor(folder) if isinstance(side, int) else None, folder)


def _factor(folder: Path) -> int:
    """Pixels per latent pixel: a VAE halves its picture between one block and the next."""
    try:
        vae = json.loads(read_text(folder / "vae" / "config.json", LIMIT))
        return int(2 ** (len(vae["block_out_channels"]) - 1))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return _LATENT
