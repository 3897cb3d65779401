"""Where the templates lie and how they are filled: autoescape on, a missing name is an error, no arithmetic."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hndoctor.render.figures import clean

_PACKAGE = Path(__file__).resolve().parents[1]
# In the wheel the templates lie in the package; in a checkout where a designer looks for them.
SEARCH_PATH = (_PACKAGE / "templates", _PACKAGE.parent / "reports" / "templates")
LANGUAGES = ("en", "ja")


class Words(Mapping[str, str]):
    """The catalogue of one language: ``t["verdict.broken"]``; calling it fills in values: ``t("step", n="3,000")``."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = {**_catalogue("en"), **_catalogue(language)}

    def __getitem__(self, key: str) -> str:
        return self._words[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with its ``{names}`` filled in.  KeyError: no such text."""
        return self._words[key].format(**values)


@cache
def environment() -> Environment:
    """The one environment of all templates."""
    found = Environment(
        loader=FileSystemLoader([str(p) for p in SEARCH_PATH]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"pct": lambda share: f"{100 * share:.3f}%", "clean": clean}
    found.globals.clear()  # templates are dumb: no range, no dict, no lipsum
    return found


def asset(name: str) -> str:
    """A style sheet or script, as it lies in the first folder that has it.  FileNotFoundError: in none."""
    for folder in SEARCH_PATH:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(f"{name}: not in {' or '.join(map(str, SEARCH_PATH))}; reinstall hndoctor")


@cache
def _catalogue(language: str) -> dict[str, str]:
    if language not in LANGUAGES:
        raise ValueError(f"no language {language!r}; there are {', '.join(LANGUAGES)}")
    tables = tomllib.loads(asset(f"words.{language}.toml"))
    return {f"{table}.{key}": text for table, texts in tables.items() for key, text in texts.items()}
