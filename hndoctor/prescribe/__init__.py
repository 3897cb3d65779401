"""Diagnosis -> Prescription: what to do now, from which checkpoint, at which rate, until when, and why not otherwise.

Follows G18, G22, G24, G29-G31 and science.md §C.  It says what is true: a lower rate shifts the clock of overtraining,
it does not buy a better optimum, so "stop and use step 6,000" is a good prescription.
"""

from __future__ import annotations

from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.words import is_ageless_at
from hndoctor.prescribe.actions import Case
from hndoctor.prescribe.cases import (
    broken,
    dead_at_the_start,
    finished,
    healthy,
    no_checkpoint,
    nothing_sound,
    of_unknown_age,
    overtrained,
    start_again,
)
from hndoctor.prescribe.choice import candidates_of
from hndoctor.prescribe.rates import rates_of
from hndoctor.records import Diagnosis, Finding, Prescription, Severity, State, Station, Verdict, Vitals
from hndoctor.rules.course import broke_at_the_start
from hndoctor.rules.windows import lasting_nan

SERIOUS = 0.5  # confidence from which a grave finding at the last step is heeded; plain majority
# p(broken) of the course below which it is not: all other channels contradict it.  Guess; in the lab's tuning
# half by-heart-01 has a module of gain 8 and p(broken) below .01, and is sound
CONTRADICTED = 0.05
STATE_UNFIT = "HN110"  # the optimizer's state: the network beside it may be sound
IDLE = (
    ("HN104", "the network does nothing"),
    ("HN114", "its layers or its activation cannot be computed"),
    ("HN116", "it adds the same to every context"),
    ("HN117", "one of its layers is out of all proportion"),
    ("HN118", "next to nothing is left of it"),
    ("HN119", "its weights are not what training makes"),
)
"""Errors of a network that further steps do not mend, with what the advice says of them."""


def prescribe(vitals: Vitals, diagnosis: Diagnosis) -> Prescription | None:
    """What to do now; None where nothing could be examined: then there is nothing to advise on."""
    last = next((station for station in reversed(diagnosis.course) if station.p), None)
    if diagnosis.verdict is Verdict.UNEXAMINED or last is None:
        return None
    case = Case(vitals, diagnosis, last, candidates_of(vitals, diagnosis), rates_of(vitals))
    onset = diagnosis.onset.broken if last.state is State.BROKEN else _lasting_nan(case) or _alarm(case)
    if onset is not None:
        if broke_at_the_start(vitals, diagnosis.course, onset):
            return dead_at_the_start(case, onset)
        return broken(case, onset)
    if idle := _idle(case):
        since, why = idle
        return start_again(case, why) if since is None else broken(case, since)
    if not case.candidates:
        return no_checkpoint(case) if not vitals.checkpoints else nothing_sound(case)
    if last.state is State.OVERTRAINED:
        return overtrained(case)
    if is_ageless_at(vitals, last):
        return of_unknown_age(case)
    done = vitals.settings.steps is not None and last.step >= vitals.settings.steps
    return finished(case) if done and last.state is State.HEALTHY else healthy(case)


def _idle(case: Case) -> tuple[int | None, str] | None:
    """The step from which the network is of no use, None where it never was; and why."""
    first = next((c.path for c in case.vitals.checkpoints if not c.partial), None)
    for code, why in IDLE:
        for found in case.diagnosis.findings:
            if found.code == code and found.severity is Severity.ERROR:
                return (None if found.subject == first else found.step), why
    return None


def _is_error(diagnosis: Diagnosis, code: str) -> bool:
    return any(f.code == code and f.severity is Severity.ERROR for f in diagnosis.findings)


def _alarm(case: Case) -> int | None:
    """The last step, where weights or previews of it are called broken though the course as a whole is not sure yet."""
    if case.last.p[State.BROKEN.value] < CONTRADICTED:
        return None
    errors = (f for f in case.diagnosis.findings if f.severity is Severity.ERROR)
    others = {STATE_UNFIT, *(code for code, _ in IDLE)}  # these have advice of their own
    grave = (f for f in errors if f.code[:3] in ("HN1", "HN3") and f.code not in others)
    return next((case.last.step for f in grave if _of_the_last(f, case.last) and f.confidence >= SERIOUS), None)


def _of_the_last(finding: Finding, last: Station) -> bool:
    """By its step, or by its file: one whose name has no number is found without a step."""
    return finding.step == last.step or (finding.step is None and finding.subject == last.checkpoint)


def _lasting_nan(case: Case) -> int | None:
    """The step from which the loss stays NaN although the weights are finite: nothing is learned any more."""
    first = lasting_nan(case.vitals.losses)
    return first if _is_error(case.diagnosis, "HN202") and all(map(is_finite, case.vitals.checkpoints)) else None
