"""Blocks written as a text with Markdown's marks: headings, paragraphs, lists, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST_CHARACTERS", "Marks"]

Kind: TypeAlias = Literal["block", "item", "row"]

MOST_CHARACTERS = 20_000_000
"""Characters of a document; one that unpacks to more is refused."""
DEEPEST = 6


class Marks:
    """Gathers blocks: items and rows follow each other line by line, others after a blank line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._before: Kind | None = None
        self.length = 0
        """Characters so far."""

    def text(self) -> str:
        """All that was written."""
        return "".join(self._parts)

    def heading(self, level: int, words: str) -> None:
        """A heading of level 1 to 6; a deeper one is of level 6."""
        if words := " ".join(words.split()):
            self._add("block", f"{'#' * min(max(level, 1), DEEPEST)} {words}")

    def paragraph(self, words: str) -> None:
        """A paragraph; its own line breaks stay."""
        lines = (" ".join(line.split()) for line in words.split("\n"))
        if shown := "\n".join(filter(None, lines)):
            self._add("block", shown)

    def item(self, depth: int, mark: str, words: str) -> None:
        """An item of a list that lies `depth` lists deep (0 for the outermost), with its mark ("-", "1.")."""
        if words := " ".join(words.split()):
            self._add("item", f"{'  ' * min(depth, DEEPEST)}{mark} {words}")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A table, whose first row is its head; one of a single column is written as paragraphs."""
        filled = [row for row in rows if any(cell.strip() for cell in row)]
        width = max(map(len, filled), default=0)
        if width <= 1:
            for row in filled:
                self.paragraph(row[0])
            return
        self._before = None
        for number, row in enumerate(filled):
            cells = (
                " ".join(cell.split()).replace("|", "\\|") for cell in (*row, *[""] * (width - len(row)))
            )
            self._add("row", f"| {' | '.join(cells)} |")
            if number == 0:
                self._add("row", "|" + " --- |" * width)
        self._before = None

    def page(self) -> int:
        """Begin a new page, after a form feed if it is not the first; gives the offset at which it begins."""
        if self._parts:
            self._put("\f")
        self._before = None
        return self.length

    def _add(self, kind: Kind, block: str) -> None:
        if self._parts and not self._parts[-1].endswith("\f"):
            self._put("\n" if kind == self._before != "block" else "\n\n")
        self._put(block.replace("\f", " ").replace("\0", ""))
        self._before = kind

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self.length += len(text)
