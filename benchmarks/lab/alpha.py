"""WeightWatcher's alpha (Martin & Mahoney 2021), as a person would compute it.

The exponent of a power law fitted to the largest eigenvalues of W'W, its beginning chosen by the Kolmogorov-Smirnov
distance (Clauset, Shalizi & Newman 2009).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.network import Hypernetwork

FEWEST = 8  # eigenvalues in a tail


def mean_alpha(checkpoint: Path) -> float | None:
    """The mean over a network's matrices; None where it cannot be computed."""
    matrices = [one.detach().double().numpy() for one in Hypernetwork.load(checkpoint).parameters() if one.ndim == 2]
    if not all(np.isfinite(one).all() for one in matrices):
        return None
    found = [alpha(np.linalg.svd(one, compute_uv=False) ** 2) for one in matrices]
    told = [one for one in found if one is not None]
    return round(float(np.mean(told)), 3) if told else None


def alpha(eigenvalues: np.ndarray) -> float | None:
    """1 + n / sum ln(x / x_min), for the x_min whose tail is nearest to a power law; None for too few."""
    ordered = np.sort(eigenvalues[eigenvalues > 1e-12])
    tails = (ordered[at:] for at in range(len(ordered) - FEWEST + 1))
    fits = [_fitted(tail) for tail in tails if tail[-1] > tail[0]]
    return min(fits)[1] if fits else None


def _fitted(tail: np.ndarray) -> tuple[float, float]:
    """(distance to the fitted power law, its exponent)."""
    logs = np.log(tail / tail[0])
    exponent = 1 + len(tail) / logs.sum()
    law = 1 - np.exp((1 - exponent) * logs)
    seen = np.arange(len(tail)) / len(tail)
    return float(np.abs(law - seen).max()), float(exponent)
