"""`merge`: the average of checkpoints, with its health beside theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

import hndoctor
from hndoctor.cli import reports
from hndoctor.cli.console import UsageError, error_console, shown
from hndoctor.cli.converting import tell
from hndoctor.cli.sifting import Wanted, exit_code
from hndoctor.collect import find_own
from hndoctor.interop import merge as merge_files
from hndoctor.records import CheckpointPath, Vitals

_RANGE = re.compile(r"\s*(\d{1,9})\s*-\s*(\d{1,9})\s*")


def merge(paths: Sequence[Path], out: Path, weights: str, steps: str, *, overwrite: bool) -> int:
    """Merge, measure and tell; the exit code is 1 where the result is not healthy."""
    sources = of_run(paths, steps) if steps else list(paths)
    done = merge_files(sources, out, numbers(weights), overwrite=overwrite)
    print(shown(str(done.path)))
    measured = [hndoctor.measure(path) for path in (*sources, out)]
    show_parts(measured, [*(f"{w:.3g}" for w in done.weights), "merged"], done.likeness)
    tell(done.notes)
    diagnosis = hndoctor.judge(measured[-1])
    reports.deliver(reports.rendered("text", (diagnosis,), ()), None)
    return exit_code((diagnosis,), Wanted("error"))


def numbers(text: str) -> list[float]:
    """ "0.25,0.75" as numbers."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"--weights {text}: write numbers parted by commas, e.g. 0.25,0.75") from None


def of_run(paths: Sequence[Path], steps: str) -> list[Path]:
    """The checkpoints of one run that a list or a range of steps names."""
    if len(paths) != 1 or not paths[0].is_dir():
        raise UsageError("--steps chooses among the checkpoints of one run; name the run's folder alone")
    runs = find_own(paths[0])
    found = [one for run in runs for one in run.checkpoints if one.step is not None]
    first = {one.step: one for one in reversed(found)}  # of copies the original
    if len(runs) > 1 and len(first) < len(found):
        raise UsageError(f"{paths[0]}: holds several runs; name one of them")
    return [one.path for one in wanted([*reversed(first.values())], steps, paths[0])]


def wanted(found: Sequence[CheckpointPath], steps: str, run: Path) -> list[CheckpointPath]:
    """Those of a range, or of a list of which none may be missing."""
    span = _RANGE.fullmatch(steps)
    if span:
        inside = [one for one in found if int(span[1]) <= (one.step or 0) <= int(span[2])]
        if len(inside) < 2:
            raise UsageError(f"{run}: fewer than two checkpoints between step {span[1]} and {span[2]}; write more")
        return inside
    by_step = {str(one.step): one for one in found}
    asked = [part.strip() for part in steps.split(",") if part.strip()]
    lacking = [part for part in asked if part not in by_step]
    if lacking:
        raise UsageError(f"{run}: no checkpoint of step {lacking[0]}; there are {', '.join(by_step)}")
    return [by_step[part] for part in asked]


def show_parts(measured: Sequence[Vitals], roles: Sequence[str], likeness: float) -> None:
    """The gains of every part and of the result: an average should not be worse than its parts."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("weight", "file", "step", "largest gain", "weights, RMS"):
        table.add_column(heading)
    for vitals, role in zip(measured, roles, strict=True):
        checkpoint = vitals.checkpoints[0]
        gains = [module.gain for module in checkpoint.modules if module.gain is not None]
        rms = max((module.rms for module in checkpoint.modules), default=0.0)
        row = (
            role,
            shown(Path(checkpoint.path).name),
            str(checkpoint.stored_step),
            f"{max(gains, default=0):.3f}",
            f"{rms:.4g}",
        )
        table.add_row(*map(Text, row))
    console = error_console()
    console.print(table)
    console.print(f"least likeness of two parts (cosine of their weights): {likeness:.3f}")
