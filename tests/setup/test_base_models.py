"""What can be told of a base model without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hndoctor.setup.base import Base, find_base

UNET = {
    "cross_attention_dim": 768,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "sample_size": 64,
}
VAE = {"block_out_channels": [128, 256, 512, 512]}


def a_folder(path: Path, unet: object, vae: object = VAE) -> str:
    for part, config in (("unet", unet), ("vae", vae)):
        (path / part).mkdir(parents=True)
        text = config if isinstance(config, str) else json.dumps(config)
        (path / part / "config.json").write_text(text, encoding="utf-8")
    return str(path)


def test_a_diffusers_folder_tells_its_widths_and_its_side(tmp_path: Path) -> None:
    found = find_base(a_folder(tmp_path / "m", UNET))
    assert found == Base(768, (768, 320, 640, 1280), 512, tmp_path / "m")


@pytest.mark.parametrize(
    ("changes", "vae", "side"),
    [({"sample_size": 32}, {"block_out_channels": [64, 128]}, 64), ({}, "{", 512), ({"sample_size": None}, VAE, None)],
)
def test_the_side_is_the_latents_times_what_the_vae_halves(tmp_path: Path, changes, vae, side) -> None:
    assert find_base(a_folder(tmp_path / "m", {**UNET, **changes}, vae)).side == side


def test_widths_by_block_count_once_and_the_first_is_the_texts(tmp_path: Path) -> None:
    found = find_base(a_folder(tmp_path / "m", {**UNET, "cross_attention_dim": [1024, 1024]}))
    assert (found.width, found.sizes) == (1024, (1024, 320, 640, 1280))


@pytest.mark.parametrize("unet", ["", "[]", "{}", '{"block_out_channels": 3, "down_block_types": []}', "null"])
def test_a_folder_that_cannot_be_read_is_known_by_its_name_or_not_at_all(tmp_path: Path, unet: str) -> None:
    assert find_base(a_folder(tmp_path / "sd-v2-thing", unet)).width == 1024
    assert find_base(a_folder(tmp_path / "thing", unet)) == Base()


@pytest.mark.parametrize(
    ("name", "width"),
    [("sd-v1-5", 768), ("stable-diffusion-2-1", 1024), ("v2-768", 1024), ("sd_xl_base", 2048), ("sd15", None)],
)
def test_a_name_tells_what_it_tells(name: str, width: int | None) -> None:
    assert find_base(name).width == width


def test_the_pocket_models_widths_are_its_own_settings() -> None:
    found = find_base("pocket")
    assert found.folder is not None
    config = json.loads((found.folder / "unet" / "config.json").read_text(encoding="utf-8"))
    assert found.width == config["cross_attention_dim"]
    assert found.sizes[0] == found.width
