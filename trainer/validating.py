"""Validation after the fact: the held-out loss of checkpoints that lie there, whoever trained them.

The web UI holds no pictures out, so nothing that it writes tells overtraining.  Here its checkpoints are measured as
the trainer measures its own (`trainer.validation`), on pictures that the network was never shown.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hndoctor.formats.checksum import content_key_of
from hndoctor.formats.counted import counted
from hndoctor.records import CheckpointPath
from trainer import base as bases
from trainer import course as courses
from trainer.base import BaseModel
from trainer.config import Config
from trainer.data import split
from trainer.diffusion import Injection
from trainer.errors import TrainerError, why
from trainer.events import Event, Finished, Measuring, Notice, Validated
from trainer.interrupts import LeftError, Stop
from trainer.material import items_of
from trainer.network import Hypernetwork
from trainer.objective import Objective
from trainer.pictures import Picture, PictureSet, Reading, read_folder
from trainer.validation import Validation
from trainer.validation_log import Log, writable


@dataclass(frozen=True)
class Subject:
    """What is measured, on what, and where it is written down.

    `config`: how pictures, captions and the base model are taken; its `validation` pictures of `train` were held out.
    `train`: the folder of the training pictures; None where it is not here: then learning by heart is not told from
    damage to all pictures.  `held_out`: a folder of pictures that the network was never shown, beside those, or None.
    """

    config: Config
    checkpoints: tuple[CheckpointPath, ...]
    log: Path
    train: Path | None = None
    held_out: Path | None = None


def validate(subject: Subject, overwrite: bool = False, stop: Stop | None = None) -> Generator[Event]:
    """Measure every checkpoint that the log does not hold yet, a line each; yields events, `Finished` last.

    It can be left at any time; what was measured is kept, and not measured again.  A log of other pictures or another
    base model is replaced with `overwrite` alone.  Raises `TrainerError`, in one line, for all that the user can mend.
    """
    stop, config, total = stop or Stop(), subject.config, len(subject.checkpoints)
    writable(subject.log)
    held_out, train, notes = chosen(subject)
    yield from (Notice(text) for text in notes)
    base = bases.load(
        config.base_model, bases.choose_device(config.device), courses.dtype(config), bases.Options.of(config)
    )
    yield from _fitting(subject, base)
    batches = yield from items_of(base, (*held_out, *train), config)
    yield Measuring(None, 0, total)
    objective, count = Objective(base.unet, base.schedule, config.precision), len(held_out)
    with Injection(base.unet, ()) as bare:
        validation = Validation(objective, bare, batches[:count], batches[count:], None, base.hash)
    log = Log.opened(subject.log, validation.base.key, overwrite)
    numbered = frozenset(where.step for where in subject.checkpoints if where.step is not None)
    work = _Work(base, validation, log, stop, numbered)
    for done, where in enumerate(subject.checkpoints):
        yield Measuring(where.path, done, total)
        if stop.requested:
            break
        yield from work.measured(where)
    if not log.known and not stop.requested:
        raise TrainerError(f"{subject.log.parent}: none of its {counted(total, 'checkpoint')} could be measured")
    yield _finished(log, count, stopped=stop.requested)


@dataclass(frozen=True)
class _Work:
    """Everything ready, one checkpoint after another."""

    base: BaseModel
    validation: Validation
    log: Log
    stop: Stop
    numbered: frozenset[int]  # steps of which there are files with a number; the final one may be of the same step

    def measured(self, where: CheckpointPath) -> Iterator[Event]:
        """The point of one checkpoint; what cannot be measured is told, and left out."""
        try:
            network, content = self._loaded(where.path), content_key_of(where.path)
        except (OSError, TrainerError) as error:
            yield _left_out(where, error)
            return
        step = network.step if where.step is None else where.step
        if (step, content) in self.log.known or (where.step is None and step in self.numbered):
            return
        try:
            with Injection(self.base.unet, [network]) as self.validation.injection:
                point = self.validation.measure(step, self.stop)
        except LeftError:
            return
        point = replace(point, content=content)
        self.log.add(point)
        yield Validated(point)

    def _loaded(self, path: Path) -> Hypernetwork:
        network = Hypernetwork.load(path)
        if not _fits(network, self.base):
            raise _strange(path, network, self.base)
        network.to(self.base.device)
        return network


def _fits(network: Hypernetwork, base: BaseModel) -> bool:
    return set(network.sizes) <= set(base.sizes)


def _strange(path: Path, network: Hypernetwork, base: BaseModel) -> TrainerError:
    return TrainerError(f"{path}: its sizes are {sorted(network.sizes)}, the base model's {sorted(base.sizes)}")


def _left_out(where: CheckpointPath, error: OSError | TrainerError) -> Notice:
    told = f"{where.path}: cannot be read ({why(error)})" if isinstance(error, OSError) else str(error)
    return Notice(f"{told}; it is left out", where.step)


def _fitting(subject: Subject, base: BaseModel) -> Iterator[Notice]:
    """Known before any picture is encoded.  Raises `TrainerError` if all that can be read is of another base model;
    where that is not all there is, each is told first."""
    strange: list[Hypernetwork] = []
    left_out = []  # told when its turn comes, if it comes
    for where in subject.checkpoints:
        try:
            network = Hypernetwork.load(where.path)
        except (OSError, TrainerError) as error:
            left_out.append(_left_out(where, error))
            continue
        if _fits(network, base):
            return
        strange.append(network)
        left_out.append(_left_out(where, _strange(where.path, network, base)))
    if strange:
        yield from left_out if len(strange) < len(left_out) else ()
        raise TrainerError(
            f"{subject.log.parent}: its networks are for the context widths {_listed(strange[0].sizes)}, the base "
            f"model {subject.config.base_model} has {_listed(base.sizes)}; name the one that it was trained on "
            "(--base-model)"
        )


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(sizes)))


# --- pictures ---------------------------------------------------------------------------------------------------------


def chosen(subject: Subject) -> tuple[tuple[Picture, ...], tuple[Picture, ...], tuple[str, ...]]:
    """Held-out pictures, as many training pictures, and what is to be told of them.

    A picture that was trained on would hide what is looked for: it is never taken for a held-out one.
    """
    config = subject.config
    known = _read(subject.train, config) if subject.train else None
    train, held_out = split(known.pictures, config) if known else ((), ())
    given = _read(subject.held_out, config, "held-out") if subject.held_out else None
    more, notes = _new(given, {one.content for one in train}, held_out) if given else ((), [])
    held_out = (*held_out, *more)
    if not held_out:
        where = f"{subject.held_out}: all of its pictures were trained on" if given else "no pictures are held out"
        raise TrainerError(f"{where}; name a folder of pictures that the network was never shown (--held-out)")
    if not train:
        notes.append("the training pictures are not here (--data): learning by heart is not told from other damage")
    return held_out, train[: len(held_out)], tuple(notes)


def _read(folder: Path, config: Config, kind: str = "training") -> PictureSet:
    return read_folder(folder, Reading(config.repeats, config.filename_regex, config.filename_join), kind)


def _new(given: PictureSet, trained: set[str], there: Iterable[Picture]) -> tuple[tuple[Picture, ...], list[str]]:
    """The given pictures that were not trained on, each once, and what is to be told of the others."""
    unseen = [one for one in given.pictures if one.content not in trained]
    own = {one.content for one in there}  # of the run's own held-out folder: named by its settings, not left out
    once = {one.content: one for one in reversed(unseen) if one.content not in own}
    new = tuple(one for one in unseen if once.get(one.content) is one)
    notes = [f"{name} is left out: {reason}" for name, reason in given.skipped]
    for reason, names in (
        ("the network was trained on", [one.name for one in given.pictures if one.content in trained]),
        ("there twice is", [one.name for one in unseen if one.content in once and one not in new]),
    ):
        if names:
            notes.append(f"left out, for {reason} {_few(names)}")
    return new, notes


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- the end ----------------------------------------------------------------------------------------------------------


def _finished(log: Log, pictures: int, stopped: bool) -> Finished:
    best = log.best()
    told = f"{counted(len(log.known), 'checkpoint')} measured on {counted(pictures, 'held-out picture')}"
    if best is not None and best.held_out_base > 0:
        change = best.held_out / best.held_out_base - 1
        told += f"; the lowest loss is at step {best.step}, {abs(change):.1%} {'above' if change > 0 else 'below'} the "
        told += "bare base model's"
    return Finished("stopped" if stopped else "done", best.step if best else 0, log.path.parent, None, told)
