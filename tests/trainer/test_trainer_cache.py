"""Encoded pictures and captions on disk: the same numbers, nothing stale, nothing damaged believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer import base as bases
from trainer.base import BaseModel
from trainer.cache import Cache, checksum, key_of, weights_digest
from trainer.config import Config
from trainer.errors import TrainerError
from trainer.events import Finished, Notice, Stepped
from trainer.latents import Latents, View, encode
from trainer.pictures import read_folder
from trainer.prompt import TextEncoder
from trainer.session import train
from trainer.texts import Texts

TENSORS = {"mean": torch.arange(6.0).view(2, 3), "std": torch.ones(2, 3)}
NAMES = ("mean", "std")


@pytest.fixture(scope="module")
def base(pipeline: Path) -> BaseModel:
    return bases.load(str(pipeline), torch.device("cpu"))


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    key = key_of("latents", picture="x")
    assert cache.get(key, "x", NAMES) is None
    cache.put(key, TENSORS)
    found = Cache(tmp_path / "c").get(key, "x", NAMES)
    assert found is not None
    assert all(torch.equal(found[name], TENSORS[name]) for name in NAMES)
    assert not cache.notices()
    assert not list((tmp_path / "c").rglob("*.tmp"))


def test_without_a_folder_nothing_is_kept() -> None:
    cache = Cache(None)
    cache.put("ab", TENSORS)
    assert cache.get("ab", "x", NAMES) is None


def test_no_change_of_a_single_byte_is_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("abcd", TENSORS)
    path = cache.path("abcd")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        found = cache.get("abcd", "x", NAMES)
        assert found is None or all(torch.equal(found[name], TENSORS[name]) for name in NAMES), place
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert cache.get("abcd", "x", NAMES) is None
    assert "damaged, made anew (x)" in cache.notices()[0]


def test_an_entry_under_another_name_is_not_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("abcd", TENSORS)
    cache.path("abcd").rename(cache.path("abce"))
    assert cache.get("abce", "x", NAMES) is None
    assert cache.get("abcd", "x", NAMES) is None  # not there: not damaged
    assert len(cache.damaged) == 1


def test_a_disk_that_refuses_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "ab").write_text("in the way")
    cache = Cache(tmp_path / "c")
    cache.put("abcd", TENSORS)
    cache.put("abce", TENSORS)
    assert len(cache.notices()) == 1
    assert "cannot be written" in cache.notices()[0]
    with pytest.raises(TrainerError, match="is a file"):
        Cache(tmp_path / "c" / "ab")


def test_the_checksum_sees_names_shapes_types_and_bytes() -> None:
    one = torch.zeros(4)
    sums = [
        checksum({"a": one}), checksum({"b": one}), checksum({"a": one.view(2, 2)}), checksum({"a": one.int()}),
        checksum({"a": one + 1}),
    ]  # fmt: skip
    assert len(set(sums)) == 5
    assert checksum({"a": one.bfloat16()}) != checksum({"a": one.half()})


def encoded(base: BaseModel, views: list[View], folder: Path, distort: bool = False) -> tuple[Latents, Cache]:
    cache = Cache(folder)
    *_, last = encode(base, views, distort, cache)
    assert isinstance(last, Latents)
    return last, cache


def entries(folder: Path) -> int:
    return len(list(folder.rglob("*.safetensors")))


def test_latents_are_keyed_by_all_that_decides_them(base: BaseModel, pictures: Path, tmp_path: Path) -> None:
    picture = read_folder(pictures).pictures[0]
    view, folder = View(picture, (64, 64)), tmp_path / "c"
    first, _ = encoded(base, [view], folder)
    again, _ = encoded(base, [view], folder)
    assert entries(folder) == 1
    assert torch.equal(first.mean[0], again.mean[0])
    assert torch.equal(first.std[0], again.std[0])
    moved = replace(picture, path=picture.path, label="elsewhere/b.png", caption="other words", digest="other")
    encoded(base, [View(moved, (64, 64))], folder)
    assert entries(folder) == 1  # neither its name nor its caption decides
    encoded(base, [replace(view, flipped=True)], folder)
    encoded(base, [replace(view, size=(80, 48))], folder)
    encoded(base, [view], folder, distort=True)
    encoded(base, [View(replace(picture, content="other bytes"), (64, 64))], folder)
    assert entries(folder) == 5


def test_another_vae_has_other_entries_and_another_decoder_has_not(
    pipeline: Path, pictures: Path, tmp_path: Path
) -> None:
    other = bases.load(str(pipeline), torch.device("cpu"))
    view = View(read_folder(pictures).pictures[0], (64, 64))
    encoded(other, [view], tmp_path)
    with torch.no_grad():
        other.vae.decoder.conv_in.bias.add_(1)
    encoded(other, [view], tmp_path)
    assert entries(tmp_path) == 1
    with torch.no_grad():
        other.vae.encoder.conv_in.bias.add_(1)
    encoded(other, [view], tmp_path)
    assert entries(tmp_path) == 2


def test_flipped_latents_are_those_of_the_mirrored_picture(base: BaseModel, tmp_path: Path) -> None:
    from PIL import Image, ImageOps

    rng = __import__("numpy").random.default_rng(2)
    image = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype="uint8"))
    image.save(tmp_path / "a.png")
    ImageOps.mirror(image).save(tmp_path / "b.png")
    a, b = read_folder(tmp_path).pictures
    flipped, _ = encoded(base, [View(a, (64, 64), True)], tmp_path / "c")
    mirrored, _ = encoded(base, [View(b, (64, 64))], tmp_path / "d")
    assert torch.equal(flipped.mean[0], mirrored.mean[0])


def test_captions_are_keyed_by_all_that_decides_them(base: BaseModel, tmp_path: Path) -> None:
    def learn(clip_skip: int = 1, emphasis: str = "Original", prompt: str = "a (red:1.3) cat") -> torch.Tensor:
        texts = Texts(TextEncoder(base.tokenizer, base.text_encoder, clip_skip, emphasis), Cache(tmp_path))
        list(texts.learn([prompt]))
        return texts.known[prompt]

    first = learn()
    assert torch.equal(first, learn())
    assert entries(tmp_path) == 1
    learn(clip_skip=2)
    learn(emphasis="No norm")
    learn(prompt="a (red:1.4) cat")
    assert entries(tmp_path) == 4


def test_the_weights_digest_is_of_content() -> None:
    torch.manual_seed(0)
    a = torch.nn.Linear(3, 2)
    b = torch.nn.Linear(3, 2)
    assert weights_digest(a) != weights_digest(b)
    b.load_state_dict(a.state_dict())
    assert weights_digest(a) == weights_digest(b)
    assert weights_digest(a, None) == weights_digest(a)


# --- whole trainings --------------------------------------------------------------------------------------------------


def run(config: Config) -> tuple[list[float], list[str]]:
    events = list(train(config))
    assert isinstance(events[-1], Finished)
    return [e.loss for e in events if isinstance(e, Stepped)], [e.text for e in events if isinstance(e, Notice)]


def test_a_training_from_the_cache_is_the_same_and_damage_is_mended(
    changed: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"steps": 3, "latent_sampling": "random", "flip": True, "validation": 1}
    plain, _ = run(changed(**options, name="plain"))
    kept = tmp_path / "cache"
    first, _ = run(changed(**options, name="first", cache=str(kept)))
    count = entries(kept)
    latents = sorted(kept.rglob("*.safetensors"))
    latents[0].write_bytes(latents[0].read_bytes()[:-3] + b"abc")
    latents[1].write_bytes(b"")
    second, notices = run(changed(**options, name="second", cache=str(kept)))
    assert plain == first == second
    assert [n for n in notices if "2 damaged, made anew" in n]
    monkeypatch.setattr("trainer.latents._encoded", None)
    monkeypatch.setattr("trainer.prompt.TextEncoder.encode", None)
    third, notices = run(changed(**options, name="third", cache=str(kept)))
    assert third == plain
    assert not [n for n in notices if "damaged" in n]
    assert entries(kept) == count


def test_nan_in_a_latent_names_its_picture_and_is_never_kept(pipeline: Path, pictures: Path, tmp_path: Path) -> None:
    broken = bases.load(str(pipeline), torch.device("cpu"))
    with torch.no_grad():
        broken.vae.encoder.conv_in.bias.fill_(float("nan"))
    picture = read_folder(pictures).pictures[2]
    with pytest.raises(TrainerError, match=f"{picture.name}: the VAE makes NaN of this picture"):
        encoded(broken, [View(picture, (64, 64))], tmp_path)
    assert entries(tmp_path) == 0
