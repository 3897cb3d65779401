"""What a picture of noise is evidence for, where its maker cannot say: two rules, whatever decoder drew it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.previews.fitting import units_of
from benchmarks.previews.measuring import Table

#: hue entropy below which noise has one tint, and is no colourful noise: that of washed noise ends at .46
ONE_TINT = 0.5
TINT = "grey one tint"  # what its family is called by then
#: noise that is fitted on but proves nothing: too few blobs fill the frame for anyone to tell them from a soft backdrop
FEW = "few blobs"
#: latent pixels a side that each latent pixel of a blob's σ needs (noises.LEAST leaves out what has fewer at 256 px)
ROOM = 12.0
SMALL = 16  # latent pixels a side of a picture below 192 px: all are drawn at 128


def settled(table: Table) -> Table:
    """The table with groups and families of noise by both rules."""
    group, family = table.group.astype("<U32"), table.family.astype("<U64")
    few, tint = _few(table), _of_one_tint(table)
    group[tint], group[few] = "grey noise", FEW
    family[tint] = np.char.add(f"{TINT} ", family[tint])
    return replace(table, group=group, family=family)


def _of_one_tint(table: Table) -> NDArray[np.bool_]:
    return np.asarray(np.isin(table.group, ("noise", "dying")) & (table.column("hue_entropy") < ONE_TINT))


def _few(table: Table) -> NDArray[np.bool_]:
    units, first = units_of(table.family), np.char.startswith(table.family.astype(str), "halved")
    sigma = np.array([float(u.split()[1]) if u.startswith("smooth ") else 0.0 for u in units])
    return np.asarray((table.group == "noise") & table.small & ~first & (ROOM * sigma > SMALL))
