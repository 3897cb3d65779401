"""Diagnoses made by hand, so that advice can be tested apart from how the course was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hndoctor.records import Diagnosis, Finding, Onset, Severity, State, Station, Verdict, Vitals

FOUR = ("starting", "healthy", "overtrained", "broken")
Four = tuple[float, float, float, float]


def odds(state: State, p: float = 0.94) -> Four:
    """One state with this probability, the others alike."""
    return tuple(p if name == state.value else (1 - p) / 3 for name in FOUR)


def judged(
    vitals: Vitals,
    states: Mapping[int, State | Four],
    findings: Sequence[Finding] = (),
    channels: Sequence[str] = ("weights", "prior"),
    verdict: Verdict = Verdict.AILING,
) -> Diagnosis:
    """A diagnosis with these states, or probabilities, at these steps."""
    files = {one.step: one for one in vitals.checkpoints}
    stations = []
    for step, told in sorted(states.items()):
        row = odds(told) if isinstance(told, State) else told
        p = dict(zip(FOUR, row, strict=True)) if told is not State.UNREADABLE else {}
        state = State(max(p, key=p.get)) if p else State.UNREADABLE
        path = "".join(list(files[step].path)) if step in files else None  # equal, and another object
        stations.append(Station(step, step - 1, path, state, p, tuple(channels)))
    first = {station.state: station.step for station in reversed(stations)}
    onset = Onset(first.get(State.OVERTRAINED), first.get(State.BROKEN))
    return Diagnosis(vitals.run, vitals.name, verdict, "", tuple(findings), (), tuple(stations), onset)


def a_finding(code: str, step: int | None = None, **more: object) -> Finding:
    given = {"severity": Severity.ERROR, "confidence": 1.0, "message": "", "subject": None} | more
    return Finding(code=code, step=step, **given)
