"""The words of the page: verdict, treatment and findings, as rows ready to lay out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hndoctor.records import Diagnosis, Finding, Severity, Vitals
from hndoctor.render.figures import clean, number, percent, plain, rate, steps, with_command
from hndoctor.render.templates import Told, Words
from hndoctor.rules.engine import Rule
from hndoctor.rules.spoken import spoken

# A field's name starts with a capital; an instruction does not, and it may tell several things in a row.
_FIELD = re.compile(r"([A-Z][A-Za-z >]{0,50}): ([^;]+)")
LONG_SUMMARY = {"en": 110, "ja": 56}  # characters from which the verdict's sentence is set smaller
SHOWN_OF_A_CODE = 3  # findings of one rule before the rest is folded
SAME_CHANCE = 1e-4  # values are kept with four digits
FINDINGS_OF_A_CODE = 60  # and this many in the fold
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Headline:
    """The top of the page."""

    name: str
    run: str
    verdict: str
    word: str
    summary: Told
    long: bool  # too long for the largest letters
    facts: Pairs  # (number, what it counts)


@dataclass(frozen=True)
class Treatment:
    """What to do now, laid out."""

    sentence: Told
    action: str
    settings: Pairs
    because: tuple[tuple[str, Told], ...]  # (code, complaint)
    commands: tuple[str, ...]
    hands: tuple[tuple[Told, str | None], ...]  # (what to do, None), or (a field of the web UI, what to type into it)
    free: tuple[tuple[Told, str | None], ...]  # (what helps, the command for it)
    rejected: tuple[tuple[Told, Told], ...]


@dataclass(frozen=True)
class Sighting:
    """One finding of a law."""

    message: Told
    step: int | None
    step_label: str
    subject: str
    sure: str
    measured: str


@dataclass(frozen=True)
class Law:
    """All findings of one rule."""

    code: str
    anchor: str
    title: Told
    severity: str
    word: str
    manual: tuple[Told, ...]  # paragraphs
    first: tuple[Sighting, ...]
    more: tuple[Sighting, ...]
    count_more: int
    more_label: str


def likely(p: float, ends: tuple[float, float] | None, t: Words) -> str:
    """A probability with its interval, where that is to be told: ``97% (90% to 99%)``."""
    if ends is None:
        return percent(p)
    return f"{percent(p)} ({t('page.range', low=percent(ends[0]), high=percent(ends[1]))})"


def headline(diagnosis: Diagnosis, vitals: Vitals, t: Words) -> Headline:
    """The verdict in one sentence, and what it stands on."""
    seen = [s.step for s in diagnosis.course] + [p.step for p in vitals.losses[-1:]]
    told = [
        (steps(max(seen)) if seen else "–", "last"),
        (steps(len(vitals.checkpoints)), "checkpoints"),
        (steps(len(vitals.unreadable)) if vitals.unreadable else "", "unreadable"),
        (steps(len(vitals.previews)), "previews"),
        (steps(len(vitals.losses)), "losses"),
    ]
    facts = tuple((value, t[f"fact.{key}"]) for value, key in told if value)
    word = t[f"verdict.{diagnosis.verdict}"]
    summary = t.told(diagnosis.summary)
    long = len(summary) > LONG_SUMMARY[summary.lang]
    return Headline(clean(diagnosis.name), clean(diagnosis.run), diagnosis.verdict.value, word, summary, long, facts)


def treatment(diagnosis: Diagnosis, rules: Sequence[Rule], t: Words) -> Treatment | None:
    """The prescription; None where there is none."""
    advice = diagnosis.prescription
    if advice is None:
        return None
    titles = {r.code: r.title for r in rules}
    found = {f.code: spoken(f.message) for f in reversed(diagnosis.findings)}
    others = [(s, p) for s, p in advice.acceptable if s != advice.step]
    told = [
        ("checkpoint", clean(advice.checkpoint) if advice.checkpoint else None),
        ("rate", None if advice.learning_rate is None else _rate_in_words(advice.learning_rate, t)),
        ("acceptable", t.listed(t("advice.acceptable_one", step=steps(s), p=percent(p)) for s, p in others) or None),
    ]
    return Treatment(
        t.told(advice.sentence),
        advice.action.value,
        tuple((t[f"advice.{k}"], v) for k, v in told if v),
        tuple((code, t.told(titles.get(code) or found.get(code, ""))) for code in advice.because),
        tuple(map(clean, advice.how_hndoctor)),
        tuple(_hand(hand, t) for hand in advice.how_webui),
        tuple(_remedy(remedy, t) for remedy in advice.free_remedies),
        tuple((t.told(a.what), t.told(a.why_not)) for a in advice.rejected),
    )


def _hand(text: str, t: Words) -> tuple[Told, str | None]:
    """``Learning rate: 5e-6:20000`` is a field and what to type; any other line is told as it is."""
    found = _FIELD.fullmatch(text)
    return (Told(clean(found[1]), "en"), clean(found[2])) if found else (t.told(text), None)


def _remedy(text: str, t: Words) -> tuple[Told, str | None]:
    helps, command = with_command(text)
    return t.told(helps), clean(command) if command else None


def _rate_in_words(value: float, t: Words) -> str:
    return t("advice.rate_plain", power=rate(value), plain=plain(value))


def findings_of(diagnosis: Diagnosis, rules: Sequence[Rule], t: Words) -> tuple[Law, ...]:
    """Findings by severity, those of one rule and severity together, in the order of the diagnosis."""
    grouped: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in diagnosis.findings:
        grouped.setdefault((finding.severity, finding.code), []).append(finding)
    pages = {r.code: r for r in rules}
    order = [Severity.ERROR, Severity.WARNING, Severity.INFO]
    keys = sorted(grouped, key=lambda key: order.index(key[0]))
    taken: set[str] = set()
    laws = []
    for severity, code in keys:
        anchor = f"{code}-{severity}" if code in taken else code
        taken.add(code)
        laws.append(_law(code, anchor, severity, grouped[severity, code], pages.get(code), t))
    return tuple(laws)


def _law(code: str, anchor: str, severity: Severity, found: Sequence[Finding], page: Rule | None, t: Words) -> Law:
    shown = tuple(_sighting(f, t) for f in found[: SHOWN_OF_A_CODE + FINDINGS_OF_A_CODE])
    more = len(found) - SHOWN_OF_A_CODE
    return Law(
        clean(code),
        clean(anchor),
        t.told(page.title if page else ""),
        severity.value,
        t[f"severity.{severity}"],
        t.manual(code, page.manual) if page else (),
        shown[:SHOWN_OF_A_CODE],
        shown[SHOWN_OF_A_CODE:],
        max(0, more),
        t("finding.more", n=steps(max(0, more)), code=clean(code)),
    )


def _is_chance(value: float, sure: float) -> bool:
    """Whether what was measured is only how sure it is, which is told already."""
    return sure < 1 and abs(value - sure) < SAME_CHANCE


def _sighting(finding: Finding, t: Words) -> Sighting:
    sure = "" if finding.confidence >= 1 else t("finding.sure", p=percent(finding.confidence))
    measured = ""
    if finding.value is not None and finding.limit is not None and not _is_chance(finding.value, finding.confidence):
        measured = t("finding.measured", value=number(finding.value), limit=number(finding.limit))
    step = "" if finding.step is None else t("finding.step", step=steps(finding.step))
    return Sighting(t.told(spoken(finding.message)), finding.step, step, clean(finding.subject or ""), sure, measured)
