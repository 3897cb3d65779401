"""Whether the context widths of a network are those of the base model it is for (HN115)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hndoctor.records import Checkpoint, Severity, Vitals
from hndoctor.rules.dose import NARROW
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.stretches import called, networks

TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
"""Width of the text encoder's output, which cross-attention reads (the models' own configurations)."""

SELF_WIDTHS = frozenset({320, 640, 1280})  # of self-attention's input in these three (web UI: "modules" on creation)

# How public checkpoints of each family are called; a name that is none of these, or of two, says nothing (`sd_2000` is
# no version 2, `ssd-1b` no Stable Diffusion 1).
_SD = r"(?<![a-z])(sd|stable[-_ ]?diffusion)"
_NAMES = (
    (2048, re.compile(rf"{_SD}[-_ ]?xl", re.IGNORECASE)),
    (1024, re.compile(rf"(^v|{_SD}[-_ ]?v?)2([-_. ]?[01])?(?![0-9a-z])|^768-v-ema|^512-base-ema", re.IGNORECASE)),
    (768, re.compile(rf"(^v|{_SD}[-_ ]?v?)1([-_. ]?[1-5])?(?![0-9a-z])|^animefull|^nai(?![a-z])", re.IGNORECASE)),
)


@rule("HN115", Severity.WARNING, needs="checkpoints")
def sizes_do_not_fit_the_base_model(vitals: Vitals) -> Iterator[Sign]:
    """The network's sizes do not fit the base model.

    Stable Diffusion 1 reads captions through contexts 768 wide, Stable Diffusion 2 through 1024, XL through 2048; a
    loader skips a module whose width the model does not have, without a word.  Without the model's own text width the
    network never sees the caption.  Use it with the model it was trained on, or create it with the right sizes.
    """
    seen: set[str] = set()
    for checkpoint in networks(vitals):
        for message, severity, sure in _misfits(checkpoint, vitals.settings.model_name):
            if message not in seen:
                seen.add(message)
                yield Sign(
                    f"{message} {called(checkpoint)}", checkpoint.step, checkpoint.path, None, None, sure, severity
                )


def _misfits(checkpoint: Checkpoint, trained_on: str | None) -> Iterator[tuple[str, Severity | None, float]]:
    sizes = {module.size for module in checkpoint.modules}
    if not sizes or max(sizes) < NARROW:
        return  # the pocket model's widths are its own
    text = sorted(sizes & TEXT_WIDTHS.keys())
    wanted = text_width_of(checkpoint.metadata.sd_checkpoint_name) or text_width_of(trained_on)
    if wanted and wanted not in sizes and text:
        has = " and ".join(map(str, text))
        yield f"it has size {has}, {TEXT_WIDTHS[wanted]} reads captions through {wanted}", None, 0.9
    elif len(text) > 1:
        yield f"it has sizes {' and '.join(map(str, text))}: no one model has both", Severity.INFO, 0.9
    elif not text and sizes <= SELF_WIDTHS:
        yield "it has no size for captions (768, 1024 or 2048), only for self-attention", Severity.INFO, 0.9


def text_width_of(name: str | None) -> int | None:
    """The text width of the base model that a file name or folder speaks of; None: it says nothing."""
    stem = re.split(r"[\\/]", name or "")[-1]
    found = [width for width, pattern in _NAMES if pattern.search(stem)]
    return found[0] if len(found) == 1 else None


RULES_SIZES: tuple[Rule, ...] = (sizes_do_not_fit_the_base_model,)
"""The rules on sizes."""
