"""Pictures, captions and the stream of samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainer import seeding
from trainer.buckets import bucket_sizes, nearest, sizes_for
from trainer.config import Config
from trainer.data import Latents, TrainingData, split, template_lines
from trainer.errors import TrainerError
from trainer.pictures import Picture, Reading, differences, load, read_folder, to_size, to_tensor


def paint(path: Path, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any) -> Path:
    Image.new(mode, size, color=200 if mode in ("L", "I;16") else None).save(path, **options)
    return path


def test_pictures_come_by_name_and_unreadable_ones_are_named(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.webp"):
        paint(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (tmp_path / "notes.md").write_text("no picture")
    paint(tmp_path / "cut.png", (64, 64))
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:60])
    found = read_folder(tmp_path)
    assert [picture.name for picture in found.pictures] == ["a.jpg", "b.png", "c.webp"]
    assert sorted(name for name, _ in found.skipped) == ["broken.png", "cut.png"]


def test_no_folder_no_pictures_and_no_readable_picture_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no such folder"):
        read_folder(tmp_path / "none")
    with pytest.raises(TrainerError, match="no pictures"):
        read_folder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"rubbish")
    with pytest.raises(TrainerError, match=r"its only picture cannot be read; a\.png"):
        read_folder(tmp_path)


def test_what_is_odd_is_taken_and_told(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    frames[0].save(tmp_path / "anim.gif", save_all=True, append_images=frames[1:])
    for name in ("utf16.png", "binary.png", "fine.png"):
        paint(tmp_path / name)
    (tmp_path / "utf16.txt").write_bytes("red cat".encode("utf-16"))
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "fine.txt").write_bytes(b"red cat,\r\nsky\r\n")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "phone.HEIC").write_bytes(b"?")
    found = read_folder(tmp_path)
    assert [picture.name for picture in found.pictures] == ["anim.gif", "binary.png", "fine.png", "utf16.png"]
    assert found.skipped == ()
    assert [picture.caption for picture in found.pictures][2:] == ["red cat,\nsky\n", "red cat"]
    other, animated, binary, utf16 = found.notes
    assert other.endswith("webp: phone.HEIC")
    assert animated == "animated, the first frame is taken: anim.gif"
    assert "binary.png has control characters" in binary
    assert "utf16.png is saved with UTF-16" in utf16


def test_the_fingerprint_follows_names_bytes_and_captions(tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    paint(tmp_path / "b.png")
    before = read_folder(tmp_path)
    assert read_folder(tmp_path).fingerprint == before.fingerprint
    (tmp_path / "a.txt").write_text("cat", encoding="utf-8")
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    after = read_folder(tmp_path)
    assert after.fingerprint != before.fingerprint
    assert list(differences(before.listing(), after.listing())) == ["removed: b.png", "added: c.png", "changed: a.png"]


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (30, 10))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif)
    assert load(tmp_path / "a.jpg").size == (10, 30)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    assert load(paint(tmp_path / f"a.{suffix}", mode=mode)).mode == "RGB"


def test_sixteen_bit_greys_keep_their_shades(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    assert np.asarray(load(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 100, 255]


def test_a_picture_is_cut_not_squeezed(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, 20:60] = 255  # the middle square
    image = Image.fromarray(pixels)
    cut = np.asarray(to_size(image, 40, 40))
    assert cut.shape == (40, 40, 3)
    assert cut.min() == 255
    assert np.asarray(to_size(image, 40, 40, distort=True))[:, :8].max() == 0


def test_pixels_run_from_minus_one_to_one() -> None:
    tensor = to_tensor(Image.fromarray(np.array([[[0, 128, 255]]], dtype=np.uint8)))
    assert tensor.shape == (3, 1, 1)
    assert tensor.flatten().tolist() == pytest.approx([-1, 128 / 127.5 - 1, 1], abs=1e-6)


# --- the stream -------------------------------------------------------------------------------------------------------


class Plain:
    """Texts that stand for themselves."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def batch(self, prompts: list[str]) -> torch.Tensor:
        self.seen += prompts
        return torch.zeros(len(prompts), 77, 4)


def stream(config: Config, count: int = 5, repeats: int = 1) -> tuple[TrainingData, Plain]:
    pictures = [Picture(Path(f"{n}.png"), f"red, cat, {n}", str(n), repeats=repeats) for n in range(count)]
    mean = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 4, 2, 2)
    texts = Plain()
    return TrainingData(pictures, Latents(mean, torch.ones_like(mean)), texts, config, 1000), texts


def test_every_picture_comes_once_an_epoch_in_another_order(config: Config) -> None:
    data, _ = stream(config)
    epochs = [[data.picture_at(5 * epoch + place) for place in range(5)] for epoch in range(6)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_sample_depends_on_its_position_alone(config: Config) -> None:
    data, _ = stream(config)
    other, _ = stream(config)
    whole, tail = data.batch(0, 8), other.batch(6, 2)
    assert whole.pictures[6:] == tail.pictures
    assert torch.equal(whole.noise[6:], tail.noise)
    assert torch.equal(whole.timesteps[6:], tail.timesteps)
    assert torch.equal(whole.latents[6:], tail.latents)


def test_noise_and_timesteps_are_what_they_should_be(config: Config) -> None:
    data, _ = stream(config)
    batch = data.batch(0, 4000)
    assert float(batch.noise.std()) == pytest.approx(1, abs=0.02)
    assert float(batch.timesteps.float().mean()) == pytest.approx(499.5, abs=15)
    assert (int(batch.timesteps.min()), int(batch.timesteps.max())) >= (0, 990)
    assert int(batch.timesteps.max()) <= 999


def test_latents_are_drawn_once_or_anew_or_not_at_all(changed: Callable[..., Config]) -> None:
    latents = Latents(torch.zeros(2, 4, 2, 2), torch.ones(2, 4, 2, 2))
    once, again = (torch.stack(list(latents.chosen("once", 0, ["a", "b"]).mean)) for _ in range(2))
    assert torch.equal(once, again)
    assert float(once.std()) > 0.5
    assert not torch.stack(list(latents.chosen("deterministic", 0, ["a", "b"]).std)).any()
    data, _ = stream(changed(latent_sampling="random"))
    first, again, later = data.batch(0, 5), data.batch(0, 5), data.batch(5, 5)
    assert torch.equal(first.latents, again.latents)
    assert not torch.equal(first.latents.sort(0).values, later.latents.sort(0).values)


def test_prompts_are_filled_shuffled_and_dropped_by_position(changed: Callable[..., Config]) -> None:
    config = changed(template=("[filewords] by [name]", "[filewords]"), shuffle_tags=True, tag_drop_out=0.3)
    data, texts = stream(config)
    data.batch(0, 200)
    again, same = stream(config)
    again.batch(0, 200)
    assert texts.seen == same.seen
    assert {text.endswith("by tiny") for text in texts.seen} == {True, False}
    assert len({text.count(",") for text in texts.seen}) > 1
    assert data.possible_texts() is None


def test_captions_are_dropped_whole_at_the_asked_rate(changed: Callable[..., Config]) -> None:
    data, texts = stream(changed(caption_drop_out=0.25))
    data.batch(0, 2000)
    assert texts.seen.count("") / 2000 == pytest.approx(0.25, abs=0.04)
    assert "" in (data.possible_texts() or [])


def test_held_out_pictures_are_apart_and_always_the_same(changed: Callable[..., Config]) -> None:
    pictures = [Picture(Path(f"{n}.png"), "", "") for n in range(10)]
    for validation, count in ((0, 0), (2, 2), (0.3, 3), (0.01, 1)):
        train, held_out = split(pictures, changed(validation=validation))
        assert len(held_out) == count
        assert sorted(p.name for p in (*train, *held_out)) == sorted(p.name for p in pictures)
        assert split(pictures, changed(validation=validation)) == (train, held_out)
    with pytest.raises(TrainerError, match="none to train on"):
        split(pictures, changed(validation=10))


def test_templates_are_lines_or_a_file(changed: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "style.txt").write_text("a [filewords]\n\nb [name]\n", encoding="utf-8")
    assert template_lines(changed(template=(str(tmp_path / "style.txt"),))) == ("a [filewords]", "b [name]")
    assert template_lines(changed(template=("[filewords]",))) == ("[filewords]",)
    with pytest.raises(TrainerError, match="cannot be read"):
        template_lines(changed(template=(str(tmp_path / "none.txt"),)))


def test_repeats_make_an_epoch_longer(config: Config) -> None:
    data, _ = stream(config, 4, repeats=3)
    assert (len(data), data.steps_per_epoch) == (12, 6)
    assert sorted(data.picture_at(place) for place in range(12)) == sorted([0, 1, 2, 3] * 3)


def test_half_of_the_samples_are_mirrored(changed: Callable[..., Config]) -> None:
    data, _ = stream(changed(flip=True))
    assert sum(data.flipped_at(place) for place in range(1000)) / 1000 == pytest.approx(0.5, abs=0.05)
    assert not any(stream(changed(flip=False))[0].flipped_at(place) for place in range(20))
    mean = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 4, 2, 2)  # two pictures, then the same mirrored
    pictures = [Picture(Path(f"{n}.png"), "cat", str(n)) for n in range(2)]
    two = TrainingData(pictures, Latents(mean, mean), Plain(), changed(flip=True), 1000)
    batch = two.batch(0, 40)
    for place, (picture, latent) in enumerate(zip(batch.pictures, batch.latents, strict=True)):
        assert float(latent[0, 0, 0]) == picture + 2 * two.flipped_at(place)


def test_pictures_of_unlike_sizes_come_in_batches_of_one_size(changed: Callable[..., Config]) -> None:
    shapes = [(4, 2, 2), (4, 2, 3), (4, 2, 3), (4, 3, 2), (4, 2, 2)]
    pictures = [Picture(Path(f"{n}.png"), "cat", str(n)) for n in range(5)]
    latents = Latents(tuple(torch.full(s, float(n)) for n, s in enumerate(shapes)), tuple(map(torch.zeros, shapes)))
    weights = [None, torch.full((1, 2, 3), 2.0), None, None, None]
    config = changed(batch_size=2, latent_sampling="random")
    data = TrainingData(pictures, latents, Plain(), config, 1000, weights)
    for position in range(0, 40, 2):
        batch = data.batch(position, 2)
        assert [float(latent.mean()) for latent in batch.latents] == list(batch.pictures)
        assert batch.latents.shape[1:] == shapes[batch.pictures[0]] == batch.noise.shape[1:]
        assert batch.weight is not None
        assert [float(one.mean()) for one in batch.weight] == [2.0 if n == 1 else 1.0 for n in batch.pictures]


def test_the_template_line_is_drawn_anew_or_once_as_the_web_ui(changed: Callable[..., Config]) -> None:
    lines = ("a [filewords]", "", "b [filewords]", "c [filewords]")
    fresh, seen = stream(changed(template=lines))
    fresh.batch(0, 60)
    assert len(set(seen.seen)) == 15
    frozen, seen = stream(changed(template=lines, webui_template=True), count=30)
    frozen.batch(0, 90)
    assert len(set(seen.seen)) <= 30
    assert "" in seen.seen
    assert set(frozen.possible_texts() or []) == set(seen.seen)
    shuffled, seen = stream(changed(template=lines, webui_template=True, shuffle_tags=True))
    shuffled.batch(0, 60)
    assert len({text[0] for text in seen.seen if text}) == 3  # tags change: the web UI draws anew too
    assert frozen.plain_text(frozen.pictures[0]).startswith("a ")


def test_numbered_folders_repeat_and_others_are_named(tmp_path: Path) -> None:
    for folder in ("", "3_cat", "0_off", "rest"):
        (tmp_path / folder).mkdir(exist_ok=True)
        paint(tmp_path / folder / "a.png")
    (tmp_path / "3_cat" / "a.txt").write_text("tom", encoding="utf-8")
    found = read_folder(tmp_path, Reading(repeats=2))
    assert [(p.name, p.repeats, p.caption) for p in found.pictures] == [("a.png", 2, "a"), ("3_cat/a.png", 3, "tom")]
    assert [note.split(" are not used")[0] for note in found.notes] == [
        "the pictures in the folder 0_off", "the pictures in the folder rest"
    ]  # fmt: skip
    (tmp_path / "a.png").unlink()
    assert [p.name for p in read_folder(tmp_path).pictures] == ["3_cat/a.png"]


def test_file_names_are_captions_as_the_web_ui_cuts_them(tmp_path: Path) -> None:
    paint(tmp_path / "01-red_cat.png")
    how = Reading(word_regex=r"[a-z]+", join=", ")
    assert read_folder(tmp_path, how).pictures[0].caption == "red, cat"
    with pytest.raises(TrainerError, match=r"filename_regex: .*regular expression"):
        read_folder(tmp_path, Reading(word_regex="("))


# --- buckets ----------------------------------------------------------------------------------------------------------


def test_buckets_are_on_the_grid_within_the_area_and_turned_both_ways(changed: Callable[..., Config]) -> None:
    sizes = bucket_sizes((512, 512), 64, changed())
    assert (512, 512) in sizes
    assert {(h, w) for w, h in sizes} == set(sizes)
    assert all(w % 64 == 0 == h % 64 and w * h <= 512 * 512 for w, h in sizes)
    assert (min(min(size) for size in sizes), max(max(size) for size in sizes)) == (256, 1024)
    assert (640, 384) in sizes
    narrow = bucket_sizes((512, 512), 64, changed(bucket_min=384, bucket_max=640))
    assert narrow == [(384, 640), (448, 576), (512, 512), (576, 448), (640, 384)]
    for wrong in ({"bucket_step": 40}, {"bucket_min": 768}):
        with pytest.raises(TrainerError, match="bucket_"):
            bucket_sizes((512, 512), 64, changed(**wrong))


def test_pictures_keep_their_own_size_as_in_the_web_ui(changed: Callable[..., Config]) -> None:
    base = SimpleNamespace(native_size=64, grid=16)
    sizes = [(100, 70), (64, 64), (10, 50)]
    pictures = [Picture(Path("a.png"), "", "", size=size) for size in sizes]
    found = sizes_for(pictures, changed(varsize=True), base)  # type: ignore[arg-type]  # a stand-in
    assert found == [(96, 64), (64, 64), (16, 48)]


def test_a_picture_goes_to_the_nearest_aspect() -> None:
    sizes = [(384, 640), (448, 576), (512, 512), (640, 384)]
    for picture, size in (((3000, 3000), 2), ((1000, 1700), 0), ((900, 1150), 1), ((4000, 1000), 3)):
        assert nearest(picture, sizes) == sizes[size]


def test_seeds_differ_by_purpose_and_place() -> None:
    seeds = [seeding.derive(0, what, place) for what in ("noise", "text") for place in range(100)]
    assert len(set(seeds)) == 200
    assert seeding.derive(1, "noise", 0) != seeding.derive(0, "noise", 0)


def test_global_seeding_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    with seeding.global_seed(torch.device("cpu"), 1, "dropout", 2):
        first = torch.rand(3)
    with seeding.global_seed(torch.device("cpu"), 1, "dropout", 2):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), before)
