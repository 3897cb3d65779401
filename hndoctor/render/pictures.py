"""The page of loose pictures: each judged alone, those that look wrong first, with what says so and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from markupsafe import Markup

from hndoctor.calibration.looks import EVEN, is_spoilt, likeliest, looks_like
from hndoctor.records import PictureJudgement
from hndoctor.render.facts import Pairs, likely
from hndoctor.render.figures import clean, steps
from hndoctor.render.html import page
from hndoctor.render.strip import thumbnail_sources
from hndoctor.render.templates import Told, Words
from hndoctor.render.text import interval_of

WORTH_A_MAP = 0.1  # share of tiles like noise from which it is drawn where they lie
# in this order; the last is a picture
_LOOKS = ("noise", "grey noise", "flat", "partly noise", "repetition", "unreadable", "")


@dataclass(frozen=True)
class Seen:
    """One picture of the page."""

    name: str
    look: str  # the verdict whose colour and sign it has
    word: str
    level: float  # probability of what it most looks like, or of noise, in per cent: for the bar
    chances: Pairs
    why: tuple[Told, ...]
    source: str | None
    tiles: tuple[tuple[int, int, float], ...]  # column, row, opacity of the tiles that look like noise
    columns: int
    rows: int


def render_pictures(pictures: Sequence[PictureJudgement], *, language: str = "en") -> str:
    """One self-contained page of pictures judged without a run.  The same input gives the same bytes."""
    t = Words(language)
    ordered = sorted(pictures, key=lambda p: (_LOOKS.index(_look(p)), -likeliest(p)[1], p.picture))
    sources = thumbnail_sources([p.thumbnail for p in ordered])
    home = _home([p.picture for p in ordered])
    seen = [_seen(p, home, source, t) for p, source in zip(ordered, sources, strict=True)]
    wrong, sound = [s for s in seen if s.look != "healthy"], [s for s in seen if s.look == "healthy"]
    counts = Counter(map(_look, ordered))
    return page(
        "pictures.html.j2",
        t,
        "check.css",
        data=Markup('{"words": {}}'),
        title=t["pictures.title"],
        home=clean(home),
        look=max(
            (s.look for s in seen), key=("healthy", "unexamined", "ailing", "broken").index, default="unexamined"
        ),
        verdict=t("pictures.wrong", n=steps(len(wrong))) if wrong else t["pictures.none_wrong"],
        word=t["pictures.look"] if wrong else t["pictures.fine"],
        facts=[(steps(len(seen)), t("check.pictures", n=len(seen)))]
        + [(steps(counts[look]), _named(look, t)) for look in _LOOKS if look and counts[look]],
        wrong=wrong,
        sound=sound,
        sound_label=t("pictures.sound", n=steps(len(sound))),
    )


def _home(names: Sequence[str]) -> str:
    """The folder that all of them lie in, with a separator behind it; empty where they lie in several."""
    folders = {PurePath(name).parent for name in names}
    return f"{folders.pop().as_posix().rstrip('/')}/" if len(folders) == 1 else ""


def _look(judged: PictureJudgement) -> str:
    return "unreadable" if judged.unreadable is not None else looks_like(judged)


def _named(look: str, t: Words) -> str:
    return t[f"pictures.{(look or 'picture').replace(' ', '_')}"]


def _seen(judged: PictureJudgement, home: str, source: str | None, t: Words) -> Seen:
    look = _look(judged)
    wrong = "broken" if is_spoilt(judged) else "ailing" if look else "healthy"
    verdict = "unexamined" if look == "unreadable" else wrong
    why = judged.because if judged.unreadable is None else (judged.unreadable,)
    p = likeliest(judged)[1] if look else judged.p.get("noise") or 0.0
    mapped = judged.tiles if (judged.noise_share or 0.0) >= WORTH_A_MAP else ()
    return Seen(
        name=clean(judged.picture.removeprefix(home)),
        look=verdict,
        word=_named(look, t),
        level=round(100 * p, 1),
        chances=tuple((_named(kind.replace("_", " "), t), _chance(judged, kind, t)) for kind in judged.p)
        if judged.unreadable is None
        else (),
        why=tuple(t.told(reason) for reason in why),
        source=source,
        tiles=tuple((x, y, round(v, 2)) for y, row in enumerate(mapped) for x, v in enumerate(row) if v >= EVEN),
        columns=len(mapped[0]) if mapped else 0,
        rows=len(mapped),
    )


def _chance(judged: PictureJudgement, kind: str, t: Words) -> str:
    """A probability, with its interval where that is wider than a rounding; what needs a reference says so."""
    p = judged.p[kind]
    return t["pictures.not_alone"] if p is None else likely(p, interval_of(judged, kind), t)
