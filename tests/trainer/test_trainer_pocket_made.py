"""The programs that made the embedded model, on a pool of a few scenes and for a few steps each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from trainer.pocket import feed, make, make_unet, make_vae, pool, tokenizer, twins

ROOT = Path(__file__).parents[2]
SCENES = 6  # in each of two shards
UNET = make_unet.Plan(steps=4, decay=2, batch=2, warm=2)
VAE = make_vae.Plan(crop_steps=2, whole_steps=2, crop_batch=2, whole_batch=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a whole making, with the model in `model`."""
    work = tmp_path_factory.mktemp("pocket")
    words = ["all", "--work", str(work), "--shards", "2", "--target", str(work / "model")]
    words += ["--steps", str(UNET.steps), "--decay", str(UNET.decay), "--batch", str(UNET.batch)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SHARD", SCENES)
        patch.setattr(make_vae, "Plan", partial(make_vae.Plan, **vars(VAE)))
        patch.setattr(make_vae, "TELL", 2)
        patch.setattr(make_unet, "TELL", 2)
        patch.setattr(make_unet, "SAVE", 2)
        make.main(words)
        make.main(words)  # everything is there: nothing is done again but the export
    return work


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of a few."""
    monkeypatch.setattr(pool, "SHARD", SCENES)


def lines(file: Path) -> list[dict[str, float]]:
    """What a stage told."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_every_stage_leaves_its_files_and_is_done_once(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == [
        "factor.json", "latents-000.npy", "latents-001.npy", "model", "pixels-000.npy", "pixels-001.npy",
        "tokenizer", "tokens-000.npy", "tokens-001.npy", "unet.jsonl", "unet.pt", "vae.jsonl", "vae.pt",
    ]  # fmt: skip
    assert np.load(made / "pixels-000.npy").shape == (SCENES, 128, 128, 3)
    assert np.load(made / "latents-001.npy").shape == (SCENES, 4, 16, 16)
    assert np.load(made / "tokens-001.npy").shape == (SCENES, feed.VARIANTS, tokenizer.LENGTH)
    assert [line["step"] for line in lines(made / "vae.jsonl")] == [2, 4]
    assert [line["step"] for line in lines(made / "unet.jsonl")] == [2, 4]
    assert lines(made / "unet.jsonl")[0]["rate"] == pytest.approx(replace(UNET, warm=200).rate_at(2))


def test_what_is_exported_draws(made: Path) -> None:
    model = made / "model"
    pipe = StableDiffusionPipeline.from_pretrained(model, local_files_only=True).to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    assert pipe("a red sky", num_inference_steps=1).images[0].size == (128, 128)
    assert pipe.vae.config.scaling_factor == json.loads((made / "factor.json").read_text())["scaling_factor"]
    assert json.loads((model / "text_encoder" / "config.json").read_text())["dtype"] == "float32"
    assert {path.stat().st_mode & 0o777 for path in (model / "unet").iterdir()} <= {0o644, 0o666}


def test_the_scaled_latents_have_unit_deviation(made: Path) -> None:
    data = feed.Data(made, make.factor(made))
    assert float(data.latents[:SCENES].std()) == pytest.approx(1, abs=0.02)


def test_captions_are_dropped_as_often_as_asked(made: Path) -> None:
    data = feed.Data(made, 1.0)
    latents, ids = data.batch(400, 0.25, torch.Generator().manual_seed(1))
    assert latents.shape == (400, 4, 16, 16)
    empty = float((ids == data.empty).all(1).float().mean())
    assert empty == pytest.approx(0.25, abs=0.07)  # three standard deviations


def test_plain_scenes_are_shown_most() -> None:
    """As the docstring of the weights says; half a percent of rounding and two standard deviations of 8,000."""
    shown: Counter[str] = Counter()
    for index in range(8000):
        scene = pool.scene_at(pool.TRAIN, index)
        kind = {(True, True): "plain", (False, True): "palette", (True, False): "hand", (False, False): "both"}
        shown[kind[scene.palette == "plain", scene.hand == "plain"]] += feed._share(scene)
    share = {kind: round(count / sum(shown.values()), 3) for kind, count in shown.items()}
    assert share == pytest.approx({"plain": 0.53, "palette": 0.21, "hand": 0.22, "both": 0.05}, abs=0.015)


def test_an_untrained_autoencoder_already_gives_colours_back() -> None:
    torch.manual_seed(VAE.seed)
    vae = make_vae.new().eval()
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]], np.uint8)
    x = make_vae.tensor(np.broadcast_to(colours[:, None, None], (3, 64, 64, 3)))
    with torch.no_grad():
        back = vae.decode(vae.encode(x).latent_dist.mean).sample
    inside = back[:, :, 24:40, 24:40].mean(dim=(2, 3))  # zeros beyond the border darken it
    for channel in range(3):
        others = [other for other in range(3) if other != channel]
        assert (inside[channel, channel] > inside[channel, others]).all()


def test_batches_are_crops_first_and_depend_on_the_process(made: Path) -> None:
    shards = pool.pixels(made)
    first = make_vae.batch(shards, VAE, 0, 0, 1)
    assert first.shape == (VAE.crop_batch, 3, 64, 64)
    assert torch.equal(first, make_vae.batch(shards, VAE, 0, 0, 1))
    assert not torch.equal(first, make_vae.batch(shards, VAE, 0, 1, 1))
    assert make_vae.batch(shards, VAE, VAE.crop_steps, 0, 2).shape == (VAE.whole_batch // 2, 3, 128, 128)


def test_the_autoencoder_goes_on_where_it_stopped(made: Path, tmp_path: Path) -> None:
    for name in ("pixels-000.npy", "vae.pt"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    before = make_vae.trained(tmp_path).state_dict()
    make_vae.train(tmp_path, make_vae.Plan(**{**vars(VAE), "whole_steps": 3}))
    held = torch.load(tmp_path / "vae.pt", weights_only=True)
    assert held["step"] == 5
    assert held["opt"]["state"][0]["step"] == 5
    assert any(not torch.equal(before[name], value) for name, value in make_vae.trained(tmp_path).state_dict().items())


def test_the_unet_stops_when_asked_and_goes_on(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in made.iterdir():
        if path.is_file() and not path.name.startswith("unet"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    tokenizer.write(tmp_path / "tokenizer")
    monkeypatch.setattr(make_unet, "STOP", 2)
    (tmp_path / "stop").touch()
    assert list(make_unet.train(tmp_path, UNET, 1.0)) == []
    assert torch.load(tmp_path / "unet.pt", weights_only=True)["step"] == 2
    (tmp_path / "stop").unlink()
    monkeypatch.setattr(make_unet, "TELL", 3)
    assert [line["step"] for line in make_unet.train(tmp_path, UNET, 1.0)] == [3]
    assert torch.load(tmp_path / "unet.pt", weights_only=True)["step"] == UNET.steps


def test_the_rate_warms_up_stays_and_decays() -> None:
    plan = make_unet.Plan(steps=100, decay=20, warm=10, rate=1.0)
    assert [plan.rate_at(step) for step in (0, 9, 50, 80, 90)] == pytest.approx([0.1, 1, 1, 1, 0.5])
    assert plan.rate_at(100) == pytest.approx(0.005)


def test_the_processes_share_the_shards(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pixels-000.npy", "pixels-001.npy", "vae.pt"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    monkeypatch.setattr(twins, "join", lambda: (1, 2))
    feed.encode(tmp_path, make_vae.trained(tmp_path))
    assert [path.name for path in tmp_path.glob("latents-*")] == ["latents-001.npy"]


TOGETHER = """
import torch
from trainer.pocket import twins
rank, world = twins.join()
held = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(3))]
held[0].grad, held[2].grad = torch.full((2,), float(rank)), torch.full((3,), 10.0 * rank)
twins.average(held, world)
assert [float(p.grad[0]) for p in (held[0], held[2])] == [0.5, 5.0], held
assert held[1].grad is None
assert twins.agree(rank == 1, world) and not twins.agree(False, world)
assert twins.join() == (rank, world) == (rank, 2)
twins.leave()
"""


def test_two_processes_average_their_gradients_and_agree(tmp_path: Path) -> None:
    program = tmp_path / "together.py"
    program.write_text(TOGETHER, encoding="utf-8")
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(program)]
    more = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=os.environ | more, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_word_is_one_token_and_other_text_its_bytes(made: Path) -> None:
    rows = feed.token_rows(made / "tokenizer", ["balloon", "qx", ""])
    start, end = (tokenizer.vocabulary()[0][mark] for mark in (tokenizer.START, tokenizer.END))
    assert [list(row).index(end) for row in rows] == [2, 3, 1]
    assert set(rows[:, 0]) == {start}
