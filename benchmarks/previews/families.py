"""All pictures of the bench, family by family, drawn or found, each once as it is or as a JPEG, at several sizes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.previews import drawn, noises

Bytes = NDArray[np.uint8]
SIZES = (512, 512, 256, 1024)  # sides, in turn
QUALITIES = (None, 80, None, 60, 30)  # JPEG, in turn
PHOTOGRAPHS = (
    "astronaut.png",
    "coffee.png",
    "chelsea.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "brick.png",
    "grass.png",
    "gravel.png",
    "camera.png",
    "coins.png",
    "moon.png",
    "page.png",
    "clock_motion.png",
    "text.png",
    "cell.png",
    "logo.png",
)


@dataclass(frozen=True)
class Sample:
    """One picture: `group` is what it is evidence for, `family` what is held out together."""

    group: str  # "noise", "pocket noise", "photo", "art", "pocket", "deceptive"
    family: str
    picture: Bytes


def as_jpeg(picture: Bytes, quality: int | None) -> Bytes:
    """The picture after JPEG compression; None leaves it."""
    if quality is None:
        return picture
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held).convert("RGB"))


def resized(picture: Bytes, side: int) -> Bytes:
    """The picture with a shorter side of ``side`` pixels."""
    h, w = picture.shape[:2]
    scale = side / min(h, w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def art(count: int, small: bool, which: dict[str, drawn.Draw], group: str) -> Iterator[Sample]:
    """Drawn families; ``small`` gives 128 px, else 256 to 1024."""
    for f, (family, draw) in enumerate(which.items()):
        for i in range(count):
            rng = np.random.default_rng((7, f, i, small))
            side = 128 if small else SIZES[i % len(SIZES)]
            picture = resized(draw(rng, 512), 128) if small and i % 2 else draw(rng, side)
            yield Sample(group, family, as_jpeg(picture, QUALITIES[i % len(QUALITIES)]))


def photographs(crops: int, small: bool) -> Iterator[Sample]:
    """Crops of scikit-image's pictures, a family for each picture."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    for f, name in enumerate(n for n in PHOTOGRAPHS if (folder / n).exists()):
        with Image.open(folder / name) as image:
            whole = np.asarray(image.convert("RGB"))
        for i in range(crops):
            rng = np.random.default_rng((8, f, i))
            part = _crop(whole, rng, 1.0 if i == 0 else float(rng.uniform(0.5, 0.95)))
            side = 128 if small else SIZES[i % len(SIZES)]
            yield Sample("photo", name, as_jpeg(resized(part, side), QUALITIES[i % len(QUALITIES)]))


def _crop(picture: Bytes, rng: np.random.Generator, share: float) -> Bytes:
    side = int(min(picture.shape[:2]) * share)
    top, left = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def pocket_scenes(count: int) -> Iterator[Sample]:
    """Scenes as the pocket model's training set draws them; nothing if it is not there."""
    try:
        from trainer.pocket.scenes import draw, random_scene
    except ImportError:
        return
    for i in range(count):
        scene = random_scene(np.random.default_rng((99, i)))
        yield Sample("pocket", f"pocket {scene.hand}", as_jpeg(np.asarray(draw(scene)), QUALITIES[i % 5]))


def decoded_noise(name: str, decoder: noises.Decoder, count: int, side: int) -> Iterator[Sample]:
    """Latent noise from one decoder at one size."""
    group = "pocket noise" if side <= 128 else "noise"
    for kind, pictures in noises.noise_pictures(decoder, 3 + side, side, count).items():
        if kind == "smooth 3" and side < 512:
            continue  # three or four blobs fill the frame: no longer noise by any measure
        for i, picture in enumerate(pictures):
            yield Sample(group, f"{name} {kind}", as_jpeg(picture, QUALITIES[i % len(QUALITIES)]))


def halved_noise(count: int) -> Iterator[Sample]:
    """Latent noise of 256 px pictures shown at half their size."""
    for kind, pictures in noises.noise_pictures(noises.linear_decoder, 5, 256, count).items():
        for picture in pictures if kind != "smooth 3" else ():
            yield Sample("pocket noise", f"halved {kind}", resized(picture, 128))


def found_noise(folder: Path) -> Iterator[Sample]:
    """Decoded noise lying in a folder: as found, enlarged to 512, and halved."""
    for family, pictures in noises.shared_pictures(folder).items():
        for i, picture in enumerate(pictures):
            yield Sample("noise", family, resized(picture, (256, 512, 1024)[i % 3]))


def noise_of_pixels(count: int) -> Iterator[Sample]:
    """Pixel noise at 128 to 512 px."""
    for side in (128, 256, 512):
        for family, pictures in noises.pixel_noise(side, side, count).items():
            for picture in pictures:
                yield Sample("pixel noise", family, picture)


def everything(found: Path | None, pocket: Path | None, count: int = 20) -> Iterator[Sample]:
    """All samples that can be had here."""
    for small in (False, True):
        yield from art(count, small, drawn.ART, "art")
        yield from art(count // 2, small, drawn.DECEPTIVE, "deceptive")
        yield from photographs(count // 2, small)
    yield from pocket_scenes(20 * count)
    yield from noise_of_pixels(count // 4)
    for side, few in ((128, count), (256, count // 4), (512, count // 2), (1024, 2)):
        yield from decoded_noise("linear", noises.linear_decoder, few, side)
        if pocket is not None and side <= 512:
            yield from decoded_noise("pocket", noises.pocket_decoder(pocket), few, side)
    yield from halved_noise(count // 2)
    if found is not None:
        yield from found_noise(found)
