"""The pieces that nothing was chosen on: other families, other kinds of noise, other pictures of the public."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.previews import (
    decoders,
    drawn_over,
    noises,
    noises_strange,
    unseen,
    unseen_art,
    unseen_fresh,
    unseen_strange,
    unseen_textures,
)
from benchmarks.previews.families import Maker, Places
from benchmarks.previews.makers import art, beside, crop, grey_art, grey_photographs, public, toned
from benchmarks.previews.makers_noise import grey_decoded, ladders_through, pasted, pixels, through, tinted, washed
from benchmarks.previews.samples import QUALITIES, Sample, as_jpeg, resized


def _filtered_photographs() -> Iterator[Sample]:
    """Oil and pointillism over scikit-image's photographs, at four sizes."""
    import skimage

    folder, filters = Path(skimage.__file__).parent / "data", (drawn_over.oil_over, drawn_over.pointillism_over)
    for f, name in enumerate(("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png")):
        with Image.open(folder / name) as image:
            whole = np.asarray(image.convert("RGB"))
        for i, side in enumerate((512, 256, 1024, 128)):
            for k, over in enumerate(filters):
                rng = np.random.default_rng((33, f, i, k))
                picture = over(rng, resized(crop(whole, rng, 1.0), side))
                yield beside("art", f"{('oil', 'pointillism')[k]} over {name}", picture, i, rng)


def _unseen_noise(name: str, decoder: noises.Decoder, side: int, count: int) -> Iterator[Sample]:
    for k, kind in enumerate(unseen.KINDS):
        for i in range(count if side >= unseen.LEAST.get(kind, 0) else 0):
            rng = np.random.default_rng((41, side, i, k))
            picture = decoder(unseen.latents(rng, side, kind))
            yield Sample("noise", f"{name} {kind}", as_jpeg(picture, QUALITIES[i % len(QUALITIES)]))


def report(places: Places) -> dict[str, Maker]:
    """The pieces that nothing was chosen on: other families, other kinds of noise, other pictures of the public."""
    pieces: dict[str, Maker] = {
        "unseen art": lambda: art(unseen_art.ART, "art", False, 4, 71),
        "unseen art small": lambda: art(unseen_art.ART, "art", True, 3, 71),
        "unseen deceptive": lambda: art(unseen.DECEPTIVE, "deceptive", False, 6, 72),
        "unseen deceptive small": lambda: art(unseen.DECEPTIVE, "deceptive", True, 4, 72),
        "unseen noise 512": lambda: _unseen_noise("linear", noises.linear_decoder, 512, 4),
        "unseen noise 256": lambda: _unseen_noise("linear", noises.linear_decoder, 256, 2),
        "unseen noise 128": lambda: _unseen_noise("linear", noises.linear_decoder, 128, 4),
        "unseen fresh": lambda: art(unseen_fresh.FRESH, "art", False, 4, 79),
        "unseen fresh small": lambda: art(unseen_fresh.FRESH, "art", True, 3, 79),
        "unseen strange": lambda: art(unseen_strange.STRANGE, "art", False, 4, 84),
        "unseen strange small": lambda: art(unseen_strange.STRANGE, "art", True, 3, 84),
        "unseen strange noise": lambda: through(
            noises_strange.DECODERS,
            {kind: noises_strange.LEAST.get(kind, 0) for kind in noises_strange.REPORT},
            noises_strange.latents,
            85,
        ),
        "unseen pasted": lambda: pasted(unseen_art.ART, tuple(unseen.KINDS), unseen.latents, 64, 80),
        "unseen toned": lambda: toned({**unseen_art.ART, **unseen_textures.TEXTURES}, 2, 82),
        "unseen washed": lambda: washed(decoders.REPORT, 83),
        "unseen faint": lambda: tinted(decoders.REPORT, 81, faint=True),
        "unseen textures": lambda: art(unseen_textures.TEXTURES, "art", False, 4, 73),
        "unseen textures small": lambda: art(unseen_textures.TEXTURES, "art", True, 3, 73),
        "unseen grey textures": lambda: grey_art(unseen_textures.TEXTURES, 4, 74),
        "unseen grey art": lambda: grey_art(unseen_art.ART, 2, 75),
        "unseen decoders": lambda: through(
            decoders.REPORT, {kind: unseen.LEAST.get(kind, 0) for kind in unseen.KINDS}, unseen.latents, 76
        ),
        "unseen decoder ladders": lambda: ladders_through(decoders.REPORT, 3),
        "unseen grey decoded": lambda: grey_decoded(decoders.REPORT, 4, 77),
        "unseen tinted": lambda: tinted(decoders.REPORT, 78),
        "unseen pixels": lambda: pixels(2),
        "unseen filtered photographs": _filtered_photographs,
    }
    if places.pocket is not None:
        decoder = noises.pocket_decoder(places.pocket)
        pieces["unseen noise pocket 256"] = lambda: _unseen_noise("pocket", decoder, 256, 3)
        pieces["unseen noise pocket 128"] = lambda: _unseen_noise("pocket", decoder, 128, 4)
    if places.public is not None:
        pieces["unseen public"] = lambda: public(places.public or Path(), 1)
        pieces["unseen grey photographs"] = lambda: grey_photographs((places.public or Path()) / "net", 1, 150)
    return pieces
