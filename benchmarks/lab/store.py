"""What is kept of a run: `runs/<name>/vitals.json.gz` and `oracle.json.gz`, small enough for the repository.

Beside them, where it was measured afterwards, `finer`, `drawn`, `captions` and `validated.json.gz`.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.lab.population import Configuration
from benchmarks.lab.truth import Measures, Oracle, Truth, truth_of
from hndoctor.formats.atomic import write_whole
from hndoctor.records import ValidationPoint, Vitals
from hndoctor.vitals.stored import from_json, to_json

RUNS = Path(__file__).parent / "runs"
VITALS, ORACLE, FINER, CAPTIONS = "vitals.json.gz", "oracle.json.gz", "finer.json.gz", "captions.json.gz"
DRAWN = "drawn.json.gz"
VALIDATED = "validated.json.gz"
DIGITS = 5  # of a validation's items that are kept
VERSION = 1  # of oracle.json; what another one measured is measured again


@dataclass(frozen=True)
class Kept:
    """A run as it is judged: what was asked for, what the oracle measured, what hndoctor measured."""

    configuration: Configuration
    oracle: Oracle
    vitals: Vitals
    notes: Mapping[str, Any]  # base model's hash, seconds, how the run ended
    more: Mapping[int, tuple[float, ...]] = field(default_factory=dict)  # losses of more held-out pictures, by number
    drawn: Mapping[int, float] = field(default_factory=dict)  # caption-following in more pictures, by number
    validated: tuple[ValidationPoint, ...] = ()  # by `hndoctor validate` on more pictures, which the diagnosis may see

    @cached_property
    def finest(self) -> Oracle:
        """With as many pictures as were measured, held out and drawn."""
        oracle = finer(self.oracle, self.more)
        points = (replace(one, followed=self.drawn.get(one.number, one.followed)) for one in oracle.checkpoints)
        return replace(oracle, checkpoints=tuple(points))

    @cached_property
    def truth(self) -> Truth:
        """By the rule, from all of these."""
        return truth_of(self.finest)


def save(folder: Path, configuration: Configuration, oracle: Oracle, vitals: Vitals, notes: Mapping[str, Any]) -> int:
    """Write both files, vitals first, so that a run with an oracle is whole; gives their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"version": VERSION, "configuration": asdict(configuration), "oracle": asdict(oracle), "notes": dict(notes)}
    parts = {VITALS: to_json(slim(vitals, configuration.name)), ORACLE: json.dumps(told).encode()}
    for name, data in parts.items():
        write_whole(folder / name, [gzip.compress(data, 9, mtime=0)])
    return sum((folder / name).stat().st_size for name in parts)


def load(folder: Path) -> Kept:
    """Read a run; raises OSError or ValueError where it is not whole."""
    told = json.loads(gzip.decompress((folder / ORACLE).read_bytes()))
    if told["version"] != VERSION:
        raise ValueError(f"{folder}: measured by version {told['version']} of the oracle; run it again")
    return Kept(
        msgspec.convert(told["configuration"], Configuration),
        msgspec.convert(told["oracle"], Oracle),
        captioned(from_json(gzip.decompress((folder / VITALS).read_bytes())), _by_number(folder / CAPTIONS)),
        told["notes"],
        _by_number(folder / FINER),
        {number: share for number, (share,) in _by_number(folder / DRAWN).items()},
        _validated(folder / VALIDATED),
    )


def save_finer(folder: Path, losses: Mapping[int, Sequence[float]]) -> None:
    """Write the losses of more held-out pictures, by checkpoint."""
    write_whole(folder / FINER, [gzip.compress(json.dumps(losses).encode(), 9, mtime=0)])


def save_drawn(folder: Path, shares: Mapping[int, float]) -> None:
    """Write caption-following in more pictures, by checkpoint."""
    told = json.dumps({number: [share] for number, share in shares.items()})
    write_whole(folder / DRAWN, [gzip.compress(told.encode(), 9, mtime=0)])


def save_captions(folder: Path, gaps: Mapping[int, Sequence[float]]) -> None:
    """Write the caption gaps by checkpoint, the bare base model's as 0."""
    rounded = {number: [round(gap, 5) for gap in each] for number, each in gaps.items()}
    write_whole(folder / CAPTIONS, [gzip.compress(json.dumps(rounded).encode(), 9, mtime=0)])


def save_validated(folder: Path, points: Sequence[ValidationPoint]) -> None:
    """Write what `hndoctor validate` measured."""
    told = [
        {name: _rounded(value) for name, value in asdict(point).items() if name != "content"}
        for point in points
    ]  # fmt: skip
    write_whole(folder / VALIDATED, [gzip.compress(json.dumps(told).encode(), 9, mtime=0)])


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _validated(file: Path) -> tuple[ValidationPoint, ...]:
    told = json.loads(gzip.decompress(file.read_bytes())) if file.exists() else []
    points = msgspec.convert(told, tuple[ValidationPoint, ...])
    return tuple(point for point in points if math.isfinite(point.held_out))


def _by_number(file: Path) -> dict[int, tuple[float, ...]]:
    """Nothing where the run was not measured so."""
    told = json.loads(gzip.decompress(file.read_bytes())) if file.exists() else {}
    return {int(number): tuple(values) for number, values in told.items()}


def captioned(vitals: Vitals, gaps: Mapping[int, tuple[float, ...]]) -> Vitals:
    """With the caption gaps that were measured afterwards, where the trainer did not write them yet."""
    if not gaps:
        return vitals
    points = (
        replace(point, caption_gaps=gaps[point.step], base_caption_gaps=gaps[0]) if point.step in gaps else point
        for point in vitals.validation
    )
    return replace(vitals, validation=tuple(points))


def finer(oracle: Oracle, more: Mapping[int, tuple[float, ...]]) -> Oracle:
    """The same measures with more held-out pictures at every checkpoint; as it was where some lack them."""
    if not all(point.number in more for point in (oracle.base, *oracle.checkpoints) if point.held_out):
        return oracle

    def whole(point: Measures) -> Measures:
        return replace(point, held_out=point.held_out + more[point.number]) if point.held_out else point

    return replace(oracle, base=whole(oracle.base), checkpoints=tuple(map(whole, oracle.checkpoints)))


def is_whole(folder: Path, configuration: Configuration) -> bool:
    """Whether this very configuration has been run and kept."""
    try:
        return load(folder).configuration == configuration
    except (OSError, ValueError, KeyError, EOFError, msgspec.ValidationError):
        return False


def all_kept(folder: Path = RUNS) -> Iterator[Kept]:
    """Every whole run of a folder, by name."""
    for path in sorted(folder.glob(f"*/{ORACLE}")):
        yield load(path.parent)


def slim(vitals: Vitals, name: str) -> Vitals:
    """Without thumbnails, times and this machine's paths."""
    shown = (replace(one, thumbnail=None) for one in vitals.previews)
    settings = replace(vitals.settings, data=None)
    return replace(vitals, run=name, name=name, previews=tuple(shown), settings=settings)
