"""Numbers of things, as people say them."""

from __future__ import annotations

import pytest

from hndoctor.formats.counted import counted


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 caption files"), (1, "1 caption file"), (2, "2 caption files"), (1200, "1,200 caption files")],
)
def test_one_thing_is_no_many_things(number: int, told: str) -> None:
    assert counted(number, "caption file") == told
