"""Fits hndoctor/calibration/table.py from what was measured: ``python -m benchmarks.previews.calibrate --write``.

All of it: the coefficients of every branch, their spread over families, how a picture is judged beside others, what
is fried, blank or repeated, and the floors.  Works from measured.npz beside this file (see measure.py and
dying.py), so that neither pictures nor runs are needed; without ``--write`` it only says whether the table stands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.previews import pairs as pairing
from benchmarks.previews.evidence import (
    GREY_PRIOR,
    LIKE_SOUND,
    PRIOR,
    SOUND,
    blob_tasks,
    grey_tasks,
    noise_tasks,
    severity_tasks,
    task,
)
from benchmarks.previews.families import unit
from benchmarks.previews.fitting import Floats, balanced, covariance, logistic, recalibrated, units_of
from benchmarks.previews.labels import FEW, settled
from benchmarks.previews.mapping import Map, maps_of
from benchmarks.previews.measure import PACKED
from benchmarks.previews.measuring import NAMES, Table, load
from benchmarks.previews.tasks import Task, agreeing, left_out, transformed
from benchmarks.previews.writing import KEPT, Calibrated, branch, kept, rendered, widened
from hndoctor.calibration import FORMS, Branch
from hndoctor.calibration.beside import COMPARED, FRIED, fried_features
from hndoctor.calibration.logistic import NINETY
from hndoctor.metrics.tiles import tiles_among, weighed

__all__ = ["TABLE", "Calibrated", "calibrated", "kept", "text_of", "tuning_rows"]
TABLE = Path(__file__).parents[2] / "hndoctor" / "calibration" / "table.py"
SEED = 0
COLOURED = 10.0  # M3 of a picture whose colours can burn: a grey one that is tinted gains any number of times
TILES = ("tile_chroma", "tile_luma", "tile_entropy", "tile_kurtosis", "tile_alignment")
AMONG = ("own", "around", "calmest", "whole", *(f"{name}_apart" for name in TILES))
FINE = 10.0  # weight, against what is blank, of the one family whose contrast is all finer than the grid
Say = Callable[[str], None]


@dataclass(frozen=True)
class Alone:
    """Judged alone: the branches, and the log odds of every row by fits that did not see its family."""

    branches: dict[str, Branch]
    slopes: dict[str, float]
    held_out: Floats  # of colourful noise, fine or in blobs
    held_out_grey: Floats  # of noise without colour


def alone(table: Table, say: Say) -> Alone:
    """Fit and recalibrate the branches of colourful noise, and of grey."""
    branches: dict[str, Branch] = {}
    slopes: dict[str, float] = {}
    held: dict[str, Floats] = {}
    for name, wanted in (noise_tasks(table) | grey_tasks(table)).items():
        odds = left_out(wanted)
        slopes[name] = round(recalibrated(odds, wanted.truth, wanted.weight), 3)
        first = expected(fitted(wanted, slopes[name]), wanted.prior)
        held[name] = slopes[name] * odds + wanted.prior
        branches[name] = widened(first, widening(first, wanted, held[name]))
        say(f"{name}: slope held out {slopes[name]:.2f}")
    sizes = [either(held[f"fine noise, {s}"], held[f"blobs, {s}"]) for s in ("large", "small")]
    grey = [
        either(either(held["grey static"], held[f"grey noise, {s}"]), held[f"tinted noise, {s}"])
        for s in ("large", "small")
    ]
    apart = (np.where(table.small, small, large).round(2) for large, small in (sizes, grey))
    return Alone(branches, slopes, *apart)


def either(one: Floats, other: Floats) -> Floats:
    """Log odds that one or the other holds, were they independent: those of 1 − (1 − p)(1 − q)."""
    return np.asarray(np.logaddexp(np.logaddexp(one, other), one + other))


def expected(one: Branch, prior: float = PRIOR) -> Branch:
    """A branch that was fitted to as much noise as not, for as little of it as is to be expected."""
    return replace(one, intercept=round(one.intercept + prior, 4))


def fitted(wanted: Task, slope: float = 1.0, spread: bool = True) -> Branch:
    """A branch, its coefficients and their spread recalibrated by `slope`."""
    fit, table = wanted.fit(), wanted.table
    wide = covariance(fit, wanted.truth, wanted.weight, wanted.units, wanted.fit) if spread else None
    sound = (wanted.weight > 0) & (wanted.truth < 0.5) & (table.group != "deceptive")
    middles = [
        [float(np.median(table.column(m)[rows])) for m in wanted.measures]
        for rows in (sound, (wanted.weight > 0) & (wanted.truth >= 0.5))
    ]
    return branch(wanted.measures, fit, wide, *middles, slope, wanted.scale if wanted.bends else None)


def widening(one: Branch, wanted: Task, held: Floats) -> float:
    """The factor by which intervals must grow to hold 90 % of what fits without the family say, families alike."""
    used = np.flatnonzero(wanted.weight > 0)
    rows = [one.features(wanted.table.score_of(i), FORMS) for i in used]
    apart = np.array([abs(one.log_odds(x) - h) / one.deviation(x) for x, h in zip(rows, held[used], strict=True)])
    order = np.argsort(apart)
    share = np.cumsum(wanted.weight[used][order])
    return max(1.0, float(apart[order][np.searchsorted(share, 0.9 * share[-1])]) / NINETY)


def plain(table: Table, measures: tuple[str, ...], positive: NDArray[np.bool_]) -> Branch:
    """A branch of given measures, against everything that is sound or noise."""
    others = np.isin(table.group, (*LIKE_SOUND, "deceptive", "noise", FEW, "dying")) & ~positive
    wanted = task(table, positive, others, measures=measures)
    return fitted(replace(wanted, weight=wanted.weight * np.where(table.family == "fine pattern", FINE, 1.0)))


def others(table: Table) -> dict[str, Branch]:
    """All branches that need no held-out odds."""
    tasks = severity_tasks(table) | blob_tasks(table)
    return {name: fitted(wanted, spread=False) for name, wanted in tasks.items()} | {
        # with the finest grain: checks of two pixels have no contrast on the coarse grid, and are a picture
        "blank": plain(table, ("contrast", "immerkaer_sigma"), table.group == "blank"),
        "repeated": plain(table, ("repetition",), table.group == "repeated"),
        "fried": frying(table),
    }


def frying(table: Table) -> Branch:
    """Fried copies against drifted ones, and the pocket model's own at a burning CFG scale."""
    copies = (table.pair >= 0) & np.array([str(g).endswith(("drifted", "fried")) for g in table.group])
    rows = np.flatnonzero(copies & (table.column("colourfulness")[table.pair] >= COLOURED))
    seen = [fried_features(table.score_of(i), [table.score_of(table.pair[i])]) for i in rows]
    x = np.array([[FRIED[n].of(s[n]) for n in FRIED] for s in seen])
    truth = np.array([str(table.group[i]).endswith("fried") for i in rows])
    return _plainly(tuple(FRIED), x, truth, table.family[rows])


def relative(table: Table, first: Alone, widths: dict[str, float]) -> dict[str, Branch]:
    """How a picture is judged beside others, from the held-out log odds of every row, judged alone."""
    return _beside(table, first.held_out, widths, "", pairing.COLOURFUL, PRIOR) | _beside(
        table, first.held_out_grey, widths, "grey ", pairing.GREY, GREY_PRIOR
    )


def _beside(
    table: Table, odds: Floats, widths: dict[str, float], kind: str, noise: tuple[str, ...], prior: float
) -> dict[str, Branch]:
    found = {}
    odds = np.clip(odds, -8, 8)
    for name, make in (("beside itself", pairing.beside_itself), ("beside its kind", pairing.beside_kind)):
        pairs = make(table, SEED, noise)
        x = pairing.compared(table, pairs, odds, widths)
        x = np.array([[form.of(v) for form, v in zip(COMPARED.values(), row, strict=True)] for row in x])
        families = np.array([f"{p.family}/{p.way}" for p in pairs])
        truth = np.array([p.noise for p in pairs])
        weight = balanced(families, truth, np.ones(len(truth), bool), np.ones(len(truth)))
        kept = agreeing(x, truth.astype(float), weight)
        fit = _plainly(tuple(np.array(tuple(COMPARED))[kept].tolist()), x[:, kept], truth, families)
        found[kind + name] = expected(fit, prior)
    return found


def _plainly(names: tuple[str, ...], x: Floats, truth: NDArray[np.bool_], families: NDArray[np.str_]) -> Branch:
    weight = balanced(families, truth, np.ones(len(truth), bool), np.ones(len(truth)))
    fit, y = logistic(x, truth.astype(float), weight), truth.astype(float)
    units = np.array([unit(str(f).split("/")[0]) for f in families])
    spread = covariance(fit, y, weight, units, lambda w, first: logistic(x, y, w, first))
    middles = [[float(v) for v in np.median(x[rows], axis=0)] for rows in (~truth, truth)]
    return branch(names, fit, spread, *middles)


def floors(table: Table) -> dict[str, float]:
    """A quarter of the interquartile range over sound pictures, on the form's scale (science §A.3)."""
    sound = np.isin(table.group, SOUND)
    found = {}
    for name in NAMES:
        low, high = np.quantile(transformed(name, table.column(name)[sound]), (0.25, 0.75))
        found[name] = max(float(high - low) / 4, 1e-3)
    return found


def tile_branches(table: Table, maps: Sequence[Map], odds: Floats) -> dict[str, Branch]:
    """Tiles of noise against tiles of pictures, by themselves and among the others of their frame.

    Deceptive ones are left out; half of the weight is of pictures with both.  `odds`: held-out log odds of every row,
    judged alone.
    """
    own = _tile_branch(TILES, maps, [m.features for m in maps])
    among = [tiles_among(m.features, weighed(own, m.features), odds[m.row]) for m in maps]
    return {"tile": own, "tile among others": _tile_branch(AMONG, maps, among)}


def _tile_branch(names: tuple[str, ...], maps: Sequence[Map], terms: Sequence[Floats]) -> Branch:
    x, truth = (np.concatenate([one.reshape(m.noisy.size, -1) for one, m in zip(some, maps, strict=True)])
                for some in (terms, [m.noisy for m in maps]))  # fmt: skip
    truth, weight = truth.ravel(), np.zeros(len(truth))
    share = np.concatenate([np.full(m.noisy.size, 1 / m.noisy.size) for m in maps])
    both = np.concatenate([np.full(m.noisy.size, len(np.unique(m.noisy[np.isfinite(m.noisy)])) > 1) for m in maps])
    for kind in (both, ~both):
        for side in (0.0, 1.0):
            rows = kind & (truth == side)
            weight[rows] = share[rows] / max(share[rows].sum(), 1e-12)
    fit = logistic(x, np.nan_to_num(truth), weight)
    middles = [[float(v) for v in np.median(x[truth == side], axis=0)] for side in (0.0, 1.0)]
    return branch(names, fit, None, *middles)


def tuning_rows(table: Table) -> Table:
    """The pieces that may be fitted on."""
    held = np.char.startswith(table.piece.astype(str), "unseen") | (table.piece == "dying report")
    return table.rows(~held)


def calibrated(whole: Table, say: Say) -> Calibrated:
    """The whole table."""
    table = tuning_rows(whole)
    maps = maps_of(table)
    first = alone(table, say)
    widths = floors(table)
    beside = relative(table, first, widths)
    branches = first.branches | others(table) | beside | tile_branches(table, maps, first.held_out)
    counts = ", ".join(f"{int((table.group == g).sum())} {g}" for g in np.unique(table.group))
    kinds = len(np.unique(units_of(table.family)))
    told = f"From {len(table.small)} measured pictures of {kinds} kinds, seed {SEED}: {counts}."
    held = (tuple(odds.tolist()) for odds in (first.held_out, first.held_out_grey))
    return Calibrated(told, branches, widths, first.slopes, *held)


def text_of(known: Calibrated) -> str:
    """The module of the table, as text."""
    return rendered(known.provenance, known.branches, known.floors, FORMS)


def main() -> None:
    """Fit; write, or say whether the table stands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=PACKED)
    parser.add_argument("--write", action="store_true", help="write the table into the code")
    wanted = parser.parse_args()
    known = calibrated(settled(load(wanted.measured)), lambda line: sys.stdout.write(f"{line}\n") and None)
    if wanted.write:
        KEPT.write_bytes(msgspec.json.encode(known) + b"\n")
        TABLE.write_text(text_of(known), encoding="utf-8", newline="\n")
    same = TABLE.read_text(encoding="utf-8") == text_of(known)
    sys.stdout.write("the table in the code is this one\n" if same else "the table in the code is ANOTHER one\n")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
