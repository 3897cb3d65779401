"""`check`: a data set and a plan, judged before the first step; captions mended if asked to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from hndoctor.cli import gating, reports
from hndoctor.cli.console import UsageError, error_console, shown
from hndoctor.cli.sifting import Wanted, exit_code, sifted, suppressed
from hndoctor.formats.bounded import read_text
from hndoctor.formats.counted import counted
from hndoctor.records import Diagnosis, PlanVitals, Setup, Severity, Verdict

CONFIG_LIMIT = 1 << 20  # bytes of a configuration
SHOWN_CHANGES = 10  # mended captions shown one by one
_GB = 10**9


@dataclass(frozen=True)
class Mend:
    """Where mended captions go: nowhere, into a folder, or back to their places."""

    folder: Path | None = None
    in_place: bool = False


@dataclass(frozen=True)
class Asked:
    """What `check` was asked to look at."""

    data: Path
    config: Path | None
    webui: Path | None
    kind: str | None
    name: str | None
    vram: float | None = None  # GB of the graphics card
    mend: Mend = Mend()
    lang: str = "en"  # of the page


def read_config(path: Path | None) -> dict[str, Any]:
    """The training config as a table; {} where none was given."""
    if path is None:
        return {}
    try:
        return tomllib.loads(read_text(path, CONFIG_LIMIT))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such config") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None


def judged(setup: Setup) -> Diagnosis:
    """The setup rules' findings in the same shape as a run's diagnosis: the same formats print it."""
    from hndoctor.rules import RULES
    from hndoctor.rules.engine import examine

    found, lacking = examine([law for law in RULES if law.needs == "setup"], setup, {})
    worst = {finding.severity for finding in found}
    verdict = Verdict.AILING if worst & {Severity.ERROR, Severity.WARNING} else Verdict.HEALTHY
    written = len({caption.source for caption in setup.captions if caption.source})
    count = f"{counted(len(setup.pictures), 'picture')}, {counted(written, 'caption file')}"
    said = f"{counted(len(found), 'thing')} to look at" if found else "nothing to mend"
    summary = f"{count}: {said}.{planned(setup.plan)} Tokens: {setup.tokenizer}."
    name, unexamined = setup.name or Path(setup.data).name, (*setup.skipped, *lacking)
    return Diagnosis(setup.data, name, verdict, summary, found, unexamined)


def planned(plan: PlanVitals | None) -> str:
    """What the plan comes to, in a sentence; empty where it does not say."""
    if plan is None or not plan.steps_per_epoch or plan.passes is None:
        return ""
    are, show = ("is", "shows") if plan.steps == 1 else ("are", "show")
    seen = counted(round(plan.passes), "time")
    steps = counted(plan.steps or 0, "step")
    epochs = f" {steps} {are} {plan.steps_per_epoch:,} an epoch and {show} each picture {seen}"
    need = sum(size for _, size in plan.memory)
    return f"{epochs}; they take about {need / _GB:.1f} GB of a graphics card." if need else f"{epochs}."


def check(asked: Asked, wanted: Wanted, form: str, out: Path | None) -> int:
    """Measure, judge, print; return the exit code."""
    from hndoctor.setup import measure_setup

    if asked.mend.folder is not None and asked.mend.in_place:
        raise UsageError("--fix DIR and --fix-in-place: choose one of them")
    config = read_config(asked.config)
    setup = measure_setup(
        asked.data,
        kind=asked.kind,
        name=asked.name,
        config=config or None,
        webui=asked.webui,
        card_bytes=round(asked.vram * _GB) if asked.vram else None,
    )
    result = sifted(judged(setup), wanted)
    diagnosis, passed = result.kept, suppressed([result])
    html = form == "html"
    text = page(setup, diagnosis, asked.lang) if html else reports.rendered(form, (diagnosis,), (), wanted, passed)
    reports.deliver(text, out)
    gating.tell([result], wanted, 0, quiet=False)
    if html and out is not None:
        error_console().print(Text(f"report: {shown(str(out))}"), soft_wrap=True)
    mend(asked)
    return exit_code((diagnosis,), wanted)


def page(setup: Setup, diagnosis: Diagnosis, lang: str = "en") -> str:
    """The HTML page, with a thumbnail of every picture that it shows."""
    from hndoctor.render.check import render_check
    from hndoctor.rules import RULES
    from hndoctor.setup.thumbnails import thumbnails

    small = thumbnails(Path(setup.data), [picture.path for picture in setup.pictures])
    return render_check(setup, diagnosis, small, RULES, language=lang)


def mend(asked: Asked) -> None:
    """Mend the captions if that was asked for, and say what was changed, into what, and where the old ones lie."""
    from hndoctor.setup import fix_captions

    if asked.mend.folder is None and not asked.mend.in_place:
        return
    changes = fix_captions(asked.data, asked.mend.folder, seed=0)
    console = error_console()
    for change in changes[:SHOWN_CHANGES]:
        console.print(
            Text(f"{change.path} ({', '.join(change.what)}): {' '.join(change.after.split())}"), soft_wrap=True
        )
    if len(changes) > SHOWN_CHANGES:
        console.print(f"and {len(changes) - SHOWN_CHANGES} more")
    if asked.mend.in_place:
        where = f"in {asked.data}; each as it was lies beside it (.bak)" if changes else "there was nothing to mend"
    else:
        where = f"into {asked.mend.folder}, which holds all captions; {asked.data} is as it was"
    told = f"{counted(len(changes), 'caption')} rewritten {where}" if changes else f"no caption rewritten: {where}"
    console.print(Text(shown(told)), soft_wrap=True)
