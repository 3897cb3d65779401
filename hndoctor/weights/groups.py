"""The numbers of an optimizer's parameter group, proven to be such before anything is computed with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """A parameter group's numbers, and the parameter's step count.  ValueError for one that is missing or unfit."""

    group: Mapping[str, Any]
    step: float | None

    def __getitem__(self, key: str) -> float:
        return finite(self.group.get(key))

    def pair(self, key: str) -> tuple[float, float]:
        """Two numbers, as betas are."""
        value = self.group.get(key)
        if not (isinstance(value, (tuple, list)) and len(value) == 2):
            raise ValueError(f"{key} is not a pair")
        return finite(value[0]), finite(value[1])

    @property
    def betas(self) -> tuple[float, float]:
        """How fast Adam's two moments decay."""
        first, second = self.pair("betas")
        return share(first), share(second)

    @property
    def eps(self) -> float:
        """What keeps the division from zero; the default of Adam's family where it is not stored."""
        return finite(self.group.get("eps", 1e-8))

    @property
    def done(self) -> float:
        """Steps made, one at least."""
        if self.step is None or self.step < 1:
            raise ValueError("no step was made")
        return self.step


def finite(value: Any) -> float:
    """A finite number.  Raises ValueError for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError("not a finite number")


def share(value: float) -> float:
    """A decay rate: 0 to less than 1.  Raises ValueError for anything else."""
    if not 0 <= value < 1:
        raise ValueError("not a decay rate")
    return value
