"""All scores of a picture, and the judgement of a picture alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hndoctor.metrics.calibration import noise_probability
from hndoctor.metrics.measures import METRICS
from hndoctor.metrics.picture import PictureError, fingerprint, load, opened, pixels_of, thumbnail
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.tiles import tile_map
from hndoctor.records import PictureJudgement, Preview, PreviewPath

FLAT, FLAT_WIDTH = 0.03, 0.005  # RMS contrast below which there is no picture (science §A.5); how soft the limit is
REPEATS, REPEATS_WIDTH = 0.92, 0.025  # autocorrelation; text and screens reach .9 by themselves (guess, untested)
TILE_NOISE = 0.5  # probability from which a tile counts as noise


@dataclass(frozen=True)
class Scores:
    """What was measured of one picture."""

    scores: dict[str, float]  # name of the function in METRICS -> its value; all finite
    noise: float  # probability of colourful noise, judged alone
    noise_share: float  # share of tiles that look like noise
    tiles: tuple[tuple[float, ...], ...]  # probability of noise of each tile, row by row
    fingerprint: tuple[float, ...]  # 8 × 8 × 3 floats 0..1


def score(pixels: Any) -> Scores:
    """Measure a picture: `Pixels`, or an array as `Pixels.of` takes it.

    `noise` comes of the logistic in calibration.py, `tiles` of the one for tiles.
    """
    picture = Pixels.of(pixels)
    scores = {function.__name__: function(picture) for function in METRICS}
    tiles = tile_map(picture)
    return Scores(
        scores=scores,
        noise=noise_probability(scores, small=picture.block == 1),
        noise_share=float((tiles >= TILE_NOISE).mean()),
        tiles=tuple(tuple(row) for row in tiles.round(4).tolist()),
        fingerprint=fingerprint(picture),
    )


def measure_preview(where: PreviewPath, root: Path) -> Preview:
    """The picture's own fields of a `Preview`; what its text says (prompt, seed ...) is for the caller to add.

    Never raises for a bad picture: it comes back with `unreadable` set to the reason, in one line.
    """
    path, size, modified = _about(where.path, root)
    try:
        with opened(where.path) as image:
            pixels = pixels_of(image)
    except PictureError as error:
        return Preview(path=path, step=where.step, unreadable=str(error), bytes=size, modified=modified)
    found = score(pixels)
    return Preview(
        path=path,
        step=where.step,
        width=pixels.width,
        height=pixels.height,
        scores={name: round(value, 6) for name, value in found.scores.items()},
        noise=round(found.noise, 6),
        noise_share=round(found.noise_share, 4),
        fingerprint=found.fingerprint,
        thumbnail=thumbnail(pixels),
        bytes=size,
        modified=modified,
    )


def _about(path: Path, root: Path) -> tuple[str, int, float]:
    """The path relative to the run where it lies in it (POSIX), the size in bytes, the time of the last change."""
    name = path.relative_to(root) if path.is_relative_to(root) else path
    try:
        stat = path.stat()
    except OSError:
        return name.as_posix(), 0, 0.0
    return name.as_posix(), stat.st_size, stat.st_mtime


def judge_picture(path: Path) -> PictureJudgement:
    """A picture judged alone: noise, flat, repetition; whether it is fried cannot be told without a reference.

    Never raises for a bad picture: `unreadable` says why, and every probability is None.
    """
    nothing: dict[str, float | None] = {"noise": None, "flat": None, "fried": None, "repetition": None}
    try:
        found = score(load(path))
    except PictureError as error:
        return PictureJudgement(picture=str(path), p=nothing, scores={}, unreadable=str(error))
    p = {
        "noise": round(found.noise, 4),
        "flat": round(_soft_step((FLAT - found.scores["contrast"]) / FLAT_WIDTH), 4),
        "fried": None,
        "repetition": round(_soft_step((found.scores["repetition"] - REPEATS) / REPEATS_WIDTH), 4),
    }
    return PictureJudgement(picture=str(path), p=p, scores=found.scores, because=_because(p, found))


def _soft_step(distance: float) -> float:
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, distance))))


def _because(p: dict[str, float | None], found: Scores) -> tuple[str, ...]:
    """The measures that say so, for what is more likely than not."""
    said = found.scores
    reasons = []
    if (p["noise"] or 0) >= 0.5:
        reasons += [
            f"noise covers {found.noise_share:.0%} of the frame",
            f"no calm corner: nine tenths of the tiles vary in colour by {said['calm_tile_chroma']:.2f} or more",
            f"differences are Gaussian, as noise: kurtosis {said['broad_gradient_kurtosis']:.1f} (pictures: about 7)",
        ]
    if (p["flat"] or 0) >= 0.5:
        reasons.append(f"contrast is {said['contrast']:.3f}, mean brightness {said['brightness']:.2f}: no picture")
    if (p["repetition"] or 0) >= 0.5:
        reasons.append(f"the texture repeats: autocorrelation {said['repetition']:.2f} away from the centre")
    return tuple(reasons)
