"""Pictures beside pictures: what references make of noise, and of pictures that only look like it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.fitting import Floats
from benchmarks.previews.measuring import Table
from hndoctor.calibration import Compared, Usual
from hndoctor.calibration.table import FLOORS

KIND = 8  # pictures of a kind that stand for the training set
EACH = 2  # pairs drawn for each picture and way
COLOURFUL = ("noise", "dying")  # groups that a network may turn a picture into
GREY = ("grey noise",)  # the same without colours of their own, grey or of one tint


@dataclass(frozen=True)
class Pair:
    """A picture (row), its references (rows), and whether the network made noise."""

    row: int
    references: tuple[int, ...]
    noise: bool
    way: str  # which kind of pair it is
    family: str


def beside_itself(table: Table, seed: int, noise: tuple[str, ...] = COLOURFUL) -> list[Pair]:
    """References of the same prompt and seed.

    Sound: a picture beside itself before a healthy drift; beside another of its kind; a drawing that became another
    drawing (a style was learned).  Noise: beside any sound picture, mosaics included, of the same size.
    """
    rng = np.random.default_rng((51, seed))
    pairs = [
        Pair(int(i), (int(table.pair[i]),), False, "drifted", str(table.family[i]))
        for i in np.flatnonzero(np.char.endswith(table.group.astype(str), "drifted"))
    ]
    sound, pictures = _sound(table), np.isin(table.group, ("photo", "art", "pocket"))
    for i in np.flatnonzero(sound):
        same = sound & (table.family == table.family[i]) & (table.small == table.small[i])
        pairs += _drawn(rng, i, same, 1, False, "another of its kind", table)
        if pictures[i]:
            pairs += _drawn(rng, i, pictures & (table.small == table.small[i]), 1, False, "another style", table)
    return pairs + _noises(table, rng, sound, 1, noise)


def beside_kind(table: Table, seed: int, noise: tuple[str, ...] = COLOURFUL) -> list[Pair]:
    """References that are of the kind only: eight others of the family.

    Sound, too: a picture beside eight of another family, as what the base model paints lies beside the training set
    before its style is learned.
    """
    rng, styles = np.random.default_rng((52, seed)), np.random.default_rng((54, seed))
    sound, pictures = _sound(table), np.isin(table.group, ("photo", "art", "pocket"))
    pairs: list[Pair] = []
    for i in np.flatnonzero(sound | np.char.endswith(table.group.astype(str), "drifted")):
        kind = sound & (table.family == table.family[i]) & (table.pair[i] != np.arange(len(sound)))
        pairs += _drawn(rng, i, kind, KIND, False, "of the kind", table)
    for i in np.flatnonzero(pictures):
        others = pictures & (table.family != table.family[i]) & (table.small == table.small[i])
        if others.any():
            same = others & (table.family == table.family[styles.choice(np.flatnonzero(others))])
            pairs += _drawn(styles, i, same, KIND, False, "before a style is learned", table)
    return pairs + _noises(table, rng, sound, KIND, noise)


def _sound(table: Table) -> NDArray[np.bool_]:
    return np.isin(table.group, ("photo", "art", "pocket", "deceptive"))


def _noises(
    table: Table, rng: np.random.Generator, sound: NDArray[np.bool_], count: int, noise: tuple[str, ...]
) -> list[Pair]:
    """Every noise beside references of one family that is drawn: half the time a deceptive one."""
    pairs: list[Pair] = []
    for i in np.flatnonzero(np.isin(table.group, noise)):
        for k in range(EACH):
            groups = ("deceptive",) if k % 2 else ("photo", "art", "pocket")
            there = sound & np.isin(table.group, groups) & (table.small == table.small[i])
            if not there.any():
                continue
            family = table.family[rng.choice(np.flatnonzero(there))]
            way = "noise beside a deceptive picture" if k % 2 else "noise beside a picture"
            pairs += _drawn(rng, i, there & (table.family == family), count, True, way, table)
    return pairs


def _drawn(
    rng: np.random.Generator, row: int, from_these: NDArray[np.bool_], count: int, noise: bool, way: str, table: Table
) -> list[Pair]:
    others = np.flatnonzero(from_these)
    others = others[others != row]
    if len(others) < max(1, count // 4):
        return []
    chosen = rng.choice(others, min(count, len(others)), replace=False)
    return [Pair(int(row), tuple(int(c) for c in chosen), noise, way, str(table.family[row]))]


def compared(table: Table, pairs: list[Pair], looks: Floats, floors: dict[str, float] = FLOORS) -> Floats:
    """(n, 5): the fields of `Compared` of every pair.  `looks`: log odds of every row, judged alone."""
    scores = [table.score_of(i) for i in range(len(looks))]
    rows = []
    for pair in pairs:
        usual = Usual.of([scores[r] for r in pair.references], floors)
        odds = [float(looks[r]) for r in pair.references]
        rows.append(astuple(Compared.of(scores[pair.row], float(looks[pair.row]), usual, odds)))
    return np.array(rows)
