"""The heat map: tensors x steps.  Colour tells growth since the first checkpoint, or the size of the weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hndoctor.records import Checkpoint, ModuleVitals, TensorVitals, Vitals
from hndoctor.render.axis import step_of
from hndoctor.render.figures import number, percent, portion, steps
from hndoctor.render.lanes import relative
from hndoctor.render.templates import Words

COLUMNS = 96  # more checkpoints than this are drawn as the worst of each group
ROWS = 64  # more tensors than this are drawn as the worst of each module
LEVELS = 9
_SPANS = (0.25, 1.0, 3.0)  # powers of two of growth at which the scale may end: x 1.19, x 2, x 8
MEASURES = ("growth", "gain", "update", "best", "spectral", "rank", "rms", "max")


@dataclass(frozen=True)
class Cell:
    """The tensor that speaks for a cell, and the module it belongs to."""

    tensor: TensorVitals
    module: ModuleVitals | None

    @property
    def spectral(self) -> float | None:
        """The middle of the bracket around the largest singular value; None for vectors."""
        return None if self.tensor.spectral is None else sum(self.tensor.spectral) / 2

    @property
    def gain(self) -> float | None:
        """The module's."""
        return self.module.gain if self.module else None

    @property
    def update(self) -> float | None:
        """How far the module moved since the checkpoint before, as a share of its own size."""
        return relative(self.module.update_rms, self.module.rms) if self.module else None

    @property
    def best(self) -> float | None:
        """How far the module is from the best checkpoint before it, as a share of its own size."""
        return relative(self.module.best_rms, self.module.rms) if self.module else None

    @property
    def bad(self) -> int:
        """How many weights are not finite."""
        return self.tensor.nan + self.tensor.posinf + self.tensor.neginf


Cells = Sequence[Cell | None]


@dataclass(frozen=True)
class Row:
    """One tensor over all columns: a level 0..8 per measure and column; "n": not finite; "-": not there."""

    label: str
    group: str  # "768 k": the module it belongs to
    leads: bool  # the first row of its group, where the group is named
    levels: dict[str, str]
    rects: tuple[tuple[str, str, str], ...]  # (x, width, level) of equal neighbours in the first measure, in per cent
    numbers: tuple[tuple[str, ...] | None, ...]  # per column, in the order of `_numbers`


@dataclass(frozen=True)
class Heat:
    """The whole map."""

    rows: tuple[Row, ...]
    columns: tuple[tuple[int, str], ...]  # (step, label)
    aggregated: bool
    bad: int  # cells that are not finite
    low: str  # what the ends of the growth scale mean: "÷ 8", "× 8"
    high: str
    measures: tuple[str, ...]  # what the colour can show: only what some cell knows


def heat_of(vitals: Vitals, t: Words) -> Heat | None:
    """The heat map's view; None if no checkpoint was read."""
    files = sorted((c for c in vitals.checkpoints if c.tensors), key=step_of)
    if not files:
        return None
    names = list(dict.fromkeys(x.name for c in files for x in c.tensors))
    key: Callable[[str], str] = (lambda n: n) if len(names) <= ROWS else _module
    groups = {name: [n for n in names if key(n) == name] for name in dict.fromkeys(map(key, names))}
    bins = _bins(files)
    table = {name: [_worst(files_, members) for files_ in bins] for name, members in groups.items()}
    columns = tuple((step_of(b[-1]), steps(step_of(b[-1]))) for b in bins)
    span = _growth_span(table)
    rows = tuple(_row(name, cells, t) for name, cells in _levelled(table, span))
    rows = tuple(replace(r, leads=i == 0 or rows[i - 1].group != r.group) for i, r in enumerate(rows))
    bad = sum(row.levels["rms"].count("n") for row in rows)
    known = tuple(m for m in MEASURES if any(row.levels[m].strip("-n") for row in rows) or m == MEASURES[0])
    whole = len(bins) == len(files) and len(groups) == len(names)
    return Heat(rows, columns, not whole, bad, f"÷ {2**span:.3g}", f"× {2**span:.3g}", known)


def _module(name: str) -> str:
    """``768.k.linear.0.weight`` -> ``768.k``."""
    return ".".join(name.split(".")[:2])


def _bins(files: Sequence[Checkpoint]) -> list[Sequence[Checkpoint]]:
    count = min(COLUMNS, len(files))
    return [files[i * len(files) // count : (i + 1) * len(files) // count] for i in range(count)]


def _worst(files: Sequence[Checkpoint], members: Sequence[str]) -> Cell | None:
    """The tensor that speaks for a cell: one with non-finite weights before all, else the largest."""
    wanted = set(members)
    modules = [m for c in files for m in c.modules if f"{m.size}.{m.side}" == _module(members[0])]
    loudest = max(modules, key=lambda m: m.gain or 0.0, default=None)
    found = [Cell(x, loudest) for c in files for x in c.tensors if x.name in wanted]
    return max(found, key=lambda x: (x.bad, x.tensor.rms), default=None)


def _growth_span(table: dict[str, list[Cell | None]]) -> float:
    """The narrowest scale that holds most of the map; what lies outside is shown as its end."""
    grown = sorted(abs(g) for row in table.values() for g in (_grown(x, _first(row)) for x in row) if g is not None)
    most = grown[int(0.98 * (len(grown) - 1))] if grown else 0.0
    return next((span for span in _SPANS if most <= span), _SPANS[-1])


def _first(row: Cells) -> float | None:
    return next((x.tensor.rms for x in row if x is not None and x.tensor.rms > 0), None)


def _grown(cell: Cell | None, first: float | None) -> float | None:
    """Powers of two since the first checkpoint; None where that cannot be said."""
    known = cell is not None and first and cell.tensor.rms > 0
    return math.log2(cell.tensor.rms) - math.log2(first) if known and cell and first else None


def _sizes(cell: Cell) -> dict[str, float | None]:
    x = cell.tensor
    told = {"gain": cell.gain, "update": cell.update, "best": cell.best, "spectral": cell.spectral}
    return told | {"rank": x.effective_rank, "rms": x.rms, "max": x.max_abs}


def _levelled(
    table: dict[str, list[Cell | None]], span: float
) -> list[tuple[str, list[tuple[Cell | None, dict[str, str]]]]]:
    """Each cell with its level in every measure; the scales of all but growth run over the whole map."""
    every = [_sizes(x) for row in table.values() for x in row if x is not None]
    spans = {key: _span([x[key] for x in every]) for key in MEASURES[1:]}
    made = []
    for name, row in table.items():
        first = _first(row)
        made.append((name, [(x, _levels(x, _grown(x, first), span, spans)) for x in row]))
    return made


def _span(values: Sequence[float | None]) -> tuple[float, float]:
    positive = [math.log10(v) for v in values if v is not None and v > 0]
    return (min(positive, default=0.0), max(positive, default=1.0))


def _levels(
    cell: Cell | None, grown: float | None, widest: float, spans: dict[str, tuple[float, float]]
) -> dict[str, str]:
    if cell is None:
        return dict.fromkeys(MEASURES, "-")
    if cell.bad:
        return dict.fromkeys(MEASURES, "n")
    growth = 0.5 if grown is None else (grown + widest) / (2 * widest)
    rest = {key: "-" if v is None else _level(_part(v, spans[key])) for key, v in _sizes(cell).items()}
    return {"growth": _level(growth), **rest}


def _part(value: float, span: tuple[float, float]) -> float:
    low, high = span
    if value <= 0 or high - low < 1e-9:
        return 0.0 if value <= 0 else 0.5
    return (math.log10(value) - low) / (high - low)


def _level(share: float) -> str:
    return str(min(LEVELS - 1, max(0, round(share * (LEVELS - 1)))))


def _row(name: str, cells: Sequence[tuple[Cell | None, dict[str, str]]], t: Words) -> Row:
    parts = name.split(".")
    group, rest = (" ".join(parts[:2]), ".".join(parts[2:])) if len(parts) > 2 else (name.replace(".", " "), "")
    levels = {k: "".join(level[k] for _, level in cells) for k in MEASURES}
    width = 100 / len(cells)
    rects = tuple((f"{a * width:.3f}%", f"{n * width:.3f}%", level) for a, n, level in runs_of(levels[MEASURES[0]]))
    label = rest.replace("linear.", "") or t["heat.whole"]
    return Row(label, group, True, levels, rects, tuple(_numbers(x) for x, _ in cells))


def _numbers(cell: Cell | None) -> tuple[str, ...] | None:
    """Of the tensor: name, shape, dtype, rms, max, frobenius, spectral, stable and effective rank, zeros, dead rows,
    nan, inf; of its module: gain, update, distance from the best checkpoint, dead units."""
    if cell is None:
        return None
    x = cell.tensor
    spectral = "–" if x.spectral is None else f"{number(x.spectral[0])} … {number(x.spectral[1])}"
    return (
        x.name,
        " × ".join(map(str, x.shape)),
        x.dtype,
        number(x.rms),
        number(x.max_abs),
        number(x.frobenius),
        spectral,
        number(x.stable_rank),
        number(x.effective_rank),
        steps(x.zeros),
        "–" if x.dead_rows is None else steps(x.dead_rows),
        steps(x.nan),
        steps(x.posinf + x.neginf),
        number(cell.gain),
        portion(cell.update),
        portion(cell.best),
        percent(cell.module.dead_units if cell.module else None),
    )


def runs_of(levels: str) -> list[tuple[int, int, str]]:
    """Equal neighbours as one: (first column, how many, level); a still row is one rectangle instead of fifty."""
    made, at = [], 0
    for level, group in itertools.groupby(levels):
        count = len(list(group))
        made.append((at, count, level))
        at += count
    return made
