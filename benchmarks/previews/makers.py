"""Makers of pictures that are no noise: samples, piece by piece, each from its seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.previews import drawn, drawn_busy, drawn_over, noises
from benchmarks.previews.samples import QUALITIES, Bytes, Sample, as_jpeg, drifted, fried, resized

SIZES = (512, 256, 512, 768)  # sides, in turn
PHOTOGRAPHS = (
    "astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg", "ihc.png",
    "motorcycle_left.png", "brick.png", "grass.png", "gravel.png", "camera.png", "coins.png", "moon.png", "page.png",
    "clock_motion.png", "text.png", "cell.png", "logo.png",
)  # fmt: skip
MANY = 400  # pictures of each public folder, at most twice as many


def art(which: Mapping[str, drawn.Draw], group: str, small: bool, count: int, seed: int) -> Iterator[Sample]:
    """Drawn families, each picture beside a drifted and every second beside a fried copy."""
    for f, (family, draw) in enumerate(which.items()):
        for i in range(count):
            rng = np.random.default_rng((seed, f, i, small))
            side = 128 if small else SIZES[i % len(SIZES)]
            picture = resized(draw(rng, 512), 128) if small and i % 2 else draw(rng, side)
            if i % 4 == 3:
                picture = picture[: side * 3 // 4]  # not every preview is square
            yield beside(group, family, picture, i, rng)


def grey_art(draws: Mapping[str, drawn.Draw], count: int, seed: int) -> Iterator[Sample]:
    """Drawn families without their colours."""
    for f, (family, draw) in enumerate(draws.items()):
        for i in range(count):
            rng = np.random.default_rng((seed, f, i))
            side = (512, 128)[i % 2]
            yield Sample("art", family, as_jpeg(without_colour(draw(rng, side)), QUALITIES[(f + i) % len(QUALITIES)]))


def toned(draws: Mapping[str, drawn.Draw], count: int, seed: int) -> Iterator[Sample]:
    """Drawn families in the shades of one colour, as an old print has them, and every second of faint contrast."""
    for f, (family, draw) in enumerate(draws.items()):
        for i in range(count):
            rng = np.random.default_rng((seed, f, i))
            grey = without_colour(draw(rng, (512, 128)[(f + i) % 2])) / 255
            if i % 2:
                grey = rng.uniform(0.25, 0.75) + (grey - 0.5) * rng.uniform(0.1, 0.5)
            yield Sample("art", family, as_jpeg(in_one_tint(grey, rng), QUALITIES[(f + i) % len(QUALITIES)]))


def even_ramp(rng: np.random.Generator, side: int) -> Bytes:
    """From one grey to another, evenly, in any direction."""
    angle, ends = rng.uniform(0, 2 * np.pi), rng.uniform(0, 255, 2)
    along = np.mgrid[0:side, 0:side][0] * np.sin(angle) + np.mgrid[0:side, 0:side][1] * np.cos(angle)
    along = (along - along.min()) / np.ptp(along)
    return (ends[0] + (ends[1] - ends[0]) * along)[..., None].repeat(3, axis=2).astype(np.uint8)


def in_one_tint(grey: NDArray[np.float64], rng: np.random.Generator) -> Bytes:
    """Greys 0..1, (h, w, 3), in the shades of one colour."""
    tint = rng.uniform(0.15, 0.85, 3)
    return np.asarray(np.clip(grey ** (1.3 - 0.6 * tint) * (0.6 + 0.4 * tint), 0, 1) * 255).astype(np.uint8)


def without_colour(picture: Bytes) -> Bytes:
    """Its luma, three times."""
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))


def grey_photographs(folder: Path, half: int, count: int) -> Iterator[Sample]:
    """Close crops of photographs without their colours: much of what fills one is fur, feathers, leaves or stone."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg"))[half::2]
    for i, path in enumerate(files[:: max(1, len(files) // count)][:count]):
        with Image.open(path) as image:
            whole = np.asarray(image.convert("RGB"))
        rng, side = np.random.default_rng((34, i, half)), (512, 256, 128)[i % 3]
        picture = resized(without_colour(crop(whole, rng, float(rng.uniform(0.35, 1.0)))), side)
        yield Sample("photo", f"grey {folder.name} {i % 10}", as_jpeg(picture, QUALITIES[i % len(QUALITIES)]))


def beside(group: str, family: str, picture: Bytes, i: int, rng: np.random.Generator) -> Sample:
    quality = QUALITIES[i % len(QUALITIES)]
    twins = [Sample(f"{group} drifted", family, as_jpeg(drifted(picture, rng), quality))]
    if i % 2 == 0:
        twins.append(Sample(f"{group} fried", family, as_jpeg(fried(picture, rng), quality)))
    return Sample(group, family, as_jpeg(picture, quality), tuple(twins))


def photographs(small: bool, crops: int) -> Iterator[Sample]:
    """Crops of scikit-image's pictures, a family for each picture."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    for f, name in enumerate(n for n in PHOTOGRAPHS if (folder / n).exists()):
        with Image.open(folder / name) as image:
            whole = np.asarray(image.convert("RGB"))
        for i in range(crops):
            rng = np.random.default_rng((8, f, i))
            part = crop(whole, rng, 1.0 if i == 0 else float(rng.uniform(0.5, 0.95)))
            side = 128 if small else SIZES[i % len(SIZES)]
            yield beside("photo", name, resized(part, side), i, rng)


def crop(picture: Bytes, rng: np.random.Generator, share: float) -> Bytes:
    side = int(min(picture.shape[:2]) * share)
    top, left = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def pocket_scenes(count: int) -> Iterator[Sample]:
    """Scenes as the pocket model's training set draws them."""
    from trainer.pocket.scenes import draw, random_scene

    for i in range(count):
        rng = np.random.default_rng((99, i))
        scene = random_scene(rng)
        yield beside("pocket", f"pocket {scene.hand}", np.asarray(draw(scene)), i, rng)


def blank(count: int) -> Iterator[Sample]:
    """Pictures of nothing: black, white, one colour, a faint gradient, as they are and as JPEG."""
    for i in range(count):
        rng = np.random.default_rng((14, i))
        side = (128, 256, 512)[i % 3]
        flat = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (side, side, 3))
        ramp = np.linspace(-1, 1, side)[:, None, None] * rng.uniform(1, 8) + flat
        kinds = {"black": 0 * flat, "white": 0 * flat + np.uint8(255), "one colour": flat, "faint ramp": ramp}
        kinds["faint grain"] = flat + rng.normal(0, rng.uniform(0.5, 3), flat.shape)
        for family, picture in kinds.items():
            yield Sample("blank", family, as_jpeg(np.clip(picture, 0, 255).astype(np.uint8), (None, 60)[i % 2]))


def repeated(count: int) -> Iterator[Sample]:
    """One patch of a picture over the whole frame."""
    for f, (family, draw) in enumerate((k, v) for k, v in drawn_over.ART.items() if k not in ("starfield", "clouds")):
        for i in range(count):
            rng = np.random.default_rng((15, f, i))
            side, tiles = (512, 128)[i % 2], int(rng.integers(3, 7))
            patch = draw(rng, max(24, side // tiles))
            whole = np.tile(patch, (tiles + 1, tiles + 1, 1))[:side, :side]
            blurred = np.clip(whole + rng.normal(0, rng.uniform(0, 8), whole.shape), 0, 255).astype(np.uint8)
            yield Sample("repeated", f"tiled {family}", as_jpeg(blurred, QUALITIES[i % len(QUALITIES)]))


def steady(count: int) -> Iterator[Sample]:
    """Pictures and noise beside their JPEG 60 and half-size copies, for what must not move a judgement."""
    draws: dict[str, drawn.Draw] = {**drawn_over.ART, **drawn_busy.BUSY, **drawn_over.DECEPTIVE}
    for kind in noises.KINDS:
        draws[f"linear {kind}"] = partial(noises.fresh_noise, kind)
    for f, (family, draw) in enumerate(draws.items()):
        for i in range(count):
            picture = draw(np.random.default_rng((23, f, i)), 512)
            half = resized(picture, 256)
            copies = (as_jpeg(picture, 60), half, as_jpeg(half, 60))
            yield Sample("steady", family, picture, tuple(Sample("steady copy", family, copy) for copy in copies))


def public(folder: Path, half: int) -> Iterator[Sample]:
    """Every second picture of each sub-folder: photographs (`net`) and real outputs of diffusion models."""
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(p for p in sub.iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        files = files[:: max(1, len(files) // MANY)][half::2]
        for i, path in enumerate(files):
            try:
                with Image.open(path) as image:
                    whole = np.asarray(image.convert("RGB"))
            except OSError:
                continue
            rng = np.random.default_rng((31, i, half))
            side = 128 if i % 4 == 3 else min(SIZES[i % 3], min(whole.shape[:2]))
            group = "photo" if sub.name == "net" else "art"
            yield Sample(group, f"{sub.name} {i % 10}", resized(crop(whole, rng, 1.0), side))
