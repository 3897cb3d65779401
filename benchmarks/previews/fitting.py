"""Logistic regression with equal weight for every family, and how well a score separates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
RIDGE = 3e-3  # on standardised weights
DECEPTIVE = 0.1  # weight of a deceptive family
FOUND = 3.0  # weight of a family of noise decoded in Stable Diffusion's own latent space


@dataclass(frozen=True)
class Labels:
    """What each row is."""

    group: NDArray[np.str_]
    family: NDArray[np.str_]

    @property
    def noise(self) -> NDArray[np.bool_]:
        """True where the picture is noise."""
        return np.char.find(self.group.astype(str), "noise") >= 0

    def weights(self, rows: NDArray[np.bool_]) -> Floats:
        """Weight of each row, 0 outside ``rows``: equal for families, and for noise and pictures as a whole."""
        weight = np.zeros(len(self.family))
        for family in np.unique(self.family[rows]):
            here = rows & (self.family == family)
            factor = FOUND if family.startswith("found") else 1.0
            weight[here] = factor * np.where(self.group[here] == "deceptive", DECEPTIVE, 1.0) / here.sum()
        for side in (rows & self.noise, rows & ~self.noise):
            weight[side] /= weight[side].sum()
        return weight


def logistic(x: Floats, y: NDArray[np.bool_], weight: Floats, ridge: float = RIDGE) -> tuple[float, Floats]:
    """Intercept and weights of a ridge logistic regression, by damped Newton steps."""
    used = weight > 0
    x, y, weight = x[used], y[used], weight[used]
    middle = np.average(x, axis=0, weights=weight)
    spread = np.sqrt(np.average((x - middle) ** 2, axis=0, weights=weight)) + 1e-9
    design = np.c_[np.ones(len(x)), (x - middle) / spread]
    beta, penalty = np.zeros(design.shape[1]), np.eye(design.shape[1]) * ridge
    penalty[0, 0] = 1e-9
    for _ in range(60):
        p = 1 / (1 + np.exp(-design @ beta))
        slope = design.T @ (weight * (p - y)) + penalty @ beta
        step = np.linalg.solve((design.T * (weight * p * (1 - p))) @ design + penalty, slope)
        beta -= step * min(1.0, 4 / max(np.abs(step).max(), 1e-12))
    weights = beta[1:] / spread
    return float(beta[0] - weights @ middle), weights


def held_out(x: Floats, labels: Labels, rows: NDArray[np.bool_]) -> Floats:
    """Log odds of each row in ``rows`` from a fit without its family; NaN elsewhere."""
    odds = np.full(len(x), np.nan)
    for family in np.unique(labels.family[rows]):
        here = rows & (labels.family == family)
        intercept, weights = logistic(x, labels.noise, labels.weights(rows & ~here))
        odds[here] = intercept + x[here] @ weights
    return odds


def auc(positive: Floats, negative: Floats) -> float:
    """Area under the ROC curve: the chance that noise scores above a picture."""
    ranks = rankdata(np.r_[positive, negative])
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def true_positives(positive: Floats, negative: Floats, rate: float = 0.01) -> float:
    """Share of noise above the threshold that ``rate`` of the pictures exceed."""
    return float((positive > np.quantile(negative, 1 - rate)).mean())


def interval(positive: Floats, negative: Floats, draws: int = 400, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of `true_positives` at 1 %."""
    rng = np.random.default_rng(seed)
    found = [
        true_positives(rng.choice(positive, len(positive)), rng.choice(negative, len(negative))) for _ in range(draws)
    ]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
