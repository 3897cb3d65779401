"""Numbers of things, as people say them."""

from __future__ import annotations

import pytest

from hndoctor.formats.counted import chance, counted, higher


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 caption files"), (1, "1 caption file"), (2, "2 caption files"), (1200, "1,200 caption files")],
)
def test_one_thing_is_no_many_things(number: int, told: str) -> None:
    assert counted(number, "caption file") == told


@pytest.mark.parametrize(
    ("rise", "told"),
    [(0.0731, "7.3% above"), (0.0999, "10.0% above"), (0.1, "10% above"), (1.501, "150% above"),
     (8.99, "899% above"), (9.0, "10 times"), (10.87, "12 times"), (2999.0, "3,000 times")],
)  # fmt: skip
def test_how_much_higher_is_told_in_per_cent_or_times(rise: float, told: str) -> None:
    assert higher(rise) == told


@pytest.mark.parametrize(("p", "told"), [(0.0, "<1%"), (0.42, "42%"), (1.0, ">99%")])
def test_what_is_judged_is_never_certain(p: float, told: str) -> None:
    assert chance(p) == told
