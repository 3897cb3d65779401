"""What the course as a whole tells (HN4xx): judged on the stations of the diagnosis, not on single files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hndoctor.formats.counted import counted, percent
from hndoctor.records import Checkpoint, Onset, Severity, State, Station, Vitals
from hndoctor.rules.dose import GUIDE_RATE, base_of, clock_of, last_step
from hndoctor.rules.engine import Sign, rule

EARLY_STEPS = 500  # a network dead by then was dead from the start (G18)
FLOOR = 5e-7  # rate on SD1 below which training is needless (G24)
FIRST_SAVE = 1.5  # intervals between stations by which the first is due; guess
PRIOR_SURE = 0.5  # probability by dose alone from which it is worth a word
FLOOR_SHARE = 0.5  # share of the steps below the floor; the guide's own schedule ends in a tail at 5e-8 (G23); guess
PRIOR_CONFIDENCE = 0.3  # of a finding that rests on dose alone; guess


@dataclass(frozen=True)
class Course:
    """The evidence of the HN4xx rules: the run, its stations, and what dose alone would say at the end."""

    vitals: Vitals
    stations: tuple[Station, ...]
    onset: Onset
    prior_overtrained: float = 0.0  # P(overtrained) at the last step by dose alone
    sighted: tuple[str, ...] = field(default=())  # channels that spoke for overtraining, beyond the dose

    def at(self, step: int | None) -> Station | None:
        """The station of a step."""
        return next((station for station in self.stations if station.step == step), None)


def broke_at_the_start(vitals: Vitals, stations: tuple[Station, ...], broken: int | None) -> bool:
    """Dead at the first station that was judged, if that is within the first 500 steps or a first save among others.

    A single file of a later step tells nothing of how it came to be broken.
    """
    judged = [station.step for station in stations if station.p]
    if broken is None or not judged or broken != judged[0]:
        return False
    return broken <= EARLY_STEPS or (len(judged) > 1 and broken <= FIRST_SAVE * (judged[1] - judged[0]))


@rule("HN401", Severity.WARNING, needs="course")
def overtrained(course: Course) -> Iterator[Sign]:
    """The network is overtrained.

    It has begun to learn the training pictures by heart; in time this kills the network (G21).  Previews may still look
    clean.  Take the last checkpoint from before the onset; training on at a lower
    rate only delays this, and gets no better.
    """
    station = course.at(course.onset.overtrained)
    if station and course.sighted and _last_state(course) is State.OVERTRAINED:
        told = " and ".join(course.sighted)
        message = f"overtrained from about step {station.step:,} on, by {told}"
        sure = _last_p(course, State.OVERTRAINED)
        yield Sign(message, step=station.step, subject=station.checkpoint, value=sure, limit=0.5, confidence=sure)


@rule("HN402", Severity.ERROR, needs="course")
def broken(course: Course) -> Iterator[Sign]:
    """The network broke.

    From this step on it does harm: weights that are not finite or far too large, noise in the previews, or a loss that
    shows it (G29, G30).  Dead at the very start is another thing than late collapse: then the initialisation or the
    rate is wrong from the beginning (G18), and going back does not help; start again with Normal and a lower rate.
    After a late collapse go back several thousand steps, further than the last good-looking one, and lower the rate
    (G31).
    """
    station = course.at(course.onset.broken)
    if station is None:
        return
    sure = max(later.p.get(State.BROKEN.value, 0.0) for later in course.stations if later.step >= station.step)
    over = _last_state(course) not in (State.BROKEN, None)
    if over:
        message = f"broke at step {station.step:,}; it has recovered since"
    elif broke_at_the_start(course.vitals, course.stations, station.step):
        message = f"dead from the start: broken at step {station.step:,}, the first that was saved"
    else:
        message = f"broke at step {station.step:,}"
    severity = Severity.WARNING if over else None
    yield Sign(message, station.step, station.checkpoint, value=sure, limit=0.5, confidence=sure, severity=severity)


@rule("HN403", Severity.WARNING, needs="course")
def data_changed_midway(course: Course) -> Iterator[Sign]:
    """The training data was changed during the run.

    Loss, validation and previews before and after cannot be compared, and the optimizer's memory belongs to the old
    pictures.  Do not change the data midway: start again (G32).
    """
    prints = course.vitals.settings.data_fingerprints
    if len(set(prints)) > 1:
        at = next(iter(sorted(course.vitals.settings.resumed_at)), None)
        yield Sign(f"{len(set(prints))} different sets of training data were used in one run", step=at)


@rule("HN404", Severity.WARNING, needs="course")
def resumed_from_a_mismatched_pair(course: Course) -> Iterator[Sign]:
    """The run was resumed without the optimizer state that belongs to the network.

    Adam then starts from nothing: its first steps are as large as the rate allows.  Resume from the matching pair of
    .pt and .optim (G33).  The web UI's own intermediate pairs never match, as it hashes the file that training began
    from: hndoctor's export mends that.
    """
    for step in course.vitals.settings.resumed_at:
        checkpoint = next((one for one in course.vitals.checkpoints if step in (one.step, one.stored_step)), None)
        why = _mismatch(checkpoint)
        if checkpoint and why:
            yield Sign(f"resumed at step {step:,} {why}", step=step, subject=checkpoint.path, confidence=0.8)


def _mismatch(checkpoint: Checkpoint | None) -> str | None:
    if checkpoint is None:
        return None
    if checkpoint.optimizer is None:
        return "without an .optim file"
    if checkpoint.optimizer.unreadable:
        return f"with an .optim file that cannot be read ({checkpoint.optimizer.unreadable})"
    return "with an .optim file of another network" if checkpoint.optimizer.hash_matches is False else None


@rule("HN405", Severity.WARNING, needs="course")
def past_the_guides_band(course: Course) -> Iterator[Sign]:
    """Trained past the point where overtraining usually begins.

    Nothing that was measured shows overtraining; the dose (rate × sqrt(batch), summed over the steps) alone makes it
    likely: on SD1 at 5e-6 it begins somewhere between 9,000 and 25,000 steps (G21).  Compare with earlier checkpoints,
    and measure them on pictures that were not trained on (hndoctor validate), which shows it.
    """
    likely = course.prior_overtrained
    if likely > PRIOR_SURE and not course.sighted and course.onset.broken is None:
        step = course.onset.overtrained or last_step(course.vitals)
        message = f"going by how much it was trained alone, it is overtrained ({percent(likely)} likely)"
        yield Sign(message, step=step, value=likely, limit=PRIOR_SURE, confidence=PRIOR_CONFIDENCE)


@rule("HN406", Severity.INFO, needs="course")
def rate_below_the_floor(course: Course) -> Iterator[Sign]:
    """Most of the run was trained at a rate that is too low to matter.

    Below 5e-7 (on SD1) steps cost time and change little (G24).  Stop earlier, or stay at 5e-7.
    """
    base, clock = base_of(course.vitals), clock_of(course.vitals)
    end = last_step(course.vitals)
    if not clock.told or not end:
        return
    limit = FLOOR / GUIDE_RATE * base.usual
    begun, below = 0, 0
    for stop, rate in zip(clock.steps, clock.rates, strict=True):
        below += max(0, min(stop, end) - begun) if rate < limit * 0.98 else 0
        begun = min(stop, end)
    if below > FLOOR_SHARE * end:
        message = f"{below:,} of {counted(end, 'step')} {'was' if below == 1 else 'were'} made below {limit:.0e}"
        yield Sign(message, step=end, value=below / end, limit=FLOOR_SHARE, confidence=0.7)


@rule("HN407", Severity.INFO, needs="course")
def still_starting(course: Course) -> Iterator[Sign]:
    """The network has hardly learned anything yet.

    Too little dose so far for an effect, and no sign of one.  This is no illness: train on at the same rate (on SD1
    5,000 to 10,000 steps at 5e-6 are usable, G19).
    """
    files = course.vitals.checkpoints
    other = bool(files) and all(checkpoint.partial for checkpoint in files)  # a LoRA's training is not judged
    if course.stations and _last_state(course) is State.STARTING and not other:
        station = course.stations[-1]
        sure = _last_p(course, State.STARTING)
        yield Sign("hardly trained yet", step=station.step, value=sure, limit=0.5, confidence=sure)


def _last(course: Course) -> Station | None:
    return next((station for station in reversed(course.stations) if station.p), None)


def _last_state(course: Course) -> State | None:
    last = _last(course)
    return last.state if last else None


def _last_p(course: Course, state: State) -> float:
    last = _last(course)
    return last.p[state.value] if last else 0.0


RULES_COURSE = (
    overtrained,
    broken,
    data_changed_midway,
    resumed_from_a_mismatched_pair,
    past_the_guides_band,
    rate_below_the_floor,
    still_starting,
)
