"""The table: how well noise is seen, beside other measures.  ``python -m benchmarks.previews.bench``

Ours is always fitted without the family it is asked about; peers are taken in whichever direction serves them best.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from benchmarks.previews import noises
from benchmarks.previews.calibrate import arguments, design
from benchmarks.previews.drawn import flat_drawing, landscape
from benchmarks.previews.families import Bytes, as_jpeg, everything, resized
from benchmarks.previews.fitting import auc, held_out, interval, true_positives
from benchmarks.previews.measuring import PEERS, Table, kept
from hndoctor.metrics import score
from hndoctor.metrics.calibration import LARGE, SMALL
from hndoctor.metrics.picture import pixels_of

HEALTHY = ("photo", "art", "pocket")


def our_log_odds(table: Table) -> NDArray[np.float64]:
    """Log odds of every picture, its own family held out."""
    large = held_out(design(table, tuple(LARGE.weights)), table.labels, ~table.small)
    small = held_out(design(table, tuple(SMALL.weights)), table.labels, table.small)
    return np.where(table.small, small, large)


def peers_table(table: Table, ours: NDArray[np.float64]) -> None:
    """AUC and TPR at 1 % FPR of every measure, on three kinds of noise against all healthy pictures."""
    healthy = np.isin(table.labels.group, HEALTHY)
    kinds = (
        ("latent noise ≥ 256 px", table.labels.group == "noise", healthy & ~table.small),
        ("latent noise 128 px", table.labels.group == "pocket noise", healthy & table.small),
        ("pixel noise", table.labels.group == "pixel noise", healthy),
        ("latent, photos only", table.labels.group == "noise", (table.labels.group == "photo") & ~table.small),
    )
    columns = [("hndoctor", ours)] + [(p.__name__, table.peers[:, i]) for i, p in enumerate(PEERS)]
    for title, positive, negative in kinds:
        print(f"\n{title}: {positive.sum()} pictures against {negative.sum()}")
        for name, values in columns:
            best = values if name == "hndoctor" or auc(values[positive], values[negative]) >= 0.5 else -values
            low, high = interval(best[positive], best[negative])
            rate = true_positives(best[positive], best[negative])
            print(
                f"  {name:22s} AUC {auc(best[positive], best[negative]):.4f}   TPR {rate:.3f} [{low:.3f}, {high:.3f}]"
            )


def families_table(table: Table, ours: NDArray[np.float64]) -> None:
    """The share of each held-out family that is called noise (even odds)."""
    print("\nfamily (held out)                  pictures  called noise  median log odds")
    for family in np.unique(table.labels.family):
        rows = table.labels.family == family
        group = table.labels.group[rows][0]
        print(f"{group:13s} {family:28s} {rows.sum():4d}  {(ours[rows] > 0).mean():8.2f}  {np.median(ours[rows]):8.2f}")


def ladders(decoder: noises.Decoder, count: int = 12) -> list[float]:
    """Spearman's ρ of severity and probability along ladders of drowning pictures, through the linear decoder."""
    found = []
    for i in range(count):
        rng = np.random.default_rng((21, i))
        picture = (landscape, flat_drawing)[i % 2](rng, 512)
        small = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BOX)) / 127.5 - 1
        latent = np.einsum("hwr,rc->chw", small, np.linalg.pinv(noises.LINEAR))
        steps = noises.ladder(decoder, latent, rng)
        found.append(float(spearmanr(range(len(steps)), [score(p).noise for p in steps]).statistic))
    return found


def stability(pictures: list[Bytes]) -> dict[str, NDArray[np.float64]]:
    """|Δp| of each picture under JPEG 60, half the size, and mirroring."""
    before = np.array([score(p).noise for p in pictures])
    changes: dict[str, Callable[[Bytes], Bytes]] = {
        "JPEG 60": lambda p: as_jpeg(p, 60),
        "half size": lambda p: resized(p, p.shape[0] // 2),
        "mirror": lambda p: p[:, ::-1],
    }
    return {n: abs(np.array([score(change(p)).noise for p in pictures]) - before) for n, change in changes.items()}


def milliseconds(picture: Bytes, rounds: int = 30) -> dict[str, float]:
    """Median time of all scores of one PNG, decoding included, and of each peer, on this thread's CPU clock."""
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "PNG")

    def ours() -> None:
        with Image.open(io.BytesIO(held.getvalue())) as image:
            score(pixels_of(image))

    times = {"hndoctor, all scores": _median(ours, rounds)}
    return times | {peer.__name__: _median(lambda peer=peer: peer(picture), 5) for peer in PEERS}


def _median(work: Callable[[], object], rounds: int) -> float:
    work()
    taken = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        taken.append(1000 * (time.thread_time() - start))
    return float(np.median(taken))


def main() -> None:
    """Print all tables."""
    wanted = arguments()
    table = kept(wanted.keep, everything(wanted.found, wanted.pocket, wanted.count))
    ours = our_log_odds(table)
    peers_table(table, ours)
    families_table(table, ours)
    rho = ladders(noises.linear_decoder)
    print(f"\nladders: Spearman least {min(rho):.3f}, median {np.median(rho):.3f} of {len(rho)}")
    pictures = [
        noises.linear_decoder(noises.latents(np.random.default_rng(i), 512, k)) for i, k in enumerate(noises.KINDS)
    ]
    pictures += [draw(np.random.default_rng(i), 512) for i in range(7) for draw in (landscape, flat_drawing)]
    for name, moved in stability(pictures).items():
        print(f"|Δp| under {name}: median {np.median(moved):.4f}, most {moved.max():.4f}")
    print(f"\nCPU time of a 512 × 512 picture, one core ({os.cpu_count()} here), ms")
    for name, value in milliseconds(landscape(np.random.default_rng(0), 512)).items():
        print(f"  {name:22s} {value:7.1f}")


if __name__ == "__main__":
    main()
