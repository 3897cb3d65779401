"""`watch`: follow runs while they grow, and rewrite their reports when something changes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

import hndoctor
from hndoctor.cli import scanning
from hndoctor.cli.console import UsageError, error_console, progress_bar
from hndoctor.records import Diagnosis, Run, Verdict
from hndoctor.remote import url_of

Print = tuple[tuple[str, int, int], ...]  # path, bytes, time of change of every file of a run
INK = {Verdict.HEALTHY: "green", Verdict.AILING: "yellow", Verdict.BROKEN: "bold red", Verdict.UNEXAMINED: "magenta"}


@dataclass(frozen=True)
class Alarm:
    """What to do when a run breaks: a command (run by the system's shell), a file to write."""

    command: str | None = None
    file: Path | None = None


@dataclass
class Watched:
    """What is known of the runs below a path."""

    prints: dict[tuple[Path, str], Print] = field(default_factory=dict)
    diagnoses: dict[tuple[Path, str], Diagnosis] = field(default_factory=dict)


def watch(path: Path, interval: float, alarm: Alarm, *, once: bool = False) -> None:
    """Look every `interval` seconds until Ctrl-C."""
    if (far := url_of(path)) is not None:
        raise UsageError(f"{far}: only runs on this machine are followed; use scan with --out DIR")
    console, known = error_console(), Watched()
    with Live(table(known), console=console, auto_refresh=False, transient=True) as live:
        try:
            while True:
                for run, diagnosis in changed(path, known):
                    tell(console, run, diagnosis, known, alarm)
                    live.update(table(known), refresh=console.is_terminal)
                if once:
                    break
                time.sleep(interval)
        except KeyboardInterrupt:
            pass
    if known.diagnoses:
        console.print(table(known))


def changed(path: Path, known: Watched) -> Iterator[tuple[Run, Diagnosis]]:
    """Runs that are new or have changed, measured, judged and reported."""
    from hndoctor.collect import CollectError, find_runs

    try:
        runs = find_runs(path)
    except CollectError:
        runs = ()  # not there yet, or removed: it may come
    for run in runs:
        key, now = (run.root, run.name), fingerprint(run)
        if known.prints.get(key) == now:
            continue
        known.prints[key] = now
        with progress_bar(error_console(), quiet=True) as bar:
            vitals, stopped = scanning.measure(run, bar, keep=True)
        if stopped:
            raise KeyboardInterrupt
        diagnosis = hndoctor.judge(vitals)
        scanning.write_report(run, vitals, diagnosis)
        yield run, diagnosis


def fingerprint(run: Run) -> Print:
    """Changes whenever a file of the run does.  A file that vanishes meanwhile is simply not in it."""
    optims = [checkpoint.optim for checkpoint in run.checkpoints if checkpoint.optim]
    files = [one.path for one in run.checkpoints] + [one.path for one in run.previews] + optims
    files += [*run.loss_logs, *run.validation_logs, *run.settings]
    seen = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        seen.append((str(file), status.st_size, status.st_mtime_ns))
    return tuple(seen)


def tell(console: Console, run: Run, diagnosis: Diagnosis, known: Watched, alarm: Alarm) -> None:
    """Print what has become of a run, and sound the alarm when it breaks."""
    key = (run.root, run.name)
    before = known.diagnoses.get(key)
    known.diagnoses[key] = diagnosis
    if before is None or (before.verdict, before.summary) != (diagnosis.verdict, diagnosis.summary):
        line = Text(f"{datetime.now():%H:%M:%S} {run.name}: ").append(diagnosis.summary, INK[diagnosis.verdict])
        console.print(line)
    if diagnosis.verdict is Verdict.BROKEN and (before is None or before.verdict is not Verdict.BROKEN):
        sound(alarm, diagnosis)


def sound(alarm: Alarm, diagnosis: Diagnosis) -> None:
    """Run the command, write the file."""
    if alarm.file is not None:
        alarm.file.write_text(f"{diagnosis.run}: {diagnosis.summary}\n", encoding="utf-8")
    if alarm.command is not None:
        subprocess.run(alarm.command, shell=True, check=False)  # the user's own words, given on the command line


def table(known: Watched) -> Table:
    """The state of all runs."""
    shown = Table("run", "step", "verdict", "what now", box=None, pad_edge=False)
    for diagnosis in known.diagnoses.values():
        last = max((station.step for station in diagnosis.course), default=0)
        advice = diagnosis.prescription.sentence if diagnosis.prescription else ""
        verdict = Text(diagnosis.verdict.value, INK[diagnosis.verdict])
        shown.add_row(Text(diagnosis.name), f"{last:,}", verdict, Text(advice))
    return shown
