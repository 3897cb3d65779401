"""Keeping and judging runs: nothing is lost, channels are really taken away, baselines have opinions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab import store
from benchmarks.lab.accuracy import report
from benchmarks.lab.judges import CHANNELS, JUDGES, diagnosed, loss_over_the_cap, weight_norm
from benchmarks.lab.population import population
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Measures, Oracle
from hndoctor.records import LossPoint, ValidationPoint
from tests.makers import a_run, validation

STEPS = (500, 1000, 1500, 2000)


@pytest.fixture
def kept() -> Kept:
    """A run that dies between step 1,000 and 1,500."""
    gains = (0.1, 0.3, 20.0, 60.0)
    vitals = a_run(
        steps=STEPS,
        gain=dict(zip(STEPS, gains, strict=True)),
        noise=None,
        losses=tuple(LossPoint(step, 0.1 if step < 1200 else 0.9, 5e-6) for step in range(10, 2001, 10)),
    )
    base = Measures(0, held_out=(0.1,) * 4, train=(0.1,) * 4, followed=0.9, style=1.0)
    losses = (0.095, 0.09, 0.4, 0.8)
    points = tuple(
        Measures(step, held_out=(loss,) * 4, train=(loss,) * 4, followed=0.8 if loss < 0.1 else None)
        for step, loss in zip(STEPS, losses, strict=True)
    )
    configuration = replace(population()[0], every=500, checkpoints=4)
    return Kept(configuration, Oracle(base, points, 0.95, 0.25), vitals, {"model": "abc", "seconds": 1.0})


def test_a_kept_run_reads_back_the_same_but_for_its_path(kept: Kept, tmp_path: Path) -> None:
    told = replace(kept.vitals, settings=replace(kept.vitals.settings, data="a/place"))
    store.save(tmp_path / "x", kept.configuration, kept.oracle, told, kept.notes)
    back = store.load(tmp_path / "x")
    assert (back.configuration, back.oracle, back.notes) == (kept.configuration, kept.oracle, kept.notes)
    assert back.vitals == store.slim(kept.vitals, kept.configuration.name)
    assert (back.vitals.run, back.vitals.settings.data) == (kept.configuration.name, None)
    assert [one.configuration for one in store.all_kept(tmp_path)] == [kept.configuration]


def test_more_held_out_pictures_change_the_truth_and_leave_the_oracle_as_it_was(kept: Kept, tmp_path: Path) -> None:
    store.save(tmp_path / "x", kept.configuration, kept.oracle, kept.vitals, kept.notes)
    assert store.load(tmp_path / "x").truth == kept.truth
    better = {number: (0.1 if number == 0 else 0.09,) * 8 for number in (0, *STEPS)}
    store.save_finer(tmp_path / "x", better)
    back = store.load(tmp_path / "x")
    assert (back.oracle, back.more) == (kept.oracle, better)
    whole = store.finer(back.oracle, back.more)
    assert whole.base.held_out == kept.oracle.base.held_out + better[0]
    assert [len(point.held_out) for point in whole.checkpoints] == [12] * len(STEPS)
    assert (kept.truth.quality[0], back.truth.quality[0]) == (pytest.approx(1 / 2), pytest.approx(5 / 6))
    lacking = {number: losses for number, losses in better.items() if number != STEPS[1]}
    assert store.finer(kept.oracle, lacking) is kept.oracle, "of other checkpoints"


def test_a_run_is_whole_only_if_both_files_are_and_the_configuration_is_the_same(kept: Kept, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    assert not store.is_whole(folder, kept.configuration)
    store.save(folder, kept.configuration, kept.oracle, kept.vitals, kept.notes)
    assert store.is_whole(folder, kept.configuration)
    assert not store.is_whole(folder, replace(kept.configuration, seed=kept.configuration.seed + 1))
    (folder / store.ORACLE).write_bytes((folder / store.ORACLE).read_bytes()[:-20])
    assert not store.is_whole(folder, kept.configuration)


def test_the_same_run_is_kept_in_the_same_bytes(kept: Kept, tmp_path: Path) -> None:
    for name in "ab":
        store.save(tmp_path / name, kept.configuration, kept.oracle, kept.vitals, kept.notes)
    assert (tmp_path / "a" / store.VITALS).read_bytes() == (tmp_path / "b" / store.VITALS).read_bytes()


def test_the_diagnosis_and_the_baselines_find_this_breakage(kept: Kept) -> None:
    assert diagnosed(kept).broken == 1500
    assert diagnosed(kept).chosen in (500, 1000)
    assert loss_over_the_cap(kept).broken == 1500
    assert loss_over_the_cap(kept).chosen == 1000
    assert weight_norm(kept).broken is None  # these modules have the RMS that they were initialised with


@pytest.mark.parametrize("channel", list(CHANNELS))
def test_a_channel_that_is_taken_away_is_gone(kept: Kept, channel: str) -> None:
    missing = CHANNELS[channel](kept.vitals)
    assert missing.settings == kept.vitals.settings
    if channel != "captions":
        assert not getattr(missing, {"weights": "checkpoints"}.get(channel, channel))


def test_losses_and_caption_gaps_of_a_validation_are_taken_away_one_without_the_other(kept: Kept) -> None:
    (point,) = validation({500: 0.09})
    both = replace(point, caption_gaps=(0.1, 0.2, 0.3), base_caption_gaps=(0.1, 0.1, 0.2))
    vitals = replace(kept.vitals, validation=(point, both))
    assert CHANNELS["captions"](vitals).validation == (point, point)
    (gaps,) = CHANNELS["validation"](vitals).validation
    assert gaps == ValidationPoint(500, 0.0, 0.0, caption_gaps=(0.1, 0.2, 0.3), base_caption_gaps=(0.1, 0.1, 0.2))


def test_caption_gaps_that_were_measured_afterwards_are_read_with_the_run(kept: Kept, tmp_path: Path) -> None:
    vitals = replace(kept.vitals, validation=validation({500: 0.09, 1000: 0.08}))
    store.save(tmp_path / "x", kept.configuration, kept.oracle, vitals, kept.notes)
    store.save_captions(tmp_path / "x", {0: (0.1, 0.2), 1000: (0.3, -0.4)})
    first, second = store.load(tmp_path / "x").vitals.validation
    assert first == vitals.validation[0], "not measured there"
    assert (second.base_caption_gaps, second.caption_gaps) == ((0.1, 0.2), (0.3, -0.4))


def test_the_report_has_a_row_for_each_judge_and_names_failures(kept: Kept) -> None:
    lines = list(report([kept]))
    assert sum(line.startswith("| ") for line in lines) == len(JUDGES) + 1
    assert kept.configuration.name in "\n".join(lines) or all("1/1" in line for line in lines if "| hndoctor |" in line)


def test_alpha_finds_the_exponent_of_a_power_law() -> None:
    from benchmarks.lab.alpha import alpha

    rng = np.random.default_rng(0)
    drawn = (1 - rng.random(2000)) ** (-1 / 1.5)  # density exponent 2.5
    found = alpha(drawn[:400])
    assert found == pytest.approx(2.5, abs=0.3)
    assert alpha(np.ones(3)) is None


def test_the_fit_sees_each_checkpoint_with_its_true_state_and_scores_a_right_diagnosis_higher(kept: Kept) -> None:
    from benchmarks.lab.fit import believing, log_score, seen_of
    from hndoctor.diagnose import parameters

    seen = list(seen_of(kept))
    assert [(one.number, one.state) for one in seen][2:] == [(1500, "broken"), (2000, "broken")]
    assert [round(one.values["gain"], 2) for one in seen] == [0.1, 0.3, 18.97, 47.75]
    before, score = parameters.GAIN, log_score([kept])
    with believing("GAIN", ((0.1, 8.0), (60.0, -8.0))):
        assert log_score([kept]) < score
    assert before == parameters.GAIN
