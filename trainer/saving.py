"""A checkpoint is several files that belong together; a kill at any moment leaves them all, or those of before.

All are written under names of their own first (`.next`).  Renaming the network is the moment that counts: what belongs
to it follows, and where a kill came in between, the next start finishes the work, told by the hash that binds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hndoctor.formats import read
from hndoctor.formats.run_files import AVERAGES
from hndoctor.formats.types import OptimizerFile, Refused
from trainer import ema as averages
from trainer import optimizer as optimizers
from trainer.ema import ema_path
from trainer.errors import TrainerError
from trainer.loop import Course
from trainer.network import Hypernetwork
from trainer.optimizer import optim_path
from trainer.optimizer_kinds import meant

NEXT = ".next"
COPY = ".safetensors"  # the network once more, for programs that read nothing else


def write(path: Path, course: Course) -> None:
    """Write a checkpoint, its optimizer state and its average, if there are such.  Raises OSError, nothing changed."""
    staged = _next(path)
    try:
        with meant(course.optimizer, course.parameters) as trained:
            course.network.save(staged)
            if course.config.safetensors:
                course.network.save(_next(copy_path(path)), "safetensors")
        if course.config.save_optimizer_state:
            optimizers.save(_next(optim_path(path)), staged, course.optimizer, trained, course.scaler)
        if course.ema is not None:
            average = _next(ema_path(path))
            average.parent.mkdir(exist_ok=True)
            course.ema.save(average, staged, course.network.step)
        staged.replace(path)
    except BaseException:
        for file in (path, *_companions(path)):
            _next(file).unlink(missing_ok=True)
        raise
    for file in _companions(path):
        _follow(file)


def settle(folder: Path) -> None:
    """Finish, or undo, what a kill has interrupted in a folder of checkpoints."""
    for staged in folder.glob(f"*.pt{NEXT}"):  # the moment that counts had not come
        for file in (whole := staged.with_name(staged.name.removesuffix(NEXT)), *_companions(whole)):
            _next(file).unlink(missing_ok=True)
    for file in _left(folder):
        name = file.name.removesuffix(NEXT)
        checkpoint = folder / (f"{Path(name).stem}.pt" if name.endswith(COPY) else name.removesuffix(".optim"))
        if checkpoint.exists() and _belongs(file, checkpoint):
            file.replace(file.with_name(file.name.removesuffix(NEXT)))
        else:
            file.unlink()


def remove(path: Path) -> None:
    """Remove a checkpoint and what belongs to it, which goes first: what is left is never a state without a network."""
    for file in (*_companions(path), path):
        file.unlink(missing_ok=True)


def copy_path(path: Path) -> Path:
    """Where a checkpoint's copy in the safetensors format lies."""
    return path.with_suffix(COPY)


def _next(path: Path) -> Path:
    return path.with_name(path.name + NEXT)


def _companions(path: Path) -> tuple[Path, Path, Path]:
    return optim_path(path), ema_path(path), copy_path(path)


def _follow(file: Path) -> None:
    """After its network: the new file if there is one; the one of before stands beside another network now."""
    if _next(file).exists():
        _next(file).replace(file)
    else:
        file.unlink(missing_ok=True)


def _left(folder: Path) -> Iterator[Path]:
    yield from list(folder.glob(f"*.pt.optim{NEXT}"))
    yield from list(folder.glob(f"*{COPY}{NEXT}"))
    yield from list((folder.parent / AVERAGES).glob(f"*.pt{NEXT}"))


def _belongs(file: Path, checkpoint: Path) -> bool:
    with suppress(Refused, OSError, TrainerError):
        if file.name.endswith(f"{COPY}{NEXT}"):
            return Hypernetwork.load(file).metadata() == Hypernetwork.load(checkpoint).metadata()
        if not file.name.endswith(f".optim{NEXT}"):
            return averages.belongs(Hypernetwork.load(file), checkpoint)
        state = read(file)
        return isinstance(state, OptimizerFile) and optimizers.is_bound(state, checkpoint)
    return False
