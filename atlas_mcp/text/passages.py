"""A text in passages of a size that is good to find and to read, cut along its structure."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from atlas_mcp.text.blocks import Block, blocks, outline
from atlas_mcp.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atlas_mcp.text.readers.document import Said

__all__ = ["LONGEST", "Span", "passages", "said_passages"]

LONGEST = 1_200
"""Characters of a passage at most."""

PAGE_BREAK = re.compile("\f")
LINE_END = re.compile("\n")
GROUPED = ("item", "row", "code")


@dataclass(frozen=True, slots=True)
class Span:
    """A passage: characters `start` to `end`, its heading, its 1-based page if there are pages.

    `at` and `by` say when (ISO 8601) and by whom it was said, where it is of a message.
    """

    start: int
    end: int
    heading: str | None
    page: int | None
    at: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is kept whole if it can be: a block, or a list, table or code; `level` is a heading's."""

    start: int
    end: int
    heading: str | None
    level: int
    page: int


def passages(text: str, *, aim: int = 700, most: int = LONGEST, code: bool = False) -> list[Span]:
    """Passages of about `aim` and at most `most` characters, in order, that hold all there is to read.

    A section's heading stays with what follows it; lists, tables and code stay whole where they fit; cuts are
    between sentences, and within one only when it is longer than `most`. What begins on a new page begins a
    new passage. With `code` the text is source code, cut between lines.
    """
    return _Cutter(text, aim, most).spans(code=code)


def said_passages(text: str, messages: Sequence[Said], *, most: int = LONGEST) -> list[Span]:
    """One passage a message, under the last heading between messages; a longer one is cut like any text."""
    spans: list[Span] = []
    heading: str | None = None
    behind = 0
    for said in messages:
        for found in outline(text[behind : said.start]):
            heading = found.title
        behind = said.end
        whole = Span(said.start, said.end, heading, None, said.at, said.by or None)
        if said.end - said.start <= most:
            spans.append(whole)
            continue
        spans.extend(
            replace(whole, start=said.start + part.start, end=said.start + part.end)
            for part in passages(text[said.start : said.end], most=most)
        )
    return spans


class _Cutter:
    """One text with its measures and the places where its pages end."""

    def __init__(self, text: str, aim: int, most: int) -> None:
        self.text = text
        self.aim = aim
        self.most = most
        self.breaks = [match.start() for match in PAGE_BREAK.finditer(text)]

    def spans(self, *, code: bool) -> list[Span]:
        text = self.text
        found = [Block(0, len(text), "code", None, 0, len(text))] if code else blocks(text)
        spans: list[Span] = []
        for group in self._packed(self._pieces(found)):
            under = next((piece.heading for piece in group if not piece.level), group[-1].heading)
            page = group[0].page if self.breaks else None
            spans.append(Span(group[0].start, group[-1].end, under, page))
        return spans

    def _pieces(self, found: list[Block]) -> Iterator[_Piece]:
        """Blocks, neighbours of one kind joined while they fit, what is too long cut."""
        run: list[Block] = []
        for block in found:
            if block.kind == "markup":
                continue
            alike = run and (block.kind, block.heading) == (run[-1].kind, run[-1].heading)
            joins = alike and block.kind in GROUPED and block.last - run[0].first <= self.most
            if run and not joins:
                yield from self._joined(run)
                run = []
            run.append(block)
        if run:
            yield from self._joined(run)

    def _joined(self, run: list[Block]) -> Iterator[_Piece]:
        """The pieces of one block, or of several that belong together."""
        for start, end in self._by_page(run[0].first, run[-1].last):
            at = start
            # A cut as soon as `aim` is reached, for as long as what is left does not fit.
            for cut in self._cuts(start, end, run[0]) if end - start > self.most else ():
                if cut - at >= self.aim:
                    yield from self._limited(at, cut, run[0])
                    at = cut
                if end - at <= self.most:
                    break
            yield from self._limited(at, end, run[0])

    def _by_page(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The stretch in parts, each of the sentences that begin on one page."""
        if self._page(start) != self._page(end):
            for sentence in sentences(self.text[start:end], start):
                if self._page(sentence.start) != self._page(start):
                    yield start, sentence.start
                    start = sentence.start
        yield start, end

    def _cuts(self, start: int, end: int, block: Block) -> Iterator[int]:
        """Where a long stretch may be cut: between lines of code, else between sentences."""
        if block.kind == "code":
            return (match.end() for match in LINE_END.finditer(self.text, start, end))
        return (sentence.start for sentence in sentences(self.text[start:end], start)[1:])

    def _limited(self, start: int, end: int, block: Block) -> Iterator[_Piece]:
        """Pieces of at most `most` characters; a single sentence that is longer is cut at spaces."""
        while start < end:
            last = end
            if end - start > self.most:
                space = self.text.rfind(" ", start + self.most // 2, start + self.most)
                last = start + self.most if space == -1 else space
            part = self.text[start:last]
            first = start + len(part) - len(part.lstrip())
            if part := part.strip():
                yield _Piece(first, first + len(part), block.heading, block.level, self._page(first))
            start = last

    def _packed(self, pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
        """Pieces put together up to `aim`; a heading begins a new passage unless the one before is tiny."""
        group: list[_Piece] = []
        for piece in pieces:
            if group and self._is_complete(group, piece):
                # Headings at the end belong to what comes next.
                kept = next((count for count in range(len(group), 0, -1) if not group[count - 1].level), 0)
                body, group = group[:kept], group[kept:]
                if body:
                    yield body
                if group and piece.end - group[0].start > self.most:
                    yield group
                    group = []
            group.append(piece)
        if group:
            yield group

    def _is_complete(self, group: list[_Piece], piece: _Piece) -> bool:
        length = piece.end - group[0].start
        if length > self.most or all(member.level for member in group):
            return length > self.most
        so_far = group[-1].end - group[0].start
        opens = piece.level > 0 and so_far > self.aim // 7
        return length > self.aim or opens or piece.page != group[0].page

    def _page(self, at: int) -> int:
        return bisect_right(self.breaks, at) + 1
