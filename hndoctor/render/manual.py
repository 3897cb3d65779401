"""The rules as a table and each rule's manual page, both from the docstrings."""

from __future__ import annotations

from collections.abc import Sequence

from hndoctor.rules.engine import Rule


def render_rules(rules: Sequence[Rule]) -> str:
    """The table of rules as Markdown that reads well in a terminal too: aligned columns, one line a rule."""
    rows = [("code", "severity", "needs", "complaint"), *((r.code, r.severity.value, r.needs, r.title) for r in rules)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "| " + " | ".join(c.replace("|", "\\|").ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines) + "\n"


def render_rule(law: Rule) -> str:
    """One rule's manual page: its code, name and severity, then its docstring."""
    head = f"{law.code} {law.name} ({law.severity.value}; looks at {law.needs})"
    return f"{head}\n\n{law.manual.strip()}\n"
