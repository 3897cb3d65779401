"""The largest singular value of a matrix with an honest bracket, by Lanczos bidiagonalisation.

Golub-Kahan-Lanczos with full reorthogonalisation: products in float32, everything small in float64.  From a random
start it needs 25 to 40 products on a matrix of pure noise (which has no gap, the hard case) and a handful when started
from the checkpoint before.  The lower end is a Rayleigh quotient and so certain up to rounding; the upper end is that
plus the residual, certain unless the start was blind to the largest direction (a random part is always mixed in).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hndoctor.formats.types import Array

TOLERANCE = 1e-3  # width of the bracket, relative, at which to stop
WARM_TOLERANCE = 3e-3  # the same from a warm start, where the value itself is then already good to about 1e-4
MOST_STEPS = 60
EXACT_BELOW = 4096  # elements up to which the whole decomposition is cheaper
ROUNDING = 2e-6  # relative error that float32 products may leave in the value
STIR = 0.02  # share of a random direction mixed into a warm start
SEED = 7


@dataclass(frozen=True)
class Spectral:
    """The bracket of the largest singular value, and its right singular vector to start from next time."""

    lower: float
    upper: float
    direction: Array


def largest_singular(matrix: Array, start: Array | None = None) -> Spectral:
    """Of a finite 2-D matrix without extreme values; `start` is the `direction` of a similar matrix."""
    if matrix.size <= EXACT_BELOW:
        return _exact(matrix)
    a = matrix.astype(np.float32, copy=False)
    tolerance = TOLERANCE if start is None else WARM_TOLERANCE
    rights: list[Array] = [_first(a.shape[1], start)]
    lefts: list[Array] = []
    alphas: list[float] = []
    betas: list[float] = []
    for _ in range(min(MOST_STEPS, *(n + 1 for n in a.shape))):
        left, alpha = _orthogonal(a @ rights[-1], lefts)
        lefts.append(left)
        alphas.append(alpha)
        right, beta = _orthogonal(a.T @ left, rights)
        left_vectors, values, right_vectors = np.linalg.svd(np.diag(alphas) + np.diag(betas, 1))
        residual = float(beta * abs(left_vectors[-1, 0]))
        if residual <= tolerance * values[0] or alpha == 0 or beta == 0:
            break
        rights.append(right)
        betas.append(beta)
    direction = np.array(rights[: len(alphas)]).T @ right_vectors[0].astype(np.float32)
    value = float(values[0])
    return Spectral(value * (1 - ROUNDING), (value + residual) * (1 + ROUNDING), direction)


def _exact(matrix: Array) -> Spectral:
    _, values, right_vectors = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return Spectral(float(values[0]), float(values[0]), right_vectors[0].astype(np.float32))


def _first(length: int, start: Array | None) -> Array:
    noise: Array = np.random.default_rng(SEED).standard_normal(length, dtype=np.float32)
    noise /= np.linalg.norm(noise)
    if start is None or start.shape != (length,):
        return noise
    mixed: Array = (start + STIR * noise).astype(np.float32)
    return mixed / np.float32(np.linalg.norm(mixed))


def _orthogonal(vector: Array, basis: list[Array]) -> tuple[Array, float]:
    """The part of a vector that is orthogonal to a basis, normalised, and its length (twice is enough)."""
    if basis:
        rows = np.array(basis)
        for _ in range(2):
            vector = vector - rows.T @ (rows @ vector)
    length = float(np.linalg.norm(vector))
    return (vector / np.float32(length) if length > 0 else vector), length
