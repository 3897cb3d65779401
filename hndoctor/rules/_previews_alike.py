"""HN306 and HN307: previews that are too much alike, each other or the untrained model's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hndoctor.records import Preview, Severity, Vitals
from hndoctor.rules._previews_distance import composition_distance, distance, diversity
from hndoctor.rules._previews_relative import by_step, comparable_series, readable
from hndoctor.rules._previews_text import NOISE, blank_kind
from hndoctor.rules.engine import Sign, rule

SAMENESS = 0.5  # diversity over prompts, as a share of the first previews' (science §A.5)
WINDOW = 3  # previews of different prompts or seeds that diversity needs
#: RMS difference of 8 × 8 thumbnails, 0..1: less than one grey level.  Of 212 previews of the lab's 22 runs none came
#: nearer to its step 0 than .0078, at a rate that barely trains (benchmarks/previews/README.md)
SAME = 0.003
SAME_SCORES = 0.01  # largest change of a score, as a share of it, between pictures that are the same (guess, untested)
#: none of those 212 was falsely called the same: the rule of three, 1 − 3/212
SURE_SAME = 0.98
#: In the lab 9 of 106 pairs of previews had lost half their difference: 8 were noise already, one belonged to a run
#: that broke two checkpoints later.  One case is little evidence
SURE_ALIKE = 0.6


@rule("HN306", Severity.WARNING, needs="previews")
def sameness(vitals: Vitals) -> Iterator[Sign]:
    """Different prompts give nearly the same picture.

    The network no longer lets the prompt through.  This comes before noise, and the loss may look better than ever.
    Go back to a checkpoint whose previews still differ; more varied training pictures and captions help.
    """
    fit = [p for p in readable(vitals.previews) if (p.noise or 0.0) < NOISE and blank_kind(p.scores) is None]
    groups = [(step, kept) for step, group in _groups(fit) if len(kept := _distinct(group)) >= WINDOW]
    if not groups:
        return
    colours, forms = (diversity(groups[0][1], apart) or 0.0 for apart in (distance, composition_distance))
    for step, group in groups[1:]:
        colour = (diversity(group) or 0.0) / max(colours, SAME)
        form = (diversity(group, composition_distance) or 0.0) / max(forms, SAME)
        if (
            max(colour, form) < SAMENESS
        ):  # a style may take the colours or the contrast away, but not both and the forms
            share = max(colour, form)
            text = f"previews of {len(group)} prompts or seeds differ by {share:.0%} of what they did at first"
            yield Sign(text, step, group[0].path, round(share, 4), SAMENESS, SURE_ALIKE)


def _groups(previews: Sequence[Preview]) -> Iterator[tuple[int | None, Sequence[Preview]]]:
    """All previews of a step where there are several; else windows of consecutive steps."""
    steps = list(by_step(previews))
    if any(len(_distinct(group)) >= WINDOW for _, group in steps):
        yield from steps
        return
    for end in range(WINDOW, len(previews) + 1):
        yield previews[end - 1].step, previews[end - WINDOW : end]


def _distinct(previews: Sequence[Preview]) -> list[Preview]:
    """One preview of each known prompt and seed."""
    kept: dict[tuple[str | None, int | None], Preview] = {}
    for p in previews:
        if p.prompt is not None or p.seed is not None:
            kept.setdefault((p.prompt, p.seed), p)
    return list(kept.values())


@rule("HN307", Severity.INFO, needs="previews")
def previews_as_before_training(vitals: Vitals) -> Iterator[Sign]:
    """The network does nothing: its preview equals the one from before training.

    Either it was not applied (strength 0, another network selected), or the learning rate is too low to move it (below
    5e-7 there is little effect, G24), or its units are dead.
    """
    for series in comparable_series(readable(vitals.previews)):
        last, start = series[-1], [p for p in series if p.step == 0]
        if start and last.step and _same_picture(start[0], last):
            text = f"the preview of step {last.step:,} is the picture of step 0"
            yield Sign(text, last.step, last.path, distance(start[0], last), SAME, SURE_SAME)


def _same_picture(one: Preview, other: Preview) -> bool:
    apart = distance(one, other)
    if apart is None or apart > SAME or blank_kind(one.scores) is not None:
        return False
    shared = one.scores.keys() & other.scores.keys()
    moved = (abs(one.scores[k] - other.scores[k]) / max(abs(one.scores[k]), 0.05) for k in shared)
    return max(moved, default=0.0) <= SAME_SCORES
