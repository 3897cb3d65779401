"""Whether an optimizer state is fit to go on from (HN110)."""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.records import Checkpoint, OptimizerVitals, Severity, Vitals
from hndoctor.rules.engine import Rule, Sign, rule

ZERO_MOMENTS = 0.99  # share of second moments that never saw a gradient; guess, untested


@rule("HN110", Severity.WARNING, needs="optimizers")
def optimizer_state_unfit(vitals: Vitals) -> Iterator[Sign]:
    """The optimizer state is not fit to go on from.

    Moments that are not finite ruin the network with the first step; a state that cannot be read is dropped by the
    web UI without a word; moments that are all zero never saw a gradient; moments of other shapes are another
    network's, or one's whose sizes stood in another order; and a state that has counted more steps than its network
    belongs to a later one.  Resume from an earlier pair, or without the state and with a warm-up.
    """
    for checkpoint in vitals.checkpoints:
        optimizer = checkpoint.optimizer
        if optimizer is None:
            continue
        for message, value, limit, severity in _complaints(checkpoint, optimizer):
            name = optimizer.path.rpartition("/")[2]
            yield Sign(f"{name}: {message}", checkpoint.step, optimizer.path, value, limit, severity=severity)


def _complaints(
    checkpoint: Checkpoint, optimizer: OptimizerVitals
) -> Iterator[tuple[str, float | None, float | None, Severity | None]]:
    if optimizer.unreadable is not None:
        yield optimizer.unreadable, None, None, None
        return
    if optimizer.nonfinite:
        yield f"{optimizer.nonfinite:,} moments are not finite", float(optimizer.nonfinite), 0.0, Severity.ERROR
    if optimizer.tensors == 0:
        yield "it holds no moments at all", 0.0, None, Severity.INFO
    elif optimizer.zero_second_moment >= ZERO_MOMENTS:
        share = optimizer.zero_second_moment
        yield f"{share:.0%} of its second moments are zero: no gradient ever came", share, ZERO_MOMENTS, None
    if optimizer.misfits:
        misfits = optimizer.misfits
        yield f"the moments of {misfits:,} parameters have another shape than the network's tensors", misfits, 0, None
    if optimizer.step is not None and optimizer.step > checkpoint.stored_step + 1 and not checkpoint.partial:
        message = f"it has counted {optimizer.step:,} steps, its network {checkpoint.stored_step:,}"
        yield message, float(optimizer.step), float(checkpoint.stored_step + 1), None


RULES_OPTIMIZERS: tuple[Rule, ...] = (optimizer_state_unfit,)
"""The rules on optimizer states."""
