"""Checkpoints in chunks: the same numbers to the last bit, however the work is cut and however often interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hndoctor.formats.write import write_hypernetwork
from hndoctor.records import Checkpoint, CheckpointPath, Unreadable
from hndoctor.weights import CHUNK, Chunk

Record = Checkpoint | Unreadable
WIDTH = 160  # its matrices are too large for the whole decomposition: warm starts leave their traces in the last digits
COUNT = 2 * CHUNK + 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Chunk:
    """Three chunks of a walk, with a damaged file before the first border and one that is no network behind it."""
    root = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    state = {"linear.0.weight": rng.normal(0, 0.01, (2 * WIDTH, WIDTH)), "linear.0.bias": np.zeros(2 * WIDTH)}
    state |= {"linear.1.weight": rng.normal(0, 0.01, (WIDTH, 2 * WIDTH)), "linear.1.bias": np.zeros(WIDTH)}
    files = []
    for number in range(COUNT):
        step, path = 500 * (number + 1), root / f"x-{500 * (number + 1)}.pt"
        state = {name: (array + rng.normal(0, 1e-3, array.shape)).astype(np.float32) for name, array in state.items()}
        write_hypernetwork(path, [(WIDTH, state, state)], {"step": step - 1})
        files.append(CheckpointPath(path, step, None))
    files[CHUNK - 1].path.write_bytes(b"PK\3\4 cut short")
    files[CHUNK].path.write_bytes(b"neither")
    losses = {where.path: 0.9 - 0.01 * place if place < 4 else 0.95 for place, where in enumerate(files)}
    return Chunk(root, tuple(files), 0, losses)


@pytest.fixture(scope="module")
def whole(run: Chunk) -> list[Record]:
    return list(run.records())


def test_a_warm_start_leaves_traces(run: Chunk, whole: list[Record]) -> None:
    """Otherwise the tests below would prove nothing."""
    (alone,) = Chunk(run.root, run.checkpoints[1:2], 0, run.losses).records()
    assert isinstance(alone, Checkpoint)
    assert isinstance(whole[1], Checkpoint)
    assert alone.tensors != whole[1].tensors


def test_chunks_measured_apart_are_the_series(run: Chunk, whole: list[Record]) -> None:
    chunks = run.cut()
    assert [(chunk.begin, len(chunk.checkpoints)) for chunk in chunks] == [
        (0, CHUNK), (CHUNK, 2 * CHUNK), (2 * CHUNK, COUNT),
    ]  # fmt: skip
    assert [record for chunk in reversed(chunks) for record in chunk.records()][-CHUNK:] == whole[:CHUNK]
    assert [record for chunk in chunks for record in chunk.records()] == whole
    compared = whole[2 * CHUNK]
    assert isinstance(compared, Checkpoint)
    first = compared.modules[0]
    assert None not in (first.update_rms, first.update_cosine, first.travel_rms, first.best_rms)


@pytest.mark.parametrize("begin", [1, CHUNK - 1, CHUNK, CHUNK + 2, COUNT - 1, COUNT])
def test_what_is_left_after_an_interruption_is_measured_as_if_there_had_been_none(
    run: Chunk, whole: list[Record], begin: int
) -> None:
    rest = Chunk(run.root, run.checkpoints, begin, run.losses)
    assert list(rest.records()) == whole[begin:]
    assert [record for chunk in rest.cut() for record in chunk.records()] == whole[begin:]


def test_nothing_readable_before_a_chunk_leaves_nothing_to_compare_with(tmp_path: Path, run: Chunk) -> None:
    bad = CheckpointPath(tmp_path / "bad.pt", 1, None)
    bad.path.write_bytes(b"neither")
    files = (*[bad] * CHUNK, run.checkpoints[0])
    *_, last = Chunk(run.root, files, CHUNK, {}).records()
    assert isinstance(last, Checkpoint)
    assert last.modules[0].update_rms is None


def test_the_rough_way_is_the_same_in_pieces_too(run: Chunk) -> None:
    rough = Chunk(run.root, run.checkpoints, 0, run.losses, rough=True)
    assert [record for chunk in rough.cut() for record in chunk.records()] == list(rough.records())
