"""What each group of pictures is evidence for, and what it weighs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.fitting import balanced, units_of
from benchmarks.previews.measuring import Table
from benchmarks.previews.tasks import STEADY, Task

SOUND = ("photo", "art", "pocket")
LIKE_SOUND = (*SOUND, "bare", "dying sound")
DECEPTIVE = 0.1  # weight of a deceptive family: alone it may look like noise
FOUND = 3.0  # weight of a family of noise decoded in Stable Diffusion's own latent space, the real thing
SEVERITY_RIDGE = 1e-2  # a tenth of it makes the worst ladders that were left out .1 worse
PIXELS = 8.0  # weight of a family of pixel noise: two families beside a dozen of latent noise
BLOBS = ("smooth 1.5", "smooth 2", "smooth 3")
LIKE_BLOBS = (*BLOBS, "smooth 0.7", "smooth 1", "mixed", "pink", "brushed")  # in part: no contradiction to blobs
#: without the variation of contrast over tiles, by which every even ramp is noise
GREY = ("broad_gradient_kurtosis", "gradient_kurtosis", "calm_tile_rms", "spectral_flatness", "spectral_entropy",
        "local_grey_entropy", "long_lag_autocorrelation", "coherence", "colourfulness", "saturation", "repetition",
        "coarse_energy")  # fmt: skip


def task(table: Table, noise: NDArray[np.bool_], sound: NDArray[np.bool_], **more: object) -> Task:
    """What tells `noise` from `sound`, families weighed equally; other rows are only scored."""
    families, units = table.family, units_of(table.family)
    factor = np.where(table.group == "deceptive", DECEPTIVE, 1.0)
    real = np.char.startswith(families.astype(str), "found")
    factor = np.where(real, FOUND, np.where(table.group == "pixel noise", PIXELS, factor))
    weight = balanced(families, noise, noise | sound, factor)
    return Task(table, noise.astype(float), weight, units, **more)  # type: ignore[arg-type]  # passed on as they came


def noise_tasks(table: Table) -> dict[str, Task]:
    """The four branches of colourful noise: fine and in blobs, of large and of small pictures."""
    units = units_of(table.family)
    pictures = np.isin(table.group, (*LIKE_SOUND, "deceptive"))
    colourful = np.isin(table.group, ("noise", "pixel noise", "dying"))
    blobs, like_blobs = np.isin(units, BLOBS), np.isin(units, LIKE_BLOBS)
    found = {}
    for size, rows in (("large", ~table.small), ("small", table.small)):
        found[f"fine noise, {size}"] = task(table, colourful & ~blobs & rows, pictures & rows, steady=STEADY)
        found[f"blobs, {size}"] = task(table, colourful & like_blobs & rows, pictures & rows, steady=STEADY)
    return found


def grey_task(table: Table) -> Task:
    """Noise without colour, against everything that is sound."""
    pictures = np.isin(table.group, (*LIKE_SOUND, "deceptive"))
    return task(table, table.group == "grey noise", pictures, measures=GREY, steady=STEADY)


def severity_tasks(table: Table) -> dict[str, Task]:
    """How far a picture has drowned: a logistic of ladders, and of what lies at their ends."""
    found = {}
    for size, rows in (("large", ~table.small), ("small", table.small)):
        ladder = (table.group == "ladder") & rows
        ends = np.isin(table.group, ("noise", *SOUND)) & rows
        truth = np.where(ladder, table.severity, (table.group == "noise").astype(float))
        weight = ladder / max(1, ladder.sum()) + 0.5 * balanced(table.family, truth > 0.5, ends, np.ones(len(truth)))
        units = units_of(table.family)
        found[f"severity, {size}"] = Task(table, truth, weight, units, steady=STEADY, ridge=SEVERITY_RIDGE)
    return found
