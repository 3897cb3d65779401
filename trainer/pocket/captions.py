"""Captions of scenes, in sentences and in tags, and every word they use.

What is not said matters: no light named means no light, no look named means the plain look. Sky, ground and
colour are now and then left out in training, so that a short prompt leaves them to chance.
"""

from __future__ import annotations

import numpy as np

from trainer.pocket import looks
from trainer.pocket.scenes import COLOURS, GROUNDS, LIGHTS, OBJECTS, SKIES, Scene

OPENINGS = (
    "a painting of",
    "a picture of",
    "a photo of",
    "a drawing of",
    "the rendering of",
    "a rendition of",
    "a nice painting of",
    "a good photo of",
    "a close-up picture of",
)

#: Words that the web UI's prompt templates add; the model has heard some and may meet the others.
SPARE = tuple(  # a string is easier to read and to add to than a hundred quotation marks
    w
    for line in (
        "an of the in on by and with under over beside style art in without no is at to from clean dirty",
        "small large big bright dark light cool weird cropped close up striped spotted tiny picture image",
        "best quality",
        "bad low high detailed colour color colours palette man woman cat dog bird flower cottage lake sea",
        "brown grey gray gold silver violet game boy comic etching drawing sketch , . - ! ( ) : 1 2 3 4 5",
    )
    for w in line.split()
)


def _light(s: Scene) -> list[str]:
    return [] if s.light == "none" else [s.light]


def _extras(s: Scene) -> list[str]:
    return (["mountains"] if s.mountains else []) + ([] if s.air == "none" else [s.air])


def _ground(s: Scene) -> str:
    return "in a field" if s.ground == "field" else f"on {s.ground}"


def _a(words: str) -> str:
    """The words behind their indefinite article."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def caption(s: Scene, look: bool = True) -> str:
    """The plain sentence for a scene, with or without the words for its look."""
    text = f"{_a(s.colour)} {s.object} {_ground(s)} under {_a(s.sky)} sky"
    more = ([f"the {w}" for w in _light(s)]) + _extras(s)
    if more:
        text += " with " + " and ".join(more)
    return ", ".join([text, *(s.look if look else ())])


def tags(s: Scene, rng: np.random.Generator, keep: tuple[bool, bool, bool] = (True, True, True)) -> str:
    """The scene as tags in random order; ``keep`` says whether colour, ground and sky are told."""
    parts = [f"{s.colour} {s.object}" if keep[0] else s.object, *_light(s), *_extras(s), *s.look]
    parts += [s.ground] * keep[1] + [f"{s.sky} sky"] * keep[2]
    return ", ".join(parts[int(i)] for i in rng.permutation(len(parts)))


def _sentence(s: Scene, rng: np.random.Generator, keep: tuple[bool, bool, bool]) -> str:
    thing = _a(f"{s.colour} {s.object}" if keep[0] else s.object)
    ground = f" {_ground(s)}" if keep[1] else ""
    sky = f"{_a(s.sky)} sky" if keep[2] else ""
    extras = [f"the {w}" if rng.random() < 0.5 else w for w in _light(s)] + _extras(s)
    glue = " and " if rng.random() < 0.5 else ", "
    joined = glue.join(str(e) for e in rng.permutation(extras)) if extras else ""
    if sky and rng.random() < 0.3:
        text = sky + (f" with {joined}" if joined else "") + f" over {thing}{ground}"
    else:
        under = " under " if rng.random() < 0.8 else ", "
        text = thing + ground + (under + sky if sky else "") + (f" with {joined}" if joined else "")
    if rng.random() < 0.25:
        text = f"{rng.choice(OPENINGS)} {text}"
    words = list(s.look)[:: int(rng.choice((1, -1)))]
    return ", ".join([*words, text] if rng.random() < 0.3 else [text, *words])


def random_caption(s: Scene, rng: np.random.Generator) -> str:
    """One of the many ways to say a scene: 30 % the plain sentence, 30 % tags, 40 % freer sentences."""
    keep = (bool(rng.random() > 0.06), bool(rng.random() > 0.06), bool(rng.random() > 0.06))
    kind = rng.random()
    if kind < 0.3:
        return caption(s)
    return tags(s, rng, keep) if kind < 0.6 else _sentence(s, rng, keep)


def words() -> list[str]:
    """Every word of the captions, then the spare ones; each becomes one token."""
    said = [*SKIES, *GROUNDS, *COLOURS, *LIGHTS, *OBJECTS, "sky", "mountains", "clouds", "stars", "plain"]
    for phrase in (*looks.WORDS.values(), *OPENINGS):
        said += phrase.split()
    return list(dict.fromkeys(w for w in [*said, *SPARE] if w))
