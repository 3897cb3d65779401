"""Whether an optimizer state is fit to go on from (HN110)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hndoctor.formats.counted import counted
from hndoctor.records import Checkpoint, OptimizerVitals, Refusal, Severity, Vitals
from hndoctor.rules.dose import Base, base_of, finds_its_rate, has_adams_rates, schedule_of
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.pace import rms_of
from hndoctor.rules.stretches import stretches

ZERO_MOMENTS = 0.99  # share of second moments that never saw a gradient; guess, untested
# RMS of the next step over that of the weights.  AdamW: up to .065 in the lab's sound runs, .33 in its sick ones (107
# runs).  Sound first 12 to 24 steps of others on the pocket model (held-out loss 21 to 57 % better): SGD with momentum
# .014, Adadelta .027, NAdam .089, Rprop .11, Adamax .17, Adagrad .56, RMSprop .57.  Where second moments were lost and
# first ones not, Adam divides by its epsilon alone.  The second limit is a guess
LEAP, DEADLY_LEAP = 1.0, 10.0
# Times what Adam can do.  Arithmetic gives 1; torch's own AdamW with moments in bfloat16 stays within that (1,500 steps
# of six kinds of gradients), in float16 within 1.05, or hundreds beyond where squares vanish: that really ruins
BEYOND = 2.0
# Ratio to the nearest rate that was logged or asked for.  All 1,010 states of the lab's runs have a rate of their log
OTHER_RATE = 2.0
# Steps between a checkpoint and a row of the log that speaks of it: at the joints of a schedule both are right
NEAR = 1


@rule("HN110", Severity.WARNING, needs="optimizers")
def optimizer_state_unfit(vitals: Vitals) -> Iterator[Sign]:
    """The optimizer state is not fit to go on from.

    Moments that are not finite, squares below zero, a rate, a step count or a setting that no optimizer can use (a rate
    below zero climbs, where it should descend), or moments that make the next step longer than the weights are, ruin
    the network at once; a state that cannot be read is dropped by the web UI without a word, and so is one for another
    number of parameters; moments that contradict each other were left behind by no gradients; moments that are all zero
    never saw a gradient; moments of other shapes are another network's, or one's whose sizes stood in another order;
    and a state that has counted more steps than its network belongs to a later one.  The web UI goes on at the rate
    that the state holds, whatever is set: one that is ruinous, or far from those of the loss log, is told too.  Resume
    from an earlier pair, or without the state and with a warm-up.
    """
    for checkpoint in vitals.checkpoints:
        optimizer = checkpoint.optimizer
        if optimizer is None:
            continue
        for message, value, limit, severity in _complaints(checkpoint, optimizer):
            name = optimizer.path.rpartition("/")[2]
            yield Sign(f"{name}: {message}", checkpoint.step, optimizer.path, value, limit, severity=severity)
    yield from _rates(vitals)


def _rates(vitals: Vitals) -> Iterator[Sign]:
    """States whose rate ruins what goes on from them, or is none that was logged."""
    logged = {point.step: point.learn_rate for point in vitals.losses if point.learn_rate}
    if not logged and has_adams_rates(vitals):  # a rate that was logged is HN204's
        yield from _ruinous(vitals, base_of(vitals))
    if logged and not finds_its_rate(vitals):
        yield from _unknown(vitals, logged)


def _ruinous(vitals: Vitals, base: Base) -> Iterator[Sign]:
    for stretch in stretches(vitals.checkpoints, lambda c: _rate(c) >= 0.999 * base.ruinous):
        limit = f"(from about {base.ruinous:g} on)"
        message = (
            f"an .optim file's rate of {_rate(stretch.first):g} is ruinous for {base.name} {limit} {stretch.where}"
        )
        yield _about_rate(message, stretch.first, base.ruinous)


def _unknown(vitals: Vitals, logged: Mapping[int, float]) -> Iterator[Sign]:
    told = [*logged.values(), *(part.rate for part in schedule_of(vitals) if part.rate > 0)]

    def nearest(rate: float) -> float:
        return min(told, key=lambda one: max(rate / one, one / rate))

    def is_unknown(checkpoint: Checkpoint) -> bool:
        rate, step = _rate(checkpoint), checkpoint.step or 0
        if not rate or not any(near in logged for near in range(step - NEAR, step + NEAR + 1)):
            return False
        return not 1 / OTHER_RATE < rate / nearest(rate) < OTHER_RATE

    for stretch in stretches(vitals.checkpoints, is_unknown):
        rate = _rate(stretch.first)
        near = nearest(rate)
        message = (
            f"an .optim file's rate is {rate:g}, the nearest that was logged or asked for {near:g} {stretch.where}"
        )
        yield _about_rate(message, stretch.first, near)


def _rate(checkpoint: Checkpoint) -> float:
    """The rate that its optimizer's state holds, if it is above zero."""
    state = checkpoint.optimizer
    return max(0.0, state.learning_rate or 0.0) if state else 0.0


def _about_rate(message: str, checkpoint: Checkpoint, limit: float) -> Sign:
    path = checkpoint.optimizer.path if checkpoint.optimizer else checkpoint.path
    return Sign(message, checkpoint.step, path, _rate(checkpoint), limit, 0.9)


def _complaints(
    checkpoint: Checkpoint, optimizer: OptimizerVitals
) -> Iterator[tuple[str, float | None, float | None, Severity | None]]:
    if optimizer.unreadable is not None:
        if optimizer.refusal is not Refusal.UNSAFE:  # that is HN001's
            writing = optimizer.refusal is Refusal.WRITING
            yield optimizer.unreadable, None, None, Severity.INFO if writing else None
        return
    if optimizer.nonfinite:
        are = "is" if optimizer.nonfinite == 1 else "are"
        told = f"{counted(optimizer.nonfinite, 'moment')} {are} not finite"
        yield told, float(optimizer.nonfinite), 0.0, Severity.ERROR
    if optimizer.negative:
        message = f"{optimizer.negative:,} of its mean squares are below zero: their roots are not numbers"
        if optimizer.negative == 1:
            message = "1 of its mean squares is below zero: its root is no number"
        yield message, float(optimizer.negative), 0.0, Severity.ERROR
    if optimizer.wrong:
        message = f"numbers in it that no optimizer can use: {', '.join(optimizer.wrong)}"
        yield message, float(len(optimizer.wrong)), 0.0, Severity.ERROR
    if optimizer.tensors == 0:
        if optimizer.optimizer_name != "SGD":  # which has none unless it is given momentum
            yield "it holds no moments at all", 0.0, None, Severity.INFO
    elif optimizer.zero_second_moment >= ZERO_MOMENTS:
        share, why = optimizer.zero_second_moment, "they were lost" if optimizer.update_rms else "no gradient ever came"
        yield f"{share:.0%} of its second moments are zero: {why}", share, ZERO_MOMENTS, None
    size = rms_of(checkpoint)
    if optimizer.update_rms is not None and 0 < LEAP * size <= optimizer.update_rms:
        times = optimizer.update_rms / size
        severity = Severity.ERROR if times >= DEADLY_LEAP else None
        yield f"its next step would move the weights by {times:.3g} times their own size", times, LEAP, severity
    if optimizer.beyond > BEYOND and optimizer.zero_second_moment < ZERO_MOMENTS:  # else that was just said
        far = f"{optimizer.beyond:.3g} times as far as Adam can"
        yield f"its moments contradict each other: a weight would go {far}", optimizer.beyond, BEYOND, None
    if optimizer.misfits:
        misfits = optimizer.misfits
        told = f"the moments of {counted(misfits, 'parameter')} have another shape than the network's tensors"
        yield told, misfits, 0, None
    yield from _of_other_parameters(checkpoint, optimizer)
    if optimizer.step is not None and optimizer.step > checkpoint.stored_step + 1 and not checkpoint.partial:
        message = f"it has counted {counted(optimizer.step, 'step')}, its network {checkpoint.stored_step:,}"
        yield message, float(optimizer.step), float(checkpoint.stored_step + 1), None


def _of_other_parameters(
    checkpoint: Checkpoint, optimizer: OptimizerVitals
) -> Iterator[tuple[str, float | None, float | None, Severity | None]]:
    """Of a plain network every tensor is a parameter; modules that the base model lacks never get a state."""
    named, has = optimizer.parameters, len(checkpoint.tensors)
    if named is None or checkpoint.partial or checkpoint.metadata.skip_connection:
        return
    if named != has:
        yield f"it is for {counted(named, 'parameter')}, its network has {has}", named, has, None
    elif 0 < optimizer.kept < named:
        message = f"it holds moments of {optimizer.kept} of {named} parameters: the others begin anew"
        yield message, optimizer.kept, named, Severity.INFO


def is_unfit(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint's optimizer state is nothing to go on from; False where it has none."""
    state = checkpoint.optimizer
    if state is None:
        return False
    return bool(state.unreadable) or any(
        severity is not Severity.INFO for *_, severity in _complaints(checkpoint, state)
    )


RULES_OPTIMIZERS: tuple[Rule, ...] = (optimizer_state_unfit,)
"""The rules on optimizer states."""
