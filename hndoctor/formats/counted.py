"""Numbers, as people say them: of things, and shares of a whole."""

from __future__ import annotations

HARDLY = 1e-6
FEW = 0.1  # below it a tenth of a per cent is worth saying
MANIFOLD = 9.0  # from it nobody reads per cent: 1,087% is 12 times


def counted(number: int, thing: str) -> str:
    """``1 picture``, ``1,200 pictures``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """``98%``; what is neither nothing nor certain never looks so: ``<1%``, ``>99%``."""
    if share is None:
        return "–"
    if 0 < share <= 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share * 100:.0f}%"


def chance(p: float) -> str:
    """A probability in per cent: what is only judged is never quite certain, nor out of the question."""
    return percent(min(max(p, HARDLY), 1 - HARDLY))


def higher(rise: float) -> str:
    """How much more than something: ``7.3% above``, ``150% above``; from tenfold on ``12 times``."""
    if rise >= MANIFOLD:
        return f"{1 + rise:,.0f} times"
    return f"{rise:.1%} above" if rise < FEW else f"{rise:.0%} above"
