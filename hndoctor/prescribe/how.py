"""How to do it: the commands of hndoctor, and what to copy and to type in the web UI."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath, PurePosixPath

from hndoctor.formats.rates import power
from hndoctor.formats.run_files import CONFIG, RUN_FILE
from hndoctor.records import Checkpoint, Vitals
from hndoctor.rules.dose import shape_of
from hndoctor.rules.optimizers import is_unfit

WEBUI_FOLDER = "models/hypernetworks"
GOES_ON = "with it the web UI would go on at the old rate that it stores"
_SAFE = re.compile(r"[\w@%+=:,./\\-]+", re.ASCII)
_ACTS_IN_QUOTES = re.compile(r'["$`!]|\\\\')
_FILE = re.compile(r"\.(pt|pth|safetensors|ckpt|bin|json|csv|jsonl)$", re.IGNORECASE)


def quoted(word: str) -> str:
    """A word of a command line: in double quotes, which every shell takes, or as a POSIX shell needs it."""
    if _SAFE.fullmatch(word):
        return word
    return shlex.quote(word) if _ACTS_IN_QUOTES.search(word) else f'"{word}"'


def place(vitals: Vitals, file: str) -> str:
    """A file of the run as seen from where hndoctor was called."""
    run = PurePath(vitals.run)
    folder = run.parent if _FILE.search(run.name) else run
    told = str(folder / PurePosixPath(file))
    scheme, far, _ = vitals.run.partition("://")
    return told.replace(f"{scheme}:/", f"{scheme}://", 1) if far else told  # a path keeps one slash of two


def train_command(vitals: Vitals, checkpoint: Checkpoint | None, schedule: str, steps: int, *more: str) -> str:
    """`hndoctor train CONFIG --resume PT --learn-rate SCHEDULE --steps N`, without a shape over that schedule."""
    ours = vitals.settings.source == RUN_FILE
    words = ["hndoctor", "train", quoted(place(vitals, CONFIG)) if ours else "CONFIG.toml"]
    if checkpoint:
        words += ["--resume", quoted(place(vitals, checkpoint.path))]
    plain = ("-o", "lr_scheduler=constant") if ours and shape_of(vitals.settings) else ()
    return " ".join([*words, "--learn-rate", quoted(schedule), "--steps", str(steps), *plain, *more])


def validate_command(vitals: Vitals) -> str | None:
    """`hndoctor validate RUN --held-out PICTURES`; None for what is no folder of this machine."""
    if "://" in vitals.run or "*" in vitals.run or _FILE.search(vitals.run):
        return None
    model = () if vitals.settings.source == RUN_FILE else ("--base-model", "MODEL")
    return " ".join(["hndoctor", "validate", quoted(vitals.run), "--held-out", "PICTURES", *model])


def webui_resume(
    vitals: Vitals, checkpoint: Checkpoint, schedule: str, steps: int, rate_changes: bool
) -> Iterator[str]:
    """Which file to copy where, and what goes into which field of the Train tab (G33, G34)."""
    pair = f"{checkpoint.path}.optim" if checkpoint.optimizer else None
    unfit = is_unfit(checkpoint)
    yield from _copied(vitals, checkpoint, pair if not rate_changes and not unfit else None)
    if pair and (unfit or rate_changes):
        name = PurePosixPath(pair).name
        why = "it is not fit to go on from (HN110)" if unfit else GOES_ON
        yield f"move {name} away: {why}" if _lies_there(vitals, checkpoint) else f"leave {name} out: {why}"
    name = PurePosixPath(checkpoint.path).stem
    if "(" in name:
        yield "rename the copy without brackets: the web UI cuts names at the first one"
    yield f"Hypernetwork: {name}"
    yield f"Learning rate: {schedule}"
    yield f"Max steps: {steps}"


def _lies_there(vitals: Vitals, checkpoint: Checkpoint) -> bool:
    """Whether it is where the web UI looks for networks already."""
    return PurePath(place(vitals, checkpoint.path)).parent.parts[-2:] == PurePath(WEBUI_FOLDER).parts


def _copied(vitals: Vitals, checkpoint: Checkpoint, pair: str | None = None) -> Iterator[str]:
    """The web UI lists only names that end in .pt, and reads no safetensors."""
    path = PurePosixPath(checkpoint.path)
    if path.suffix == ".pt" and checkpoint.container != "safetensors" and _lies_there(vitals, checkpoint):
        return
    file = path.with_suffix(".pt")
    if checkpoint.container == "safetensors":
        yield f"hndoctor convert {quoted(str(path))} {quoted(str(file))} --to webui"
        path = file
    yield f"copy {path} and {pair} to {WEBUI_FOLDER}" if pair else f"copy {path} to {WEBUI_FOLDER}"
    if path.suffix.lower() != ".pt":
        yield f"rename the copy to {file.name}: the web UI lists no other names"


def webui_use(vitals: Vitals, checkpoint: Checkpoint) -> Iterator[str]:
    """How to use a finished network."""
    yield from _copied(vitals, checkpoint)
    yield f"Prompt: <hypernet:{PurePosixPath(checkpoint.path).stem}:1>"


def webui_restart(schedule: str, steps: int) -> Iterator[str]:
    """Begin again in the web UI."""
    yield "Create hypernetwork: a new name; weights initialization: Normal; no layer normalization"
    yield f"Learning rate: {schedule}"
    yield f"Max steps: {steps}"


def rate_words(rate: float) -> str:
    """A rate as people type it."""
    return power(rate)
