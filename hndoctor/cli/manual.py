"""`explain` and `rules`: the docstrings of the rules."""

from __future__ import annotations

import difflib
import sys
import textwrap
from shutil import get_terminal_size

from hndoctor.cli.console import UsageError

WIDEST = 100  # columns of a paragraph that is still read with ease


def page(code: str) -> str:
    """One rule's manual page."""
    from hndoctor.render import render_rule
    from hndoctor.rules import RULES

    laws = {law.code: law for law in RULES}
    wanted = code.strip().upper()
    if wanted not in laws:
        near = difflib.get_close_matches(wanted, laws, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no rule {wanted}{hint} `hndoctor rules` lists them all")
    text = render_rule(laws[wanted])
    return wrapped(text, min(get_terminal_size().columns, WIDEST)) if sys.stdout.isatty() else text


def wrapped(text: str, width: int) -> str:
    """Its paragraphs broken between words at a terminal's width."""
    return "\n\n".join(textwrap.fill(" ".join(part.split()), width) for part in text.split("\n\n")) + "\n"


def table() -> str:
    """The table of rules."""
    from hndoctor.render import render_rules
    from hndoctor.rules import RULES

    return render_rules(RULES)
