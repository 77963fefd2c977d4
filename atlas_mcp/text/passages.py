"""A text in passages of a size that is good to find and to read, cut along its structure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.text.blocks import Block, blocks
from atlas_mcp.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Span", "passages"]

PAGE_BREAK = "\f"
GROUPED = ("item", "row", "code")


@dataclass(frozen=True, slots=True)
class Span:
    """A passage: characters `start` to `end`, its heading, its 1-based page if there are pages."""

    start: int
    end: int
    heading: str | None
    page: int | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is not cut if it can be helped: a block, or a whole list, table or code with its heading."""

    start: int
    end: int
    heading: str | None
    level: int


def passages(text: str, *, aim: int = 700, most: int = 1_200, code: bool = False) -> list[Span]:
    """Passages of about `aim` and at most `most` characters, in order, that hold all there is to read.

    A section's heading stays with what follows it; lists, tables and code stay whole where they fit; cuts are
    between sentences, and within one only when it is longer than `most`. With `code` the text is source code,
    cut between lines.
    """
    breaks = (
        [at for at, character in enumerate(text) if character == PAGE_BREAK] if PAGE_BREAK in text else []
    )
    found = [Block(0, len(text), "code", None, 0, len(text))] if code else blocks(text)
    spans: list[Span] = []
    for group in _packed(_pieces(text, found, aim, most), aim, most):
        start, end = group[0].start, group[-1].end
        page = bisect_right(breaks, start) + 1 if breaks else None
        under = next((piece.heading for piece in group if not piece.level), group[-1].heading)
        spans.append(Span(start, end, under, page))
    return spans


def _pieces(text: str, found: list[Block], aim: int, most: int) -> Iterator[_Piece]:
    """Blocks, neighbours of one kind joined while they fit, what is too long cut."""
    run: list[Block] = []
    for block in [block for block in found if block.kind != "markup"]:
        joins = (
            run and block.kind == run[-1].kind and block.kind in GROUPED and block.heading == run[-1].heading
        )
        if run and not (joins and block.last - run[0].first <= most):
            yield from _joined(text, run, aim, most)
            run = []
        run.append(block)
    if run:
        yield from _joined(text, run, aim, most)


def _joined(text: str, run: list[Block], aim: int, most: int) -> Iterator[_Piece]:
    heading, level = run[0].heading, run[0].level
    start, end = _trimmed(text, run[0].first, run[-1].last)
    if end - start <= most:
        yield _Piece(start, end, heading, level)
        return
    at = start
    for cut in _cuts(text, start, end, run[0].kind == "code"):
        # Greedy: the last possible cut before `aim` is passed, unless none was there.
        if cut - at >= aim or end - at <= most:
            yield from _limited(text, at, cut, heading, most)
            at = cut
        if end - at <= most:
            break
    yield from _limited(text, at, end, heading, most)


def _cuts(text: str, start: int, end: int, code: bool) -> Iterator[int]:
    """Where a long block may be cut: between lines of code, else between sentences."""
    if code:
        at = text.find("\n", start, end)
        while at != -1:
            yield at + 1
            at = text.find("\n", at + 1, end)
        return
    for sentence in sentences(text[start:end], start)[1:]:
        yield sentence.start


def _limited(text: str, start: int, end: int, heading: str | None, most: int) -> Iterator[_Piece]:
    """Pieces of at most `most` characters; a single sentence that is longer is cut at spaces."""
    while end - start > most:
        at = text.rfind(" ", start + most // 2, start + most)
        at = start + most if at == -1 else at
        yield _Piece(*_trimmed(text, start, at), heading, 0)
        start = at
    start, end = _trimmed(text, start, end)
    if start < end:
        yield _Piece(start, end, heading, 0)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip()))


def _packed(pieces: Iterator[_Piece], aim: int, most: int) -> Iterator[list[_Piece]]:
    """Pieces put together up to `aim`; a heading begins a new passage unless the one before is tiny."""
    group: list[_Piece] = []
    for piece in pieces:
        if group and _is_complete(group, piece, aim, most):
            # Headings at the end belong to what comes next.
            kept = next((count for count in range(len(group), 0, -1) if not group[count - 1].level), 0)
            body, group = group[:kept], group[kept:]
            if body:
                yield body
            if group and piece.end - group[0].start > most:
                yield group
                group = []
        group.append(piece)
    if group:
        yield group


def _is_complete(group: list[_Piece], piece: _Piece, aim: int, most: int) -> bool:
    length = piece.end - group[0].start
    if length > most or all(member.level for member in group):
        return length > most
    so_far = group[-1].end - group[0].start
    return length > aim or (piece.level > 0 and so_far > aim // 7)
