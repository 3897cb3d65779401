"""Pages that come from the code: a page a rule, the table of rules, the table of the trainer's settings.

And figures that come from the README, where each is kept once: what the lab found of the diagnosis.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from hndoctor.rules import RULES
from hndoctor.rules.engine import Rule

FAMILIES = {
    "0": "Files",
    "1": "Weights",
    "2": "Losses and validation",
    "3": "Previews",
    "4": "The course",
    "5": "Before the first step",
}
LAB = "<!-- the lab's figures -->"
CONFIG = Path("trainer/config/settings.py")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages; mkdocs calls this."""
    root = Path(config.config_file_path).parent
    for name, text in (*_rules(), ("settings.md", _settings((root / CONFIG).read_text(encoding="utf-8")))):
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Put the README's figures where a page asks for them; mkdocs calls this."""
    if LAB not in markdown:
        return markdown
    readme = (Path(config.config_file_path).parent / "README.md").read_text(encoding="utf-8")
    return markdown.replace(LAB, _figures(readme))


def _figures(readme: str) -> str:
    """The README's measurements of the diagnosis, with their table; what they link to stays in the repository."""
    begin = readme.index("- **Overtraining from validation alone**")
    end = re.search(r"\n(?=- \*\*|#)", readme[readme.index("- **The diagnosis in the lab**") + 1 :])
    assert end is not None
    told = readme[begin : readme.index("- **The diagnosis in the lab**") + 1 + end.start()]
    return re.sub(r"\[([^\]]+)\]\((?!https?:)([^)]+)\)", r"\1 (`\2`)", told).strip()


def _rules() -> Iterator[tuple[str, str]]:
    lines = [
        "# Rules",
        "",
        "Every rule says one thing, from one kind of evidence. A rule whose evidence is missing is *not examined*,",
        "never passed.",
    ]
    for digit, family in FAMILIES.items():
        lines += ["", f"## {family}", "", "| code | severity | looks at | complaint |", "|---|---|---|---|"]
        lines += [_row(law) for law in RULES if law.code[2] == digit]
    yield "rules/index.md", "\n".join(lines) + "\n"
    for law in RULES:
        yield f"rules/{law.code}.md", _page(law)


def _row(law: Rule) -> str:
    return f"| [{law.code}]({law.code}.md) | {law.severity.value} | {law.needs} | {_plain(law.title)} |"


def _page(law: Rule) -> str:
    told = law.manual.split("\n", 1)[1].strip()
    return (
        f"# {law.code} {law.name}\n\n**{_plain(law.title)}**\n\n"
        f"Severity: {law.severity.value}. Looks at: {law.needs}. [All rules](index.md)\n\n{_plain(told)}\n"
    )


def _plain(text: str) -> str:
    """Docstrings are plain text: what Markdown would take for markup is escaped, code spans stay."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]|])", r"\\\1", text).replace("<", "&lt;").replace(">", "&gt;")


def _settings(source: str) -> str:
    """The fields of `Config` with their defaults and the comments beside them."""
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Config")
    lines = source.splitlines()
    rows = [
        "# Every setting",
        "",
        "Keys of the training's TOML file and options of `hndoctor train` (`learn_rate` is `--learn-rate`). An unknown",
        "key is refused with the nearest right one. Names are the web UI's where it has the setting.",
    ]
    for number, line in _places(body, lines):
        if isinstance(line, str):
            rows += ["", f"## {line[:1].upper()}{line[1:]}", "", "| key | default | |", "|---|---|---|"]
        else:
            comment = lines[number].partition("  # ")[2]
            rows.append(f"| `{ast.unparse(line.target)}` | {_default(line.value)} | {_plain(comment)} |")
    return "\n".join(rows) + "\n"


def _default(value: ast.expr | None) -> str:
    """A default as it is written in TOML; what has none must be told."""
    if isinstance(value, ast.Call):  # Path("runs"); Path() stands for none
        value = value.args[0] if value.args else None
    if isinstance(value, ast.Name):  # POCKET = "pocket"
        value = ast.Constant(value.id.lower())
    if value is None:
        return "required"
    return f"`{json.dumps(ast.literal_eval(value))}`"


def _places(body: ast.ClassDef, lines: list[str]) -> Iterator[tuple[int, str | ast.AnnAssign]]:
    """Headings (comments on a line of their own) and fields, in order."""
    fields = {node.lineno - 1: node for node in body.body if isinstance(node, ast.AnnAssign)}
    yield body.lineno, "the basics"
    for number in range(min(fields), max(fields) + 1):
        text = lines[number].strip()
        if number in fields and ast.unparse(fields[number].target) != "given":
            yield number, fields[number]
        elif text.startswith("# "):
            yield number, text[2:]
