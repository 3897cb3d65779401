"""What a configuration of the lab's population is drawn to become; the truth about a run never asks for it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

STYLES = ("redfig", "gameboy", "amberglass", "lantern")  # three styles and one object (trainer/pocket/datasets.py)
STRUCTURES = ("1, 2, 1", "1, 2, 1", "1, 2, 1", "1, 1.5, 1.5, 1", "1, 3, 1", "1, 6, 1", "1, 2, 2, 2, 1")
STRONG = ("1, 6, 1", "1, 6, 1", "1, 3, 1", "1, 2, 2, 2, 1", "1, 4, 4, 1", "1, 2, 1")  # wide or deep, most of them
ACTIVATIONS = ("relu", "relu", "relu", "linear", "swish", "leakyrelu", "elu", "mish", "tanh", "softsign")
HARSH = ("XavierNormal", "XavierUniform", "KaimingNormal", "KaimingUniform")
NEGATIVE = "blurry, low quality, dark"  # G25: previews that lean on such a prompt
GUIDE = "5e-5:100, 5e-6:1500, 5e-7:10000, 5e-8:20000"  # G23



@dataclass(frozen=True)
class Change:
    """The pictures are replaced by others of the same style after so many checkpoints, and the run goes on (G32)."""

    checkpoint: int
    data_seed: int


@dataclass(frozen=True)
class Draw:
    """What an intent decides of a configuration."""

    learn_rate: str
    every: int
    checkpoints: int
    pictures: int
    weight_init: str = "Normal"
    layer_norm: bool = False
    batch_size: int | None = None
    change: Change | None = None
    plain: bool = False  # without layer norm and dropout, which slow learning by heart
    structures: tuple[str, ...] = STRUCTURES
    datasets: tuple[str, ...] = STYLES
    activations: tuple[str, ...] = ACTIVATIONS
    preview_seed: int = 1


Intent = Callable[[random.Random], Draw]


def _rate(rng: random.Random, low: float, high: float) -> str:
    """Log-uniform, with two digits, as people would type it."""
    return f"{math.exp(rng.uniform(math.log(low), math.log(high))):.1e}".replace("e-0", "e-").replace("e+0", "e")


def _ruined(rng: random.Random) -> Draw:
    return Draw(_rate(rng, 1.5e-2, 2.0), rng.choice((12, 16)), 4, rng.choice((6, 12, 24, 40)))


def _slow(rng: random.Random) -> Draw:
    return Draw(_rate(rng, 3.5e-3, 1.3e-2), rng.choice((30, 40, 50)), 6, rng.choice((6, 12, 24, 40)))


def _sudden(rng: random.Random) -> Draw:
    """Sound until the user raises the rate."""
    every, sound = rng.choice((24, 30)), 3
    until = every * sound + rng.randrange(every)
    text = f"{_rate(rng, 5e-4, 2e-3)}:{until}, {_rate(rng, 1.5e-2, 0.2)}:100000"
    return Draw(text, every, sound + 3, rng.choice((12, 24, 40)))


def _recovered(rng: random.Random) -> Draw:
    every = rng.choice((25, 30))
    text = f"{_rate(rng, 1.2e-2, 3e-2)}:{every * 2 - 5}, {_rate(rng, 3e-4, 1.5e-3)}:100000"
    return Draw(text, every, 7, rng.choice((12, 24, 40)))


def _dead_at_start(rng: random.Random) -> Draw:
    norm = rng.random() < 0.25  # the same initialisation behind a layer norm, which should live (G18)
    return Draw(_rate(rng, 1e-4, 1e-3), 20, 3, rng.choice((12, 24)), rng.choice(HARSH), norm)


def _healthy(rng: random.Random) -> Draw:
    pictures = rng.choice((24, 40, 80, 150))
    return Draw(_rate(rng, 3e-4, 2e-3), rng.choice((40, 50, 60)), 5, pictures)


def _undertrained(rng: random.Random) -> Draw:
    return Draw(_rate(rng, 1e-6, 1e-4), rng.choice((30, 40)), 3, rng.choice((12, 24, 40)))


def _overtraining(rng: random.Random) -> Draw:
    pictures = rng.choice((4, 4, 6, 8))
    return Draw(_rate(rng, 1.5e-3, 5e-3), rng.choice((60, 75)), 6, pictures, batch_size=1)


def _by_heart(rng: random.Random) -> Draw:
    """Few pictures, often: what a first look at `overtraining` showed to be needed here."""
    pictures = rng.choice((4, 4, 4, 6))
    return Draw(_rate(rng, 2.5e-3, 6e-3), 150, 8, pictures, batch_size=1, plain=True)


def _guided(rng: random.Random) -> Draw:
    """The guide's schedule: carried by width (x 8), by what trains the pocket model well (x 200), or as written."""
    by, every, count = rng.choice(((8, 50, 5), (200, 50, 5), (200, 50, 5), (1, 40, 3)))
    parts = (part.strip().split(":") for part in GUIDE.split(","))
    text = ", ".join(f"{float(rate) * by:.0e}:{end}".replace("e-0", "e-") for rate, end in parts)
    return Draw(text, every, count, rng.choice((12, 24, 40)))


def _changed(rng: random.Random) -> Draw:
    change = Change(3, 1000 + rng.randrange(1000))
    return Draw(_rate(rng, 8e-4, 2e-3), 40, 6, 12, change=change)


def _long(rng: random.Random) -> Draw:
    """The guide's full length: 5e-6 and the guide's schedule, carried to the pocket model's scale."""
    text = rng.choice(("4e-5", "1e-3", "4e-4:100, 4e-5:1500, 4e-6:10000, 4e-7:25000"))
    return Draw(text, 1250, 20, rng.choice((12, 24, 40)), batch_size=1)


def _drilled(rng: random.Random) -> Draw:
    """Few pictures, over and over, by networks that can learn them by heart."""
    pictures, every = rng.choice((4, 4, 5, 6, 8)), rng.choice((100, 150))
    return Draw(_rate(rng, 1.5e-3, 5e-3), every, 12, pictures, batch_size=1, plain=True, structures=STRONG)


def _steady(rng: random.Random) -> Draw:
    """As long and as strong, with many pictures: what must not be called overtrained."""
    pictures, every = rng.choice((100, 150)), rng.choice((100, 150))
    return Draw(_rate(rng, 1e-3, 3e-3), every, 12, pictures, batch_size=1, plain=True, structures=STRONG)


def _memorised(rng: random.Random) -> Draw:
    """Slower and twice as long as `drilled`, whose first runs broke or had lost a twentieth when they ended."""
    return Draw(
        _rate(rng, 1.3e-3, 2.2e-3), 250, rng.choice((10, 12)), rng.choice((4, 4, 5)), batch_size=1, plain=True,
        structures=("1, 6, 1", "1, 6, 1", "1, 3, 1", "1, 2, 2, 2, 1"), datasets=STYLES[:3],
    )  # fmt: skip


def _worn(rng: random.Random) -> Draw:
    """What `drilled-05` was on its way to when it ended: nothing that breaks early, four pictures, 2,000 steps."""
    return Draw(
        _rate(rng, 1.6e-3, 2.4e-3), 200, 10, 4, batch_size=1, plain=True, structures=("1, 6, 1",),
        datasets=("gameboy", "amberglass"), activations=("relu", "leakyrelu"),
    )  # fmt: skip


def _familiar(rng: random.Random) -> Draw:
    """Few pictures in a look that the base model knows: little to gain, as on Stable Diffusion, and soon by heart."""
    return Draw(
        _rate(rng, 1.5e-4, 1.5e-3), rng.choice((20, 30)), 9, rng.choice((4, 6, 8, 12)), batch_size=1, plain=True,
        datasets=("known",),
    )  # fmt: skip


def _broad(rng: random.Random) -> Draw:
    """The same with many pictures, which must not be called overtrained as soon."""
    return replace(_familiar(rng), pictures=rng.choice((100, 150)))


def _unseeded(rng: random.Random) -> Draw:
    """Previews with another seed every time, as the web UI draws them unless told otherwise (G25-G27)."""
    return Draw(_rate(rng, 5e-4, 2e-3), 20, 4, 12, batch_size=1, preview_seed=-1)


def _unseeded_sudden(rng: random.Random) -> Draw:
    """The same until the user raises the rate."""
    text = f"{_rate(rng, 5e-4, 2e-3)}:{rng.randrange(32, 48)}, {_rate(rng, 1.5e-2, 0.2)}:100000"
    return Draw(text, 16, 4, 12, batch_size=1, preview_seed=-1)


def _calmed(rng: random.Random) -> Draw:
    """A ruinous rate that its own schedule lowers, as the guide's does: captions are lost, and may come back."""
    text = f"{_rate(rng, 7e-3, 2e-2)}:{rng.choice((60, 90, 120))}, {_rate(rng, 5e-4, 1.5e-3)}:100000"
    return Draw(text, 30, 9, rng.choice((12, 24, 40)))


INTENTS: dict[str, tuple[int, Intent]] = {
    "overtraining": (4, _overtraining),
    "healthy": (12, _healthy),
    "slow": (12, _slow),
    "ruined": (10, _ruined),
    "dead-at-start": (8, _dead_at_start),
    "sudden": (8, _sudden),
    "undertrained": (6, _undertrained),
    "recovered": (4, _recovered),
    "guided": (4, _guided),
    "changed": (2, _changed),
    "by-heart": (14, _by_heart),
}
"""How many of each; `long` runs are apart, as each takes as much time as all of these."""
LONG = 3
ADDED: dict[str, tuple[int, Intent]] = {
    "drilled": (16, _drilled),
    "steady": (6, _steady),
    "memorised": (10, _memorised),
    "worn": (8, _worn),
    "familiar": (16, _familiar),
    "broad": (8, _broad),
    "unseeded": (2, _unseeded),
    "unseeded-sudden": (2, _unseeded_sudden),
    "calmed": (24, _calmed),
}
"""Drawn when 22 runs of the others were kept and none was overtrained; the later ones when the first of those before
them had not lasted in it either.  That was told by the oracle's losses, whatever the diagnosis says of them.  `calmed`
came last: what is broken for a while was missed in the test half and in fresh runs, and tuned on in one run only."""
ALL = {**INTENTS, "long": (LONG, _long), **ADDED}  # in an order that configurations follow from: only ever add
