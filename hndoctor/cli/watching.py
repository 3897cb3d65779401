"""`watch`: follow runs while they grow, and rewrite their reports when something changes.

A look costs one listing of the folders and the status of each file; nothing is opened that has not changed.  Whether a
file changed is told by its size and time being *other* than before, never later, so that no jump of a clock matters.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

import hndoctor
from hndoctor.cli.console import UsageError, error_console, escape, shown, write_file
from hndoctor.cli.reports import Reports, write_report
from hndoctor.cli.telling import say
from hndoctor.records import Diagnosis, Refusal, Run, Verdict, Vitals
from hndoctor.remote import url_of
from hndoctor.render import digest_of
from hndoctor.render.text import INK, LETTERS
from hndoctor.vitals import measure_run

Print = tuple[tuple[str, int, int], ...]  # path, bytes, time of change of every file of a run
Key = tuple[Path, str]
IDLE_SHARE = 0.01  # of one core that looking may cost while nothing changes: pauses grow with many files
SHOWN = 24  # checkpoints of a course in the live table: the last ones


@dataclass(frozen=True)
class Alarm:
    """What to do when a run breaks: a command (run by the system's shell), a file to write."""

    command: str | None = None
    file: Path | None = None


@dataclass
class Watched:
    """What is known of the runs below a path."""

    prints: dict[Key, Print] = field(default_factory=dict)
    diagnoses: dict[Key, Diagnosis] = field(default_factory=dict)
    unsettled: set[Key] = field(default_factory=set)  # runs with a file that may still be in the making
    reports: Reports = field(default_factory=Reports)
    commands: list[subprocess.Popen[bytes]] = field(default_factory=list)


def watch(path: Path, interval: float, alarm: Alarm, *, once: bool = False, lang: str = "en") -> None:
    """Look every `interval` seconds until Ctrl-C."""
    if (far := url_of(path)) is not None:
        raise UsageError(f"{far}: only runs on this machine are followed; use scan with --out DIR")
    console, known = error_console(), Watched(reports=Reports(lang=lang))
    if reason := listed(path)[1]:  # a mistyped path must not be waited for in silence
        if path.is_file():
            raise UsageError(reason)
        say(console, f"{escape(reason)}" + ("" if once else "; waiting for one"))
    with Live(view(known, interval), console=console, auto_refresh=False, transient=True) as live:
        try:
            while True:
                begun = time.process_time()
                news = look(path, known, console, alarm, lang)
                live.update(view(known, interval), refresh=console.is_terminal)
                if once:
                    break
                time.sleep(interval if news else pause(interval, time.process_time() - begun))
        except KeyboardInterrupt:
            pass
    if once:
        for command in known.commands:
            command.wait()
    if known.diagnoses:
        console.print(table(known))


def pause(interval: float, cost: float) -> float:
    """Seconds until the next look, where the last one found nothing and took `cost` seconds of CPU."""
    return max(interval, cost / IDLE_SHARE)


def look(path: Path, known: Watched, console: Console, alarm: Alarm, lang: str) -> bool:
    """Once around: what is new or has changed is measured, judged, reported and told.  Whether there was anything."""
    known.commands = [command for command in known.commands if command.poll() is None]
    seen: set[Key] = set()
    news = False
    for run in runs_below(path):
        key = (run.root, run.name)
        seen.add(key)
        before = known.diagnoses.get(key)
        try:
            diagnosis = examined(run, known, lang)
        except OSError as error:  # removed, or locked, while we looked at it: the next look will see
            known.prints.pop(key, None)
            say(console, f"{escape(run.name)}: {escape(str(error.filename or run.root))}: {error.strerror or error}")
            continue
        if diagnosis is not None:
            news = True
            tell(console, run, before, diagnosis)
            if diagnosis.verdict is Verdict.BROKEN and (before is None or before.verdict is not Verdict.BROKEN):
                known.commands += sound(alarm, diagnosis, console)
    news = forget(known, seen, console) or news
    if news:
        known.reports.index([path], tuple(known.diagnoses.values()))
    return news


def runs_below(path: Path) -> tuple[Run, ...]:
    """The runs there are now; none where the folder is not there yet, or no longer."""
    return listed(path)[0]


def listed(path: Path) -> tuple[tuple[Run, ...], str]:
    """The runs there are now, and why there are none."""
    from hndoctor.collect import CollectError, find_runs

    try:
        return find_runs(path), ""
    except (CollectError, OSError) as reason:
        return (), str(reason)


def examined(run: Run, known: Watched, lang: str) -> Diagnosis | None:
    """The diagnosis of a run that is new or has changed, its report rewritten; else None."""
    key, now = (run.root, run.name), fingerprint(run)
    before = known.prints.get(key, ())
    if before == now and key not in known.unsettled:
        return None
    known.prints[key] = now
    vitals = patient(measure_run(run), {file for file, *_ in set(now) - set(before)})
    known.unsettled.discard(key)
    if any(file.kind is Refusal.WRITING for file in vitals.unreadable):
        known.unsettled.add(key)
    diagnosis = known.diagnoses[key] = hndoctor.judge(vitals)
    known.reports.digests[diagnosis.run] = digest_of(vitals)
    known.reports.pages[diagnosis.run] = write_report(run, vitals, diagnosis, lang=lang)
    return diagnosis


def patient(vitals: Vitals, changed: set[str]) -> Vitals:
    """A file that has just changed and is not whole is taken for one in the making: the next look tells."""
    root = Path(vitals.run)
    files = tuple(
        replace(file, kind=Refusal.WRITING, reason=f"still being written, it seems: {file.reason}")
        if file.kind is Refusal.DAMAGED and str(root / file.path) in changed
        else file
        for file in vitals.unreadable
    )
    return replace(vitals, unreadable=files)


def forget(known: Watched, seen: set[Key], console: Console) -> bool:
    """Runs that are no longer there; whether there were any."""
    gone = [key for key in known.prints if key not in seen]
    for key in gone:
        say(console, f"{datetime.now():%H:%M:%S} {escape(key[1])}: is no longer there")
        known.prints.pop(key)
        known.unsettled.discard(key)
        if (diagnosis := known.diagnoses.pop(key, None)) is not None:
            known.reports.pages.pop(diagnosis.run, None)
            known.reports.digests.pop(diagnosis.run, None)
    return bool(gone)


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


def tell(console: Console, run: Run, before: Diagnosis | None, diagnosis: Diagnosis) -> None:
    """Print what has become of a run, if that is news."""
    if before is None or (before.verdict, before.summary) != (diagnosis.verdict, diagnosis.summary):
        line = Text(f"{datetime.now():%H:%M:%S} {shown(run.name)}: ")
        say(console, line.append(shown(diagnosis.summary), INK[diagnosis.verdict.value]))


def sound(alarm: Alarm, diagnosis: Diagnosis, console: Console) -> list[subprocess.Popen[bytes]]:
    """Write the file, start the command.  Nobody waits for it: other runs may be breaking meanwhile."""
    if alarm.file is not None:
        try:
            write_file(alarm.file, f"{diagnosis.run}: {diagnosis.summary}\n")
        except OSError as error:
            say(console, f"not written: {escape(str(alarm.file))}: {error.strerror or error}")
    if alarm.command is None:
        return []
    told = os.environ | {"HNDOCTOR_RUN": diagnosis.run, "HNDOCTOR_SUMMARY": diagnosis.summary}
    # The user's own words, given on the command line; what comes from files is in the environment, never in the words.
    return [subprocess.Popen(alarm.command, shell=True, env=told, stdin=subprocess.DEVNULL)]


def view(known: Watched, interval: float) -> Group:
    """What the live terminal shows."""
    said = f"looked at {datetime.now():%H:%M:%S}, every {interval:g} s; Ctrl-C ends"
    seen = {station.state for diagnosis in known.diagnoses.values() for station in diagnosis.course[-SHOWN:]}
    meant = ", ".join(f"{letter} {state.value}" for state, letter in LETTERS.items() if state in seen)
    return Group(table(known), Text(f"{meant or 'nothing to follow yet'}; {said}", "dim"))


def table(known: Watched) -> Table:
    """The state of all runs."""
    rows = Table(
        "run", "step", "course", "verdict", "what now", box=None, pad_edge=False, show_header=bool(known.diagnoses)
    )
    for diagnosis in known.diagnoses.values():
        last = max((station.step for station in diagnosis.course), default=0)
        advice = diagnosis.prescription.sentence if diagnosis.prescription else ""
        verdict = Text(diagnosis.verdict.value, INK[diagnosis.verdict.value])
        course = Text.assemble(*((LETTERS[one.state], INK[one.state.value]) for one in diagnosis.course[-SHOWN:]))
        rows.add_row(Text(shown(diagnosis.name)), f"{last:,}", course, verdict, Text(shown(advice)))
    return rows
