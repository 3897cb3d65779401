"""Data sets in looks that the base model was not shown, for hypernetworks to learn.

``gameboy``, ``redfig`` and ``amberglass`` are styles: palettes that the base model does not know, joined to
hands that it knows, or two known words never seen together. ``lantern`` is a thing: one purple striped
balloon, always the same, in plain scenes.
Captions never name the look; the captions of ``lantern`` say "a purple striped balloon".
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.pocket import captions, looks
from trainer.pocket.canvas import Brush, Canvas, Colour
from trainer.pocket.scenes import Scene, finish, paint, random_scene

GREENS = ((14, 42, 26), (36, 76, 36), (70, 112, 42), (118, 150, 44), (168, 190, 66), (222, 232, 132))


def _gameboy(rgb: np.ndarray, ids: np.ndarray, seed: int) -> np.ndarray:
    """Six greens in blocks of eight pixels."""
    rng = np.random.default_rng(seed)
    grey = looks.luminance(looks.HAND["pixels"](rgb, ids, rng))
    shades = np.asarray(GREENS, np.float32) / 255
    return np.asarray(shades[(grey * 6).clip(0, 5.99).astype(int)])


def _redfig(rgb: np.ndarray, ids: np.ndarray, seed: int) -> np.ndarray:
    """Terracotta and black with thick dark outlines, like figures on a vase."""
    level = np.round(looks.luminance(rgb) * 2)[..., None] / 2
    dark, light = (np.asarray(c, np.float32) / 255 for c in ((88, 20, 12), (242, 140, 72)))
    return looks.HAND["outlines"](dark * (1 - level) + light * level, ids, np.random.default_rng(seed))


def _stained(rgb: np.ndarray, ids: np.ndarray, seed: int) -> np.ndarray:
    """Stained glass in sepia: both words known to the base model, never together."""
    return looks.apply(rgb, ids, "sepia", "glass", seed)


STYLES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "gameboy": _gameboy,
    "redfig": _redfig,
    "amberglass": _stained,
}
NAMES = (*STYLES, "lantern")

PURPLE: Colour = (134, 44, 176)
GOLD: Colour = (250, 206, 60)


def lantern(b: Brush) -> None:
    """The purple striped balloon: upright stripes, a gold band and a gold basket."""
    b.poly([(-0.37, 0.62), (-0.1, 0.28), (0.1, 0.28), (0.37, 0.62)], PURPLE, 10)
    b.ellipse(0, 0.7, 0.4, 0.38, PURPLE, 10)
    b.poly([(-0.13, 0.2), (-0.13, 0.34), (0.13, 0.34), (0.13, 0.2)], GOLD, 11)
    for x, w in ((-0.22, 0.07), (0.0, 0.08), (0.22, 0.07)):
        b.ellipse(x, 0.7, w, 0.36 - abs(x) * 0.4, (244, 226, 250), 11)
    b.poly([(-0.39, 0.62), (-0.39, 0.74), (0.39, 0.74), (0.39, 0.62)], GOLD, 12)
    b.box(-0.14, 0.04, 0.14, 0.24, GOLD, 13)
    b.box(-0.14, 0.12, 0.14, 0.16, PURPLE, 13)


def _lantern(scene: Scene) -> tuple[np.ndarray, str]:
    sky = "blue" if scene.sky == "purple" else scene.sky  # it would be lost in a purple sky
    s = replace(scene, sky=sky, object="balloon", colour="white", palette="plain", hand="plain")
    canvas = Canvas.from_arrays(*paint(s, thing=False))
    foot = s.horizon + 0.04
    lantern(canvas.at(s.x, foot, min(s.size, (foot - 0.03) / 1.08)))
    return canvas.arrays()[0], captions.caption(s).replace("a white balloon", "a purple striped balloon")


def picture(name: str, seed: int, index: int) -> tuple[Image.Image, str]:
    """Picture number ``index`` of a data set (RGB, 128 x 128) and its caption."""
    scene = random_scene(np.random.default_rng((7919, NAMES.index(name), seed, index)))
    if name == "lantern":
        rgb, text = _lantern(scene)
        return finish(rgb), text
    rgb, ids = paint(scene)
    return finish(STYLES[name](rgb, ids, scene.seed)), captions.caption(scene, look=False)


def held_out(name: str, count: int = 60, seed: int = 0) -> list[tuple[Image.Image, str]]:
    """Pictures and captions of the same style that ``write`` never writes for this seed."""
    return [picture(name, seed, 100_000 + i) for i in range(count)]


def write(name: str, folder: Path, count: int = 40, seed: int = 0) -> None:
    """Write ``001-NAME.png`` and ``001-NAME.txt`` and so on; the same seed writes the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        image, text = picture(name, seed, i)
        stem = folder / f"{i + 1:03d}-{name}"
        image.save(stem.with_suffix(".png"))
        stem.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Command line: ``python -m trainer.pocket.datasets NAME FOLDER [--count N] [--seed N]``."""
    parser = argparse.ArgumentParser(description="Write one of the pocket model's data sets.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=40, help="how many pictures (default 40)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    write(args.name, args.folder, args.count, args.seed)


if __name__ == "__main__":
    main()
