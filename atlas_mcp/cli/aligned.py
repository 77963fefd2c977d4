"""Lines that are set for a given width: columns that line up, and texts shortened by whole words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cell", "Column", "aligned", "listed", "whole_words"]

Cell: TypeAlias = "str | Text"

GAP = 2
"""Columns of the terminal between two columns of a table."""

LEAST = 12
"""Others are left out before a column that gives is narrower than that, where it does not say itself."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its `title`, and whether its cells end, rather than begin, below each other.

    Where the line is too short, the one that `gives` is shortened (by whole parts where its cells are `parts`
    with commas between), and those that are not `dear` are left out, the last first. One without a cell is
    left out too, unless it is there `always`. Below `least`, others go before what gives is shortened more.
    """

    title: str
    right: bool = False
    dear: bool = True
    gives: bool = False
    parts: bool = False
    always: bool = False
    least: int = LEAST


def whole_words(text: str, room: int, *, from_end: bool = False) -> str:
    """A text on one line of so many columns: whole words of it, and `…` for the rest.

    What is one word, such as a path, keeps its end.
    """
    line = " ".join(text.split())
    if cell_len(line) <= room:
        return line
    if room < 1:
        return ""
    words, kept = line.split(" "), ""
    if from_end or len(words) == 1 or cell_len(words[0]) + 1 > room:
        end = line
        while cell_len(end) > room - 1:
            end = end[1:]
        return f"…{end}"
    for word in words:
        longer = f"{kept} {word}" if kept else word
        if cell_len(longer) + 1 > room:
            break
        kept = longer
    return f"{kept.rstrip(',;:')}…"


def listed(parts: Sequence[str], room: int, *, between: str = ", ", more: str = "") -> str:
    """As many whole parts as there is room for; `more`, such as `and {} more`, says how many are left out."""
    for number in range(len(parts), 0, -1):
        left = len(parts) - number
        rest = [more.format(left)] if left and more else []
        line = between.join([*parts[:number], *rest])
        if cell_len(line) <= room:
            return line
    return whole_words(parts[0], room) if parts else ""


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[Text]:
    """Rows of cells as lines below their titles, none longer than `room`; empty columns are left out."""
    cells = [[each if isinstance(each, Text) else Text(each) for each in row] for row in rows]
    widths = {
        place: max(cell_len(column.title), *(row[place].cell_len for row in cells))
        for place, column in enumerate(columns)
        if column.always or any(row[place].plain for row in cells)
    }
    _fit(columns, widths, room)
    if not widths:
        return []
    titles = [Text(each.title, style="dim") for each in columns]
    return [_line(columns, row, widths) for row in (titles, *cells)]


def _fit(columns: Sequence[Column], widths: dict[int, int], room: int) -> None:
    """Leave out columns, and shorten the one that gives, until the others fit."""
    while widths:
        over = sum(widths.values()) + GAP * (len(widths) - 1) - room
        giving = next((place for place in widths if columns[place].gives), None)
        left = 0 if giving is None else widths[giving] - over
        if over <= 0:
            return
        cheap = [place for place in widths if not columns[place].dear]
        if giving is not None and (left >= columns[giving].least or not cheap):
            widths[giving] = max(1, left)
            return
        if not cheap:
            return
        del widths[cheap[-1]]


def _line(columns: Sequence[Column], cells: Sequence[Text], widths: dict[int, int]) -> Text:
    line = Text(no_wrap=True, overflow="crop")
    for place, width in widths.items():
        column, cell = columns[place], cells[place]
        if cell.cell_len > width:
            short = listed(cell.plain.split(", "), width) if column.parts else whole_words(cell.plain, width)
            cell = Text(short, style=cell.style)
        space = " " * (width - cell.cell_len)
        line.append_text(Text.assemble(space, cell) if column.right else Text.assemble(cell, space))
        line.append(" " * GAP)
    line.rstrip()
    return line
