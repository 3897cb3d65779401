"""`explain` and `rules`: the docstrings of the rules."""

from __future__ import annotations

import difflib

from hndoctor.cli.console import UsageError


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
    return render_rule(laws[wanted])


def table() -> str:
    """The table of rules."""
    from hndoctor.render import render_rules
    from hndoctor.rules import RULES

    return render_rules(RULES)
