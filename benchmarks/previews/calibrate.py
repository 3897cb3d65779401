"""Fits hndoctor/calibration/table.py from what was measured: ``python -m benchmarks.previews.calibrate --write``.

All of it: which measures a branch takes, its coefficients, their spread over families, how a picture is judged beside
others, what is fried, blank or repeated, and the floors.  Works from measured.npz beside this file (see measure.py and
dying.py), so that neither pictures nor runs are needed; without ``--write`` it only says whether the table stands.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.previews import pairs as pairing
from benchmarks.previews.choosing import Task, choose, design, nested, transformed
from benchmarks.previews.families import unit
from benchmarks.previews.fitting import Fit, Floats, balanced, covariance, logistic, recalibrated, units_of
from benchmarks.previews.measure import PACKED
from benchmarks.previews.measuring import NAMES, Table, load
from benchmarks.previews.writing import KEPT, Calibrated, branch, kept, rendered, widened
from hndoctor.calibration import FORMS, Branch
from hndoctor.calibration.beside import COMPARED, FRIED, fried_features
from hndoctor.calibration.logistic import NINETY

__all__ = ["TABLE", "Calibrated", "calibrated", "kept", "refitted", "text_of", "tuning_rows"]
TABLE = Path(__file__).parents[2] / "hndoctor" / "calibration" / "table.py"
SEED = 0
SOUND = ("photo", "art", "pocket")
LIKE_SOUND = (*SOUND, "bare", "dying sound")
DECEPTIVE = 0.1  # weight of a deceptive family: alone it may look like noise
FOUND = 3.0  # weight of a family of noise decoded in Stable Diffusion's own latent space, the real thing
BLOBS = ("smooth 1.5", "smooth 3")
COLOURED = 10.0  # M3 of a picture whose colours can burn: a grey one that is tinted gains any number of times
GREY = ("broad_gradient_kurtosis", "gradient_kurtosis", "calm_tile_rms", "tile_rms_variation", "spectral_flatness",
        "local_grey_entropy", "long_lag_autocorrelation", "coherence", "colourfulness", "spectral_slope",
        "saturation", "high_frequency_ratio", "repetition")  # fmt: skip
Say = Callable[[str], None]


@dataclass(frozen=True)
class Alone:
    """Judged alone: the branches, and the log odds of every row by fits that did not see its family."""

    branches: dict[str, Branch]
    slopes: dict[str, float]
    choices: dict[str, dict[str, int]]
    held_out: Floats  # of colourful noise, fine or in blobs


def task(table: Table, noise: NDArray[np.bool_], sound: NDArray[np.bool_], **more: object) -> Task:
    """What tells `noise` from `sound`, families weighed equally; other rows are only scored."""
    families, units = table.family, units_of(table.family)
    factor = np.where(table.group == "deceptive", DECEPTIVE, 1.0)
    factor = np.where(np.char.startswith(families.astype(str), "found"), FOUND, factor)
    weight = balanced(families, noise, noise | sound, factor)
    return Task(table, noise.astype(float), weight, units, **more)  # type: ignore[arg-type]


def noise_tasks(table: Table) -> dict[str, Task]:
    """The four branches of colourful noise: fine and in blobs, of large and of small pictures."""
    units = units_of(table.family)
    pictures = np.isin(table.group, (*LIKE_SOUND, "deceptive"))
    colourful = np.isin(table.group, ("noise", "pixel noise", "dying"))
    blobs = np.isin(units, BLOBS)
    found = {}
    for size, rows in (("large", ~table.small), ("small", table.small)):
        found[f"fine noise, {size}"] = task(table, colourful & ~blobs & rows, pictures & rows)
        found[f"blobs, {size}"] = task(table, colourful & (blobs | (units == "smooth 0.7")) & rows, pictures & rows)
    return found


def _nested(name: str, wanted: Task, keep: Path | None) -> tuple[Floats, list[tuple[str, ...]]]:
    """`nested`, from a file of `keep` where it is there: a run that was cut short goes on."""
    path = keep / f"{name.replace(', ', '-').replace(' ', '-')}.json" if keep else None
    if path is not None and path.exists():
        odds, choices = msgspec.json.decode(path.read_bytes(), type=tuple[list[float], list[tuple[str, ...]]])
        return np.array(odds), choices
    found, picked = nested(wanted)
    if path is not None:
        path.write_bytes(msgspec.json.encode((found.tolist(), sorted(picked))))
    return found, sorted(picked)


def alone(table: Table, say: Say, keep: Path | None = None) -> Alone:
    """Choose, fit and recalibrate the branches of colourful noise."""
    branches: dict[str, Branch] = {}
    choices: dict[str, dict[str, int]] = {}
    slopes: dict[str, float] = {}
    held: dict[str, Floats] = {}
    for name, wanted in noise_tasks(table).items():
        odds, picked = _nested(name, wanted, keep)
        choices[name] = dict(Counter(m for chosen in picked for m in chosen).most_common())
        slopes[name] = round(recalibrated(odds, wanted.truth, wanted.weight), 3)
        first = fitted(wanted, choose(wanted).measures, slopes[name])
        branches[name] = widened(first, widening(first, wanted, slopes[name] * odds))
        held[name] = slopes[name] * odds
        say(f"{name}: {', '.join(t.measure for t in branches[name].terms)}; slope held out {slopes[name]:.2f}")
    sizes = [np.logaddexp(held[f"fine noise, {s}"], held[f"blobs, {s}"]) for s in ("large", "small")]
    return Alone(branches, slopes, choices, np.where(table.small, sizes[1], sizes[0]).round(2))


def fitted(wanted: Task, measures: tuple[str, ...], slope: float = 1.0) -> Branch:
    """A branch of given measures, its coefficients and their spread recalibrated by `slope`."""
    x = wanted.columns(measures)
    fit = logistic(x, wanted.truth, wanted.weight)
    spread = covariance(fit, x, wanted.truth, wanted.weight, wanted.units)
    sound = (wanted.weight > 0) & (wanted.truth < 0.5) & (wanted.table.group != "deceptive")
    typical = [float(np.median(wanted.table.column(m)[sound])) for m in measures]
    return branch(measures, fit, spread, typical, slope)


def widening(one: Branch, wanted: Task, held: Floats) -> float:
    """The factor by which intervals must grow to hold 90 % of what fits without the family say, families weighed alike.

    Families drawn anew keep the measures that were chosen with all of them; leaving one out chooses anew.
    """
    used = np.flatnonzero(wanted.weight > 0)
    rows = [one.features(wanted.table.score_of(i), FORMS) for i in used]
    apart = np.array([abs(one.log_odds(x) - h) / one.deviation(x) for x, h in zip(rows, held[used], strict=True)])
    order = np.argsort(apart)
    share = np.cumsum(wanted.weight[used][order])
    return max(1.0, float(apart[order][np.searchsorted(share, 0.9 * share[-1])]) / NINETY)


def plain(table: Table, measures: tuple[str, ...], positive: NDArray[np.bool_]) -> Branch:
    """A branch of given measures, against everything that is sound or noise."""
    others = np.isin(table.group, (*LIKE_SOUND, "deceptive", "noise", "dying")) & ~positive
    return fitted(task(table, positive, others), measures)


def grey_task(table: Table) -> Task:
    """Noise without colour, against everything that is sound."""
    return task(table, table.group == "grey noise", np.isin(table.group, (*LIKE_SOUND, "deceptive")), candidates=GREY)


def others(table: Table, branches: dict[str, Branch], grey: tuple[str, ...]) -> dict[str, Branch]:
    """All branches that need no held-out odds, from the measures that were chosen for the noise branches."""
    return severities(table, branches) | {
        "grey noise": fitted(grey_task(table), grey),
        "blank": plain(table, ("contrast",), table.group == "blank"),
        "repeated": plain(table, ("repetition",), table.group == "repeated"),
        "fried": frying(table),
        "tile": tile_branch(table),
    }


def severities(table: Table, branches: dict[str, Branch]) -> dict[str, Branch]:
    """How far a picture has drowned: a logistic of ladders, on the measures of the fine branch of the size."""
    found = {}
    for size, rows in (("large", ~table.small), ("small", table.small)):
        measures = tuple(t.measure for t in branches[f"fine noise, {size}"].terms)
        ladder = (table.group == "ladder") & rows
        ends = np.isin(table.group, ("noise", *SOUND)) & rows
        truth = np.where(ladder, table.severity, (table.group == "noise").astype(float))
        weight = ladder / max(1, ladder.sum()) + 0.5 * balanced(table.family, truth > 0.5, ends, np.ones(len(truth)))
        x = design(table, measures)
        fit = logistic(x, truth, weight)
        typical = [float(np.median(table.column(m)[ends & (truth < 0.5)])) for m in measures]
        spread = covariance(fit, x, truth, weight, units_of(table.family))
        found[f"severity, {size}"] = branch(measures, fit, spread, typical)
    return found


def frying(table: Table) -> Branch:
    """Fried copies against drifted ones, and the pocket model's own at a burning CFG scale."""
    copies = (table.pair >= 0) & np.array([str(g).endswith(("drifted", "fried")) for g in table.group])
    rows = np.flatnonzero(copies & (table.column("colourfulness")[table.pair] >= COLOURED))
    seen = [fried_features(table.score_of(i), [table.score_of(table.pair[i])]) for i in rows]
    x = np.array([[FRIED[n].of(s[n]) for n in FRIED] for s in seen])
    truth = np.array([str(table.group[i]).endswith("fried") for i in rows])
    return _plainly(tuple(FRIED), x, truth, table.family[rows])


def relative(table: Table, odds: Floats, widths: dict[str, float]) -> dict[str, Branch]:
    """How a picture is judged beside others.  `odds`: held-out log odds of every row, judged alone."""
    found = {}
    odds = np.clip(odds, -8, 8)
    for name, make in (("beside itself", pairing.beside_itself), ("beside its kind", pairing.beside_kind)):
        pairs = make(table, SEED)
        x = pairing.compared(table, pairs, odds, widths)
        x = np.array([[form.of(v) for form, v in zip(COMPARED.values(), row, strict=True)] for row in x])
        families = np.array([f"{p.family}/{p.way}" for p in pairs])
        found[name] = _plainly(tuple(COMPARED), x, np.array([p.noise for p in pairs]), families)
    return found


def _plainly(names: tuple[str, ...], x: Floats, truth: NDArray[np.bool_], families: NDArray[np.str_]) -> Branch:
    weight = balanced(families, truth, np.ones(len(truth), bool), np.ones(len(truth)))
    fit = logistic(x, truth.astype(float), weight)
    units = np.array([unit(str(f).split("/")[0]) for f in families])
    spread = covariance(fit, x, truth.astype(float), weight, units)
    return branch(names, fit, spread, [float(v) for v in np.median(x[~truth], axis=0)])


def floors(table: Table) -> dict[str, float]:
    """A quarter of the interquartile range over sound pictures, on the form's scale (science §A.3)."""
    sound = np.isin(table.group, SOUND)
    found = {}
    for name in NAMES:
        low, high = np.quantile(transformed(name, table.column(name)[sound]), (0.25, 0.75))
        found[name] = max(float(high - low) / 4, 1e-3)
    return found


def tile_branch(table: Table) -> Branch:
    """Tiles of noise against tiles of pictures, deceptive ones left out."""
    noise = np.isin(table.group, ("noise", "pixel noise", "dying"))
    rows = noise | np.isin(table.group, LIKE_SOUND)
    weight = np.repeat(balanced(table.family, noise, rows, np.ones(len(rows))), table.tiles.shape[1])
    x, truth = table.tiles.reshape(-1, table.tiles.shape[2]), np.repeat(noise, table.tiles.shape[1]).astype(float)
    fit: Fit = logistic(x, truth, weight)
    names = ("tile_chroma", "tile_luma", "tile_entropy", "tile_kurtosis")
    still = np.zeros((len(names) + 1, len(names) + 1))
    return branch(names, fit, still, [float(v) for v in np.median(x[truth < 0.5], axis=0)])


def tuning_rows(table: Table) -> Table:
    """The pieces that may be fitted on."""
    held = np.char.startswith(table.piece.astype(str), "unseen") | (table.piece == "dying report")
    return table.rows(~held)


def calibrated(whole: Table, say: Say, keep: Path | None = None) -> Calibrated:
    """The whole table."""
    table = tuning_rows(whole)
    first = alone(table, say, keep)
    branches = first.branches | others(table, first.branches, choose(grey_task(table)).measures)
    widths = floors(table)
    branches |= relative(table, first.held_out, widths)
    counts = ", ".join(f"{int((table.group == g).sum())} {g}" for g in np.unique(table.group))
    kinds = len(np.unique(units_of(table.family)))
    told = f"From {len(table.small)} measured pictures of {kinds} kinds, seed {SEED}: {counts}."
    return Calibrated(told, branches, widths, first.slopes, first.choices, tuple(first.held_out.tolist()))


def refitted(table: Table, known: Calibrated) -> dict[str, Branch]:
    """All branches fitted again, on the measures, slopes and held-out odds that are known: seconds."""
    chosen = {name: tuple(t.measure for t in one.terms) for name, one in known.branches.items()}
    branches = {name: fitted(wanted, chosen[name], known.slopes[name]) for name, wanted in noise_tasks(table).items()}
    branches |= others(table, branches, chosen["grey noise"])
    return branches | relative(table, np.array(known.held_out), floors(table))


def text_of(known: Calibrated) -> str:
    """The module of the table, as text."""
    return rendered(known.provenance, known.branches, known.floors, FORMS)


def main() -> None:
    """Fit; write, or say whether the table stands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=PACKED)
    parser.add_argument("--write", action="store_true", help="write the table into the code")
    parser.add_argument("--keep", type=Path, help="a folder in which a run that is cut short goes on")
    wanted = parser.parse_args()
    known = calibrated(load(wanted.measured), lambda line: sys.stdout.write(f"{line}\n") and None, wanted.keep)
    if wanted.write:
        KEPT.write_bytes(msgspec.json.encode(known) + b"\n")
        TABLE.write_text(text_of(known), encoding="utf-8", newline="\n")
    same = TABLE.read_text(encoding="utf-8") == text_of(known)
    sys.stdout.write("the table in the code is this one\n" if same else "the table in the code is ANOTHER one\n")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
