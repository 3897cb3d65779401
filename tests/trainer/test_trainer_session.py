"""Whole trainings on the tiny pipeline: what they write, how they go on, how they end."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import trainer.training
from hndoctor.formats import infotext, losslog, settings
from hndoctor.formats.hashes import old_hash, short_hash
from trainer.config import Config
from trainer.errors import TrainerError
from trainer.events import Event, Finished, Notice, Previewed, Saved, Started, Stepped, Validated
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.session import Stop, load_config, plan, train

Change = Callable[..., Config]


def done(events: Iterator[Event]) -> list[Event]:
    """All events; the last says how it ended."""
    found = list(events)
    assert isinstance(found[-1], Finished)
    return found


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def digests(run: Path) -> dict[str, str]:
    """SHA-256 of every checkpoint, state and average, and the loss log's text."""
    files = [*sorted((run / "hypernetworks").iterdir()), *sorted(run.glob("ema/*"))]
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in files} | {
        "log": (run / "hypernetwork_loss.csv").read_text()
    }


def test_steps_are_counted_as_the_web_ui_counts_them(config: Config) -> None:
    events = done(train(config))
    run = config.run
    held = {p.name: Hypernetwork.load(p).step for p in (run / "hypernetworks").glob("*.pt")}
    assert held == {"tiny-4.pt": 3, "tiny-8.pt": 7, "tiny.pt": 10}
    assert [event.number for event in of(Saved, events)] == [4, 8, 11]
    assert [point.step for point in losslog.read(run / "hypernetwork_loss.csv")] == list(range(1, 11))
    assert [event.step for event in of(Stepped, events)] == list(range(1, 11))
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].step) == ("done", 10)


def test_checkpoints_carry_their_state_and_their_origin(config: Config, pipeline: Path) -> None:
    done(train(config))
    for path in (config.run / "hypernetworks").glob("*.pt"):
        state = torch.load(path.with_name(path.name + ".optim"), weights_only=True)
        network = Hypernetwork.load(path)
        assert (state["hash"], state["optimizer_name"]) == (short_hash(path), "AdamW")
        assert int(state["optimizer_state_dict"]["state"][0]["step"]) == network.step
        assert (network.name, network.sd_checkpoint_name) == ("tiny", "tiny")
        weights = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
        assert network.sd_checkpoint == hashlib.sha256(weights.read_bytes()).hexdigest()[:10]


def test_the_state_file_steers_a_real_torch_optimizer(config: Config) -> None:
    """What we write, `torch.optim.AdamW.load_state_dict` takes as its own."""
    done(train(config))
    path = config.run / "hypernetworks" / "tiny-4.pt"
    network = Hypernetwork.load(path).requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1.0)
    optimizer.load_state_dict(torch.load(f"{path}.optim", weights_only=True)["optimizer_state_dict"])
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"use_dropout": True, "layer_structure": "1, 2, 2, 1", "dropout_structure": "0, 0.2, 0.3, 0"},
    "everything": {
        "latent_sampling": "random", "shuffle_tags": True, "tag_drop_out": 0.2, "gradient_step": 2,
        "activation": "rrelu", "learn_rate": "1e-3:4, 5e-4", "clip_grad_mode": "norm",
        "clip_grad_value": "0.5:6, 0.1", "layer_norm": True,
    },
    "sgd": {"optimizer": "SGD"},
    "shaped": {
        "lr_scheduler": "cosine", "lr_warmup_steps": 2, "ema": 0.9, "min_snr_gamma": 5.0, "noise_offset": 0.1,
        "max_timestep": 600, "optimizer": "Adam", "gradient_checkpointing": True,
    },
    "schedule-free": {"optimizer": "AdamWScheduleFree"},
    "prodigy": {"optimizer": "Prodigy", "learn_rate": "1"},
    "restarts": {
        "lr_scheduler": "cosine_with_restarts", "lr_num_cycles": 3, "lr_min_ratio": 0.1, "optimizer": "NAdam",
    },
    "linear": {"lr_scheduler": "linear", "optimizer": "Adagrad", "flip": True, "caption_drop_out": 0.3},
    "fp16": {"precision": "fp16", "clip_grad_mode": "value", "clip_grad_value": "0.01"},
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_resuming_gives_bit_for_bit_what_one_run_gives(changed: Change, tmp_path: Path, variant: str) -> None:
    config = changed(**VARIANTS[variant])
    done(train(config))
    whole = digests(config.run)
    later, stop = changed(**VARIANTS[variant], out=tmp_path / "parts"), Stop()
    for event in train(later, stop=stop):
        if isinstance(event, Stepped) and event.step == 5:
            stop()
    assert isinstance(event, Finished)
    assert (event.reason, event.step) == ("stopped", 5)
    notices = of(Notice, done(train(later, resume=True)))
    assert not [n for n in notices if "anew" in n.text]
    assert digests(later.run) == whole


def test_resuming_an_earlier_checkpoint_sets_aside_what_came_after(config: Config) -> None:
    done(train(config))
    whole = digests(config.run)
    (config.run / "mine.txt").write_text("kept")
    events = done(train(config, resume=config.run / "hypernetworks" / "tiny-4.pt"))
    assert digests(config.run) == whole
    aside = config.run / "set-aside"
    assert any("moved to" in n.text for n in of(Notice, events))
    assert {"tiny-8.pt", "tiny-8.pt.optim", "hypernetwork_loss.csv"} <= {p.name for p in aside.rglob("*")}
    assert "tiny.pt" in {p.name for p in aside.rglob("*")}
    assert "tiny-4.pt" not in {p.name for p in aside.rglob("*")}
    assert (config.run / "mine.txt").exists()
    assert settings.read(config.run / "run.json").resumed_at == (3,)


def test_a_killed_run_goes_on_from_its_last_whole_pair(config: Config) -> None:
    done(train(config))
    whole = digests(config.run)
    folder = config.run / "hypernetworks"
    for name in ("tiny.pt", "tiny.pt.optim", "tiny-8.pt.optim"):  # killed between the network and its state
        (folder / name).unlink()
    (folder / "tiny-8.pt.999.tmp").write_bytes(b"half")
    with (config.run / "hypernetwork_loss.csv").open("a") as log:
        log.write("11,0,0,0.5")
    events = done(train(config, resume=True))
    assert next(e for e in events if isinstance(e, Stepped)).step == 4
    assert digests(config.run) == whole


def test_a_run_goes_on_from_the_configuration_in_its_own_folder(
    changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = changed(out=Path("runs"), steps=5)
    done(train(config))
    monkeypatch.chdir(tmp_path.parent)
    later = load_config(tmp_path / "runs" / "tiny" / "config.toml", {"steps": 6})
    assert of(Stepped, done(train(later, resume=True)))[0].step == 6


def test_the_requested_rate_holds_on_resume(changed: Change) -> None:
    """The web UI goes on with the rate that the state was saved with."""
    done(train(changed(steps=5)))
    events = done(train(changed(steps=8, learn_rate="7e-6"), resume=True))
    assert {event.rate for event in of(Stepped, events)} == {7e-6}
    state = torch.load(changed().run / "hypernetworks" / "tiny.pt.optim", weights_only=True)
    assert state["optimizer_state_dict"]["param_groups"][0]["lr"] == pytest.approx(7e-6)


@pytest.mark.parametrize("generation", [1, 2])
def test_pairs_of_the_web_ui_go_on_with_their_state(changed: Change, tmp_path: Path, generation: int) -> None:
    config = changed()
    done(train(config))
    pair = tmp_path / "models" / "hypernetworks" / "tiny-8.pt"
    pair.parent.mkdir(parents=True)
    shutil.copyfile(config.run / "hypernetworks" / "tiny-8.pt", pair)
    state = torch.load(config.run / "hypernetworks" / "tiny-8.pt.optim", weights_only=True)
    state["hash"] = old_hash(pair) if generation == 1 else short_hash(pair)
    torch.save(state, f"{pair}.optim")
    later = changed(out=tmp_path / "later", steps=10)
    events = done(train(later, resume=pair))
    assert not [n for n in of(Notice, events) if "anew" in n.text]
    assert (later.run / "hypernetworks" / "tiny.pt").read_bytes() == (
        config.run / "hypernetworks" / "tiny.pt"
    ).read_bytes()


def test_a_state_of_another_network_is_said_and_not_used(changed: Change, tmp_path: Path) -> None:
    config = changed()
    done(train(config))
    pair = tmp_path / "tiny-8.pt"
    shutil.copyfile(config.run / "hypernetworks" / "tiny-8.pt", pair)
    shutil.copyfile(config.run / "hypernetworks" / "tiny-4.pt.optim", f"{pair}.optim")
    later = changed(out=tmp_path / "later")
    notices = of(Notice, done(train(later, resume=pair)))
    assert any("belongs to another network" in n.text and "starts anew" in n.text for n in notices)
    assert (later.run / "hypernetworks" / "tiny.pt").read_bytes() != (
        config.run / "hypernetworks" / "tiny.pt"
    ).read_bytes()


def test_previews_change_nothing_and_say_how_they_were_made(changed: Change, tmp_path: Path) -> None:
    without = changed(out=tmp_path / "without", save_every=5)
    done(train(without))
    config = changed(image_every=5, save_every=5, preview_prompts=("red cat", "sky"), validation=0)
    events, state = [], torch.empty(0)
    for event in train(config):
        events.append(event)
        state = torch.get_rng_state() if isinstance(event, Started) else state
    assert torch.equal(torch.get_rng_state(), state)  # as it was before the first preview
    assert digests(config.run) == digests(without.run)
    names = sorted(p.name for p in (config.run / "images").iterdir())
    numbers = ("0", "10", "5")
    assert names == sorted(f"tiny-{n}{which}.png" for n in numbers for which in ("", "-1"))
    assert [event.number for event in of(Previewed, events)] == [0, 5, 10]
    with Image.open(config.run / "images" / "tiny-5-1.png") as picture:
        told = infotext.from_picture(picture)
        assert picture.size == (64, 64)
    assert told is not None
    assert (told.prompt, told.negative_prompt, told.seed, told.steps) == ("sky", "", 1, 2)
    assert (told.sampler, told.cfg_scale, told.size, told.model) == ("Euler a", 7, (64, 64), "tiny")


def test_the_reference_preview_is_the_bare_base_models(changed: Change) -> None:
    config = changed(image_every=4, steps=4, preview_prompts=("red cat",), weight_init="KaimingNormal")
    done(train(config))
    zero, four = ((config.run / "images" / f"tiny-{n}.png").read_bytes() for n in (0, 4))
    again = changed(image_every=4, steps=1, preview_prompts=("red cat",), seed=5, name="other")
    done(train(again))
    assert zero != four
    with Image.open(config.run / "images" / "tiny-0.png") as a, Image.open(again.run / "images" / "other-0.png") as b:
        assert a.tobytes() == b.tobytes()


def test_validation_changes_nothing_and_is_paired_with_the_bare_model(changed: Change) -> None:
    config = changed(validation=2, validate_every=3, learn_rate="1e-2")
    events = done(train(config))
    points = settings.read_validation(config.run / "validation.jsonl")
    assert points == tuple(event.point for event in of(Validated, events))
    assert [point.step for point in points] == [3, 6, 9]
    assert {len(point.items) for point in points} == {16}
    assert len({point.base_items for point in points}) == 1
    assert len({point.items for point in points}) == 3
    assert all(p.held_out == pytest.approx(sum(p.items) / 16) for p in points)
    assert {len(point.caption_gaps) for point in points} == {len(points[0].base_caption_gaps)} != {0}
    assert len({point.base_caption_gaps for point in points}) == 1
    assert len({point.caption_gaps for point in points}) == 3
    silent = changed(validation=2, validate_every=10**6, learn_rate="1e-2", name="silent")
    done(train(silent))
    weights = [
        [p.tolist() for p in Hypernetwork.load(c.run / "hypernetworks" / f"{c.name}.pt").parameters()]
        for c in (config, silent)
    ]
    assert weights[0] == weights[1]


def test_the_loss_falls_on_a_set_that_can_be_learned(changed: Change, tmp_path: Path) -> None:
    data = tmp_path / "one"
    data.mkdir()
    Image.new("RGB", (64, 64), (250, 20, 20)).save(data / "red cat.png")
    config = changed(data=data, steps=80, learn_rate="1e-2", batch_size=4, save_every=0, layer_norm=False)
    losses = [event.loss for event in of(Stepped, done(train(config)))]
    assert sum(losses[-30:]) / 30 < 0.95 * sum(losses[:10]) / 10


def test_the_run_says_how_it_was_made(config: Config) -> None:
    done(train(config))
    told = settings.read(config.run / "run.json")
    assert (told.learn_rate, told.steps, told.images, told.model_name) == ("1e-3", 10, 5, "tiny")
    assert len(told.data_fingerprints) == 1
    (path,) = config.run.glob("settings-*.json")
    webui = json.loads(path.read_text(encoding="utf-8"))
    assert (webui["learn_rate"], webui["num_of_dataset_images"], webui["layer_structure"]) == (
        "1e-3",
        5,
        [1.0, 2.0, 1.0],
    )
    known = {"sizes": (20, 16, 24), "width": 64, "height": 64}
    assert replace(load_config(config.run / "config.toml"), preview_prompts=()) == replace(config, **known)


# --- endings ----------------------------------------------------------------------------------------------------------


def test_a_wish_to_stop_ends_after_the_step_with_everything_saved(changed: Change) -> None:
    config, stop = changed(), Stop()
    events: list[Event] = []
    for event in train(config, stop=stop):
        events.append(event)
        if isinstance(event, Stepped) and event.step == 5:
            stop()
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].step) == ("stopped", 5)
    assert Hypernetwork.load(config.run / "hypernetworks" / "tiny.pt").step == 5


def test_a_wish_to_stop_while_pictures_are_encoded_leaves_nothing_behind(config: Config) -> None:
    stop = Stop()
    events: list[Event] = []
    for event in train(config, stop=stop):
        events.append(event)
        stop()
    assert len(events) == 2
    assert not config.run.exists()


@pytest.mark.parametrize("way", ["throw", "close", "inside"])
def test_however_the_driver_leaves_nothing_is_lost(
    changed: Change, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = changed(out=tmp_path / "whole")
    done(train(whole))
    config = changed()
    training = train(config)
    for event in training:
        if isinstance(event, Stepped) and event.step == 5:
            break
    if way == "throw":
        assert isinstance(training.throw(KeyboardInterrupt), Saved)
        assert isinstance(done(training)[-1], Finished)
    elif way == "close":
        training.close()
    else:
        monkeypatch.setattr(torch.Tensor, "backward", _interrupt)
        assert isinstance(done(training)[-1], Finished)
        monkeypatch.undo()
    assert Hypernetwork.load(config.run / "hypernetworks" / "tiny.pt").step == 5
    done(train(config, resume=True))
    assert digests(config.run) == digests(whole.run)


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_loss_that_is_no_number_stops_the_training_and_is_written(changed: Change) -> None:
    config = changed(learn_rate="1e18", steps=60, weight_init="KaimingNormal")
    events = done(train(config))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "not finite"
    assert finished.step < 60
    assert any("the loss is" in n.text and ".png" in n.text for n in of(Notice, events))
    assert losslog.read(config.run / "hypernetwork_loss.csv")[-1].nonfinite
    assert finished.checkpoint is not None
    assert Hypernetwork.load(finished.checkpoint).is_finite()  # a step that cannot be computed is not taken


@pytest.mark.parametrize(("precision", "remedy"), [("fp16", "bf16"), ("fp32", "another copy")])
def test_a_base_model_that_computes_no_numbers_is_told_from_a_broken_network(
    changed: Change, monkeypatch: pytest.MonkeyPatch, precision: str, remedy: str
) -> None:
    real = Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda self, *args: real(self, *args) * float("nan"))
    config = changed(precision=precision)
    with pytest.raises(TrainerError, match=rf"before the first step \(on .*base model tiny .* {precision}; .*{remedy}"):
        done(train(config))
    assert not config.run.exists()


def test_one_loss_that_is_no_number_costs_one_step_and_no_weights(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Objective.__call__, iter(range(1000))

    def sometimes(self: Objective, *args: Any) -> torch.Tensor:
        losses = real(self, *args)
        return losses * float("nan") if next(calls) == 4 else losses  # two calls are the probe's

    monkeypatch.setattr(Objective, "__call__", sometimes)
    events = done(train(config))
    (notice,) = [n for n in of(Notice, events) if "the loss is" in n.text]
    assert notice.text.startswith("step 3: the loss is nan (on ")
    assert "left out" in notice.text
    assert (events[-1].reason, events[-1].step) == ("done", 10)
    assert Hypernetwork.load(config.run / "hypernetworks" / "tiny.pt").is_finite()
    state = torch.load(config.run / "hypernetworks" / "tiny.pt.optim", weights_only=True)
    assert float(state["optimizer_state_dict"]["state"][0]["step"]) == 9


def test_broken_weights_are_refused(config: Config, tmp_path: Path) -> None:
    network = Hypernetwork.create((20, 16, 24), seed=0)
    with torch.no_grad():
        next(network.parameters())[0, 0] = float("nan")
    network.save(tmp_path / "broken.pt")
    said = refused(config, resume=tmp_path / "broken.pt")
    assert "has NaN or infinity in linear.0.weight of the key network of size 20 (stored at step 0)" in said


def test_a_schedule_that_ends_early_ends_the_training_there(changed: Change) -> None:
    events = done(train(changed(learn_rate="1e-3:3, 1e-4:6")))
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].step) == ("schedule ended", 6)
    (started,) = of(Started, events)
    assert any("ends at step 6" in warning for warning in started.plan.warnings)
    assert not any("ends at step 6" in n.text for n in of(Notice, events))  # said once, with the plan


def test_a_full_disk_costs_no_old_file_and_does_not_end_the_training(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trainer.training.Hypernetwork.save if hasattr(trainer.training, "Hypernetwork") else Hypernetwork.save

    def full(self: Hypernetwork, path: Path) -> None:
        if path.name.startswith("tiny-8.pt"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, path)

    monkeypatch.setattr(Hypernetwork, "save", full)
    events = done(train(config))
    assert any(
        "checkpoint 8 was not saved, training goes on" in n.text and "No space" in n.text for n in of(Notice, events)
    )
    assert sorted(p.name for p in (config.run / "hypernetworks").glob("*.pt")) == ["tiny-4.pt", "tiny.pt"]


@pytest.mark.parametrize(
    ("room", "remedy"), [(0, "make room and train again with --overwrite"), (1, "make room and resume")]
)
def test_a_final_checkpoint_that_cannot_be_saved_is_an_error(
    config: Config, monkeypatch: pytest.MonkeyPatch, room: int, remedy: str
) -> None:
    """With the way on: there is nothing to resume from if the disk was full from the beginning."""
    real, saves = Hypernetwork.save, itertools.count()

    def full(self: Hypernetwork, path: Path) -> None:
        if next(saves) >= room:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, path)

    monkeypatch.setattr(Hypernetwork, "save", full)
    with pytest.raises(TrainerError, match=rf"final checkpoint was not saved.*No space.*; {remedy}$"):
        list(train(config))


def test_only_the_last_checkpoints_and_round_ones_are_kept(changed: Change) -> None:
    config = changed(save_every=2, keep_last=2, keep_every=4, steps=12)
    done(train(config))
    kept = sorted(p.name for p in (config.run / "hypernetworks").iterdir() if p.suffix == ".pt")
    assert kept == ["tiny-10.pt", "tiny-12.pt", "tiny-4.pt", "tiny-8.pt", "tiny.pt"]
    assert not (config.run / "hypernetworks" / "tiny-6.pt.optim").exists()


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(config: Config, **options: Any) -> str:
    with pytest.raises(TrainerError, match=r"\A[^\n]+\Z") as raised:
        list(train(config, **options))
    return str(raised.value)


def test_a_run_is_not_overwritten_unless_asked(config: Config) -> None:
    done(train(config))
    before = digests(config.run)
    assert "holds a run already" in refused(config)
    assert digests(config.run) == before
    done(train(config, overwrite=True))
    assert digests(config.run) == before
    assert len(list(config.run.glob("settings-*.json"))) == 1


def test_changed_data_is_named_and_refused_unless_allowed(changed: Change, tmp_path: Path, pictures: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    done(train(changed(data=data, steps=5)))
    (data / "04-red cat.txt").write_text("dog", encoding="utf-8")
    said = refused(changed(data=data), resume=True)
    assert "changed: 04-red cat.png" in said
    assert "data_changed_ok" in said
    events = done(train(changed(data=data, data_changed_ok=True), resume=True))
    assert any("changed: 04-red cat.png" in n.text for n in of(Notice, events))
    assert len(settings.read(changed().run / "run.json").data_fingerprints) == 2


def test_mistakes_are_refused_before_anything_is_written(changed: Change, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "unet").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "empty" / "01.png")
    cases = {
        "no such folder": {"data": tmp_path / "none"},
        "all captions are empty": {"data": tmp_path / "empty"},
        'base_model "/none"': {"base_model": "/none"},
        "vae, text_encoder": {"base_model": str(tmp_path / "half")},
        "the base model has": {"sizes": (768,)},
        "multiples of 16": {"width": 72},
        "needs 3 numbers": {"use_dropout": True, "dropout_structure": "0, 0.1"},
        "torch.optim": {"optimizer": "AdamWW"},
        "preview_sampler": {"preview_sampler": "Euler b"},
        'device "tpu"': {"device": "tpu"},
        "none to train on": {"validation": 5},
        "the web UI cuts a name": {"name": "a(1)"},
        "must start and end with 1": {"layer_structure": "1, 2"},
    }
    for said, change in cases.items():
        assert said in refused(changed(**change))
    assert not (tmp_path / "runs").exists()


def test_resuming_what_does_not_fit_is_refused(changed: Change, tmp_path: Path) -> None:
    assert "no checkpoint" in refused(changed(), resume=True)
    assert "no such file" in refused(changed(), resume=tmp_path / "none.pt")
    config = changed(steps=4)
    done(train(config))
    assert "already" in refused(config, resume=True)
    said = refused(changed(layer_structure="1, 3, 1"), resume=True)
    assert "[1.0, 2.0, 1.0]" in said
    assert "[1.0, 3.0, 1.0]" in said


def test_a_file_where_the_run_should_be_is_named(changed: Change, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "cannot be made" in refused(changed(out=tmp_path / "file"))


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_plan_tells_what_the_run_then_is(changed: Change) -> None:
    config = changed(learn_rate="1e-3:4, 5e-4", validation=1)
    told = plan(config)
    assert not config.run.exists()
    events = done(train(config))
    started = of(Started, events)[0].plan
    assert started.seconds_per_step > 0
    network = Hypernetwork.load(config.run / "hypernetworks" / "tiny-4.pt")
    assert told.parameters == started.parameters == sum(p.numel() for p in network.parameters())
    assert (config.run / "hypernetworks" / "tiny-4.pt").stat().st_size == pytest.approx(told.file_bytes, rel=0.15)
    assert told.checkpoints == len(of(Saved, events))
    assert (told.steps, told.pictures, told.held_out, told.epochs) == (10, 4, 1, 5.0)
    assert told.rates == ((4, 1e-3, "1e-3 = 0.001"), (10, 5e-4, "5e-4 = 0.0005"))
    assert told.sizes == (20, 16, 24)


def test_a_wrong_optimizer_is_refused_before_anything_is_read(changed: Change) -> None:
    for values in ({"optimizer": "Adamm"}, {"optimizer_args": ("beta=1",)}):
        with pytest.raises(TrainerError, match=r"optimizer"):
            next(train(changed(**values, data=Path("nowhere"), base_model="nothing")))


@pytest.mark.parametrize(
    ("prompt", "edited"),
    [("a [cat:dog:0.5]", True), ("[cat|dog]", True), ("cat AND dog", True), ("[cat]", False), (r"\[a:1\]", False),
     ("(cat:1.3), [dull]", False), ("AND1", False)],
)  # fmt: skip
def test_prompt_editing_is_said_not_to_happen(changed: Change, prompt: str, edited: bool) -> None:
    warned = [w for w in plan(changed(preview_prompts=(prompt,))).warnings if "plain text" in w]
    assert bool(warned) == edited


def test_the_plan_warns(changed: Change) -> None:
    told = plan(changed(learn_rate="5e-3:5", use_dropout=True)).warnings
    assert any("5e-3" in text for text in told)
    assert any("drops nothing" in text for text in told)
    assert any("ends at step 5" in text for text in told)
