"""What is measured anew each time: ladders, stability under harmless changes, time and memory."""

from __future__ import annotations

import io
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from benchmarks.previews import drawn, drawn_over, noises, unseen, unseen_art
from benchmarks.previews.measuring import Table
from benchmarks.previews.peers import peers
from benchmarks.previews.samples import Bytes, as_jpeg, resized
from hndoctor.calibration import judge
from hndoctor.metrics import score
from hndoctor.metrics.picture import pixels_of

Say = Callable[[str], None]
RUN = 200  # previews of a long run


def report(table: Table, say: Say) -> None:
    """Everything here."""
    ladders(table, say)
    stability(say)
    times(say)
    a_run(say)


def ladders(table: Table, say: Say) -> None:
    """Spearman's ρ of severity with the probability of noise, and with our severity, along every ladder."""
    say("\nladders: Spearman of severity with")
    rows = table.group == "ladder"
    found: dict[str, list[tuple[float, float]]] = {}
    for family in np.unique(table.family[rows]):
        here = np.flatnonzero(rows & (table.family == family))
        here = here[np.argsort(table.severity[here])]
        judged = [judge(table.score_of(i), bool(table.small[i])) for i in here]
        columns = ([j.noise.value for j in judged], [j.severity for j in judged])
        rho = tuple(float(spearmanr(table.severity[here], column).statistic) for column in columns)
        found.setdefault(str(family).split(" ")[0], []).append((rho[0], rho[1]))
    for decoder, pairs in found.items():
        p, own = (np.array(column) for column in zip(*pairs, strict=True))
        say(f"  {decoder}: probability least {p.min():.3f}, median {np.median(p):.3f}; "
            f"severity least {own.min():.3f}, median {np.median(own):.3f} of {len(p)}")  # fmt: skip


def _pictures() -> dict[str, Bytes]:
    found = {f"noise {kind}": noises.linear_decoder(noises.latents(np.random.default_rng(i), 512, kind))
             for i, kind in enumerate(noises.KINDS)}  # fmt: skip
    sources = {**drawn_over.ART, **drawn_over.DECEPTIVE, **unseen_art.ART, **unseen.DECEPTIVE}
    return found | {name: draw(np.random.default_rng(i), 512) for i, (name, draw) in enumerate(sources.items())}


def stability(say: Say) -> None:
    """|Δp| of each picture under JPEG 60, half the size, and mirroring."""
    pictures = _pictures()
    before = {name: score(p).noise for name, p in pictures.items()}
    changes: dict[str, Callable[[Bytes], Bytes]] = {
        "JPEG 60": lambda p: as_jpeg(p, 60),
        "half size": lambda p: resized(p, p.shape[0] // 2),
        "mirror": lambda p: p[:, ::-1],
    }
    for kind, change in changes.items():
        moved = {name: abs(score(change(p)).noise - before[name]) for name, p in pictures.items()}
        over = {name: round(m, 3) for name, m in moved.items() if m > 0.05}
        say(f"|Δp| under {kind}: median {np.median(list(moved.values())):.4f}, most {max(moved.values()):.4f}, "
            f"over .05: {len(over)} of {len(moved)} {over or ''}")  # fmt: skip


def times(say: Say) -> None:
    """CPU time of all scores of one 512 × 512 PNG, decoding included, and of each peer."""
    say(f"\nCPU time of a 512 × 512 picture, one core ({os.cpu_count()} here), median, ms")
    picture = drawn.landscape(np.random.default_rng(0), 512)
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "PNG")

    def ours() -> None:
        with Image.open(io.BytesIO(held.getvalue())) as image:
            score(pixels_of(image))

    say(f"  {'hndoctor, all scores':22s} {_median(ours, 30):8.1f}")
    for peer in peers():
        if np.isfinite(peer.of(picture)):
            say(f"  {peer.name:22s} {_median(lambda peer=peer: peer.of(picture), 5):8.1f}")  # type: ignore[misc]  # a default


def _median(work: Callable[[], object], rounds: int) -> float:
    work()
    taken = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        taken.append(1000 * (time.thread_time() - start))
    return float(np.median(taken))


def a_run(say: Say) -> None:
    """Wall time and memory of measuring a run of 200 previews of 512 × 512, and of its first 50."""
    from hndoctor.collect import find_runs
    from hndoctor.vitals import measure_run

    with tempfile.TemporaryDirectory() as held:
        folder = Path(held) / "run" / "images"
        folder.mkdir(parents=True)
        scenes = [drawn.landscape(np.random.default_rng(i), 512) for i in range(8)]
        for i in range(RUN):
            Image.fromarray(np.roll(scenes[i % 8], i, axis=1)).save(
                folder / f"run-{(i + 1) * 500}.png", compress_level=4
            )
        (run,) = find_runs(folder.parent)
        measure_run(run, cache=False)
        start, spent = time.perf_counter(), time.process_time()
        measured = measure_run(run, cache=False)
        wall, spent = time.perf_counter() - start, time.process_time() - spent
        say(f"\n{len(measured.previews)} previews of 512 × 512: {wall:.2f} s, {spent:.2f} s of CPU")
        say(f"  memory at its highest, MB: {_peak(folder, 50):.1f} after 50, {_peak(folder, RUN):.1f} after {RUN}")


def _peak(folder: Path, count: int) -> float:
    """Of what Python and numpy allocate while the pictures are measured, less the records that are kept."""
    from hndoctor.metrics import measure_preview
    from hndoctor.records import PreviewPath
    from hndoctor.vitals.ahead import in_order

    paths = sorted(folder.glob("*.png"))[:count]
    tracemalloc.start()
    for _ in in_order(lambda path: measure_preview(PreviewPath(path, 1), folder), paths):
        pass
    peak: NDArray[np.float64] = np.array(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
    return float(peak)
