"""Word (.docx): paragraphs, headings, lists, tables and notes of the main text.

Left out are headers and footers, comments, what was deleted while changes were tracked, hidden text, and the
list of contents. Pages are not known, as Word makes them anew whenever it shows the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from atlas_mcp.text.readers.document import Document
from atlas_mcp.text.readers.marks import Marks
from atlas_mcp.text.readers.media import WORD
from atlas_mcp.text.readers.office import main_part, nothing, opened, relations, title_of, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.computing.markup import Package

__all__ = ["read_word"]

# What stands within these is shown nowhere, or elsewhere again.
UNSEEN = frozenset([
    "Fallback", "del", "delText", "instrText", "moveFrom", "pPrChange", "rPrChange", "rt", "sectPrChange",
])  # fmt: skip
BREAKS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": " "}
NOTES = {"footnotes": "", "endnotes": "e"}
NESTED = re.compile(r"list (?:bullet|number|continue) [2-5]")
DEEPEST_BASE = 20
LEVELS = 9
OFF = ("0", "false", "off")


@dataclass(slots=True)
class _Style:
    """What a style says of its paragraphs: its name, a heading's level, a list's number."""

    name: str = ""
    base: str = ""
    level: int | None = None
    number: str = ""


@dataclass(slots=True)
class _Numbers:
    """Lists: `kinds[number][depth]` is "bullet", "decimal" and so on."""

    abstract: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    of: dict[str, str] = field(default_factory=dict[str, str])

    def kind(self, number: str, depth: int) -> str:
        """The kind of a list's items; "" where it has none, so that they are mere paragraphs."""
        return self.abstract.get(self.of.get(number, ""), {}).get(depth, "")


@dataclass(slots=True)
class _Paragraph:
    """What is known of a paragraph until it ends."""

    words: list[str] = field(default_factory=list[str])
    style: str = ""
    level: int | None = None
    number: str = ""
    depth: int = 0


def read_word(data: bytes, name: str) -> Document:
    """The main text, then its notes.

    :raises UnreadableDocument: it is damaged, too large, or holds no words.
    """
    package = opened(data, name, "Word document", ".docx")
    main = main_part(package)
    parts = {kind: part for kind, part in relations(package, main).of_kind.items() if package.has(part)}
    styles = _styles(package, parts["styles"]) if "styles" in parts else {}
    numbers = _numbers(package, parts["numbering"]) if "numbering" in parts else _Numbers()
    marks = Marks()
    body = _Body(marks, styles, numbers)
    package.walk(main, body.start, body.end, said=body.said)
    for kind, letter in NOTES.items():
        if body.noted[kind] and kind in parts:
            notes = _Body(marks, styles, numbers, note=letter)
            package.walk(parts[kind], notes.start, notes.end, said=notes.said)
    text = written(package, marks)
    return Document(text, title_of(package) or body.title or PurePath(name).stem, WORD)


class _Body:
    """Takes in the elements of a text, and writes each paragraph as it ends."""

    def __init__(
        self, marks: Marks, styles: dict[str, _Style], numbers: _Numbers, note: str | None = None
    ) -> None:
        self.title = ""
        self.noted = dict.fromkeys(NOTES, False)
        self._marks = marks
        self._styles = styles
        self._numbers = numbers
        self._note = note
        self._note_id = ""
        self._unseen = 0
        self._hidden = False
        self._open: list[_Paragraph] = []
        self._tables: list[list[list[str]]] = []
        self._cells: list[list[str]] = []
        self._counts: dict[tuple[str, int], int] = {}
        self._within: list[str] = []

    def start(self, element: str, given: Mapping[str, str]) -> None:
        self._within.append(element)
        if self._unseen or element in UNSEEN:
            self._unseen += 1
        elif element == "p":
            self._open.append(_Paragraph())
        elif element == "r":
            self._hidden = False
        elif element == "tbl":
            self._tables.append([])
        elif element == "tr" and self._tables:
            self._tables[-1].append([])
        elif element == "tc" and self._tables:
            self._cells.append([])
        elif element in ("footnote", "endnote"):
            # Notes of a type are lines that part the notes from the text.
            self._note_id = "" if given.get("type", "normal") != "normal" else given.get("id", "")
        elif self._open:
            self._describe(self._open[-1], element, given)

    def end(self, element: str, _text: str) -> None:
        self._within.pop()
        if self._unseen:
            self._unseen -= 1
        elif element == "p" and self._open:
            self._write(self._open.pop())
        elif element == "tc" and self._cells:
            cell = " ".join(self._cells.pop())
            if self._tables and self._tables[-1]:
                self._tables[-1][-1].append(cell)
        elif element == "tbl" and self._tables:
            self._write_table(self._tables.pop())

    def said(self, text: str) -> None:
        if self._open and not self._unseen and not self._hidden and self._within[-1] == "t":
            self._open[-1].words.append(text)

    def _describe(self, paragraph: _Paragraph, element: str, given: Mapping[str, str]) -> None:
        value = given.get("val", "")
        if element in BREAKS and self._within[-2:-1] == ["r"]:
            if not self._hidden:
                paragraph.words.append(BREAKS[element])
        elif element == "pStyle":
            paragraph.style = value
        elif element == "outlineLvl":
            paragraph.level = _whole(value)
        elif element == "numId":
            paragraph.number = value
        elif element == "ilvl":
            paragraph.depth = min(_whole(value) or 0, LEVELS)
        elif element == "vanish" and "r" in self._within[-3:]:
            self._hidden = value not in OFF
        elif element in ("footnoteReference", "endnoteReference"):
            kind = f"{element.removesuffix('Reference')}s"
            self.noted[kind] = True
            paragraph.words.append(f"[^{NOTES[kind]}{given.get('id', '')}]")

    def _write(self, paragraph: _Paragraph) -> None:
        words = "".join(paragraph.words)
        if not words.strip():
            return
        style = self._style(paragraph.style)
        if self._cells:
            self._cells[-1].append(words)
        elif self._open:
            self._open[-1].words.append(f" {words} ")  # a box of text within a paragraph
        elif self._note is not None:
            if self._note_id:
                self._marks.paragraph(f"[^{self._note}{self._note_id}]: {words}")
        elif style.name == "title":
            self.title = self.title or " ".join(words.split())
            self._marks.heading(1, words)
        elif not style.name.startswith("toc "):
            self._write_as(style, paragraph, words)

    def _write_as(self, style: _Style, paragraph: _Paragraph, words: str) -> None:
        level = style.level if paragraph.level is None else paragraph.level
        if level is not None and level < LEVELS:
            if level == 0:
                self.title = self.title or " ".join(words.split())
            self._marks.heading(level + 1, words)
            return
        number = paragraph.number or style.number
        kind = self._numbers.kind(number, paragraph.depth)
        if not kind:
            self._marks.paragraph(words)
            return
        key = number, paragraph.depth
        self._counts[key] = self._counts.get(key, 0) + 1
        for deeper in range(paragraph.depth + 1, LEVELS + 1):
            self._counts.pop((number, deeper), None)
        # "List Bullet 2" is a list of its own in Word, and shown within another.
        within = int(style.name[-1]) - 1 if NESTED.fullmatch(style.name) else 0
        self._marks.item(
            max(paragraph.depth, within), "-" if kind == "bullet" else f"{self._counts[key]}.", words
        )

    def _write_table(self, rows: list[list[str]]) -> None:
        if self._cells:  # a table within a table's cell
            self._cells[-1].append("; ".join(", ".join(filter(None, row)) for row in rows))
        else:
            self._marks.table(rows)

    def _style(self, key: str) -> _Style:
        """A style with what it has from those it is based on."""
        found = _Style()
        for _ in range(DEEPEST_BASE):
            style = self._styles.get(key)
            if style is None:
                break
            found.name = found.name or style.name
            found.level = style.level if found.level is None else found.level
            found.number = found.number or style.number
            key = style.base
        return found


def _styles(package: Package, part: str) -> dict[str, _Style]:
    styles: dict[str, _Style] = {}
    current = _Style()

    def start(element: str, given: Mapping[str, str]) -> None:
        nonlocal current
        value = given.get("val", "")
        if element == "style":
            current = styles[given.get("styleId", "")] = _Style()
        elif element == "name":
            current.name = value.lower()
            heading = current.name.removeprefix("heading ")
            if heading != current.name:
                current.level = (_whole(heading) or 1) - 1
        elif element == "basedOn":
            current.base = value
        elif element == "outlineLvl":
            current.level = _whole(value)
        elif element == "numId":
            current.number = value

    package.walk(part, start, nothing)
    return styles


def _numbers(package: Package, part: str) -> _Numbers:
    numbers = _Numbers()
    abstract = number = ""
    depth = 0

    def start(element: str, given: Mapping[str, str]) -> None:
        nonlocal abstract, number, depth
        if element == "abstractNum":
            abstract = given.get("abstractNumId", "")
            numbers.abstract[abstract] = {}
        elif element == "lvl":
            depth = _whole(given.get("ilvl", "")) or 0
        elif element == "numFmt" and not number:
            kind = given.get("val", "")
            numbers.abstract.setdefault(abstract, {})[depth] = "" if kind == "none" else kind
        elif element == "num":
            number = given.get("numId", "")
        elif element == "abstractNumId":
            numbers.of[number] = given.get("val", "")

    package.walk(part, start, nothing)
    return numbers


def _whole(said: str) -> int | None:
    return int(said) if said.isascii() and said.isdecimal() and len(said) < LEVELS else None
