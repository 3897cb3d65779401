"""The terms of the training: previews, text encoder, sizes, batches, validation."""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.formats.counted import counted
from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule

CFG = 7.0  # the web UI's default scale (G26)
CFG_FAR = 2.0  # away from it is another picture (guess)
STEP_SIZE = 8  # px; one latent pixel
PASSES = (33, 1334)  # how often a picture is seen: 5,000 steps on 150 pictures; 20,000 on 15 (G8, G19)
MOST_STEPS = 20_000  # beyond, HN557 speaks (G19)
FEW_VALIDATION = 2  # held-out pictures without which the curve is one picture's luck (guess)


@rule("HN562", Severity.WARNING, needs="setup")
def plan_negative_prompt(setup: Setup) -> Iterator[Sign]:
    """Previews use a negative prompt.

    Networks judged by such previews give garbage without it (G25).  Leave it empty while training.
    """
    if setup.plan and (setup.plan.preview_negative_prompt or "").strip():
        message = f'previews have the negative prompt "{setup.plan.preview_negative_prompt}"; leave it empty'
        yield Sign(message, confidence=0.9)


@rule("HN563", Severity.WARNING, needs="setup")
def plan_clip_skip(setup: Setup) -> Iterator[Sign]:
    """Clip skip is on.

    Keep it at 1, which is off, while training (G26): the network learns on another text encoder's output than it is
    used with.
    """
    if setup.plan and setup.plan.clip_skip not in (None, 1):
        message = f"clip_skip is {setup.plan.clip_skip}; set it to 1, which is off"
        yield Sign(message, value=setup.plan.clip_skip, limit=1, confidence=0.8)


@rule("HN564", Severity.INFO, needs="setup")
def plan_cfg(setup: Setup) -> Iterator[Sign]:
    """The previews' CFG scale is not the default.

    High scales fry colours that the network did not learn, low ones hide what it did (G26).  Keep it near 7.
    """
    value = setup.plan.preview_cfg_scale if setup.plan else None
    if value is not None and abs(value - CFG) > CFG_FAR:
        yield Sign(
            f"previews use a CFG scale of {value:g}; keep it near {CFG:g}", value=value, limit=CFG, confidence=0.7
        )


@rule("HN565", Severity.WARNING, needs="setup")
def plan_seed(setup: Setup) -> Iterator[Sign]:
    """The previews' seed is random.

    Previews of different steps can then not be compared (G27).  Fix it to any number.
    """
    if setup.plan and setup.plan.preview_seed is not None and setup.plan.preview_seed < 0:
        yield Sign(f"preview_seed is {setup.plan.preview_seed}, a new one every time; fix it to any number from 0 up")


@rule("HN566", Severity.ERROR, needs="setup")
def plan_size(setup: Setup) -> Iterator[Sign]:
    """The training size does not fit the model.

    Width and height must be multiples of 8, the size of a latent pixel.  Change them.
    """
    for name, value in (("width", setup.plan.width), ("height", setup.plan.height)) if setup.plan else ():
        if value is not None and (value < STEP_SIZE or value % STEP_SIZE):
            near = max(STEP_SIZE, round(value / STEP_SIZE) * STEP_SIZE)
            yield Sign(f"{name} {value} is not a multiple of {STEP_SIZE}; write {near}", value=value, limit=STEP_SIZE)


@rule("HN567", Severity.INFO, needs="setup")
def plan_batch(setup: Setup) -> Iterator[Sign]:
    """Batch and accumulation are larger than the set.

    The web UI lowers them without a word: batch to the number of pictures, accumulation to the batches in an epoch.
    """
    plan = setup.plan
    if plan is None or not plan.pictures:
        return
    items = (plan.batch_size or 1) * (plan.gradient_step or 1)
    if items > plan.pictures:
        there = "there is 1 picture" if plan.pictures == 1 else f"there are {plan.pictures} pictures"
        message = f"batch × accumulation is {items}, and {there}; lower them to fit"
        yield Sign(message, value=items, limit=plan.pictures)


@rule("HN568", Severity.INFO, needs="setup")
def plan_validation(setup: Setup) -> Iterator[Sign]:
    """Too few pictures are held out for validation.

    One or two held-out pictures show their own luck, not overtraining.  Hold out more, or none.
    """
    plan = setup.plan
    if plan is None or not plan.validation or not plan.pictures:
        return
    count = int(plan.validation * plan.pictures) if plan.validation < 1 else int(plan.validation)
    if count < FEW_VALIDATION:
        message = (
            f"{count} of {counted(plan.pictures, 'picture')} would be held out for validation; "
            f"hold out {FEW_VALIDATION} or more"
        )
        yield Sign(message, value=count, limit=FEW_VALIDATION)
    elif count >= plan.pictures:
        message = f"all {plan.pictures} pictures would be held out for validation; leave some to train on"
        yield Sign(message, value=count, limit=plan.pictures, severity=Severity.ERROR)


@rule("HN582", Severity.INFO, needs="setup")
def plan_epochs(setup: Setup) -> Iterator[Sign]:
    """Steps and pictures do not go together.

    An epoch is as many steps as batch and accumulation need for the whole set.  Counted so, each picture is seen much
    oftener or much seldomer than the guide's numbers of pictures (G8) and steps (G19) make it; or the web UI leaves
    pictures out of every epoch, because they fill no whole step.  Change steps, batch, or the set.
    """
    plan = setup.plan
    if plan is None or plan.passes is None or plan.steps_per_epoch is None or (plan.steps or 0) > MOST_STEPS:
        return
    are = "is" if plan.pictures == 1 else "are"
    epoch = f"{counted(plan.pictures, 'picture')} {are} {counted(plan.steps_per_epoch, 'step')} an epoch"
    shown = "1 step shows" if plan.steps == 1 else f"{plan.steps:,} steps show"
    seen = f"{epoch}: {shown} each picture {counted(round(plan.passes), 'time')}"
    few, many = PASSES
    if plan.passes < few:
        yield Sign(f"{seen}; plan more steps, or a larger batch", value=plan.passes, limit=few, confidence=0.6)
    elif plan.passes > many:
        yield Sign(f"{seen}; plan fewer steps, or add pictures", value=plan.passes, limit=many, confidence=0.6)
    if plan.left_out and setup.webui:
        items = (plan.pictures - plan.left_out) // plan.steps_per_epoch
        message = f"{epoch} of {items}; the web UI leaves {plan.left_out} of them out each time"
        yield Sign(f"{message}: let batch × accumulation divide {plan.pictures}", value=plan.left_out, limit=0)
