"""Whether vitals could have been measured: what is forged is refused before a rule takes its logarithm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hndoctor.formats.settings import MAX_GAP, MAX_LOSS
from hndoctor.records import Checkpoint, ModuleVitals, Preview, Settings, TensorVitals, ValidationPoint, Vitals

MOST = 10**9  # steps, and pixels of a side: beyond this, a number is a mistake
MOST_FILES = 10_000  # checkpoints, pictures, validations of one run: twice what is collected
_NAME = re.compile(r"[0-9]{1,9}\.[kv]\..+", re.DOTALL)  # of a hypernetwork's tensor: width, side, layer


def contradiction(vitals: Vitals) -> str | None:
    """The first thing in the vitals that no measurement gives, in a few words; None where all could be."""
    return next(_contradictions(vitals), None)


def _contradictions(vitals: Vitals) -> Iterator[str]:
    parts = (vitals.checkpoints, vitals.unreadable, vitals.previews, vitals.training, vitals.validation, vitals.skipped)
    if max(map(len, parts)) > MOST_FILES:
        yield f"more than {MOST_FILES} files of one run"
    for checkpoint in vitals.checkpoints:
        if any(_of_checkpoint(checkpoint)):
            yield f"the numbers of checkpoint {checkpoint.path!r}"[:120]
    for preview in (*vitals.previews, *vitals.training):
        if any(_of_preview(preview)):
            yield f"the numbers of picture {preview.path!r}"[:120]
    if not all(_counts((refused.step or 0, refused.bytes)) for refused in vitals.unreadable):
        yield "the step of a file that could not be read"
    if not all(0 <= point.step <= MOST for point in vitals.losses):
        yield "a step of the losses"
    if any(_of_point(point) for point in vitals.validation):
        yield "a validation"
    if not _counts(_of_settings(vitals.settings)):
        yield "the settings"


def _of_checkpoint(checkpoint: Checkpoint) -> Iterator[bool]:
    """True for each thing that cannot be."""
    optimizer = checkpoint.optimizer
    yield not _counts((checkpoint.step or 0, checkpoint.stored_step, checkpoint.metadata.step, checkpoint.bytes))
    yield any(_of_tensor(tensor, named=bool(checkpoint.modules)) for tensor in checkpoint.tensors)
    yield any(_of_module(module) for module in checkpoint.modules)
    if optimizer is not None:
        yield not _counts((optimizer.step or 0, optimizer.tensors, optimizer.nonfinite, optimizer.bytes))
        yield not (0 <= optimizer.zero_second_moment <= 1) or not _positive((optimizer.update_rms,))


def _of_tensor(tensor: TensorVitals, *, named: bool) -> bool:
    kinds = (tensor.nan, tensor.posinf, tensor.neginf, tensor.zeros)  # an element is one of these at most
    counts = (tensor.count, *kinds, tensor.dead_rows or 0, tensor.count - sum(kinds))
    sizes = (tensor.max_abs, tensor.rms, tensor.frobenius, tensor.stable_rank, tensor.effective_rank)
    measured = _positive((*sizes, *(tensor.spectral or ()))) and min((0, *counts, *tensor.shape)) == 0
    return not measured or (named and not _NAME.fullmatch(tensor.name))


def _of_module(module: ModuleVitals) -> bool:
    known = 0 < module.size <= MOST and module.side in ("k", "v")
    moved = (module.update_rms, module.travel_rms, module.best_rms)
    shares = (module.dead_units or 0, module.dead_outputs or 0)
    sizes = _positive((module.gain, module.varied, module.rms, *moved)) and max(shares) <= 1 and min(shares) >= 0
    return not (known and sizes and abs(module.update_cosine or 0) <= 1)


def _of_preview(preview: Preview) -> Iterator[bool]:
    shares = (preview.noise, preview.noise_share, preview.severity, preview.grey_noise, *(preview.noise_interval or ()))
    yield not _counts((preview.step or 0, preview.width, preview.height, preview.bytes))
    yield not all(0 <= (share or 0) <= 1 for share in (*shares, *preview.fingerprint))
    yield preview.cfg_scale is not None and not abs(preview.cfg_scale) <= MOST
    yield len(preview.fingerprint) not in (0, FINGERPRINT)


FINGERPRINT = 192  # numbers of a colour thumbnail: 8 x 8 pixels


def _of_point(point: ValidationPoint) -> bool:
    losses = (point.held_out, point.held_out_base, point.train, point.train_base, *point.items, *point.base_items)
    sound = 0 <= point.step <= MOST and all(loss is None or 0 <= loss <= MAX_LOSS for loss in losses)
    return not sound or not all(abs(gap) <= MAX_GAP for gap in (*point.caption_gaps, *point.base_caption_gaps))


def _of_settings(settings: Settings) -> tuple[int, ...]:
    counts = (settings.steps, settings.batch_size, settings.gradient_step, settings.images)
    told = (*counts, settings.lr_warmup_steps, settings.lr_num_cycles)
    return (*(number or 0 for number in told), *settings.resumed_at)


def _counts(numbers: Iterable[int]) -> bool:
    """Steps, counts and bytes: from 0 on; a file of a terabyte has 10**12 bytes."""
    return all(0 <= number <= MOST**2 for number in numbers)


def _positive(numbers: Iterable[float | None]) -> bool:
    return all(number is None or number >= 0 for number in numbers)
