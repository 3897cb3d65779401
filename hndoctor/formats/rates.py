"""How learning rates are written: as people type them, and so that nobody miscounts zeros."""

from __future__ import annotations

from decimal import Decimal

_LONG = 1e4  # from which a power is shorter


def in_words(rate: float) -> str:
    """A rate as a power and as a decimal, so that nobody miscounts zeros: ``5e-7 = 0.0000005`` (G23)."""
    plain = _plain(rate)
    return f"{power(rate)} = {plain}" if 0 < abs(rate) < 1 else plain


def power(rate: float) -> str:
    """A rate as people type it: ``5e-7``, not ``5e-07``; ``20``, not ``2e1``, as some optimizers have it."""
    if rate == 0 or 1 <= abs(rate) < _LONG:
        return _plain(rate)
    mantissa, exponent = f"{Decimal(repr(rate)):e}".lower().split("e")
    short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{short}e{int(exponent)}"


def _plain(rate: float) -> str:
    decimal = format(Decimal(repr(rate)), "f")
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal
