"""All pictures, piece by piece and family by family: what the table is tuned on, and what it is reported on.

A piece is what one run of measuring makes; each is seeded, so that any of them can be made again alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.previews import (
    decoders,
    drawn_busy,
    drawn_fresh,
    drawn_over,
    drawn_patterns,
    drawn_strange,
    drawn_textures,
    makers,
    makers_noise,
    noises,
    noises_strange,
)
from benchmarks.previews.samples import Sample

DECODERS = ("linear", "pocket", "found", "halved")


@dataclass(frozen=True)
class Places:
    """What is not part of the repository."""

    pocket: Path | None = None  # a VAE in diffusers layout
    found: Path | None = None  # a folder of decoded noise, `family-number.png`, enlarged to 256 px
    public: Path | None = None  # folders of pictures from public repositories


def unit(family: str) -> str:
    """What is held out together: a kind of picture at all sizes, a kind of noise through all decoders."""
    name = family.removesuffix(", small").split(": ")[-1]
    for decoder in DECODERS:
        name = name.removeprefix(f"{decoder} ")
    name = re.sub(r"(white|smooth) *([\d.]+)", r"\1 \2", name)
    return re.sub(r"^mosaic \d+$", "mosaic", name)


Maker = Callable[[], Iterator[Sample]]


def tuning(places: Places) -> dict[str, Maker]:
    """The pieces that the table is fitted on."""
    pieces: dict[str, Maker] = {
        "art": lambda: makers.art(drawn_over.ART, "art", False, 8, 7),
        "art small": lambda: makers.art(drawn_over.ART, "art", True, 6, 7),
        "busy": lambda: makers.art(drawn_busy.BUSY, "art", False, 6, 9),
        "busy small": lambda: makers.art(drawn_busy.BUSY, "art", True, 4, 9),
        "plain": lambda: makers.art(drawn_busy.BARE, "art", False, 10, 10),
        "plain small": lambda: makers.art(drawn_busy.BARE, "art", True, 10, 10),
        "textures": lambda: makers.art(drawn_textures.TEXTURES | drawn_textures.COLOURED, "art", False, 4, 11),
        "textures small": lambda: makers.art(drawn_textures.TEXTURES | drawn_textures.COLOURED, "art", True, 3, 11),
        "patterns": lambda: makers.art(drawn_patterns.PATTERNS, "art", False, 6, 12),
        "patterns small": lambda: makers.art(drawn_patterns.PATTERNS, "art", True, 4, 12),
        "plasma": lambda: makers.art(drawn_patterns.DECEPTIVE, "deceptive", False, 6, 13),
        "plasma small": lambda: makers.art(drawn_patterns.DECEPTIVE, "deceptive", True, 4, 13),
        "grey art": lambda: makers.grey_art({**drawn_over.ART, **drawn_busy.BUSY}, 2, 25),
        "grey textures": lambda: makers.grey_art(drawn_textures.TEXTURES | drawn_textures.COLOURED, 4, 26),
        "steady": lambda: makers.steady(2),
        "fresh": lambda: makers.art(drawn_fresh.FRESH, "art", False, 6, 14),
        "fresh small": lambda: makers.art(drawn_fresh.FRESH, "art", True, 4, 14),
        "strange": lambda: makers.art(drawn_strange.STRANGE, "art", False, 6, 33),
        "strange small": lambda: makers.art(drawn_strange.STRANGE, "art", True, 4, 33),
        "strange noise": lambda: makers_noise.through(
            decoders.TUNING, dict.fromkeys(noises_strange.TUNING, 0), noises_strange.latents, 34
        ),
        "pasted": lambda: makers_noise.pasted(_BENEATH, tuple(noises.KINDS)[:5], noises.latents, 90, 18),
        "toned": lambda: makers.toned(_TONED, 2, 30),
        "toned ramps": lambda: makers.toned({"even ramp": makers.even_ramp}, 12, 31),
        "washed": lambda: makers_noise.washed(decoders.TUNING, 32),
        "tinted": lambda: makers_noise.tinted(decoders.TUNING, 28),
        "tinted faint": lambda: makers_noise.tinted(decoders.TUNING, 29, faint=True),
        "deceptive": lambda: makers.art(drawn_over.DECEPTIVE, "deceptive", False, 6, 17),
        "deceptive small": lambda: makers.art(drawn_over.DECEPTIVE, "deceptive", True, 4, 17),
        "photographs": lambda: makers.photographs(False, 3),
        "photographs small": lambda: makers.photographs(True, 2),
        "pocket scenes": lambda: makers.pocket_scenes(120),
        "pixels": lambda: makers_noise.pixels(4),
        "grey": lambda: makers_noise.grey(3),
        "grey decoded": lambda: makers_noise.grey_decoded(decoders.TUNING, 4, 16),
        "decoders": lambda: makers_noise.through(
            decoders.TUNING, {kind: noises.LEAST.get(kind, 0) for kind in noises.KINDS}, noises.latents, 17
        ),
        "decoder ladders": lambda: makers_noise.ladders_through(decoders.TUNING, 3),
        "blank": lambda: makers.blank(6),
        "repeated": lambda: makers.repeated(2),
        "halved": lambda: makers_noise.halved(3),
        "blends": lambda: makers_noise.blends(18),
        "ladders": lambda: makers_noise.ladders("linear", noises.linear_decoder, noises.latents_of, 512, 9),
    }
    pieces |= _noise_pieces("linear", noises.linear_decoder, ((128, 5), (256, 3), (512, 5), (768, 1)))
    if places.pocket is not None:
        decoder = noises.pocket_decoder(places.pocket)
        pieces |= _noise_pieces("pocket", decoder, ((128, 5), (256, 3), (512, 2)))
        inverse = partial(noises.pocket_latents, places.pocket)
        pieces["pocket ladders"] = lambda: makers_noise.ladders("pocket", decoder, inverse, 128, 9)
    if places.found is not None:
        pieces["found"] = lambda: makers_noise.found(places.found or Path())
    if places.public is not None:
        pieces["public"] = lambda: makers.public(places.public or Path(), 0)
        pieces["grey photographs"] = lambda: makers.grey_photographs((places.public or Path()) / "net", 0, 150)
    return pieces


_TONED = {**drawn_over.ART, **drawn_busy.BUSY, **drawn_textures.TEXTURES, **drawn_fresh.FRESH}
_BENEATH = {**drawn_over.ART, **drawn_busy.BUSY, **drawn_fresh.FRESH}


def _noise_pieces(name: str, decoder: noises.Decoder, sizes: tuple[tuple[int, int], ...]) -> dict[str, Maker]:
    return {
        f"{name} {side}": lambda side=side, count=count: makers_noise.decoded(name, decoder, side, count)  # type: ignore[misc]  # defaults bind each
        for side, count in sizes
    }
