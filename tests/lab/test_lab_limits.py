"""The truth's rule on fewer pictures: the same pictures tell the same, too few miss what all show."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.lab import limits, store
from benchmarks.lab.population import population
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Measures, Oracle, truth_of
from hndoctor.records import Vitals

RISES = (0.0, 0.004, 0.008, 0.012) * 12  # of 48 pictures, by learning by heart; none of a quarter of them


def kept(rise: float) -> Kept:
    """Two checkpoints that are worse than the bare base model on held-out pictures, by `rise` times RISES."""
    base = tuple(0.1 + 0.0001 * at for at in range(len(RISES)))
    worse = tuple(loss + rise * more for loss, more in zip(base, RISES, strict=True))
    points = [Measures(number, held_out=worse, train=(0.05,), followed=0.9) for number in (500, 1000)]
    whole = Oracle(Measures(0, held_out=base, train=(0.1,), followed=0.9), tuple(points), 0.95, 0.25)
    oracle = limits.drawn(whole, range(16))
    more = {point.number: point.held_out[16:] for point in (whole.base, *whole.checkpoints)}
    configuration = replace(population()[0], every=500, checkpoints=2)
    return Kept(configuration, oracle, Vitals("r", "x"), {}, more)


def test_all_pictures_in_another_order_tell_the_same() -> None:
    oracle = store.finer(kept(1.0).oracle, kept(1.0).more)
    again = limits.drawn(oracle, range(47, -1, -1))
    assert again.base.held_out == oracle.base.held_out[::-1]
    assert truth_of(again).states == kept(1.0).truth.states == ("overtrained", "overtrained")


def test_what_is_plain_is_found_with_few_and_what_is_not_is_missed(monkeypatch) -> None:
    monkeypatch.setattr(limits, "DRAWS", 20)
    lines = list(limits.table([kept(1.0), kept(0.0), replace(kept(1.0), more={})]))
    assert lines[0].startswith("2 runs with 48 pictures, of which 1 are overtrained")
    rows = {int(cells[1]): [float(cell) for cell in cells[2:5]] for cells in (line.split("|") for line in lines[3:8])}
    assert rows[48] == [1.0, 1.0, 0.0]
    assert rows[3][1] < 0.5 < rows[16][1]
    assert lines[8] == ""
    assert [line.split(" | ")[2:5] for line in lines[11:]] == [["500", "500 to 500", "0%"]]
