"""The lab's tables in the README files: made from the kept runs, and hndoctor's own row is what they give today."""

from __future__ import annotations

import pytest

from benchmarks.lab import tables
from benchmarks.lab.accuracy import cases, row
from benchmarks.lab.judges import JUDGES
from benchmarks.lab.scores import scores_of


def test_only_what_stands_between_the_marks_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PARTS", {"dose": lambda: iter(("| a |", "| b |"))})
    page = "before\n\n<!-- lab: dose -->\n\nold\nlines\n\n<!-- /lab -->\n\nafter\n"
    assert tables.filled(page) == "before\n\n<!-- lab: dose -->\n\n| a |\n| b |\n\n<!-- /lab -->\n\nafter\n"
    assert tables.filled(tables.filled(page)) == tables.filled(page)


def test_every_table_stands_in_a_page() -> None:
    told = "".join(place.read_text(encoding="utf-8") for place in tables.PLACES)
    assert {name for _, name, _ in tables.PART.findall(told)} == {*tables.PARTS}


@pytest.mark.parametrize("half", ["tuning", "test"])
def test_hndoctors_row_is_what_the_kept_runs_give(half: str) -> None:
    told = tables.PLACES[0].read_text(encoding="utf-8")
    made = row("hndoctor", scores_of(cases(tables.half(half), JUDGES["hndoctor"])))
    assert made in told, "refresh it with: python -m benchmarks.lab.tables"


def test_the_front_page_has_the_test_halfs_row() -> None:
    made = next(line for line in tables.short() if line.startswith("| hndoctor |"))
    assert made in tables.PLACES[1].read_text(encoding="utf-8"), "refresh it with: python -m benchmarks.lab.tables"
