"""`hypernetwork_loss.csv`: the loss of single optimizer steps, as every web UI generation writes it and ours does.

Header `step,epoch,epoch_step,loss,learn_rate` (13-14 October 2022: `step,loss`), lines ended by CRLF, the loss with
seven decimals, the rate as Python prints it.  A run that goes on appends; a run that is killed leaves half a line.
Source: web UI (`write_loss`).
"""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from hndoctor.records import LossPoint

HEADER = ("step", "epoch", "epoch_step", "loss", "learn_rate")
MAX_BYTES = 64 << 20  # a row for each of a million steps is 45 MB: what is larger is not a loss log
MOST_POINTS = 200_000  # steps kept: the longest runs known have 100,000 (guess)
LONGEST = 1 << 12  # characters of a line; a row has some fifty
MAX_STEP = 10**9  # beyond this a "step" is a damaged digit run
_OLDEST = ("step", "loss")
_NONFINITE = re.compile(r"[+-]?(nan\b.*|inf(inity)?|1\.#.*)", re.IGNORECASE)  # Python's words, and Windows C's

_WHOLE_LOSS = re.compile(r"-?\d+\.\d{7}|nan|-?inf")


def append_row(path: Path, step: int, loss: float, learn_rate: float, steps_per_epoch: int) -> None:
    """Append one row; the header first where the file is new, a line end where the last row was left half written."""
    epoch, epoch_step = divmod(step - 1, max(1, steps_per_epoch))
    row = f"{step},{epoch},{epoch_step},{loss:.7f},{learn_rate!r}\r\n"
    with path.open("a+b") as file:
        file.seek(0, 2)
        if file.tell() == 0:
            row = ",".join(HEADER) + "\r\n" + row
        else:
            file.seek(-1, 2)
            row = row if file.read(1) == b"\n" else "\r\n" + row
        file.write(row.encode("ascii"))


def read(path: Path) -> tuple[LossPoint, ...]:
    """The rows in order of step; of two rows for one step the later one.  Rows that make no sense are left out.

    Of more than `MOST_POINTS` steps every second one is left out, and so on, but never the first that is no number.
    Raises OSError for a file larger than `MAX_BYTES`, and as `open` does.
    """
    if path.stat().st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_BYTES >> 20} MiB, so not a loss log; move it away", str(path))
    with path.open("rb") as file:
        mark = file.read(2)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        points = _thinned(_points(_lines(file)))
    return tuple(points[step] for step in sorted(points))


def _thinned(points: Iterator[LossPoint]) -> dict[int, LossPoint]:
    """By step, never much more than `MOST_POINTS`."""
    kept: dict[int, LossPoint] = {}
    every, first_bad = 1, None
    for number, point in enumerate(points):
        if number % every and not point.nonfinite:
            continue
        kept[point.step] = point
        first_bad = point.step if point.nonfinite and first_bad is None else first_bad
        if len(kept) > MOST_POINTS:
            every *= 2
            some = (p for at, p in enumerate(kept.values()) if at % 2 == 0 or p.step == first_bad)
            kept = {p.step: p for p in some}
    return kept


def _lines(file: TextIO) -> Iterator[str]:
    """Lines with their ends (a bare carriage return is one too), at most `LONGEST` characters at once.

    A spreadsheet may have saved the log again (byte order mark, UTF-16); a power cut may have left runs of zero bytes.
    """
    while line := file.readline(LONGEST):
        yield from line.replace("\0", "").splitlines(keepends=True)


def _points(lines: Iterable[str]) -> Iterator[LossPoint]:
    columns: tuple[str, ...] | None = None
    rate_before = ""
    for line in lines:
        separator = ";" if ";" in line else ","
        cells = [cell.strip().strip('"') for cell in line.split(separator)]
        if "step" in (lowered := tuple(cell.lower() for cell in cells)) and "loss" in lowered:
            columns = lowered
            continue
        names = columns if columns and len(columns) >= len(cells) else _by_count(len(cells))
        row = dict(zip(names, cells, strict=False))
        if not line.endswith(("\n", "\r")):
            row = _mended(row, rate_before)
        rate_before = row.get("learn_rate", "")
        point = _point(row, comma=separator == ";")
        if point:
            yield point


def _by_count(cells: int) -> tuple[str, ...]:
    """A log without its header, or with rows of another generation below it."""
    return _OLDEST if cells == len(_OLDEST) else HEADER


def _mended(row: dict[str, str], rate_before: str) -> dict[str, str]:
    """The last line without an end may be cut anywhere: "5e-0" is not five.  Keep what can be shown to be whole."""
    last = next(reversed(row))
    whole = {"learn_rate": row[last] == rate_before, "loss": bool(_WHOLE_LOSS.fullmatch(row[last]))}
    return row if whole.get(last, False) else {name: cell for name, cell in row.items() if name != last}


def _point(row: dict[str, str], *, comma: bool) -> LossPoint | None:
    if comma:
        row = {name: cell.replace(",", ".") for name, cell in row.items()}
    step, loss = _number(row.get("step", "")), row.get("loss", "")
    value = _number(loss)
    nonfinite = bool(_NONFINITE.fullmatch(loss)) or (value is not None and not math.isfinite(value))
    if step is None or not 0 <= step <= MAX_STEP or step != int(step) or (value is None and not nonfinite):
        return None
    rate = _number(row.get("learn_rate", ""))
    return LossPoint(
        step=int(step),
        loss=None if nonfinite else value,
        learn_rate=rate if rate is not None and math.isfinite(rate) else None,
        nonfinite=nonfinite,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
