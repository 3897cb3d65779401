"""The page of `check`: findings, the plan with its arithmetic, and a contact sheet of the pictures by need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from hndoctor.records import CaptionVitals, Diagnosis, Finding, PictureVitals, PlanVitals, Setup, Severity
from hndoctor.render.facts import Law, Pairs, findings_of
from hndoctor.render.figures import clean, number, steps
from hndoctor.render.html import page
from hndoctor.render.templates import Told, Words
from hndoctor.rules.engine import Rule
from hndoctor.rules.setup.common import EACH

if TYPE_CHECKING:
    from hndoctor.setup.thumbnails import Small

MOST_CARDS = 400  # pictures shown; each is some kilobytes of the page (guess)
MOST_TAGS = 200
CAPTION = 220  # characters of a caption shown
_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_GB = 1e9


@dataclass(frozen=True)
class Need:
    """One finding about one picture."""

    code: str
    severity: str
    text: Told


@dataclass(frozen=True)
class Head:
    """The first screen: may training begin, and if not, what has to be mended first."""

    look: str  # the verdict whose colour and sign it has
    word: str
    sentence: str
    todo: tuple[tuple[Law, str], ...]  # every rule that found something, and how many of it


@dataclass(frozen=True)
class Card:
    """One picture of the contact sheet."""

    name: str
    size: str
    caption: str | None
    needs: tuple[Need, ...]
    worst: str  # severity, or "none"
    thumbnail: str | None
    width: int
    height: int


def render_check(
    setup: Setup,
    diagnosis: Diagnosis,
    thumbnails: Mapping[str, Small],
    rules: Sequence[Rule] = (),
    *,
    language: str = "en",
) -> str:
    """One self-contained page; `thumbnails` by the pictures' names.  The same input gives the same bytes."""
    t = Words(language)
    laws = findings_of(diagnosis, rules, t)
    cards = cards_of(setup, diagnosis, thumbnails, t)
    shown = cards[:MOST_CARDS]
    needing = [card for card in shown if card.needs]
    sound = [card for card in shown if not card.needs]
    tags = Counter(clean(tag) for c in setup.captions if c.source for tag in c.tags)
    return page(
        "check.html.j2",
        t,
        "check.css",
        data=Markup('{"words": {}}'),
        title=t("check.title", name=clean(diagnosis.name)),
        data_folder=clean(setup.data),
        head=_head(diagnosis, laws, t),
        facts=_facts(setup, len([card for card in cards if card.needs]), len(tags), t),
        needing=needing,
        sound=sound,
        sound_label=t("check.sound", n=steps(len(sound))),
        left_out=t("check.left_out", n=steps(len(cards) - MOST_CARDS)) if len(cards) > MOST_CARDS else "",
        findings=laws,
        not_examined=[(t.told(s.what), t.told(s.why)) for s in diagnosis.not_examined],
        plan=tuple(_plan(setup.plan, t)) if setup.plan else (),
        memory=tuple(_memory(setup.plan, t)) if setup.plan else (),
        tags=[(tag, steps(count)) for tag, count in tags.most_common(MOST_TAGS)],
        tags_hint=_tags_hint(setup, tags, t) if tags else t["check.no_tags"],
        webui=[(clean(key), clean(value) or "–") for key, value in sorted(setup.webui.items()) if value != "read"],
    )


def _head(diagnosis: Diagnosis, laws: Sequence[Law], t: Words) -> Head:
    count = Counter((f.severity.value, f.code) for f in diagnosis.findings)
    several = {(f.severity.value, f.code): len(f.subjects) for f in diagnosis.findings if f.subjects}
    numbers = [several.get((law.severity, law.code), count[law.severity, law.code]) for law in laws]
    todo = tuple((law, steps(n) if n > 1 else "") for law, n in zip(laws, numbers, strict=True))
    grave = [law.title.text or law.code for law in laws if law.severity == Severity.ERROR.value]
    if grave:
        return Head("broken", t["check.mend_first"], t("check.head_error", what=" ".join(grave)), todo)
    if any(law.severity == Severity.WARNING.value for law in laws):
        return Head("ailing", t["check.look"], t("check.head_warning", n=steps(len(laws))), todo)
    return Head("healthy", t["check.ready"], t["check.head_ready"], todo)


def _facts(setup: Setup, needing: int, tags: int, t: Words) -> Pairs:
    written = len({c.source for c in setup.captions if c.source})
    told = ((len(setup.pictures), "pictures"), (written, "captions"), (tags, "different"), (needing, "needing"))
    return tuple((steps(value), t(f"check.{key}", n=value)) for value, key in told)


def _tags_hint(setup: Setup, tags: Mapping[str, int], t: Words) -> str:
    once = sum(count == 1 for count in tags.values())
    return t("check.tags_hint", all=steps(len(tags)), once=steps(once), how=t.told(setup.tokenizer or "–").text)


# --- the contact sheet ------------------------------------------------------------------------------------------------


def cards_of(setup: Setup, diagnosis: Diagnosis, thumbnails: Mapping[str, Small], t: Words) -> list[Card]:
    """Every picture, the most needy first: by its worst finding, then by their number, then by name.

    What holds for most pictures is said once, above, and not at each of them.
    """
    captions = {caption.picture: caption for caption in setup.captions}
    most = max(EACH, len(setup.pictures) // 2)
    found = _by_file(f for f in diagnosis.findings if len(f.subjects) <= most)
    cards: list[tuple[tuple[int, int, str], Card]] = []
    for picture in setup.pictures:
        caption = captions.get(picture.path)
        about = _about(picture, caption, found)
        worst = min((_RANK[f.severity] for f in about), default=len(_RANK))
        cards.append(((worst, -len(about), picture.path), _card(picture, caption, about, thumbnails, t)))
    return [card for _, card in sorted(cards, key=lambda one: one[0])]


def _by_file(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        for name in dict.fromkeys((*finding.subjects, *([finding.subject] if finding.subject else []))):
            found.setdefault(name, []).append(finding)
    return found


def _about(picture: PictureVitals, caption: CaptionVitals | None, found: Mapping[str, list[Finding]]) -> list[Finding]:
    names = [picture.path] + ([caption.source] if caption and caption.source else [])
    return sorted((f for name in names for f in found.get(name, ())), key=lambda f: (_RANK[f.severity], f.code))


def _card(
    picture: PictureVitals,
    caption: CaptionVitals | None,
    about: Sequence[Finding],
    thumbnails: Mapping[str, Small],
    t: Words,
) -> Card:
    small = thumbnails.get(picture.path)
    text = clean(caption.text.strip()) if caption and caption.source else None
    if text is not None and len(text) > CAPTION:
        text = text[: CAPTION - 1] + "…"
    return Card(
        name=clean(picture.path),
        size=f"{picture.width} × {picture.height}" if picture.width else "",
        caption=text,
        needs=tuple(Need(f.code, f.severity.value, t.told(_short(f, picture, caption))) for f in about),
        worst=about[0].severity.value if about else "none",
        thumbnail=small.data if small else None,
        width=small.width if small else 0,
        height=small.height if small else 0,
    )


def _short(finding: Finding, picture: PictureVitals, caption: CaptionVitals | None) -> str:
    """The message without the name that the card bears anyway; of many together, only what they have in common."""
    text = finding.message
    for name in (picture.path, caption.source if caption else None):
        text = text.removeprefix(f"{name}: ") if name else text
    if finding.subject is None and finding.subjects:
        first, _, rest = text.partition(": ")
        text = f"{first.partition(' ')[2]} ({len(finding.subjects)}); {rest.rpartition('; ')[2]}"
    return text


# --- the plan ---------------------------------------------------------------------------------------------------------


def _plan(plan: PlanVitals, t: Words) -> Iterator[tuple[str, str]]:
    """What is planned, and what follows from it."""
    low, middle, high = plan.onset
    told = {
        "structure": ", ".join(f"{part:g}" for part in plan.layer_structure or ()),
        "schedule": clean(plan.learn_rate or ""),
        "steps": steps(plan.steps) if plan.steps is not None else "",
        "epoch": steps(plan.steps_per_epoch) if plan.steps_per_epoch else "",
        "passes": t("check.passes_value", n=number(round(plan.passes))) if plan.passes else "",
        "onset": t("check.onset_value", middle=steps(middle), low=steps(low), high=steps(high)) if middle else "",
        "gain": t("check.gain_value", gain=number(plan.initial_gain)) if plan.initial_gain is not None else "",
        "file": f"{_gb(plan.checkpoint_bytes)} GB" if plan.checkpoint_bytes else "",
        "disk": _disk(plan, t),
    }
    yield from ((t[f"check.{key}"], value) for key, value in told.items() if value)


def _disk(plan: PlanVitals, t: Words) -> str:
    if not (plan.checkpoints and plan.checkpoint_bytes and plan.free_bytes is not None):
        return ""
    need = plan.checkpoints * plan.checkpoint_bytes
    each, free = _gb(plan.checkpoint_bytes), _gb(plan.free_bytes)
    return t("check.disk_value", n=steps(plan.checkpoints), each=each, all=_gb(need), free=free)


def _memory(plan: PlanVitals, t: Words) -> Iterator[tuple[Told, str, str]]:
    """Rows of the table: part, with hndoctor, in the web UI; the sums and the card last."""
    if not plan.memory:
        return
    ours, theirs = dict(plan.memory), dict(plan.memory_webui)
    for part in dict.fromkeys((*theirs, *ours)):
        yield t.told(part), _in_gb(ours.get(part)), _in_gb(theirs.get(part))
    yield Told(t["check.total"], t.language), _in_gb(sum(ours.values())), _in_gb(sum(theirs.values()))
    if plan.card_bytes:
        yield Told(t["check.card"], t.language), _in_gb(plan.card_bytes), _in_gb(plan.card_bytes)


def _in_gb(size: int | None) -> str:
    return f"{_gb(size)} GB" if size else "–"


def _gb(size: int) -> str:
    return f"{size / _GB:.2f}" if size < 10 * _GB else f"{size / _GB:.1f}"
