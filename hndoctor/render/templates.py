"""Where the templates lie and how they are filled: autoescape on, a missing name is an error, no arithmetic."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hndoctor.render.figures import clean
from hndoctor.render.sayings import Sayings, sayings_of

_PACKAGE = Path(__file__).resolve().parents[1]
# In the wheel the templates lie in the package; in a checkout where a designer looks for them.
SEARCH_PATH = (_PACKAGE / "templates", _PACKAGE.parent / "reports" / "templates")
LANGUAGES = ("en", "ja")
_SAYINGS = ("sayings", "sayings-files", "sayings-check")  # what runs say; why files are refused; what `check` says
_MANUALS = ("manual", "manual-check")


@dataclass(frozen=True)
class Told:
    """A sentence, and the language that it is in: not everything is translated."""

    text: str
    lang: str

    def __len__(self) -> int:
        return len(self.text)


class Words(Mapping[str, str]):
    """The catalogue of one language: ``t["verdict.broken"]``; calling it fills in values: ``t("step", n="3,000")``.

    A text may have another form for one, as in CLDR's plural rules: ``{ one = "1 run", other = "{n} runs" }``.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._words, self._one = {**_catalogue("en"), **_catalogue(language)}, _catalogue(language, "one")

    def __getitem__(self, key: str) -> str:
        return self._words[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with its ``{names}`` filled in, in the form for ``n`` of them.  KeyError: no such text."""
        one = self._one.get(key) if str(values.get("n")) == "1" else None
        return (one or self._words[key]).format(**values)

    def listed(self, parts: Iterable[str]) -> str:
        """One after another, as this language writes a list."""
        return self["page.comma"].join(parts)

    def told(self, text: str) -> Told:
        """A sentence that was made in English, in this language where the catalogue has it; safe to print."""
        said = None if self.language == "en" else _sayings(self.language).translate(text)
        return Told(clean(text), "en") if said is None else Told(clean(said), self.language)

    def manual(self, code: str, english: str) -> tuple[Told, ...]:
        """The paragraphs of a rule's manual page below its title, translated where the page is still the same."""
        paragraphs = tuple(" ".join(part.split()) for part in english.split("\n\n")[1:] if part.strip())
        if self.language != "en":
            page = _pages(self.language).get(code)
            if page is not None and page.get("of") == digest_of(english):
                return tuple(Told(part, self.language) for part in page["text"].split("\n\n"))
        return tuple(Told(part, "en") for part in paragraphs)


def digest_of(manual: str) -> str:
    """What tells whether a manual page is still the one that was translated: 8 hex of the SHA-256 of its words."""
    return hashlib.sha256(" ".join(manual.split()).encode()).hexdigest()[:8]


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
def _catalogue(language: str, form: str = "other") -> dict[str, str]:
    """The texts in one form; those without forms of their own are ``other``."""
    if language not in LANGUAGES:
        raise ValueError(f"no language {language!r}; there are {', '.join(LANGUAGES)}")
    tables = tomllib.loads(asset(f"words.{language}.toml"))
    told = {f"{table}.{key}": text for table, texts in tables.items() for key, text in texts.items()}
    forms = {key: text if isinstance(text, dict) else {"other": text} for key, text in told.items()}
    return {key: texts[form] for key, texts in forms.items() if form in texts}


@cache
def _sayings(language: str) -> Sayings:
    return sayings_of(sentences(language))


@cache
def sentences(language: str) -> dict[str, str]:
    """English sentences with places, and their translations: the whole catalogue of a language."""
    tables = [table for name in _SAYINGS for table in tomllib.loads(asset(f"{name}.{language}.toml")).values()]
    return {english: text for table in tables for english, text in table.items()}


@cache
def _pages(language: str) -> dict[str, dict[str, str]]:
    return {code: page for name in _MANUALS for code, page in tomllib.loads(asset(f"{name}.{language}.toml")).items()}
