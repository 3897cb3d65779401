"""Previews judged against previews: which can be compared, and what changed.  Plain numbers, no pixels.

An absolute judgement must let a dense mosaic or glitch art pass as noise, since statistically it is.  Beside a picture
of the same prompt and seed from before the training, it is plain whether the network made the noise; beside the
training pictures, whether it is what the network was to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, takewhile

from hndoctor.calibration import (
    Compared,
    Probability,
    Usual,
    compare,
    compare_grey,
    compare_grey_kind,
    compare_kind,
    log_odds,
)
from hndoctor.calibration.logistic import NINETY
from hndoctor.records import Preview, Vitals

KEYS = ("prompt", "negative_prompt", "seed", "sampler", "sampling_steps", "cfg_scale", "clip_skip", "model_hash")
EARLY = 2  # references taken where there is no step 0: the earliest ones (guess, untested)
TRUSTED = 0.5  # absolute noise probability above which a preview later than step 0 is no reference
FEWEST = 3  # pictures that make a kind: fewer have no spread of their own (guess, untested)
COMPANY = 8  # earlier previews of other prompts that stand for the kind, where no training pictures do


class Group(tuple[Preview, ...]):
    """Pictures that others are judged against, and what is usual among them."""

    @cached_property
    def usual(self) -> Usual:
        """Worked out once."""
        return Usual.of([one.scores for one in self])


NOBODY = Group()


@dataclass(frozen=True)
class References:
    """What a preview is judged against."""

    itself: Group = NOBODY  # the same prompt and seed, before
    kind: Group = NOBODY  # training pictures; without them and `itself`: earlier previews of other prompts

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.itself or self.kind)


class Ordered(tuple[Preview, ...]):
    """Previews that were read and measured, in order of step (without a step: last)."""

    @cached_property
    def _groups(self) -> dict[tuple[str, ...], Group]:
        return {}

    def group(self, pictures: Iterable[Preview]) -> Group:
        """Pictures that some of these are judged against: mostly the same for many, and then the same group."""
        found = Group(pictures)
        return self._groups.setdefault(tuple(one.path for one in found), found)


def readable(previews: Iterable[Preview]) -> Ordered:
    """Those that were read and measured, in order; what is so already comes back as it is."""
    if isinstance(previews, Ordered):
        return previews
    fit = [p for p in previews if p.unreadable is None and p.scores]
    return Ordered(sorted(fit, key=lambda p: (p.step is None, p.step or 0, p.path)))


def comparable(one: Preview, other: Preview) -> bool:
    """Whether two previews differ in nothing but the network: what both tell is equal, size included."""
    if one.width != other.width or one.height != other.height:
        return False
    for name in KEYS:  # and not `differences`, which names them all: runs have thousands of pairs
        a, b = getattr(one, name), getattr(other, name)
        if a is not None and b is not None and a != b and _telling(name, a, b):
            return False
    return True


def differences(one: Preview, other: Preview) -> tuple[str, ...]:
    """The settings that both previews tell and that differ, by field name."""
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in KEYS)
    found = tuple(name for name, a, b in pairs if a is not None and b is not None and a != b and _telling(name, a, b))
    return found if (one.width, one.height) == (other.width, other.height) else (*found, "size")


def _telling(name: str, one: object, other: object) -> bool:
    """Hashes of two generations (8 and 10 digits) cannot be compared: the model may be the same."""
    return name != "model_hash" or len(str(one)) == len(str(other))


def references_for(preview: Preview, previews: Iterable[Preview]) -> Group:
    """What a preview may be judged against: comparable ones of step 0, else the earliest two before it.

    A later one than step 0 must not be noise itself: a network may be broken from the start.
    """
    found: list[Preview] = []
    ordered = readable(previews)
    for other in _earlier(preview, ordered):  # no further than is needed: a run may have thousands
        if other.step and found and (found[0].step == 0 or len(found) >= EARLY):
            break
        if comparable(other, preview):
            found.append(other)
    if found and found[0].step == 0:
        return ordered.group(found)
    return ordered.group(p for p in found if (p.noise or 0.0) < TRUSTED)


def references_of(preview: Preview, vitals: Vitals) -> References:
    """All that a preview of a run may be judged against, its training pictures among it.

    Previews of random captions have no earlier self: where no training pictures are known either, the run's own
    earlier previews, whatever their prompts, stand for what its pictures look like.
    """
    previews = readable(vitals.previews)
    itself = references_for(preview, previews)
    kind = tuple(p for p in vitals.training if p.scores)
    if not itself and len(kind) < FEWEST:
        company = (p for p in _earlier(preview, previews) if p.step == 0 or (p.noise or 0.0) < TRUSTED)
        kind = tuple(islice(company, COMPANY))
    return References(itself, previews.group(kind if len(kind) >= FEWEST else ()))


def _earlier(preview: Preview, previews: Ordered) -> Iterator[Preview]:
    return takewhile(lambda p: p.step is not None and p.step < (preview.step or 0), previews)


def judged_noise(preview: Preview, references: References) -> Probability:
    """Probability that the network turned this preview into colourful noise, with its interval.

    With references both must speak: the picture looks like noise, and it differs from them in what makes it so.  What
    either kind of reference explains is no noise, so the smaller probability counts: a glitch artist's pictures are
    normal for a network trained on them.  Without any it is the absolute judgement, whose uncertainty is larger.
    """
    alone = _alone(preview)
    if preview.unreadable is not None or not references or not preview.scores:
        return alone
    spread = _deviation(alone)
    return _least(preview, references, _noise_alone, lambda c: compare(c, spread), lambda c: compare_kind(c, spread))


def judged_grey(preview: Preview, references: References) -> float:
    """The same of noise without colours of its own, grey or of one tint."""
    if preview.unreadable is not None or not references or not preview.scores:
        return preview.grey_noise or 0.0
    return _least(preview, references, _grey_alone, compare_grey, compare_grey_kind).value


def _least(
    preview: Preview,
    references: References,
    alone: Callable[[Preview], float],
    itself: Callable[[Compared], Probability],
    kind: Callable[[Compared], Probability],
) -> Probability:
    """The smallest of what each kind of reference that is there makes of the preview."""
    ways = ((references.itself, itself), (references.kind, kind))
    judged = (judge(_compared(preview, others, alone)) for others, judge in ways if others)
    return min(judged, key=lambda p: p.value)


def judged_either(preview: Preview, references: References) -> Probability:
    """That the network turned this preview into noise, colourful or not: pale noise looks a little like both."""
    grey = judged_grey(preview, references)
    return judged_noise(preview, references).or_else(Probability(grey, grey, grey))


def noise_seen(vitals: Vitals) -> dict[str, float]:
    """The probability that findings tell of, by the path of the preview: beside its references where it has any."""
    ordered = replace(vitals, previews=readable(vitals.previews))  # once, not for every preview
    known = (p for p in vitals.previews if p.noise is not None)
    return {p.path: judged_either(p, references_of(p, ordered)).value for p in known}


def noise_probability(preview: Preview, references: Sequence[Preview] = ()) -> float:
    """`judged_noise` against previews of the same prompt and seed alone.  An unreadable preview gives 0."""
    return judged_noise(preview, References(_group(references))).value


def change(preview: Preview, references: Sequence[Preview]) -> float:
    """Mean movement of the measures towards noise, in units of natural spread, −3 to 3; 0 is no change."""
    return _compared(preview, _group(references), _noise_alone).change if references else 0.0


def _group(references: Sequence[Preview]) -> Group:
    return references if isinstance(references, Group) else Group(references)


def _compared(preview: Preview, references: Group, alone: Callable[[Preview], float]) -> Compared:
    odds = [log_odds(alone(r)) for r in references]
    return Compared.of(preview.scores, log_odds(alone(preview)), references.usual, odds)


def _noise_alone(preview: Preview) -> float:
    return preview.noise or 0.0


def _grey_alone(preview: Preview) -> float:
    """Probability of noise without colour whether or not the picture is colourful noise too.

    What is kept is that it is this and not that, p (1 − q) (`Probability.unless`): beside others both are asked apart.
    """
    other = 1 - (preview.noise or 0.0)
    return min(1.0, (preview.grey_noise or 0.0) / other) if other > 0 else 0.0


def _alone(preview: Preview) -> Probability:
    value = preview.noise or 0.0
    return Probability(value, *(preview.noise_interval or (value, value)))


def _deviation(alone: Probability) -> float:
    """Of the log odds, from the interval."""
    return (log_odds(alone.high) - log_odds(alone.low)) / (2 * NINETY)


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
