"""Caption gaps of runs whose trainer did not write them: each run once, kept beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import captions, store
from benchmarks.lab.population import population
from benchmarks.lab.truth import Measures, Oracle
from tests.makers import a_run, validation

STEPS = (20, 40)


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """Two kept runs without caption gaps; the command's arguments."""
    base, *points = (Measures(number, held_out=(0.1,) * 16, train=(0.1,)) for number in (0, *STEPS))
    vitals = a_run(steps=STEPS, validation=validation(dict.fromkeys(STEPS, 0.09)))
    for name in ("one", "two"):
        configuration = replace(population()[0], name=name, every=20, checkpoints=2)
        store.save(tmp_path / "runs" / name, configuration, Oracle(base, tuple(points), 0.95, 0.25), vitals, {})
    return ["--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs")]


def test_each_run_is_measured_once_and_kept(place: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def measured(kept: store.Kept, folder: Path) -> dict[int, tuple[float, ...]]:
        asked.append((kept.configuration.name, folder))
        return {0: (0.1, 0.2), 40: (0.3, 0.4)}

    monkeypatch.setattr(captions, "measured", measured)
    captions.main([*place, "--only", "two"])
    assert asked == [("two", Path(place[1]) / "two")]
    first, second = store.load(Path(place[3]) / "two").vitals.validation
    assert (first.caption_gaps, second.caption_gaps, second.base_caption_gaps) == ((), (0.3, 0.4), (0.1, 0.2))
    captions.main(place)
    assert [name for name, _ in asked] == ["two", "one"], "what is kept is not measured again"


def test_a_run_whose_checkpoints_are_gone_is_left_alone(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    captions.main(place)
    assert capsys.readouterr().out.startswith("one: 0 points")
    assert not any(point.caption_gaps for point in store.load(Path(place[3]) / "one").vitals.validation)
