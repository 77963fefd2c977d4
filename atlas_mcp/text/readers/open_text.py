"""OpenDocument texts and presentations (.odt, .odp): headings, paragraphs, lists, tables, notes.

Comments, what was deleted while changes were tracked, and lists of contents are left out.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from atlas_mcp.text.readers.document import Document
from atlas_mcp.text.readers.marks import Marks
from atlas_mcp.text.readers.media import OPEN_SLIDES, OPEN_TEXT
from atlas_mcp.text.readers.office import opened, title_of, written

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_open_text"]

UNSEEN = frozenset([
    "alphabetical-index", "annotation", "bibliography", "illustration-index", "object-index", "ruby-text",
    "table-index", "table-of-content", "tracked-changes", "user-index",
])  # fmt: skip
WORDS = frozenset(["p", "h"])
CELLS = ("table-cell", "covered-table-cell")
MOST_SPACES = 100


def read_open_text(data: bytes, name: str) -> Document:
    """The text as it stands; of a presentation each slide is a page.

    :raises UnreadableDocument: it is damaged, locked, too large, or holds no words.
    """
    package = opened(data, name, "OpenDocument file", ".odt, .docx")
    reader = _Reader()
    package.walk("content.xml", reader.start, reader.end, said=reader.said)
    reader.close()
    return Document(
        written(package, reader.marks),
        title_of(package) or reader.title or PurePath(name).stem,
        OPEN_SLIDES if reader.pages else OPEN_TEXT,
        tuple(reader.pages) or None,
    )


class _Reader:
    """Takes in elements; what stands in a paragraph is heard in its place."""

    def __init__(self) -> None:
        self.marks = Marks()
        self.pages: list[int] = []
        self.title = ""
        self._unseen = 0
        self._open: list[tuple[str, int, list[str]]] = []
        self._lists: list[bool] = []
        self._first = False
        self._tables: list[list[list[str]]] = []
        self._cells: list[list[str]] = []
        self._notes: list[tuple[str, list[str]]] = []
        self._note: list[str] | None = None
        self._citation: list[str] | None = None
        self._frame = ""
        self._notes_of_slide = False

    def start(self, element: str, given: Mapping[str, str]) -> None:
        if self._unseen or element in UNSEEN:
            self._unseen += 1
        elif element in WORDS:
            level = given.get("outline-level", "1") if element == "h" else "0"
            self._open.append((element, int(level) if level.isascii() and level.isdecimal() else 1, []))
        elif element in ("s", "tab", "line-break"):
            self._space(element, given)
        elif element == "list":
            self._lists.append(False)
        elif element == "list-item":
            self._first = True
        elif element == "frame":
            self._frame = given.get("class", "")
        elif element == "page":
            self.pages.append(self.marks.page())
        elif element == "notes":
            self._notes_of_slide = True
        else:
            self._start_nested(element)

    def _start_nested(self, element: str) -> None:
        if element == "table":
            self._tables.append([])
        elif element == "table-row" and self._tables:
            self._tables[-1].append([])
        elif element in CELLS:
            self._cells.append([])
        elif element == "note":
            self._note = []
        elif element == "note-citation":
            self._citation = []

    def _space(self, element: str, given: Mapping[str, str]) -> None:
        count = given.get("c", "1")
        times = min(int(count), MOST_SPACES) if count.isascii() and count.isdecimal() else 1
        self.said("\n" if element == "line-break" else " " * times)

    def said(self, text: str) -> None:
        if self._unseen:
            return
        if self._citation is not None:
            self._citation.append(text)
        elif self._open:
            self._open[-1][2].append(text)

    def end(self, element: str, _text: str) -> None:
        if self._unseen:
            self._unseen -= 1
        elif element in WORDS and self._open:
            kind, level, words = self._open.pop()
            self._write(kind, level, "".join(words))
        elif element == "list" and self._lists:
            self._lists.pop()
        elif element == "frame":
            self._frame = ""
        else:
            self._end_nested(element)

    def _end_nested(self, element: str) -> None:
        if element in CELLS and self._cells:
            cell = " ".join(self._cells.pop())
            if self._tables and self._tables[-1]:
                self._tables[-1][-1].append(cell)
        elif element == "table" and self._tables:
            rows = self._tables.pop()
            if self._cells:
                self._cells[-1].append("; ".join(", ".join(filter(None, row)) for row in rows))
            else:
                self.marks.table(rows)
        elif element == "note-citation":
            self._cite()
        elif element == "note":
            self._note = None
        elif element == "notes":
            self._notes_of_slide = False

    def _cite(self) -> None:
        """A note is named where it is cited, and said at the end."""
        mark = "".join(self._citation or ()).strip() or str(len(self._notes) + 1)
        self._citation = None
        self._note = []
        self._notes.append((mark, self._note))
        self.said(f"[^{mark}]")

    def _write(self, kind: str, level: int, words: str) -> None:
        if not words.strip():
            return
        if self._notes_of_slide:
            self._notes_of_slide = False
            self.marks.heading(2, "Notes")
        if self._note is not None:
            self._note.append(words)
        elif self._cells:
            self._cells[-1].append(words)
        elif self._open:
            self._open[-1][2].append(f" {words} ")  # a box of text within a paragraph
        elif kind == "h" or self._frame == "title":
            self.title = self.title or " ".join(words.split())
            self.marks.heading(level or 1, words)
        elif self._lists:
            self.marks.item(len(self._lists) - 1, "-" if self._first else " ", words)
            self._first = False
        else:
            self.marks.paragraph(words)

    def close(self) -> None:
        """Write the notes, which stand at the end."""
        for mark, words in self._notes:
            self.marks.paragraph(f"[^{mark}]: {' '.join(words)}")
