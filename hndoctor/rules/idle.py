"""Networks that do nothing, or the same to everything, or to which nothing happens (HN104 to HN107, HN116, HN118)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import median

from hndoctor.formats.counted import counted
from hndoctor.records import Checkpoint, ModuleVitals, Severity, TensorVitals, Vitals
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.initial import is_at_its_initialisation
from hndoctor.rules.pace import rms_of
from hndoctor.rules.stretches import Stretch, called, gains_of, label, networks, stretches

DEAD_GAIN = 1e-4  # a fresh 24-wide network has .003, a fresh 768-wide one .1 (web UI's Normal); guess, untested
# Relative difference of norms and largest weights below which k and v are one network, rounded at most (to half
# precision: 5e-4).  Of 3,316 pairs of the lab's runs none differs by less than .07 in every tensor
ALIKE = 1e-3
# Of 222 modules of the lab that change their contexts by half or more, sick ones too, the part that differs from one
# context to another is nowhere under .45 of that; below a tenth it is the biases that speak
LOUD, MOSTLY = 0.5, 0.1
UNCHANGED = 1e-7  # update over weights, RMS: below single precision's resolution
# Of the largest so far: below both, a network fades.  In all runs of the lab, those that broke and mended included, the
# weights' RMS never fell below .82 of it, and the median gain never below .59 (familiar-09)
FADED_GAIN, FADED_WEIGHTS = 1 / 3, 0.75
FADED_AWAY = 0.05  # of the largest median gain: next to nothing is left; guess, untested
ALIVE = 2.0  # a median gain up to here can be lost; what is larger is mostly an explosion, and good to be rid of


@rule("HN104", Severity.ERROR, needs="checkpoints")
def no_effect(vitals: Vitals) -> Iterator[Sign]:
    """The network does nothing.

    What it adds to its contexts is less than a ten-thousandth of them: pictures with and without it are the same.  A
    dead last activation, a layer norm that never left zero, or weights that were decayed away.  Start again, with
    another activation and without layer norm.  Where later checkpoints do something, or only some modules do nothing,
    this is a warning.
    """
    for stretch in stretches(networks(vitals), lambda c: _most(c) is not None and (_most(c) or 0.0) < DEAD_GAIN):
        value = _most(stretch.first) or 0.0
        message = f"the largest gain of any module is {value:.1e} {stretch.where}"
        severity = None if stretch.to_the_end else Severity.WARNING
        yield Sign(message, stretch.first.step, stretch.first.path, value, DEAD_GAIN, severity=severity)
    for stretch in stretches(networks(vitals), lambda c: (_most(c) or 0.0) >= DEAD_GAIN and bool(_silent(c))):
        names = ", ".join(label(module) for module in _silent(stretch.first))
        message = f"{names} {'does' if ',' not in names else 'do'} nothing {stretch.where}, others do"
        yield Sign(message, stretch.first.step, stretch.first.path, 0.0, DEAD_GAIN, 0.9, Severity.WARNING)


def _most(checkpoint: Checkpoint) -> float | None:
    """The largest gain, if every module has one."""
    gains = [module.gain for module in checkpoint.modules]
    return max((g for g in gains if g is not None), default=None) if None not in gains else None


def _silent(checkpoint: Checkpoint) -> list[ModuleVitals]:
    return [module for module in checkpoint.modules if _is_silent(module)]


@rule("HN105", Severity.WARNING, needs="checkpoints")
def still_at_its_initialisation(vitals: Vitals) -> Iterator[Sign]:
    """The weights are still those that the network was created with.

    All biases are exactly zero and every matrix has the spread of its initialisation, although steps were counted:
    no step has changed anything.  Gradients are missing or zero, every step was skipped (a NaN loss in mixed
    precision), or the rate is zero.  Look at the loss log; train again after mending that.  Before the first step this
    is a note.
    """
    for stretch in stretches(networks(vitals), is_at_its_initialisation):
        trained = [checkpoint for checkpoint in stretch.members if checkpoint.stored_step > 0]
        about = (trained or stretch.members)[-1]
        after = counted(about.stored_step, "step")
        message = f"{about.metadata.weight_initialization} initialisation, untouched after {after}"
        severity = None if trained else Severity.INFO
        yield Sign(message, about.step, about.path, float(about.stored_step), 0.0, 0.95, severity)


@rule("HN106", Severity.WARNING, needs="checkpoints")
def k_and_v_identical(vitals: Vitals) -> Iterator[Sign]:
    """The k and the v module of a size are the same.

    They are trained apart and never agree by chance, not to a thousandth: the file was put together wrongly, or a
    program with a known mistake wrote it.  Take the original file.
    """
    for stretch in stretches(networks(vitals), lambda c: bool(_twins(c))):
        sizes = ", ".join(map(str, _twins(stretch.first)))
        message = f"k and v are identical in size {sizes} {stretch.where}"
        yield Sign(message, step=stretch.first.step, subject=stretch.first.path, confidence=0.99)


def _twins(checkpoint: Checkpoint) -> list[int]:
    """Sizes whose modules have the same numbers in every tensor, as far as norms and largest weights tell."""
    sides: dict[tuple[int, str], dict[str, TensorVitals]] = {}
    for tensor in checkpoint.tensors:
        size, side, name = tensor.name.split(".", 2)
        sides.setdefault((int(size), side), {})[name] = tensor
    alive = {size for (size, _), found in sides.items() if any(tensor.frobenius for tensor in found.values())}
    return [size for size in sorted(alive) if _are_alike(sides.get((size, "k"), {}), sides.get((size, "v"), {}))]


def _are_alike(k: Mapping[str, TensorVitals], v: Mapping[str, TensorVitals]) -> bool:
    return k.keys() == v.keys() and all(
        one.shape == v[name].shape
        and one.nan == v[name].nan
        and math.isclose(one.frobenius, v[name].frobenius, rel_tol=ALIKE)
        and math.isclose(one.max_abs, v[name].max_abs, rel_tol=ALIKE)
        for name, one in k.items()
    )


@rule("HN107", Severity.WARNING, needs="checkpoints")
def not_changing(vitals: Vitals) -> Iterator[Sign]:
    """The weights did not change from one checkpoint to the next.

    Steps were counted, but every one of them was skipped or too small to matter: a NaN loss in mixed precision (the
    web UI then goes on without a word), a rate of zero, or a schedule that has ended.  Look at the loss log and the
    schedule before training on.
    """
    course = networks(vitals)
    frozen = {id(now) for before, now in pairwise(course) if _is_unchanged(before, now)}
    for stretch in stretches(course, lambda c: id(c) in frozen):
        message = f"no weight has changed since the checkpoint before {stretch.where}"
        yield Sign(message, step=stretch.first.step, subject=stretch.first.path, value=0.0, limit=UNCHANGED)


def _is_unchanged(before: Checkpoint, now: Checkpoint) -> bool:
    # One step is too few: the web UI's last file, `x.pt`, is one after `x-1500.pt`, and a copy of it gets no new step
    if abs(now.stored_step - before.stored_step) <= 1 or not now.modules:
        return False
    moved = [(module.update_rms, module.rms) for module in now.modules]
    return all(update is not None and update <= UNCHANGED * rms for update, rms in moved)


@rule("HN116", Severity.ERROR, needs="checkpoints")
def the_same_for_every_context(vitals: Vitals) -> Iterator[Sign]:
    """The network adds the same to every context.

    Whatever the caption says, it is the same: a layer of zeros, or hidden units that are all dead, let only the biases
    through, so that nothing can be learned or told apart.  Go back to a checkpoint from before it; where the first one
    is like this, start again.  Where later checkpoints are sound, or only some modules are like this, it is a warning;
    and where the biases of a module drown what it learned, so that it adds nearly the same.
    """
    for stretch in stretches(networks(vitals), lambda c: bool(_constant(c))):
        first = stretch.first
        whole = all(_is_constant(module) or _is_silent(module) for module in first.modules)
        names = "every module" if whole else ", ".join(map(label, _constant(first)))
        message = f"{names} {'add' if ',' in names else 'adds'} the same to every context {stretch.where}"
        severity = None if whole and stretch.to_the_end else Severity.WARNING
        value = max(module.varied or 0.0 for module in _constant(first))
        yield Sign(message, first.step, first.path, value, DEAD_GAIN, severity=severity)
    for stretch in stretches(networks(vitals), lambda c: not _constant(c) and bool(_drowned(c))):
        found = _drowned(stretch.first)
        share = min((module.varied or 0.0) / (module.gain or 1.0) for module in found)
        message = f"{', '.join(map(label, found))} add nearly the same to every context {stretch.where}"
        message = message if len(found) > 1 else message.replace(" add ", " adds ", 1)
        yield Sign(message, stretch.first.step, stretch.first.path, share, MOSTLY, 0.8, Severity.WARNING)


def _constant(checkpoint: Checkpoint) -> list[ModuleVitals]:
    return [module for module in checkpoint.modules if _is_constant(module)]


def _drowned(checkpoint: Checkpoint) -> list[ModuleVitals]:
    """Modules whose large effect is nearly the same for every context."""
    return [
        module
        for module in checkpoint.modules
        if module.gain is not None and module.varied is not None
        if module.gain >= LOUD and module.varied < MOSTLY * module.gain
    ]


def _is_constant(module: ModuleVitals) -> bool:
    return not _is_silent(module) and module.varied is not None and module.varied < DEAD_GAIN


def _is_silent(module: ModuleVitals) -> bool:
    return module.gain is not None and module.gain < DEAD_GAIN


@rule("HN118", Severity.WARNING, needs="checkpoints")
def fading(vitals: Vitals) -> Iterator[Sign]:
    """The network is fading.

    Its weights shrink from checkpoint to checkpoint, and what it does to its contexts with them; where less than a
    twentieth is left this is an error.  Training makes networks larger: something pulls the weights to zero faster
    than they learn, mostly weight decay at a high rate, or a program that scales what it saves.  Go back to a
    checkpoint from before it, and turn weight decay off.
    """
    course = networks(vitals)
    left = {id(c): share for c, share in zip(course, _shares(course), strict=True) if share is not None}
    for stretch in stretches(course, lambda c: left.get(id(c), 1.0) < FADED_GAIN):
        least = min(left[id(c)] for c in stretch.members)
        lost = stretch.to_the_end and least < FADED_AWAY
        severity, limit, sure = (Severity.ERROR, FADED_AWAY, 0.9) if lost else (None, FADED_GAIN, 0.8)
        yield Sign(_fall(stretch, least), stretch.first.step, stretch.first.path, least, limit, sure, severity)


def _shares(course: tuple[Checkpoint, ...]) -> Iterator[float | None]:
    """What is left of each module's largest gain so far where most is left; None where the weights have not shrunk.

    What pulls at the weights pulls at all of them; a network that comes back from an explosion keeps some modules.
    """
    large = 0.0
    most: dict[tuple[int, str], float] = {}
    for checkpoint in course:
        gains, rms = gains_of(checkpoint), rms_of(checkpoint)
        sane = bool(gains) and median(gains) <= ALIVE
        large = max(large, rms if sane else 0.0)
        now = {(module.size, module.side): module.gain for module in checkpoint.modules if module.gain is not None}
        most |= {at: max(most.get(at, 0.0), gain) for at, gain in now.items() if sane}
        left = [gain / most[at] for at, gain in now.items() if most.get(at, 0.0) > DEAD_GAIN]
        yield max(left) if left and rms < FADED_WEIGHTS * large else None


def _fall(stretch: Stretch, least: float) -> str:
    return f"the network's effect has shrunk to {least:.1%} of what it was {called(stretch.members[-1])}"


RULES_IDLE: tuple[Rule, ...] = (
    no_effect,
    still_at_its_initialisation,
    k_and_v_identical,
    not_changing,
    the_same_for_every_context,
    fading,
)
"""The rules on idle networks, in order of their codes."""
