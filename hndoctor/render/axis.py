"""Scales: steps to the one time axis, values to heights, and ticks at round numbers.

Horizontal positions are fractions 0..1 of the plot's width (an SVG's inner view box is 1000 wide), heights are pixels
from the top.  Both are rounded to what an eye can see, so that the page stays small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hndoctor.records import Checkpoint
from hndoctor.render.figures import number, steps

UNITS = 1000  # width of every inner view box
_FAR = 2  # a course that starts later than so many times its own length gets an axis that does not start at 0
_LEAST, _MOST = 1e-30, 1e30  # what lies outside is drawn at the edge of a logarithmic scale
_TICKS = 6  # about so many on the time axis


@dataclass(frozen=True)
class Tick:
    """A place on an axis: a fraction (time) or pixels (value), and what to write there."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """The time axis: the steps at its two ends."""

    first: float
    last: float

    def share(self, step: float) -> float:
        """Where a step lies, 0..1."""
        return round((step - self.first) / (self.last - self.first), 5)

    def unit(self, step: float) -> float:
        """Where a step lies in a view box of 1000."""
        return round((step - self.first) / (self.last - self.first) * UNITS, 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Round steps along the axis."""
        return tuple(Tick(self.share(s), steps(int(s))) for s in nice(self.first, self.last, _TICKS))


def step_of(checkpoint: Checkpoint) -> int:
    """A checkpoint's place on the axis: its name's step, or the stored one where the name has none."""
    return checkpoint.step if checkpoint.step is not None else checkpoint.stored_step


def axis_of(seen: Iterable[int]) -> Axis:
    """An axis that holds every step with a little room at the end."""
    known = sorted(set(seen)) or [0, 1]
    start, end = known[0], max(known[-1], 1)
    length = end - start
    first = start - 0.03 * length if length > 0 and start > _FAR * length else 0.0
    return Axis(first, end + 0.02 * (end - first))


def nice(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` multiples of 1, 2 or 5 times a power of ten between low and high."""
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    pace = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    start = math.ceil(low / pace - 1e-9)
    return [i * pace for i in range(start, math.floor(high / pace + 1e-9) + 1)]


@dataclass(frozen=True)
class Scale:
    """Values to pixels from the top of a lane; `log` counts in powers of ten."""

    low: float
    high: float
    height: int
    log: bool = False
    pad: int = 6  # pixels kept free at top and bottom, so that no line is cut in half

    def y(self, value: float) -> float:
        """Pixels from the top; what lies outside is held at the edge."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        share = min(1.0, max(0.0, (at - low) / (high - low)))
        return round(self.height - self.pad - share * (self.height - 2 * self.pad), 1)

    def ticks(self, wanted: int = 3, say: Callable[[float], str] = number) -> tuple[Tick, ...]:
        """Round values: powers of ten (thinned) on a logarithmic scale."""
        values = _powers(self.low, self.high, wanted) if self.log else nice(self.low, self.high, wanted)
        return tuple(Tick(self.y(v), say(v)) for v in values)


def _powers(low: float, high: float, wanted: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / (wanted + 1)))
    powers = [10.0**p for p in range(first, last + 1, stride)]
    if len(powers) >= 2:
        return powers
    between = [m * 10.0**p for p in range(first - 1, last + 2) for m in (1, 2, 5)]
    return [v for v in between if low <= v <= high]


def log_scale(values: Sequence[float], height: int) -> Scale:
    """A logarithmic scale around positive values, at least a factor of three wide."""
    low, high = (min(max(v, _LEAST), _MOST) for v in (min(values), max(values)))
    if high < 3 * low:
        middle = math.sqrt(low * high)
        low, high = middle / 1.8, middle * 1.8
    return Scale(low, high, height, log=True)


def path(points: Iterable[tuple[float, float] | None]) -> str:
    """An SVG path through points in view-box units; None lifts the pen.  A lone point becomes a dot."""
    parts: list[str] = []
    pen, lone = False, False
    for point in points:
        if point is None:
            parts += ["h0"] if lone else []
            pen = lone = False
            continue
        parts.append(f"{'L' if pen else 'M'}{point[0]:g} {point[1]:g}")
        pen, lone = True, not pen
    return "".join(parts) + ("h0" if lone else "")


def dots(points: Iterable[tuple[float, float]]) -> str:
    """A path of dots: drawn round by a round line cap, however the view box is stretched."""
    return "".join(f"M{x:g} {y:g}h0" for x, y in points)
