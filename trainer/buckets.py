"""Sizes of training pictures: one frame for all, a few of about its area (so that no head is lost), or their own."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from trainer.base import BaseModel
from trainer.config import Config
from trainer.errors import TrainerError
from trainer.pictures import Picture

Size = tuple[int, int]  # width and height in pixels


def frame(config: Config, base: BaseModel) -> Size:
    """Width and height of the training pictures in pixels, and of the previews."""
    size = config.width or base.native_size, config.height or base.native_size
    for key, value in zip(("width", "height"), size, strict=True):
        if value % base.grid:
            raise TrainerError(f"{key} = {value}: the base model takes multiples of {base.grid} pixels")
    return size


def sizes_for(pictures: Sequence[Picture], config: Config, base: BaseModel) -> list[Size]:
    """The size at which every picture is trained: the frame, with `buckets` the one of nearest aspect, or its own."""
    one = frame(config, base)
    if config.varsize:
        return [(_own(width, base.grid), _own(height, base.grid)) for width, height in (p.size for p in pictures)]
    if not config.buckets:
        return [one] * len(pictures)
    sizes = bucket_sizes(one, base.grid, config)
    return [nearest(picture.size, sizes) for picture in pictures]


def _own(pixels: int, grid: int) -> int:
    """The largest multiple of the grid that a side has room for."""
    return max(grid, pixels // grid * grid)


def bucket_sizes(one: Size, grid: int, config: Config) -> list[Size]:
    """The sizes on the grid within the frame's area and the limits: for each width the tallest, and that one turned."""
    step = config.bucket_step or grid
    if step % grid:
        raise TrainerError(f"bucket_step = {step}: the base model takes multiples of {grid} pixels")
    least = _on_grid(config.bucket_min or min(one) // 2, step, up=True)
    most = _on_grid(config.bucket_max or max(one) * 2, step, up=False)
    area = one[0] * one[1]
    if least > most or least * least > area:
        raise TrainerError(f"bucket_min = {least}, bucket_max = {most}: no size between them fits {one[0]} × {one[1]}")
    widths = range(least, most + 1, step)
    tall = {(width, height) for width in widths if (height := min(most, area // width // step * step)) >= least}
    return sorted(tall | {(height, width) for width, height in tall} | {one})


def _on_grid(value: int, step: int, up: bool) -> int:
    return max(step, -(-value // step) * step if up else value // step * step)


def nearest(picture: Size, sizes: Sequence[Size]) -> Size:
    """The size whose aspect differs least from a picture's; the larger of two that do equally."""
    aspect = log(picture[0] / picture[1])
    return min(sizes, key=lambda size: (round(abs(log(size[0] / size[1]) - aspect), 9), -size[0] * size[1], size))


def in_words(sizes: Sequence[Size], counts: Sequence[int]) -> str:
    """How many samples of an epoch each size has: "64 × 192: 3, 128 × 128: 10"."""
    table: dict[Size, int] = {}
    for size, count in zip(sizes, counts, strict=True):
        table[size] = table.get(size, 0) + count
    return ", ".join(f"{width} × {height}: {table[width, height]}" for width, height in sorted(table))
