"""The one table of coefficients: from measures to the probability of colourful noise.

Fitted by ``python -m benchmarks.previews.calibrate`` (which prints this table) on decoded latent noise of three
decoders against photographs, drawn hard negatives and the pocket model's scenes; every family weighs the same,
deceptive ones (dense mosaics, glitch) a tenth.  A single branch does for fine noise and for blobs: a branch of its own
for blobs (colourfulness, hue entropy, channel correlation) had AUC .893 where this one has .999, families held out.
Nothing finer than the latent grid decides: a real decoder draws sharp edges between blobs (edge kurtosis 6 to 13),
which enlarged approximate decodes (4 to 7) do not show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Form:
    """How a measure enters a logistic: clipped, and on a logarithmic scale where `offset` is given."""

    least: float
    most: float
    offset: float | None = None  # ln(value + offset)

    def of(self, value: float) -> float:
        """The value as the logistic takes it."""
        clipped = min(max(value, self.least), self.most)
        return clipped if self.offset is None else math.log(clipped + self.offset)


#: Ranges within which the measures were seen; nothing is extrapolated.
FORMS: dict[str, Form] = {
    "broad_gradient_kurtosis": Form(1.0, 60.0, 0.0),
    "gradient_kurtosis": Form(1.0, 60.0, 0.0),
    "calm_tile_chroma": Form(0.0, 0.6, 0.01),
    "joint_entropy": Form(0.0, 14.0),
    "long_lag_autocorrelation": Form(-0.2, 1.0),
    "coherence": Form(0.0, 1.0),
    "high_frequency_ratio": Form(0.0, 1.0, 0.01),
    "tile_colour_dimensions": Form(1.0, 3.0, -0.98),
}


@dataclass(frozen=True)
class Branch:
    """A logistic over named measures."""

    intercept: float
    weights: Mapping[str, float]

    def log_odds(self, scores: Mapping[str, float]) -> float:
        """Log odds of colourful noise, natural logarithm."""
        return self.intercept + sum(w * FORMS[name].of(scores[name]) for name, w in self.weights.items())


#: A shorter side of 192 px and more: two or more pixels a fine value.
LARGE = Branch(
    5.03,
    {
        "broad_gradient_kurtosis": -4.75,
        "gradient_kurtosis": -3.41,
        "calm_tile_chroma": 0.47,
        "joint_entropy": 0.67,
        "long_lag_autocorrelation": -6.15,
        "coherence": 8.56,
    },
)
#: Smaller ones, as the pocket model's 128 px: 16 latent pixels a side leave no room for a lag, but show cells whole.
SMALL = Branch(
    -0.50,
    {
        "broad_gradient_kurtosis": -2.95,
        "gradient_kurtosis": -1.41,
        "calm_tile_chroma": 1.46,
        "joint_entropy": 0.53,
        "coherence": 5.88,
        "high_frequency_ratio": -1.49,
        "tile_colour_dimensions": 1.30,
    },
)


@dataclass(frozen=True)
class TileBranch:
    """A logistic over the features of `tiles.tile_features`, in their order."""

    intercept: float
    weights: NDArray[np.float64]


TILE = TileBranch(9.29, np.array((1.82, 0.36, 0.58, -3.87)))


def noise_probability(scores: Mapping[str, float], small: bool) -> float:
    """Probability of colourful noise, 0..1, judged without a reference; equal odds of noise and picture beforehand."""
    odds = (SMALL if small else LARGE).log_odds(scores)
    return 1 / (1 + math.exp(-min(max(odds, -30.0), 30.0)))
