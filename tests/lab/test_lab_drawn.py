"""Caption-following in more pictures: only where ten leave it open, kept as soon as it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import drawn, store
from benchmarks.lab.population import population
from benchmarks.lab.truth import BROKEN, Measures, Oracle
from hndoctor.records import Vitals

ONE = replace(population()[0], name="one", every=20, checkpoints=6)
CHANCE, READABLE = 0.2, 0.8
FOLLOWED = {20: 0.8, 40: None, 60: 0.45, 80: 0.2, 100: None, 120: None}
"""On the scale from chance to readable: 1, .71 (on the line), .42 and 0; the last two are settled by their losses."""


class FakeLab:
    """Every picture follows half of what it was asked for; stops before a checkpoint where it is told to."""

    stop_before: int | None = None
    asked: dict[int, Sequence[int]]

    def __init__(self, *_: Any) -> None:
        type(self).asked = {}

    def followed(self, name: str, places: Sequence[int], file: Path) -> float:
        number = int(file.stem.rsplit("-", 1)[1])
        if number == self.stop_before:
            raise KeyboardInterrupt
        assert name == ONE.dataset
        self.asked[number] = places
        return 0.5


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    base = Measures(0, held_out=(0.1,) * 16, train=(0.1,), followed=0.9)
    losses = dict.fromkeys(FOLLOWED, (0.09,) * 16) | {100: (0.2,) * 16}
    points = [Measures(n, True, losses[n], losses[n][:1], followed=share) for n, share in FOLLOWED.items() if n < 120]
    oracle = Oracle(base, (*points, Measures(120, finite=False)), READABLE, CHANCE)
    store.save(tmp_path / "runs" / "one", ONE, oracle, Vitals("one", "one"), {})
    folder = tmp_path / "work" / "one" / "run" / "one" / "hypernetworks"
    folder.mkdir(parents=True)
    for number in FOLLOWED:
        (folder / f"one-{number}.pt").touch()
    monkeypatch.setattr(drawn, "Lab", FakeLab)
    monkeypatch.setattr(FakeLab, "stop_before", None)
    FakeLab.asked = {}
    return ["--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs")]


def kept_in(place: list[str]) -> store.Kept:
    return store.load(Path(place[3]) / "one")


def test_what_ten_pictures_leave_open_is_drawn_once_and_what_was_cut_short_is_gone_on_with(
    place: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [*drawn.left_open(kept_in(place))] == [40, 60], "near to one half, by pictures or on the line between them"
    monkeypatch.setattr(FakeLab, "stop_before", 60)
    with pytest.raises(KeyboardInterrupt):
        drawn.main(place)
    assert kept_in(place).drawn == {40: 0.5}
    assert FakeLab.asked[40] == range(drawn.MORE), "none had been drawn"
    monkeypatch.setattr(FakeLab, "stop_before", None)
    drawn.main(place)
    assert FakeLab.asked == {60: range(10, drawn.MORE)}, "ten of them had"
    assert kept_in(place).drawn == {40: 0.5, 60: pytest.approx((10 * 0.45 + 30 * 0.5) / 40, abs=1e-4)}
    FakeLab.asked = {}
    drawn.main(place)
    assert FakeLab.asked == {}, "nothing is left to do"


def test_the_truth_goes_by_all_pictures_that_were_drawn(place: list[str]) -> None:
    before = kept_in(place)
    store.save_drawn(Path(place[3]) / "one", {40: 0.2, 60: 0.7})
    after = kept_in(place)
    assert after.oracle == before.oracle, "the oracle stays as it was"
    assert [point.followed for point in after.finest.checkpoints[:4]] == [0.8, 0.2, 0.7, 0.2]
    assert (before.truth.broken, after.truth.broken) == (60, 80)
    assert [state == BROKEN for state in after.truth.states[:4]] == [False, False, False, True], "one alone is a fluke"


def test_a_run_whose_checkpoints_are_gone_is_left_alone(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (Path(place[1]) / "one" / "run" / "one" / "hypernetworks" / "one-60.pt").unlink()
    drawn.main(place)
    assert "one: its checkpoints are not there" in capsys.readouterr().out
    assert not kept_in(place).drawn
