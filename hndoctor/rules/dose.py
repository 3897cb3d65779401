"""The clock of a run: learning-rate dose (sum of rate × sqrt(batch)), and the base model whose scale it is read on.

Steps say little (twice the rate is twice as far); dose carries the guide's band of 9,000-25,000 steps at 5e-6 (G21)
to other rates.  The band is SD1's: another base model has its own scale (science.md §E), so a diagnosis says whose it
used.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

from hndoctor.formats.curve import SHAPES, Curve
from hndoctor.formats.schedule import ScheduleError, Segment, parse_schedule
from hndoctor.records import Settings, Vitals

SD_WIDTHS = frozenset({320, 640, 768, 1024, 1280})  # context widths of SD1 and SD2 (web UI)
SD1_WIDTH, SD2_WIDTH = 768, 1024  # of the text encoder, which tells one from the other
SD_TYPICAL_WIDTH = 670.0  # geometric mean of 320, 640, 768, 1280
NARROW = 256  # widths all below this: an embedded, pocket-size model
GUIDE_RATE = 5e-6  # G20, G21: the rate of the guide's band
RUINOUS_RATE = 5e-3  # on SD1; reaches NaN very quickly (G20)
POCKET_RUINOUS = 1.5e-2  # objects and captions lost after 200 steps; colourful noise at 2e-1 (benchmarks/pocket)
POCKET_RATE = 1e-3  # learns a style in 200 steps, captions still followed (benchmarks/pocket)
AGREEMENT = 0.8  # share of logged rates that must equal the schedule's for it to be believed; guess, untested
ADAMS_RATES = ("adam", "lion", "rmsprop", "prodigy")  # these move a weight by about the rate in a step
OWN_RATES = ("prodigy", "dadapt")  # these find the rate by themselves and multiply it by the one that is asked for
PIECES = 400  # of a rate that changes at every step, each as one stretch
SAME_RATE = 1.02  # ratio of rates that count as the same: logs print them with few digits


@dataclass(frozen=True)
class Base:
    """A base model, as far as the run tells.  `scale`: how many times SD1's rates its own are."""

    kind: str  # "sd1", "sd2", "pocket", "unknown"
    name: str
    scale: float = 1.0
    usual: float = GUIDE_RATE  # the rate that trains it well
    ruinous: float = RUINOUS_RATE  # the rate from which it surely dies


@dataclass(frozen=True)
class Clock:
    """Dose by step.  `told` is None where no file says the rate, on Adam's scale, and the guide's was assumed."""

    steps: tuple[int, ...]  # ends of stretches of one rate
    doses: tuple[float, ...]  # at those ends
    rates: tuple[float, ...]  # in the stretch that ends there
    told: str | None

    def at(self, step: int) -> float:
        """The dose after `step` steps; beyond the last known step the last rate goes on."""
        index = min(bisect_right(self.steps, max(0, step)), len(self.steps) - 1)
        begun, dose = (self.steps[index - 1], self.doses[index - 1]) if index else (0, 0.0)
        span = self.steps[index] - begun
        return dose + (self.doses[index] - dose) * (max(0, step) - begun) / span if span else dose

    def step_at(self, dose: float) -> float:
        """The step at which a dose is reached, the last rate going on; infinite if it never is."""
        index = bisect_left(self.doses, dose)
        if index == len(self.doses):
            return math.inf
        begun, before = (self.steps[index - 1], self.doses[index - 1]) if index else (0, 0.0)
        return begun + (dose - before) / (self.doses[index] - before) * (self.steps[index] - begun)

    def rate(self, step: int) -> float:
        """The rate of the stretch that `step` lies in."""
        return self.rates[min(bisect_right(self.steps, max(0, step - 1)), len(self.rates) - 1)]


def base_of(vitals: Vitals) -> Base:
    """Told from the context widths of the networks, and from the name that the run gives its base model."""
    sizes = {module.size for checkpoint in vitals.checkpoints for module in checkpoint.modules}
    named = (vitals.settings.model_name or "").lower()
    if (sizes and max(sizes) < NARROW) or (not sizes and "pocket" in named):
        typical = math.exp(sum(map(math.log, sizes)) / len(sizes)) if sizes else 84.0
        return Base("pocket", "the pocket model", SD_TYPICAL_WIDTH / typical, POCKET_RATE, POCKET_RUINOUS)
    if SD2_WIDTH in sizes and SD1_WIDTH not in sizes:
        return Base("sd2", "Stable Diffusion 2")
    if sizes and sizes <= SD_WIDTHS:
        return Base("sd1", "Stable Diffusion 1")
    return Base("unknown", "an unknown base model")


def clock_of(vitals: Vitals, base: Base | None = None) -> Clock:
    """The dose of a run, on the scale of Adam's rates: from its schedule where the loss log agrees with it, else the
    log, else the `.optim` files.

    Rates of other optimizers (SGD, Adafactor) are on scales of their own: that of the middle step stands for the usual
    rate, and the clock counts as untold.
    """
    usual = (base or base_of(vitals)).usual
    if has_adams_rates(vitals):
        return _rates(vitals, usual, asked=not finds_its_rate(vitals))
    asked = rates_asked(vitals, usual)
    unit = unit_of(vitals, asked, usual)
    unit = 1.0 if unit is None else unit
    if unit <= 0:
        return _clock([(max(1, last_step(vitals)), usual)], 1.0, None)
    return Clock(asked.steps, tuple(d / unit for d in asked.doses), tuple(r / unit for r in asked.rates), None)


def rates_asked(vitals: Vitals, usual: float) -> Clock:
    """The rates as the optimizer was given them, whatever their scale; `usual` where no file tells them."""
    return _rates(vitals, usual, logged=not finds_its_rate(vitals))  # then the log tells what it made of them


def unit_of(vitals: Vitals, asked: Clock, usual: float) -> float | None:
    """How much of the rates that were `asked` for counts as one of Adam's: the middle one stands for the `usual` rate.
    None where they are Adam's, or no file tells them.
    """
    if not asked.told or (has_adams_rates(vitals) and not finds_its_rate(vitals)):
        return None
    return middle_rate(asked, last_step(vitals)) / usual


def middle_rate(clock: Clock, end: int) -> float:
    """The rate at or above which half of the first `end` steps were made: that of most, or the middle of a curve."""
    end, begun, spans = max(1, end), 0, []
    for step, rate in zip(clock.steps, clock.rates, strict=True):
        spans.append((rate, max(0, min(step, end) - begun)))
        begun = min(step, end)
    spans.sort(reverse=True)
    reached = accumulate(span for _, span in spans)
    return next(rate for (rate, _), steps in zip(spans, reached, strict=True) if 2 * steps >= begun)


def optimizer_of(vitals: Vitals) -> str:
    """Its class name, from the settings or from an `.optim`; the web UI's AdamW where nothing tells it."""
    stored = (checkpoint.optimizer.optimizer_name for checkpoint in vitals.checkpoints if checkpoint.optimizer)
    return vitals.settings.optimizer or next(filter(None, stored), None) or "AdamW"


def has_adams_rates(vitals: Vitals) -> bool:
    """Whether the rates of its optimizer can be compared with those of Adam, on which all experience rests."""
    name = optimizer_of(vitals).lower()
    return any(part in name for part in ADAMS_RATES) and "dadapt" not in name


def finds_its_rate(vitals: Vitals) -> bool:
    """Whether its optimizer multiplies a rate of its own finding by the one that is asked for (Prodigy)."""
    return any(part in optimizer_of(vitals).lower() for part in OWN_RATES)


def _rates(vitals: Vitals, usual: float, *, logged: bool = True, asked: bool = True) -> Clock:
    """From the log, and from what was asked for (the schedule, the `.optim` files), where these are wanted."""
    root = math.sqrt(effective_batch(vitals.settings))
    points = vitals.losses if logged else ()
    rows = [(point.step, point.learn_rate) for point in points if point.learn_rate is not None and point.step]
    planned = curve_of(vitals) if asked else None
    if planned and _agrees(planned, rows):
        return _clock(_stretches_of(planned), root, "the schedule")
    if rows:
        return _clock(_stretches(rows), root, "the loss log")
    stated = [
        (step, checkpoint.optimizer.learning_rate)
        for checkpoint in vitals.checkpoints
        if checkpoint.optimizer and checkpoint.optimizer.learning_rate is not None
        if (step := checkpoint.step or checkpoint.stored_step)
    ]
    if stated and asked:
        return _clock(stated, root, "the optimizer's state")
    return _clock([(max(1, last_step(vitals)), usual)], root, None)


def effective_batch(settings: Settings) -> int:
    """Pictures that one optimizer step sees."""
    return max(1, settings.batch_size or 1) * max(1, settings.gradient_step or 1)


def last_step(vitals: Vitals) -> int:
    """The last step that anything in the run speaks of."""
    files = [max(checkpoint.step or 0, checkpoint.stored_step) for checkpoint in vitals.checkpoints]
    stored = [refused.step or 0 for refused in vitals.unreadable]
    shown = [preview.step or 0 for preview in vitals.previews]
    logged = [point.step for point in vitals.losses] + [point.step for point in vitals.validation]
    return max((*files, *stored, *shown, *logged), default=0)


def schedule_of(vitals: Vitals) -> tuple[Segment, ...]:
    """The schedule that the settings ask for, as far as it can be read."""
    settings = vitals.settings
    if not settings.learn_rate:
        return ()
    try:
        return parse_schedule(settings.learn_rate, max(1, settings.steps or 0, last_step(vitals)))
    except ScheduleError:
        return ()


def shape_of(settings: Settings) -> str | None:
    """What the schedule is multiplied by, by its name; None where that is nothing."""
    return settings.lr_scheduler if settings.lr_scheduler != "constant" else None


def curve_of(vitals: Vitals) -> Curve | None:
    """The rate of every step that the settings ask for; None where they do not tell it, or by a shape that is not
    known here."""
    settings, segments = vitals.settings, schedule_of(vitals)
    shape = shape_of(settings) or "constant"
    if not segments or shape not in SHAPES:
        return None
    return Curve.of(segments, shape, settings.lr_warmup_steps, settings.lr_num_cycles, settings.lr_min_ratio)


def asked_words(settings: Settings) -> str:
    """The schedule as it was typed, and the shape over it: ``1e-3:200, cosine``."""
    return ", ".join(filter(None, (settings.learn_rate, shape_of(settings))))


def _stretches_of(planned: Curve) -> list[tuple[int, float]]:
    """Ends and rates: the schedule's own segments, or as many pieces of a curve as tell its dose."""
    if not planned.bends:
        return [(end, part.rate) for end, part in zip(planned.ends, planned.segments, strict=True)]
    count = min(PIECES, planned.end)
    ends = [planned.end * (k + 1) // count for k in range(count)]
    middles = [(begun + end) // 2 for begun, end in zip([0, *ends], ends, strict=False)]
    return [(end, planned.at(middle) or 0.0) for end, middle in zip(ends, middles, strict=True)]


def _agrees(planned: Curve, logged: list[tuple[int, float]]) -> bool:
    """Whether the rates that were used are those that were asked for."""
    same = [same_rate(planned.at(step - 1), rate) for step, rate in logged]
    return not same or sum(same) >= AGREEMENT * len(same)


def same_rate(one: float | None, other: float | None) -> bool:
    """Equal but for rounding."""
    if one is None or other is None or min(one, other) <= 0:
        return one == other
    return max(one, other) / min(one, other) <= SAME_RATE


def _stretches(logged: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """(end, rate): neighbouring rows of one rate as one stretch; between two rates the later row's is counted."""
    stretches: list[tuple[int, float]] = []
    for step, rate in sorted(logged):
        if stretches and stretches[-1][1] == rate:
            stretches.pop()
        stretches.append((step, rate))
    return stretches


def _clock(stretches: list[tuple[int, float]], root: float, told: str | None) -> Clock:
    stretches = sorted(stretches)
    ends = [end for end, _ in stretches]
    rates = [max(0.0, rate) for _, rate in stretches]
    parts = [(end - begun) * rate * root for begun, end, rate in zip([0, *ends], ends, rates, strict=False)]
    beyond = ends[-1] + 10**9  # the last rate goes on
    return Clock((*ends, beyond), tuple(accumulate([*parts, 1e9 * rates[-1] * root])), (*rates, rates[-1]), told)
