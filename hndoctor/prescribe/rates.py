"""Which learning rate, and until when: floors, divisions, rounding to 1-2-5, and schedules as people type them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hndoctor.diagnose.hazard import Prior, prior_of
from hndoctor.formats.rates import power
from hndoctor.records import Vitals
from hndoctor.rules.dose import (
    GUIDE_RATE,
    Clock,
    effective_batch,
    last_step,
    rates_asked,
    unit_of,
)

FLOOR = 5e-7  # rate on SD1; below it training is needless and has little effect (G24)
FIRST_DIVISOR, REPEATED_DIVISOR = (
    4.0,
    10.0,
)  # of the rate after a first explosion; a repeated one or NaN (science.md §C.4)
SOUND_SHARE = 0.5  # of the rate at which the checkpoint gone back to was sound: no more than that (science.md §C.4)
FAST = 2.0  # times the usual rate: beyond it a rate is called fast; guess
GRADUAL_DIVISOR = 2.0  # at least, where overtraining came gradually (science.md §C.4)
GUIDE_STEPS = 20_000  # steps that are enough on SD1 (G19)
EARLY_QUANTILE = 0.1  # of the onset of overtraining: the dose that a careful schedule does not pass (science.md §C.4)
CHECKPOINTS_AHEAD = 5  # that a lowered rate should leave room for (science.md §C.4)


@dataclass(frozen=True)
class Rates:
    """The run's own scale of rates and doses."""

    prior: Prior
    asked: Clock  # the rates as its optimizer was given them
    unit: float | None  # of these, in Adam's rates; None: they are Adam's
    root: float  # sqrt of the pictures per step
    end: int  # the step that was planned as the last, or the last seen

    @property
    def floor(self) -> float:
        """The lowest rate worth training at on this base model."""
        return rounded(FLOOR / GUIDE_RATE * self.prior.base.usual * self._scale)

    @property
    def usual(self) -> float:
        """The guide's rate carried to this base model (G20); of another scale than Adam's, the run's own."""
        return rounded(self.prior.base.usual * self._scale)

    @property
    def _scale(self) -> float:
        return self.unit or 1.0

    @property
    def fit_the_webui(self) -> bool:
        """Whether they can be typed there: it trains with AdamW alone."""
        return self.unit is None

    def known(self, step: int) -> float | None:
        """The rate that was asked for at a step, if any file tells it."""
        return self.asked.rate(step) if self.asked.told else None

    def is_fast(self, rate: float) -> bool:
        """Whether it is well above the usual one; where nobody knows a usual one, what the run had is suspect."""
        return self.unit is not None or rate > self.usual * FAST

    def divided(self, step: int, divisor: float, at_most: float = math.inf) -> float:
        """The rate at a step over `divisor`, rounded, never below the floor; the floor where the rate is not known."""
        rate = self.known(step)
        return self.floor if not rate else max(self.floor, rounded(min(rate / divisor, at_most)))

    def budget(self, step: int) -> float:
        """Dose left after a step until overtraining becomes likely (one in ten) by dose alone; may be negative."""
        early = self.prior.median * math.exp(-1.2816 * self.prior.spread)  # the 10 % quantile of the onset
        return early - self.prior.clock.at(step)

    def steps_for(self, dose: float, rate: float) -> int:
        """Steps at a rate that make up a dose."""
        return max(0, int(dose * self._scale / (rate * self.root)))

    def rate_for(self, dose: float, steps: int) -> float:
        """The rate at which so many steps make up a dose."""
        return dose * self._scale / (steps * self.root)


def rates_of(vitals: Vitals) -> Rates:
    """Read from the run's settings and logs."""
    prior, last = prior_of(vitals), last_step(vitals)
    asked = rates_asked(vitals, prior.base.usual)
    unit = unit_of(vitals, asked, prior.base.usual)
    planned = vitals.settings.steps or 0
    return Rates(prior, asked, unit, math.sqrt(effective_batch(vitals.settings)), max(planned, last))


def rounded(rate: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten, on a logarithmic scale."""
    if rate <= 0:
        return 0.0
    exponent = math.floor(math.log10(rate))
    steps = (float(f"{digit}e{power10}") for power10 in (exponent, exponent + 1) for digit in (1, 2, 5))
    return min(steps, key=lambda step: abs(math.log(step / rate)))


def schedule(rate: float, end: int) -> str:
    """`5e-7:20000`: a rate until a step, in the web UI's grammar."""
    return f"{power(rate)}:{end}"
