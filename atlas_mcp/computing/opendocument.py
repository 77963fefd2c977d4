"""OpenDocument spreadsheets (.ods): the sheets, as the values that were last computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.computing.figures import settled, written
from atlas_mcp.computing.markup import Package
from atlas_mcp.computing.table import MOST_COLUMNS, MOST_ROWS, Rows
from atlas_mcp.errors import InvalidInput, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.computing.table import Table

__all__ = ["read_opendocument"]

_INLINE = frozenset({"span", "a"})
_CELLS = ("table-cell", "covered-table-cell")


def read_opendocument(data: bytes, name: str) -> list[Table]:
    """The table of each sheet that has rows.

    :raises UnreadableDocument: it is no spreadsheet, damaged, locked, too large, or has no rows at all.
    """
    reader = _Reader(name)
    Package(data, name).walk("content.xml", reader.start, reader.end, _INLINE)
    filled = [rows for rows in reader.sheets if rows.count]
    if len(filled) == 1:
        filled[0].name = name
    if not filled:
        raise UnreadableDocument(f"{name} has no rows.", remedy="Give a table that holds data.")
    return [rows.table(".") for rows in filled]


class _Reader:
    """Takes in elements; an empty cell or row that is repeated a million times takes no room."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.sheets: list[Rows] = []
        self._row: dict[int, str] = {}
        self._column = self._again = self._rows_again = 0
        self._value = ""
        self._texts: list[str] = []

    def start(self, element: str, given: Mapping[str, str]) -> None:
        if element == "table":
            self.sheets.append(Rows(f"{self._name}: {given.get('name', '')}"))
        elif element == "table-row":
            self._row, self._column = {}, 0
            self._rows_again = _count(given.get("number-rows-repeated"))
        elif element in _CELLS:
            self._again = _count(given.get("number-columns-repeated"))
            self._texts = []
            self._value = _value(given)

    def end(self, element: str, text: str) -> None:
        if element == "p":
            self._texts.append(text)
        elif element in _CELLS:
            self._add_cell(self._value or " ".join(self._texts).strip())
        elif element == "table-row" and self._row and self.sheets:
            cells = [self._row.get(column, "") for column in range(max(self._row) + 1)]
            for _ in range(min(self._rows_again, MOST_ROWS + 100)):
                self.sheets[-1].add(cells)

    def _add_cell(self, shown: str) -> None:
        if shown:
            if self._column + self._again > MOST_COLUMNS:
                raise UnreadableDocument(
                    f"{self._name} reaches beyond column {MOST_COLUMNS:,}.",
                    remedy="Give the part that matters as a sheet of its own.",
                )
            self._row.update(dict.fromkeys(range(self._column, self._column + self._again), shown))
        self._column += self._again


def _count(said: str | None) -> int:
    return int(said) if said and said.isdecimal() and len(said) < 10 else 1  # noqa: PLR2004 - what fits


def _value(given: Mapping[str, str]) -> str:
    """What a cell's attributes say it holds; "" for a text, which stands within it."""
    kind, value = given.get("value-type", ""), given.get("value", "")
    if kind == "date":
        return given.get("date-value", "").removesuffix("T00:00:00")
    if kind == "boolean":
        return given.get("boolean-value", "")
    if kind not in ("float", "percentage", "currency"):
        return ""
    try:
        number = float(value)
        shown = written(settled(number * 100 if kind == "percentage" else number))
    except (ValueError, InvalidInput):
        return ""
    unit = given.get("currency", "")
    return f"{shown}%" if kind == "percentage" else f"{shown} {unit}" if unit else shown
