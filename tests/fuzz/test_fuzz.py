"""The fuzz targets in small: every seed, and a few hundred inputs that hypothesis makes of them.

`make fuzz` runs a million under atheris.  An input that broke a target is a seed since it was mended.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import CORPUS, TARGETS

SEEDS = sorted((path.parent.name, path.name) for path in CORPUS.glob("*/*"))
EXAMPLES = {"forged": 60, "vitals": 60, "picture": 60, "config": 60}  # the slow ones; others: 150


@pytest.mark.parametrize(("target", "seed"), SEEDS)
def test_a_seed_does_no_harm(target: str, seed: str) -> None:
    TARGETS[target]((CORPUS / target / seed).read_bytes())


def test_every_target_has_seeds_and_every_seed_a_target() -> None:
    assert {target for target, _ in SEEDS} == set(TARGETS)


def seeds_of(target: str) -> list[bytes]:
    """What the inputs of a target begin with."""
    return [(CORPUS / one / seed).read_bytes() for one, seed in SEEDS if one == target]


@st.composite
def spoilt(draw: st.DrawFn, target: str) -> bytes:
    """A seed with a few stretches replaced by other bytes, or by a stretch of another seed."""
    seeds = st.sampled_from(seeds_of(target))
    data = bytearray(draw(seeds))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 16))
        other = draw(seeds)
        start = draw(st.integers(0, len(other)))
        data[at : at + length] = draw(st.one_of(st.binary(max_size=16), st.just(other[start : start + 40])))
    return bytes(data)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_spoilt_seeds_do_no_harm(target: str) -> None:
    @settings(
        max_examples=EXAMPLES.get(target, 150),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(spoilt(target), st.binary(max_size=200)))
    def tried(data: bytes) -> None:
        TARGETS[target](data)

    tried()
