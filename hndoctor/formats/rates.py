"""How learning rates are written: as people type them, and so that nobody miscounts zeros."""

from __future__ import annotations

from decimal import Decimal


def in_words(rate: float) -> str:
    """A rate as a power and as a decimal, so that nobody miscounts zeros: ``5e-7 = 0.0000005`` (G23)."""
    decimal = format(Decimal(repr(rate)), "f")
    plain = decimal.rstrip("0").rstrip(".") if "." in decimal else decimal
    if rate == 0 or not 0 < abs(rate) < 1:
        return plain
    return f"{power(rate)} = {plain}"


def power(rate: float) -> str:
    """A rate as people type it: ``5e-7``, not ``5e-07``."""
    if rate == 0:
        return "0"
    mantissa, exponent = f"{Decimal(repr(rate)):e}".lower().split("e")
    short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{short}e{int(exponent)}"
