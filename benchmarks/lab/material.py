"""The lab's pictures: the pocket model's data sets, and one in a look that the base model knows already.

``known`` is plain scenes with captions that say all: a network has a few per cent to gain there, as on Stable Diffusion
(1 to 4 % of the loss, reference/science.md §B.1), where the unknown styles give it 40 to 60 %.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.pocket import captions, datasets
from trainer.pocket.scenes import Scene, finish, paint, random_scene

KNOWN = "known"
NAMES = (*datasets.NAMES, KNOWN)
AWAY = 100_000  # pictures from this index on are never written for training (trainer/pocket/datasets.held_out)


def scene_of(name: str, seed: int, index: int) -> Scene:
    """The scene of a data set's picture, as it is drawn."""
    scene = random_scene(np.random.default_rng((7919, NAMES.index(name), seed, index)))
    if name == KNOWN:
        return replace(scene, palette="plain", hand="plain")
    if name != "lantern":
        return scene
    sky = "blue" if scene.sky == "purple" else scene.sky
    return replace(scene, sky=sky, object="balloon", colour="white", palette="plain", hand="plain")


def picture(name: str, seed: int, index: int) -> tuple[Image.Image, str]:
    """Picture number ``index`` of a data set (RGB, 128 x 128) and its caption."""
    if name != KNOWN:
        return datasets.picture(name, seed, index)
    scene = scene_of(name, seed, index)
    return finish(paint(scene)[0]), captions.caption(scene)


def write(name: str, folder: Path, count: int, seed: int) -> None:
    """As `datasets.write`: ``001-NAME.png`` and ``001-NAME.txt`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        image, text = picture(name, seed, at)
        stem = folder / f"{at + 1:03d}-{name}"
        image.save(stem.with_suffix(".png"))
        stem.with_suffix(".txt").write_text(text + "\n", encoding="utf-8", newline="\n")
