"""The largest singular value of a matrix with an honest bracket, and its effective rank.

Golub-Kahan-Lanczos bidiagonalisation with full reorthogonalisation: products in float32, everything small in float64.
From a random start it needs 25 to 40 products on a matrix of pure noise (which has no gap, the hard case) and a handful
when started from the checkpoint before.  The lower end is a Rayleigh quotient and so certain up to rounding; the upper
end is that plus the residual, certain unless the start was blind to the largest direction (a random part is always
mixed in).  Where nobody needs it so exactly (`rough`), two products give a bracket up to the Frobenius norm.

The effective rank is the participation ratio (sum s^2)^2 / sum s^4.  Within the directions V that Lanczos has found,
sum s^4 is known exactly (A'A V = V B'B + residual); in what is left of the space it is the sum of all squared inner
products of two rows, estimated from some of the rows.  So it is right for matrices that have collapsed to a few
directions, good to a few per cent for noise, and to some 15 % where a few rows carry most of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hndoctor.formats.types import Array

TOLERANCE = 1e-3  # width of the bracket, relative, at which to stop; with 3e-3 the next, warm value was 2e-3 off
WARM_TOLERANCE = 3e-3  # the same from a warm start, where the value itself is then already good to about 1e-4
MOST_STEPS = 60
EXACT_BELOW = 1 << 15  # elements up to which the whole decomposition is cheaper: all of the pocket model's matrices
ROUNDING = 2e-6  # relative error that float32 products may leave in the value
STIR = 0.02  # share of a random direction mixed into a warm start
ROWS = 96  # sampled for the rest of sum s^4: 4,560 pairs, of which the mean square is good to 2 %
SEED = 7


@dataclass(frozen=True)
class Spectral:
    """The bracket of the largest singular value, and its right singular vector to start from next time."""

    lower: float
    upper: float
    direction: Array
    effective_rank: float | None = None  # (sum s^2)^2 / sum s^4; None where only a rough bracket was asked for


def largest_singular(
    matrix: Array, start: Array | None = None, rough: bool = False, norm: float | None = None
) -> Spectral:
    """Of a finite 2-D matrix without extreme values; `start` is the `direction` of a similar matrix.

    `norm` is its Frobenius norm, where that is known already.
    """
    if matrix.size <= EXACT_BELOW and not rough:
        return _exact(matrix)
    a = matrix.astype(np.float32, copy=False)
    first = _first(a.shape[1], start)
    norm = float(np.linalg.norm(a)) if norm is None else norm
    return _rough(a, first, norm) if rough else _lanczos(a, first, TOLERANCE if start is None else WARM_TOLERANCE, norm)


def _exact(matrix: Array) -> Spectral:
    _, values, right_vectors = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    top = float(values[0])
    return Spectral(top, top, right_vectors[0].astype(np.float32), _participation(values**2))


def _participation(squares: Array) -> float | None:
    scaled = squares / squares.max() if squares.max() > 0 else squares
    return float(scaled.sum() ** 2 / (scaled**2).sum()) if scaled.any() else None


def _rough(a: Array, first: Array, upper: float) -> Spectral:
    left = a @ first
    right = a.T @ left
    lower = float(np.linalg.norm(right) / np.linalg.norm(left)) if left.any() else 0.0
    direction = right / np.float32(np.linalg.norm(right)) if right.any() else first
    return Spectral(min(lower, upper) * (1 - ROUNDING), upper * (1 + ROUNDING), direction)


@dataclass
class _Basis:
    """Orthonormal rows, as many as have been found."""

    rows: Array
    count: int = 0

    def add(self, vector: Array) -> float:
        """Add the part of a vector that is orthogonal to all rows; returns that part's length (twice is enough)."""
        known = self.rows[: self.count]
        for _ in range(2 if self.count else 0):
            vector = vector - (known @ vector) @ known
        length = float(np.linalg.norm(vector))
        self.rows[self.count] = vector / np.float32(length) if length > 0 else 0
        self.count += 1
        return length

    @property
    def last(self) -> Array:
        row: Array = self.rows[self.count - 1]
        return row


def _lanczos(a: Array, first: Array, tolerance: float, norm: float) -> Spectral:
    most = min(MOST_STEPS, *(n + 1 for n in a.shape))
    lefts, rights = (_Basis(np.empty((most + 1, n), np.float32)) for n in a.shape)
    small = np.zeros((most, most + 1))  # B, bidiagonal, and the last beta beside it
    rights.add(first)
    for k in range(most):
        small[k, k] = lefts.add(a @ rights.last)
        small[k, k + 1] = rights.add(a.T @ lefts.last)
        stuck = small[k, k] == 0 or small[k, k + 1] == 0
        if not (_worth_a_look(k + 1) or stuck or k + 1 == most):
            continue
        left_vectors, values, right_vectors = np.linalg.svd(small[: k + 1, : k + 1])
        residual = float(small[k, k + 1] * abs(left_vectors[-1, 0]))
        if residual <= tolerance * values[0] or stuck:
            break
    direction = right_vectors[0].astype(np.float32) @ rights.rows[: k + 1]
    value = float(values[0])
    rank = _effective_rank(a, rights.rows[: k + 1], small[: k + 1, : k + 2], norm / value) if value > 0 else None
    return Spectral(value * (1 - ROUNDING), (value + residual) * (1 + ROUNDING), direction, rank)


def _worth_a_look(steps: int) -> bool:
    """The small decomposition costs more than a product later on: every step at first, then every fourth."""
    return steps <= 6 or steps % 4 == 0


def _first(length: int, start: Array | None) -> Array:
    noise: Array = np.random.default_rng(SEED).standard_normal(length, dtype=np.float32)
    noise /= np.linalg.norm(noise)
    if start is None or start.shape != (length,):
        return noise
    mixed: Array = (start + STIR * noise).astype(np.float32)
    return mixed / np.float32(np.linalg.norm(mixed))


# --- effective rank ---------------------------------------------------------------------------------------------------


def _effective_rank(a: Array, found: Array, small: Array, norm: float) -> float:
    """Of A / s1, s1 being the largest singular value, and `norm` the Frobenius norm of that.

    `found` are Lanczos' right vectors V as rows, `small` its B with the last beta: A'A V = V B'B + a b v e'.
    """
    squares, top = norm**2, float(np.linalg.norm(small[:, :-1], 2))
    inner = small[:, :-1] / top
    leaking = (small[-1, -1] / top * inner[-1, -1]) ** 2  # what A'A carries out of V, and as much back into it
    left_over = max(0.0, squares - float((inner**2).sum()))
    fourths = float(np.linalg.norm(inner.T @ inner) ** 2) + 2 * leaking
    fourths += _fourths_left_over(a, found, top, left_over)
    stable = squares  # as sum s^4 <= s1^2 sum s^2, the effective rank is no less
    return float(min(max(squares**2 / fourths, stable), min(a.shape)))


def _fourths_left_over(a: Array, found: Array, top: float, squares: float) -> float:
    """The sum of (r_i r_j)^2 over all pairs of rows of A without the directions found, from a sample of rows.

    `squares` is the sum of r_i^2, which is known: scaled to it, the estimate is exact for a single direction too.
    """
    count = len(a)
    rows = a if count <= ROWS else a[_sample(count)]
    rows = (rows - (rows @ found.T) @ found) / np.float32(top)
    products = (rows @ rows.T).astype(np.float64)
    taken, seen = len(rows), float(np.trace(products))
    own = float((np.diag(products) ** 2).sum())
    others = float((products**2).sum()) - own
    if seen <= 0:
        return 0.0
    fourths = own * count / taken + others * count * (count - 1) / max(1, taken * (taken - 1))
    return fourths * (squares / (seen * count / taken)) ** 2


@lru_cache(maxsize=16)
def _sample(count: int) -> Array:
    return np.sort(np.random.default_rng(SEED + 1).choice(count, ROWS, replace=False))
