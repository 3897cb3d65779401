"""The tables: how well noise is seen, beside other measures.  ``python -m benchmarks.previews.bench``

First what a family is worth that was held out of everything; then the table as it stands in the code on families
that nothing was chosen on, with peers on the same pictures; then ladders, stability and time, measured anew here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews import live
from benchmarks.previews import pairs as pairing
from benchmarks.previews.calibrate import Calibrated, kept, tuning_rows
from benchmarks.previews.fitting import Floats, auc, interval, true_positives, units_of
from benchmarks.previews.labels import FEW, settled
from benchmarks.previews.mapping import maps_of
from benchmarks.previews.measure import PACKED, WITHOUT_PEERS
from benchmarks.previews.measuring import Table, load
from benchmarks.previews.peers import MAKERS
from hndoctor.calibration import (
    Compared,
    compare,
    compare_grey,
    compare_grey_kind,
    compare_kind,
    grey_noise,
    judge,
    log_odds,
)
from hndoctor.metrics.tiles import tile_odds

HEALTHY = ("photo", "art", "pocket")
DECEPTIVE = "deceptive"
LAST = ("unseen fresh", "unseen strange")  # pieces drawn when everything else was settled
NOISE = 0.5


def say(line: str = "") -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def shipped(table: Table) -> tuple[Floats, Floats, Floats]:
    """Log odds of noise of every row by the table in the code, and the ends of their intervals."""
    judged = [judge(table.score_of(i), bool(table.small[i])).noise for i in range(len(table.small))]
    columns = zip(*((j.value, j.low, j.high) for j in judged), strict=True)
    return tuple(np.array([log_odds(v, 30.0) for v in ends]) for ends in columns)  # type: ignore[return-value]  # three


def greys(table: Table) -> Floats:
    """Log odds of noise without colour of every row by the table in the code."""
    judged = (grey_noise(table.score_of(i), bool(table.small[i])).value for i in range(len(table.small)))
    return np.array([log_odds(p, 30.0) for p in judged])


def line(name: str, values: Floats, positive: NDArray[np.bool_], negative: NDArray[np.bool_], table: Table) -> None:
    """AUC and true positives at 1 % of one measure; pictures that it refuses count as not noise."""
    filled = np.nan_to_num(values, nan=-1e9)
    ends = interval(filled[positive], filled[negative], (table.family[positive], table.family[negative]))
    rate, refused = true_positives(filled[positive], filled[negative]), int(np.isnan(values[positive | negative]).sum())
    tail = f"   ({refused} refused)" if refused else ""
    area = auc(filled[positive], filled[negative])
    say(f"  {name:22s} AUC {area:.4f}   TPR {rate:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]{tail}")


def held_out_table(table: Table, known: Calibrated) -> None:
    """Leave-one-family-out, as calibrate left it."""
    odds = np.array(known.held_out)
    say("Leave one family out (tuning families)")
    healthy, noise = np.isin(table.group, HEALTHY), np.isin(table.group, ("noise", "dying"))
    parts = (("from 192 px on", ~table.small), ("below 192 px", table.small), ("all sizes", table.small | True))
    for title, rows in parts:
        say(f"\n{title}: {int((noise & rows).sum())} of noise against {int((healthy & rows).sum())}")
        line("hndoctor", odds, noise & rows, healthy & rows, table)
    wrong = healthy & (odds > 0)
    few = table.group == FEW
    say(f"\ntoo few blobs for the frame: {int((odds[few] > 0).sum())} of {int(few.sum())} called noise")
    say(f"called noise among healthy: {int(wrong.sum())}: {', '.join(sorted({str(f) for f in table.family[wrong]}))}")


def unseen_table(table: Table, odds: Floats) -> None:
    """The table in the code on families that were never looked at, with peers on the same pictures."""
    say("\nFamilies never looked at, the table as it stands in the code")
    first, asked = table.pair < 0, np.array([not str(piece).endswith(WITHOUT_PEERS) for piece in table.piece])
    healthy, noise = np.isin(table.group, HEALTHY) & first & asked, np.isin(table.group, ("noise", "dying"))
    pixels = table.group == "pixel noise"
    kinds = (
        ("latent noise from 192 px on", noise & ~table.small, healthy & ~table.small),
        ("latent noise below 192 px", noise & table.small, healthy & table.small),
        ("latent noise, photographs only", noise & ~table.small, healthy & ~table.small & (table.group == "photo")),
        ("pixel noise", pixels, healthy),
    )
    for title, positive, negative in kinds:
        positive = positive & (first | (table.group == "dying"))
        say(f"\n{title}: {int(positive.sum())} pictures against {int(negative.sum())}")
        line("hndoctor", odds, positive, negative, table)
        for i, name in enumerate(MAKERS):
            peer = table.peers[:, i]
            rows = positive & first
            if np.isnan(peer[rows]).all():
                say(f"  {name:22s} not here, or refuses all of these")
                continue
            up = auc(np.nan_to_num(peer[rows]), np.nan_to_num(peer[negative])) >= 0.5
            line(name, peer if up else -peer, rows, negative, table)


def grey_table(table: Table, odds: Floats, title: str) -> None:
    """Noise without colour against everything sound, most of all what has no colours either."""
    grey, sound = table.group == "grey noise", np.isin(table.group, HEALTHY)
    say(f"\nNoise without colour, {title}: {int(grey.sum())} pictures against {int(sound.sum())}")
    line("hndoctor", odds, grey, sound, table)
    for name, rows in (
        ("grey photographs", np.char.startswith(table.family.astype(str), "grey net")),
        ("grass, gravel", np.isin(table.family, ("grass.png", "gravel.png")) & sound),
        ("textures", np.char.find(table.piece.astype(str), "textures") >= 0),
        ("all sound", sound),
    ):
        say(f"  {name:22s} {int((odds[rows & sound] > 0).sum())} of {int((rows & sound).sum())} called noise")


def beside_table(table: Table, odds: Floats, title: str, grey: bool = False) -> None:
    """Beside references: dense mosaics and glitch art are among the negatives."""
    told = "noise without colour, " if grey else ""
    say(f"\nBeside references, {told}{title}: dense mosaics and glitch art among the negatives")
    clip = np.clip(odds, -8, 8)
    for name, make, judged in (
        ("the same prompt and seed", pairing.beside_itself, compare_grey if grey else compare),
        ("eight of its kind", pairing.beside_kind, compare_grey_kind if grey else compare_kind),
    ):
        pairs = make(table, 1, pairing.GREY if grey else pairing.COLOURFUL)
        rows = pairing.compared(table, pairs, clip)
        values = np.array([log_odds(judged(Compared(*row)).value, 30.0) for row in rows])
        noise = np.array([p.noise for p in pairs])
        families = (np.array([p.family for p in pairs if p.noise]), np.array([p.family for p in pairs if not p.noise]))
        low, high = interval(values[noise], values[~noise], families)
        say(f"  {name}: AUC {auc(values[noise], values[~noise]):.4f}   "
            f"TPR {true_positives(values[noise], values[~noise]):.3f} [{low:.3f}, {high:.3f}]"
            f"   ({int(noise.sum())} pairs against {int((~noise).sum())})")  # fmt: skip
        for way in dict.fromkeys(p.way for p in pairs):
            here = np.array([p.way == way for p in pairs])
            hard = here & np.array([table.group[p.row].startswith(DECEPTIVE) for p in pairs])
            tail = f", of deceptive ones {(values[hard] > 0).mean():.3f}" if hard.any() else ""
            say(f"    {way:32s} {int(here.sum()):5d} called noise {(values[here] > 0).mean():.3f}{tail}")


def fresh_table(table: Table, odds: Floats, grey: Floats) -> None:
    """Kinds of pictures, and of noise, that were drawn last of all, to try the table as a stranger would."""
    for title, groups in (("pictures", HEALTHY), ("noise", ("noise", "grey noise"))):
        say(f"\nFresh kinds of {title}, the table as it stands in the code: called noise, of either kind")
        kept = np.isin(table.group, groups) & (table.pair < 0)
        for family in np.unique(table.family[kept]):
            rows = kept & (table.family == family)
            called = (odds[rows] > 0) | (grey[rows] > 0)
            say(f"  {family:22s} {int(called.sum())} of {int(rows.sum())}")


def map_table(table: Table, odds: Floats, title: str) -> None:
    """Whether the map agrees: with the truth where noise was pasted in, with the verdict where all is one thing."""
    maps = maps_of(table)
    noisy = [tile_odds(m.features, float(odds[m.row])) > 0 for m in maps]
    say(f"\nThe map, {title}: tiles called noise, of {len(maps)} pictures")
    group = [str(table.group[m.row]) for m in maps]
    pasted = [g == "pasted" for g in group]
    noise = [g == "noise" and odds[m.row] > 0 for g, m in zip(group, maps, strict=True)]
    sound = [g in HEALTHY and odds[m.row] <= 0 for g, m in zip(group, maps, strict=True)]
    for name, rows, of in (
        ("pasted noise", pasted, 1.0),
        ("beside pasted noise", pasted, 0.0),
        ("noise, called so", noise, 1.0),
        ("pictures, called none", sound, 0.0),
    ):
        here = np.concatenate([n[m.noisy == of] for n, m, k in zip(noisy, maps, rows, strict=True) if k])
        say(f"  {name:22s} {here.mean():.3f} of {here.size}")
    shares = np.array([n.mean() for n in noisy])
    truth = np.array([np.nanmean(m.noisy) if k else 0.0 for m, k in zip(maps, pasted, strict=True)])
    say(f"  share of the frame, pasted: off by {np.abs(shares - truth)[np.array(pasted)].mean():.3f} in the mean; "
        f"over .3 of sound pictures: {(shares[np.array(sound)] > 0.3).mean():.3f}")  # fmt: skip


def families_table(table: Table, odds: Floats) -> None:
    """The share of each family that is called noise."""
    say("\nfamily (never looked at)         pictures  called noise  median log odds")
    kept = (table.pair < 0) | np.isin(table.group, ("dying", "dying sound", "dying between"))
    for family in np.unique(table.family[kept]):
        for group in np.unique(table.group[kept & (table.family == family)]):
            rows = kept & (table.family == family) & (table.group == group)
            likelier, middle = (odds[rows] > 0).mean(), np.median(odds[rows])
            say(f"{group:14s} {family:30s} {int(rows.sum()):4d} {likelier:8.2f} {middle:9.2f}")


def honesty_table(table: Table, values: tuple[Floats, Floats, Floats], held: Floats, tuned: Table) -> None:
    """Whether probabilities mean what they say, and whether intervals hold what families make of them."""
    odds, low, high = values
    rows = np.isin(table.group, (*HEALTHY, "noise", "dying"))
    truth, p = np.isin(table.group, ("noise", "dying"))[rows], 1 / (1 + np.exp(-odds[rows]))
    units = units_of(table.family)[rows]
    weight = 1 / np.array([np.sum((units == u) & (truth == t)) for u, t in zip(units, truth, strict=True)])
    weight /= np.where(truth, weight[truth].sum(), weight[~truth].sum())
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(np.average(p[b], weights=weight[b]) - np.average(truth[b], weights=weight[b])) * weight[b].sum()
            for b in (bins == k for k in range(10)) if b.any()]  # fmt: skip
    brier = float(np.average((p - truth) ** 2, weights=weight))
    say(f"\nprobabilities, families never looked at: Brier {brier:.4f}, expected calibration error {sum(gaps) / 2:.4f}")
    now = shipped(tuned)
    kept = np.isfinite(held) & np.isin(tuned.group, (*HEALTHY, "noise"))
    inside = (held[kept] >= now[1][kept]) & (held[kept] <= now[2][kept])
    say(f"90 % intervals hold what a fit without the family says: {inside.mean():.2f} of {int(kept.sum())} pictures; "
        f"median width {np.median((high - low)[rows]):.2f} in log odds")  # fmt: skip


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=PACKED)
    parser.add_argument("--quick", action="store_true", help="leave out what is measured anew")
    wanted = parser.parse_args()
    whole, known = settled(load(wanted.measured)), kept()
    tuned = tuning_rows(whole)
    unseen = np.char.startswith(whole.piece.astype(str), "unseen") | (whole.piece == "dying report")
    everything, held = whole.rows(unseen), np.array(known.held_out)
    fresh = np.logical_or.reduce([np.char.startswith(everything.piece.astype(str), name) for name in LAST])
    table, kinds = everything.rows(~fresh), everything.rows(fresh)
    values = shipped(table)
    held_out_table(tuned, known)
    grey_table(tuned, np.array(known.held_out_grey), "tuning families held out")
    beside_table(tuned, held, "tuning families held out")
    beside_table(tuned, np.array(known.held_out_grey), "tuning families held out", grey=True)
    unseen_table(table, values[0])
    grey_table(table, greys(table), "families never looked at")
    beside_table(table, values[0], "families never looked at")
    beside_table(table, greys(table), "families never looked at", grey=True)
    fresh_table(kinds, shipped(kinds)[0], greys(kinds))
    map_table(tuned, held, "tuning families held out")
    map_table(everything, shipped(everything)[0], "families never looked at")
    families_table(table, values[0])
    honesty_table(table, values, held, tuned)
    if not wanted.quick:
        live.report(whole, say)


if __name__ == "__main__":
    main()
