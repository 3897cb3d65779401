"""Pictures and captions for the tests, drawn anew each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

POOL = "red hair,blue eyes,smile,hat,forest,night sky,sword,river,standing,long dress,boots,rain,castle,flower,cat"


def drawn(seed: int, size: tuple[int, int] = (128, 128)) -> Image.Image:
    """A sharp, colourful drawing, another for every seed."""
    rng = random.Random(seed)
    picture = Image.new("RGB", size, tuple(rng.randrange(256) for _ in "rgb"))
    pen = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        w, h = rng.randrange(4, size[0] // 3), rng.randrange(4, size[1] // 3)
        shape = rng.choice([pen.ellipse, pen.rectangle])
        shape((x - w, y - h, x + w, y + h), fill=tuple(rng.randrange(256) for _ in "rgb"), outline=(0, 0, 0))
    return picture


@pytest.fixture
def draw() -> Callable[..., Image.Image]:
    """`drawn`, for tests."""
    return drawn


@pytest.fixture
def character(tmp_path: Path) -> Path:
    """A sound set of 20 pictures of one character."""
    data = tmp_path / "fischl"
    data.mkdir()
    for number in range(20):
        drawn(number).save(data / f"{number:02}.png")
        words = random.Random(number).sample(POOL.split(","), 6)
        (data / f"{number:02}.txt").write_text(", ".join(["fischl", *words]) + "\n", encoding="utf-8")
    return data


@pytest.fixture
def sound() -> dict[str, object]:
    """A plan with which nothing is wrong, for pictures of 128 px."""
    return {
        "name": "fischl-pt",
        "base_model": "stable-diffusion-v1-5",
        "layer_structure": "1, 2, 1",
        "activation": "swish",
        "weight_init": "Normal",
        "learn_rate": "5e-5:100, 5e-6:1500, 5e-7:10000",
        "steps": 10000,
        "width": 128,
        "height": 128,
        "template": ["[name], [filewords]", "[filewords]"],
        "preview_seed": 1,
        "preview_cfg": 7.0,
        "clip_skip": 1,
    }
