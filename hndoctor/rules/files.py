"""What the files themselves tell (HN0xx): whether they can be read, trusted, and loaded elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.records import Checkpoint, Refusal, Severity, Unreadable, Vitals
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.stretches import stores_step


def _refused(vitals: Vitals, kind: Refusal) -> Iterator[Sign]:
    for file in vitals.unreadable:
        if file.kind is kind:
            yield Sign(f"{_name(file)}: {file.reason}", step=file.step, subject=file.path)


def _name(file: Unreadable | Checkpoint) -> str:
    return file.path.rpartition("/")[2]


@rule("HN001", Severity.ERROR, needs="files")
def unsafe_file(vitals: Vitals) -> Iterator[Sign]:
    """The file could run a program when it is loaded.

    It asks for a function that no network needs, or its container is made so that a checker and a loader see
    different things.  hndoctor has not executed any of it.  Do not load it anywhere; delete it, and get the network
    again from a source that you trust.
    """
    yield from _refused(vitals, Refusal.UNSAFE)
    for checkpoint in vitals.checkpoints:
        state = checkpoint.optimizer
        if state and state.unreadable and state.refusal is Refusal.UNSAFE:
            message = f"{state.path.rpartition('/')[2]}: {state.unreadable}"
            yield Sign(message, step=checkpoint.step, subject=state.path)


@rule("HN002", Severity.ERROR, needs="files")
def damaged_file(vitals: Vitals) -> Iterator[Sign]:
    """The file is damaged.

    It was cut short (a full disk, a crash while saving, a broken download), or its bytes do not match their
    checksums.  torch may load it without a word and give wrong weights.  Copy it again from where it came, or take
    the checkpoint before it.
    """
    yield from _refused(vitals, Refusal.DAMAGED)


@rule("HN003", Severity.ERROR, needs="files")
def not_a_checkpoint(vitals: Vitals) -> Iterator[Sign]:
    """The file is not a checkpoint.

    It has a checkpoint's name, but its content is of another kind, or its numbers are of a kind that no hypernetwork
    has, so nothing of it was examined.  Move it out of the run's folder, or save it anew as the message says.
    """
    yield from _refused(vitals, Refusal.FOREIGN)


@rule("HN004", Severity.INFO, needs="files")
def still_being_written(vitals: Vitals) -> Iterator[Sign]:
    """The file was still being written.

    It changed, or went away, while it was read, so it was not judged.  Scan again when the trainer has finished saving.
    """
    yield from _refused(vitals, Refusal.WRITING)


@rule("HN005", Severity.WARNING, needs="checkpoints")
def name_and_step_differ(vitals: Vitals) -> Iterator[Sign]:
    """The file's name and the step stored in it do not belong together.

    The web UI stores one step less than the name says (name-500 stores 499); other trainers store the same number.
    Any other pair means that the file was renamed or copied over another: a scan may then put it into the wrong place
    of the course.  Rename it after the step that it stores; where what it stores is no step at all, save it anew.
    """
    for checkpoint in vitals.checkpoints:
        if "step" in checkpoint.metadata.odd:
            message = f"{_name(checkpoint)} stores no step that a training can reach"
            yield Sign(message, step=checkpoint.step, subject=checkpoint.path)
            continue
        stored, step = checkpoint.stored_step, checkpoint.step
        told = stores_step(checkpoint) and not checkpoint.partial
        if step is not None and stored not in (step, step - 1) and told:
            message = f"{_name(checkpoint)} stores step {stored:,}, its name says {step:,}"
            yield Sign(message, step=step, subject=checkpoint.path, value=float(stored), limit=float(step - 1))


def _grouped(vitals: Vitals, field: str) -> Iterator[tuple[str, list[Checkpoint]]]:
    """Each distinct reason once, with the checkpoints that it holds for."""
    groups: dict[str, list[Checkpoint]] = {}
    for checkpoint in vitals.checkpoints:
        for reason in getattr(checkpoint, field):
            groups.setdefault(reason, []).append(checkpoint)
    yield from groups.items()


def _about(reason: str, verb: str, found: list[Checkpoint]) -> str:
    loader, _, why = reason.partition(": ")
    what = _name(found[0]) if len(found) == 1 else f"{len(found)} checkpoints, from {_name(found[0])} on"
    return f"{loader} {verb} {what}: {why}"


@rule("HN006", Severity.WARNING, needs="checkpoints")
def a_loader_will_refuse_it(vitals: Vitals) -> Iterator[Sign]:
    """A loader will refuse this file.

    The web UI lets a file pass only if every name inside is on a short list, which newer torch versions add to, and
    only if layers, activation and dropout settings fit the stored tensors; ComfyUI knows only some activations.
    Mostly the network is sound and only the wrapping is wrong (then this is a note): `hndoctor convert` writes it anew
    so that they take it.  Tensors that do not fit the settings are a fault of the file.
    """
    for reason, found in _grouped(vitals, "refused_by"):
        message = _about(reason, "will refuse", found)
        severity = Severity.INFO if _is_wrapping(reason) else None
        yield Sign(message, step=found[0].step, subject=found[0].path, severity=severity)


def _is_wrapping(reason: str) -> bool:
    """Whether the network is sound and only one loader, or its file's wrapping, stands in the way."""
    return not reason.startswith("web UI:") or reason.endswith("is not on its list") or "safetensors" in reason


@rule("HN007", Severity.INFO, needs="checkpoints")
def a_loader_will_misread_it(vitals: Vitals) -> Iterator[Sign]:
    """A loader will compute something else than was trained.

    It takes the file without complaint, but builds another network from it.  Pictures made there differ from the
    previews; do not judge the training by them.  `hndoctor export --for comfyui` writes a file that it computes right;
    without layer norm and dropout all loaders agree.
    """
    for reason, found in _grouped(vitals, "misread_by"):
        yield Sign(_about(reason, "will misread", found), step=found[0].step, subject=found[0].path)


@rule("HN008", Severity.WARNING, needs="optimizers")
def optimizer_state_of_another_network(vitals: Vitals) -> Iterator[Sign]:
    """The optimizer state does not belong to the network beside it.

    Its hash is another file's, so the web UI drops it without a word when training goes on, and the optimizer starts
    from nothing.  The web UI itself writes such pairs: in all its checkpoints but the last it stores the hash of the
    file that training began from (then this is a note).  Resume from a matching pair (G33): `hndoctor export` writes
    one.
    """
    pairs = [(c, c.optimizer) for c in vitals.checkpoints if c.optimizer and c.optimizer.hash_matches is False]
    if not pairs:
        return
    checkpoint, optimizer = pairs[0]
    others = [c.optimizer for c in vitals.checkpoints[:-1] if c.optimizer and c.optimizer.hash_matches]
    habit = all(_is_the_web_uis_habit(c) for c, _ in pairs) and len({one.hash for _, one in pairs}) == 1 and not others
    more = f", and {len(pairs) - 1} more pairs like it" if len(pairs) > 1 else ""
    more += ": the web UI does that to all its intermediate checkpoints" if habit else ""
    message = f"{optimizer.path.rpartition('/')[2]} carries the hash of another file ({optimizer.hash}){more}"
    severity = Severity.INFO if habit else None
    yield Sign(message, checkpoint.step, optimizer.path, float(len(pairs)), 0.0, severity=severity)


def _is_the_web_uis_habit(checkpoint: Checkpoint) -> bool:
    """One in the midst of a web UI's training, since January 2023: before, it hashed the file just written."""
    later = checkpoint.optimizer is not None and checkpoint.optimizer.hash_generation == 2
    return checkpoint.provenance.startswith("web UI") and checkpoint.step is not None and later


@rule("HN009", Severity.INFO, needs="checkpoints")
def examined_in_part(vitals: Vitals) -> Iterator[Sign]:
    """Only part of the file was examined.

    It is not a hypernetwork.  Its bytes and its numbers were checked, but what it does to pictures was not.
    """
    for checkpoint in vitals.checkpoints:
        if checkpoint.partial:
            message = f"{_name(checkpoint)} is {checkpoint.partial}"
            yield Sign(message, step=checkpoint.step, subject=checkpoint.path)


RULES_FILES: tuple[Rule, ...] = (
    unsafe_file,
    damaged_file,
    not_a_checkpoint,
    still_being_written,
    name_and_step_differ,
    a_loader_will_refuse_it,
    a_loader_will_misread_it,
    optimizer_state_of_another_network,
    examined_in_part,
)
"""The rules on files, in order of their codes."""
