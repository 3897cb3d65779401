"""How the setup rules tell many of the same: each by name while they are few, together when they are many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hndoctor.records import PictureVitals, Setup, Severity
from hndoctor.rules.engine import Sign

EACH = 5  # findings told one by one; more of the same are told together (guess: what one reads)
NAMED = 20  # names in such a summary
FLAT = 0.02  # standard deviation of grey values 0..1: less is one colour (guess)


@dataclass(frozen=True)
class Offender:
    """One file or tag, what is wrong with it, and the number that says so."""

    subject: str
    text: str
    value: float | None = None
    severity: Severity | None = None
    limit: float | None = None  # of its number, where it is not the one that all share


def told(
    offenders: Iterable[Offender], many: str, mend: str, *, limit: float | None = None, confidence: float = 1.0
) -> Iterator[Sign]:
    """One sign for each of a few offenders, or one for all of many: "12 pictures are blurred: a.png, b.png …"."""
    found = list(offenders)
    if len(found) > EACH:
        severities = {one.severity for one in found}
        yield Sign(
            message=f"{len(found)} {many}: {listed([one.subject for one in found])}; {mend}",
            value=len(found),
            limit=0,
            confidence=confidence,
            severity=severities.pop() if len(severities) == 1 else None,
            subjects=tuple(one.subject for one in found),
        )
        return
    for one in found:
        yield Sign(
            message=f"{one.subject}: {one.text}; {mend}",
            subject=one.subject,
            value=one.value,
            limit=limit if one.limit is None else one.limit,
            confidence=confidence,
            severity=one.severity,
        )


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Names in a row, the rest counted."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def readable(setup: Setup) -> list[PictureVitals]:
    """The pictures that could be opened."""
    return [picture for picture in setup.pictures if picture.problem is None]
