"""The film strip: previews in order of steps, what speaks against each, and which cannot be compared.

Thumbnails are kept within a byte budget: first all of them are made smaller, then only the telling ones are kept
(first, last, the recommended step, around the onsets, and an even spread of the rest).
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hndoctor.records import Diagnosis, Preview, Severity, Vitals
from hndoctor.render.facts import likely
from hndoctor.render.figures import clean, link, number, percent, steps
from hndoctor.render.lanes import NOISE_LINE
from hndoctor.render.templates import Told, Words
from hndoctor.rules.spoken import spoken

BUDGET = 1_100_000  # base64 bytes of thumbnails in a report of up to FEW previews, so that it stays below 2 MB
FEW = 200
BUDGET_MANY = 4_000_000  # the same for longer runs, below 10 MB
SMALLER = 112  # pixels of the longer side once thumbnails must shrink
QUALITY = 70  # of a shrunk JPEG
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_JPEG = b"\xff\xd8\xff"
Key = tuple[object, ...]


@dataclass(frozen=True)
class Frame:
    """One preview of the strip."""

    step: int | None
    label: str
    state: str
    noise: str
    level: float  # noise in percent, for the bar
    bad: bool
    why: tuple[Told, ...]
    odd: str | None  # why it cannot be compared with any other
    series: int  # frames of one series were made alike: these can be compared
    source: str | None  # data URI
    path: str
    link: str | None
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Strip:
    """All frames, and how many were left out for want of room."""

    frames: tuple[Frame, ...]
    left_out: int
    note: str | None = None  # what holds for all of them: that no two can be compared


def strip_of(
    diagnosis: Diagnosis, vitals: Vitals, noise: Mapping[str, float], t: Words, beside: bool
) -> Strip:
    """The previews as the page shows them.

    `noise`: as it is judged, by their paths; `beside`: the page lies in the run folder, so files can be linked.
    """
    shown = sorted(vitals.previews, key=lambda p: (p.step is None, p.step or 0, p.path))
    made = [_made(p) for p in shown]
    alike = Counter(made)
    usual = _usual(alike)
    sources = thumbnail_sources([p.thumbnail for p in shown], _telling(diagnosis, shown))
    states = {s.step: s.state.value for s in diagnosis.course}
    said: dict[str, list[str]] = {}
    for finding in diagnosis.findings:
        if finding.subject is not None and finding.severity is not Severity.INFO:
            said.setdefault(finding.subject, []).append(spoken(finding.message))
    keep = [i for i, source in enumerate(sources) if source is not None or len(shown) <= FEW]
    series = {how: i for i, how in enumerate(alike)}
    odd = [_odd(how, usual, alike[how] == 1, t) for how in made]
    frames = tuple(
        replace(_frame(shown[i], sources[i], noise, states, said, t, beside), odd=odd[i], series=series[made[i]])
        for i in keep
    )
    return Strip(frames, len(shown) - len(frames), None if usual else _none_alike(shown, t))


def _made(preview: Preview) -> Key:
    """What must be the same for two previews to be comparable."""
    return (
        preview.seed,
        preview.prompt,
        preview.negative_prompt or "",
        preview.cfg_scale,
        preview.sampler,
        preview.sampling_steps,
        preview.width,
        preview.height,
        preview.model_hash,
    )


_KEYS = ("seed", "prompt", "negative", "cfg", "sampler", "steps", "size", "size", "model")


def _odd(made: Key, usual: Key, alone: bool, t: Words) -> str | None:
    """Why a preview that nothing else was made like cannot be compared with the usual ones."""
    differs = [k for k, a, b in zip(_KEYS, made, usual, strict=False) if a != b]
    return t("strip.odd", what=_named(differs, t)) if differs and usual and alone else None


def _usual(alike: Counter[Key]) -> Key:
    """How most previews were made; empty if no two were made alike (the web UI draws caption and seed at random)."""
    made = alike.most_common(1)
    return made[0][0] if made and (made[0][1] > 1 or len(alike) == 1) else ()


def _none_alike(shown: Sequence[Preview], t: Words) -> str | None:
    differs = [
        k for k, values in zip(_KEYS, zip(*map(_made, shown), strict=True), strict=False) if len(set(values)) > 1
    ]
    return t("strip.none_alike", what=_named(differs, t)) if shown else None


def _named(keys: Sequence[str], t: Words) -> str:
    return t.listed(t[f"made.{k}"] for k in dict.fromkeys(keys))


def _frame(
    preview: Preview,
    source: str | None,
    noises: Mapping[str, float],
    states: dict[int, str],
    said: dict[str, list[str]],
    t: Words,
    beside: bool,
) -> Frame:
    why = [t.told(message) for message in dict.fromkeys(said.get(preview.path, ()))]
    if preview.unreadable is not None:
        why.insert(0, Told(t("strip.unreadable", why=t.told(preview.unreadable).text), t.language))
    noise = noises.get(preview.path)
    return Frame(
        preview.step,
        t["strip.no_step"] if preview.step is None else steps(preview.step),
        "" if preview.step is None else states.get(preview.step, ""),
        percent(noise),
        round(100 * (noise or 0.0), 1),
        noise is not None and noise >= NOISE_LINE,
        tuple(why),
        None,
        0,
        source,
        clean(preview.path),
        link(preview.path) if beside else None,
        _facts(preview, t),
    )


def _range(preview: Preview, t: Words) -> str | None:
    """Judged alone, with the interval: `97% (90% to 99%)`."""
    if preview.noise is None or preview.noise_interval is None:
        return None
    return likely(preview.noise, preview.noise_interval, t)


def _facts(preview: Preview, t: Words) -> tuple[tuple[str, str], ...]:
    size = f"{preview.width} × {preview.height}" if preview.width else None
    share = None if preview.noise_share is None else percent(preview.noise_share)
    told: list[tuple[str, object]] = [
        ("prompt", preview.prompt),
        ("negative", preview.negative_prompt),
        ("seed", preview.seed),
        ("sampler", preview.sampler),
        ("steps", preview.sampling_steps),
        ("cfg", preview.cfg_scale),
        ("clip_skip", preview.clip_skip),
        ("model", preview.model_hash),
        ("size", size),
        ("noise_share", share),
        ("noise_range", _range(preview, t)),
        ("severity", None if preview.severity is None else percent(preview.severity)),
    ]
    facts = [(t[f"made.{key}"], clean(str(value))) for key, value in told if value not in (None, "")]
    return (*facts, *((clean(name).replace("_", " "), number(value)) for name, value in sorted(preview.scores.items())))


def _telling(diagnosis: Diagnosis, shown: Sequence[Preview]) -> list[int]:
    """Indexes, the most telling first: ends, the recommended step, onsets, findings, then an even spread."""
    advice = diagnosis.prescription
    wanted = {advice.step if advice else None, diagnosis.onset.broken, diagnosis.onset.overtrained}
    named = {f.subject for f in diagnosis.findings}
    first = [0, len(shown) - 1] if shown else []
    first += [i for i, p in enumerate(shown) if p.step is not None and p.step in wanted]
    stride = 1 << max(0, (len(shown) - 1).bit_length())
    spread: list[int] = []
    while stride:
        spread += range(0, len(shown), stride)
        stride //= 2
    coarse, fine = spread[:64], spread[64:]
    return list(dict.fromkeys([*first, *coarse, *(i for i, p in enumerate(shown) if p.path in named), *fine]))


def thumbnail_sources(small: Sequence[str | None], order: Sequence[int] | None = None) -> list[str | None]:
    """Thumbnails as data URIs within the budget; None where one is not sound or has no room.

    `order`: which of them to keep first, else the first.
    """
    budget = BUDGET if len(small) <= FEW else BUDGET_MANY
    sound = {i: small[i] or "" for i in (range(len(small)) if order is None else order) if _is_jpeg(small[i])}
    if sum(map(len, sound.values())) > budget:
        sound = {i: smaller(text) for i, text in _affordable(sound, budget).items()}
    made: list[str | None] = [None] * len(small)
    for i, text in sound.items():
        if text and len(text) <= budget:
            made[i], budget = f"data:image/jpeg;base64,{text}", budget - len(text)
    return made


def _affordable(sound: dict[int, str], budget: int) -> dict[int, str]:
    """As many as could fit once shrunk: a shrunk one is seldom below 1.5 kB, and each costs time."""
    return dict(list(sound.items())[: budget // 1500])


def _is_jpeg(text: str | None) -> bool:
    if not text or not _BASE64.fullmatch(text):
        return False
    try:
        return base64.b64decode(text[:8], validate=True).startswith(_JPEG)
    except binascii.Error:
        return False


def smaller(text: str) -> str:
    """A thumbnail of at most SMALLER pixels; empty if it is no picture after all."""
    from PIL import Image  # only where there are thumbnails

    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=("JPEG",)) as picture:
            picture.draft("RGB", (SMALLER, SMALLER))
            shrunk = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return ""
    shrunk.thumbnail((SMALLER, SMALLER))
    out = io.BytesIO()
    shrunk.save(out, "JPEG", quality=QUALITY, optimize=True)
    made = base64.b64encode(out.getvalue()).decode("ascii")
    return made if len(made) < len(text) else text
