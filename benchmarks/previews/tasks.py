"""What a branch is fitted to tell apart, on which measures; and what its fit is worth to a family that it never met.

A branch takes all measures of its list.  Choosing among them was tried: a choice made without a family knows too
little of it, and missed twice as much of what was held out as a ridge over all of them does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.fitting import RIDGE, Fit, Floats, logistic
from benchmarks.previews.measuring import Table
from hndoctor.calibration import FORMS
from hndoctor.calibration.logistic import BENT

#: Nothing much finer than the latent grid decides: a real decoder draws sharp edges between blobs that enlarged
#: approximate decodes do not show, and exact flatness dies in a JPEG.  So does a palette: of a drawing's ten colours a
#: JPEG makes thousands, and the joint entropy of the whole frame is left out.
MEASURES = (
    "broad_gradient_kurtosis", "gradient_kurtosis", "fine_gradient_kurtosis", "detail_skewness", "calm_tile_rms",
    "calm_tile_chroma", "tile_rms_variation", "tile_chroma_variation", "tile_colour_dimensions", "local_colour_entropy",
    "local_grey_entropy", "lossless_size", "spectral_flatness", "spectral_entropy", "spectral_slope", "coarse_energy",
    "cell_energy", "high_frequency_ratio", "long_lag_autocorrelation", "coherence", "channel_correlation",
    "chroma_ratio", "broad_colour_alignment", "colour_alignment", "fine_colour_alignment", "colourfulness",
    "hue_entropy", "saturation",
)  # fmt: skip
STEADY = 0.05  # of the mean square by which harmless changes move the log odds, against the loss: see README
UNSURE = 3.0  # times that for a picture at even odds, where the same movement moves its probability most
SURE = 0.1  # share of it for a picture that is surely noise, or surely none
RANK = 0.1  # of the mean loss of a step of a ladder, against the loss: see README


@dataclass(frozen=True)
class Task:
    """One branch to be fitted: what is to be told from what."""

    table: Table
    truth: Floats  # 1 noise, 0 picture, or a severity between
    weight: Floats  # 0: neither
    units: NDArray[np.str_]
    measures: tuple[str, ...] = MEASURES
    steady: float = 0.0  # what it costs to move under harmless changes (JPEG 60, half the size)
    rank: float = 0.0  # what it costs to fall from one step of a ladder to the next
    ridge: float = RIDGE
    prior: float = 0.0  # log odds that a picture is one of these before it is looked at
    bends: bool = False  # whether the measures' squares are weighed too
    x: Floats = field(init=False)  # the measures as a logistic takes them, (n, len(measures)), then their squares

    def __post_init__(self) -> None:
        """Transform the measures once."""
        object.__setattr__(self, "x", self.design(self.table))

    def design(self, table: Table) -> Floats:
        """Measures of any table through their forms; the squares are about the mean of the rows that are fitted on."""
        straight = design(table, self.measures)
        if not self.bends:
            return straight
        middle, spread = self.scale
        return np.concatenate([straight, np.minimum(((straight - middle) / spread) ** 2, BENT**2)], axis=1)

    @cached_property
    def scale(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the measures over the rows that are fitted on."""
        x, weight = design(self.table, self.measures)[self.weight > 0], self.weight[self.weight > 0]
        middle = np.average(x, axis=0, weights=weight)
        return middle, np.sqrt(np.average((x - middle) ** 2, axis=0, weights=weight)) + 1e-9

    def fit(self, weight: Floats | None = None, start: Fit | None = None, without: str = "") -> Fit:
        """The fit with other weights than the task's own; `start`: a fit whose scale to keep; `without`: a unit.

        How unsure a steady picture is, and so what its movement costs, is told by the fit before: by `start`, or by one
        for which all cost alike.
        """
        copies = np.flatnonzero((self.table.group == "steady copy") & (self.units != without))
        moves = self.x[copies] - self.x[self.table.pair[copies]]
        lower, upper = self.steps
        apart = self.units[lower] != without
        rises = self.x[upper[apart]] - self.x[lower[apart]]
        kept = self.weight if weight is None else weight
        found = start
        for _ in range(1 if start else 3 if self.steady else 1):
            worth = moves if found is None else moves * self._unsure(found, copies)[:, None]
            found = logistic(self.x, self.truth, kept, start, self.ridge, worth, self.steady, rises, self.rank)
        return found  # type: ignore[return-value]  # the loop runs at least once

    def _unsure(self, fit: Fit, copies: NDArray[np.int64]) -> Floats:
        """By how much each copy's movement counts: most at even odds, where log odds move the probability most."""
        odds = (fit.log_odds(self.x[copies]) + fit.log_odds(self.x[self.table.pair[copies]])) / 2 + self.prior
        p = 1 / (1 + np.exp(-np.clip(odds, -40, 40)))
        return np.asarray(UNSURE**0.5 * (SURE + 4 * p * (1 - p)))

    @cached_property
    def steps(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of neighbouring steps of the ladders of this task's size: the lower ones, and the next above each."""
        small = self.table.small[self.weight > 0]
        rows = np.flatnonzero((self.table.group == "ladder") & np.isin(self.table.small, np.unique(small)))
        rows = rows[np.lexsort((self.table.severity[rows], self.table.family[rows]))]
        same = self.table.family[rows[1:]] == self.table.family[rows[:-1]]
        return rows[:-1][same], rows[1:][same]


def design(table: Table, measures: tuple[str, ...]) -> Floats:
    """Measures through their forms, (n, len(measures))."""
    return np.stack([transformed(m, table.column(m)) for m in measures], axis=1)


def transformed(measure: str, values: Floats) -> Floats:
    """`FORMS[measure].of` of an array."""
    form = FORMS[measure]
    kept = np.clip(values, form.least, form.most)
    if form.about is not None:
        return np.asarray(np.abs(np.log(kept / form.about)))
    return kept if form.offset is None else np.asarray(np.log(kept + form.offset))


def agreeing(x: Floats, truth: Floats, weight: Floats) -> list[int]:
    """The columns whose weights have the sign that each has alone; of the others the worst is left out, and so on."""
    noise, other = (np.average(x, axis=0, weights=weight * side) for side in (truth >= 0.5, truth < 0.5))
    up, kept = np.sign(noise - other), list(range(x.shape[1]))
    while True:
        weights = logistic(x[:, kept], truth, weight).coefficients[1:] * up[kept]
        if weights.min() >= 0:
            return kept
        del kept[int(weights.argmin())]


def left_out(task: Task) -> Floats:
    """Log odds of every row by a fit that did not see what it is held out with."""
    whole, odds = task.fit(), np.full(len(task.truth), np.nan)
    for held in np.unique(task.units):
        here = task.units == held
        touched = bool((task.weight[here] > 0).any()) or bool(task.rank and here[task.steps[0]].any())
        fit = task.fit(np.where(here, 0.0, task.weight), whole, str(held)) if touched else whole
        odds[here] = fit.log_odds(task.x[here])
    return odds
