"""Vitals -> Diagnosis: one course per run from all channels, its onset, its verdict, and what was not examined."""

from __future__ import annotations

from dataclasses import replace

from hndoctor.diagnose.channels import OVERTRAINED
from hndoctor.diagnose.course import Judged, judge_course
from hndoctor.diagnose.noise import noise_of
from hndoctor.diagnose.stations import living
from hndoctor.diagnose.words import missing_evidence, skipped_of, summary_of, verdict_of
from hndoctor.records import Diagnosis, Finding, Severity, Skipped, State, Vitals
from hndoctor.rules import RULES
from hndoctor.rules.course import Course
from hndoctor.rules.dose import last_step
from hndoctor.rules.engine import examine, sorted_by_need


def diagnose(vitals: Vitals) -> Diagnosis:
    """Judge a measured run.  Pure: the same vitals, in whatever order their parts come, give the same diagnosis."""
    vitals = _sorted(living(vitals))
    judged = _judged(vitals)
    findings, lacking = _examined(vitals, judged)
    verdict = verdict_of(judged, vitals, findings)
    return Diagnosis(
        run=vitals.run,
        name=vitals.name,
        verdict=verdict,
        summary=summary_of(verdict, judged, vitals, findings),
        findings=findings,
        not_examined=skipped_of(vitals, lacking),
        course=judged.stations,
        onset=judged.onset,
        prior=judged.prior.words,
    )


def last_state(vitals: Vitals) -> State | None:
    """The state in which a run is now, as the course of its diagnosis ends; None where nothing tells it.

    Half the work, for whoever looks often: no rule is asked.
    """
    last = _judged(_sorted(living(vitals))).last
    return last.state if last else None


def _judged(vitals: Vitals) -> Judged:
    return judge_course(vitals, noise_of(vitals))


def _sorted(vitals: Vitals) -> Vitals:
    """In order of step and path, so that nothing depends on how the folder was listed."""
    return replace(
        vitals,
        checkpoints=tuple(sorted(vitals.checkpoints, key=lambda c: (c.step is None, c.step or 0, c.path))),
        unreadable=tuple(sorted(vitals.unreadable, key=lambda u: (u.step is None, u.step or 0, u.path))),
        previews=tuple(sorted(vitals.previews, key=lambda p: (p.step is None, p.step or 0, p.path))),
        losses=tuple(sorted(vitals.losses, key=lambda point: point.step)),
        validation=tuple(sorted(vitals.validation, key=lambda point: point.step)),
    )


def _examined(vitals: Vitals, judged: Judged) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """Every rule asked, each with its own kind of evidence."""
    missing = missing_evidence(vitals)
    if not judged.stations:
        missing["course"] = "nothing of this run has a step"
    found: list[Finding] = []
    lacking: list[Skipped] = []
    for needs, evidence in (("course", _course(vitals, judged)), ("setup", vitals.setup), (None, vitals)):
        laws = [law for law in RULES if (law.needs == needs if needs else law.needs not in ("course", "setup"))]
        some, less = examine(laws, evidence, missing)
        found += [_outlived(finding, judged.recovered) for finding in some]
        lacking += less
    return sorted_by_need(found), tuple(sorted(lacking, key=lambda skip: list(missing).index(skip.what)))


def _outlived(finding: Finding, recovered: int | None) -> Finding:
    """Pictures of a network that has recovered since are no error any more; files stay as they are."""
    past = recovered is not None and finding.step is not None and finding.step < recovered
    gone = past and finding.code.startswith("HN3") and finding.severity is Severity.ERROR
    return replace(finding, severity=Severity.WARNING) if gone else finding


def _course(vitals: Vitals, judged: Judged) -> Course:
    return Course(
        vitals=vitals,
        stations=judged.stations,
        onset=judged.onset,
        prior_overtrained=judged.prior.overtrained_by(judged.prior.clock.at(last_step(vitals))),
        sighted=_sighted(judged),
    )


def _sighted(judged: Judged) -> tuple[str, ...]:
    """Channels that themselves speak for overtraining at or after its onset: only validation can, so far."""
    onset = judged.onset.overtrained
    told = zip(judged.stations, judged.seen, strict=True)
    rises = [seen for station, seen in told if onset is not None and station.step >= onset and station.p]
    spoke = any(seen.rows["validation"][OVERTRAINED] > 0 for seen in rises if "validation" in seen.rows)
    return ("validation",) if spoke and judged.last and judged.last.state is State.OVERTRAINED else ()
