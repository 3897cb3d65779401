"""The tools that measure the tests and the speed measure what they say."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.scaling import line
from tests.ci.test_supply import program

mutants, covered, packages = program("mutants"), program("covered"), program("packages")
places = sys.modules["mutant_places"]
SOURCE = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from x import y
def f(a: int | None, b=1) -> list[int | str]:
    c: int | None = a + b
    if c > 2:
        raise ValueError("more than " + str(2))
    return [c]
"""


def places_of(text: str) -> set[tuple[int, int]]:
    """Where a text stands in the source."""
    return {(n, row.index(text)) for n, row in enumerate(SOURCE.splitlines(), 1) if text in row}


def test_places_that_no_test_could_notice_are_left_out_and_no_others() -> None:
    blind = mutants.unseen(SOURCE)
    for text in ("from x", "int | None", "list[int", "raise", '"more'):
        assert places_of(text) <= blind, text
    for text in ("b=1", "a + b", "> 2", "[c]", "from typing"):
        assert not places_of(text) & blind, text


def test_the_interval_of_a_share_is_wilsons() -> None:
    low, high = mutants.interval(85, 100)
    assert (round(low, 4), round(high, 4)) == (0.7672, 0.9069)
    assert mutants.interval(10, 10)[1] == pytest.approx(1)
    assert mutants.interval(10, 10)[0] == pytest.approx(0.7225, abs=1e-4)


def test_survivors_and_scores_are_told(capsys) -> None:
    rows = [
        {"module": "hndoctor/rules/a.py", "line": 3, "operator": "o", "change": "-a\n+b", "outcome": outcome}
        for outcome in ("killed", "endless", "survived", "killed")
    ]
    mutants.told(rows, {})
    said = capsys.readouterr().out
    assert said.count("hndoctor/rules/a.py:3") == 1
    assert "3 of    4 killed:  75.0%" in said
    mutants.told(rows, {("hndoctor/rules/a.py", "-a\n+b"): "it is only told"})
    said = capsys.readouterr().out
    assert "(changes nothing: it is only told)" in said
    assert "3 of    3 killed: 100.0% (43.8% to 100.0%); and 1 that change nothing" in said


def test_each_mutant_that_is_said_to_change_nothing_has_its_reason() -> None:
    assert all(module.startswith("hndoctor/") and why for (module, _), why in mutants.equivalent().items())


MODULE = """LIMIT = 3
TWICE = 2 * LIMIT


class Thing:
    size: int = 4

    def large(self, than: int = 7) -> bool:
        if self.size > (
            than
        ):
            return True
        return self.size > TWICE
"""


def test_a_change_is_felt_where_its_statement_runs_or_what_it_binds_is_used(tmp_path, monkeypatch) -> None:
    (tmp_path / "hndoctor").mkdir()
    (tmp_path / "hndoctor" / "a.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "hndoctor" / "b.py").write_text("def f(x):\n    return x < LIMIT\n", encoding="utf-8")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    places.statements.cache_clear()
    places.mentions.cache_clear()

    def felt(line: int) -> set[tuple[str, int]]:
        return places.felt_at("hndoctor/a.py", line)

    a = "hndoctor/a.py"
    assert felt(10) == {(a, 9), (a, 10), (a, 11)}, "the head of a block, and not what is in it"
    assert felt(13) == {(a, 13)}
    assert felt(2) == {(a, 13)}
    assert felt(1) == {(a, 13), ("hndoctor/b.py", 2)}, "through the constant that is made from it"
    assert felt(8) == {(a, line) for line in range(9, 14)}, "a default: wherever the function runs"
    places.statements.cache_clear()
    places.mentions.cache_clear()


def test_a_share_of_branches_below_its_goal_turns_it_red(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["covered.py"])
    monkeypatch.setattr(covered, "coverage", lambda *words: 0)
    monkeypatch.setattr(covered, "shares", lambda: {"hndoctor": (96, 100), "trainer": (89, 100)})
    assert covered.main() == 1
    assert "trainer: 89 of 100 branches, 89.0% (goal 90%)" in capsys.readouterr().out
    monkeypatch.setattr(covered, "shares", lambda: {"hndoctor": (95, 100), "trainer": (90, 100)})
    assert covered.main() == 0
    monkeypatch.setattr(covered, "coverage", lambda *words: int("run" in words))
    assert covered.main() == 1


def test_branches_are_counted_by_package(monkeypatch) -> None:
    def told(*words: str) -> int:
        files = {
            name: {"summary": {"covered_branches": taken, "num_branches": count}}
            for name, taken, count in (("hndoctor/a.py", 3, 4), ("hndoctor/b/c.py", 5, 6), ("trainer/d.py", 1, 2))
        }
        with open(words[-1], "w", encoding="utf-8") as file:  # noqa: PTH123  (a name, as coverage gets it)
            json.dump({"files": files}, file)
        return 0

    monkeypatch.setattr(covered, "coverage", told)
    assert covered.shares() == {"hndoctor": (8, 10), "trainer": (1, 2)}


def test_a_python_is_tried_only_where_it_runs_and_is_what_it_is_called() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert packages.runs(sys.executable, here)
    assert not packages.runs(sys.executable, "3.1")


def test_a_straight_line_is_told_from_a_bent_one() -> None:
    straight = line([1, 2, 3, 4], [3, 5, 7, 9])
    assert (straight.slope, straight.start, straight.r_squared) == pytest.approx((2, 1, 1))
    assert straight.worst < 1e-9
    bent = line([1, 2, 3, 4], [1, 4, 9, 16])
    assert bent.r_squared < 0.97
    assert bent.worst > 0.1
