"""Excel workbooks (.xlsx, .xlsm): the visible sheets, as the values that were last computed.

Formulas are never run and macros never looked at. Only cells that are there take room, however far apart.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from atlas_mcp.computing.figures import settled, written
from atlas_mcp.computing.markup import Package
from atlas_mcp.computing.table import MOST_CELLS, MOST_COLUMNS, Rows
from atlas_mcp.errors import InvalidInput, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.computing.table import Table

__all__ = ["read_workbook"]

_BOOK = "xl/workbook.xml"
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_RANGE = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})")
_WHOLE = re.compile(r"-?\d{1,15}")
_UNSAID = re.compile(r'"[^"]*"|\\.|\[(?!h|m|s)[^\]]*\]|_.|\*.', re.IGNORECASE)
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(50, 59)])
_PERCENT_FORMATS = frozenset([9, 10])
_SHEETS_MOST = 100
_LAST_DAY = 2_958_466
_EPOCHS = {False: datetime(1899, 12, 30, tzinfo=UTC), True: datetime(1904, 1, 1, tzinfo=UTC)}


@dataclass(slots=True)
class _Book:
    """What the cells refer to: sheets `(name, part)`, shared texts, and what each style makes of a number."""

    sheets: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    texts: list[str] = field(default_factory=list[str])
    styles: list[str] = field(default_factory=list[str])
    since_1904: bool = False


def read_workbook(data: bytes, name: str) -> list[Table]:
    """The table of each visible sheet that has rows.

    :raises UnreadableDocument: it is no workbook, damaged, locked, too large, or has no rows at all.
    """
    package = Package(data, name)
    book = _read_book(package)
    tables: list[Table] = []
    for title, part in book.sheets[:_SHEETS_MOST]:
        shown = name if len(book.sheets) == 1 else f"{name}: {title}"
        if not package.has(part):
            continue  # a chart's sheet
        rows = _Sheet(book, shown).read(package, part)
        if rows.count:
            tables.append(rows.table("."))
    if not tables:
        raise UnreadableDocument(f"{name} has no rows.", remedy="Give a table that holds data.")
    return tables


def _read_book(package: Package) -> _Book:
    book = _Book()
    targets: dict[str, str] = {}
    wanted: list[tuple[str, str]] = []

    def relation(element: str, given: Mapping[str, str]) -> None:
        if element == "Relationship":
            target = given.get("Target", "")
            targets[given.get("Id", "")] = posixpath.normpath(
                target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            )

    def part(element: str, given: Mapping[str, str]) -> None:
        if element == "sheet" and given.get("state", "visible") == "visible":
            wanted.append((given.get("name", ""), given.get("id", "")))
        elif element == "workbookPr":
            book.since_1904 = given.get("date1904") in ("1", "true")

    package.walk(_BOOK, part, _nothing)
    package.walk("xl/_rels/workbook.xml.rels", relation, _nothing)
    book.sheets = [(title, targets[key]) for title, key in wanted if key in targets]
    if package.has("xl/sharedStrings.xml"):
        book.texts = _read_texts(package)
    if package.has("xl/styles.xml"):
        book.styles = _read_styles(package)
    return book


def _nothing(_name: str, _text: str) -> None:
    """What an element says at its end is not asked for."""


def _read_texts(package: Package) -> list[str]:
    texts: list[str] = []
    parts: list[str] = []
    phonetic = 0

    def start(element: str, _given: Mapping[str, str]) -> None:
        nonlocal phonetic
        phonetic += element == "rPh"

    def end(element: str, text: str) -> None:
        nonlocal phonetic
        phonetic -= element == "rPh"
        if element == "t" and not phonetic:
            parts.append(text)
        elif element == "si":
            texts.append("".join(parts))
            parts.clear()

    package.walk("xl/sharedStrings.xml", start, end)
    return texts


def _read_styles(package: Package) -> list[str]:
    """For each style: "date", "percent", or "" for what is a mere number."""
    kinds: dict[int, str] = {
        **dict.fromkeys(_DATE_FORMATS, "date"),
        **dict.fromkeys(_PERCENT_FORMATS, "percent"),
    }
    styles: list[str] = []
    inside = False

    def start(element: str, given: Mapping[str, str]) -> None:
        nonlocal inside
        if element == "numFmt":
            code = _UNSAID.sub("", given.get("formatCode", "")).lower()
            kinds[int(given.get("numFmtId", "0"))] = (
                "percent"
                if "%" in code
                else "date"
                if re.search(r"[yd]|h.*m|mmm", code) and "[" not in code
                else ""
            )
        elif element == "cellXfs":
            inside = True
        elif element == "xf" and inside:
            styles.append(kinds.get(int(given.get("numFmtId", "0")), ""))

    def end(element: str, _text: str) -> None:
        nonlocal inside
        inside = inside and element != "cellXfs"

    package.walk("xl/styles.xml", start, end)
    return styles


class _Sheet:
    """Reads one sheet: cells by their places, then the merged ones filled downwards."""

    def __init__(self, book: _Book, name: str) -> None:
        self._book = book
        self._name = name
        self._rows: dict[int, dict[int, str]] = {}
        self._row = self._column = self._cells = 0
        self._kind = self._style = self._value = ""
        self._merged: list[tuple[int, int, int]] = []

    def read(self, package: Package, part: str) -> Rows:
        package.walk(part, self._start, self._end)
        self._fill()
        rows = Rows(self._name)
        for number in sorted(self._rows):
            row = self._rows[number]
            rows.add([row.get(column, "") for column in range(max(row, default=-1) + 1)])
        return rows

    def _start(self, element: str, given: Mapping[str, str]) -> None:
        if element == "c":
            place = _CELL.fullmatch(given.get("r", ""))
            self._column = _column(place[1]) if place else self._column + 1
            self._kind, self._style, self._value = given.get("t", "n"), given.get("s", ""), ""
        elif element == "row":
            said = given.get("r", "")
            self._row = int(said) if said.isdecimal() else self._row + 1
            self._column = -1
        elif element == "mergeCell" and (area := _RANGE.fullmatch(given.get("ref", ""))):
            self._merged.append((_column(area[1]), int(area[2]), int(area[4])))

    def _end(self, element: str, text: str) -> None:
        if element == "v":
            self._value = text
        elif element == "t":
            self._value += text
        elif element == "c" and (shown := self._shown()):
            self._cells += 1
            if self._column >= MOST_COLUMNS or self._cells > MOST_CELLS:
                raise UnreadableDocument(
                    f"{self._name} reaches beyond column {MOST_COLUMNS:,} or {MOST_CELLS:,} cells.",
                    remedy="Give the part that matters as a sheet of its own.",
                )
            self._rows.setdefault(self._row, {})[self._column] = shown

    def _shown(self) -> str:
        value = self._value.strip() if self._kind in ("n", "s", "b") else self._value
        if self._kind == "s":
            texts = self._book.texts
            return texts[int(value)] if value.isdecimal() and int(value) < len(texts) else ""
        if self._kind == "b":
            return {"1": "true", "0": "false"}.get(value, value)
        return self._number(value) if self._kind == "n" else value

    def _number(self, value: str) -> str:
        style = int(self._style) if self._style.isdecimal() else -1
        manner = self._book.styles[style] if 0 <= style < len(self._book.styles) else ""
        if not value or (not manner and _WHOLE.fullmatch(value)):
            return value
        try:
            number = float(value)
            if manner == "date" and 0 <= number < _LAST_DAY:
                return _date(number, since_1904=self._book.since_1904)
            return f"{written(settled(number * 100))}%" if manner == "percent" else written(settled(number))
        except (ValueError, InvalidInput):
            return value

    def _fill(self) -> None:
        """A text that is merged over rows stands in each of them."""
        for column, first, last in self._merged[:10_000]:
            text = self._rows.get(first, {}).get(column, "")
            if text and last > first:
                for number in range(first + 1, min(last, first + 10_000) + 1):
                    if number in self._rows:
                        self._rows[number].setdefault(column, text)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _date(days: float, *, since_1904: bool) -> str:
    moment = _EPOCHS[since_1904] + timedelta(seconds=round(days * 86_400))
    shown = moment.isoformat(timespec="seconds").removesuffix("+00:00")
    return shown.removesuffix("T00:00:00")
