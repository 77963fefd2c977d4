"""Statistics of tables, each result with what it was computed from.

Sums are exact to the last digit of a float. `stdev` is of a sample, quartiles interpolate as spreadsheets
do, an outlier lies more than 1.5 times the middle half's width outside it.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from atlas_mcp.computing.calculation import Computed
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_mcp.computing.cells import Column
    from atlas_mcp.computing.table import Table

__all__ = [
    "AGGREGATES",
    "EXACT",
    "SHARES",
    "Numbers",
    "correlation",
    "described",
    "finite",
    "groups",
    "label",
    "labels",
    "outliers",
    "plural",
    "time_column",
    "trend",
    "values",
]

Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_GROUPS = 20
MOST_NAMED = 5
FENCE = 1.5
_YEAR_LOW, _YEAR_HIGH = 1800, 2200
_TIMES = frozenset({"year", "month", "quarter", "week", "day", "date", "period", "jahr", "monat", "datum"})


_quiet = np.errstate(all="ignore")
"""Numbers near the end of what a float holds give no finite result, which is then left out."""


def _sum(given: Numbers) -> float:
    try:
        return math.fsum(given)
    except (OverflowError, ValueError):
        return math.nan


def _mean(given: Numbers) -> float:
    return _sum(given) / len(given)


@_quiet
def _stdev(given: Numbers) -> float:
    return float(np.std(given, ddof=1))


@_quiet
def _median(given: Numbers) -> float:
    return float(np.median(given))


@_quiet
def _middle_half(given: Numbers) -> tuple[float, float]:
    low, high = np.quantile(given, [0.25, 0.75])
    return float(low), float(high)


@_quiet
def _pearson(x: Numbers, y: Numbers) -> float:
    return float(np.corrcoef(x, y)[0, 1])


AGGREGATES: dict[str, Callable[[Numbers], float]] = {
    "count": len,
    "sum": _sum,
    "mean": _mean,
    "median": _median,
    "stdev": _stdev,
    "min": lambda given: float(given.min()),
    "max": lambda given: float(given.max()),
}
"""What a column's numbers can be brought together by; `stdev` takes two or more, the others one or more."""

EXACT = frozenset({"count", "sum", "min", "max"})
"""Aggregates that are shown to the last digit; the others are rounded."""
SHARES = frozenset({"%", "\u2030"})


def values(column: Column) -> Numbers:
    """A column's numbers, NaN where there is none.

    :raises InvalidInput: it is a column of texts.
    """
    if column.kind == "text":
        raise InvalidInput(
            f"{column.name!r} is a column of texts.", remedy="Name a column of numbers, or count by it."
        )
    return np.array(column.numbers, np.float64)


def plural(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _origin(column: Column, count: int, table: Table) -> tuple[str, ...]:
    """What a result was computed from: how many rows, in which unit, what is left out."""
    unit = f"in {column.unit}" if column.unit else ""
    left = table.rows - count
    return (plural(count, "row"), unit, f"{left:,} without a value" if left else "", table.note)


def described(table: Table, column: Column) -> list[Computed]:
    """What there is to say of one column."""
    of = f"({column.name}) of {table.name}"
    if column.kind == "text":
        return _counted(table, column)
    held = values(column)
    held = held[~np.isnan(held)]
    origin = _origin(column, len(held), table)
    found = [Computed(f"count{of}", len(held), origin)]
    if not len(held):
        return found
    if column.kind == "date" or _is_years(column):
        days = [text for text, number in zip(column.texts, column.numbers, strict=True) if number is not None]
        return [
            *found,
            Computed(f"earliest{of}", min(days), origin),
            Computed(f"latest{of}", max(days), origin),
        ]
    names = [name for name in AGGREGATES if name != "count" and (name != "stdev" or len(held) > 1)]
    if column.unit in SHARES:
        names.remove("sum")  # shares of different wholes do not add up
    found += [
        made
        for name in names
        if (made := finite(f"{name}{of}", AGGREGATES[name](held), origin, exact=name in EXACT))
    ]
    for name, value in zip(("lower", "upper"), _middle_half(held), strict=True):
        if made := finite(f"{name} quartile{of}", value, origin):
            found.append(made)
    return [*found, *outliers(table, column)]


def finite(expression: str, value: float, origin: tuple[str, ...], *, exact: bool = False) -> Computed | None:
    """A result, or None where it is no finite number: a sum may be beyond what can be written.

    What is not exact has two decimals and six digits at least, as people can read and repeat it.
    """
    if not exact and value and math.isfinite(value):
        value = round(value, max(2, 5 - math.floor(math.log10(abs(value)))))
    return Computed(expression, value, origin) if math.isfinite(value) else None


def _counted(table: Table, column: Column) -> list[Computed]:
    counts = Counter(text for text in column.texts if text)
    origin = _origin(column, counts.total(), table)
    of = f"({column.name}) of {table.name}"
    found = [
        Computed(f"count{of}", counts.total(), origin),
        Computed(f"distinct{of}", len(counts), origin),
    ]
    if len(counts) < counts.total():
        found += [
            Computed(f"rows of {table.name} where {column.name} is {text}", count, origin)
            for text, count in counts.most_common(MOST_NAMED)
        ]
    return found


def outliers(table: Table, column: Column) -> list[Computed]:
    """How many numbers are far from the rest, and the farthest by name."""
    numbers = values(column)
    held = numbers[~np.isnan(numbers)]
    if len(held) < 4:  # noqa: PLR2004 - quartiles of fewer say nothing
        return []
    low, high = _middle_half(held)
    reach = FENCE * (high - low)
    far = np.flatnonzero((numbers < low - reach) | (numbers > high + reach))
    origin = _origin(column, len(held), table)
    found = [Computed(f"outliers({column.name}) of {table.name}", len(far), origin)]
    farthest = sorted(far, key=lambda at: -abs(float(numbers[at]) - (low + high) / 2))[:MOST_NAMED]
    return found + [
        Computed(f"outlier {column.name} of {label(table, int(at))} in {table.name}", float(numbers[at]),
                 (f"row {at + 1}", *origin[1:2]))
        for at in farthest
    ]  # fmt: skip


def label(table: Table, at: int) -> str:
    """What a row is called: by its texts that tell rows apart, with its date, or by its number."""
    parts = (column.texts[at] for column in labels(table))
    return " ".join(filter(None, parts))[:100] or f"row {at + 1}"


def labels(table: Table) -> list[Column]:
    """The columns that name a row: the first two of texts, and the one that says when."""
    named = [column for column in table.columns if column.kind == "text"][:2]
    when = time_column(table)
    return named if when is None else [*named, when]


def groups(
    table: Table, column: Column | None, by: Column, name: str, chosen: Sequence[int] | None = None
) -> list[Computed]:
    """One aggregate of `column` for each text of `by`, the largest first; without a column, how many rows.

    `chosen` are the rows that count, all by default; more than 20 groups are cut, and the first line says so.

    :raises InvalidInput: there is no such aggregate, or it is of texts.
    """
    aggregate = AGGREGATES[name]
    members: dict[str, list[int]] = {}
    for at in range(table.rows) if chosen is None else chosen:
        if by.texts[at]:
            members.setdefault(by.texts[at], []).append(at)
    numbers = None if column is None else values(column)
    found: list[Computed] = []
    for text, rows in members.items():
        held = None if numbers is None else numbers[rows]
        held = None if held is None else held[~np.isnan(held)]
        if held is None or column is None:
            value, origin = float(len(rows)), (plural(len(rows), "row"),)
            expression = f"rows of {table.name} where {by.name} is {text}"
        else:
            if len(held) < (2 if name == "stdev" else 1):
                continue
            value = aggregate(held)
            unit = f"in {column.unit}" if column.unit and name != "count" else ""
            origin = (plural(len(held), "row"), unit)
            expression = f"{name}({column.name}) of {table.name} where {by.name} is {text}"
        if made := finite(expression, value, origin, exact=column is None or name in EXACT):
            found.append(made)
    found.sort(key=lambda made: -float(made.value))
    if len(found) > MOST_GROUPS:
        counted = Computed(
            f"distinct({by.name}) of {table.name}", len(members), (f"the {MOST_GROUPS} largest follow",)
        )
        return [counted, *found[:MOST_GROUPS]]
    return found


def correlation(table: Table, one: Column, other: Column) -> list[Computed]:
    """Pearson's correlation of two columns, over the rows that have both; none where one is constant."""
    x, y = values(one), values(other)
    both = ~(np.isnan(x) | np.isnan(y))
    x, y = x[both], y[both]
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):  # noqa: PLR2004 - two points always correlate
        return []
    expression = f"correlation({one.name}, {other.name}) of {table.name}"
    made = finite(expression, _pearson(x, y), (plural(len(x), "row"),))
    return [made] if made else []


def time_column(table: Table) -> Column | None:
    """The column that says when: the first of dates, or of years; None where there is none."""
    dates = [column for column in table.columns if column.kind == "date"]
    return next(iter(dates), None) or next((each for each in table.columns if _is_years(each)), None)


def _is_years(column: Column) -> bool:
    if column.kind != "number" or not set(column.name.casefold().split()) & _TIMES:
        return False
    return all(
        each is None or (each.is_integer() and _YEAR_LOW < each < _YEAR_HIGH) for each in column.numbers
    )


def trend(table: Table, column: Column, over: Column | None = None) -> list[Computed]:
    """How a column goes with another, or with the rows' order: slope, R², first, last, change in percent.

    A slope over dates is per day. First and last are told only where no two rows have the same place.

    :raises InvalidInput: one of the two is a column of texts.
    """
    y = values(column)
    x = np.arange(table.rows, dtype=np.float64) if over is None else values(over)
    both = ~(np.isnan(x) | np.isnan(y))
    rows = np.flatnonzero(both)
    x, y = x[both], y[both]
    if len(x) < 2 or not np.ptp(x):  # noqa: PLR2004 - a line needs two points
        return []
    name = "row" if over is None else f"day of {over.name}" if over.kind == "date" else over.name
    of = f"{column.name} per {name}"
    origin = (plural(len(x), "row"), f"in {column.unit}" if column.unit else "")
    centred = x - _mean(x)
    with np.errstate(all="ignore"):
        above, below = _sum(centred * (y - _mean(y))), _sum(centred**2)
    if not below:
        return []
    slope = above / below
    found = [finite(f"slope({of}) of {table.name}", slope, origin)]
    if np.ptp(y) and len(x) > 2:  # noqa: PLR2004 - a line meets two points always
        share = _pearson(x, y) ** 2
        found.append(finite(f"r_squared({of}) of {table.name}", share, origin[:1]))
    if len(np.unique(x)) == len(x):
        found += _first_to_last(table, column, rows[np.argsort(x, kind="stable")], over)
    return [made for made in found if made]


def _first_to_last(
    table: Table, column: Column, ordered: npt.NDArray[np.intp], over: Column | None
) -> list[Computed | None]:
    first, last = int(ordered[0]), int(ordered[-1])
    start, end = column.numbers[first], column.numbers[last]
    if start is None or end is None:
        return []
    places = [over.texts[at] if over else f"row {at + 1}" for at in (first, last)]
    unit = f"in {column.unit}" if column.unit else ""
    between = f"from {places[0]} to {places[1]}"
    pair = tuple(f"{place}: {value:.15g}" for place, value in zip(places, (start, end), strict=True))
    found = [
        finite(f"first({column.name}) of {table.name}", start, (places[0], unit), exact=True),
        finite(f"last({column.name}) of {table.name}", end, (places[1], unit), exact=True),
        finite(
            f"change({column.name}) {between} of {table.name}",
            _sum(np.array([end, -start])),
            (*pair, unit),
            exact=True,
        ),
    ]
    if start:
        percent = (end - start) / abs(start) * 100
        found.append(finite(f"percent_change({column.name}) {between} of {table.name}", percent, pair))
    if over is not None and _is_years(over) and start > 0 and end > 0:
        years = float(over.texts[last]) - float(over.texts[first])
        yearly = ((end / start) ** (1 / years) - 1) * 100
        found.append(finite(f"cagr({column.name}) {between} of {table.name}", yearly, (f"{years:g} years",)))
    return found
