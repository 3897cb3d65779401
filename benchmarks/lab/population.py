"""The population: what is trained, as frozen records that follow from one seed.

An *intent* is what a configuration was drawn to become; the truth about a run never asks for it.  The two halves
differ in configuration, in seed and in data seed: nothing that was tuned on is met again in the test.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from benchmarks.lab.intents import ADDED, ALL, INTENTS, LONG, NEGATIVE, Change, Intent

SEED = 1123  # of the whole population
HALVES = ("tuning", "test")
FRESH_DATA = 5000  # added to their data seeds
FRESH, OF_EACH = "fresh", 2  # runs of a population of its own, which nothing was set or chosen by


@dataclass(frozen=True)
class Configuration:
    """One run, before it is trained.  Names are the trainer's own where it has the setting."""

    name: str
    intent: str
    half: str
    dataset: str
    pictures: int  # trained on
    validation: int  # held out by the user, for the diagnosis; the oracle has its own
    data_seed: int
    seed: int
    learn_rate: str
    every: int  # steps from one checkpoint to the next
    checkpoints: int
    batch_size: int = 1
    layer_structure: str = "1, 2, 1"
    activation: str = "relu"
    weight_init: str = "Normal"
    layer_norm: bool = False
    dropout: float = 0.0  # of every hidden layer
    precision: str = "fp32"
    negative_prompt: str = ""
    change: Change | None = None
    preview_seed: int = 1  # -1: another one for each checkpoint

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.every * self.checkpoints

    @property
    def dropout_structure(self) -> str:
        """As the trainer wants it: nothing before the first and after the last layer."""
        hidden = self.layer_structure.count(",") - 1
        return ", ".join(["0", *[f"{self.dropout:g}"] * hidden, "0"]) if self.dropout else ""


def population(seed: int = SEED) -> tuple[Configuration, ...]:
    """Every configuration but the long ones: those of INTENTS, then those of ADDED, each in an order of which any
    beginning is a balanced sample."""
    return tuple(one for intents in (INTENTS, ADDED) for one in _interleaved(_each(intents, seed)))


def long_runs(seed: int = SEED) -> tuple[Configuration, ...]:
    """The runs of 25,000 steps."""
    return tuple(_made("long", at, seed) for at in range(LONG))


def fresh_runs(seed: int = SEED + 1) -> tuple[Configuration, ...]:
    """Some of each intent from another seed, with pictures of their own: is what the two halves told still so?"""
    drawn = [_made(intent, at, seed) for at in range(OF_EACH) for intent in (*INTENTS, *ADDED)]
    return tuple(
        replace(one, name=f"{FRESH}-{one.name}", half=FRESH, data_seed=one.data_seed + FRESH_DATA) for one in drawn
    )


def by_name(seed: int = SEED) -> dict[str, Configuration]:
    """All of them."""
    return {one.name: one for one in (*population(seed), *long_runs(seed), *fresh_runs())}


def _each(intents: Mapping[str, tuple[int, Intent]], seed: int) -> dict[str, list[Configuration]]:
    return {intent: [_made(intent, at, seed) for at in range(count)] for intent, (count, _) in intents.items()}


def _interleaved(made: dict[str, list[Configuration]]) -> Iterator[Configuration]:
    """At each place the intent that is furthest behind its share."""
    total, given = sum(map(len, made.values())), Counter[str]()
    for place in range(total):
        behind = {name: len(all_) * (place + 1) / total - given[name] for name, all_ in made.items()}
        intent = max((name for name in made if given[name] < len(made[name])), key=lambda name: behind[name])
        yield made[intent][given[intent]]
        given[intent] += 1


def _made(intent: str, at: int, seed: int) -> Configuration:
    rng = random.Random(f"{seed}/{intent}/{at}")
    draw = ALL[intent][1](rng)
    half = HALVES[(at + [*ALL].index(intent)) % 2]  # by turns, beginning differently
    harsh = draw.weight_init != "Normal"
    structure, activation = rng.choice(draw.structures), rng.choice(draw.activations)
    return Configuration(
        name=f"{intent}-{at + 1:02d}",
        intent=intent,
        half=half,
        dataset=rng.choice(draw.datasets),
        pictures=draw.pictures,
        validation=3 if draw.pictures < 24 else 4,
        data_seed=100 + HALVES.index(half) + 2 * at,
        seed=rng.randrange(2**16) * 2 + HALVES.index(half),
        learn_rate=draw.learn_rate,
        every=draw.every,
        checkpoints=draw.checkpoints,
        batch_size=draw.batch_size or rng.choice((1, 1, 1, 1, 4)),
        layer_structure=structure if intent != "changed" else "1, 2, 1",
        activation=activation,
        weight_init=draw.weight_init,
        layer_norm=draw.layer_norm if harsh else rng.random() < 0.1 and not draw.plain,
        dropout=rng.choice((0.0, 0.0, 0.0, 0.0, 0.1, 0.3)) * (not draw.plain),
        precision=rng.choice(("fp32",) * 9 + ("bf16",)),
        negative_prompt=NEGATIVE if rng.random() < 0.1 else "",
        change=draw.change,
        preview_seed=draw.preview_seed,
    )
