"""How the tools that compute are told to a model: names, what they are for, and their arguments."""

from __future__ import annotations

from typing import Any

from atlas_mcp.messages import ToolSpec

__all__ = ["CALCULATE", "LIST_TABLES", "NAMES", "QUERY_TABLE", "TABLE_STATISTICS", "TREND"]

_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_TABLE = {**_NAME, "description": "The table's name, as list_tables gives it."}
_COLUMNS = {"type": "array", "items": _NAME, "maxItems": 40, "description": "Columns; all by default."}
_AGGREGATES = ["count", "sum", "mean", "median", "stdev", "min", "max"]


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


CALCULATE = ToolSpec(
    "calculate",
    "Computes an expression exactly. Never do arithmetic yourself: call this, and quote the line it gives."
    " Knows + - * / // ^, 15%, comparisons, and min max sum mean median stdev round abs sqrt log"
    " percent_change(old, new) growth(first, ..., last) cagr(first, last, periods), these three in percent.",
    _object(
        ["expression"],
        expression={
            "type": "string",
            "minLength": 1,
            "maxLength": 2000,
            "description": "Such as (12.4 + 3.1) / 2, or percent_change(old, new) with variables.",
        },
        variables={
            "type": "object",
            "maxProperties": 50,
            "additionalProperties": {
                "anyOf": [
                    {"type": "number"},
                    {"type": "array", "items": {"type": "number"}, "maxItems": 1000},
                ]
            },
            "description": "Numbers, or lists of numbers, by the names the expression uses.",
        },
        inputs={
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "maxItems": 20,
            "description": "Where each number comes from, such as a passage's id or a table's column.",
        },
    ),
)

LIST_TABLES = ToolSpec(
    "list_tables",
    "Lists the tables among the documents, each with its columns, their kinds and how many rows it has.",
    _object([]),
)

TABLE_STATISTICS = ToolSpec(
    "table_statistics",
    "Describes columns of a table: count, sum, mean, median, stdev, min, max, quartiles and outliers of"
    " numbers, the most frequent texts; with group_by, count, sum and mean of each group.",
    _object(
        ["table"],
        table=_TABLE,
        columns=_COLUMNS,
        group_by={**_NAME, "description": "A column; each of its values is a group."},
    ),
)

QUERY_TABLE = ToolSpec(
    "query_table",
    "Picks rows of a table: those that fulfil all conditions, sorted, the first of them; or counts and adds"
    " them up by aggregate and group_by.",
    _object(
        ["table"],
        table=_TABLE,
        columns=_COLUMNS,
        where={
            "type": "array",
            "maxItems": 10,
            "items": _object(
                ["column", "op", "value"],
                column=_NAME,
                op={"enum": ["=", "!=", "<", "<=", ">", ">=", "contains"]},
                value={"type": ["string", "number"]},
            ),
            "description": "Conditions; a date may be given in part, such as 2024 or 2024-05.",
        },
        sort={**_NAME, "description": "A column; with - before it the largest come first."},
        top={"type": "integer", "minimum": 1, "maximum": 50, "description": "How many rows; 10 by default."},
        aggregate={
            "type": "object",
            "minProperties": 1,
            "maxProperties": 10,
            "additionalProperties": {"enum": _AGGREGATES},
            "description": "What to compute of a column, such as {'revenue': 'sum'}.",
        },
        group_by={**_NAME, "description": "A column; each of its values is a group."},
    ),
)

TREND = ToolSpec(
    "trend",
    "How a column of numbers goes with another, by default the dates or years of the table: slope, R squared,"
    " correlation, first, last, change and yearly growth in percent.",
    _object(
        ["table", "column"],
        table=_TABLE,
        column={**_NAME, "description": "The column of numbers."},
        over={**_NAME, "description": "The column it goes with: dates, years or other numbers."},
    ),
)

NAMES = tuple(spec.name for spec in (CALCULATE, LIST_TABLES, TABLE_STATISTICS, QUERY_TABLE, TREND))
"""The tools' names."""
