"""Previews: their text comes back whole, their noise is the one asked for, their sheet holds them all."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from hndoctor import collect
from hndoctor.formats import infotext
from trainer import base as bases
from trainer import saving
from trainer.config import Config, load_config
from trainer.diffusion import Injection
from trainer.errors import TrainerError
from trainer.events import Event, Finished, Notice, Previewed
from trainer.network import Hypernetwork
from trainer.preview import Previewer, sheet
from trainer.sampler import Noise
from trainer.session import train

Change = Callable[..., Config]

PROMPTS = [
    "red cat",
    'she said "hello, world": twice',
    "masterpiece, (best quality:1.2), [blurry]\nsecond line, of many\n\nfourth BREAK fifth",
    "a: b, c: d, Steps without number",
    "猫、空 \\(artist\\), <lora:x:0.8>",
    'ends with a "quote"',
    "",
]


@pytest.fixture(scope="module")
def base(pipeline: Path) -> bases.BaseModel:
    return bases.load(str(pipeline), torch.device("cpu"))


def previewer(base: bases.BaseModel, config: Config, prompts: tuple[str, ...] = ("red cat", "sky")) -> Previewer:
    generator = torch.Generator().manual_seed(1)
    contexts = tuple(torch.randn(77, 20, generator=generator) for _ in prompts)
    network = Hypernetwork.create((20,), activation_func="relu", weight_init="KaimingNormal", seed=1)
    injection = Injection(base.unet, [network])
    return Previewer(base, injection, config, prompts, contexts, torch.zeros(77, 20), (64, 64))


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("negative", ["", 'ugly, "bad": anatomy\nblurry'])
def test_the_web_uis_text_comes_back_from_the_png(
    base: bases.BaseModel, changed: Change, prompt: str, negative: str
) -> None:
    config = changed(preview_negative_prompt=negative, preview_sampler="DPM++ 2M", preview_noise="nv",
                     preview_cfg=7.5, clip_skip=2)  # fmt: skip
    drawer = previewer(base, config)
    with drawer.injection:
        data = drawer.png(Image.new("RGB", (64, 64)), prompt)
    with Image.open(io.BytesIO(data)) as picture:
        told = infotext.from_picture(picture)
    assert told is not None
    assert (told.prompt, told.negative_prompt) == (prompt, negative)
    assert (told.sampler, told.schedule_type, told.cfg_scale) == ("DPM++ 2M", "Karras", 7.5)
    assert (told.seed, told.steps, told.size, told.clip_skip) == (1, 2, (64, 64), 2)
    assert (told.model, told.model_hash, told.extra["RNG"]) == (base.name, base.hash, "NV")


@pytest.mark.parametrize("name", ["Euler a", "DPM++ SDE Karras", "UniPC"])
@pytest.mark.parametrize("source", ["cpu", "nv"])
def test_a_prompt_gives_the_same_picture_alone_and_among_others(
    base: bases.BaseModel, changed: Change, name: str, source: str
) -> None:
    config = changed(preview_sampler=name, preview_noise=source, preview_steps=3)
    both = previewer(base, config)
    with both.injection:
        two, again = both.draw(), both.draw()
        bare = both.draw(bare=True)
    alone = previewer(base, config, ("red cat",))
    with alone.injection:
        (one,) = alone.draw()
    difference = torch.tensor(list(one.tobytes()), dtype=torch.int) - torch.tensor(list(two[0].tobytes()))
    assert int(difference.abs().max()) <= 1  # a batch of two rounds otherwise
    assert [p.tobytes() for p in two] == [p.tobytes() for p in again]
    assert bare[0].tobytes() != two[0].tobytes()


def test_without_a_seed_every_checkpoint_has_its_own_and_tells_it(base: bases.BaseModel, changed: Change) -> None:
    drawer = previewer(base, changed(preview_seed=-1), ("sky",))
    drawn, seeds = [], []
    with drawer.injection:
        for number in (10, 20, 20):
            seeded = drawer.seeded(number)
            drawn.append(seeded.draw()[0].tobytes())
            seeds.append(infotext.parse(seeded.infotext("sky")).seed)
    assert drawn[0] != drawn[1] == drawn[2]
    assert seeds[0] != seeds[1] == seeds[2]
    assert min(seed for seed in seeds if seed is not None) >= 0
    fixed = previewer(base, changed(preview_seed=7), ("sky",))
    assert fixed.seeded(10) is fixed


def test_noise_sources_give_other_pictures(base: bases.BaseModel, changed: Change) -> None:
    drawn = []
    for source in ("cpu", "nv"):
        drawer = previewer(base, changed(preview_noise=source), ("sky",))
        with drawer.injection:
            drawn.append(drawer.draw()[0].tobytes())
    assert drawn[0] != drawn[1]


def test_a_failure_while_drawing_leaves_the_network_training(
    base: bases.BaseModel, changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawer = previewer(base, changed())
    (network,) = drawer.injection.networks
    network.train()
    monkeypatch.setattr(Previewer, "_latents", _fail)
    with drawer.injection, pytest.raises(RuntimeError):
        drawer.draw()
    assert network.training


def _fail(*_: object) -> Tensor:
    raise RuntimeError("no memory")


def test_a_sheet_is_laid_out_as_the_web_uis_grid() -> None:
    colours = ["red", "green", "blue", "white", "yellow"]
    pictures = [Image.new("RGB", (8, 4), colour) for colour in colours]
    grid = sheet(pictures)
    assert grid.size == (24, 8)
    assert [grid.getpixel((x, y)) for y in (1, 5) for x in (1, 9, 17)] == [
        *(Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in colours),
        (0, 0, 0),
    ]
    assert sheet(pictures[:2]).size == (16, 4)


@pytest.mark.parametrize(("name", "told"), [("Euler a", True), ("DPM fast", True), ("DPM++ 2M", False)])
def test_ensd_changes_the_noise_on_the_way_alone_and_is_told_where_the_web_ui_tells_it(
    base: bases.BaseModel, changed: Change, name: str, told: bool
) -> None:
    plain, shifted = Noise([4], (4, 2, 2)), Noise([4], (4, 2, 2), delta=31337)
    assert torch.equal(plain.draw(), shifted.draw())
    assert torch.equal(shifted.draw(), Noise([4 + 31337], (4, 2, 2)).draw())
    drawn = previewer(base, changed(preview_ensd=31337, preview_sampler=name), ("sky",))
    assert ("ENSD: 31337" in drawn.infotext("sky")) == told


def _no_memory(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


# --- in a run ---------------------------------------------------------------------------------------------------------


def finished(config: Config, **options: Any) -> list[Event]:
    events = list(train(config, **options))
    assert isinstance(events[-1], Finished)
    return events


def weights(config: Config) -> list[list[float]]:
    network = Hypernetwork.load(config.run / "hypernetworks" / f"{config.name}.pt")
    return [parameter.flatten().tolist() for parameter in network.parameters()]


@pytest.mark.parametrize("name", ["DPM++ SDE Karras", "DPM++ 2S a", "UniPC"])
def test_no_sampler_changes_the_training(changed: Change, tmp_path: Path, name: str) -> None:
    still: dict[str, Any] = {"steps": 4, "save_every": 2, "use_dropout": True, "dropout_structure": "0, 0.2, 0"}
    silent = changed(**still, out=tmp_path / "silent")
    finished(silent)
    config = changed(**still, image_every=2, preview_sampler=name, preview_noise="nv", preview_sheet=True,
                     preview_prompts=("red cat", "sky", "cat"), safetensors=True, tensorboard=True)  # fmt: skip
    finished(config)
    assert weights(config) == weights(silent)
    for kind in ("pt", "pt.optim"):
        assert (config.run / "hypernetworks" / f"tiny-2.{kind}").read_bytes() == (
            silent.run / "hypernetworks" / f"tiny-2.{kind}"
        ).read_bytes()


def test_a_run_writes_sheets_copies_and_a_board(changed: Change) -> None:
    config = changed(steps=4, image_every=2, save_every=2, preview_prompts=("red cat", "sky"), preview_sheet=True,
                     safetensors=True, tensorboard=True, validation=1)  # fmt: skip
    events = finished(config)
    assert not [event for event in events if isinstance(event, Notice) and "TensorBoard" in event.text]
    names = {path.name for path in (config.run / "sheets").iterdir()}
    assert names == {"tiny-0-sheet.png", "tiny-2-sheet.png", "tiny-4-sheet.png"}
    with Image.open(config.run / "sheets" / "tiny-2-sheet.png") as grid:
        assert grid.size == (128, 64)
    for stem in ("tiny-2", "tiny-4", "tiny"):
        pt, copy = (Hypernetwork.load(config.run / "hypernetworks" / f"{stem}{end}") for end in (".pt", ".safetensors"))
        assert copy.metadata() == pt.metadata()
        assert all(torch.equal(a, b) for a, b in zip(copy.parameters(), pt.parameters(), strict=True))
    (run,) = collect.find_runs(config.run)
    assert [path.path.name for path in run.checkpoints] == ["tiny-2.pt", "tiny-4.pt", "tiny.pt"]
    assert len(run.previews) == 6
    told = board(config.run / "tensorboard")
    assert told["Loss/train"] == [1, 2, 3, 4]
    assert told["Learn rate/train"] == [1, 2, 3, 4]
    assert told["Loss/validation"] == [2, 4]
    assert told["Preview/1"] == [0, 2, 4]


def board(folder: Path) -> dict[str, list[int]]:
    """Steps by tag, as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [event.step for event in events.Scalars(tag)] for tag in tags["scalars"]}
    return scalars | {tag: [event.step for event in events.Images(tag)] for tag in tags["images"]}


def test_the_moving_average_is_previewed_beside_its_networks(changed: Change) -> None:
    config = changed(steps=4, image_every=2, save_every=2, ema=0.5, preview_ema=True, learn_rate="1e-1",
                     preview_prompts=("red cat", "sky"), tensorboard=True)  # fmt: skip
    events = finished(config)
    assert [event.number for event in events if isinstance(event, Previewed) and event.average] == [2, 4]
    names = {path.name for path in (config.run / "ema").glob("*.png")}
    assert names == {"tiny-2.png", "tiny-2-1.png", "tiny-4.png", "tiny-4-1.png"}
    ours, theirs = ((config.run / folder / "tiny-4.png").read_bytes() for folder in ("images", "ema"))
    assert ours != theirs
    (run,) = collect.find_runs(config.run)
    assert len(run.previews) == 6  # those of the weights that are judged
    assert board(config.run / "tensorboard")["Preview of the average/1"] == [2, 4]
    finished(replace(config, steps=6), resume=config.run / "hypernetworks" / "tiny-2.pt")
    aside = {path.name for path in (config.run / "set-aside").rglob("ema-*.png")}
    assert aside == {"ema-tiny-4.png", "ema-tiny-4-1.png"}


def test_going_back_takes_copies_sheets_and_board_along(changed: Change) -> None:
    config = changed(steps=5, image_every=2, save_every=2, preview_prompts=("red cat", "sky"), preview_sheet=True,
                     safetensors=True, tensorboard=True)  # fmt: skip
    finished(config)
    finished(config, resume=config.run / "hypernetworks" / "tiny-2.pt")
    aside = {path.name for path in (config.run / "set-aside").rglob("*")}
    assert {"tiny-4.safetensors", "tiny-4-sheet.png", "tiny-4-1.png", "tiny.safetensors"} <= aside
    assert board(config.run / "tensorboard")["Loss/train"] == [1, 2, 3, 4, 5]


def test_without_the_copy_an_old_one_does_not_stay_beside_a_new_network(changed: Change) -> None:
    finished(changed(steps=3, safetensors=True))
    finished(changed(steps=5), resume=True)
    assert not (changed().run / "hypernetworks" / "tiny.safetensors").exists()


def test_the_runs_own_configuration_is_complete_and_makes_the_run_again(changed: Change, tmp_path: Path) -> None:
    config = changed(steps=5, image_every=4, preview_steps=1)
    finished(config)
    file = config.run / "config.toml"
    told = load_config(file)
    assert (told.sizes, told.width, told.height) == ((20, 16, 24), 64, 64)
    assert told.preview_prompts
    again = load_config(file, {"out": tmp_path / "again"})
    finished(again)
    for part in ("hypernetworks/tiny-4.pt", "hypernetworks/tiny.pt", "images/tiny-4.png", "hypernetwork_loss.csv"):
        assert (config.run / part).read_bytes() == (again.run / part).read_bytes()
    assert list(config.run.glob("settings-*.json"))


def test_too_little_memory_for_a_preview_does_not_end_the_training(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Previewer, "draw", _no_memory)
    events = finished(changed(steps=4, image_every=2))
    said = [event.text for event in events if isinstance(event, Notice)]
    assert [text.split(",")[0] for text in said if "memory" in text] == [
        f"preview {number} was not drawn" for number in (0, 2, 4)
    ]
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].step) == ("done", 4)


def test_tensorboard_that_is_not_installed_is_said_before_anything_is_loaded(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.board.find_spec", lambda _: None)
    with pytest.raises(TrainerError, match="needs TensorBoard"):
        list(train(changed(tensorboard=True)))
    assert not changed().run.exists()


def test_previews_come_in_the_order_of_the_prompts(changed: Change) -> None:
    prompts = ("red cat", " ".join(["sky, cat,"] * 40), "sky")  # the second is two chunks long
    events = finished(changed(steps=1, image_every=1, preview_prompts=prompts))
    shown = next(event for event in events if isinstance(event, Previewed)).paths
    told = []
    for path in shown:
        with Image.open(path) as picture:
            text = infotext.from_picture(picture)
            told.append(text.prompt if text else None)
    assert told == [prompt.strip() for prompt in prompts]


@pytest.mark.parametrize("whole", [True, False])
def test_a_kill_between_a_network_and_its_copy_is_mended(changed: Change, whole: bool) -> None:
    config = changed(steps=5, save_every=2, safetensors=True)
    finished(config)
    folder = config.run / "hypernetworks"
    stands, newer = folder / "tiny-2.safetensors", (folder / "tiny-4.safetensors").read_bytes()
    left = folder / "tiny-2.safetensors.next"
    if whole:  # killed after the network was renamed: the copy that waits belongs to it
        left.write_bytes(newer)
        (folder / "tiny-2.pt").write_bytes((folder / "tiny-4.pt").read_bytes())
    else:
        left.write_bytes(newer[:100])
    before = stands.read_bytes()
    saving.settle(folder)
    assert stands.read_bytes() == (newer if whole else before)
    assert not left.exists()
