"""More held-out pictures for the oracle: every checkpoint once, kept as soon as it is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import finer, store
from benchmarks.lab.population import population
from benchmarks.lab.truth import Measures, Oracle
from hndoctor.records import Vitals

ONE = replace(population()[0], name="one", every=20, checkpoints=2)


class FakeLab:
    """Measures nothing, and stops before a checkpoint where it is told to."""

    stop_before: int | None = None
    measured: list[int]

    def __init__(self, *_: Any) -> None:
        type(self).measured = []

    def items(self, name: str, seed: int, indices: list[int]) -> int:
        assert (name, seed, len(set(indices))) == (ONE.dataset, 0, finer.MORE)
        return min(indices)

    def losses(self, items: int, file: Path | None) -> tuple[float, ...]:
        number = int(file.stem.rsplit("-", 1)[1]) if file else 0
        if number == self.stop_before:
            raise KeyboardInterrupt
        self.measured.append(number)
        return (0.1,) * finer.MORE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A kept run with two checkpoints of which losses are known, and one that has none; the command's arguments."""
    base, *points = (Measures(number, held_out=(0.1,) * 16, train=(0.1,)) for number in (0, 20, 40))
    oracle = Oracle(base, (*points, Measures(60, finite=False)), 0.95, 0.25)
    store.save(tmp_path / "runs" / "one", ONE, oracle, Vitals("one", "one"), {})
    folder = tmp_path / "work" / "one" / "run" / "one" / "hypernetworks"
    folder.mkdir(parents=True)
    for number in (20, 40):
        (folder / f"one-{number}.pt").touch()
    monkeypatch.setattr(finer, "Lab", FakeLab)
    monkeypatch.setattr(FakeLab, "stop_before", None)
    return ["--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs")]


def test_what_was_cut_short_is_gone_on_with(place: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeLab, "stop_before", 40)
    with pytest.raises(KeyboardInterrupt):
        finer.main(place)
    monkeypatch.setattr(FakeLab, "stop_before", None)
    kept = store.load(Path(place[3]) / "one")
    assert [*kept.more] == [0, 20]
    assert store.finer(kept.oracle, kept.more) is kept.oracle, "not whole yet"
    finer.main(place)
    assert FakeLab.measured == [40]
    whole = store.load(Path(place[3]) / "one")
    assert len(store.finer(whole.oracle, whole.more).base.held_out) == 16 + finer.MORE
    finer.main(place)
    assert FakeLab.measured == [], "nothing is left to do"


def test_a_run_whose_checkpoints_are_gone_is_left_alone(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (Path(place[1]) / "one" / "run" / "one" / "hypernetworks" / "one-40.pt").unlink()
    finer.main(place)
    assert "one: its checkpoints are not there" in capsys.readouterr().out
    assert not store.load(Path(place[3]) / "one").more
