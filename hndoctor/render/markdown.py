"""Markdown: for a pull request's comment, a wiki, and GitHub's step summary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hndoctor.formats.counted import counted
from hndoctor.records import Diagnosis, Finding, PictureJudgement, Prescription, Severity, State, Verdict
from hndoctor.render.figures import clean, percent, steps
from hndoctor.rules.spoken import spoken

SUMMARY_LIMIT = 1024 * 1024  # bytes; GitHub drops a larger step summary whole
_FINDINGS_SHOWN = 200  # of a run; a page of more is not read
_MARKS = {Verdict.HEALTHY: "✅", Verdict.AILING: "⚠️", Verdict.BROKEN: "❌", Verdict.UNEXAMINED: "❔"}
_BOXES = {
    State.STARTING: "⬜",
    State.HEALTHY: "🟦",
    State.OVERTRAINED: "🟨",
    State.BROKEN: "🟥",
    State.UNREADABLE: "❔",
}
_SEVERITIES = {Severity.ERROR: "❌ error", Severity.WARNING: "⚠️ warning", Severity.INFO: "ℹ️ info"}
_KINDS = ("noise", "grey_noise", "flat", "fried", "repetition")  # what may be wrong with a picture
_ACTS = re.compile(r"([\\`*_{}\[\]<>#!|~&]|:(?=//)|(?<=www)\.|^[-+=]|^[0-9]+(?=[.)]))")


def render_markdown(diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement] = ()) -> str:
    """Every run as a section; never more than a step summary may hold (the last runs are counted, not cut in half)."""
    head = f"## hndoctor: {counted(len(diagnoses), 'run')}\n"
    sections = [_overview(diagnoses)] if len(diagnoses) > 1 else []
    sections += [_run(d) for d in diagnoses]
    if pictures:
        sections.append(_pictures(pictures))
    return _within(head, sections)


def escape(text: str) -> str:
    """Text from a file as text: no markup, no mention, no link comes through."""
    return _ACTS.sub(_escaped, clean(text)).replace("@", "@\u200b")


def _escaped(found: re.Match[str]) -> str:
    text = found[1]
    return f"{text}\u200b" if text[0].isdigit() else f"\\{text}"


def code(text: str) -> str:
    """Text from a file as code, whatever back-ticks it holds."""
    shown = clean(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence, pad = "`" * (longest + 1), " " if longest or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _within(head: str, sections: Sequence[str]) -> str:
    kept, room = [head], SUMMARY_LIMIT - 200
    for i, section in enumerate(sections):
        room -= len(section.encode()) + 1
        if room < 0:
            return "\n".join([*kept, f"{len(sections) - i} more sections do not fit.\n"])
        kept.append(section)
    return "\n".join(kept)


def _overview(diagnoses: Sequence[Diagnosis]) -> str:
    rows = ["| verdict | run | next step |", "| --- | --- | --- |"]
    for d in diagnoses:
        step = escape(d.prescription.sentence) if d.prescription else ""
        rows.append(f"| {_MARKS[d.verdict]} {d.verdict.value} | {escape(d.run)} | {step} |")
    return "\n".join(rows) + "\n"


def _run(diagnosis: Diagnosis) -> str:
    lines = [
        f"### {_MARKS[diagnosis.verdict]} {escape(diagnosis.run)}: {diagnosis.verdict.value}",
        "",
        escape(diagnosis.summary),
        "",
    ]
    if diagnosis.prescription is not None:
        lines += _advice(diagnosis.prescription)
    if diagnosis.course:
        boxes = "".join(_BOXES[s.state] for s in diagnosis.course)
        lines += [f"{steps(diagnosis.course[0].step)} {boxes} {steps(diagnosis.course[-1].step)}", ""]
    lines += _findings(diagnosis.findings)
    lines += [f"- not examined: {escape(s.what)}: {escape(s.why)}" for s in diagnosis.not_examined]
    return "\n".join(lines).rstrip() + "\n"


def _advice(advice: Prescription) -> list[str]:
    lines = [f"**{escape(advice.sentence)}**", ""]
    lines += [f"- {code(command)}" for command in advice.how_hndoctor]
    lines += [f"{i}. {escape(hand)}" for i, hand in enumerate(advice.how_webui, 1)]
    return [*lines, ""]


def _findings(findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return []
    rows = ["| severity | rule | step | finding | file |", "| --- | --- | --- | --- | --- |"]
    for f in findings[:_FINDINGS_SHOWN]:
        sure = "" if f.confidence >= 1 else f" ({percent(f.confidence)} sure)"
        file = "" if f.subject is None else escape(f.subject)
        step = "" if f.step is None else steps(f.step)
        rows.append(f"| {_SEVERITIES[f.severity]} | {f.code} | {step} | {escape(spoken(f.message))}{sure} | {file} |")
    more = len(findings) - _FINDINGS_SHOWN
    return [*rows, "", *([f"and {counted(more, 'more finding')}", ""] if more > 0 else [])]


def _pictures(pictures: Sequence[PictureJudgement]) -> str:
    heads = ["picture", *(kind.replace("_", " ") for kind in _KINDS), "why"]
    lines = ["### Pictures", "", f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for judged in pictures:
        cells = [percent(judged.p.get(kind)) for kind in _KINDS]
        why = escape("; ".join(judged.because) if judged.unreadable is None else f"unreadable: {judged.unreadable}")
        lines.append(f"| {escape(judged.picture)} | {' | '.join(cells)} | {why} |")
    return "\n".join(lines) + "\n"
