"""Doses at the onset of overtraining beside the band that dose x width carries from SD1."""

from __future__ import annotations

from benchmarks.lab.dose import Onset, table


def test_overtrained_runs_come_first_and_are_summed_up() -> None:
    held = Onset("b", 100, "1, 2, 1", 9.0, False, 0.75, 0.2, 2.7)
    some = [held, *(Onset(name, 4, "1, 6, 1", at, True, 0.2, 0.05, 0.7) for name, at in (("a", 2.0), ("c", 4.0)))]
    lines = list(table(some))
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| a", "| c", "| b"]
    assert "| not until 9.00 |" in lines[4]
    assert "2 overtrained: at 15.0 times the band's middle (median; 10.0 to 20.0" in lines[-1]
    assert not any("overtrained:" in line for line in table([held]))
