"""How far each preview has kept the composition that its prompt and seed gave before the training."""

from __future__ import annotations

from statistics import mean

from hndoctor.records import Preview, Vitals
from hndoctor.rules._previews_distance import composition_distance
from hndoctor.rules._previews_relative import TRUSTED, readable, references_for


def layouts_of(vitals: Vitals) -> dict[str, float]:
    """The correlation of light and dark with its references, −1 to 1, by the path of the preview.

    None where there is no earlier preview of the same prompt and seed, or only noise: what is said of it is nothing.
    """
    ordered = readable(vitals.previews)
    found = {preview.path: _kept(preview, references_for(preview, ordered)) for preview in ordered if preview.step}
    return {path: kept for path, kept in found.items() if kept is not None}


def _kept(preview: Preview, references: tuple[Preview, ...]) -> float | None:
    clean = (one for one in references if (one.noise or 0.0) < TRUSTED)
    apart = [far for one in clean if (far := composition_distance(preview, one)) is not None]
    return mean(1 - far**2 for far in apart) if apart else None
