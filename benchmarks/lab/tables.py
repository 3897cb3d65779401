"""Writes the lab's tables into README.md here and at the top: `python -m benchmarks.lab.tables [--check]`.

Each stands between `<!-- lab: NAME -->` and `<!-- /lab -->`; what lies between is made anew from the kept runs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from benchmarks.lab import accuracy, dose, follow, heal, intervals, limits, outcomes, redrawn, rivals, store, validated
from benchmarks.lab.judges import JUDGES
from benchmarks.lab.scores import scores_of
from benchmarks.lab.store import Kept

PLACES = (Path(__file__).parent / "README.md", Path(__file__).parents[2] / "README.md")
SHORT = ("hndoctor", "mean loss over 0.3", "weight norm over 0.17", "preview entropy moved", "lowest smoothed loss",
         "last finite checkpoint")  # fmt: skip
LEFT_OUT = 7  # column of the short table that is not shown there
PART = re.compile(r"(<!-- lab: (\w+) -->\n\n).*?(\n\n<!-- /lab -->)", re.DOTALL)


@cache
def half(name: str) -> tuple[Kept, ...]:
    """The kept runs of one half."""
    return tuple(one for one in store.all_kept() if one.configuration.half == name)


def short() -> Iterator[str]:
    """The test half in few rows, for the front page."""
    heads = "| " + " | ".join(accuracy.HEADS) + " |"
    rows = (accuracy.row(name, scores_of(accuracy.cases(half("test"), JUDGES[name]))) for name in SHORT)
    for line in (heads, "|---" * len(accuracy.HEADS) + "|", *rows):
        cells = line.split("|")
        yield "|".join(cells[:LEFT_OUT] + cells[LEFT_OUT + 1 :])


def followed() -> Iterator[str]:
    """Prescriptions followed on the test half."""
    return outcomes.table([one for one in half("test") if follow.is_followed(one, store.RUNS)], store.RUNS)


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "short": short,
    "tuning": lambda: accuracy.report(half("tuning")),
    "test": lambda: accuracy.report(half("test")),
    "fresh": lambda: accuracy.report(half("fresh")),
    "rivals_tuning": lambda: rivals.table(half("tuning")),
    "rivals_test": lambda: rivals.table(half("test")),
    "redrawn_tuning": lambda: redrawn.table(half("tuning")),
    "redrawn_test": lambda: redrawn.table(half("test")),
    "validated_tuning": lambda: validated.table(half("tuning")),
    "validated_test": lambda: validated.table(half("test")),
    "validated_fresh": lambda: validated.table(half("fresh")),
    "intervals_tuning": lambda: intervals.table(half("tuning")),
    "intervals_test": lambda: intervals.table(half("test")),
    "limits_tuning": lambda: limits.table(half("tuning")),
    "limits_test": lambda: limits.table(half("test")),
    "followed": followed,
    "healed": lambda: heal.table(heal.read(store.RUNS.parent / heal.HEALED)),
    "dose": lambda: dose.table([found for name in ("tuning", "test") for one in half(name)
                                if (found := dose.onset_of(one)) is not None]),
}  # fmt: skip


def filled(text: str) -> str:
    """A page with its tables made anew."""
    return PART.sub(lambda found: f"{found[1]}{chr(10).join(PARTS[found[2]]())}{found[3]}", text)


def main(argv: Sequence[str] | None = None) -> None:
    """Write them, or say whether they are what the kept runs give."""
    parser = argparse.ArgumentParser(description="Write the lab's tables into the README files.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page differs")
    check = parser.parse_args(argv).check
    for place in PLACES:
        text = place.read_text(encoding="utf-8")
        if check and filled(text) != text:
            raise SystemExit(f"{place.name}: not what the kept runs give; run python -m benchmarks.lab.tables")
        place.write_text(filled(text), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
