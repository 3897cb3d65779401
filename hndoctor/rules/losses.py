"""What the loss log and the validation tell (HN2xx)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from hndoctor.formats.counted import counted, higher
from hndoctor.formats.curve import Curve
from hndoctor.records import Severity, Vitals
from hndoctor.rules.captioned import RULES_CAPTIONS
from hndoctor.rules.dose import asked_words, base_of, curve_of, finds_its_rate, has_adams_rates, same_rate
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.paired import Drift, against_base, drifts, gap
from hndoctor.rules.windows import RISE, WINDOW, Mean, above, normal, rises, smoothed

CAP = 0.3  # mean loss over a window of 32 points; the guide's figure (G30)
SHORT_SURE = 0.975  # probability that a window shorter than that must reach: single steps vary by more than their mean
USELESS = 1.0  # loss of a network that predicts no noise at all: the noise has unit variance
WORSE_Z = 3.0  # paired standard errors by which validation must be worse; guess, untested
WORSE = 0.005  # relative rise of validation that matters; science.md §B.1: 2-4 % per optimal dose after the optimum
MEMORISED = 0.05  # gap of relative losses; science.md §B.1: .07-.14 where all benefit is gone, at 20 pictures


@rule("HN201", Severity.WARNING, needs="losses")
def loss_over_the_cap(vitals: Vitals) -> Iterator[Sign]:
    """The loss stays above 0.3.

    A single step's loss is mostly its timestep; a mean over 32 points that stays above 0.3 says that the network is
    doing harm (G30).  Lower the learning rate, or go back to a checkpoint from before the rise.
    """
    for excursion in _excursions(list(smoothed(vitals.losses))):
        worst = max(excursion, key=lambda point: point.mean)
        last = "to the end" if excursion[-1].step == _last_step(vitals) else f"until step {excursion[-1].step:,}"
        message = f"the mean loss over {worst.count} points is up to {worst.mean:.2f}, {last}"
        sure = max(above(point, CAP) for point in excursion)
        yield Sign(message, step=excursion[0].step, value=worst.mean, limit=CAP, confidence=sure)


def _excursions(means: list[Mean]) -> Iterator[list[Mean]]:
    """Stretches of windows above the cap; two of which windows overlap are one."""
    over = [
        at
        for at, mean in enumerate(means)
        if mean.mean > CAP and (mean.count >= WINDOW or above(mean, CAP) > SHORT_SURE)
    ]
    begins = [at for before, at in pairwise([-WINDOW, *over]) if at - before >= WINDOW]
    for begin, next_one in pairwise([*begins, len(means)]):
        end = max(at for at in over if at < next_one)
        yield means[begin : end + 1]


def _last_step(vitals: Vitals) -> int:
    return max((point.step for point in vitals.losses), default=0)


@rule("HN202", Severity.ERROR, needs="losses")
def loss_is_not_a_number(vitals: Vitals) -> Iterator[Sign]:
    """The loss is not a finite number.

    Where the loss is NaN or infinite nothing is learned: the rate is far too high (5e-3 reaches this very quickly,
    G20), half precision overflows, or a picture is fully opaque while its alpha channel is used as a weight.  The
    web UI trains on without a word.  Go back to a checkpoint from before it and lower the rate to a quarter or less.
    """
    points = sorted(vitals.losses, key=lambda point: point.step)
    bad = [point for point in points if point.nonfinite]
    if bad:
        lasting = "and stays so" if points[-1].nonfinite else "and is finite again later"
        rows = f"{len(bad):,} of {counted(len(points), 'row')}"
        message = f"the loss is NaN or infinite from step {bad[0].step:,} ({rows}) {lasting}"
        yield Sign(message, step=bad[0].step, value=float(len(bad)), limit=0.0)


@rule("HN203", Severity.WARNING, needs="losses")
def loss_rises(vitals: Vitals) -> Iterator[Sign]:
    """The loss has risen well above what it was.

    The mean of 32 points is far above the lowest mean before it, more than the timestep's noise explains, or single
    steps are worse than predicting nothing at all (1.0).  The rate is too high for this network: go back to before the
    rise and train on at a quarter of the rate.
    """
    spikes = [point for point in vitals.losses if point.loss is not None and point.loss > USELESS]
    if spikes:
        first, worst = min(spikes, key=lambda p: p.step), max(spikes, key=lambda p: p.loss or 0.0)
        above = "1 logged step has" if len(spikes) == 1 else f"{len(spikes):,} logged steps have"
        message = f"{above} a loss above 1 (up to {worst.loss:.3g}), worse than predicting nothing"
        yield Sign(message, step=first.step, value=worst.loss, limit=USELESS)
    risen = list(rises(vitals.losses))
    if risen:
        most = max(risen, key=lambda rise: rise.times)
        (low, before), (high, now) = ((math.exp(one.mean), one.step) for one in (most.lowest, most.now))
        message = f"the typical loss rose from {low:.3f} (step {before:,}) to {high:.3f} (step {now:,})"
        yield Sign(message, step=risen[0].now.step, value=most.times, limit=RISE, confidence=most.sure)


@rule("HN204", Severity.WARNING, needs="losses")
def rate_is_not_what_was_asked(vitals: Vitals) -> Iterator[Sign]:
    """The learning rate is ruinous, or not the one that was asked for.

    The web UI's default of 5e-3 reaches NaN very quickly on SD1 (G20).  And after a resume it goes on at the old rate
    that the optimizer's state brings along, whatever the settings say, until the schedule changes.  Use 5e-5 and then
    5e-6 or 5e-7; to resume at another rate in the web UI, leave the .optim file out.
    """
    logged = [(point.step, point.learn_rate) for point in vitals.losses if point.learn_rate]
    limit = base_of(vitals).ruinous if has_adams_rates(vitals) else math.inf
    ruinous = [(step, rate) for step, rate in logged if rate and rate >= limit * 0.999]
    if ruinous:
        step, rate = ruinous[0]
        message = f"the rate {rate:g} is ruinous for {base_of(vitals).name} (from about {limit:g} on)"
        yield Sign(message, step=step, value=rate, limit=limit, confidence=0.9)
    planned = None if finds_its_rate(vitals) else curve_of(vitals)
    since = max(vitals.settings.resumed_at, default=0)  # the schedule that is known is the last one that was asked for
    logged = [(step, rate) for step, rate in logged if step > since]
    other = [(step, rate) for step, rate in logged if planned and not _asked(rate, step, planned)]
    if len(other) >= 2:
        step, rate = other[0]
        rows = f"{len(other):,} of {len(logged):,} rows"
        message = f"the rate was {rate:g} in {rows}; {asked_words(vitals.settings)} was asked"
        yield Sign(message, step=step, value=rate, confidence=min(0.95, len(other) / len(logged) + 0.3))


def _asked(rate: float | None, step: int, planned: Curve) -> bool:
    """Whether the schedule has this rate at this step, give or take the web UI's off-by-one at its joints."""
    near = [one for before in (-2, -1, 0, 1) if (one := planned.at(max(0, step + before))) is not None]
    return not near or any(same_rate(rate, one) for one in near)


@rule("HN205", Severity.WARNING, needs="validation")
def validation_got_worse(vitals: Vitals) -> Iterator[Sign]:
    """The held-out loss is rising again.

    On pictures that were not trained on, with fixed noise, the network is worse than it was at its best: it has begun
    to learn the training pictures by heart (G21).  Training on at a lower rate only delays this, and gets no
    better: take the checkpoint from the best step, or the earliest one that is no worse.
    """
    worse = [drift for drift in drifts(vitals.validation) if _is_worse(drift)]
    if worse and _is_worse(drifts(vitals.validation)[-1]):
        now = drifts(vitals.validation)[-1]
        message = f"held-out loss is {higher(now.rise)} its best, that of step {now.best_step:,}"
        first = next(drift for drift in worse if drift.best_step == now.best_step or drift.step == now.step)
        yield Sign(message, step=first.step, value=now.rise, limit=WORSE, confidence=normal(now.rise / now.error - 1.5))


def _is_worse(drift: Drift) -> bool:
    return drift.rise > WORSE and drift.rise > WORSE_Z * drift.error


@rule("HN206", Severity.WARNING, needs="validation")
def worse_than_no_network(vitals: Vitals) -> Iterator[Sign]:
    """The held-out loss is worse than without any hypernetwork.

    All benefit is gone: on pictures that were not trained on, the bare base model does better.  Go back to the step
    with the lowest held-out loss.
    """
    last = max(vitals.validation, key=lambda point: point.step, default=None)
    change = against_base(last) if last else None
    if last and change and change.rise > WORSE and change.rise > WORSE_Z * change.error:
        message = f"held-out loss is {higher(change.rise)} the bare base model's"
        sure = normal(change.rise / change.error - 1.5)
        yield Sign(message, step=last.step, value=change.rise, limit=0.0, confidence=sure)


@rule("HN207", Severity.INFO, needs="validation")
def learns_by_heart(vitals: Vitals) -> Iterator[Sign]:
    """Training pictures have improved much more than held-out ones.

    The gap between the two is what the network has learned by heart.  Some gap is normal on a small set; a wide one is
    a reason to stop, or to add pictures or dropout.
    """
    last = max(vitals.validation, key=lambda point: point.step, default=None)
    wide = gap(last) if last else None
    if last and wide is not None and wide > MEMORISED:
        compared = f"{higher(math.expm1(wide))} that of training pictures"
        message = f"held-out loss is {compared}, each against the bare base model's"
        yield Sign(message, step=last.step, value=wide, limit=MEMORISED, confidence=0.7)


RULES_LOSSES = (
    loss_over_the_cap,
    loss_is_not_a_number,
    loss_rises,
    rate_is_not_what_was_asked,
    validation_got_worse,
    worse_than_no_network,
    learns_by_heart,
    *RULES_CAPTIONS,
)
