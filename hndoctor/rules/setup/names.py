"""Names: the network's, the character's, the artist's (G6, G7)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from hndoctor.formats.counted import counted
from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import Offender, told
from hndoctor.rules.setup.lexicon import ARTIST, ORDINARY
from hndoctor.rules.setup.tags import spelling

SHARED = 0.9  # share of captions that must agree on a first tag or an artist to take it for the name (guess)
ORDINARY_CONFIDENCE = 0.8  # of the built-in list of ordinary words (guess)
_SPLIT = re.compile(r"[\s_.\-]+")
_PARTS = re.compile(r"[^\W\d_]{3,}")
_UNUSABLE = re.compile(r"[^\w .\-]")


def parts(name: str) -> tuple[str, ...]:
    """The words of a network's name that could call it: `fischl-pt2` gives `fischl`."""
    found = _PARTS.findall(name.lower().replace("_", " "))
    return tuple(found) or ((name.lower(),) if name else ())


def mentions(text: str, name: str) -> bool:
    """Whether a text holds the name, whole or its first word."""
    low = spelling(text)
    return spelling(name) in low or (
        bool(parts(name)) and re.search(rf"\b{re.escape(parts(name)[0])}\b", low) is not None
    )


def template_starts_with_name(template: Sequence[str] | None) -> bool:
    """Whether every line of the template puts `[name]` first."""
    lines = [line for line in template or () if line.strip()]
    return bool(lines) and all(line.startswith("[name]") for line in lines)


def template_has_name(setup: Setup) -> bool:
    """Whether some line of the plan's template holds `[name]`."""
    return any("[name]" in line for line in (setup.plan.template if setup.plan else None) or ())


def common_first(setup: Setup) -> str | None:
    """The first tag on which nearly all captions agree: whatever the network is called, that is the name used."""
    first = Counter(spelling(c.tags[0]) for c in setup.captions if c.tags and c.source)
    word, count = max(first.items(), key=lambda found: found[1], default=(None, 0))
    return word if count > 1 and count >= SHARED * first.total() else None


@rule("HN510", Severity.WARNING, needs="setup")
def character_name_not_first(setup: Setup) -> Iterator[Sign]:
    """A character's name is missing from a caption, or is not its first tag.

    The first words weigh most: a character whose name comes first answers to it in prompts (G7, with --kind character).
    Begin every caption with the name, or every line of the template with [name].
    """
    if setup.kind != "character" or not setup.name:
        return
    if template_starts_with_name(setup.plan.template if setup.plan else None):
        return
    name = _called(setup)
    offenders = (
        Offender(c.source, _complaint(c.tags, name))
        for c in setup.captions
        if c.source and c.tags and _late(c.tags, name)
    )
    yield from told(offenders, f'captions do not begin with "{name}"', "put the character's name first", confidence=0.8)


def _called(setup: Setup) -> str:
    """The character's name: the network's, unless nearly all captions begin with another (not with 1girl or solo)."""
    shared, name = common_first(setup), setup.name or ""
    named = any(mentions(c.text, name) for c in setup.captions if c.source)
    known = shared is None or shared in ORDINARY or any(letter.isdigit() for letter in shared) or shared == "solo"
    return name if named or known or shared is None else shared


def _late(tags: Sequence[str], name: str) -> bool:
    return not mentions(tags[0], name)


def _complaint(tags: Sequence[str], name: str) -> str:
    later = any(mentions(tag, name) for tag in tags)
    return f'"{name}" is not the first tag' if later else f'"{name}" is missing'


@rule("HN511", Severity.WARNING, needs="setup")
def style_artist_missing(setup: Setup) -> Iterator[Sign]:
    """Neither captions nor template name the style's artist.

    The artist's name in the captions gives the style a word to answer to, even one the model does not know; in
    prompts it then holds the style fast (G7, with --kind style).  Add it to every caption, or [name] to the template.
    """
    texts = [c for c in setup.captions if c.source and c.tags]
    if setup.kind != "style" or not texts or template_has_name(setup):
        return
    named = sum(_names_artist(c.tags, setup.name) for c in texts)
    if common_first(setup) is None and named < SHARED * len(texts):
        lacking = len(texts) - named
        do = "does" if lacking == 1 else "do"
        of = counted(len(texts), "caption")
        message = f"{lacking} of {of} {do} not name the artist or style; add it, or [name] to the template"
        known = setup.plan is not None and setup.plan.template is not None
        severity = None if known else Severity.INFO  # the template that will be used may hold [name]
        yield Sign(message, value=named / len(texts), limit=SHARED, confidence=0.7, severity=severity)


def _names_artist(tags: Sequence[str], name: str | None) -> bool:
    return any(ARTIST.search(tag) or (name is not None and mentions(tag, name)) for tag in tags)


@rule("HN512", Severity.WARNING, needs="setup")
def name_ordinary(setup: Setup) -> Iterator[Sign]:
    """The network's name is an ordinary word.

    Where the template says [name], the name stands in every prompt: a word that already means something pulls many
    pictures with it, and is itself changed for good (G6).  Choose a name that means nothing yet.
    """
    if not setup.name:
        return
    low = setup.name.lower()
    if setup.name_tokens == 1 and low.isalpha():
        message = f'"{setup.name}" is a single token of {setup.tokenizer}: it means something already'
        yield Sign(f"{message}; choose a name that means nothing yet", value=1, limit=1, confidence=0.9)
    elif low in ORDINARY or all(part in ORDINARY for part in _SPLIT.split(low)):
        what = "is an ordinary word" if low in ORDINARY else "is made of ordinary words"
        message = f'"{setup.name}" {what} (by a built-in list); choose a name that means nothing yet'
        yield Sign(message, confidence=ORDINARY_CONFIDENCE)


@rule("HN517", Severity.WARNING, needs="setup")
def name_unusable(setup: Setup) -> Iterator[Sign]:
    """The network's name does not survive the web UI.

    It drops ( ) and other signs from names, and cuts a name at its bracket when training starts; files cannot carry
    some of them at all.  Use letters, digits, dot, dash, underscore and space.
    """
    if setup.name and _UNUSABLE.search(setup.name):
        yield Sign(f'the name "{setup.name}" has signs that the web UI drops or cuts at; use letters, digits, . _ -')
