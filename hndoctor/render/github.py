"""GitHub's workflow commands: annotations on the pull request, within what GitHub shows.

GitHub shows 10 annotations of a type per step and drops the rest silently, so the most severe come first and a plain
line counts what is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from hndoctor.records import Diagnosis, Finding, PictureJudgement, Severity, Verdict
from hndoctor.render.figures import clean, percent, steps
from hndoctor.render.markdown import render_markdown
from hndoctor.rules.spoken import spoken

SHOWN_OF_A_TYPE = 10  # per step, as GitHub documents it
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
Annotation = tuple[str, str, str, str]  # command, file, title, message


def render_github(diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement] = ()) -> str:
    """Annotations, most severe and most certain first, then one line for each type that counts what was left out."""
    found = [(f.confidence, _finding(d, f)) for d in diagnoses for f in d.findings]
    found += [(1.0, _unexamined(d)) for d in diagnoses if d.verdict is Verdict.UNEXAMINED]
    lines: list[str] = []
    for command in _COMMANDS.values():
        kind = sorted((pair for pair in found if pair[1][0] == command), key=lambda pair: -pair[0])
        lines += [_command(annotation) for _, annotation in kind[:SHOWN_OF_A_TYPE]]
        if len(kind) > SHOWN_OF_A_TYPE:
            lines.append(
                f"hndoctor: {len(kind) - SHOWN_OF_A_TYPE:,} more of type {command} are not shown as annotations"
            )
    return "".join(f"{line}\n" for line in lines)


def render_step_summary(diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement] = ()) -> str:
    """What belongs into the file that ``$GITHUB_STEP_SUMMARY`` names: the Markdown report, under 1 MiB."""
    return render_markdown(diagnoses, pictures)


def path_of(diagnosis: Diagnosis, subject: str | None) -> str:
    """A finding's file as seen from where hndoctor was called: the run's path, then the path within the run."""
    root = diagnosis.run.replace("\\", "/").rstrip("/")
    if subject is None or root.endswith("/" + subject) or root == subject:
        return root
    return subject if root in ("", ".") else f"{root}/{subject}"


def _finding(diagnosis: Diagnosis, finding: Finding) -> Annotation:
    where = "" if finding.step is None else f" at step {steps(finding.step)}"
    sure = "" if finding.confidence >= 1 else f" ({percent(finding.confidence)} sure)"
    title = f"{finding.code}{where}"
    return _COMMANDS[finding.severity], path_of(diagnosis, finding.subject), title, f"{spoken(finding.message)}{sure}"


def _unexamined(diagnosis: Diagnosis) -> Annotation:
    return "error", path_of(diagnosis, None), "not examined", diagnosis.summary


def _command(annotation: Annotation) -> str:
    command, file, title, message = annotation
    return f"::{command} file={_property(file)},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
