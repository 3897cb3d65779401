"""The trainer on the base model that comes with the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from PIL import Image

from trainer import base
from trainer.config import POCKET, load_config
from trainer.diffusion import apply_hypernetwork
from trainer.errors import TrainerError
from trainer.events import Finished, Stepped
from trainer.network import Hypernetwork
from trainer.session import train


def there() -> bool:
    """Whether this checkout has the pocket model's weights."""
    if importlib.util.find_spec("trainer.pocket") is None:
        return False
    try:
        return bool(base.folder(POCKET))
    except TrainerError:
        return False


pytestmark = pytest.mark.skipif(not there(), reason="the pocket model's weights are not in this checkout")


def test_it_has_four_sizes_and_a_native_frame() -> None:
    model = base.load(POCKET, torch.device("cpu"))
    assert len(set(model.sizes)) == 4
    assert model.native_size == 128
    assert all(not p.requires_grad for p in model.unet.parameters())


def test_a_training_needs_nothing_but_pictures(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (160, 128), colour).save(data / f"{colour} sky {number}.png")
    options = {"name": "first", "data": data, "out": tmp_path, "steps": 2, "image_every": 0}
    events = list(train(load_config(None, options)))
    assert isinstance(events[-1], Finished)
    assert all(0 < event.loss < 3 for event in events if isinstance(event, Stepped))
    network = Hypernetwork.load(tmp_path / "first" / "hypernetworks" / "first.pt")
    assert network.step == 2
    assert network.sd_checkpoint_name == POCKET


def test_networks_work_in_its_pipeline() -> None:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(base.folder(POCKET), local_files_only=True).to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    network = Hypernetwork.create(base.context_sizes(pipe.unet), weight_init="KaimingNormal", seed=1)

    def draw() -> bytes:
        drawn = pipe("red sky", num_inference_steps=1, generator=torch.Generator().manual_seed(1), width=64, height=64)
        return bytes(drawn.images[0].tobytes())

    before = draw()
    with apply_hypernetwork(pipe, network):
        assert draw() != before
    assert draw() == before
