"""Which measures a branch takes: chosen within the families at hand, so that a family held out has no say.

`nested` holds out one family at a time, chooses measures on the others (by their own folds), fits on them, and scores
the one held out: what is reported of it is what the whole procedure does to a family that it never met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.fitting import Fit, Floats, Mask, logistic, loss
from benchmarks.previews.measuring import Table
from hndoctor.calibration import FORMS

FOLDS = 4  # of families, within the choice
SCREENED = 12  # measures that stay candidates after the first: those that tell best alone
MOST = 7  # measures of a branch
WORTH = 0.03  # share of the loss that one more measure must save
#: Nothing finer than the latent grid decides: a real decoder draws sharp edges between blobs that enlarged
#: approximate decodes do not show, and exact flatness dies in a JPEG.
CANDIDATES = (
    "broad_gradient_kurtosis", "gradient_kurtosis", "fine_gradient_kurtosis", "calm_tile_rms", "calm_tile_chroma",
    "tile_rms_variation", "tile_chroma_variation", "tile_colour_dimensions", "joint_entropy", "local_colour_entropy",
    "local_grey_entropy", "lossless_size", "spectral_flatness", "spectral_entropy", "spectral_slope", "coarse_energy",
    "cell_energy", "high_frequency_ratio", "long_lag_autocorrelation", "coherence", "channel_correlation",
    "chroma_ratio", "colourfulness", "hue_entropy", "saturation",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One branch to be chosen and fitted: what is to be told from what."""

    table: Table
    truth: Floats  # 1 noise, 0 picture, or a severity between
    weight: Floats  # 0: neither
    units: NDArray[np.str_]
    candidates: tuple[str, ...] = CANDIDATES
    most: int = MOST

    def columns(self, measures: tuple[str, ...]) -> Floats:
        """The measures as a logistic takes them, (n, len(measures))."""
        return design(self.table, measures)


@dataclass(frozen=True)
class Chosen:
    """The measures of a branch and their fit."""

    measures: tuple[str, ...]
    fit: Fit

    def log_odds(self, table: Table) -> Floats:
        """Log odds of all rows of a table."""
        return self.fit.log_odds(design(table, self.measures))


def design(table: Table, measures: tuple[str, ...]) -> Floats:
    """Measures through their forms, (n, len(measures))."""
    return np.stack([transformed(m, table.column(m)) for m in measures], axis=1)


def transformed(measure: str, values: Floats) -> Floats:
    """`FORMS[measure].of` of an array."""
    form = FORMS[measure]
    kept = np.clip(values, form.least, form.most)
    return kept if form.offset is None else np.asarray(np.log(kept + form.offset))


def choose(task: Task, weight: Floats | None = None) -> Chosen:
    """Forward choice: the measure that lowers the loss on families held out the most, while it is worth it."""
    weight = task.weight if weight is None else weight
    used = weight > 0
    columns = {m: transformed(m, task.table.column(m))[used] for m in task.candidates}
    truth, kept, folds = task.truth[used], weight[used], _folds(task.units[used], task.truth[used])
    chosen: list[str] = []
    best = np.inf
    open_ones = task.candidates
    while len(chosen) < task.most:
        tried = {
            m: _fold_loss(np.stack([columns[c] for c in (*chosen, m)], axis=1), truth, kept, folds)
            for m in open_ones
            if m not in chosen
        }
        if not chosen:
            open_ones = tuple(sorted(tried, key=lambda m: tried[m])[:SCREENED])
        if not tried:
            break
        name = min(tried, key=lambda m: tried[m])
        if tried[name] > best * (1 - WORTH):
            break
        chosen.append(name)
        best = tried[name]
    x = np.stack([columns[c] for c in chosen], axis=1)
    return Chosen(tuple(chosen), logistic(x, truth, kept))


def nested(task: Task, progress: Callable[[str], None] = lambda _: None) -> tuple[Floats, list[tuple[str, ...]]]:
    """Log odds of every row by a choice and a fit without its unit, and the measures that were chosen each time."""
    odds, choices = np.full(len(task.truth), np.nan), []
    for held in np.unique(task.units):
        here = task.units == held
        found = choose(task, np.where(here, 0.0, task.weight))
        odds[here] = found.log_odds(task.table)[here]
        choices.append(found.measures)
        progress(f"{held}: {', '.join(found.measures)}")
    return odds, choices


def _folds(units: NDArray[np.str_], truth: Floats) -> list[Mask]:
    """Units in folds, those of either side spread evenly."""
    folds = [np.zeros(len(units), bool) for _ in range(FOLDS)]
    for side in (truth >= 0.5, truth < 0.5):
        for i, name in enumerate(np.unique(units[side])):
            folds[i % FOLDS] |= side & (units == name)
    return folds


def _fold_loss(x: Floats, truth: Floats, weight: Floats, folds: list[Mask]) -> float:
    odds = np.zeros(len(truth))
    scale: Fit | None = None
    for fold in folds:
        if fold.any():
            scale = logistic(x, truth, np.where(fold, 0.0, weight), scale)
            odds[fold] = np.clip(scale.log_odds(x[fold]), -12, 12)
    return loss(odds, truth, weight)
