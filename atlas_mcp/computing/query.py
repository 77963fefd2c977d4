"""Questions to a table: which rows, in which order, how many of them, brought together by what."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from atlas_mcp.computing.calculation import Computed
from atlas_mcp.computing.cells import typed
from atlas_mcp.computing.statistics import AGGREGATES, EXACT, finite, groups, label, labels, plural, values
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from atlas_mcp.computing.cells import Column
    from atlas_mcp.computing.table import Table

__all__ = ["MOST_LINES", "OPERATORS", "Condition", "Query", "asked"]

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]
OPERATORS: dict[Operator, str] = {
    "=": "is",
    "!=": "is not",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "contains": "contains",
}
"""How a condition compares, and how a result says it."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

MOST_LINES = 60
_USUAL_ROWS = 10
_Mask: TypeAlias = "npt.NDArray[np.bool_]"


@dataclass(frozen=True, slots=True)
class Condition:
    """What rows must fulfil: a column, how it compares, and a number, a text, or a date or its beginning."""

    column: str
    op: Operator
    value: str | float


@dataclass(frozen=True, slots=True)
class Query:
    """A question: rows that fulfil all of `where`, then either aggregates, by group, or `top` rows by `sort`.

    `sort` is a column's name, `-` before it for the largest first. `aggregate` names a function for a column.
    """

    columns: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    sort: str = ""
    top: int = _USUAL_ROWS
    aggregate: Mapping[str, str] | None = None
    group_by: str = ""


def asked(table: Table, query: Query) -> list[Computed]:
    """The results: how many rows, then a line an aggregate or a cell, at most 60.

    :raises InvalidInput: a column, function or value is wrong; says which, and what there is.
    """
    chosen = np.ones(table.rows, bool)
    for condition in query.where:
        chosen &= _fulfilled(table.column(condition.column), condition)
    rows = np.flatnonzero(chosen)
    said = " and ".join(
        f"{table.column(each.column).name} {OPERATORS[each.op]} {_shown(each.value)}" for each in query.where
    )
    where = f" where {said}" if said else ""
    counted = Computed(f"rows of {table.name}{where}", len(rows), (plural(table.rows, "row"), table.note))
    if query.aggregate or query.group_by:
        found = _aggregated(table, query, rows, where)
    else:
        found = _listed(table, query, _ordered(table, query.sort, rows))
    return [counted, *found][:MOST_LINES]


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def _fulfilled(column: Column, condition: Condition) -> _Mask:
    if condition.op == "contains":
        wanted = _shown(condition.value).casefold()
        return np.array([wanted in text.casefold() for text in column.texts], bool)
    if column.kind == "number":
        number = _number(column, condition.value)
        held = values(column)
        with np.errstate(invalid="ignore"):
            return _compared(held, condition.op, number) & ~np.isnan(held)
    wanted = _shown(condition.value).strip().casefold()
    texts = [text.casefold() for text in column.texts]
    if column.kind == "date":
        # "2024" is every day of it, so only as much of a date is compared as was asked for.
        texts = [text[: len(wanted)] for text in texts]
    given = np.array([bool(text) for text in texts], bool)
    return _compared(np.array(texts, object), condition.op, wanted) & (given if wanted else True)


def _number(column: Column, value: str | float) -> float:
    if not isinstance(value, str):
        return float(value)
    read = typed("", [value.strip()])
    if read.kind != "number" or (number := read.numbers[0]) is None:
        raise InvalidInput(
            f"{column.name!r} is a column of numbers, {value!r} is none.", remedy="Compare it with a number."
        )
    return number


def _compared(held: npt.NDArray[Any], op: Operator, wanted: str | float) -> _Mask:
    return np.asarray(_COMPARE[op](held, wanted), bool)


def _aggregated(table: Table, query: Query, rows: npt.NDArray[np.intp], where: str) -> list[Computed]:
    wanted = dict(query.aggregate or {})
    for name, function in wanted.items():
        if function not in AGGREGATES:
            raise InvalidInput(
                f"There is no aggregate {function!r} for {name!r}.",
                remedy=f"Aggregates: {', '.join(AGGREGATES)}.",
            )
    if query.group_by:
        by, chosen = table.column(query.group_by), rows.tolist()
        if not wanted:
            return _within(groups(table, None, by, "count", chosen), where)
        found = [groups(table, table.column(name), by, fn, chosen) for name, fn in wanted.items()]
        return _within([made for each in found for made in each], where)
    results: list[Computed] = []
    for name, function in wanted.items():
        column = table.column(name)
        if column.kind == "text" and function == "count":
            count = sum(bool(column.texts[at]) for at in rows)
            results.append(
                Computed(f"count({column.name}) of {table.name}{where}", count, (plural(count, "row"),))
            )
            continue
        held = values(column)[rows]
        held = held[~np.isnan(held)]
        if len(held) >= (2 if function == "stdev" else 1):
            unit = f"in {column.unit}" if column.unit and function != "count" else ""
            value = AGGREGATES[function](held)
            expression = f"{function}({column.name}) of {table.name}{where}"
            if made := finite(expression, value, (plural(len(held), "row"), unit), exact=function in EXACT):
                results.append(made)
    return results


def _within(found: Sequence[Computed], where: str) -> list[Computed]:
    """Results of groups, each saying which rows were looked at."""
    if not where:
        return list(found)
    return [Computed(made.expression, made.value, (*made.inputs, where.strip())) for made in found]


def _ordered(table: Table, sort: str, rows: npt.NDArray[np.intp]) -> list[int]:
    if not sort:
        return rows.tolist()
    falling = sort.startswith("-")
    column = table.column(sort.removeprefix("-"))
    held = [at for at in rows.tolist() if column.texts[at]]
    if column.kind == "text":
        return sorted(held, key=lambda at: column.texts[at].casefold(), reverse=falling)
    numbers = values(column)
    known = [at for at in held if not np.isnan(numbers[at])]
    return sorted(known, key=lambda at: numbers[at], reverse=falling)


def _listed(table: Table, query: Query, rows: Sequence[int]) -> list[Computed]:
    named = labels(table)
    names = {column.name for column in named}
    rest = [column for column in table.columns if column.name not in names] or named
    shown = [table.column(name) for name in query.columns] or rest
    found: list[Computed] = []
    for at in rows[: query.top]:
        name = label(table, at)
        for column in shown:
            if not column.texts[at]:
                continue
            number = column.numbers[at] if column.kind == "number" else None
            unit = f"in {column.unit}" if column.unit and number is not None else ""
            value = column.texts[at] if number is None else number
            found.append(Computed(f"{column.name} of {name} in {table.name}", value, (f"row {at + 1}", unit)))
    return found
