"""Which checkpoint: only finite, readable, sound ones, and further back than the last good-looking one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hndoctor.diagnose.channels import gain_of, is_finite
from hndoctor.diagnose.stations import living, step_of
from hndoctor.records import Checkpoint, Diagnosis, State, Station, ValidationPoint, Vitals
from hndoctor.rules.paired import against_base, comparable, relative_error

# p(broken) over that of the least broken checkpoint, up to which one may be the best so far where no pictures are held
# out; what missing channels withhold is alike in all.  Lab, tuning half, weights with and without previews and losses:
# 165 of 220 choices are within 5 % of the best (with .02 and .04 166, 157 with .05), 152 with all below .15
HARDLY_BROKEN = 0.01
SOUND = 0.8  # p(starting) + p(healthy) that a checkpoint must have to be gone back to (science.md §C.2: P(over) <= 0.2)
ADAM_MEMORY = 1000  # steps, 1/(1-beta2): what poisoned Adam's moments lies at most this far back (science.md §C.3)
SHORT_RUN = 4  # in shorter runs the margin is one part in this many of the way to the onset; guess
# times the rate before: raised so far, it alone explains a breakage.  Guess; in the lab's tuning half it was raised 15
# times and more (sudden-02 to -08), and nothing is wrong with the last checkpoint before
RAISED = 4.0
GRADUAL_MARGIN = 0.05  # of the steps, further back than the one that validation calls best (science.md §C.3)
LEAST_OF_BEST = 0.5  # of the best step: what is earlier may be as good by validation, but hardly shows the style; guess
GAINED = 2.0  # standard errors from which a gain is sure; of ten checkpoints one is better by one of them by chance
WORTH_NAMING = 0.05  # probability from which a checkpoint is listed as acceptable


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that may be named, and how sure its soundness is."""

    step: int
    file: Checkpoint
    sound: float
    overtrained: float

    @property
    def broken(self) -> float:
        """What is left."""
        return 1 - self.sound - self.overtrained


def candidates_of(vitals: Vitals, diagnosis: Diagnosis) -> tuple[Candidate, ...]:
    """Finite, readable checkpoints of the living run whose most probable state is not broken, by step."""
    stations = {station.step: station for station in diagnosis.course if station.p}
    found: dict[int, Candidate] = {}
    numbered = {one.stored_step for one in vitals.checkpoints if one.step is not None}
    for checkpoint in sorted(living(vitals).checkpoints, key=lambda one: (step_of(one), one.step is None, one.path)):
        if checkpoint.step is None and checkpoint.stored_step in numbered:
            continue  # the final file once more
        station = stations.get(step_of(checkpoint))
        if station and _may_be_named(checkpoint, station) and station.step not in found:
            sound = station.p[State.STARTING.value] + station.p[State.HEALTHY.value]
            over = station.p[State.OVERTRAINED.value]
            found[station.step] = Candidate(station.step, checkpoint, sound, over)
    return tuple(found[step] for step in sorted(found))


def _may_be_named(checkpoint: Checkpoint, station: Station) -> bool:
    if station.state is State.BROKEN or checkpoint.partial or not is_finite(checkpoint):
        return False
    gain = gain_of(checkpoint)
    return gain is None or math.isfinite(gain)


def _untold(_step: int) -> float | None:
    """The rate of a run whose files do not tell it."""
    return None


def worth_going_back_to(candidates: Sequence[Candidate], vitals: Vitals) -> tuple[Candidate, ...]:
    """Without those that are better than the bare base model neither on held-out nor on training pictures.

    Such a network has learned nothing that a new one would have to learn again, and something may be wrong with it.
    """
    useless = {point.step for point in vitals.validation if has_gained_nothing(point)}
    return tuple(one for one in candidates if one.step not in useless)


def has_gained_nothing(point: ValidationPoint) -> bool:
    """No lower loss than the bare base model's, on held-out and on training pictures; False where not all is known."""
    if point.train is None or point.train_base is None or point.held_out_base <= 0:
        return False
    return point.held_out >= point.held_out_base and point.train >= point.train_base


def before_breakage(
    candidates: Sequence[Candidate], vitals: Vitals, onset: int, rate: Callable[[int], float | None] = _untold
) -> Candidate | None:
    """Well before the onset: not the last good-looking one if there is an earlier (G29), beyond Adam's memory; and what
    held-out pictures say was best until then.

    Where the `rate` (by step) was raised only after the last good-looking one, that is what broke the network, and
    nothing was on its way before.  Lab, tuning half: with six draws of other held-out pictures, of the checkpoints gone
    back to .88 are within 5 % of the run's best, .75 where it is the last one in either case.
    """
    good = [one for one in candidates if one.step < onset and one.sound >= one.overtrained]
    if not good:
        return None
    if (rate(onset) or 0.0) >= RAISED * (rate(good[-1].step) or math.inf):
        return best_so_far(good, vitals)
    margin = min(ADAM_MEMORY, onset // SHORT_RUN)
    far = [one for one in good[:-1] if one.step <= onset - margin]
    return best_so_far(far, vitals) if far else good[0]


def last_sound(candidates: Sequence[Candidate]) -> Candidate | None:
    """The last one that is sound with a good probability; failing that, the soundest."""
    sure = [one for one in candidates if one.sound >= SOUND]
    return sure[-1] if sure else max(candidates, key=lambda one: one.sound, default=None)


def before_overtraining(candidates: Sequence[Candidate], vitals: Vitals, onset: int | None) -> Candidate | None:
    """By validation, the earliest one that is no worse than the best by one standard error; else the last sound one."""
    rises = _rises(candidates, vitals)
    if rises:
        best = min(rises, key=lambda one: one[1])
        limit, least = best[0].step * (1 - GRADUAL_MARGIN), best[0].step * LEAST_OF_BEST
        fit = [one for one, rise, error in rises if rise <= error and least <= one.step <= limit] or [best[0]]
        return fit[0]
    early = [one for one in candidates if onset is None or one.step < onset]
    calm = [one for one in early if one.overtrained <= 1 - SOUND]
    return calm[-1] if calm else last_sound(early)


def nothing_gained(candidates: Sequence[Candidate], vitals: Vitals) -> bool:
    """Whether held-out pictures were measured and are surely better than under the bare base model at none of these."""
    steps = {one.step for one in candidates}
    changes = [against_base(point) for point in vitals.validation if point.step in steps]
    return bool(changes) and not any(change is None or change.rise < -GAINED * change.error for change in changes)


def best_so_far(candidates: Sequence[Candidate], vitals: Vitals) -> Candidate:
    """The last one, unless by validation an earlier one is better by more than a standard error: then the best.

    Without validation the last one that is hardly likelier to be broken than any.
    Where nothing was gained that one is the best by chance; the earliest that is as good has done less harm: by 48
    pictures 1.2 % instead of 1.5 % in the lab's tuning half, 12 runs in a look that the base model knows.
    """
    rises = _rises(candidates, vitals)
    best = min(rises, key=lambda one: one[1], default=None)
    if best is None:
        return _last_unbroken(candidates)
    worse = any(one is candidates[-1] and rise > error for one, rise, error in rises)
    if not worse:
        return candidates[-1]
    return (before_overtraining(candidates, vitals, None) if nothing_gained(candidates, vitals) else None) or best[0]


def _last_unbroken(candidates: Sequence[Candidate]) -> Candidate:
    least = min(one.broken for one in candidates)
    return [one for one in candidates if one.broken <= least + HARDLY_BROKEN][-1]


def _rises(candidates: Sequence[Candidate], vitals: Vitals) -> list[tuple[Candidate, float, float]]:
    """(candidate, relative rise over the best of them, standard error of the paired difference).

    Only of those that were measured with the pictures that are held out at the end.
    """
    points = {point.step: point for point in vitals.validation if point.held_out > 0}
    last = points[max(points)] if points else None
    points = {step: point for step, point in points.items() if last and comparable(point, last)}
    measured = [(one, points[one.step]) for one in candidates if one.step in points]
    if len(measured) < 2:
        return []
    best = min((point for _, point in measured), key=lambda point: point.held_out)
    return [(one, point.held_out / best.held_out - 1, _error(point, best)) for one, point in measured]


def _error(point: ValidationPoint, best: ValidationPoint) -> float:
    return relative_error(point.items, best.items, best.held_out)


def acceptable(
    candidates: Sequence[Candidate], chosen: Candidate, vitals: Vitals | None = None
) -> tuple[tuple[int, float], ...]:
    """(step, probability that it is the right one): never one number alone.  By validation, where `vitals` has it."""
    measured = _rises(candidates, vitals) if vitals else []
    rises = {one.step: math.exp(-0.5 * (rise / error) ** 2) for one, rise, error in measured}
    weights = {}
    for one in candidates:
        near = 1 - abs(one.step - chosen.step) / max(one.step, chosen.step, 1)
        weights[one.step] = one.sound * (rises.get(one.step, 0.0) if rises else max(0.0, near) ** 2)
    total = math.fsum(weights.values())
    shares = ((step, weight / total) for step, weight in weights.items()) if total > 0 else ()
    return tuple((step, share) for step, share in shares if share >= WORTH_NAMING or step == chosen.step)
