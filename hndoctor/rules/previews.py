"""HN3xx: what the preview pictures show.  Each is compared only with what it can be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hndoctor.calibration import fried, repeated
from hndoctor.calibration.words import told
from hndoctor.formats.counted import percent
from hndoctor.records import Checkpoint, Preview, Severity, Vitals
from hndoctor.rules._previews_alike import previews_as_before_training, sameness
from hndoctor.rules._previews_made import (
    incomparable_previews,
    negative_prompt_used,
    seed_not_fixed,
    unreadable_preview,
    unusual_sampling,
)
from hndoctor.rules._previews_noise import colourful_noise, growing_noise
from hndoctor.rules._previews_relative import noise_probability, readable, references_for
from hndoctor.rules._previews_text import NOISE, blank_kind
from hndoctor.rules.engine import Rule, Sign, rule

FRIED = 0.5  # probability from which a preview is called fried (calibrated: even odds)
BURNT = 1.1  # times as colourful as before, from which it is worth saying
REPEATS = 0.85  # autocorrelation away from 0; natural 99th percentile .81, exact tiling 1 (science §A.5)
REPEATS_MORE = 0.25  # rise over the reference (science §A.5)
REPEATS_ALONE = 0.95  # without a reference: text and screens repeat too (guess, untested)


@rule("HN303", Severity.ERROR, needs="previews")
def blank_preview(vitals: Vitals) -> Iterator[Sign]:
    """A preview is black, white or of one colour.

    If the weights of its checkpoint are not finite, the network is broken: go back to one whose weights are, and lower
    the learning rate.  If they are finite, the VAE gave NaN in half precision (use --no-half-vae, or a VAE made for
    it) or the safety checker blacked the picture out, and the network may be well.
    """
    for preview in readable(vitals.previews):
        kind = blank_kind(preview.scores)
        if kind is None:
            continue
        finite = _weights_finite(vitals.checkpoints, preview.step)
        contrast = preview.scores["contrast"]
        if finite is False:
            text = f"the preview is {kind}, and the weights are not finite: the network is broken"
            yield Sign(text, preview.step, preview.path, contrast)
        elif finite:
            text = f"the preview is {kind}, but the weights are finite: suspect the VAE in half precision" + (
                " or the safety checker" if kind == "black" else ""
            )
            yield Sign(text, preview.step, preview.path, contrast, severity=Severity.WARNING, confidence=0.9)
        else:
            text = f"the preview is {kind}: non-finite weights, the VAE in half precision or the safety checker"
            yield Sign(text, preview.step, preview.path, contrast, confidence=0.7)


def _weights_finite(checkpoints: Sequence[Checkpoint], step: int | None) -> bool | None:
    """Whether the weights saved at a step are finite; None if none were saved there."""
    here = [c for c in checkpoints if c.step == step and step is not None]
    if not here:
        return None
    return not any(t.nan or t.posinf or t.neginf for c in here for t in c.tensors)


@rule("HN304", Severity.WARNING, needs="previews")
def fried_preview(vitals: Vitals) -> Iterator[Sign]:
    """A preview is fried: colours burn and highlights clip, compared with the same picture before training.

    Too strong a network does to a picture what too high a CFG scale does.  Use the network at a lower strength, or go
    back to an earlier checkpoint.  Only comparable previews can tell: vivid pictures are not fried by themselves.
    """
    pictures = readable(vitals.previews)
    for preview in pictures:
        references = references_for(preview, pictures)
        if not references or noise_probability(preview, references) >= NOISE or blank_kind(preview.scores):
            continue
        try:
            p, reasons = fried(preview.scores, [r.scores for r in references])
            if vitals.training:  # what the pictures it learns from look like is no damage
                p = min(p, fried(preview.scores, [r.scores for r in vitals.training])[0], key=lambda one: one.value)
        except KeyError:
            continue  # measured by a version that did not know all that it takes
        if p.value >= FRIED:
            before = max(_median_score(references, "colourfulness"), 1.0)
            ratio = preview.scores["colourfulness"] / before
            why = "; ".join(told(reason) for reason in reasons[:2])
            burnt = f", {ratio:.1f} times as colourful as before training" if ratio >= BURNT else ""
            text = f"the preview is fried{burnt} ({percent(p.value)}): {why}"
            yield Sign(text, preview.step, preview.path, round(p.value, 4), FRIED, p.value)


def _median_score(previews: Sequence[Preview], name: str) -> float:
    values = sorted(p.scores.get(name, 0.0) for p in previews)
    return values[len(values) // 2]


@rule("HN305", Severity.WARNING, needs="previews")
def repeated_texture(vitals: Vitals) -> Iterator[Sign]:
    """A preview repeats one texture over the frame.

    The picture tiles: composition is lost and one patch stands for all.  Go back to an earlier checkpoint; look at the
    training pictures for patterns and borders that many of them share.
    """
    pictures = readable(vitals.previews)
    for preview in pictures:
        references = references_for(preview, pictures)
        value, limit = preview.scores.get("repetition", 0.0), repeats_from(references)
        if value >= limit:
            text = f"the texture repeats (autocorrelation {value:.2f} away from the centre)"
            sure = repeated(preview.scores).value
            yield Sign(text, preview.step, preview.path, value, limit, sure if references else min(sure, 0.5))


def repeats_from(references: Sequence[Preview]) -> float:
    """The autocorrelation away from the centre from which a picture is one repeated texture."""
    return max(REPEATS, _median_score(references, "repetition") + REPEATS_MORE) if references else REPEATS_ALONE


RULES_PREVIEWS: tuple[Rule, ...] = (
    colourful_noise,
    growing_noise,
    blank_preview,
    fried_preview,
    repeated_texture,
    sameness,
    previews_as_before_training,
    incomparable_previews,
    negative_prompt_used,
    seed_not_fixed,
    unusual_sampling,
    unreadable_preview,
)
