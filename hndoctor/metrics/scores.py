"""All scores of a picture, and the judgement of a picture alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hndoctor.calibration import Judged, judge, judged_again, log_odds
from hndoctor.metrics.measures import METRICS
from hndoctor.metrics.picture import (
    PictureError,
    PictureGoneError,
    fingerprint,
    load,
    opened,
    pixels_of,
    shrunk_to,
    thumbnail,
)
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.tiles import tile_map
from hndoctor.metrics.why import reasons_of
from hndoctor.records import PictureJudgement, Preview, PreviewPath

GONE = "it was removed or renamed while its run was read: look again later"
TILE_NOISE = 0.5  # probability from which a tile counts as noise


@dataclass(frozen=True)
class Scores:
    """What was measured of one picture, and what it looks like alone."""

    scores: dict[str, float]  # name of the function in METRICS -> its value; all finite
    judged: Judged
    noise_share: float  # share of tiles that look like noise
    tiles: tuple[tuple[float, ...], ...]  # probability of noise of each tile, row by row
    fingerprint: tuple[float, ...]  # 8 × 8 × 3 floats 0..1
    small: bool  # one pixel a fine value

    @property
    def noise(self) -> float:
        """Probability of colourful noise, judged alone."""
        return self.judged.noise.value


def score(pixels: Any) -> Scores:
    """Measure a picture: `Pixels`, or an array as `Pixels.of` takes it."""
    picture = Pixels.of(pixels)
    scores = {function.__name__: function(picture) for function in METRICS}
    small = picture.block == 1
    judged = judge(scores, small)
    tiles = tile_map(picture, log_odds(judged.noise.value))
    return Scores(
        scores=scores,
        judged=judged,
        noise_share=float((tiles >= TILE_NOISE).mean()),
        tiles=tuple(tuple(row) for row in tiles.round(4).tolist()),
        fingerprint=fingerprint(picture),
        small=small,
    )


def measure_preview(where: PreviewPath, root: Path) -> Preview:
    """The picture's own fields of a `Preview`; what its text says (prompt, seed ...) is for the caller to add.

    Never raises for a bad picture: it comes back with `unreadable` set to the reason, in one line.
    """
    path, size, modified = _about(where.path, root)
    try:
        with opened(where.path) as image:
            pixels = pixels_of(image)
    except PictureGoneError:
        return Preview(path=path, step=where.step, unreadable=GONE, gone=True)
    except PictureError as error:
        return Preview(path=path, step=where.step, unreadable=str(error), bytes=size, modified=modified)
    measured = replace(_measured(pixels), path=path, step=where.step, bytes=size, modified=modified)
    return replace(measured, thumbnail=thumbnail(pixels))


def measure_training(path: Path, name: str, side: int) -> Preview | None:
    """A training picture as a network of that training size sees it: its shorter side brought down to `side` pixels.

    None where it cannot be read: the setup rules speak of that.
    """
    _, size, modified = _about(path, path.parent)
    try:
        with opened(path) as image:
            pixels = pixels_of(shrunk_to(image, side))
    except PictureError:
        return None
    return replace(_measured(pixels), path=name, bytes=size, modified=modified)


def _measured(pixels: Pixels) -> Preview:
    found = score(pixels)
    measured = Preview(
        path="",
        step=None,
        width=pixels.width,
        height=pixels.height,
        scores={name: round(value, 6) for name, value in found.scores.items()},
        noise_share=round(found.noise_share, 4),
        fingerprint=found.fingerprint,
    )
    return judged_again(measured)  # by the scores as they are kept, so that what is read again is the same


def _about(path: Path, root: Path) -> tuple[str, int, float]:
    """The path relative to the run where it lies in it (POSIX), the size in bytes, the time of the last change."""
    name = path.relative_to(root) if path.is_relative_to(root) else path
    try:
        stat = path.stat()
    except OSError:
        return name.as_posix(), 0, 0.0
    return name.as_posix(), stat.st_size, stat.st_mtime


def judge_picture(path: Path, *, shown: bool = False) -> PictureJudgement:
    """A picture judged alone: noise, flat, repetition; whether it is fried cannot be told without a reference.

    `shown`: with its thumbnail.
    Never raises for a bad picture: `unreadable` says why, and every probability is None.
    """
    kinds = ("noise", "flat", "fried", "repetition", "grey_noise")
    try:
        pixels = load(path)
    except PictureError as error:
        return PictureJudgement(picture=str(path), p=dict.fromkeys(kinds), scores={}, unreadable=str(error))
    found = score(pixels)
    judged = found.judged
    told = {"noise": judged.noise, "flat": judged.blank, "repetition": judged.repeated, "grey_noise": judged.grey}
    return PictureJudgement(
        picture=str(path),
        p={kind: round(told[kind].value, 6) if kind in told else None for kind in kinds},
        scores=found.scores,
        because=reasons_of(found.scores, judged, found.noise_share, found.small),
        interval={kind: (round(one.low, 6), round(one.high, 6)) for kind, one in told.items()},
        severity=round(judged.severity, 4),
        noise_share=round(found.noise_share, 4),
        tiles=found.tiles,
        thumbnail=thumbnail(pixels) if shown else None,
    )
