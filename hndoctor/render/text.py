"""The terminal's report: what it is, what to do, why.  Plain lines where nobody reads colours."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from hndoctor.calibration.looks import looks_like
from hndoctor.formats.counted import counted
from hndoctor.records import Diagnosis, Finding, PictureJudgement, Prescription, Severity, State, Station, Verdict
from hndoctor.render.figures import clean, percent, steps, with_command
from hndoctor.rules.spoken import spoken

WIDTH = 100  # columns, where nobody says how many there are
LETTERS = {
    State.STARTING: "s",
    State.HEALTHY: "H",
    State.OVERTRAINED: "O",
    State.BROKEN: "X",
    State.UNREADABLE: "?",
}
INK = {
    "healthy": "green",
    "ailing": "yellow",
    "overtrained": "yellow",
    "warning": "yellow",
    "broken": "bold red",
    "error": "bold red",
    "unexamined": "magenta",
    "unreadable": "magenta",
    "starting": "bright_black",
    "info": "cyan",
}
_SHOWN_OF_A_CODE = 5  # findings of one rule before "and N more": a NaN network trips the same rule at every checkpoint
WORTH_SAYING = 0.02  # width of an interval from which it is printed


def render_text(
    diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement] = (), colour: bool = False, width: int = WIDTH
) -> str:
    """Every run, then the pictures judged alone, then one line that counts.  Without `colour` it is plain."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for diagnosis in diagnoses:
        _run(console, diagnosis)
    for judged in pictures:
        _line(console, _picture(judged), 0)
    if len(diagnoses) != 1 or pictures:
        _line(console, Text(_count(diagnoses, pictures), "bold"), 0)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _line(console: Console, text: Text, indent: int, whole: bool = False, lead: Text | None = None) -> None:
    """One paragraph, wrapped at `indent` on a terminal, there beside its `lead`.  Piped text, and commands to copy
    (`whole`), are not broken."""
    lead = lead or Text()
    if whole or not console.is_terminal:
        console.print(Text.assemble(" " * indent, lead, text), soft_wrap=True)
    else:
        from rich.padding import Padding  # only where somebody looks: a gate must start fast
        from rich.table import Table

        beside = Table.grid()
        beside.add_column(width=lead.cell_len)
        beside.add_row(lead, text)
        console.print(Padding(beside if lead else text, (0, 0, 0, indent)))


def _run(console: Console, diagnosis: Diagnosis) -> None:
    word = diagnosis.verdict.value
    _line(console, Text.assemble((clean(diagnosis.run), "bold"), "  ", (word.upper(), INK[word])), 0)
    _line(console, Text(clean(diagnosis.summary)), 2)
    if diagnosis.prescription is not None:
        _advice(console, diagnosis.prescription)
    if any(station.state is State.UNREADABLE or station.channels != ("prior",) for station in diagnosis.course):
        _line(console, _course(diagnosis.course), 2)
    for finding, more in _chosen(diagnosis.findings):
        _line(console, _finding(finding, more), 2, lead=_law(finding))
    for skipped in diagnosis.not_examined:
        what = Text(f"{clean(skipped.what)}: {clean(skipped.why)}")
        _line(console, what, 2, lead=Text.assemble(("not examined", "magenta"), "  "))
    console.print()


def _advice(console: Console, advice: Prescription) -> None:
    _line(console, Text.assemble(("→ ", "bold"), (clean(advice.sentence), "bold")), 2)
    for command in advice.how_hndoctor:
        _line(console, Text("$ " + clean(command), "cyan"), 4, whole=True)
    for i, hand in enumerate(advice.how_webui, 1):
        _line(console, Text(clean(hand)), 4, lead=Text(f"web UI {i}. "))
    for remedy in advice.free_remedies:
        helps, how = with_command(remedy)
        _line(console, Text(clean(helps)), 4, lead=Text("also: "))
        if how is not None:
            _line(console, Text("$ " + clean(how), "cyan"), 10, whole=True)


def _course(course: Sequence[Station]) -> Text:
    """``course  500 ssHHHHOOXX 4,500`` and what the letters mean."""
    text = Text.assemble("course  ", f"{steps(course[0].step)} ")
    for station in course:
        text.append(LETTERS[station.state], INK[station.state.value])
    text.append(f" {steps(course[-1].step)}   ")
    seen = [s for s in State if any(s is station.state for station in course)]
    text.append(", ".join(f"{LETTERS[s]} {s.value}" for s in seen), "dim")
    return text


def _chosen(findings: Sequence[Finding]) -> list[tuple[Finding, int]]:
    """The first few of each code, in order; with the last of them, how many more there are."""
    total, seen = Counter(f.code for f in findings), Counter[str]()
    chosen = []
    for finding in findings:
        seen[finding.code] += 1
        if seen[finding.code] <= _SHOWN_OF_A_CODE:
            last = seen[finding.code] == _SHOWN_OF_A_CODE
            chosen.append((finding, total[finding.code] - _SHOWN_OF_A_CODE if last else 0))
    return chosen


def _law(finding: Finding) -> Text:
    word = finding.severity.value
    return Text.assemble((f"{word:<8}", INK[word]), (finding.code, "bold"), "  ")


def _finding(finding: Finding, more: int) -> Text:
    where = "" if finding.step is None else f"step {steps(finding.step)}: "
    text = Text(f"{where}{clean(spoken(finding.message))}")
    if finding.confidence < 1:
        text.append(f" ({percent(finding.confidence)} sure)", "dim")
    if finding.subject is not None:
        text.append(f"  {clean(finding.subject)}", "dim")
    if more > 0:
        text.append(f"  and {more:,} more of {finding.code}")
    return text


def _picture(judged: PictureJudgement) -> Text:
    text = Text.assemble((clean(judged.picture), "bold"), "  ")
    if judged.unreadable is not None:
        return text.append("unreadable: " + clean(judged.unreadable), "magenta")
    found = looks_like(judged)
    text.append(f"{found or 'a picture'}: ", "bold red" if found else "green")
    text.append(", ".join(f"{kind.replace('_', ' ')} {_likely(judged, kind)}" for kind in judged.p))
    return text.append("".join(f"; {clean(reason)}" for reason in judged.because))


def _likely(judged: PictureJudgement, kind: str) -> str:
    """A probability, and its interval where that is worth saying."""
    p, ends = judged.p[kind], interval_of(judged, kind)
    if p is None:
        return "cannot be judged alone"
    return percent(p) + (f" ({percent(ends[0])} to {percent(ends[1])})" if ends else "")


def interval_of(judged: PictureJudgement, kind: str) -> tuple[float, float] | None:
    """The interval of a probability where it is wider than a rounding."""
    ends = judged.interval.get(kind)
    return ends if ends is not None and ends[1] - ends[0] >= WORTH_SAYING else None


def _count(diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement]) -> str:
    kinds = Counter(d.verdict for d in diagnoses)
    runs = _counted(len(diagnoses), "run", [f"{kinds[v]} {v.value}" for v in Verdict if kinds[v]])
    looks = Counter("unreadable" if p.unreadable else looks_like(p) for p in pictures)
    told = _counted(len(pictures), "picture", [f"{n} {look}" for look, n in looks.most_common() if look])
    return "; ".join(part for part in (runs if diagnoses or not pictures else "", told if pictures else "") if part)


def _counted(number: int, what: str, parts: Sequence[str]) -> str:
    return counted(number, what) + (": " + ", ".join(parts) if parts else "")


def worst(findings: Sequence[Finding]) -> Severity | None:
    """The most severe severity among findings; None without any."""
    return max((f.severity for f in findings), key=list(Severity).index, default=None)
