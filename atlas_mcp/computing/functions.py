"""The functions of expressions: each of exact numbers, with how many it takes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["CONTEXT", "FUNCTIONS", "MOST_BITS", "Function", "Series"]

Series: TypeAlias = "tuple[Fraction, ...]"

CONTEXT = Context(prec=50, Emax=2_000, Emin=-2_000)
"""How what has no exact value is computed."""

MOST_BITS = 3_330
"""The size of a number on the way, in bits: a thousand digits."""
_MANY = 10**6
_MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class Function:
    """A function of `least` to `most` numbers; lists among its arguments are taken apart."""

    of: Callable[[Sequence[Fraction]], Fraction]
    least: int
    most: int
    takes: str


def _decimal(value: Fraction) -> Decimal:
    return CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _sum(values: Iterable[Fraction]) -> Fraction:
    total = Fraction(0)
    for value in values:
        total += value
        # Fractions without a factor in common grow with each that is added.
        if total.denominator.bit_length() > MOST_BITS:
            raise ValueError("these fractions have a sum of more than a thousand digits")
    return total


def _mean(values: Sequence[Fraction]) -> Fraction:
    return _sum(values) / len(values)


def _median(values: Sequence[Fraction]) -> Fraction:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _stdev(values: Sequence[Fraction]) -> Fraction:
    middle = _mean(values)
    return _root([_sum((value - middle) ** 2 for value in values) / (len(values) - 1)])


def _root(values: Sequence[Fraction]) -> Fraction:
    if values[0] < 0:
        raise ValueError("the root of a negative number")
    return Fraction(_decimal(values[0]).sqrt(CONTEXT))


def _round(values: Sequence[Fraction]) -> Fraction:
    places = values[1] if len(values) > 1 else Fraction(0)
    if places.denominator != 1 or abs(places) > _MOST_PLACES:
        raise ValueError(f"places are a whole number up to {_MOST_PLACES}")
    scale = Fraction(10) ** int(places)
    scaled = values[0] * scale
    # Half away from zero, as people round; Python's own rounds half to even.
    whole = int(abs(scaled) + Fraction(1, 2))
    return Fraction(whole if scaled >= 0 else -whole) / scale


def _log(values: Sequence[Fraction]) -> Fraction:
    if values[0] <= 0:
        raise ValueError("the logarithm of a number that is not above zero")
    natural = _decimal(values[0]).ln(CONTEXT)
    if len(values) == 1:
        return Fraction(natural)
    if values[1] <= 0 or values[1] == 1:
        raise ValueError("a logarithm's base is above zero and not one")
    quotient = CONTEXT.divide(natural, _decimal(values[1]).ln(CONTEXT))
    # log(8, 2) is 3, whatever the last of fifty digits says.
    return Fraction(quotient.quantize(Decimal("1e-40"), ROUND_HALF_UP, CONTEXT))


def _percent_change(values: Sequence[Fraction]) -> Fraction:
    if not values[0]:
        raise ValueError("a change from zero has no percentage")
    return (values[-1] - values[0]) / abs(values[0]) * 100


def _cagr(values: Sequence[Fraction]) -> Fraction:
    first, last, periods = values
    if first <= 0 or last <= 0 or periods <= 0:
        raise ValueError("first, last and periods must be above zero")
    factor = CONTEXT.power(_decimal(last / first), _decimal(1 / periods))
    return (Fraction(factor) - 1) * 100


FUNCTIONS = {
    "min": Function(min, 1, _MANY, "numbers or a list"),
    "max": Function(max, 1, _MANY, "numbers or a list"),
    "sum": Function(_sum, 0, _MANY, "numbers or a list"),
    "mean": Function(_mean, 1, _MANY, "numbers or a list"),
    "median": Function(_median, 1, _MANY, "numbers or a list"),
    "stdev": Function(_stdev, 2, _MANY, "two or more numbers"),
    "round": Function(_round, 1, 2, "a number and how many places"),
    "abs": Function(lambda values: abs(values[0]), 1, 1, "one number"),
    "sqrt": Function(_root, 1, 1, "one number"),
    "log": Function(_log, 1, 2, "a number and, unless it is e, the base"),
    "percent_change": Function(_percent_change, 2, 2, "the old and the new number"),
    "growth": Function(_percent_change, 2, _MANY, "two or more numbers in their order"),
    "cagr": Function(_cagr, 3, 3, "the first number, the last, and how many periods"),
}
"""By name. `stdev` is of a sample; `percent_change`, `growth` (first to last) and `cagr` are in percent."""
