"""What each group of pictures is evidence for, and what it weighs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews import labels
from benchmarks.previews.fitting import balanced, units_of
from benchmarks.previews.measuring import Table
from benchmarks.previews.tasks import RANK, STEADY, Task

SOUND = ("photo", "art", "pocket")
LIKE_SOUND = (*SOUND, "bare", "dying sound")
#: Log odds of noise before a picture is looked at: one in five of those that somebody asks about (guess).  With it
#: one in a hundred pictures of families left out is called noise
PRIOR = -1.386
GREY_PRIOR = -2.6  # the same of noise without colours of its own: one in fifteen (guess)
DECEPTIVE = 0.1  # weight of a deceptive family: alone it may look like noise
FOUND = 3.0  # weight of a family of noise decoded in Stable Diffusion's own latent space, the real thing
SEVERITY_RANK = 1.0  # less leaves ladders below .97, more pulls the ends together: see README
SEVERITY_RIDGE = 1e-2  # a tenth of it makes the worst ladders that were left out .1 worse
#: weight of a family of pixel noise, of which nothing is doubtful: so heavy an end keeps from tipping what lies between
PIXELS = 500.0
BLOBS = ("smooth 1.5", "smooth 2", "smooth 3")
LIKE_BLOBS = (*BLOBS, "smooth 0.7", "smooth 1", "mixed", "pink", "brushed")  # in part: no contradiction to blobs
SPREAD = ("spectral_flatness", "spectral_entropy", "spectral_slope", "coarse_energy", "cell_energy")  # of energy
GREY = ("broad_gradient_kurtosis", "gradient_kurtosis", "calm_tile_rms", "spectral_flatness", "spectral_entropy",
        "local_grey_entropy", "long_lag_autocorrelation", "coherence", "colourfulness", "saturation", "repetition",
        "coarse_energy", "fine_gradient_kurtosis", "cell_energy", "high_frequency_ratio",
        "spectral_slope", "tile_rms_variation", "detail_skewness")  # fmt: skip
#: families of noise in the shades of one colour
TINTED = ("grey tinted", "grey faint", "grey wash", "grey dying", labels.TINT)
#: what a tint itself moves is left out, and what tells one colour from many is taken in its place
TINT = (
    *(m for m in GREY if m not in ("colourfulness", "saturation")),
    *("hue_entropy", "channel_correlation", "tile_colour_dimensions"),
)
STATIC = ("grey static", "grey bits", "grey bell", "grey grain 2", "grey grain 3")


def task(table: Table, noise: NDArray[np.bool_], sound: NDArray[np.bool_], **more: object) -> Task:
    """What tells `noise` from `sound`, families weighed equally; other rows are only scored."""
    families, units = table.family, units_of(table.family)
    factor = np.where(table.group == "deceptive", DECEPTIVE, 1.0)
    real = np.char.startswith(families.astype(str), "found")
    factor = np.where(real, FOUND, np.where(table.group == "pixel noise", PIXELS, factor))
    weight = balanced(families, noise, noise | sound, factor)
    return Task(table, noise.astype(float), weight, units, **more)  # type: ignore[arg-type]  # by name


def noise_tasks(table: Table) -> dict[str, Task]:
    """The four branches of colourful noise: fine and in blobs, of large and of small pictures."""
    units = units_of(table.family)
    pictures = np.isin(table.group, (*LIKE_SOUND, "deceptive"))
    colourful = np.isin(table.group, ("noise", labels.FEW, "pixel noise", "dying"))
    blobs, like_blobs = np.isin(units, BLOBS), np.isin(units, LIKE_BLOBS)
    found = {}
    for size, rows in (("large", ~table.small), ("small", table.small)):
        for name, noise in (("fine noise", colourful & ~blobs), ("blobs", colourful & like_blobs)):
            found[f"{name}, {size}"] = task(
                table, noise & rows, pictures & rows, steady=STEADY, rank=RANK, bends=True, prior=PRIOR
            )
    return found


def blob_tasks(table: Table) -> dict[str, Task]:
    """Which of the two branches explains a noise, by how its energy lies: both call much of the other's kind noise.

    What lies between, the kinds like blobs, is neither, so that the line runs through the middle of it.
    """
    noise, units = np.isin(table.group, ("noise", labels.FEW)), units_of(table.family)
    blobs, fine = noise & np.isin(units, BLOBS), noise & ~np.isin(units, LIKE_BLOBS)
    return {
        f"blobs or fine, {size}": task(table, blobs & rows, fine & rows, measures=SPREAD)
        for size, rows in (("large", ~table.small), ("small", table.small))
    }


def grey_tasks(table: Table) -> dict[str, Task]:
    """Noise without colour, against everything that is sound: static of pixels, decoded noise by size, and tinted.

    Apart, because a photograph of gravel lies between them: it has more fine waves than the one, fewer than the other.
    """
    pictures, grey = np.isin(table.group, (*LIKE_SOUND, "deceptive")), table.group == "grey noise"
    static = grey & np.isin(units_of(table.family), STATIC)
    tinted = grey & np.logical_or.reduce([np.char.startswith(table.family.astype(str), t) for t in TINTED])
    decoded = grey & ~static & ~tinted
    kinds = {
        "grey static": (static, table.small | True, GREY),
        "grey noise, large": (decoded, ~table.small, GREY),
        "grey noise, small": (decoded, table.small, GREY),
        "tinted noise, large": (tinted | decoded, ~table.small, TINT),
        "tinted noise, small": (tinted | decoded, table.small, TINT),
    }
    return {
        name: task(table, noise & rows, pictures & rows, measures=m, steady=STEADY, prior=GREY_PRIOR)
        for name, (noise, rows, m) in kinds.items()
    }


def severity_tasks(table: Table) -> dict[str, Task]:
    """How far a picture has drowned: a logistic of ladders, and of what lies at their ends."""
    found = {}
    for size, rows in (("large", ~table.small), ("small", table.small)):
        ladder = (table.group == "ladder") & rows
        ends = np.isin(table.group, ("noise", labels.FEW, *SOUND)) & rows
        truth = np.where(ladder, table.severity, np.isin(table.group, ("noise", labels.FEW)).astype(float))
        weight = ladder / max(1, ladder.sum()) + 0.5 * balanced(table.family, truth > 0.5, ends, np.ones(len(truth)))
        units = units_of(table.family)
        found[f"severity, {size}"] = Task(
            table, truth, weight, units, steady=STEADY, rank=SEVERITY_RANK, ridge=SEVERITY_RIDGE
        )
    return found
