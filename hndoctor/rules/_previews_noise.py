"""HN301 and HN302: noise in previews, there or on its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hndoctor.calibration import either_noise, is_small, log_odds, noise_reasons, probability
from hndoctor.calibration.logistic import Probability
from hndoctor.calibration.words import told
from hndoctor.formats.counted import percent
from hndoctor.records import Preview, Severity, Vitals
from hndoctor.rules._previews_relative import (
    References,
    by_step,
    change,
    comparable_series,
    judged_either,
    noise_probability,
    readable,
    references_for,
    references_of,
)
from hndoctor.rules._previews_text import NOISE
from hndoctor.rules.engine import Sign, rule

#: share of tiles from which a picture is partly noise, though not as a whole, where its reference has hardly any: none
#: of the lab's 1,340 previews of sound steps that have a reference, by the map of before, which found more
NOISE_SHARE = 0.35
SHARE_WORTH_SAYING = 0.1  # of the tiles; below it the tile map does not see what the whole picture shows
RISE = 2.0  # rise of the log odds of noise over the first previews that counts as growth (guess, untested)
# probability of noise from which growth is worth a word.  A sound run that learns a textured style grows to .33 (the
# demo's), no other sound one of the lab's tuning half to .1; its sick ones pass from .28 to noise within a checkpoint
NEARLY = 0.4
SERIES = 4  # comparable previews that a trend needs


@rule("HN301", Severity.ERROR, needs="previews")
def colourful_noise(vitals: Vitals) -> Iterator[Sign]:
    """A preview is colourful noise.

    The network rewrites the prompt's context so strongly that nothing of it is left: it is broken (G29).
    Do not train on from here.  Go back not a little but to a still earlier checkpoint, and train on from there at a
    lower learning rate.
    """
    vitals = replace(vitals, previews=readable(vitals.previews))  # put in order once
    for step, group in by_step(vitals.previews):
        if step == 0:
            continue  # the untouched base model: whatever it shows, no network made it
        seen = [_seen(preview, references_of(preview, vitals)) for preview in group]
        noisy = [one for one in seen if one.noise.value >= NOISE]
        if noisy:
            worst = max(noisy, key=lambda one: one.noise.value)
            text = _noise_message(len(noisy), len(group), worst)
            p = worst.noise
            sure = p.value if worst.references else max(p.low, NOISE)  # judged alone it is less sure
            yield Sign(text, step, worst.preview.path, round(p.value, 4), NOISE, sure)
        else:
            yield from _partly(step, seen)


@dataclass(frozen=True)
class _Seen:
    preview: Preview
    references: References
    noise: Probability  # of either kind

    @property
    def colourful(self) -> bool:
        """Rather than of one tint: as it looks by itself, since beside others both are sure at once."""
        return either_noise(self.preview.noise or 0.0, self.preview.grey_noise or 0.0)[0] == "noise"


def _seen(preview: Preview, references: References) -> _Seen:
    return _Seen(preview, references, judged_either(preview, references))


def _noise_message(noisy: int, all_of_step: int, worst: _Seen) -> str:
    are = "is" if noisy == 1 else "are"
    count = "the preview is" if all_of_step == 1 else f"{noisy} of {all_of_step} previews {are}"
    if not worst.colourful:
        return f"{count} noise in grey or in one tint"
    share, p = worst.preview.noise_share or 0.0, worst.noise
    covered = f", covering {share:.0%} of the frame" if share >= SHARE_WORTH_SAYING else ""
    sure, low, high = map(percent, (p.value, p.low, p.high))
    sure += f", {low} to {high}" if low != high else ""
    return f"{count} colourful noise{covered} ({sure}){_because(worst.preview)}"


def _because(preview: Preview) -> str:
    """The measure that says so loudest, in words; nothing where the measures are not all there."""
    try:
        reasons = noise_reasons(preview.scores, is_small(preview.width, preview.height))
    except KeyError:
        return ""
    return f": {told(reasons[0])}" if reasons else ""


def _partly(step: int | None, seen: Sequence[_Seen]) -> Iterator[Sign]:
    for one in seen:
        if _partly_noise(one.preview, one.references.itself):
            share = one.preview.noise_share or 0.0
            text = f"{share:.0%} of the frame looks like noise, though the picture as a whole is not yet"
            sure = max(one.noise.value, 0.5)
            yield Sign(text, step, one.preview.path, share, NOISE_SHARE, sure, Severity.WARNING)


def _partly_noise(preview: Preview, references: Sequence[Preview]) -> bool:
    before = max((r.noise_share or 0.0 for r in references), default=1.0)
    return (preview.noise_share or 0.0) >= NOISE_SHARE and before <= NOISE_SHARE / 3


@rule("HN302", Severity.WARNING, needs="previews")
def growing_noise(vitals: Vitals) -> Iterator[Sign]:
    """Noise is growing in the previews.

    They are not noise yet, but each comparable one looks more like it than the one before.  This is how a collapse
    begins.  Lower the learning rate now, or go back to the checkpoint before the rise.
    """
    for series in comparable_series(readable(vitals.previews)):
        sign = _growth(readable(series))
        if sign is not None:
            yield sign


def _growth(series: Sequence[Preview]) -> Sign | None:
    """The first step at which noise has grown in three steps running, but before it is noise."""
    odds = [log_odds(noise_probability(p, references_for(p, series))) for p in series]
    for k in range(SERIES - 1, len(series)):
        p = probability(odds[k])
        if p >= NOISE:
            return None
        rise = odds[k] - sorted(odds[: k - 1])[(k - 1) // 2]
        moved = change(series[k], references_for(series[k], series))
        if p >= NEARLY and rise >= RISE and moved > 0 and odds[k] > odds[k - 1] > odds[k - 2]:
            text = f"the probability of noise rose to {percent(p)} over the last previews"
            return Sign(text, series[k].step, series[k].path, round(p, 4), NEARLY, 0.5 + p)
    return None
