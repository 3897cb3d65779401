"""The cases of science.md §C, each from what was found to what to do."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.words import refused
from hndoctor.formats.counted import counted
from hndoctor.prescribe import how
from hndoctor.prescribe.actions import Case, restart, resume, use
from hndoctor.prescribe.choice import (
    Candidate,
    acceptable,
    before_breakage,
    before_overtraining,
    best_so_far,
    nothing_gained,
    worth_going_back_to,
)
from hndoctor.prescribe.rates import (
    CHECKPOINTS_AHEAD,
    EARLY_QUANTILE,
    FAST,
    FIRST_DIVISOR,
    GRADUAL_DIVISOR,
    GUIDE_STEPS,
    REPEATED_DIVISOR,
    SOUND_SHARE,
    rounded,
    schedule,
)
from hndoctor.records import Action, Alternative, Prescription, State

LATER_BEST = "it is among the best on held-out pictures"
BY_DOSE = (
    "later ones are past the dose at which overtraining usually begins, and nothing else tells (compare their pictures "
    "with those of this one before you give them up)"
)
NOT_THE_RATE = (
    "it was dead at its first save, though its rate was not high (look at the base model, its VAE and the training "
    "pictures first)"
)
LAG = "previews lag the weights: what looks good just before a collapse is already on its way (G29)"
WORSE = "held-out pictures were better before it"
AT_ITS_BEST = "all planned steps are done, and held-out pictures were at their best there"
LIKELIER_BROKEN = "all planned steps are done, and what was saved after it is likelier to be broken"
NO_GAIN = (
    "on held-out pictures no checkpoint is surely better than no network at all, and this one is among those that do "
    "the least harm"
)


def broken(case: Case, onset: int) -> Prescription:
    """Go back, further than the last good-looking checkpoint, and on from there at a lower rate (G29-G31)."""
    rates = case.rates
    chosen = before_breakage(worth_going_back_to(case.candidates, case.vitals), case.vitals, onset, rates.known)
    if chosen is None:
        return nothing_sound(case, onset)
    divisor = REPEATED_DIVISOR if _violent(case) else FIRST_DIVISOR
    most = min(SOUND_SHARE * (rates.known(chosen.step) or math.inf), FAST * rates.usual)
    old, rate = rates.known(onset), rates.divided(onset, divisor, most)
    if old and rate >= old:
        return use(case, chosen, f"the rate was at its floor already ({how.rate_words(rates.floor)})")
    end = max(rates.end, chosen.step + 1)
    by = f"down from {how.rate_words(old)}" if old else "the lowest that is worth training at"
    sentence = f"Go back to step {chosen.step:,} and train on at {how.rate_words(rate)} ({by}) until step {end:,}."
    advice = resume(case, chosen, rate, end, sentence, _rejected_when_broken(case, chosen, onset))
    back = [one for one in case.candidates if one.step <= chosen.step]
    return replace(advice, acceptable=acceptable(back, chosen, case.vitals))


def _violent(case: Case) -> bool:
    """NaN, or broken again after a resumption: divide the rate by ten instead of four (science.md §C.4)."""
    nan = any(point.nonfinite for point in case.vitals.losses)
    return nan or bool(case.vitals.settings.resumed_at) or not all(map(is_finite, case.vitals.checkpoints))


def _rejected_when_broken(case: Case, chosen: Candidate, onset: int) -> tuple[Alternative, ...]:
    rejected = [
        Alternative("continue as it is", "broken networks do not mend by themselves; every step makes it worse")
    ]
    nearer = [one for one in case.candidates if chosen.step < one.step < onset]
    if nearer:
        worse = best_so_far((chosen, nearer[-1]), case.vitals) is chosen
        rejected.append(Alternative(f"go back only to step {nearer[-1].step:,}", WORSE if worse else LAG))
    lost = f"{counted(chosen.step, 'step')} of sound training would be lost"
    rejected.append(Alternative("start again from nothing", lost))
    return tuple(rejected)


def dead_at_the_start(case: Case, onset: int) -> Prescription:
    """Nothing to go back to: the initialisation or the rate killed it at once (G18, science.md §C.4 case C)."""
    made = [checkpoint.metadata for checkpoint in case.vitals.checkpoints]
    harsh = next((m.weight_initialization for m in made if m.weight_initialization != "Normal"), None)
    rates = case.rates
    old = rates.known(onset)
    fast = old is not None and rates.is_fast(old)
    rate = rates.divided(onset, REPEATED_DIVISOR, at_most=rates.usual) if fast else rates.usual
    told = "the rate was far too high" if rates.is_fast(max(rates.asked.rates)) else NOT_THE_RATE
    pace = told if old else "its rate, which no file tells, was probably far too high"
    why = f"the weight initialisation {harsh} kills networks at once (G18)" if harsh else pace
    sentence = f"Start again with Normal weight initialisation at {how.rate_words(rate)}: {why}."
    back = Alternative("go back to an earlier checkpoint", "it was dead at the first one that was saved")
    return restart(case, rate, sentence, (back, Alternative("continue as it is", "it does not mend by itself")))


def nothing_sound(case: Case, onset: int | None = None) -> Prescription:
    """No checkpoint can be named with a good conscience; without any, one from before the onset may be elsewhere."""
    known = case.rates.known(case.last.step)
    usual = case.rates.usual
    rate = case.rates.divided(case.last.step, FIRST_DIVISOR, at_most=usual) if known else usual
    kept = "no sound checkpoint is left to go back to"
    if not case.vitals.checkpoints:
        elsewhere = f"; if one from well before step {onset:,} is kept elsewhere, go back to that" if onset else ""
        kept = f"there is no checkpoint to go back to{elsewhere}"
    sentence = f"Start again with Normal weight initialisation at {how.rate_words(rate)}: {kept}."
    return restart(case, rate, sentence, (Alternative("go back to an earlier checkpoint", kept),))


def start_again(case: Case, why: str) -> Prescription:
    """Nothing was ever learned: there is nothing to train on from."""
    rate = case.rates.usual
    sentence = f"Start again with Normal weight initialisation at {how.rate_words(rate)}: {why}."
    return restart(case, rate, sentence, (Alternative("train on", why.partition(";")[0]),))


def no_checkpoint(case: Case) -> Prescription:
    """Judged from logs or previews alone: what to do is known, but not with which file."""
    if case.last.state is State.OVERTRAINED:
        onset = case.diagnosis.onset.overtrained
        sentence = f"Stop and use a checkpoint that was saved well before step {onset:,}; none lies here."
        why = Alternative("train on", "overtraining starts to kill the network (G21)")
        return Prescription(Action.STOP, sentence, because=case.because, rejected=(why,))
    rate = case.rates.known(case.last.step)
    pace = f" at {how.rate_words(rate)}" if rate else ""
    refused_all = "find out why the checkpoints cannot be read" if case.vitals.unreadable else "save checkpoints"
    sentence = f"Train on{pace}, and {refused_all}: without them there is nothing to go back to."
    stop = Alternative("stop", "nothing that was examined is wrong")
    return Prescription(Action.CONTINUE, sentence, learning_rate=rate, because=case.because, rejected=(stop,))


def overtrained(case: Case) -> Prescription:
    """Use the best one; train on from it only where evidence of its best is missing and there is dose left (G22)."""
    onset = case.diagnosis.onset.overtrained
    chosen = before_overtraining(case.candidates, case.vitals, onset)
    if chosen is None:
        return nothing_sound(case)
    planned = case.vitals.settings.steps or 0
    budget, seen = case.rates.budget(chosen.step), any("validation" in s.channels for s in case.diagnosis.course)
    if seen and (calmer := _calmed(case, chosen)):
        return calmer
    if seen or budget <= 0 or planned <= case.last.step:
        why = LATER_BEST if seen else BY_DOSE
        return use(case, chosen, NO_GAIN if nothing_gained(case.candidates, case.vitals) else why)
    old = case.rates.known(chosen.step) or case.rates.usual
    ahead = CHECKPOINTS_AHEAD * _interval(case)
    rate = max(case.rates.floor, rounded(min(old / GRADUAL_DIVISOR, case.rates.rate_for(budget, ahead))))
    end = min(planned, chosen.step + max(ahead, case.rates.steps_for(budget, rate)))
    sentence = f"Go back to step {chosen.step:,} and train on at {how.rate_words(rate)}, to step {end:,} at most."
    stay = Alternative("continue as it is", "overtraining starts to kill the network (G21)")
    return resume(case, chosen, rate, end, sentence, (stay,))


def _calmed(case: Case, chosen: Candidate) -> Prescription | None:
    """The steps that are left after the best one again, at the usual rate; None where the rate was no faster.

    At a fast rate a network swings around its best.  Lab, tuning half: from a checkpoint of slow-07 (1.3e-2) and
    slow-11 (3.6e-3) on at 1e-3, 1 and 2 % more was gained than any checkpoint of the run had.
    """
    old, rate, planned = case.rates.known(chosen.step), case.rates.usual, case.vitals.settings.steps or 0
    if not old or old <= FAST * rate or planned <= chosen.step:
        return None
    back = f"{chosen.step:,}, which did best on held-out pictures," if case.held_out else f"{chosen.step:,}"
    sentence = f"Go back to step {back} and train on at {how.rate_words(rate)}, to step {planned:,} at most."
    return resume(case, chosen, rate, planned, sentence, (case.last_step,))


def _interval(case: Case) -> int:
    steps = [one.step for one in case.candidates]
    gaps = sorted(after - before for before, after in pairwise(steps))
    return gaps[len(gaps) // 2] if gaps else max(1, *steps)


def finished(case: Case) -> Prescription:
    """All planned steps are done and the network is sound: use it, or what held-out pictures say was better."""
    chosen = best_so_far(case.candidates, case.vitals)
    if chosen is case.candidates[-1]:
        sound = "it is sound now" if case.faulty else "nothing is wrong"
        return use(case, chosen, f"all planned steps are done and {sound}", done=True)
    why = AT_ITS_BEST if case.held_out else LIKELIER_BROKEN
    return _calmed(case, chosen) or use(case, chosen, NO_GAIN if nothing_gained(case.candidates, case.vitals) else why)


def healthy(case: Case) -> Prescription:
    """Train on, with the rate lowered before the band of overtraining begins, or now where it has begun (G22); and
    raised where nothing was learned at a rate below the floor (G24)."""
    chosen, rates, at = case.candidates[-1], case.rates, case.last.step
    had = rates.known(at)
    rate = _better_rate(case, had) if had else rates.usual
    planned = case.vitals.settings.steps or 0
    end = planned if planned > at else max(at + 1, at + at // 4, min(2 * at, GUIDE_STEPS))
    switch = at + rates.steps_for(max(0.0, rates.budget(at)), rate)
    lower = max(rates.floor, rounded(rate / REPEATED_DIVISOR))
    late = switch < end and lower < rate and switch > at
    text = f"{schedule(rate, switch)}, {schedule(lower, end)}" if late else schedule(rate, end)
    back = _behind(case, chosen)
    action, begin = (Action.RESUME, f"Resume from step {chosen.step:,}") if back else (Action.CONTINUE, "Train on")
    then = f"{switch:,}, before overtraining usually begins, then at {how.rate_words(lower)} until step {end:,}"
    pace = f"at {how.rate_words(rate)}" if had else f"at the rate it had ({how.rate_words(rate)} is usual)"
    sentence = f"{begin} {pace} until step {then if late else f'{end:,}'}{_changed(had, rate)}{back}."
    more = Alternative("a higher rate", "it gets there sooner and breaks sooner (G20)")
    same = Alternative("the rate it had", "below the floor steps cost time and change little (G24)")
    raised = had is not None and rate > had
    advice = resume(case, chosen, rate, end, sentence, (same if raised else more,), text)
    return replace(advice, action=action, free_remedies=())


def _better_rate(case: Case, had: float) -> float:
    """The rate that a sound run has, unless it is too low to learn anything, or too high for how far it has come.

    How far tells the dose, where no held-out pictures do.
    """
    rates, seen = case.rates, any("validation" in station.channels for station in case.diagnosis.course)
    if had < rates.floor and case.last.state is State.STARTING:
        return rates.usual
    late = rates.budget(case.last.step) <= 0 and case.last.p[State.OVERTRAINED.value] >= EARLY_QUANTILE
    return min(had, max(rates.floor, rounded(had / REPEATED_DIVISOR))) if late and not seen else had


def _changed(had: float | None, rate: float) -> str:
    """Why another rate than it had."""
    if had is None or rate == had:
        return ""
    if rate > had:
        return f", as next to nothing is learned at {how.rate_words(had)}"
    return f" (down from {how.rate_words(had)}), as overtraining may begin any time now"


def of_unknown_age(case: Case) -> Prescription:
    """Sound, but nobody knows how far it is: no step to train on to can be told."""
    advice = use(case, case.candidates[-1], "", done=True)
    sentence = "Use it as it is: nothing is wrong, and how many steps it has behind it is not told."
    return replace(advice, sentence=sentence)


def _behind(case: Case, chosen: Candidate) -> str:
    """Why to go back a little although the network is sound: what was saved last cannot be used."""
    later = [one for one in refused(case.vitals) if one.step is None or one.step > chosen.step]
    return f": {later[-1].path} cannot be read" if later else ""
