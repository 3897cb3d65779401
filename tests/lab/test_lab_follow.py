"""Following prescriptions: what is done with a run, what is kept of it, and how regret is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.lab.follow import Treatment, is_sick, treatments
from benchmarks.lab.outcomes import GRID, Outcome, keep, read, table
from benchmarks.lab.population import population
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Measures, Oracle
from hndoctor import judge
from tests.makers import a_run

STEPS = (500, 1000, 1500, 2000)


def measured(step: int, loss: float) -> Measures:
    return Measures(step, held_out=(loss,) * 4, train=(loss,) * 4, followed=0.9 if loss < 0.1 else None)


@pytest.fixture
def kept() -> Kept:
    """A run that dies between step 1,000 and 1,500; its best checkpoint has a tenth of the loss taken away."""
    vitals = a_run(steps=STEPS, gain=dict(zip(STEPS, (0.1, 0.3, 20.0, 60.0), strict=True)), noise=None)
    points = tuple(measured(step, loss) for step, loss in zip(STEPS, (0.095, 0.09, 0.4, 0.8), strict=True))
    oracle = Oracle(measured(0, 0.1), points, 0.95, 0.25)
    return Kept(replace(population()[0], name="dead", every=500, checkpoints=4), oracle, vitals, {})


def test_hndoctors_treatment_is_its_prescription_and_everybody_elses_are_there(kept: Kept) -> None:
    found = {one.name: one for one in treatments(kept, judge(kept.vitals))}
    advice = judge(kept.vitals).prescription
    assert advice is not None
    assert advice.step is not None
    assert found["hndoctor"].what == f"step {advice.step} at {advice.schedule}"
    assert is_sick(kept)
    assert found["continue as is"].what == "use step 2000"
    assert found["half the steps back, a tenth of the rate"].what == "step 1000 at 5e-07"
    assert "last finite, same rate" not in found  # all of them are
    assert found["start again at the guide's schedule"].normal
    assert len({one.what for one in found.values()}) == len(found) >= 5


def test_a_treatment_without_a_file_and_without_a_new_network_is_nothing() -> None:
    assert Treatment("hndoctor").what.startswith("nothing")


def test_regret_is_the_share_of_what_could_be_had_beyond_continuing(kept: Kept, tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    folder.mkdir()
    rows = {"continue as is": 0.0, "hndoctor": 0.19, f"{GRID}a": 0.15, f"{GRID}b": 0.2, "worse": -0.1}
    keep(folder, [Outcome(name, "x", benefit, False, 1.0) for name, benefit in rows.items()])
    assert [one.benefit for one in read(folder)] == [*rows.values()]
    lines = {line.split(" | ")[0][2:]: line.split(" | ") for line in table([kept], tmp_path)}
    assert lines["continue as is"][2].startswith("1.00")
    assert lines["hndoctor"][2].startswith("0.05")
    assert lines["hndoctor"][4] == "0 |"
    assert lines["best of the oracle grid"][2].startswith("0.00")
    assert lines["worse"][4] == "1 (dead) |"
    assert not any("grid: " in name for name in lines)


def test_the_runs_own_best_checkpoint_counts_among_what_could_be_had(kept: Kept, tmp_path: Path) -> None:
    """A tenth of the loss was taken away at step 1,000."""
    (tmp_path / "dead").mkdir()
    keep(tmp_path / "dead", [Outcome("continue as is", "x", 0.0, True, 1.0), Outcome("hndoctor", "y", 0.05, False, 1)])
    line = next(line for line in table([kept], tmp_path) if "hndoctor" in line)
    assert "0.50 [" in line


def test_without_a_file_nothing_was_followed(tmp_path: Path) -> None:
    assert read(tmp_path) == []
