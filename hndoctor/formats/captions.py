"""Captions and prompt templates, read as the web UI's data set reads them (web UI, `PersonalizedBase`)."""

from __future__ import annotations

import codecs
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hndoctor.formats.bounded import read_bounded

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
CAPTION_LIMIT = 64 << 10  # bytes; the text encoder reads some 300, and the longest captions seen have 5,000
TEMPLATE_LIMIT = 1 << 20  # bytes of a template: some lines
FILEWORDS, NAME = "[filewords]", "[name]"
_NUMBERS_AT_START = re.compile(r"^[-\d]+\s*")
_JAPANESE = re.compile("[\u3040-\u30ff]|[\u3000-\u9fff\uff01-\uff60]{2}")  # kana, or two wide characters in a row
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "a byte-order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


class CaptionError(ValueError):
    """A template or an option that cannot be used; one line says why and how to mend it."""


@dataclass(frozen=True)
class Caption:
    """The words of one picture, where they come from, and what is wrong with that place."""

    text: str  # raw, with its line ends, as the web UI passes it on
    source: Path | None  # the caption file; None: the picture's own name was used
    problem: str | None = None  # the encoding, when it is not plain UTF-8; or why the file could not be read


def caption_path(picture: Path) -> Path:
    """Where the caption of a picture belongs: `<stem>.txt` beside it."""
    return picture.with_suffix(".txt")


def read_caption(picture: Path, word_regex: str = "", join: str = " ") -> Caption:
    """The caption of a picture: `<stem>.txt`, else the cleaned file name (web UI, G1).

    `word_regex` and `join` are the web UI's options of the same purpose for file names.  Text that is not plain UTF-8
    is decoded if it is recognised, and said in `problem`, because the web UI would stop or read rubbish there.
    """
    source = caption_path(picture)
    if not source.exists():
        return Caption(name_as_caption(picture.stem, word_regex, join), None)
    try:
        text, problem = decode(read_bounded(source, CAPTION_LIMIT))
    except OSError as error:  # too large, or a pipe, as well
        return Caption("", source, f"cannot be read: {error.strerror or error}")
    return Caption(text, source, problem)


def name_as_caption(stem: str, word_regex: str = "", join: str = " ") -> str:
    """A file name as a caption: leading numbers and dashes removed, then the words that `word_regex` finds, joined."""
    text = _NUMBERS_AT_START.sub("", stem)
    if not word_regex:
        return text
    try:
        words = re.findall(word_regex, text)
    except re.error as error:
        raise CaptionError(f"word_regex {word_regex!r} is not a regular expression: {error}") from None
    return join.join(word if isinstance(word, str) else "".join(word) for word in words)


def decode(raw: bytes) -> tuple[str, str | None]:
    """The text of a caption file, and what is wrong with its encoding (None: plain UTF-8).  Line ends become \\n."""
    for bom, encoding, said in _BOMS:
        if raw.startswith(bom):
            text = raw.decode(encoding, errors="replace")
            return _plain_ends(text), f"is saved with {said}; save it as plain UTF-8"
    try:
        return _plain_ends(raw.decode("utf-8")), None
    except UnicodeDecodeError:
        encoding, known_as = _guess(raw)
    text = _plain_ends(raw.decode(encoding, errors="replace"))
    return text, f"is saved as {known_as}, at which the web UI stops; save it as UTF-8"


def _guess(raw: bytes) -> tuple[str, str]:
    """The likelier of the two old encodings in which captions still turn up: codec, and name for people."""
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return "cp1252", "Windows-1252"
    return ("cp932", "Shift-JIS (cp932)") if _JAPANESE.search(text) else ("cp1252", "Windows-1252")


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tags(text: str) -> tuple[str, ...]:
    """The tags of a caption: parted by commas, stripped, empty ones dropped."""
    return tuple(tag for part in text.split(",") if (tag := part.strip()))


def read_template(template: Path | str | Iterable[str], keep_blank: bool = False) -> tuple[str, ...]:
    """The lines of a template file (a path), or of lines already at hand, stripped.

    The web UI keeps blank lines, and so trains some pictures on an empty prompt; here they are dropped unless
    `keep_blank`.  Raises `CaptionError` if the file cannot be read or no line is left.
    """
    if isinstance(template, str | Path):
        where, lines = f"template {template}", _template_lines(Path(template))
    else:
        where, lines = "template", list(template)
    kept = tuple(line for raw in lines if (line := raw.strip()) or keep_blank)
    if not kept:
        raise CaptionError(f"{where}: there is no line in it; write one, e.g. a picture of [filewords], by [name]")
    return kept


def _template_lines(path: Path) -> list[str]:
    try:
        return decode(read_bounded(path, TEMPLATE_LIMIT))[0].splitlines()
    except OSError as error:
        raise CaptionError(f"template {path}: cannot be read ({error.strerror or error}); name a text file") from None


def fill(template: str, filewords: str, name: str) -> str:
    """A template line with `[filewords]` replaced first and then `[name]`, so that captions may hold `[name]` too."""
    return template.replace(FILEWORDS, filewords).replace(NAME, name)


def create_text(
    template: str | Sequence[str],
    filewords: str,
    name: str,
    rng: random.Random,
    shuffle_tags: bool = False,
    tag_drop_out: float = 0.0,
    keep_first: int = 0,
) -> str:
    """One prompt: a line drawn from the template, tags dropped, then shuffled (web UI, `create_text`).

    Draws from `rng` in the web UI's order, so the same state gives the same text.  A template that is one string is
    used as it is.  The first `keep_first` tags are neither dropped nor moved (the web UI has no such option: 0).
    """
    line = template if isinstance(template, str) else rng.choice(template)
    words = filewords.split(",")
    head, tail = words[:keep_first], words[keep_first:]
    if tag_drop_out != 0:
        tail = [word for word in tail if rng.random() > tag_drop_out]
    if shuffle_tags:
        rng.shuffle(tail)
    return fill(line, ",".join([*head, *tail]), name)
