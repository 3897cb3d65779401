"""Makers of noise, and of pictures that drown in it: samples, piece by piece, each from its seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.previews import decoders, drawn, drawn_busy, noises
from benchmarks.previews.makers import PHOTOGRAPHS, crop, in_one_tint, without_colour
from benchmarks.previews.samples import QUALITIES, Bytes, Sample, as_jpeg, resized

Latents = Callable[[np.random.Generator, int, str], noises.Latents]
#: where noise is pasted in: top, left, bottom, right, as shares of the frame; edges lie on edges of tiles
PARTS = (
    (0.0, 0.0, 1.0, 0.5), (0.5, 0.0, 1.0, 1.0), (0.0, 0.5, 0.5, 1.0), (0.25, 0.25, 0.75, 0.75), (0.0, 0.25, 1.0, 1.0),
)  # fmt: skip
Inverse = Callable[[Bytes, int], noises.Latents]


def decoded(name: str, decoder: noises.Decoder, side: int, count: int) -> Iterator[Sample]:
    """Latent noise from one decoder at one size."""
    for k, kind in enumerate(noises.KINDS):
        if side < noises.LEAST.get(kind, 0):
            continue
        for i in range(count):
            rng = np.random.default_rng((3 + side, i, k))
            picture = decoder(noises.latents(rng, side, kind))
            yield Sample("noise", f"{name} {kind}", as_jpeg(picture, QUALITIES[i % len(QUALITIES)]))


def halved(count: int) -> Iterator[Sample]:
    """Latent noise of 256 px pictures shown at half their size."""
    for sample in decoded("halved", noises.linear_decoder, 256, count):
        yield Sample(sample.group, sample.family, resized(sample.picture, 128))


def found(folder: Path) -> Iterator[Sample]:
    """Decoded noise lying in a folder: at three sizes."""
    for family, pictures in noises.shared_pictures(folder).items():
        for i, picture in enumerate(pictures):
            yield Sample("noise", family, resized(picture, (256, 512, 768)[i % 3]))


def pixels(count: int) -> Iterator[Sample]:
    """Pixel noise at 128 to 512 px."""
    for side in (128, 256, 512):
        for family, pictures in noises.pixel_noise(side, side, count).items():
            yield from (Sample("pixel noise", family, picture) for picture in pictures)


def grey(count: int) -> Iterator[Sample]:
    """Noise without colour: decoded noise as grey, and the static of a television."""
    for side in (128, 256, 512):
        for i in range(count):
            for k, kind in enumerate(("white 1.5", "white 2.5", "smooth 0.7")):
                z = noises.latents(np.random.default_rng((12, side, i, k)), side, kind)
                grey = noises.linear_decoder(z).mean(axis=2).astype(np.uint8)
                yield Sample("grey noise", f"grey {kind}", np.repeat(grey[..., None], 3, axis=2))
            rng = np.random.default_rng((13, side, i))
            bits = rng.integers(0, 2, (side, side, 1), dtype=np.uint8) * np.uint8(255)
            bell = np.clip(rng.normal(127, rng.uniform(30, 70), (side, side, 1)), 0, 255).astype(np.uint8)
            static = rng.integers(0, 256, (side, side, 1), dtype=np.uint8)
            for family, grey in (("static", static), ("bits", bits), ("bell", bell)):
                quality = QUALITIES[i % len(QUALITIES)]
                yield Sample("grey noise", f"grey {family}", as_jpeg(grey.repeat(3, axis=2), quality))


def grey_decoded(through: Mapping[str, noises.Decoder], count: int, seed: int) -> Iterator[Sample]:
    """The luma of noise through other decoders, and static of coarser grain."""
    for side in (512, 256, 128):
        for i, decoder in enumerate(through.values()):
            for k, kind in enumerate(("white 1", "white 2.5", "smooth 1", "pink")[:count]):
                picture = decoder(noises.latents(np.random.default_rng((seed, side, i, k)), side, kind))
                quality = QUALITIES[(i + k) % len(QUALITIES)]
                yield Sample("grey noise", f"grey {kind}", as_jpeg(without_colour(picture), quality))
        for grain in (2, 3) if side > 128 else (2,):
            rng = np.random.default_rng((seed, side, grain))
            small = rng.normal(127, rng.uniform(25, 90), (side // grain + 1, side // grain + 1, 1))
            large = np.clip(small, 0, 255).astype(np.uint8).repeat(grain, axis=0).repeat(grain, axis=1)
            yield Sample("grey noise", f"grey grain {grain}", large[:side, :side].repeat(3, axis=2))


def tinted(through: Mapping[str, noises.Decoder], seed: int, faint: bool = False) -> Iterator[Sample]:
    """Noise in the shades of one colour, decoded and of pixels; `faint`: of a tenth to half of the contrast."""
    for side in (512, 256, 128):
        for i, decoder in enumerate(through.values()):
            for k, kind in enumerate(("white 1.5", "white 2.5", "pink", "pixels")):
                rng = np.random.default_rng((seed, side, i, k))
                static = rng.integers(0, 256, (side, side, 1), dtype=np.uint8).repeat(3, axis=2)
                grey = without_colour(static if kind == "pixels" else decoder(noises.latents(rng, side, kind))) / 255
                if faint:
                    grey = rng.uniform(0.25, 0.75) + (grey - 0.5) * rng.uniform(0.1, 0.5)
                quality = QUALITIES[(i + k) % len(QUALITIES)]
                family = f"grey {'faint' if faint else 'tinted'} {kind}"
                yield Sample("grey noise", family, as_jpeg(in_one_tint(grey, rng), quality))


def washed(through: Mapping[str, noises.Decoder], seed: int) -> Iterator[Sample]:
    """Noise of a little contrast about one colour: its hues hardly leave that one's neighbourhood."""
    for side in (512, 256, 128):
        for i, decoder in enumerate(through.values()):
            for k, kind in enumerate(("white 1", "white 2.5", "smooth 0.7", "pink")):
                rng = np.random.default_rng((seed, side, i, k))
                noise = decoder(noises.latents(rng, side, kind)) / 255 - 0.5
                picture = rng.uniform(0.1, 0.9, 3) + noise * rng.uniform(0.05, 0.35) * rng.uniform(0.3, 1, 3)
                quality = QUALITIES[(i + k) % len(QUALITIES)]
                shown = np.asarray(np.clip(picture, 0, 1) * 255).astype(np.uint8)
                yield Sample("grey noise", f"grey wash {kind}", as_jpeg(shown, quality))


def through(
    decoders: Mapping[str, noises.Decoder], kinds: Mapping[str, int], latents: Latents, seed: int
) -> Iterator[Sample]:
    """Latent noise through decoders that nobody trained, at three sizes.  `kinds`: the least side of each."""
    for side in (512, 256, 128):
        for i, (name, decoder) in enumerate(decoders.items()):
            for k, kind in enumerate(kinds):
                if side < kinds[kind]:
                    continue
                picture = decoder(latents(np.random.default_rng((seed, side, i, k)), side, kind))
                yield Sample("noise", f"{name}: {kind}", as_jpeg(picture, QUALITIES[(i + k) % len(QUALITIES)]))


def ladders_through(decoders: Mapping[str, noises.Decoder], count: int) -> Iterator[Sample]:
    """Ladders through each of them."""
    for name, decoder in decoders.items():
        yield from ladders(name.replace(" ", "-"), decoder, noises.latents_of, 512, count)


def ladders(name: str, decoder: noises.Decoder, inverse: Inverse, side: int, count: int) -> Iterator[Sample]:
    """Pictures drowning in latent noise step by step; `severity` is the angle from picture to noise, 0 to 1."""
    for i in range(count):
        rng = np.random.default_rng((21, i))
        picture = (drawn.landscape, drawn.flat_drawing, drawn.dead_scene)[i % 3](rng, 512)
        steps = noises.ladder(decoder, inverse(picture, side), rng)
        for k, step in enumerate(steps):
            yield Sample("ladder", f"{name} ladder {i}", step, severity=k / (len(steps) - 1))


def blends(count: int) -> Iterator[Sample]:
    """Photographs and drawings that decoded noise is laid over, more and more of it."""
    import skimage

    folder, draws = Path(skimage.__file__).parent / "data", list(drawn_busy.BUSY.values())
    for i in range(count):
        rng, side = np.random.default_rng((24, i)), (512, 128, 256)[i % 3]
        with Image.open(folder / PHOTOGRAPHS[i % 4]) as image:
            picture = np.asarray(image.convert("RGB"))
        picture = draws[i % len(draws)](rng, side) if i % 2 else resized(crop(picture, rng, 0.8), side)
        noise = noises.fresh_noise(list(noises.KINDS)[i % 5], rng, side)
        for share in np.linspace(0, 1, 9):
            step = (picture * (1 - share) + noise * share).astype(np.uint8)
            yield Sample("ladder", f"blend ladder {i}", step, severity=float(share))


def pasted(
    draws: Mapping[str, drawn.Draw], kinds: Sequence[str], latents: Latents, count: int, seed: int
) -> Iterator[Sample]:
    """Pictures part of which decoded noise covers: a half, a quarter, three quarters."""
    through, names = list(decoders.TUNING.values()), list(draws)
    for i in range(count):
        rng, side = np.random.default_rng((seed, i)), (512, 256, 128)[i % 3]
        picture = draws[names[i % len(names)]](rng, side).copy()
        noise = through[i % len(through)](latents(rng, side, kinds[i % len(kinds)]))
        part = PARTS[i % len(PARTS)]
        place = np.s_[int(part[0] * side) : int(part[2] * side), int(part[1] * side) : int(part[3] * side)]
        picture[place] = noise[place]
        yield Sample("pasted", f"pasted {names[i % len(names)]}", as_jpeg(picture, QUALITIES[i % 5]), noisy=part)
