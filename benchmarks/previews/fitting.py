"""Logistic regression with equal weight for every family, what it is worth on families held out, and its spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.previews.families import unit

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
RIDGE = 1e-3  # on standardised weights
DRAWS = 60  # resamplings of families for the covariance
SLOPE = (0.4, 1.2)  # range of the recalibration: hardly any family is called wrong, so its estimate is coarse


@dataclass(frozen=True)
class Fit:
    """A logistic on standardised columns; `coefficients` begin with the intercept."""

    coefficients: Floats
    middle: Floats
    spread: Floats

    def log_odds(self, x: Floats) -> Floats:
        """Log odds of rows."""
        return np.asarray(self.coefficients[0] + (x - self.middle) / self.spread @ self.coefficients[1:])


def logistic(
    x: Floats,
    y: Floats,
    weight: Floats,
    scale: Fit | None = None,
    ridge: float = RIDGE,
    moves: Floats | None = None,
    steady: float = 0.0,
    rises: Floats | None = None,
    rank: float = 0.0,
) -> Fit:
    """A ridge logistic regression by damped Newton steps; `y` may lie between 0 and 1.  `scale`: whose scale to keep.

    Rows of weight 0 do not count.  `moves`: how harmless changes move `x`; their mean square in log odds is added to
    the loss `steady` times, which turns the weights away from what a JPEG spoils.  `rises`: how `x` moves from one step
    of a ladder to the next; each is a row without intercept that must score above 0 (RankNet, Burges 2005), all of
    them together `rank` times the loss.
    """
    used = weight > 0
    x, y, weight = x[used], y[used], weight[used] / weight[used].sum()
    middle = np.average(x, axis=0, weights=weight) if scale is None else scale.middle
    variance = np.average((x - middle) ** 2, axis=0, weights=weight)
    spread = np.sqrt(variance) + 1e-9 if scale is None else scale.spread
    design = np.c_[np.ones(len(x)), (x - middle) / spread]
    beta = np.zeros(design.shape[1]) if scale is None else scale.coefficients.copy()
    penalty = np.eye(design.shape[1]) * ridge / 2
    penalty[0, 0] = 1e-9
    if moves is not None and len(moves):
        moved = moves / spread
        penalty[1:, 1:] += steady * moved.T @ moved / len(moved)
    if rises is not None and len(rises) and rank:
        design = np.r_[design, np.c_[np.zeros(len(rises)), rises / spread]]
        y, weight = np.r_[y, np.ones(len(rises))], np.r_[weight, np.full(len(rises), rank / len(rises))]
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -40, 40)))
        slope = design.T @ (weight * (p - y)) + penalty @ beta
        step = np.linalg.solve((design.T * (weight * p * (1 - p) + 1e-12)) @ design + penalty, slope)
        beta -= step * min(1.0, 4 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-5:
            break
    return Fit(beta, middle, spread)


def balanced(families: NDArray[np.str_], noise: Mask, rows: Mask, factor: Floats) -> Floats:
    """Weight of each row, 0 outside ``rows``: equal for families times `factor`, and for both sides as a whole."""
    weight = np.zeros(len(families))
    for family in np.unique(families[rows]):
        here = rows & (families == family)
        weight[here] = factor[here] / here.sum()
    for side in (rows & noise, rows & ~noise):
        weight[side] /= max(weight[side].sum(), 1e-12)
    return weight


def loss(odds: Floats, y: Floats, weight: Floats) -> float:
    """Weighted mean of −ln of what was given to the truth."""
    terms = np.logaddexp(0, odds) - y * odds
    return float((weight * terms).sum() / weight.sum())


def units_of(families: NDArray[np.str_]) -> NDArray[np.str_]:
    """What each row is held out with."""
    return np.array([unit(str(f)) for f in families])


Refit = Callable[[Floats, Fit], Fit]  # of other weights, on the scale of a fit


def covariance(fit: Fit, y: Floats, weight: Floats, units: NDArray[np.str_], again: Refit, seed: int = 0) -> Floats:
    """Covariance of the coefficients over families drawn anew, both sides apart."""
    rng = np.random.default_rng(seed)
    sides = [np.unique(units[(weight > 0) & (y >= 0.5)]), np.unique(units[(weight > 0) & (y < 0.5)])]
    found = []
    for _ in range(DRAWS):
        counts: dict[str, int] = {}
        for names in sides:
            for name in rng.choice(names, len(names)):
                counts[str(name)] = counts.get(str(name), 0) + 1
        factor = np.array([counts.get(str(u), 0) for u in units], float)
        if all((weight * factor)[side].sum() > 0 for side in (y >= 0.5, y < 0.5)):
            found.append(again(weight * factor, fit).coefficients)
    return np.atleast_2d(np.cov(np.array(found).T))


def recalibrated(odds: Floats, y: Floats, weight: Floats) -> float:
    """The slope that makes held-out log odds honest (Platt 1999), within `SLOPE`."""
    fit = logistic(odds[:, None], y, weight, ridge=1e-4)
    return float(np.clip(fit.coefficients[1] / fit.spread[0], *SLOPE))


def auc(positive: Floats, negative: Floats) -> float:
    """Area under the ROC curve: the chance that noise scores above a picture; rows without a score count as ties."""
    ranks = rankdata(np.nan_to_num(np.r_[positive, negative], nan=-1e9))
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def true_positives(positive: Floats, negative: Floats, rate: float = 0.01) -> float:
    """Share of noise above the threshold that ``rate`` of the pictures exceed."""
    return float((positive > np.quantile(negative, 1 - rate)).mean())


def interval(
    positive: Floats, negative: Floats, families: tuple[NDArray[np.str_], NDArray[np.str_]], draws: int = 300
) -> tuple[float, float]:
    """95 % bootstrap interval of `true_positives` at 1 %, whole families drawn anew on both sides."""
    rng, found = np.random.default_rng(0), []
    parts = [
        [values[names == name] for name in np.unique(names)]
        for values, names in zip((positive, negative), families, strict=True)
    ]
    for _ in range(draws):
        drawn = [np.concatenate([part[i] for i in rng.integers(0, len(part), len(part))]) for part in parts]
        found.append(true_positives(drawn[0], drawn[1]))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
