"""Fits the coefficients of hndoctor/metrics/calibration.py: ``python -m benchmarks.previews.calibrate`` prints them.

Decoded noise is made by the linear factors and by the pocket model's VAE where it is there; ``--found`` adds a folder
of noise decoded elsewhere (file names ``family-number.png``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.families import everything
from benchmarks.previews.fitting import logistic
from benchmarks.previews.measuring import Table, kept
from hndoctor.metrics.calibration import FORMS, LARGE, SMALL
from hndoctor.rules._previews_relative import TRENDS


def arguments() -> argparse.Namespace:
    """The command line that calibrate and bench share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--found", type=Path, help="a folder of decoded noise")
    parser.add_argument("--pocket", type=Path, default=pocket_vae(), help="the pocket model's VAE (diffusers folder)")
    parser.add_argument("--count", type=int, default=12, help="pictures of a family")
    parser.add_argument("--keep", type=Path, help="an .npz to keep the measurements in")
    return parser.parse_args()


def pocket_vae() -> Path | None:
    """Where the packaged pocket model has its VAE; None if it is not there."""
    try:
        from trainer.pocket import path
    except ImportError:
        return None
    return path() / "vae" if (path() / "vae").is_dir() else None


def design(table: Table, measures: tuple[str, ...]) -> NDArray[np.float64]:
    """The measures as the logistic takes them, (n, len(measures))."""
    return np.stack([np.array([FORMS[m].of(v) for v in table.column(m)]) for m in measures], axis=1)


def fitted_tiles(table: Table) -> tuple[float, NDArray[np.float64]]:
    """The tile logistic: tiles of noise against tiles of pictures, deceptive ones left out."""
    n, count, features = table.tiles.shape
    rows = np.repeat(table.labels.group != "deceptive", count)
    weight = np.repeat(table.labels.weights(table.labels.group != "deceptive"), count) * rows
    return logistic(table.tiles.reshape(n * count, features), np.repeat(table.labels.noise, count), weight)


def main() -> None:
    """Fit and print."""
    wanted = arguments()
    table = kept(wanted.keep, everything(wanted.found, wanted.pocket, wanted.count))
    print(f"{len(table.small)} pictures of {len(np.unique(table.labels.family))} families")
    for name, branch, rows in (("LARGE", LARGE, ~table.small), ("SMALL", SMALL, table.small)):
        measures = tuple(branch.weights)
        intercept, weights = logistic(design(table, measures), table.labels.noise, table.labels.weights(rows))
        print(f"{name} = Branch({intercept:.2f}, {{")
        for measure, weight in zip(measures, weights, strict=True):
            print(f'    "{measure}": {weight:.2f},')
        print("})")
    intercept, weights = fitted_tiles(table)
    print(f"TILE = TileBranch({intercept:.2f}, np.array(({', '.join(f'{w:.2f}' for w in weights)})))")
    healthy = np.isin(table.labels.group, ("photo", "art", "pocket"))
    for trend in TRENDS:
        values = table.column(trend.measure)[healthy]
        low, high = np.quantile(np.log(values + trend.offset + 1e-9) if trend.logarithmic else values, (0.25, 0.75))
        print(f"floor of {trend.measure}: {(high - low) / 4:.3f}")


if __name__ == "__main__":
    main()
