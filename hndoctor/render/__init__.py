"""Diagnoses as text: every renderer is a pure function, and the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hndoctor.records import Diagnosis, PictureJudgement
from hndoctor.render.github import render_github, render_step_summary
from hndoctor.render.json import render_json
from hndoctor.render.junit import render_junit
from hndoctor.render.manual import render_rule, render_rules
from hndoctor.render.markdown import render_markdown
from hndoctor.render.sarif import render_sarif
from hndoctor.render.text import render_text

if TYPE_CHECKING:
    from hndoctor.render.digest import Digest, digest_of
    from hndoctor.render.html import render_html, render_index
    from hndoctor.render.pictures import render_pictures

Render = Callable[[Sequence[Diagnosis], Sequence[PictureJudgement]], str]


@dataclass(frozen=True)
class Renderer:
    """A format of `--format`: its name, the suffix of its files, and the function."""

    name: str
    suffix: str
    render: Render


# The formats that tell any number of runs in one text.  HTML is a page for each run and an index (see html.py).
RENDERERS: tuple[Renderer, ...] = (
    Renderer("text", "txt", render_text),
    Renderer("json", "json", render_json),
    Renderer("junit", "xml", render_junit),
    Renderer("sarif", "sarif", render_sarif),
    Renderer("github", "github.txt", render_github),
    Renderer("markdown", "md", render_markdown),
)

__all__ = [
    "RENDERERS",
    "Digest",
    "Render",
    "Renderer",
    "digest_of",
    "render_github",
    "render_html",
    "render_index",
    "render_json",
    "render_junit",
    "render_markdown",
    "render_pictures",
    "render_rule",
    "render_rules",
    "render_sarif",
    "render_step_summary",
    "render_text",
]


def __getattr__(name: str) -> Any:
    """The page's renderers are loaded when they are asked for: a gate needs neither templates nor pictures."""
    if name not in ("Digest", "digest_of", "render_html", "render_index", "render_pictures"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hndoctor.render import digest, html, pictures

    return next(getattr(module, name) for module in (digest, html, pictures) if hasattr(module, name))
