"""Whole trainings with buckets, repeats, masks, flips and dropped captions: what they do, and that they resume."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.config import Config
from trainer.errors import TrainerError
from trainer.events import Finished, Notice, Stepped
from trainer.session import plan, train

Change = Callable[..., Config]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three shapes, some see-through, some in a folder that repeats them."""
    folder = tmp_path_factory.mktemp("data") / "mixed"
    (folder / "2_cat").mkdir(parents=True)
    rng = np.random.default_rng(3)
    shapes = [(64, 64), (96, 48), (48, 96), (70, 66), (120, 50)]
    for number, (width, height) in enumerate(shapes):
        pixels = rng.integers(0, 255, (height, width, 4), dtype=np.uint8)
        pixels[..., 3] = 255 if number == 0 else pixels[..., 3]
        where = folder / "2_cat" if number % 2 else folder
        Image.fromarray(pixels).save(where / f"{number}.png")
        (where / f"{number}.txt").write_text(f"cat, red, sky, number {number}", encoding="utf-8")
    return folder


def run(config: Config, **how: Any) -> tuple[list[float], list[str]]:
    events = list(train(config, **how))
    assert isinstance(events[-1], Finished)
    return [e.loss for e in events if isinstance(e, Stepped)], [e.text for e in events if isinstance(e, Notice)]


def digests(config: Config) -> dict[str, str]:
    files = sorted((config.run / "hypernetworks").iterdir())
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


EVERYTHING: dict[str, Any] = {
    "buckets": True, "flip": True, "use_weight": True, "latent_sampling": "random", "caption_drop_out": 0.2,
    "shuffle_tags": True, "keep_first": 1, "tag_drop_out": 0.3, "repeats": 2, "gradient_step": 2, "save_every": 0,
    "template": ("[filewords]", "a picture of [filewords]"), "emphasis": "No norm", "clip_skip": 2,
}  # fmt: skip


@pytest.mark.parametrize("kept", [False, True])
def test_resuming_gives_bit_for_bit_what_one_run_gives(
    changed: Change, mixed: Path, tmp_path: Path, kept: bool
) -> None:
    options = EVERYTHING | {"data": mixed, "cache": str(tmp_path / "cache") if kept else ""}
    whole = changed(**options, steps=7)
    losses, notices = run(whole)
    assert [n for n in notices if n.startswith("sizes: 32 × 112: 2") or "64 × 64: 4" in n]
    parts = changed(**options, out=tmp_path / "parts", steps=3)
    first, _ = run(parts)
    rest, notices = run(changed(**options, out=tmp_path / "parts", steps=7), resume=True)
    assert first + rest == losses
    assert digests(parts) == digests(whole)
    assert not [n for n in notices if "anew" in n]


def test_pictures_of_their_own_sizes_train_one_size_a_batch(changed: Change, mixed: Path, tmp_path: Path) -> None:
    options = {"data": mixed, "varsize": True, "steps": 6, "save_every": 0}
    losses, notices = run(changed(**options))
    assert len(losses) == 6
    assert "sizes: 48 × 96: 1, 64 × 64: 3, 96 × 48: 2, 112 × 48: 1 samples an epoch" in notices
    assert run(changed(**options, batch_size=1, out=tmp_path / "single"))[0] != losses


def test_opaque_pictures_with_an_alpha_channel_train_as_without(changed: Change, tmp_path: Path) -> None:
    """The web UI's loss is NaN here."""
    data = tmp_path / "opaque"
    data.mkdir()
    rng = np.random.default_rng(4)
    for number in range(2):
        pixels = rng.integers(0, 255, (64, 64, 4), dtype=np.uint8)
        pixels[..., 3] = 255
        Image.fromarray(pixels).save(data / f"{number} cat.png")
    weighed, _ = run(changed(data=data, use_weight=True, steps=3, name="weighed"))
    plain, _ = run(changed(data=data, use_weight=False, steps=3, name="plain"))
    assert weighed == plain
    assert np.isfinite(weighed).all()


def test_what_is_see_through_does_not_count(changed: Change, tmp_path: Path) -> None:
    """The loss is the mean over what is to be seen, as if the rest of the picture were not there."""
    data = tmp_path / "half"
    data.mkdir()
    pixels = np.random.default_rng(5).integers(0, 255, (64, 64, 4), dtype=np.uint8)
    pixels[:, :, 3] = 0
    pixels[:, 32:, 3] = 255
    Image.fromarray(pixels).save(data / "cat.png")
    options: dict[str, Any] = {"data": data, "steps": 1, "batch_size": 1, "learn_rate": "1e-9"}
    seen: list[Any] = []
    import trainer.objective as objectives

    original = objectives.predict

    def watched(*args: Any) -> Any:
        predicted = original(*args)
        seen.append(predicted.detach())
        return predicted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objectives, "predict", watched)
        (weighed,), _ = run(changed(**options, use_weight=True, name="a"))
    (plain,), _ = run(changed(**options, name="b"))
    from trainer import seeding

    generator = seeding.generator(0, "noise", 0)
    __import__("torch").randint(1000, (), generator=generator)
    noise = __import__("torch").randn((4, 8, 8), generator=generator)
    squares = (seen[-1][0] - noise).square()
    assert weighed == pytest.approx(float(squares[:, :, 4:].mean()), rel=1e-4)
    assert plain == pytest.approx(float(squares.mean()), rel=1e-4)


def test_repeats_count_in_the_plan(changed: Change, mixed: Path) -> None:
    assert plan(changed(data=mixed, steps=20, batch_size=1)).epochs == pytest.approx(20 / 7)
    assert plan(changed(data=mixed, steps=20, batch_size=1, repeats=3)).epochs == pytest.approx(20 / 13)


def test_a_changed_set_is_named_picture_by_picture(changed: Change, mixed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(mixed, data)
    run(changed(data=data, steps=2))
    (data / "0.png").unlink()
    (data / "2_cat" / "1.txt").write_text("dog", encoding="utf-8")
    shutil.copyfile(data / "2.png", data / "9.png")
    with pytest.raises(TrainerError) as caught:
        run(changed(data=data, steps=3), resume=True)
    said = str(caught.value)
    assert "removed: 0.png; added: 9.png; changed: 2_cat/1.png" in said
    assert "--data-changed-ok" in said
    _, notices = run(changed(data=data, steps=3, data_changed_ok=True), resume=True)
    assert any("changed: 2_cat/1.png" in notice for notice in notices)


def test_unreadable_pictures_are_named_and_counted(changed: Change, mixed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(mixed, data)
    for name in ("x.png", "2_cat/y.png"):
        (data / name).write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    warnings = plan(changed(data=data)).warnings
    assert any(w.startswith("x.png is left out") for w in warnings)
    assert any(w.startswith("2_cat/y.png is left out") for w in warnings)
    assert "2 of 7 pictures are left out" in warnings


def test_validation_is_weighed_and_may_be_of_any_size(changed: Change, mixed: Path) -> None:
    from hndoctor.formats import settings

    config = changed(data=mixed, buckets=True, use_weight=True, validation=2, validate_every=2, steps=4)
    run(config)
    points = settings.read_validation(config.run / "validation.jsonl")
    assert [len(point.items) for point in points] == [16, 16]
    assert all(np.isfinite(point.items).all() for point in points)


def test_the_baseline_of_the_validation_follows_the_weights(changed: Change, mixed: Path) -> None:
    """It is kept in the run; what no longer fits must not be compared with."""
    from hndoctor.formats import settings

    options: dict[str, Any] = {"data": mixed, "validation": 3, "validate_every": 2, "save_every": 0}
    run(changed(**options, steps=2, name="one"))
    run(changed(**options, steps=4, name="one", use_weight=True), resume=True)
    fresh = changed(**options, steps=2, name="two", use_weight=True)
    run(fresh)
    before, after = settings.read_validation(changed(name="one").run / "validation.jsonl")
    (expected,) = settings.read_validation(fresh.run / "validation.jsonl")
    assert after.base_items == expected.base_items != before.base_items
