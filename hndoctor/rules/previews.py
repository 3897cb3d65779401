"""HN3xx: what the preview pictures show.  Each is compared only with what it can be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hndoctor.records import Checkpoint, Preview, Severity, Vitals
from hndoctor.rules._previews_alike import no_effect, sameness
from hndoctor.rules._previews_made import (
    incomparable_previews,
    negative_prompt_used,
    seed_not_fixed,
    unreadable_preview,
    unusual_sampling,
)
from hndoctor.rules._previews_relative import (
    by_step,
    change,
    comparable_series,
    log_odds,
    noise_probability,
    probability,
    readable,
    references_for,
)
from hndoctor.rules._previews_text import NOISE, blank_kind
from hndoctor.rules.engine import Rule, Sign, rule

NOISE_SHARE = 0.6  # share of tiles from which a picture is partly noise, though not as a whole (guess, untested)
SHARE_WORTH_SAYING = 0.1  # of the tiles; below it the tile map does not see what the whole picture shows
RISE = 2.0  # rise of the log odds of noise over the first previews that counts as growth (guess, untested)
NEARLY = 0.1  # probability of noise from which growth is worth a word (guess, untested)
SERIES = 4  # comparable previews that a trend needs
FRIED_COLOUR = 2.0  # ratio of colourfulness to the reference's; a CFG-20 picture had 7.8 × its twin's (science §A.5)
FRIED_CLIPPING = 0.08  # rise of the share of clipped pixels; the same pair: .16 (science §A.5)
REPEATS = 0.85  # autocorrelation away from 0; natural 99th percentile .81, exact tiling 1 (science §A.5)
REPEATS_MORE = 0.25  # rise over the reference (science §A.5)
REPEATS_ALONE = 0.95  # without a reference: text and screens repeat too (guess, untested)


@rule("HN301", Severity.ERROR, needs="previews")
def colourful_noise(vitals: Vitals) -> Iterator[Sign]:
    """A preview is colourful noise.

    The network rewrites the prompt's context so strongly that nothing of it is left: it is broken (G29).
    Do not train on from here.  Go back not a little but to a still earlier checkpoint, and train on from there at a
    lower learning rate.
    """
    pictures = readable(vitals.previews)
    for step, group in by_step(pictures):
        if step == 0:
            continue  # the untouched base model: whatever it shows, no network made it
        judged = [(noise_probability(p, references_for(p, pictures)), p) for p in group]
        noisy = [(p, preview) for p, preview in judged if p >= NOISE]
        if noisy:
            p, worst = max(noisy, key=lambda pair: pair[0])
            yield Sign(_noise_message(len(noisy), len(group), worst), step, worst.path, round(p, 4), NOISE, p)
            continue
        for p, preview in judged:
            if _partly_noise(preview, references_for(preview, pictures)):
                share = preview.noise_share or 0.0
                text = f"{share:.0%} of the frame looks like noise, though the picture as a whole is not yet"
                yield Sign(text, step, preview.path, share, NOISE_SHARE, max(p, 0.5), Severity.WARNING)


def _noise_message(noisy: int, all_of_step: int, worst: Preview) -> str:
    count = "the preview is" if all_of_step == 1 else f"{noisy} of {all_of_step} previews are"
    share = (
        f", covering {worst.noise_share:.0%} of the frame" if (worst.noise_share or 0.0) >= SHARE_WORTH_SAYING else ""
    )
    return f"{count} colourful noise{share}"


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
        sign = _growth(series)
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
            text = f"the probability of noise rose to {p:.0%} over the last previews"
            return Sign(text, series[k].step, series[k].path, round(p, 4), NEARLY, 0.5 + p)
    return None


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
        if not references or noise_probability(preview, references) >= NOISE:
            continue
        before = _median_score(references, "colourfulness")
        ratio = preview.scores.get("colourfulness", 0.0) / max(before, 1.0)
        clipped = preview.scores.get("clipping", 0.0) - _median_score(references, "clipping")
        if ratio >= FRIED_COLOUR and clipped >= FRIED_CLIPPING:
            text = f"{ratio:.1f} times as colourful as before training, and {clipped:.0%} more of it clipped"
            confidence = min(0.9, 0.4 + 0.15 * ratio)
            yield Sign(text, preview.step, preview.path, round(ratio, 3), FRIED_COLOUR, confidence)


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
        value = preview.scores.get("repetition", 0.0)
        limit = max(REPEATS, _median_score(references, "repetition") + REPEATS_MORE) if references else REPEATS_ALONE
        if value >= limit:
            text = f"the texture repeats (autocorrelation {value:.2f} away from the centre)"
            yield Sign(text, preview.step, preview.path, value, limit, 0.8 if references else 0.5)


RULES_PREVIEWS: tuple[Rule, ...] = (
    colourful_noise,
    growing_noise,
    blank_preview,
    fried_preview,
    repeated_texture,
    sameness,
    no_effect,
    incomparable_previews,
    negative_prompt_used,
    seed_not_fixed,
    unusual_sampling,
    unreadable_preview,
)
