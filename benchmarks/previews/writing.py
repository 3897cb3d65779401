"""Fits as branches, and branches as the text of hndoctor/calibration/table.py."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.previews.fitting import Fit, Floats
from hndoctor.calibration.logistic import Branch, Form, Term

KEPT = Path(__file__).with_name("calibrated.json")
DIGITS = 4  # significant ones
DIRECTIONS = 8  # of the coefficients' spread that are kept; intervals are widened to hold what they must anyway
WIDTH = 118

HEAD = '''"""Fitted by ``python -m benchmarks.previews.calibrate --write``; not to be edited.

{provenance}
"""

from __future__ import annotations

from hndoctor.calibration.logistic import Branch, Term

#: A quarter of the interquartile range of each measure over sound pictures, on its form's scale.
FLOORS: dict[str, float] = {{
{floors}
}}

TABLE: dict[str, Branch] = {{
{branches}
}}
'''


@dataclass(frozen=True)
class Calibrated:
    """All that the table holds, and where it came from."""

    provenance: str
    branches: dict[str, Branch]
    floors: dict[str, float]
    slopes: dict[str, float]  # of the recalibration on families held out, by branch
    held_out: tuple[float, ...]  # log odds of noise of every tuning row, its family held out
    held_out_grey: tuple[float, ...] = ()  # the same of noise without colour


def kept() -> Calibrated:
    """What the last run of this script wrote."""
    return msgspec.json.decode(KEPT.read_bytes(), type=Calibrated)


def branch(
    measures: Sequence[str],
    fit: Fit,
    covariance: Floats | None,
    typical: Sequence[float],
    found: Sequence[float],
    slope: float = 1.0,
    scale: tuple[Floats, Floats] | None = None,
) -> Branch:
    """A fit as the code takes it, coefficients and their spread times `slope`, to four digits.

    `scale`: of the measures, where the fit has their squares too; it takes these standardised, the code does not.
    """
    plainly = _unscaled(fit, scale) * slope
    weights, count = plainly @ fit.coefficients, len(measures)
    middle, width = (fit.middle, fit.spread) if scale is None else scale
    bends = weights[count + 1 :] if scale is not None else np.zeros(count)
    terms = tuple(
        Term(m, *(_short(v) for v in numbers))
        for m, *numbers in zip(measures, weights[1 : count + 1], middle, width, typical, found, bends, strict=True)
    )
    spread = () if covariance is None else _factor(plainly @ covariance @ plainly.T)
    return Branch(_short(weights[0]), terms, spread)


def _unscaled(fit: Fit, scale: tuple[Floats, Floats] | None) -> Floats:
    """The matrix that takes coefficients of what the fit standardised to those of measures on their own `scale`."""
    matrix = np.eye(len(fit.coefficients))
    if scale is not None:
        count = len(scale[0])
        middle, spread = (np.r_[own, np.full(count, plain)] for own, plain in zip(scale, (0.0, 1.0), strict=True))
        matrix[1:, 1:] = np.diag(spread / fit.spread)
        matrix[0, 1:] = (middle - fit.middle) / fit.spread
    return matrix


def _factor(covariance: Floats) -> tuple[tuple[float, ...], ...]:
    """F of F Fᵀ, the covariance in its widest directions."""
    values, vectors = np.linalg.eigh(covariance)
    kept = slice(-min(DIRECTIONS, len(values)), None)
    columns = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))
    columns *= np.where(columns[np.abs(columns).argmax(axis=0), range(columns.shape[1])] < 0, -1, 1)
    return tuple(tuple(_short(v, 3) for v in row) for row in columns[:, ::-1])


def widened(one: Branch, factor: float) -> Branch:
    """The same with its spread times a factor."""
    rows = tuple(tuple(_short(v * factor, 3) for v in row) for row in one.deviations)
    return replace(one, deviations=rows)


def _short(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")


def rendered(
    provenance: str, branches: Mapping[str, Branch], floors: Mapping[str, float], forms: Mapping[str, Form]
) -> str:
    """The whole module as text, as ruff formats it."""
    widths = "\n".join(f'    "{name}": {_short(floors[name])},' for name in forms if name in floors)
    told = "\n".join(f'    "{name}": {_branch(one)},' for name, one in branches.items())
    text = "\n".join(textwrap.wrap(provenance, WIDTH))
    return HEAD.format(provenance=text, floors=widths, branches=told)


def _branch(one: Branch) -> str:
    bends = [f", {t.bend}" if one.bends else "" for t in one.terms]
    told = [
        f'Term("{t.measure}", {t.weight}, {t.middle}, {t.spread}, {t.typical}, {t.found}{bend})'
        for t, bend in zip(one.terms, bends, strict=True)
    ]
    many = "(\n" + "\n".join(f"            {term}," for term in told) + "\n        )"
    terms = many if len(told) > 1 else f"({told[0]},)"
    rows = "\n".join(f"            {_tuple(row)}," for row in one.deviations)
    spread = f"(\n{rows}\n        )" if one.deviations else "()"
    return f"Branch(\n        {one.intercept},\n        {terms},\n        {spread},\n    )"


def _tuple(row: Sequence[float]) -> str:
    return f"({row[0]},)" if len(row) == 1 else f"({', '.join(map(str, row))})"
