"""PowerPoint (.pptx): a heading for each slide, its texts, lists, tables and the speaker's notes.

A slide is a page. Charts and diagrams are pictures to this reader; footers, dates and numbers are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.document import Document
from atlas_mcp.text.readers.marks import Marks
from atlas_mcp.text.readers.media import SLIDES
from atlas_mcp.text.readers.office import main_part, nothing, opened, relations, title_of, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.computing.markup import Package

__all__ = ["read_slides"]

MOST_SLIDES = 2_000
TITLES = ("title", "ctrTitle")
FRAME = ("dt", "ftr", "hdr", "sldNum", "sldImg")
LISTS = ("body", "obj")
DEEPEST = 9


@dataclass(slots=True)
class _Shape:
    """A shape: the kind of place it fills, and its paragraphs `(depth, words)`; or the rows of a table."""

    place: str | None = None
    paragraphs: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    rows: list[list[str]] = field(default_factory=list[list[str]])

    @property
    def words(self) -> str:
        """All paragraphs in one line."""
        return " ".join(" ".join(words for _, words in self.paragraphs).split())


def read_slides(data: bytes, name: str) -> Document:
    """The slides in their order, those that are hidden too.

    :raises UnreadableDocument: it is damaged, too large, or holds no words.
    """
    package = opened(data, name, "presentation", ".pptx")
    marks = Marks()
    starts: list[int] = []
    first = ""
    wordy = False
    for number, part in enumerate(_slides(package), start=1):
        starts.append(marks.page())
        shapes = _shapes(package, part)
        title = next(filter(None, (shape.words for shape in shapes if shape.place in TITLES)), "")
        first = first or title
        marks.heading(1, title or f"Slide {number}")
        notes = _notes(package, part)
        wordy = wordy or bool(title or notes) or any(shape.words or shape.rows for shape in shapes)
        for shape in shapes:
            if shape.place not in TITLES and shape.place not in FRAME:
                _write(marks, shape)
        if notes:
            marks.heading(2, "Notes")
            for words in notes:
                marks.paragraph(words)
    if not wordy:
        raise UnreadableDocument(
            f"{name} holds no words.", remedy="If its slides are pictures, run text recognition (OCR) first."
        )
    return Document(
        written(package, marks), title_of(package) or first or PurePath(name).stem, SLIDES, tuple(starts)
    )


def _slides(package: Package) -> list[str]:
    """The parts of the slides, in order."""
    main = main_part(package)
    parts = relations(package, main).by_id
    order: list[str] = []

    def start(element: str, given: Mapping[str, str]) -> None:
        if element == "sldId" and len(order) < MOST_SLIDES:
            order.append(given.get("id", ""))

    package.walk(main, start, nothing)
    return [part for key in order if (part := parts.get(key)) is not None and package.has(part)]


def _notes(package: Package, slide: str) -> list[str]:
    part = relations(package, slide).of_kind.get("notesSlide")
    if part is None or not package.has(part):
        return []
    return [
        words
        for shape in _shapes(package, part)
        if shape.place == "body"
        for _, words in shape.paragraphs
        if words.strip()
    ]


def _write(marks: Marks, shape: _Shape) -> None:
    if shape.rows:
        marks.table(shape.rows)
        return
    said = [(depth, words) for depth, words in shape.paragraphs if words.strip()]
    is_list = shape.place in LISTS and len(said) > 1
    for depth, words in said:
        if is_list or depth:
            marks.item(depth, "-", words)
        else:
            marks.paragraph(words)


def _shapes(package: Package, part: str) -> list[_Shape]:
    reader = _Slide()
    package.walk(part, reader.start, reader.end)
    return reader.shapes


class _Slide:
    """Takes in a slide's elements."""

    def __init__(self) -> None:
        self.shapes: list[_Shape] = []
        self._words: list[str] = []
        self._depth = 0
        self._unseen = 0
        self._cell: list[str] | None = None

    def start(self, element: str, given: Mapping[str, str]) -> None:
        if self._unseen or element == "Fallback":
            self._unseen += 1
        elif element in ("sp", "graphicFrame"):
            self.shapes.append(_Shape())
        elif element == "ph" and self.shapes:
            self.shapes[-1].place = given.get("type", "obj")
        elif element == "p":
            self._words, self._depth = [], 0
        elif element == "pPr":
            level = given.get("lvl", "0")
            self._depth = min(int(level), DEEPEST) if level.isascii() and level.isdecimal() else 0
        elif element == "br":
            self._words.append("\n")
        elif element == "tr" and self.shapes:
            self.shapes[-1].rows.append([])
        elif element == "tc":
            self._cell = []

    def end(self, element: str, text: str) -> None:
        if self._unseen:
            self._unseen -= 1
        elif element == "t":
            self._words.append(text)
        elif element == "p":
            words = "".join(self._words).replace("\v", "\n")
            if self._cell is not None:
                self._cell.append(words)
            elif self.shapes:
                self.shapes[-1].paragraphs.append((self._depth, words))
        elif element == "tc":
            if self.shapes and self.shapes[-1].rows:
                self.shapes[-1].rows[-1].append(" ".join(filter(None, self._cell or ())))
            self._cell = None
