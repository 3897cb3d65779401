"""Transparency as loss weight: what is see-through in a picture counts less, or nothing (web UI, `use_weight`)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from hndoctor.formats.pictures import known
from hndoctor.formats.upright import upright

Size = tuple[int, int]  # width and height


def weight_map(path: Path, size: Size, factor: int, distort: bool = False) -> Tensor | None:
    """How much every latent of a picture counts, from its alpha channel: (1, height, width), least 0, mean 1.

    `size` in pixels, `factor` pixels to a latent.  None where nothing is weighed: no alpha channel, or the same
    everywhere (the web UI divides 0 by 0 there, and scrambles the map of a picture that is not square).
    """
    alpha = _alpha(path)
    if alpha is None:
        return None
    width, height = size[0] // factor, size[1] // factor
    if distort:  # as the web UI: squeezed, straight to the latents' size
        weight = np.asarray(alpha.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    else:  # the same cut as the picture, then the mean of each latent's pixels
        pixels = np.asarray(ImageOps.fit(alpha, size, Image.Resampling.BICUBIC), dtype=np.float64)
        weight = pixels.reshape(height, factor, width, factor).mean(axis=(1, 3))
    weight = weight - weight.min()
    if not weight.any():
        return None
    return torch.from_numpy((weight / weight.mean()).astype(np.float32))[None]


def _alpha(path: Path) -> Image.Image | None:
    """The alpha channel, 8 bits, the right way up; also of palettes with a transparent colour."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with known(path) as image:
            turned = upright(image)
            if "transparency" in turned.info and "A" not in turned.getbands():
                turned = turned.convert("RGBA")
            return turned.getchannel("A") if "A" in turned.getbands() else None
