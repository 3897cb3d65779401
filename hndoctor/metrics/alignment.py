"""Whether colours change together: at an edge of anything they do, in noise each goes its own way."""

from __future__ import annotations

import numpy as np

from hndoctor.metrics.grids import Floats, opponent
from hndoctor.metrics.pixels import Pixels, measure, once

EVEN = 0.1  # share of the loudest channel's energy that every weight holds: a faint channel does not speak as loudly
ROUNDING = (2 / 255) ** 2  # squared gradient that is rounding, a JPEG's too: so much of it counts as going together


@measure
def colour_alignment(pixels: Pixels) -> float:
    """How far the gradients of luma, R−G and Y−B lie on one line, coarse grid.

    Σ (λ₁ − λ₂ + f) / Σ (λ₁ + λ₂ + f) over all corners of four values; λ are the eigenvalues of Σ_c w_c ∇c ∇cᵀ (Di
    Zenzo, CVGIP 33, 1986), w_c = 1 / (E_c + .1 max E + r), E_c a channel's mean squared gradient, r = (2/255)² what
    rounding makes, f = r Σ w_c.  1: one outline for all colours, as at the edge of a thing, in bands of all hues and in
    grey pictures, or hardly any gradient; about .8: three fields that know nothing of each other.
    Photographs .88 / .97 / 1.0; decoded latent noise .71 / .80 / .88.
    """
    return _alignment(pixels.coarse_opponent)


@measure
def fine_colour_alignment(pixels: Pixels) -> float:
    """The same on the fine grid: at seams of mosaics colours change together, inside their stones not at all.

    Photographs .86 / .96 / 1.0; decoded latent noise .75 / .82 / .89.
    """
    return _ratio(*fine_alignment(pixels))


@measure
def broad_colour_alignment(pixels: Pixels) -> float:
    """The same on blocks of eight fine values: whether the composition is one for all colours.

    Photographs .84 / .96 / 1.0; decoded latent noise .67 / .75 / .84.
    """
    return _alignment(opponent(pixels.broad))


@once
def fine_alignment(pixels: Pixels) -> tuple[Floats, Floats]:
    """What `fine_colour_alignment` divides, and by what, at every corner of four values, (h − 1, w − 1) each."""
    return _parts(pixels.fine_opponent)


def _alignment(channels: Floats) -> float:
    return _ratio(*_parts(channels))


def _ratio(apart: Floats, whole: Floats) -> float:
    return float(apart.sum(dtype=np.float64) / whole.sum(dtype=np.float64))


def _parts(channels: Floats) -> tuple[Floats, Floats]:
    if min(channels.shape[1:]) < 2:
        return np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)
    upper, lower = channels[:, :-1], channels[:, 1:]
    across = (upper[..., 1:] - upper[..., :-1] + lower[..., 1:] - lower[..., :-1]) / 2
    down = (lower[..., :-1] - upper[..., :-1] + lower[..., 1:] - upper[..., 1:]) / 2
    energy = (across * across + down * down).mean(axis=(1, 2))
    weight = (1 / (energy + EVEN * energy.max() + ROUNDING)).astype(np.float32)
    xx, yy, xy = (np.einsum("c,chw->hw", weight, v) for v in (across * across, down * down, across * down))
    least = np.float32(ROUNDING * weight.sum())
    return np.hypot(xx - yy, 2 * xy) + least, xx + yy + least
