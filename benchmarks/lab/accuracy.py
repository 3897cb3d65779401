"""How right the diagnosis is on the runs that are kept: `python -m benchmarks.lab.accuracy [--runs FOLDER]`.

Trains nothing.  Tuning and test halves apart; the thresholds have seen the tuning half only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.lab.halves import by_half, parser_of
from benchmarks.lab.judges import JUDGES, Judge
from benchmarks.lab.scores import Case, Scores, Share, scores_of
from benchmarks.lab.store import Kept

HEADS = (
    "judge", "breakage found", "its onset within one interval", "false alarms", "overtraining: precision", "recall",
    "its onset's relative error (median)", "chosen within 5 % of the best",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = parser_of("How right the diagnosis is on the lab's runs.")
    parser.add_argument("--each", action="store_true", help="a line for each run too")
    args = parser.parse_args(argv)
    for half, own in by_half(args):
        print(f"\n## The {half} half: {len(own)} runs\n")
        for line in report(own):
            print(line)
        if args.each:
            print("\n".join(each(own)))


def cases(kept: Sequence[Kept], judge: Judge) -> list[Case]:
    """Every run with the truth and one judge's opinion."""
    return [
        Case(one.configuration.name, one.configuration.every, one.truth, judge(one)) for one in kept
    ]


def report(kept: Sequence[Kept]) -> Iterator[str]:
    """What the runs became, the table of judges, and where hndoctor fails, by name."""
    became = Counter(one.truth.last for one in kept)
    told = ", ".join(f"{state} {count}" for state, count in became.most_common())
    yield f"{len(kept)} runs; they ended {told}.\n"
    yield "| " + " | ".join(HEADS) + " |"
    yield "|---" * len(HEADS) + "|"
    own: Scores | None = None
    for name, judge in JUDGES.items():
        scores = scores_of(cases(kept, judge))
        own = own or scores
        yield row(name, scores)
    if own:
        yield ""
        yield from failures(own)


def row(name: str, scores: Scores) -> str:
    """A line of the table."""
    error = scores.overtrained_error
    told = "-" if error is None else f"{error[0]:.2f} [{error[1]:.2f}, {error[2]:.2f}]"
    cells = (scores.found, scores.onset, scores.alarms, scores.precision, scores.recall, told, scores.best)
    return "| " + " | ".join([name, *map(str, cells)]) + " |"


def failures(scores: Scores) -> Iterator[str]:
    """The names of the runs that fall short of each goal."""
    shares: dict[str, Share] = {
        "breakage not found": scores.found, "onset of breakage missed": scores.onset, "false alarm": scores.alarms,
        "wrongly called overtrained": scores.precision, "overtraining not found": scores.recall,
        "a worse checkpoint chosen": scores.best,
    }  # fmt: skip
    yield from (f"- {what}: {', '.join(share.failed)}" for what, share in shares.items() if share.failed)


def each(kept: Sequence[Kept]) -> Iterator[str]:
    """One line a run: truth, then hndoctor's opinion."""
    for case in cases(kept, JUDGES["hndoctor"]):
        truth, said = case.truth, case.opinion
        states = "".join("d" if state == "harmed" else state[0].upper() for state in truth.states)
        best = max(range(len(truth.numbers)), key=lambda at: truth.quality[at] or 0.0)
        yield (
            f"{case.name:18} {states:10} every {case.every:4}  broken {truth.broken!s:>5} / {said.broken!s:>5}  "
            f"overtrained {truth.overtrained!s:>5} / {said.overtrained!s:>5}  "
            f"best {truth.numbers[best]:5} / {said.chosen!s:>5}"
        )


if __name__ == "__main__":
    main()
