"""What `hndoctor validate` adds to a run that is kept: more pictures, beside the user's own or alone."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.lab import store, validated
from benchmarks.lab.store import Kept
from hndoctor.records import ValidationPoint
from tests.lab.test_lab_redrawn import a_run
from trainer.validation import DRAWS

OWN = 3


def measured(step: int, loss: float) -> ValidationPoint:
    """Three pictures of the user's, sixteen more, two that were trained on; the sixteen lose, or gain, what is told."""
    items = (0.06,) * DRAWS * OWN + (loss,) * DRAWS * validated.MORE
    gaps = (0.1,) * OWN + (0.2,) * validated.MORE + (0.3,) * 2
    return ValidationPoint(step, sum(items) / len(items), 0.1, 0.05, 0.1, items, (0.1,) * len(items), gaps, gaps)


def a_validated_run(rise: float) -> Kept:
    return replace(a_run(3.0), validated=(measured(500, 0.06), measured(1000, 0.06 * rise)))


def test_of_more_pictures_alone_the_users_own_are_left_out() -> None:
    first, last = validated._without_own(a_validated_run(1.2))
    assert (first.step, len(last.items), len(last.base_items)) == (500, DRAWS * validated.MORE, DRAWS * validated.MORE)
    assert last.held_out == pytest.approx(0.072)
    assert last.caption_gaps == (0.2,) * validated.MORE + (0.3,) * 2
    assert (last.train, last.train_base) == (0.05, 0.1)


def test_what_the_users_own_pictures_hide_more_of_them_show() -> None:
    rows = {cells[1].strip(): cells[5].strip() for line in validated.table([a_validated_run(1.2), a_run()])
            if len(cells := line.split("|")) > 6 and "pictures" not in cells[1]}  # fmt: skip
    found = {name.split(",")[-1].strip(): told.split(" = ")[0] for name, told in rows.items() if told[:1].isdigit()}
    assert found == {"then `hndoctor validate` on 16": "1/1", "then `hndoctor validate` on 16 more": "1/1"}


def test_it_is_kept_with_five_digits_and_without_what_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    points = [replace(measured(500, 0.0612345678), content="ab"), replace(measured(1000, 0.07), held_out=math.nan)]
    store.save_validated(tmp_path / "x", points)
    (kept,) = store._validated(tmp_path / "x" / store.VALIDATED)
    assert kept.items[-1] == 0.061235
    assert (kept.step, kept.content, len(kept.caption_gaps)) == (500, "", 21)
    assert store._validated(tmp_path / "none") == ()
