"""Previews judged against previews: which can be compared, and what changed.  Plain numbers, no pixels.

An absolute judgement must let a dense mosaic or glitch art pass as noise, since statistically it is.  Beside a picture
of the same prompt and seed from before the training, it is plain whether the network made the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from hndoctor.records import Preview

KEYS = ("prompt", "negative_prompt", "seed", "sampler", "sampling_steps", "cfg_scale", "clip_skip", "model_hash")
EARLY = 2  # references taken where there is no step 0: the earliest ones (guess, untested)
TRUSTED = 0.5  # absolute noise probability above which a preview later than step 0 is no reference
REACH = 3.0  # units of natural spread to which one measure's change counts


@dataclass(frozen=True)
class Trend:
    """How one measure moves when a picture drowns in noise."""

    measure: str
    sign: float  # +1: noise raises it
    logarithmic: bool
    offset: float  # added before the logarithm
    floor: float  # a quarter of the interquartile range of healthy pictures, on the transformed scale


@dataclass(frozen=True)
class Relative:
    """The logistic of an absolute judgement and the mean change against references."""

    intercept: float
    absolute: float  # weight of the absolute log odds (±`most`), less the references' where those are above 0
    change: float  # weight of the mean change, in units of natural spread, clipped to ±REACH
    most: float = 8.0


# From benchmarks/previews/calibrate.py: floors are a quarter of the interquartile range over healthy pictures.
TRENDS = (
    Trend("broad_gradient_kurtosis", -1.0, True, 0.0, 0.18),
    Trend("gradient_kurtosis", -1.0, True, 0.0, 0.40),
    Trend("calm_tile_chroma", 1.0, True, 0.01, 0.29),
    Trend("local_colour_entropy", 1.0, False, 0.0, 0.46),
    Trend("joint_entropy", 1.0, False, 0.0, 1.03),
    Trend("long_lag_autocorrelation", -1.0, False, 0.0, 0.10),
)
# Fitted on pairs of the bench's pictures, families held out for the absolute part: noise beside healthy pictures,
# against healthy and deceptive ones beside others of their kind.  AUC .9986, TPR .97 at 1 %; of 100 mosaics and
# glitches 6 are called noise beside their like, where 34 are alone.
RELATIVE = Relative(intercept=-3.11, absolute=1.16, change=0.93)


def log_odds(p: float, most: float = 8.0) -> float:
    """ln(p / (1 − p)), clipped to ±``most``."""
    if p <= 0 or p >= 1:
        return -most if p <= 0 else most
    return max(-most, min(most, math.log(p / (1 - p))))


def probability(odds: float) -> float:
    """The probability of log odds; 0..1 for any finite number."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, odds))))


def readable(previews: Iterable[Preview]) -> tuple[Preview, ...]:
    """Those that were read and measured, in order of step (without a step: last)."""
    fit = [p for p in previews if p.unreadable is None and p.scores]
    return tuple(sorted(fit, key=lambda p: (p.step is None, p.step or 0, p.path)))


def comparable(one: Preview, other: Preview) -> bool:
    """Whether two previews differ in nothing but the network: what both tell is equal, size included."""
    if (one.width, one.height) != (other.width, other.height):
        return False
    return not differences(one, other)


def differences(one: Preview, other: Preview) -> tuple[str, ...]:
    """The settings that both previews tell and that differ, by field name."""
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in KEYS)
    found = tuple(name for name, a, b in pairs if a is not None and b is not None and a != b and _telling(name, a, b))
    return found if (one.width, one.height) == (other.width, other.height) else (*found, "size")


def _telling(name: str, one: object, other: object) -> bool:
    """Hashes of two generations (8 and 10 digits) cannot be compared: the model may be the same."""
    return name != "model_hash" or len(str(one)) == len(str(other))


def references_for(preview: Preview, previews: Iterable[Preview]) -> tuple[Preview, ...]:
    """What a preview may be judged against: comparable ones of step 0, else the earliest two before it.

    A later one than step 0 must not be noise itself: a network may be broken from the start.
    """
    earlier = [
        p for p in readable(previews) if p.step is not None and p.step < (preview.step or 0) and comparable(p, preview)
    ]
    start = tuple(p for p in earlier if p.step == 0)
    return start or tuple(p for p in earlier[:EARLY] if (p.noise or 0.0) < TRUSTED)


def change(preview: Preview, references: Sequence[Preview]) -> float:
    """Mean movement of the measures towards noise, in units of natural spread, −3 to 3; 0 is no change.

    Each is (f − median of references) / max(1.4826 · MAD, floor), signed so that noise is positive (science §A.3).
    """
    moves = [_movement(trend, preview, references) for trend in TRENDS]
    known = [m for m in moves if m is not None]
    return sum(known) / len(known) if known else 0.0


def _movement(trend: Trend, preview: Preview, references: Sequence[Preview]) -> float | None:
    here = preview.scores.get(trend.measure)
    there = [r.scores[trend.measure] for r in references if trend.measure in r.scores]
    if here is None or not there:
        return None
    values = [_transformed(trend, v) for v in there]
    middle = median(values)
    spread = 1.4826 * median(abs(v - middle) for v in values)
    moved = trend.sign * (_transformed(trend, here) - middle) / max(spread, trend.floor)
    return max(-REACH, min(REACH, moved))


def _transformed(trend: Trend, value: float) -> float:
    return math.log(max(value + trend.offset, 1e-6)) if trend.logarithmic else value


def noise_probability(preview: Preview, references: Sequence[Preview] = ()) -> float:
    """Probability that the network turned this preview into colourful noise, 0..1.

    With references (see `references_for`) both must speak: the picture looks like noise, and it came to look so.
    Without any it is the absolute judgement, `Preview.noise`.  An unreadable preview gives 0.
    """
    alone = preview.noise or 0.0
    if preview.unreadable is not None or not references:
        return alone
    usual = max(0.0, median(log_odds(r.noise or 0.0, RELATIVE.most) for r in references))
    looks = log_odds(alone, RELATIVE.most) - usual  # what looked like noise before training is not held against it
    moved = change(preview, references)
    return probability(RELATIVE.intercept + RELATIVE.absolute * looks + RELATIVE.change * moved)


def distance(one: Preview, other: Preview) -> float | None:
    """RMS difference of two fingerprints, 0..1; None if either has none."""
    if not one.fingerprint or len(one.fingerprint) != len(other.fingerprint):
        return None
    squares = sum((a - b) ** 2 for a, b in zip(one.fingerprint, other.fingerprint, strict=True))
    return math.sqrt(squares / len(one.fingerprint))


def composition_distance(one: Preview, other: Preview) -> float | None:
    """How differently light and dark lie in two pictures: √(1 − r) of their fingerprints' luma, 0 to 1.42.

    Blind to contrast and palette, so that a sepia style does not seem to make pictures alike.  None as in `distance`;
    a picture without contrast has no composition, and counts as like every other.
    """
    if not one.fingerprint or len(one.fingerprint) != len(other.fingerprint):
        return None
    a, b = (_centred_luma(p.fingerprint) for p in (one, other))
    energy = math.sqrt(sum(v * v for v in a) * sum(v * v for v in b))
    return math.sqrt(max(0.0, 1 - sum(u * v for u, v in zip(a, b, strict=True)) / energy)) if energy > 1e-6 else 0.0


def _centred_luma(fingerprint: Sequence[float]) -> list[float]:
    luma = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in zip(*(fingerprint[i::3] for i in range(3)), strict=True)]
    mean = sum(luma) / len(luma)
    return [v - mean for v in luma]


Distance = Callable[[Preview, Preview], float | None]


def diversity(previews: Sequence[Preview], apart: Distance = distance) -> float | None:
    """Mean distance over all pairs of previews; None with fewer than two fingerprints."""
    found = [d for i, one in enumerate(previews) for other in previews[i + 1 :] if (d := apart(one, other)) is not None]
    return sum(found) / len(found) if found else None


def by_step(previews: Sequence[Preview]) -> Iterator[tuple[int | None, list[Preview]]]:
    """Previews in order of step, those of one step together."""
    steps: dict[int | None, list[Preview]] = {}
    for preview in previews:
        steps.setdefault(preview.step, []).append(preview)
    yield from steps.items()


def comparable_series(previews: Sequence[Preview]) -> Iterator[list[Preview]]:
    """Previews that differ in step alone, in order of step."""
    series: list[list[Preview]] = []
    for preview in previews:
        fits = next((s for s in series if comparable(s[0], preview)), None)
        if preview.step is None:
            continue
        if fits is None:
            series.append([preview])
        elif fits[-1].step != preview.step:
            fits.append(preview)
    yield from series
