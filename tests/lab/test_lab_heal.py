"""What is made of runs that `--heal` treated: what is counted, and that they share nothing with the population."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lab.heal import Healed, begun_badly, read, table
from benchmarks.lab.population import by_name


def healed(name: str, benefit: float, *, broken: bool = False) -> Healed:
    return Healed(name, "4e-2", 1, benefit, 0.5, broken, training=100.0, watching=1.0, watched=8)


def test_a_run_counts_where_it_comes_within_a_tenth_of_the_good_rate() -> None:
    lines = list(table([healed("a", 0.46), healed("b", 0.44), healed("c", 0.0, broken=True)]))
    assert "| 4e-2 | 1 | 0.460 | 0.500 | 0.92 | 1.0% |" in lines
    assert any("0.000 (broken)" in line for line in lines)
    assert any("1/3 = 0.33" in line for line in lines)


def test_what_watching_costs_is_told_in_steps() -> None:
    """8 looks, each after 25 steps of half a second: one of an eighth of a second costs a quarter of a step."""
    (told,) = [line for line in table([healed("a", 0.46)]) if "one look costs" in line]
    assert "as much as 0.2 steps" in told
    assert "where checkpoints lie 12 steps apart" in told


def test_nothing_is_healed_whose_seed_or_pictures_the_population_has() -> None:
    seeds, data = ({getattr(one, name) for one in by_name().values()} for name in ("seed", "data_seed"))
    for one in begun_badly():
        assert one.seed not in seeds
        assert one.data_seed not in data


def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    assert read(tmp_path / "healed.json") == []
