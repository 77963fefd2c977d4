"""Tables in: CSV, Excel and OpenDocument files, and the tables that stand within a text.

A table is also written as a text that people and searches can read, one row an item that names its columns;
a table can be read back from it, as far as it was written.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from atlas_mcp.computing.delimited import read_delimited, separator
from atlas_mcp.computing.figures import settled, written
from atlas_mcp.computing.table import Rows, Table
from atlas_mcp.errors import UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atlas_mcp.computing.cells import Column

__all__ = ["LISTED", "SUFFIXES", "listed", "read_tables", "tables_in"]

SUFFIXES = frozenset([".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".ods"])
"""How the names of files end that are tables."""
LISTED = 1_000
"""Rows of a table that are written out."""
_LISTED_CHARACTERS = 150_000
_ZIP = b"PK\x03\x04"
_OLD = b"\xd0\xcf\x11\xe0"
_TABLES_MOST = 50
_LEAST_LINES = 3

_SIZE = re.compile(
    r"Table (?P<name>.*): (?P<rows>[\d,]+) rows?, [\d,]+ columns?(?:; the first (?P<listed>[\d,]+))?.*\."
)
_ITEM = re.compile(r"- (?P<cells>\S.*)")
_HEADING = re.compile(r"#{1,6}\s+(?P<title>.*?)\s*#*\s*$")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_PIPE = re.compile(r"(?<!\\)\|")
_MARKS = re.compile(r"\*\*|__|`")


def read_tables(data: bytes, name: str) -> list[Table]:
    """The tables of a file: one of a CSV, one a sheet of a workbook.

    :raises UnreadableDocument: it is damaged, locked, empty, too large, or of a format that is not read.
    """
    title = PurePath(name).name or name
    if data.startswith(_ZIP):
        if PurePath(name).suffix.lower() == ".ods" or b"opendocument.spreadsheet" in data[:200]:
            from atlas_mcp.computing.opendocument import read_opendocument

            return read_opendocument(data, title)
        from atlas_mcp.computing.workbook import read_workbook

        return read_workbook(data, title)
    if data.startswith(_OLD):
        raise UnreadableDocument(
            f"{name} is an Excel file of before 2007, or locked with a password.",
            remedy="Save it as .xlsx or CSV, without a password.",
        )
    return [read_delimited(data, title)]


def listed(tables: Sequence[Table], title: str) -> str:
    """The tables as a text: each with its size and columns, then its rows, `- column: value; column: value`.

    Numbers and dates are in one spelling; of a long table the first rows are there, and the text says so.
    """
    parts = [f"# {title}\n"]
    room = _LISTED_CHARACTERS
    for table in tables:
        lines: list[str] = []
        for line in _lines(table):
            room -= len(line)
            if len(lines) >= LISTED or room < 0:
                break
            lines.append(line)
        rows = "row" if table.rows == 1 else "rows"
        of = "column" if len(table.columns) == 1 else "columns"
        less = f"; the first {len(lines):,} are listed" if len(lines) < table.rows else ""
        note = f"; {table.note}" if table.note else ""
        columns = "; ".join(_described(column) for column in table.columns)
        size = f"Table {table.name}: {table.rows:,} {rows}, {len(table.columns):,} {of}{less}{note}."
        parts.append(f"## {table.name}\n\n{size}\n\nColumns: {columns}.\n\n" + "".join(lines))
    return "\n".join(parts)


def _described(column: Column) -> str:
    return f"{column.name} ({column.kind}{f', {column.unit}' if column.unit else ''})"


def _lines(table: Table) -> Iterator[str]:
    names = [column.name.replace(";", ",").replace(": ", " ") for column in table.columns]
    for at in range(table.rows):
        cells = (
            f"{name}: {_cell(column, at)}"
            for name, column in zip(names, table.columns, strict=True)
            if column.texts[at]
        )
        yield f"- {'; '.join(cells) or '(empty)'}\n"


def _cell(column: Column, at: int) -> str:
    number = column.numbers[at] if column.kind == "number" else None
    if number is None:
        return column.texts[at].replace(";", ",")
    unit = column.unit
    return written(settled(number)) + (unit if unit == "%" else f" {unit}" if unit else "")


def tables_in(text: str, name: str, *, bare: bool = False) -> list[Table]:
    """The tables within a text: Markdown's, and those that `listed` wrote.

    With `bare` a text may itself be a table: lines of cells alike, at least three, parted by one separator.
    """
    found: list[Table] = []
    for rows, note in (*_from_lists(text), *_from_markdown(text, name)):
        if rows.count > 1 and len(found) < _TABLES_MOST:
            table = rows.table(".")
            found.append(
                Table(table.name, table.columns, table.rows, "; ".join(filter(None, (note, table.note))))
            )
    if not found and bare and _is_bare(text):
        found.append(read_delimited(text, name))
    return found


def _is_bare(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    mark = separator(text)
    if mark is None or len(lines) < _LEAST_LINES:
        return False
    widths = {line.count(mark) for line in lines[:200]}
    # A table's lines are alike and end in no full stop, unlike sentences with a comma each.
    return len(widths) == 1 and not any(line.rstrip().endswith((".", ":", ",")) for line in lines[:20])


def _from_lists(text: str) -> Iterator[tuple[Rows, str]]:
    """The tables that `listed` wrote; empty cells are known by the columns that other rows have."""
    current: tuple[str, str] | None = None
    records: list[dict[str, str]] = []
    for line in (*text.splitlines(), "Table : 0 rows, 0 columns."):
        if size := _SIZE.fullmatch(line):
            if current and records:
                yield _from_records(current[0], records), current[1]
            records = []
            less = size["listed"]
            current = size["name"], f"only the first {less} of {size['rows']} rows are known" if less else ""
        elif current and (item := _ITEM.fullmatch(line)):
            cells = (cell.partition(": ") for cell in item["cells"].split("; "))
            records.append({key: value for key, mark, value in cells if mark})


def _from_records(name: str, records: Sequence[dict[str, str]]) -> Rows:
    names = list(dict.fromkeys(key for record in records for key in record))
    rows = Rows(name)
    rows.add(names)
    for record in records:
        rows.add([record.get(key, "") for key in names])
    return rows


def _from_markdown(text: str, name: str) -> Iterator[tuple[Rows, str]]:
    lines = text.splitlines()
    heading = ""
    at = number = 0
    while at < len(lines):
        if match := _HEADING.match(lines[at]):
            heading = match["title"]
        head = _PIPE.search(lines[at]) and at + 1 < len(lines) and "-" in lines[at + 1]
        if not (head and "|" in lines[at + 1] and _RULE.match(lines[at + 1])):
            at += 1
            continue
        number += 1
        rows = Rows(f"{name}: {heading or f'table {number}'}")
        rows.add(_cells(lines[at]))
        at += 2
        while at < len(lines) and "|" in lines[at] and lines[at].strip():
            rows.add(_cells(lines[at]))
            at += 1
        yield rows, ""


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [_MARKS.sub("", cell.strip()).replace("\\|", "|") for cell in _PIPE.split(inner)]
