"""A table: named, typed columns of one length, made of rows as a file holds them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import zip_longest
from typing import TYPE_CHECKING

from atlas_mcp.computing.cells import Column, Mark, decimal_mark, looks_like_number, typed
from atlas_mcp.computing.figures import sound
from atlas_mcp.errors import InvalidInput, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["MOST_CELLS", "MOST_COLUMNS", "MOST_ROWS", "Rows", "Table"]

MOST_ROWS = 1_000_000
MOST_COLUMNS = 1_000
MOST_CELLS = 3_000_000
LONGEST_CELL = 10_000

_BATCH = 5_000
_SHARED = 50_000
_HEAD = 20
_SHORT_HEAD = 0.6
_YEARS = range(1800, 2200)
_TOTALS = frozenset({
    "total", "totals", "grand total", "sum", "summe", "gesamt", "gesamtsumme", "insgesamt", "somme", "totale",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of `rows` cells each; `note` says what of the file is not in it."""

    name: str
    columns: tuple[Column, ...]
    rows: int
    note: str = ""

    def column(self, name: str) -> Column:
        """A column by its name, small and capital letters alike.

        :raises InvalidInput: there is none; names those there are.
        """
        wanted = sound(name).casefold()
        for column in self.columns:
            if column.name.casefold() == wanted:
                return column
        names = [column.name for column in self.columns]
        near = get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"{self.name} has no column {name!r}.", remedy=f"Columns: {', '.join(names[:40])}.{hint}"
        )


class Rows:
    """Takes in a file's rows, keeps them by column, and makes a table of them; empty rows are left out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self._columns: list[list[str]] = []
        self._batch: list[Sequence[str]] = []
        self._shared: dict[str, str] = {}

    def add(self, cells: Sequence[str]) -> None:
        """Take in a row.

        :raises UnreadableDocument: the table is larger than what is read.
        """
        if not any(cells):
            return
        self._batch.append(cells)
        self.count += 1
        if len(self._batch) >= _BATCH:
            self._store()

    def _store(self) -> None:
        width = max((len(row) for row in self._batch), default=0)
        width = max(width, len(self._columns))
        before = self.count - len(self._batch)
        if self.count > MOST_ROWS + _HEAD or width > MOST_COLUMNS or self.count * width > MOST_CELLS:
            raise UnreadableDocument(
                f"{self.name} has {self.count:,} rows or more of {width:,} columns; at most {MOST_ROWS:,}"
                f" rows, {MOST_COLUMNS:,} columns and {MOST_CELLS:,} cells are read.",
                remedy="Give the part that matters, or totals by group.",
            )
        self._columns += [[""] * before for _ in range(width - len(self._columns))]
        for column, cells in zip(self._columns, self._by_column(width), strict=True):
            column.extend(map(self._tidy, cells))
        self._batch = []

    def _by_column(self, width: int) -> Iterator[Sequence[str]]:
        # A row of full width makes every column be there; it is no row of the table.
        yield from (cells[:-1] for cells in zip_longest(*self._batch, [""] * width, fillvalue=""))

    def _tidy(self, cell: str) -> str:
        cell = " ".join(cell[:LONGEST_CELL].split())
        # A word that stands in many rows is kept once.
        return self._shared.setdefault(cell, cell) if len(self._shared) < _SHARED else cell

    def table(self, hint: Mark | None = None) -> Table:
        """The table; `hint` is the decimal mark where no column tells.

        :raises UnreadableDocument: it has no rows, or is larger than what is read.
        """
        self._store()
        columns = [column for column in self._columns if any(column)]
        if not columns:
            raise UnreadableDocument(f"{self.name} has no rows.", remedy="Give a table that holds data.")
        at = _header(columns)
        start = 0 if at is None else at + 1
        end = self.count - (1 if _is_total(columns, start, self.count) else 0)
        names = _names([None if at is None else column[at] for column in columns])
        cells = [column[start:end] for column in columns]
        hint = _agreed(cells) or hint
        made = tuple(typed(name, each, hint) for name, each in zip(names, cells, strict=True))
        note = "a last row of totals is left out" if end < self.count else ""
        return Table(self.name, made, end - start, note)


def _header(columns: Sequence[Sequence[str]]) -> int | None:
    """The row that names the columns: the first that is about as wide as the table and holds no data."""
    height = min(len(columns[0]), _HEAD)
    if len(columns) == 1:
        return 0 if height > 1 and not looks_like_number(columns[0][0]) else None
    widths = [sum(bool(column[at]) for column in columns) for at in range(height)]
    least = max(2, _SHORT_HEAD * max(widths))
    for at in range(height):
        if widths[at] >= least:
            row = [column[at] for column in columns if column[at]]
            numbers = [cell for cell in row if looks_like_number(cell)]
            years = len(numbers) < len(row) and all(
                cell.isdecimal() and int(cell) in _YEARS for cell in numbers
            )
            return at if (not numbers or years) and len(columns[0]) > at + 1 else None
    return None


def _is_total(columns: Sequence[Sequence[str]], start: int, end: int) -> bool:
    """Whether the last row adds up the others, which would count everything twice."""
    if end - start < 3:  # noqa: PLR2004 - a sum is of two rows or more
        return False
    first = next((column[end - 1] for column in columns if column[end - 1]), "")
    return first.rstrip(":").casefold() in _TOTALS


def _names(row: Iterable[str | None]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(row, start=1):
        name = wanted = sound(cell or "")[:100] or f"column {number}"
        again = 2
        while name.casefold() in taken:
            name, again = f"{wanted} ({again})", again + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _agreed(columns: Iterable[Sequence[str]]) -> Mark | None:
    """The decimal mark of the columns that tell, if they agree."""
    found: set[Mark] = {mark for column in columns if (mark := decimal_mark(column[:10_000]))}
    return found.pop() if len(found) == 1 else None
