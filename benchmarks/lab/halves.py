"""The kept runs, one half after the other, as programs that judge them take them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lab import store
from benchmarks.lab.population import FRESH, HALVES
from benchmarks.lab.store import Kept


def parser_of(description: str) -> argparse.ArgumentParser:
    """With the options that `by_half` goes by."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=Path, default=store.RUNS)
    parser.add_argument("--half", choices=(*HALVES, FRESH), help="only this one")
    return parser


def work_parser(description: str) -> argparse.ArgumentParser:
    """Of programs that measure kept runs once more, from what they left."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, required=True, help="where the runs' checkpoints lie")
    parser.add_argument("--runs", type=Path, default=store.RUNS)
    parser.add_argument("--only", nargs="+", help="names of runs")
    return parser


def by_half(args: argparse.Namespace) -> Iterator[tuple[str, list[Kept]]]:
    """The name of each half asked for, with its runs; all are read once."""
    kept = list(store.all_kept(args.runs))
    for half in (args.half,) if args.half else HALVES:
        yield half, [one for one in kept if one.configuration.half == half]
