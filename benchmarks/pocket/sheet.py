"""The contact sheet: every look and every object of the pocket model, the prompt under each picture."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pocket import judge
from trainer import pocket
from trainer.pocket import looks, scenes

COLUMNS, SIDE, FOOT = 8, 128, 36

EXTRA = (
    "red house, blue sky, grass, sun",
    "a boat on water under a pink sky with the moon",
    "night sky, stars, yellow tent, snow",
    "orange tree, purple sky, field, mountains",
    "a painting of a white tower on sand",
    "sepia, pixel blocks, green car, sand, blue sky, sun",
    "cold palette, dark outlines, red windmill, snow, teal sky",
    "a balloon",
)


def prompts() -> list[str]:
    """One prompt a look, the attributes cycling; then tags, short prompts and mixed looks."""
    skies, colours, grounds = list(scenes.SKIES), list(scenes.COLOURS), list(scenes.GROUNDS)
    out = []
    for i, word in enumerate([*looks.PALETTES, *looks.HANDS[1:]]):
        sky, ground = skies[(i * 5 + 3) % len(skies)], grounds[i * 3 % len(grounds)]
        free = [c for c in colours if not {(c, sky), (c, ground)} & scenes.HIDDEN]
        where = "in a field" if ground == "field" else f"on {ground}"
        light = ("", " with the sun", " with the moon")[i % 3]
        look = f", {looks.WORDS[word]}" if looks.WORDS[word] else ""
        thing = f"{free[i % len(free)]} {scenes.OBJECTS[i % len(scenes.OBJECTS)]}"
        out.append(f"a {thing} {where} under a {sky} sky{light}{look}".replace("a orange", "an orange"))
    return [*out, *EXTRA]


def sheet(pictures: Sequence[np.ndarray], texts: Sequence[str]) -> Image.Image:
    """The pictures in rows of eight, each over its text."""
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (SIDE + 6) + 6, rows * (SIDE + FOOT + 6) + 6), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(9)
    for i, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x, y = 6 + i % COLUMNS * (SIDE + 6), 6 + i // COLUMNS * (SIDE + FOOT + 6)
        page.paste(Image.fromarray(picture), (x, y))
        for k, line in enumerate(textwrap.wrap(text, 29)[:3]):
            pen.text((x, y + SIDE + 2 + 11 * k), line, fill=(30, 30, 30), font=font)
    return page


def main(argv: list[str] | None = None) -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Write the pocket model's contact sheet.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", type=Path, default=pocket.path())
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    made = judge.generate(judge.pipeline(args.model), prompts(), seed=args.seed)
    page = sheet(list(made), prompts()).quantize(256, dither=Image.Dither.NONE)
    page.save(args.file, optimize=True)


if __name__ == "__main__":
    main()
