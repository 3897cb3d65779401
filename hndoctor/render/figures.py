"""Numbers and names as people read them, safe to print: the one place where floats become text.

Names, prompts and messages come from files that anyone may have made.  `clean` shows what would otherwise act: control
characters (terminal escapes), marks that turn the direction of writing, and lone surrogates (undecodable file names).
"""

from __future__ import annotations

import math
import re
from urllib.parse import quote

from hndoctor.formats.counted import FEW, MANIFOLD, percent
from hndoctor.formats.rates import power

__all__ = ["against", "clean", "link", "number", "percent", "plain", "portion", "rate", "size", "steps", "with_command"]

# Controls, marks that turn the direction of writing, line and paragraph separators, lone surrogates.
_ACTS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_COMMAND = re.compile(r"(.+?): (hndoctor .+)", re.DOTALL)
_THOUSAND = 1000.0
_SMALLEST_PLAIN = 0.001  # below this a number is written with a power of ten


def clean(text: str) -> str:
    """One line of text with everything that acts made visible: newlines become spaces, the rest ``\\u202e``."""
    return _ACTS.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    if found[0] in "\n\r\t":
        return " "
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def steps(count: int | None) -> str:
    """``12,500``."""
    return "?" if count is None else f"{count:,}"


def number(value: float | None) -> str:
    """Three significant digits: ``37``, ``0.42``, ``12,400``, ``5e-7``."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value):,}"
    if not _SMALLEST_PLAIN <= abs(value) < 1e6:
        return rate(value)
    if abs(value) >= _THOUSAND:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def rate(value: float | None) -> str:
    """A learning rate as trainers write it: ``5e-7``, ``1.5e-6``."""
    if value is None:
        return "–"
    rounded = float(f"{value:.2e}")  # the largest of all floats becomes infinite
    if not math.isfinite(rounded):  # a forged figure's hundredfold; none that is measured
        return "–" if math.isnan(rounded) else "∞"
    return power(rounded)


def plain(value: float | None) -> str:
    """A learning rate without a power: ``0.0000005``; for readers who do not read powers (G23)."""
    if not value:
        return "–" if value is None else "0"
    if not 1e-12 < abs(value) < 1e12:
        return rate(value)
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}".rstrip("0").rstrip(".")


def portion(share: float | None) -> str:
    """A share that may be far below or above one, with three digits: ``0.052%``, ``340%``."""
    return "–" if share is None else f"{number(100 * share)}%"


def against(share: float) -> str:
    """``−2.4%``, ``+402%``, ``× 12``: how much better or worse than the base model."""
    rise = share - 1
    if rise >= MANIFOLD:
        return f"× {share:,.0f}"
    text = f"{100 * rise:+.{1 if abs(rise) < FEW else 0}f}".replace("-", "−").removesuffix(".0")
    return "0%" if text in ("+0", "−0") else f"{text}%"


def size(count: int) -> str:
    """Bytes as ``83.7 MiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def with_command(remedy: str) -> tuple[str, str | None]:
    """A remedy that ends in a command to copy, ``average them: hndoctor merge ...``: what helps, and the command."""
    found = _COMMAND.fullmatch(remedy)
    return (found[1], found[2]) if found else (remedy, None)


def link(path: str) -> str:
    """A relative link that can only be a file below the report: percent-encoded, and never a scheme."""
    return "./" + quote(path.replace("\\", "/").lstrip("/").encode("utf-8", "surrogatepass"), safe="/")
