"""Measures pictures piece by piece, each in minutes: ``python -m benchmarks.previews.measure``.

What is measured is kept in ``--keep``; pieces that are there already are not measured again.  ``--pack`` puts all of
them together into measured.npz beside this file, from which calibrate and bench work: so they need neither the
pictures of public repositories nor the runs that died.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.previews import families, families_unseen
from benchmarks.previews.measuring import Table, joined, load, measured, save
from benchmarks.previews.peers import peers as all_peers

#: pieces of which no table has the peers
WITHOUT_PEERS = (
    "ladders", "pasted", "faint", "fresh", "fresh small", "strange", "strange small", "strange noise", "toned",
    "washed",
)  # fmt: skip
PACKED = Path(__file__).with_name("measured.npz")


def main() -> None:
    """Measure the named pieces, or all."""
    wanted = _arguments()
    wanted.keep.mkdir(parents=True, exist_ok=True)
    places = families.Places(wanted.pocket, wanted.found, wanted.public)
    alone = families.tuning(places)
    pieces = alone | families_unseen.report(places)
    for name in () if wanted.pack else wanted.pieces or pieces:
        path = wanted.keep / f"{name.replace(' ', '-')}.npz"
        if not path.exists():
            peers = () if name in alone or name.endswith(WITHOUT_PEERS) else all_peers()
            save(measured(name, pieces[name](), peers), path)
            sys.stdout.write(f"{name}: measured\n")
            sys.stdout.flush()
    if wanted.pack:
        whole = packed(wanted.keep)
        save(whole, PACKED)
        sys.stdout.write(f"{PACKED.name}: {len(whole.small)} pictures, {PACKED.stat().st_size / 1000:.0f} kB\n")


def pocket_vae() -> Path | None:
    """Where the packaged pocket model has its VAE; None if it is not there."""
    try:
        from trainer.pocket import path
    except ImportError:
        return None
    return path() / "vae" if (path() / "vae").is_dir() else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pieces", nargs="*", help="names of pieces; none: all")
    parser.add_argument("--keep", type=Path, required=True, help="a folder for what is measured")
    parser.add_argument("--pack", action="store_true", help="measure nothing, pack what is kept")
    parser.add_argument("--found", type=Path, help="a folder of decoded noise, family-number.png")
    parser.add_argument("--public", type=Path, help="folders of pictures from public repositories")
    parser.add_argument("--pocket", type=Path, default=pocket_vae(), help="the pocket model's VAE (diffusers folder)")
    return parser.parse_args()


def packed(folder: Path) -> Table:
    """All pieces of a folder under each other."""
    return joined([load(path) for path in sorted(folder.glob("*.npz"))])


if __name__ == "__main__":
    main()
