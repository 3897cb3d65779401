"""What the weights tell (HN1xx): not numbers at all, exploded, exploding, ruined from the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from hndoctor.records import Checkpoint, Severity, TensorVitals, Vitals
from hndoctor.rules.alignment import is_by_chance
from hndoctor.rules.continuity import RULES_CONTINUITY
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.idle import RULES_IDLE
from hndoctor.rules.initial import initial_std
from hndoctor.rules.optimizers import RULES_OPTIMIZERS
from hndoctor.rules.pace import Pace, paces, rms_of
from hndoctor.rules.proportions import RULES_PROPORTIONS
from hndoctor.rules.sizes import RULES_SIZES
from hndoctor.rules.stretches import (
    Stretch,
    called,
    gain_of,
    gains_of,
    label,
    largest_gain,
    networks,
    nonfinite,
    stretches,
)
from hndoctor.rules.units import RULES_UNITS

GAIN_HARMLESS = 0.5  # ||h(x)||/||x||; science.md §E: pictures of the pocket model are unharmed up to here
GAIN_LARGE = 1.7  # objects drift (science.md §E); below it no jump of the gain matters
# Random weights of a gain of 2 in all modules lose the caption, of 8 and 32 make colourful noise (science.md §E), but
# what is learned may reach further: in the lab's tuning half sound checkpoints have single modules up to 17 and medians
# up to 4.1 (slow-03, by-heart-01), broken ones single modules from 7.4 and medians from 3.5 on.  So up to there it is
# a warning, and an error from where nothing sound has been seen: explosions pass it at once (sudden-02: 61, median 20).
# A key alone is none, however large: it only says how sharply attention chooses (sound by-heart-07: one key at 1,550)
GAIN_ODD, MEDIAN_ODD = 8.0, 2.0
GAIN_NOISE, MEDIAN_NOISE = 32.0, 8.0
# Weights that are as good as random: on the pocket model all 22 networks of median gains from 2.5 on were broken by the
# lab's rule of truth, none of the 10 of .6 to 1.8 (benchmarks/lab/chance)
MEDIAN_BY_CHANCE = 2.0
GAIN_CERTAIN_DEATH = 1.3  # at the start: Kaiming's 1.42 and 2.0 (web UI issue 4350), not Xavier's .67 and .94
RMS_EXPLODED = 1.0  # RMS of a module: 100 times the web UI's Normal initialisation; guess, untested
WEIGHT_LARGE = 5.0  # max |w|; AutoTrainer's definition of a large weight (ICSE 2021)
GROWTH = 3.0  # gain over the largest before it, within one interval (science.md §C.4 asks z > 8); guess, untested
UPDATE_JUMP = 10.0  # update per step over the median of those before it; guess, untested
SURE, SURE_OF_A_RAISED_RATE = 0.8, 0.5  # confidence; guess, untested
UPDATE_GROWTH = 1.5  # by which the weights' RMS must have grown with it; guess, untested


@rule("HN101", Severity.ERROR, needs="checkpoints")
def weights_not_finite(vitals: Vitals) -> Iterator[Sign]:
    """There are weights that are not numbers.

    One NaN or infinity spreads over every picture: they turn black, or into noise.  Such a network cannot be mended
    by training on.  Go back to a checkpoint from before it and lower the learning rate (G20, G29).
    """
    for stretch in stretches(vitals.checkpoints, lambda c: any(map(nonfinite, c.tensors))):
        bad = [tensor for tensor in stretch.first.tensors if nonfinite(tensor)]
        worst = max(bad, key=lambda tensor: nonfinite(tensor) / tensor.count)
        count = sum(map(nonfinite, bad))
        others = f", {len(bad)} tensors in all" if len(bad) > 1 else ""
        message = f"{_kinds(worst)} in {worst.name} {stretch.where}{others}"
        yield Sign(message, step=stretch.first.step, subject=stretch.first.path, value=float(count), limit=0.0)


def _kinds(tensor: TensorVitals) -> str:
    counts = {"NaN": tensor.nan, "+Inf": tensor.posinf, "-Inf": tensor.neginf}
    kinds = [f"{n:,} {name}" for name, n in counts.items() if n]
    share = nonfinite(tensor) / tensor.count
    return " and ".join(kinds) + (f" ({share:.1%})" if share >= 0.001 else f" of {tensor.count:,}")


@rule("HN102", Severity.ERROR, needs="checkpoints")
def exploded(vitals: Vitals) -> Iterator[Sign]:
    """The network changes its contexts far too much.

    A sound network mostly adds less than a context's own length; a few of its modules may add several times that.
    Eight times in most modules, or thirty in one of values (v), leaves nothing of the prompt: every picture is
    colourful noise (G29).  One of keys (k) only sharpens attention: it may reach hundreds while the network works.
    Of weights that point nowhere, as if drawn by chance, twice is enough.
    Go back to a checkpoint from before the rise and lower the rate; where the very first checkpoint is like this, start
    again.  A warning is no reason to stop while previews still follow their prompts.
    """
    course = networks(vitals)
    for stretch in stretches(course, lambda c: _ruinous(c) is not None):
        yield from _explosion(stretch, _ruinous(stretch.first), 0.95, Severity.ERROR)
    for stretch in stretches(course, lambda c: _ruinous(c) is None and _large(c) is not None):
        yield from _explosion(stretch, _large(stretch.first), 0.7, Severity.WARNING)


Excess = tuple[str, float, float]  # what is too large, in words; how large, and the limit


def _explosion(stretch: Stretch, excess: Excess | None, sure: float, severity: Severity) -> Iterator[Sign]:
    if excess is None:
        return
    what, value, limit = excess
    peak = max((gain for c in stretch.members if (gain := gain_of(c)) is not None), default=0.0)
    rise = f", the largest gain {peak:.3g}" if peak > 1.5 * value else ""
    message = f"{what} {stretch.where}{rise}"
    yield Sign(message, stretch.first.step, stretch.first.path, value, limit, sure, severity)


def _ruinous(checkpoint: Checkpoint) -> Excess | None:
    """Beyond doubt: a gain in the range of noise, of one module or of most; random weights; or of another order."""
    found = largest_gain(checkpoint, side="v")
    typical, most = _typical(checkpoint)
    if found and found[1] >= GAIN_NOISE:
        return f"{found[0]} adds {found[1]:.3g} times its input", found[1], GAIN_NOISE
    if typical >= MEDIAN_NOISE:
        return most, typical, MEDIAN_NOISE
    if typical >= MEDIAN_BY_CHANCE and is_by_chance(checkpoint):
        return f"the weights are as good as random, and {most}", typical, MEDIAN_BY_CHANCE
    loud = max(checkpoint.modules, key=lambda module: module.rms, default=None)
    if loud and loud.rms >= RMS_EXPLODED:
        return f"the weights of {label(loud)} have an RMS of {loud.rms:.3g}", loud.rms, RMS_EXPLODED
    return None


def _large(checkpoint: Checkpoint) -> Excess | None:
    found = largest_gain(checkpoint)
    typical, most = _typical(checkpoint)
    if found and found[1] >= GAIN_ODD:
        return f"{found[0]} adds {found[1]:.3g} times its input", found[1], GAIN_ODD
    if typical >= MEDIAN_ODD:
        return most, typical, MEDIAN_ODD
    large = max(checkpoint.tensors, key=lambda tensor: tensor.max_abs, default=None)
    if large and large.max_abs > WEIGHT_LARGE:
        return f"a weight of {large.name} is {large.max_abs:.3g}", large.max_abs, WEIGHT_LARGE
    return None


def _typical(checkpoint: Checkpoint) -> tuple[float, str]:
    """The median gain of the modules, 0 where none is known, and that in words."""
    typical = median(gains_of(checkpoint) or (0.0,))
    return typical, f"half of the modules add {typical:.3g} times their input or more"


Jump = tuple[str, float, float, float]  # what is said, how large, the limit, how sure


@rule("HN103", Severity.WARNING, needs="checkpoints")
def exploding(vitals: Vitals) -> Iterator[Sign]:
    """The network suddenly changes much faster than it did.

    Measured against its own course: the gain has jumped within one interval, or the weights have moved many times
    further per step than before.  That is how a collapse begins, some steps before pictures show it.  Lower the rate
    from the checkpoint before it; if the rate was just raised on purpose, watch the next previews.
    """
    most: dict[str, float] = {}  # the largest gain of each module so far
    known = {id(pace.checkpoint): pace for pace in paces(vitals)}
    calm: list[Pace] = []
    for before, here in pairwise(networks(vitals)):
        for module in before.modules:
            most[label(module)] = max(most.get(label(module), 0.0), module.gain or 0.0)
        pace = known.get(id(here))
        told = _gain_jump(most, here) or (_update_jump(calm, pace, before) if pace else None)
        calm += [pace] if pace else []
        if told:
            message, value, limit, sure = told
            yield Sign(message, step=here.step, subject=here.path, value=value, limit=limit, confidence=sure)


def _gain_jump(before: Mapping[str, float], now: Checkpoint) -> Jump | None:
    """Module by module, so that one of small gain is seen too."""
    for module in now.modules:
        most = before.get(label(module), 0.0)
        if module.gain is not None and most > 0 and module.gain > max(GAIN_LARGE, GROWTH * most):
            text = f"the gain of {label(module)} jumps from {most:.3g} to {module.gain:.3g} {called(now)}"
            return text, module.gain, GROWTH * most, SURE
    return None


def _update_jump(calm: Sequence[Pace], pace: Pace, before: Checkpoint) -> Jump | None:
    """Per step; less sure where a raised rate explains it, because per unit of dose nothing has changed."""
    usual = median(one.speed for one in calm) if len(calm) >= 2 else 0.0
    grown = rms_of(pace.checkpoint) / rms_of(before) if rms_of(before) else 1.0
    if usual == 0 or pace.speed <= UPDATE_JUMP * usual or grown < UPDATE_GROWTH:
        return None
    text = f"the weights move {pace.speed / usual:.3g} times as far per step as before"
    doses = [one.per_dose for one in calm if one.per_dose is not None]
    times = pace.per_dose / median(doses) if pace.per_dose is not None and doses and median(doses) > 0 else None
    if times is not None:
        text += f" ({times:.2g} times per unit of learning-rate dose)"
    sure = SURE if times is None or times > UPDATE_JUMP else SURE_OF_A_RAISED_RATE
    return f"{text} {called(pace.checkpoint)}", pace.speed, UPDATE_JUMP * usual, sure


@rule("HN108", Severity.ERROR, needs="checkpoints")
def ruined_by_its_initialisation(vitals: Vitals) -> Iterator[Sign]:
    """The network was dead from the start: its initialisation ruins it.

    Xavier and Kaiming initialisations without layer norm change the contexts by once or twice their own length
    before anything is learned, where Normal changes them by a tenth (G18).  Going back does not help: start again
    with Normal.
    """
    first = next(iter(networks(vitals)), None)
    if first is None or first.metadata.is_layer_norm:
        return
    name, found = first.metadata.weight_initialization, largest_gain(first)
    if not name.startswith(("Xavier", "Kaiming")) or found is None or found[1] < GAIN_HARMLESS:
        return
    near = _near_initial(first)
    if not near:
        return
    message = f"{name} initialisation: the gain of {found[0]} is {found[1]:.2f} {called(first)}, Normal's is near 0.1"
    severity = None if found[1] >= GAIN_CERTAIN_DEATH else Severity.WARNING
    yield Sign(message, first.step, first.path, found[1], GAIN_HARMLESS, 0.85, severity)


def _near_initial(checkpoint: Checkpoint) -> bool:
    """Whether most matrices still have about the spread of their initialisation (within a quarter)."""
    ratios = [
        tensor.rms / std
        for tensor in checkpoint.tensors
        if (std := initial_std(tensor, checkpoint.metadata.weight_initialization))
    ]
    return bool(ratios) and 0.75 < median(ratios) < 1.25


RULES_WEIGHTS: tuple[Rule, ...] = (
    weights_not_finite,
    exploded,
    exploding,
    *RULES_IDLE,
    ruined_by_its_initialisation,
    *RULES_UNITS,
    *RULES_SIZES,
    *RULES_PROPORTIONS,
    *RULES_CONTINUITY,
    *RULES_OPTIMIZERS,
)
"""The rules on weights and optimizer states."""
