"""A tiny pipeline, a few pictures, and a training of ten steps on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_pipeline import write_parts, write_tokenizer

from trainer.config import Config


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random pipeline."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tokenizer(folder / "tokenizer")
    write_parts(folder)
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five small pictures of unlike shapes, four of them with captions."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, size in enumerate([(64, 64), (96, 64), (64, 100), (70, 70), (64, 64)]):
        pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}-red cat.png")
        if number:
            (folder / f"{number:02}-red cat.txt").write_text(f"sky, cat, number {number}\n", encoding="utf-8")
    return folder


@pytest.fixture
def config(pipeline: Path, pictures: Path, tmp_path: Path) -> Config:
    """A training of ten steps."""
    return Config(
        name="tiny", data=pictures, out=tmp_path / "runs", base_model=str(pipeline), steps=10, batch_size=2,
        learn_rate="1e-3", save_every=4, image_every=0, csv_every=1, preview_steps=2, device="cpu",
    )  # fmt: skip


@pytest.fixture
def changed(config: Config) -> Callable[..., Config]:
    """The configuration with some settings changed, as if the user had given them."""

    def change(**values: Any) -> Config:
        return replace(config, **values, given=config.given | set(values))

    return change
