"""`check`: a data set and a plan, judged before the first step."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hndoctor.cli import gating, scanning
from hndoctor.cli.console import UsageError, error_console
from hndoctor.records import Diagnosis, Setup, Severity, Verdict


@dataclass(frozen=True)
class Asked:
    """What `check` was asked to look at."""

    data: Path
    config: Path | None
    webui: Path | None
    kind: str | None
    name: str | None
    fix: Path | None


def read_config(path: Path | None) -> dict[str, Any]:
    """The training config as a table; {} where none was given."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None


def judged(setup: Setup) -> Diagnosis:
    """The setup rules' findings in the same shape as a run's diagnosis: the same formats print it."""
    from hndoctor.rules import RULES
    from hndoctor.rules.engine import examine

    found, lacking = examine([law for law in RULES if law.needs == "setup"], setup, {})
    worst = {finding.severity for finding in found}
    verdict = Verdict.AILING if worst & {Severity.ERROR, Severity.WARNING} else Verdict.HEALTHY
    count = f"{len(setup.pictures)} pictures, {len(setup.captions)} captions"
    said = f"{len(found)} things to look at" if found else "nothing to mend"
    name, unexamined = setup.name or Path(setup.data).name, (*setup.skipped, *lacking)
    return Diagnosis(setup.data, name, verdict, f"{count}: {said}.", found, unexamined)


def check(asked: Asked, wanted: gating.Wanted, form: str, out: Path | None) -> int:
    """Measure, judge, print; return the exit code."""
    from hndoctor.setup import fix_captions, measure_setup

    config = read_config(asked.config)
    setup = measure_setup(asked.data, kind=asked.kind, name=asked.name, config=config or None, webui=asked.webui)
    diagnosis = gating.narrowed(judged(setup), wanted)
    scanning.deliver(scanning.rendered(form, (diagnosis,), (), wanted), out)
    if asked.fix is not None:
        changes = fix_captions(asked.data, asked.fix, seed=0)
        error_console().print(f"{len(changes)} captions rewritten into {asked.fix}")
    return gating.exit_code((diagnosis,), wanted)
