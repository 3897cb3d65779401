"""Who has an opinion about a run: the diagnosis, with channels taken away too, and what a person would use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from benchmarks.lab.scores import Opinion
from benchmarks.lab.store import Kept
from hndoctor import judge
from hndoctor.diagnose.channels import is_finite
from hndoctor.diagnose.stations import step_of
from hndoctor.records import ValidationPoint, Vitals
from hndoctor.rules.windows import smoothed

CHANNELS: Mapping[str, Callable[[Vitals], Vitals]] = {
    "weights": lambda vitals: replace(vitals, checkpoints=(), unreadable=()),
    "previews": lambda vitals: replace(vitals, previews=()),
    "losses": lambda vitals: replace(vitals, losses=()),
    "validation": lambda vitals: replace(vitals, validation=tuple(map(_gaps_only, _with_gaps(vitals)))),
    "captions": lambda vitals: replace(vitals, validation=tuple(map(_losses_only, vitals.validation))),
}
"""How to take a channel away."""


def _with_gaps(vitals: Vitals) -> list[ValidationPoint]:
    return [point for point in vitals.validation if point.caption_gaps]


def _gaps_only(point: ValidationPoint) -> ValidationPoint:
    """Losses of 0 are none that were measured."""
    return ValidationPoint(
        point.step, 0.0, 0.0, caption_gaps=point.caption_gaps, base_caption_gaps=point.base_caption_gaps
    )


def _losses_only(point: ValidationPoint) -> ValidationPoint:
    return replace(point, caption_gaps=(), base_caption_gaps=())


Judge = Callable[[Kept], Opinion]
LOSS_CAP = 0.3  # G30
WINDOW = 32  # losses in the mean that a person watches
NORM = 0.17  # largest RMS of a module's weights; set on the tuning half, between .14 (sound) and .21 (broken)
ENTROPY_CHANGED = 0.7  # bits by which a preview's has moved from the bare base model's; set on the tuning half
ALPHA_LOW = 2.0  # WeightWatcher: below it a layer counts as overtrained


def diagnosed(kept: Kept, take: Callable[[Vitals], Vitals] = lambda vitals: vitals) -> Opinion:
    """hndoctor's opinion."""
    found = judge(take(kept.vitals))
    advice = found.prescription
    return Opinion(found.onset.broken, found.onset.overtrained, advice.step if advice else None)


def without(channel: str) -> Judge:
    """The diagnosis with one channel taken away."""
    return lambda kept: diagnosed(kept, CHANNELS[channel])


def as_the_web_ui_leaves_it(kept: Kept) -> Opinion:
    """The diagnosis without anything that held-out pictures tell."""
    return diagnosed(kept, lambda vitals: CHANNELS["validation"](CHANNELS["captions"](vitals)))


def alone(channel: str) -> Judge:
    """The diagnosis from one channel."""

    def take(vitals: Vitals) -> Vitals:
        for name, remove in CHANNELS.items():
            vitals = remove(vitals) if name != channel else vitals
        return vitals

    return lambda kept: diagnosed(kept, take)


# --- what a person would use ------------------------------------------------------------------------------------------


def loss_over_the_cap(kept: Kept) -> Opinion:
    """Mean loss of 32 steps over 0.3: broken.  Use the last checkpoint before."""
    at = next((mean.step for mean in smoothed(kept.vitals.losses) if mean.mean > LOSS_CAP), None)
    steps = _steps(kept)
    return Opinion(broken=_next(steps, at), chosen=_before(steps, at))


def weight_norm(kept: Kept) -> Opinion:
    """The weights have grown too large: broken."""
    norms = [(step_of(one), max((part.rms for part in one.modules), default=0.0)) for one in kept.vitals.checkpoints]
    at = min((step for step, norm in norms if not norm <= NORM), default=None)
    return Opinion(broken=at, chosen=_before(_steps(kept), at))


def entropy(kept: Kept) -> Opinion:
    """A preview's grey entropy has moved away from that of the picture before training: broken."""
    shown = [(one, one.scores["grey_entropy"]) for one in kept.vitals.previews if "grey_entropy" in one.scores]
    first = {one.prompt: value for one, value in shown if one.step == 0}
    far = [one.step for one, value in shown if one.step and abs(value - first.get(one.prompt, value)) > ENTROPY_CHANGED]
    return Opinion(broken=min(far, default=None), chosen=_before(_steps(kept), min(far, default=None)))


def low_alpha(kept: Kept) -> Opinion:
    """Mean alpha below 2: overtrained."""
    told: Mapping[str, float | None] = kept.notes.get("alpha", {})
    at = next((int(step) for step, value in told.items() if value is not None and value < ALPHA_LOW), None)
    return Opinion(overtrained=at, chosen=_before(_steps(kept), at))


def early_stopping(kept: Kept) -> Opinion:
    """Where the smoothed training loss is lowest: the best; later: overtrained."""
    means = [mean for mean in smoothed(kept.vitals.losses) if mean.count == WINDOW]
    steps = _steps(kept)
    if not means or not steps:
        return Opinion(chosen=steps[-1] if steps else None)
    lowest = min(means, key=lambda mean: mean.mean).step
    return Opinion(overtrained=_next(steps, lowest + 1), chosen=_before(steps, lowest + 1))


def last_finite(kept: Kept) -> Opinion:
    """Use the last file whose weights are finite."""
    steps = [step_of(one) for one in kept.vitals.checkpoints if is_finite(one)]
    broken = next((step_of(one) for one in kept.vitals.checkpoints if not is_finite(one)), None)
    return Opinion(broken=broken, chosen=steps[-1] if steps else None)


def _steps(kept: Kept) -> list[int]:
    return sorted({step_of(one) for one in kept.vitals.checkpoints})


def _before(steps: Sequence[int], at: int | None) -> int | None:
    """The last checkpoint before a step; the last of all if there is no such step."""
    return max((step for step in steps if at is None or step < at), default=None)


def _next(steps: Sequence[int], at: int | None) -> int | None:
    """The first checkpoint from a step on."""
    return None if at is None else min((step for step in steps if step >= at), default=None)


JUDGES: Mapping[str, Judge] = {
    "hndoctor": diagnosed,
    **{f"hndoctor, {name} alone": alone(name) for name in CHANNELS},
    **{f"hndoctor, without {name}": without(name) for name in CHANNELS},
    "hndoctor, as the web UI leaves a run": as_the_web_ui_leaves_it,
    "mean loss over 0.3": loss_over_the_cap,
    "weight norm over 0.17": weight_norm,
    "preview entropy moved": entropy,
    "WeightWatcher alpha < 2": low_alpha,
    "lowest smoothed loss": early_stopping,
    "last finite checkpoint": last_finite,
}
