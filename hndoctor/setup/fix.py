"""Captions put right: spaces for underscores, brackets escaped, an order that a tagger sorted broken up again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hndoctor.formats.atomic import write_whole
from hndoctor.formats.captions import read_caption, tags
from hndoctor.formats.names import fitting
from hndoctor.setup.measure import SetupError, find_pictures
from hndoctor.setup.words import common_start, emphasised, escaped, is_sorted, order_of, shared_tags, spaced

_TRIES = 20  # shuffles; two different tags have one other order, equal ones none


@dataclass(frozen=True)
class Change:
    """One caption file that was rewritten."""

    path: str  # the caption's file name
    before: str
    after: str
    what: tuple[str, ...]  # "underscores", "brackets", "order", "encoding"
    backup: str | None = None  # where the file as it was lies now


@dataclass(frozen=True)
class _Draft:
    source: Path
    raw: str
    encoding_wrong: bool
    tags: tuple[str, ...]


def fix_captions(data: Path, out: Path | None = None, seed: int = 0) -> tuple[Change, ...]:
    """Rewrite the captions of a data set, and return what changed (G2, G3, G4).

    With `out`, all captions go into that folder, which must not hold any of them yet, and `data` stays as it is.
    Without, changed files are replaced in place, each after a backup beside it (``a.txt.bak``, never overwritten).
    A set in alphabetical order is shuffled with `seed`; tags that every caption begins with stay in front.
    """
    drafts = [draft for draft in map(_draft, find_pictures(data)) if draft is not None]
    drafts = list({draft.source: draft for draft in drafts}.values())
    if out is not None:
        _refuse_overwriting(out, drafts)
    sets = [draft.tags for draft in drafts]
    style = _Style(common_start(sets), shared_tags(sets), seed if order_of(sets).deliberate else None)
    changes: list[Change] = []
    for draft in drafts:
        change = _mend(draft, style)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            _write(out / draft.source.name, change.after if change else draft.raw)
        elif change:
            change = _replace_in_place(draft.source, change)
        if change:
            changes.append(change)
    return tuple(changes)


def _draft(picture: Path) -> _Draft | None:
    caption = read_caption(picture)
    if caption.source is None or (caption.problem and not caption.text):
        return None
    return _Draft(caption.source, caption.text, caption.problem is not None, tags(caption.text))


def _refuse_overwriting(out: Path, drafts: Sequence[_Draft]) -> None:
    if out.exists() and not out.is_dir():
        raise SetupError(f"{out}: is a file; name a folder for the mended captions")
    there = [draft.source.name for draft in drafts if (out / draft.source.name).exists()]
    if there:
        raise SetupError(f"{out}: already holds {there[0]}; name a new folder for the mended captions")


@dataclass(frozen=True)
class _Style:
    """What the captions have in common."""

    start: int  # tags that all begin with
    shared: frozenset[str]  # tags that all have
    seed: int | None  # to shuffle with; None: the set is not in alphabetical order


def _mend(draft: _Draft, style: _Style) -> Change | None:
    """The caption put right; None if nothing was wrong with it."""
    words, what = list(draft.tags), []
    if words != [spaced(word) for word in words]:
        words, what = [spaced(word) for word in words], ["underscores"]
    if emphasised(draft.raw):
        words = [escaped(word) for word in words]
        what.append("brackets")
    if style.seed is not None and is_sorted([tag for tag in draft.tags if tag not in style.shared]):
        tail = words[style.start :]
        words[style.start :] = _shuffled(tail, random.Random(f"{style.seed}:{draft.source.name}"))
        what.extend(["order"] if words[style.start :] != tail else [])
    if draft.encoding_wrong:
        what.append("encoding")
    if not what:
        return None
    text = ", ".join(words) if set(what) - {"encoding"} else draft.raw
    return Change(draft.source.name, draft.raw, text, tuple(what))


def _shuffled(words: Sequence[str], shuffler: random.Random) -> list[str]:
    """Another order than the one given, and not the alphabetical one, where there is another."""
    mixed = list(words)
    for _ in range(_TRIES):
        shuffler.shuffle(mixed)
        if mixed != list(words) and not is_sorted(mixed):
            break
    return mixed


def _replace_in_place(path: Path, change: Change) -> Change:
    number, backup = 1, path.with_name(fitting(path.name, ".bak"))
    while backup.exists():
        number += 1
        backup = path.with_name(fitting(path.name, f".bak{number}"))
    write_whole(backup, [path.read_bytes()])
    _write(path, change.after)
    return Change(change.path, change.before, change.after, change.what, backup.name)


def _write(path: Path, text: str) -> None:
    write_whole(path, [text.encode("utf-8")])
