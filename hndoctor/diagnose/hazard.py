"""When things happen to a network, before anything is seen: transitions between stops, by dose and rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import Row
from hndoctor.diagnose.stations import Stop
from hndoctor.formats.counted import counted
from hndoctor.records import Vitals
from hndoctor.rules.dose import Base, Clock, base_of, clock_of, has_adams_rates, optimizer_of
from hndoctor.rules.windows import normal

EIGHT_OF_TEN = 1.2816  # standard deviations on either side that hold so many of a normal distribution
WIDE = 1.0  # spread from which the later end is 13 times the earlier one or more
MOST_STEPS = 1e7  # beyond it nobody trains: guess
RATES = 1e-12, 1e12  # between them powers of a rate stay numbers; no network is trained beyond


@dataclass(frozen=True)
class Prior:
    """Whose scale of doses is used, and how far it is trusted."""

    base: Base
    clock: Clock
    median: float  # dose of the onset of overtraining
    spread: float  # of its logarithm
    ceiling: float  # the most that dose alone may say
    pictures: int | None
    stranger: str = ""  # an optimizer whose rates are not on Adam's scale

    def overtrained_by(self, dose: float) -> float:
        """P(overtraining has begun by this dose), nothing else being known."""
        if dose <= 0:
            return 0.0
        guided = normal(math.log(dose / self.median) / self.spread)
        low, high = (bound * self.base.scale for bound in believed.ONSET_ASTRAY_RANGE)
        astray = min(1.0, max(0.0, math.log(dose / low) / math.log(high / low)))
        return self.ceiling * ((1 - believed.ONSET_ASTRAY) * guided + believed.ONSET_ASTRAY * astray)

    def learnt_by(self, dose: float) -> float:
        """P(the network shows an effect by this dose)."""
        return (
            normal(math.log(dose / (believed.LEARNT_MEDIAN * self.base.scale)) / believed.LEARNT_SPREAD)
            if dose > 0
            else 0.0
        )

    def breaks_between(self, before: int, step: int, times: float = 1.0) -> float:
        """P(breakage between two steps | none before): it grows with the rate, beyond the dose.

        Runs differ in what they stand: one that a rate has not broken for long is hardly broken by more of it.  With
        the hazards of runs spread exponentially around h, P(broken by then) is h / (1 + h).
        """
        usual, rate = believed.BREAK_USUAL[self.base.kind], min(max(self.clock.rate(step), RATES[0]), RATES[1])
        power = math.log(believed.BREAK_RUINOUS[self.base.kind] / usual) / math.log(self.base.ruinous / self.base.usual)
        hazard = times * usual * (rate / self.base.usual) ** power / rate  # per dose
        most = 1.0
        if not self.clock.told:
            hazard, most = hazard * believed.BREAK_RATE_UNKNOWN, believed.CEILING_RATE_UNKNOWN
        begun, end = (hazard * self.clock.at(at) for at in (before, max(before, step)))
        return _hazard(most * begun / (most + begun), most * end / (most + end))

    @property
    def words(self) -> str:
        """When overtraining is to be expected by this alone, and whose band was used, for people."""
        low, high = (self.clock.step_at(self.median * math.exp(sign * EIGHT_OF_TEN * self.spread)) for sign in (-1, 1))
        source = {
            "sd1": "the guide's band for Stable Diffusion 1 (9,000 to 25,000 steps at 5e-6)",
            "sd2": "the guide's band for Stable Diffusion 1 made wider for Stable Diffusion 2",
            "pocket": "what this project measured on the pocket model",
            "unknown": "a wide band as the base model is not known",
        }[self.base.kind]
        pictures = counted(self.pictures, "picture") if self.pictures else "an unknown number of pictures"
        rates = f"the rates from {self.clock.told}" if self.clock.told else "the usual rate"
        return "; ".join((_between(low, high), f"reckoned from {source}, {pictures} and {rates}", *self._doubts))

    @property
    def _doubts(self) -> Iterator[str]:
        if self.stranger:
            yield f"the rates of {self.stranger} are on a scale of their own, so this is a rough guess"
        elif not self.clock.told:
            yield "no file tells the rate, so this is a rough guess"
        elif self.spread >= WIDE:
            yield "so wide a range says little"


def _between(low: float, high: float) -> str:
    """Steps with two digits; beyond any training there are none."""
    begun, end = (float(f"{step:.1e}") for step in (low, high))
    if begun > MOST_STEPS:
        return "hardly ever at these rates"
    if end > MOST_STEPS:
        return f"from step {begun:,.0f} on"
    return f"between step {begun:,.0f} and {end:,.0f} in 8 of 10 runs like this one"


def prior_of(vitals: Vitals) -> Prior:
    """The prior that belongs to a run's base model, its rates and its number of pictures."""
    base = base_of(vitals)
    clock = clock_of(vitals, base)
    pictures = vitals.settings.images or None
    median = (
        believed.ONSET_MEDIAN
        * base.scale
        * believed.ONSET_TIMES[base.kind]
        * ((pictures or believed.ONSET_PICTURES) / believed.ONSET_PICTURES) ** believed.ONSET_POWER
    )
    spread = believed.ONSET_SPREAD if pictures else believed.SPREAD_PICTURES_UNKNOWN
    optimizer = optimizer_of(vitals)
    if "adam" not in optimizer.lower() or max(clock.rates) > believed.FAST_RATE * base.scale:
        spread = max(spread, believed.SPREAD_FAST)
    spread = max(spread, believed.SPREAD_OTHER_BASE[base.kind])
    ceiling = (
        believed.CEILING[base.kind] if clock.told else min(believed.CEILING[base.kind], believed.CEILING_RATE_UNKNOWN)
    )
    return Prior(base, clock, median, spread, ceiling, pictures, "" if has_adams_rates(vitals) else optimizer)


def at_the_start(vitals: Vitals) -> Row:
    """Before the first step: starting, unless the initialisation alone kills (G18)."""
    made = [checkpoint.metadata for checkpoint in vitals.checkpoints]
    harsh = any(meta.weight_initialization != "Normal" and not meta.is_layer_norm for meta in made)
    dead = believed.DEAD_AT_START["other" if harsh else "Normal"]
    return (1 - dead, 0.0, 0.0, dead, 0.0)


def transition(
    prior: Prior, before: Stop | None, stop: Stop, mended: float, seen: float | None = None
) -> tuple[Row, ...]:
    """From each state to each, between two stops.  `mended`: chance that a broken network is sound at the second.

    `seen`: chance that overtraining begins here as far as held-out pictures are measured, None where they are not.
    """
    begun = before.step if before else 0
    d0, d1 = prior.clock.at(begun), prior.clock.at(stop.step)
    learn = _hazard(prior.learnt_by(d0), prior.learnt_by(d1))
    over = _hazard(prior.overtrained_by(d0), prior.overtrained_by(d1))
    soon = 0.0  # overtrained without ever having been sound, as where the base model knows the style already
    if seen is not None:  # held-out pictures tell more than any clock
        learn, over, soon = max(learn, believed.LEARNT_SEEN), max(over, seen), seen
    breaks = min(believed.BREAK_MOST, prior.breaks_between(begun, stop.step))
    sooner = min(believed.BREAK_MOST, prior.breaks_between(begun, stop.step, believed.BREAK_OVERTRAINED))
    first_dead = 1.0 if before is None else 0.0  # dead from the start is seen as breaking at the first stop
    stay = (1 - mended) * (1 - first_dead)
    return (
        _row(
            (1 - breaks) * (1 - learn) * (1 - soon),
            (1 - breaks) * learn * (1 - over),
            (1 - breaks) * (learn * over + (1 - learn) * soon),
            breaks,
            0.0,
        ),
        _row(0.0, (1 - breaks) * (1 - over), (1 - breaks) * over, breaks, 0.0),
        _row(0.0, 0.0, 1 - sooner, sooner, 0.0),
        _row(0.0, mended, 0.0, (1 - mended) * first_dead, stay),
        _row(0.0, mended, 0.0, 0.0, 1 - mended),
    )


def onsets_seen(stops: Sequence[Stop]) -> Iterator[float | None]:
    """The chance at each stop that overtraining begins there: where held-out pictures are measured, alike at each."""
    measured = [any(point.held_out > 0 for point in stop.validation) for stop in stops]
    each, place = believed.ONSET_SEEN / max(1, sum(measured)), 0
    for here in measured:
        yield each / (1 - place * each) if here else None
        place += here


def _row(*values: float) -> Row:
    return values


def _hazard(before: float, after: float) -> float:
    """P(it happens in this interval | it has not yet)."""
    return min(1.0, max(0.0, (after - before) / (1 - before))) if before < 1 else 1.0
