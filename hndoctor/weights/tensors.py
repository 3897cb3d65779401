"""The numbers of one tensor: counts, norms, spectrum."""

from __future__ import annotations

import numpy as np

from hndoctor.formats.mapped import LARGE, STRETCH, ease
from hndoctor.formats.types import Array
from hndoctor.records import TensorVitals
from hndoctor.weights.spectral import Spectral, largest_singular
from hndoctor.weights.tallies import ORDINARY, Tally, clamped, tally, zeros


def vitals_of(
    name: str,
    array: Array,
    dtype: str,
    start: Array | None = None,
    rough: bool = False,
    counted: Tally | None = None,
) -> tuple[TensorVitals, Spectral | None]:
    """All numbers of one tensor, and the direction of its largest singular value to start from next time.

    `rough`: the bracket of the spectral norm may be wide, and the ranks, which need it, are left out.  `counted` is
    its tally, where that is known already.
    """
    counted, empty = counted or tally(array), zeros(array)
    spectral = _spectral(array, counted, start, rough)
    ease()
    bracket = None if spectral is None else (clamped(spectral.lower), clamped(spectral.upper))
    made = TensorVitals(
        name=name,
        shape=tuple(array.shape),
        dtype=dtype,
        count=counted.count,
        nan=counted.nan,
        posinf=counted.posinf,
        neginf=counted.neginf,
        zeros=empty,
        max_abs=counted.max_abs,
        rms=counted.rms,
        frobenius=counted.norm,
        spectral=bracket,
        stable_rank=(counted.norm / bracket[0]) ** 2 if bracket and bracket[0] > 0 and not rough else None,
        effective_rank=spectral.effective_rank if spectral and not rough else None,
        dead_rows=_dead_rows(array, empty) if array.ndim == 2 else None,
    )
    return made, spectral


def _spectral(array: Array, counted: Tally, start: Array | None, rough: bool) -> Spectral | None:
    """None for what is not a finite matrix; extreme values are scaled before, so that float32 can hold them."""
    if array.ndim != 2 or array.dtype.kind != "f" or counted.finite < counted.count or counted.count == 0:
        return None
    if array.nbytes > LARGE:  # no hypernetwork's: Stable Diffusion XL's largest, 2048 x 8192, has half of that
        return None
    if counted.max_abs == 0:
        return Spectral(0.0, 0.0, np.zeros(array.shape[1], np.float32))
    if ORDINARY[0] < counted.max_abs < ORDINARY[1]:
        return largest_singular(array, start, rough, counted.norm)
    scaled = largest_singular(array.astype(np.float64) / counted.max_abs, start, rough)
    lower, upper = scaled.lower * counted.max_abs, scaled.upper * counted.max_abs
    return Spectral(lower, upper, scaled.direction, scaled.effective_rank)


def _dead_rows(array: Array, empty: int) -> int:
    """Rows that are exactly zero; looked for only where there are zeros enough for one."""
    if empty < array.shape[1] or array.size == 0:
        return 0
    height = max(1, STRETCH // max(1, array.shape[1] * array.itemsize))
    dead = 0
    for top in range(0, len(array), height):
        dead += int((~array[top : top + height].any(axis=1)).sum())
        ease()
    return dead
