"""How a computed value is kept and written: exact where it is short, else to twelve digits that count."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from atlas_mcp.errors import InvalidInput

__all__ = ["DIGITS", "Value", "read_value", "settled", "sound", "written"]

Value: TypeAlias = int | float | str | bool
"""A number, a truth, a text, or a date as ISO 8601."""

DIGITS = 12
"""Digits that count of a number that is not exact."""
_EXACT = 15
_LONGEST_INTEGER = 30
_DATE = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d)?)?)?")
_INTEGER = re.compile(r"-?\d+")


def sound(text: str) -> str:
    """A text on one line, without what cannot be stored."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def settled(value: Value | Fraction) -> Value:
    """The value as it is kept and shown; what is kept is what is written, so no reader sees another.

    :raises InvalidInput: it is not finite, or too large to be shown.
    """
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, Fraction):
        return _of_fraction(value)
    if isinstance(value, float):
        return _of_float(value)
    return value if abs(value) < 10**_LONGEST_INTEGER else _of_fraction(Fraction(value))


def _of_fraction(value: Fraction) -> Value:
    if value.denominator == 1 and abs(value.numerator) < 10**_LONGEST_INTEGER:
        return value.numerator
    try:
        number = float(value)
    except OverflowError:
        raise InvalidInput(
            "The result is larger than 1e308.", remedy="Compute with smaller numbers, or with log()."
        ) from None
    exact = Decimal(repr(number))
    if len(exact.as_tuple().digits) <= _EXACT and Fraction(exact) == value:
        return number
    return _of_float(float(f"{number:.{DIGITS}g}"))


def _of_float(value: float) -> Value:
    if not math.isfinite(value):
        raise InvalidInput("The result is no finite number.", remedy="Look for a division by zero.")
    # What has more digits than a float holds is the noise of its arithmetic.
    if len(Decimal(repr(value)).as_tuple().digits) > _EXACT:
        value = float(f"{value:.{DIGITS}g}")
    return int(value) if value.is_integer() and abs(value) < 10**_LONGEST_INTEGER else value


def written(value: Value) -> str:
    """A settled value as it stands in a line: a number without separators, a text in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value if _DATE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    exact = Decimal(repr(value))
    return f"{exact:f}" if 1e-7 <= abs(value) < 1e16 else repr(value)  # noqa: PLR2004 - readable at a glance


def read_value(text: str) -> Value:
    """The value that `written` wrote."""
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"'):
        return str(json.loads(text))
    if _DATE.fullmatch(text):
        return text
    return int(text) if _INTEGER.fullmatch(text) else float(text)
