"""A run's previews: taken over where they have not changed, else measured, in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hndoctor.formats.folders import relative
from hndoctor.records import Preview, PreviewPath, Run
from hndoctor.vitals.ahead import Mapped, in_order
from hndoctor.vitals.known import Known

BATCH = 16  # previews that are handed over together: about half a second of work


@dataclass(frozen=True)
class Batch:
    """Previews to measure anywhere."""

    root: Path
    previews: tuple[PreviewPath, ...]


def measured_previews(run: Run, known: Known, mapped: Mapped | None) -> Iterator[Preview]:
    """Every preview of a run in its order; what is known is not opened."""
    before = {where: known_preview(known, relative(where.path, run.root), where.path) for where in run.previews}
    fresh = iter(_fresh(run.root, [where for where, record in before.items() if record is None], mapped))
    for where in run.previews:
        yield before[where] or next(fresh)


def _fresh(root: Path, previews: Sequence[PreviewPath], mapped: Mapped | None) -> Iterator[Preview]:
    if mapped is None:
        yield from in_order(lambda where: _preview(where, root), previews)
        return
    batches = [Batch(root, tuple(previews[at : at + BATCH])) for at in range(0, len(previews), BATCH)]
    for records in mapped(_records, batches):
        yield from records


def _records(batch: Batch) -> list[Preview]:
    return list(in_order(lambda where: _preview(where, batch.root), batch.previews))


def _preview(where: PreviewPath, root: Path) -> Preview:
    from hndoctor.metrics import measure_preview

    preview = replace(measure_preview(where, root), path=relative(where.path, root), step=where.step)
    scores = {name: value for name, value in preview.scores.items() if math.isfinite(value)}
    return _told(replace(preview, scores=scores), where.path)


def known_preview(known: Known, name: str, path: Path) -> Preview | None:
    """The record of a picture that has not changed."""
    try:
        return known.preview(name, path)
    except OSError:
        return None


def _told(preview: Preview, path: Path) -> Preview:
    """With how it was made, from the picture's own text."""
    from hndoctor.vitals.text import infotext_of

    text = infotext_of(path) if preview.unreadable is None else None
    if text is None:
        return preview
    return replace(
        preview,
        prompt=text.prompt,
        negative_prompt=text.negative_prompt,
        seed=text.seed,
        sampler=text.sampler,
        sampling_steps=text.steps,
        cfg_scale=text.cfg_scale,
        clip_skip=text.clip_skip or (1 if text.steps else None),  # the web UI does not write 1
        model_hash=text.model_hash,
    )
