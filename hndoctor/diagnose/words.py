"""The verdict of a run, and the one sentence that says it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hndoctor.diagnose.course import Judged
from hndoctor.formats.counted import chance, counted
from hndoctor.records import Finding, Refusal, Severity, Skipped, State, Station, Unreadable, Verdict, Vitals
from hndoctor.rules.course import broke_at_the_start
from hndoctor.rules.spoken import spoken
from hndoctor.rules.stretches import is_ageless, networks

IMAGES = "images"  # the folder of a run's previews
NOT_OF_THE_NETWORK = ("HN0", "HN4", "HN5", "HN308", "HN309", "HN310", "HN311", "HN312")
HELD_OUT = ("HN205", "HN206")  # rules of the held-out loss: over its best, over the bare base model's


def verdict_of(judged: Judged, vitals: Vitals, findings: Sequence[Finding]) -> Verdict:
    """Broken if the last state is; nothing examined is never healthy."""
    last = judged.last
    if last is None or not _examined(judged):
        return Verdict.UNEXAMINED
    if last.state is State.BROKEN:
        return Verdict.BROKEN
    errors = any(finding.severity is Severity.ERROR for finding in findings)
    return Verdict.AILING if last.state is State.OVERTRAINED or errors or refused(vitals) else Verdict.HEALTHY


def refused(vitals: Vitals) -> tuple[Unreadable, ...]:
    """Files that cannot be read, other than those that are just being written."""
    return tuple(file for file in vitals.unreadable if file.kind is not Refusal.WRITING)


def _examined(judged: Judged) -> bool:
    """Some channel spoke: a prior alone is no examination."""
    return any(one.channels for one in judged.seen)


def summary_of(verdict: Verdict, judged: Judged, vitals: Vitals, findings: Sequence[Finding]) -> str:
    """The verdict in one sentence, for people."""
    last = judged.last
    if verdict is Verdict.UNEXAMINED or last is None:
        return _unexamined(vitals)
    if verdict is Verdict.BROKEN:
        return _broken(judged, vitals, findings)
    if last.state is State.OVERTRAINED:
        since = judged.onset.overtrained
        return f"Overtrained since about step {since:,} ({_sure(last)}): {_why_overtrained(findings)}."
    calm = ", and nothing wrong" if verdict is Verdict.HEALTHY else ""
    state = f"Hardly trained yet{calm}" if last.state is State.STARTING else "Healthy"
    sure = last.p[State.STARTING.value] + last.p[State.HEALTHY.value]
    tail = _reservations(verdict, judged, vitals, findings)
    when = ", after an unknown number of steps" if is_ageless_at(vitals, last) else f" at step {last.step:,}"
    return f"{state}{when} ({chance(sure)} sure){tail}{_past(judged)}."


def _past(judged: Judged) -> str:
    if judged.recovered is None:
        return ""
    return f"; it was broken at step {judged.onset.broken:,} and has recovered by step {judged.recovered:,}"


def is_ageless_at(vitals: Vitals, station: Station) -> bool:
    """Whether what was judged there is a network that does not tell how many steps it was trained."""
    return any(one.path == station.checkpoint and is_ageless(one) for one in networks(vitals))


def _broken(judged: Judged, vitals: Vitals, findings: Sequence[Finding]) -> str:
    onset, last = judged.onset.broken, judged.last
    assert onset is not None
    assert last is not None
    if is_ageless_at(vitals, last):
        return f"Broken ({_sure(last)}), {_because(findings)}."
    if broke_at_the_start(vitals, judged.stations, onset):
        return f"Dead from the start: broken at step {onset:,} ({_sure(last)}), {_because(findings)}."
    good = last_good(judged.stations, onset)
    tail = f"; step {good.step:,} was the last that looked sound" if good else ""
    return f"Broken since step {onset:,} ({_sure(last)}), {_because(findings)}{tail}."


def last_good(stations: Sequence[Station], before: int) -> Station | None:
    """The last station before a step whose checkpoint is neither broken nor overtrained."""
    good = (State.STARTING, State.HEALTHY)
    return next((s for s in reversed(stations) if s.step < before and s.state in good and s.checkpoint), None)


def _sure(station: Station) -> str:
    return f"{chance(station.p[station.state.value])} sure"


def _why_overtrained(findings: Sequence[Finding]) -> str:
    """What held-out pictures tell, if they do (HN401): a gain or a loss speaks of breakage, and so does noise."""
    sighted = any(finding.code == "HN401" for finding in findings)
    held_out = [finding for finding in findings if finding.code in HELD_OUT]
    return _because(held_out, "by held-out pictures" if sighted else "dose alone")


def _because(findings: Sequence[Finding], otherwise: str = "by all signs together") -> str:
    """The most severe findings of single channels; the course's own would only repeat the verdict, and what is wrong
    with files, with the set-up or with how previews were made does not break a network."""
    told = [
        finding
        for finding in findings
        if not finding.code.startswith(NOT_OF_THE_NETWORK) and finding.severity is not Severity.INFO
    ]
    worst = sorted(told, key=lambda finding: (finding.severity is not Severity.ERROR, -finding.confidence))
    each = {finding.code: finding.message for finding in reversed(worst)}  # of each rule, its most severe
    two = list(dict.fromkeys(finding.code for finding in worst))[:2]
    return "; ".join(in_words(each[code]) for code in two) or otherwise


_DETAIL = re.compile(
    r" (?:at step \d+(?:,\d{3})*|from step [^;]*? \(\d+ checkpoints\))|, the largest gain [\d.,e+]+"
    r"| \((?:about )?[<>]?\d+ ?%(?:, [^()]*)?\)(?:: .*)?$"  # how sure, and why
)


def in_words(message: str) -> str:
    """A finding for the headline: in words, and without which steps it holds for, how sure it is and why, which is left
    to the finding itself."""
    return _DETAIL.sub("", spoken(message))


def _reservations(verdict: Verdict, judged: Judged, vitals: Vitals, findings: Sequence[Finding]) -> str:
    """What is wrong though the last state is sound; not what was wrong before it recovered."""
    if verdict is Verdict.HEALTHY:
        return ""
    count = len(refused(vitals))
    files = f"{counted(count, 'file')} could not be read" if count else ""
    grave = [finding for finding in findings if finding.severity is Severity.ERROR]
    since = judged.recovered or 0
    seen = max((preview.step for preview in vitals.previews if preview.step and not preview.unreadable), default=0)
    lasting = [one for one in grave if one.step is None or one.step >= since]
    told = dict.fromkeys(in_words(one.message) for one in lasting if not _is_past(one, seen))
    past = {one.code: one for one in lasting if _is_past(one, seen)}  # of each rule the latest
    gone = (f"at step {one.step:,} {in_words(one.message)}" for one in past.values())
    reasons = [reason for reason in (files, *told, *gone) if reason]
    return ", but " + "; ".join(reasons[:2]) if reasons else ""


def _is_past(finding: Finding, seen: int) -> bool:
    """Whether it speaks of a preview before the last ones, those of step `seen`: it is told with its step."""
    return finding.code.startswith("HN3") and finding.step is not None and finding.step < seen


def _unexamined(vitals: Vitals) -> str:
    if vitals.unreadable:
        return f"Nothing could be examined: {vitals.unreadable[0].path}: {vitals.unreadable[0].reason}."
    other = next((checkpoint for checkpoint in vitals.checkpoints if checkpoint.partial), None)
    if other:
        return f"No hypernetwork to judge: {other.path} is {other.partial}."
    if vitals.skipped:
        return f"Nothing could be examined: {vitals.skipped[0].what}: {vitals.skipped[0].why}."
    return "Nothing could be examined: no checkpoint, preview or loss log of this run can be read."


def missing_evidence(vitals: Vitals) -> dict[str, str]:
    """Kinds of evidence that are not there, with the reason: what rules ask for in vain is not examined."""
    missing: dict[str, str] = {}
    if not vitals.checkpoints:
        count = len(vitals.unreadable)
        missing["checkpoints"] = f"none of {count} could be read" if count else "no checkpoints in this run"
        if not count:
            missing["files"] = missing["checkpoints"]
    if not any(checkpoint.optimizer for checkpoint in vitals.checkpoints):
        missing["optimizers"] = "no .optim file beside any checkpoint"
    shown = [preview for preview in vitals.previews if preview.unreadable is None]
    if not shown:
        shut = next((one.why for one in vitals.skipped if one.what == IMAGES), "no images in this run")
        missing["previews"] = "no preview could be read" if vitals.previews else shut
    if not vitals.losses:
        missing["losses"] = "no loss log in this run"
    if not vitals.validation:
        missing["validation"] = "no validation in this run; hndoctor validate measures it, on pictures not trained on"
    if vitals.setup is None:
        missing["setup"] = "the training data was not given; hndoctor check examines it"
    return missing


def skipped_of(vitals: Vitals, lacking: Sequence[Skipped]) -> tuple[Skipped, ...]:
    """Everything that was not examined, each once: what rules lacked, what was skipped, what was examined in part."""
    partial = (Skipped(checkpoint.path, checkpoint.partial) for checkpoint in vitals.checkpoints if checkpoint.partial)
    dim = (Skipped(preview.path, preview.unreadable) for preview in vitals.previews if preview.unreadable)
    return tuple(dict.fromkeys((*lacking, *vitals.skipped, *partial, *dim)))
