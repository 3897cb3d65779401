"""All pictures, piece by piece and family by family: what the table is tuned on, and what it is reported on.

A piece is what one run of measuring makes; each is seeded, so that any of them can be made again alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.previews import drawn, drawn_over, noises
from benchmarks.previews.samples import Bytes, Sample, as_jpeg, drifted, fried, resized

SIZES = (512, 256, 512, 768)  # sides, in turn
QUALITIES = (None, 80, None, 60, 30)  # JPEG, in turn
PHOTOGRAPHS = (
    "astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg", "ihc.png",
    "motorcycle_left.png", "brick.png", "grass.png", "gravel.png", "camera.png", "coins.png", "moon.png", "page.png",
    "clock_motion.png", "text.png", "cell.png", "logo.png",
)  # fmt: skip
Inverse = Callable[[Bytes, int], noises.Latents]
DECODERS = ("linear", "pocket", "found", "halved")


@dataclass(frozen=True)
class Places:
    """What is not part of the repository."""

    pocket: Path | None = None  # a VAE in diffusers layout
    found: Path | None = None  # a folder of decoded noise, `family-number.png`
    public: Path | None = None  # folders of pictures from public repositories


def unit(family: str) -> str:
    """What is held out together: a kind of picture at all sizes, a kind of noise through all decoders."""
    name = family.removesuffix(", small")
    for decoder in DECODERS:
        name = name.removeprefix(f"{decoder} ")
    name = re.sub(r"(white|smooth) *([\d.]+)", r"\1 \2", name)
    return re.sub(r"^mosaic \d+$", "mosaic", name)


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


def beside(group: str, family: str, picture: Bytes, i: int, rng: np.random.Generator) -> Sample:
    quality = QUALITIES[i % len(QUALITIES)]
    twins = [Sample(f"{group} drifted", family, as_jpeg(drifted(picture, rng), quality))]
    if i % 2 == 0:
        twins.append(Sample(f"{group} fried", family, as_jpeg(fried(picture, rng), quality)))
    return Sample(group, family, as_jpeg(picture, quality), tuple(twins))


def _photographs(small: bool, crops: int) -> Iterator[Sample]:
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


def _pocket_scenes(count: int) -> Iterator[Sample]:
    """Scenes as the pocket model's training set draws them."""
    from trainer.pocket.scenes import draw, random_scene

    for i in range(count):
        rng = np.random.default_rng((99, i))
        scene = random_scene(rng)
        yield beside("pocket", f"pocket {scene.hand}", np.asarray(draw(scene)), i, rng)


def _decoded(name: str, decoder: noises.Decoder, side: int, count: int) -> Iterator[Sample]:
    """Latent noise from one decoder at one size."""
    for k, kind in enumerate(noises.KINDS):
        if kind == "smooth 3" and side < 512:
            continue  # three or four blobs fill the frame: no longer noise by any measure
        for i in range(count):
            rng = np.random.default_rng((3 + side, i, k))
            picture = decoder(noises.latents(rng, side, kind))
            yield Sample("noise", f"{name} {kind}", as_jpeg(picture, QUALITIES[i % len(QUALITIES)]))


def _halved(count: int) -> Iterator[Sample]:
    """Latent noise of 256 px pictures shown at half their size."""
    for sample in _decoded("halved", noises.linear_decoder, 256, count):
        yield Sample(sample.group, sample.family, resized(sample.picture, 128))


def _found(folder: Path) -> Iterator[Sample]:
    """Decoded noise lying in a folder: at three sizes."""
    for family, pictures in noises.shared_pictures(folder).items():
        for i, picture in enumerate(pictures):
            yield Sample("noise", family, resized(picture, (256, 512, 768)[i % 3]))


def pixels(count: int) -> Iterator[Sample]:
    """Pixel noise at 128 to 512 px."""
    for side in (128, 256, 512):
        for family, pictures in noises.pixel_noise(side, side, count).items():
            yield from (Sample("pixel noise", family, picture) for picture in pictures)


def _grey(count: int) -> Iterator[Sample]:
    """Noise without colour: decoded noise as grey, and the static of a television."""
    for side in (128, 256, 512):
        for i in range(count):
            for k, kind in enumerate(("white 1.5", "white 2.5", "smooth 0.7")):
                z = noises.latents(np.random.default_rng((12, side, i, k)), side, kind)
                grey = noises.linear_decoder(z).mean(axis=2).astype(np.uint8)
                yield Sample("grey noise", f"grey {kind}", np.repeat(grey[..., None], 3, axis=2))
            static = np.random.default_rng((13, side, i)).integers(0, 256, (side, side, 1), dtype=np.uint8)
            yield Sample("grey noise", "grey static", static.repeat(3, axis=2))


def _blank(count: int) -> Iterator[Sample]:
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


def _repeated(count: int) -> Iterator[Sample]:
    """One patch of a picture over the whole frame."""
    for f, (family, draw) in enumerate((k, v) for k, v in drawn_over.ART.items() if k not in ("starfield", "clouds")):
        for i in range(count):
            rng = np.random.default_rng((15, f, i))
            side, tiles = (512, 128)[i % 2], int(rng.integers(3, 7))
            patch = draw(rng, max(24, side // tiles))
            whole = np.tile(patch, (tiles + 1, tiles + 1, 1))[:side, :side]
            blurred = np.clip(whole + rng.normal(0, rng.uniform(0, 8), whole.shape), 0, 255).astype(np.uint8)
            yield Sample("repeated", f"tiled {family}", as_jpeg(blurred, QUALITIES[i % len(QUALITIES)]))


def _ladders(name: str, decoder: noises.Decoder, inverse: Inverse, side: int, count: int) -> Iterator[Sample]:
    """Pictures drowning in latent noise step by step; `severity` is the angle from picture to noise, 0 to 1."""
    for i in range(count):
        rng = np.random.default_rng((21, i))
        picture = (drawn.landscape, drawn.flat_drawing, drawn.dead_scene)[i % 3](rng, 512)
        steps = noises.ladder(decoder, inverse(picture, side), rng)
        for k, step in enumerate(steps):
            yield Sample("ladder", f"{name} ladder {i}", step, severity=k / (len(steps) - 1))


def public(folder: Path, half: int) -> Iterator[Sample]:
    """Every second picture of each sub-folder: photographs (`net`) and real outputs of diffusion models."""
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(p for p in sub.iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        files = files[:: max(1, len(files) // 200)][half::2]
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


Maker = Callable[[], Iterator[Sample]]


def tuning(places: Places) -> dict[str, Maker]:
    """The pieces that the table is fitted on."""
    pieces: dict[str, Maker] = {
        "art": lambda: art(drawn_over.ART, "art", False, 8, 7),
        "art small": lambda: art(drawn_over.ART, "art", True, 6, 7),
        "deceptive": lambda: art(drawn_over.DECEPTIVE, "deceptive", False, 6, 17),
        "deceptive small": lambda: art(drawn_over.DECEPTIVE, "deceptive", True, 4, 17),
        "photographs": lambda: _photographs(False, 3),
        "photographs small": lambda: _photographs(True, 2),
        "pocket scenes": lambda: _pocket_scenes(120),
        "pixels": lambda: pixels(4),
        "grey": lambda: _grey(3),
        "blank": lambda: _blank(6),
        "repeated": lambda: _repeated(2),
        "halved": lambda: _halved(3),
        "ladders": lambda: _ladders("linear", noises.linear_decoder, noises.latents_of, 512, 9),
    }
    pieces |= _noise_pieces("linear", noises.linear_decoder, ((128, 5), (256, 3), (512, 5), (768, 1)))
    if places.pocket is not None:
        decoder = noises.pocket_decoder(places.pocket)
        pieces |= _noise_pieces("pocket", decoder, ((128, 5), (256, 3), (512, 2)))
        inverse = partial(noises.pocket_latents, places.pocket)
        pieces["pocket ladders"] = lambda: _ladders("pocket", decoder, inverse, 128, 9)
    if places.found is not None:
        pieces["found"] = lambda: _found(places.found or Path())
    if places.public is not None:
        pieces["public"] = lambda: public(places.public or Path(), 0)
    return pieces


def _noise_pieces(name: str, decoder: noises.Decoder, sizes: tuple[tuple[int, int], ...]) -> dict[str, Maker]:
    return {f"{name} {side}": lambda side=side, count=count: _decoded(name, decoder, side, count) for side, count in sizes}  # type: ignore[misc]  # fmt: skip  # noqa: E501
