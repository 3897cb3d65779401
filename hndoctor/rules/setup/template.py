"""The prompt template (G9): every picture's prompt is one of its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import listed

KNOWN = ("[name]", "[filewords]")
_PLACEHOLDER = re.compile(r"\[[^\[\]:|]*\]")


def lines_of(setup: Setup) -> tuple[str, ...]:
    """The template's lines, blank ones too; empty if no template is known."""
    return (setup.plan.template if setup.plan else None) or ()


@rule("HN540", Severity.WARNING, needs="setup")
def template_blank_line(setup: Setup) -> Iterator[Sign]:
    """The template has blank lines.

    The web UI draws them like any other line: those pictures are trained on an empty prompt, which changes every
    picture the network is used for (G9).  Delete them.  A last line end is no blank line.
    """
    lines = lines_of(setup)
    blank = sum(not line for line in lines)
    if blank and blank < len(lines):
        share = blank / len(lines)
        message = (
            f"{blank} of {len(lines)} template lines are blank: the web UI trains {share:.0%} of the time on no prompt"
        )
        yield Sign(f"{message}; delete them", value=blank, limit=0)


@rule("HN541", Severity.WARNING, needs="setup")
def template_without_filewords(setup: Setup) -> Iterator[Sign]:
    """No line of the template uses [filewords].

    Then no caption is ever read: all pictures are trained on the same words (G9).  Add [filewords] to the lines.
    """
    lines = [line for line in lines_of(setup) if line]
    captioned = any(c.source for c in setup.captions)
    lacking = [line for line in lines if "[filewords]" not in line]
    if lines and captioned and len(lacking) == len(lines):
        yield Sign("no line of the template uses [filewords], so the captions are never read; add it", value=0, limit=1)
    elif lines and captioned and lacking:
        message = (
            f"{len(lacking)} of {len(lines)} template lines do without captions: {listed(lacking, 3)}; add [filewords]"
        )
        yield Sign(message, value=len(lacking), limit=0, severity=Severity.INFO, confidence=0.6)


@rule("HN542", Severity.WARNING, needs="setup")
def template_unknown_placeholder(setup: Setup) -> Iterator[Sign]:
    """The template has a placeholder that nobody fills.

    Only [name] and [filewords] are replaced, in small letters; anything else in brackets goes to the text encoder as it
    is, with less weight (G9).  Correct it.
    """
    for number, line in enumerate(lines_of(setup), 1):
        for found in _PLACEHOLDER.findall(line):
            if found not in KNOWN:
                near = "[filewords]" if re.search("file|word|caption|tag", found, re.IGNORECASE) else "[name]"
                message = f"template line {number}: {found} is not replaced; write {near}, or remove the brackets"
                yield Sign(message, subject=f"template line {number}", confidence=0.9)
