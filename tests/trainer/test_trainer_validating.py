"""Checkpoints measured after the fact: as the trainer measures, once each, and on nothing that was trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndoctor.collect import find_runs
from hndoctor.formats.checksum import content_key_of
from hndoctor.formats.settings import read_validation
from trainer.config import Config
from trainer.errors import TrainerError
from trainer.events import Finished, Notice, Validated
from trainer.interrupts import Stop
from trainer.network import Hypernetwork
from trainer.session import train
from trainer.validating import Subject, chosen, validate
from trainer.validation import DRAWS


@pytest.fixture
def trained(changed: Callable[..., Config]) -> Config:
    """Ten steps with two pictures held out, saved at 4, 8 and the end."""
    config = changed(validation=2.0)
    list(train(config))
    return config


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Three captioned pictures that nobody trained on."""
    folder = tmp_path / "others"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for at in range(3):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / f"{at}.png")
        (folder / f"{at}.txt").write_text(f"cat {at}", encoding="utf-8")
    return folder


def subject_of(config: Config, held_out: Path | None = None, train_: bool = True) -> Subject:
    (run,) = find_runs(config.run)
    return Subject(
        config, run.checkpoints, config.run / "validated.jsonl", config.data if train_ else None, held_out
    )


def measured(subject: Subject, **how: object) -> list[Validated]:
    return [event for event in validate(subject, **how) if isinstance(event, Validated)]  # type: ignore[arg-type]  # by name


def test_the_runs_own_pictures_give_what_the_trainer_wrote(trained: Config) -> None:
    subject = subject_of(trained)
    last = list(validate(subject))[-1]
    own = {point.step: point for point in read_validation(trained.run / "validation.jsonl")}
    found = {point.step: point for point in read_validation(subject.log)}
    assert list(own) == [4, 8]
    assert list(found) == [4, 8, 10]
    for step, point in own.items():
        assert found[step].items == pytest.approx(point.items, rel=1e-5)
        assert found[step].base_items == point.base_items
        assert found[step].caption_gaps == pytest.approx(point.caption_gaps, abs=1e-2)
        assert found[step].content == content_key_of(trained.run / "hypernetworks" / f"tiny-{step}.pt")
    assert isinstance(last, Finished)
    assert last.reason == "done"
    assert "3 checkpoints measured on 2 held-out pictures" in last.text


def test_more_pictures_come_beside_them_and_what_is_known_is_not_measured_again(trained: Config, others: Path) -> None:
    subject = subject_of(trained, others)
    assert [len(event.point.items) for event in measured(subject)] == [5 * DRAWS] * 3
    before = subject.log.read_bytes()
    assert measured(subject) == []
    assert subject.log.read_bytes() == before
    shutil.copyfile(trained.run / "hypernetworks" / "tiny-8.pt", trained.run / "hypernetworks" / "tiny-4.pt")
    assert [event.point.step for event in measured(subject)] == [4]
    found = {point.step: point for point in read_validation(subject.log)}
    assert found[4].items == found[8].items


def test_other_pictures_replace_nothing_unless_told(trained: Config, others: Path) -> None:
    measured(subject_of(trained))
    before = (trained.run / "validated.jsonl").read_bytes()
    with pytest.raises(TrainerError, match=r"other pictures.*--overwrite"):
        measured(subject_of(trained, others))
    assert (trained.run / "validated.jsonl").read_bytes() == before
    assert len(measured(subject_of(trained, others), overwrite=True)) == 3
    assert all(len(point.items) == 5 * DRAWS for point in read_validation(trained.run / "validated.jsonl"))


def test_a_picture_that_was_trained_on_is_never_held_out(trained: Config, others: Path, tmp_path: Path) -> None:
    own, train_, _ = chosen(subject_of(trained))
    shutil.copyfile(train_[0].path, others / "renamed.png")
    shutil.copyfile(own[0].path, others / "again.png")
    held_out, _, notes = chosen(subject_of(trained, others))
    assert [picture.name for picture in held_out] == [*(one.name for one in own), "0.png", "1.png", "2.png"]
    assert notes == ("left out, for the network was trained on renamed.png",)
    with pytest.raises(TrainerError, match="all of its pictures were trained on"):
        chosen(subject_of(replace(trained, validation=0.0), trained.data))
    with pytest.raises(TrainerError, match="no pictures are held out"):
        chosen(subject_of(replace(trained, validation=0.0)))


def test_without_training_pictures_held_out_ones_are_measured_alone(trained: Config, others: Path) -> None:
    subject = subject_of(trained, others, train_=False)
    events = list(validate(subject))
    assert any("--data" in event.text for event in events if isinstance(event, Notice))
    points = read_validation(subject.log)
    assert [(point.train, len(point.items)) for point in points] == [(None, 3 * DRAWS)] * 3


def test_what_cannot_be_measured_is_named_and_left_out(trained: Config) -> None:
    folder = trained.run / "hypernetworks"
    (folder / "tiny-4.pt").write_bytes(b"no network")
    Hypernetwork.create([77], [1, 2, 1], name="tiny").save(folder / "tiny-8.pt")
    subject = subject_of(trained)
    events = list(validate(subject))
    told = [event.text for event in events if isinstance(event, Notice)]
    assert ["tiny-4.pt" in told[0], "[77]" in told[1]] == [True, True]
    assert [point.step for point in read_validation(subject.log)] == [10]
    subject.log.unlink()
    with pytest.raises(TrainerError, match="for the context widths 77, the base model"):
        measured(replace(subject, checkpoints=subject.checkpoints[:2]))
    with pytest.raises(TrainerError, match="none of its 1 checkpoint could be measured"):
        measured(replace(subject, checkpoints=subject.checkpoints[:1]))
    assert not subject.log.exists()


def test_it_can_be_left_and_goes_on_where_it_was(trained: Config) -> None:
    subject, stop, seen = subject_of(trained), Stop(), []
    for event in validate(subject, stop=stop):
        seen.append(event)
        if isinstance(event, Validated):
            stop.requested = True
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "stopped"
    assert [point.step for point in read_validation(subject.log)] == [4]
    with subject.log.open("a", encoding="utf-8") as file:
        file.write('{"step": 8, "held_')  # killed while it was written
    assert [event.point.step for event in measured(subject)] == [8, 10]
    assert [point.step for point in read_validation(subject.log)] == [4, 8, 10]


def test_a_run_that_is_trained_anew_or_goes_back_loses_what_was_measured(trained: Config) -> None:
    subject = subject_of(trained)
    measured(subject)
    list(train(replace(trained, steps=12), resume=trained.run / "hypernetworks" / "tiny-4.pt"))
    assert [json.loads(line)["step"] for line in subject.log.read_text(encoding="utf-8").splitlines()] == [4]
    list(train(trained, overwrite=True))
    assert not subject.log.exists()
