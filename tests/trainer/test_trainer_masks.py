"""Transparency as loss weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.masks import weight_map


def picture(path: Path, alpha: np.ndarray, mode: str = "RGBA") -> Path:
    image = Image.new("RGB", alpha.shape[::-1], (90, 40, 10)).convert(mode)
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    image.save(path)
    return path


@pytest.mark.parametrize("level", [255, 128, 0])
def test_the_same_everywhere_weighs_nothing(tmp_path: Path, level: int) -> None:
    """The web UI divides 0 by 0 here, and the loss is NaN."""
    assert weight_map(picture(tmp_path / "a.png", np.full((32, 32), level)), (32, 32), 8) is None


def test_pictures_without_transparency_weigh_nothing(tmp_path: Path) -> None:
    for mode in ("RGB", "L", "P"):
        Image.new(mode, (16, 16)).save(tmp_path / f"{mode}.png")
        assert weight_map(tmp_path / f"{mode}.png", (16, 16), 8) is None


def test_least_is_0_and_the_mean_is_1_against_a_slow_twin(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    alpha = rng.integers(50, 256, (32, 64))
    found = weight_map(picture(tmp_path / "a.png", alpha), (64, 32), 8)
    assert found is not None
    assert found.shape == (1, 4, 8)  # height before width: the web UI scrambles this one
    cells = np.array([[alpha[y : y + 8, x : x + 8].mean() for x in range(0, 64, 8)] for y in range(0, 32, 8)])
    slow = cells - cells.min()
    assert float(found.min()) == 0
    assert float(found.mean()) == pytest.approx(1, abs=1e-5)
    assert np.abs(found[0].numpy() - slow / slow.mean()).max() < 1e-5


def test_the_map_lies_where_the_picture_is(tmp_path: Path) -> None:
    alpha = np.zeros((32, 64))
    alpha[:, 40:] = 255
    wide = weight_map(picture(tmp_path / "a.png", alpha), (32, 32), 8)  # cut to the middle, columns 16 to 48
    assert wide is not None
    assert wide[0, 0].tolist() == [0, 0, 0, 4]
    squeezed = weight_map(tmp_path / "a.png", (32, 32), 8, distort=True)
    assert squeezed is not None
    assert squeezed.shape == (1, 4, 4)
    assert float(squeezed[0, 0, 3]) > 2 > 0.5 > float(squeezed[0, 0, 0])


def test_grey_and_palette_pictures_with_transparency_weigh(tmp_path: Path) -> None:
    alpha = np.zeros((16, 16))
    alpha[:8] = 255
    assert weight_map(picture(tmp_path / "grey.png", alpha, "L"), (16, 16), 8) is not None
    image = Image.new("P", (16, 16))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(1, (0, 0, 16, 8))
    image.save(tmp_path / "palette.png", transparency=0)
    found = weight_map(tmp_path / "palette.png", (16, 16), 8)
    assert found is not None
    assert torch.equal(found[0], torch.tensor([[2.0, 2.0], [0.0, 0.0]]))
