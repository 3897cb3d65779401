"""HN308 to HN312: how the previews were made, and whether they can tell anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hndoctor.formats.counted import counted
from hndoctor.records import Severity, Vitals
from hndoctor.rules._previews_relative import by_step, comparable, differences, readable
from hndoctor.rules._previews_text import HOW_TO_COMPARE, WORDS, listed
from hndoctor.rules.engine import Sign, rule

DEFAULT_CFG = 7.0  # the web UI's default CFG scale (G26)


@rule("HN308", Severity.INFO, needs="previews")
def incomparable_previews(vitals: Vitals) -> Iterator[Sign]:
    """Previews cannot be compared with each other.

    They differ in prompt, negative prompt, sampler, steps, CFG scale, clip skip, base model or size, so that a change
    may come from there and not from the training.  Keep everything fixed while a network trains (G26, G27).
    """
    pictures = [p for p in readable(vitals.previews) if p.step is not None]
    groups = [group for _, group in by_step(pictures)]
    for before, after in pairwise(groups):
        if any(comparable(a, b) for a in before for b in after):
            continue
        changed = min((differences(a, b) for a in before for b in after), key=len)
        other = [WORDS[name] for name in changed if name != "seed"]
        if other:
            text = f"{listed(other)} changed since step {before[0].step:,}: {HOW_TO_COMPARE}"
            yield Sign(text, after[0].step, after[0].path)
            return  # once is enough: it mostly goes on like this


@rule("HN309", Severity.WARNING, needs="previews")
def negative_prompt_used(vitals: Vitals) -> Iterator[Sign]:
    """Previews are made with a negative prompt.

    It hides what the network does by itself: one that was steered by such previews gives garbage without it (G25).
    Preview without a negative prompt.
    """
    used = [p for p in readable(vitals.previews) if (p.negative_prompt or "").strip()]
    if used:
        have = "has" if len(used) == 1 else "have"
        text = f'{counted(len(used), "preview")} {have} a negative prompt ("{_short(used[0].negative_prompt or "")}")'
        yield Sign(text, used[0].step, used[0].path, len(used), 0)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 40 else words[:39] + "…"


@rule("HN310", Severity.INFO, needs="previews")
def seed_not_fixed(vitals: Vitals) -> Iterator[Sign]:
    """The previews' seed is not fixed.

    Every picture starts from other noise, so that differences between steps say little.  Fix the seed (G27).
    """
    seeded = [p for p in readable(vitals.previews) if p.seed is not None and p.step is not None]
    for before, after in pairwise([group for _, group in by_step(seeded)]):
        if not {p.seed for p in before} & {p.seed for p in after}:
            text = f"seed {after[0].seed} after {before[0].seed}: fix it, so that previews can be compared"
            yield Sign(text, after[0].step, after[0].path)
            return


@rule("HN311", Severity.INFO, needs="previews")
def unusual_sampling(vitals: Vitals) -> Iterator[Sign]:
    """Previews use another clip skip than 1, or another CFG scale than the default.

    Training uses clip skip 1; previews with another one show another network than the one that is trained, and a high
    CFG scale burns colours by itself.  Use clip skip 1 and CFG 7 (G26).
    """
    pictures = readable(vitals.previews)
    for name, usual in (("clip_skip", 1.0), ("cfg_scale", DEFAULT_CFG)):
        odd = [p for p in pictures if getattr(p, name) not in (None, usual)]
        if odd:
            value = float(getattr(odd[0], name))
            yield Sign(f"{WORDS[name]} {value:g}, usual is {usual:g}", odd[0].step, odd[0].path, value, usual)


@rule("HN312", Severity.WARNING, needs="previews")
def unreadable_preview(vitals: Vitals) -> Iterator[Sign]:
    """A preview picture cannot be read.

    The file is truncated or no picture: the disk was full, or the run stopped while it was written.  It was left out
    of every other judgement.  Make it again from its checkpoint.  One that was removed while its run was read is only
    a note.
    """
    for preview in vitals.previews:
        if preview.unreadable is not None:
            severity = Severity.INFO if preview.gone else None
            yield Sign(preview.unreadable, preview.step, preview.path, severity=severity)
