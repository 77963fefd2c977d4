"""The structure of a text, with offsets: headings, paragraphs, list items, table rows, code and markup.

Markdown, MDX and plain text are read by the same forgiving rules, line by line; nothing is ever an error.
This module finds where things stand. It renders nothing and knows nothing of sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Block", "Heading", "Kind", "blocks", "heading_path", "outline"]

Kind: TypeAlias = Literal["prose", "item", "row", "heading", "code", "markup"]

QUOTE_MARKS = re.compile(r"[ \t]*(?:>[ \t]?)*[ \t\f]*")
FENCE = re.compile(r"(`{3,}|~{3,})([^`]*)$")
ATX = re.compile(r"(#{1,6})(?:[ \t]+|$)")
ATX_END = re.compile(r"(?:[ \t]+#+)?(?:[ \t]*\{#[^}]*\})?[ \t]*$")
SETEXT = re.compile(r"(=+|-{3,})[ \t]*$")
RULE = re.compile(r"(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
TABLE_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
TAG = re.compile(r"</?[A-Za-z][\w.:-]*(?=[\s/>]|$)")
WHOLE_TAG = re.compile(r"</?[A-Za-z][\w.:-]*(?:\s[^<>]*)?/?>")
STATEMENT = re.compile(
    r"(?:import\s.+\sfrom\s*['\"].+|import\s+['\"].+|export\s+(?:const|default|function)\b.*)$"
)
CALLOUT = re.compile(r"\[![A-Za-z]+\][+-]?[ \t]*$")
COMMENTS = (("<!--", "-->"), ("{/*", "*/}"))
CODE_LINE = re.compile(r"[{}\[(;]$|^[}\])]+[,;]?$|[\w\"'\])}],$")
LEAST_CODE = 3
DEEP = 8
LONGEST_TAG = 60
LONGEST_COMMENT = 400
LONGEST_ENDING = 200
LONGEST_SETEXT = 120
LONGEST_TITLE = 60


@dataclass(frozen=True, slots=True)
class Block:
    """One block: content from `start` to `end`, without its marks; whole lines from `first` to `last`.

    `heading` is the heading it stands under (its own, if it is one); `level` is 1 to 6 for headings, else 0.
    """

    start: int
    end: int
    kind: Kind
    heading: str | None
    first: int
    last: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: where it starts, its level from 1 to 6, its words."""

    start: int
    level: int
    title: str


class _Line(NamedTuple):
    """A line from `first` to `last`; `body` is from `start` to `end`, without quote marks and white space."""

    first: int
    start: int
    end: int
    last: int
    body: str


def blocks(text: str, heading: str | None = None, *, continued: bool = False) -> list[Block]:
    """Every block of `text` that holds something, in order.

    `heading` is the one in force where it begins; `continued` says that it was cut out of a larger text.
    """
    return _Scanner(text, heading).scan(continued=continued)


def outline(text: str) -> list[Heading]:
    """The headings of `text`, in order."""
    return [
        Heading(block.first, block.level, block.heading or "")
        for block in blocks(text)
        if block.kind == "heading"
    ]


def heading_path(headings: list[Heading], offset: int) -> list[str]:
    """The titles of the sections that hold `offset`, outermost first."""
    path: list[Heading] = []
    for heading in headings:
        if heading.start > offset:
            break
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
    return [heading.title for heading in path]


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    first = 0
    for raw in text.splitlines(keepends=True):
        marks = QUOTE_MARKS.match(raw)
        body = raw[marks.end() if marks else 0 :]
        start = first + len(raw) - len(body)
        body = body.rstrip()
        lines.append(_Line(first, start, start + len(body), first + len(raw), body))
        first += len(raw)
    return lines


class _Scanner:
    """Reads line after line; each `_read_…` takes what it knows and gives the next line, or None."""

    def __init__(self, text: str, heading: str | None) -> None:
        self.text = text
        self.lines = _lines(text)
        self.heading = heading
        self.found: list[Block] = []

    def scan(self, *, continued: bool) -> list[Block]:
        at = (self._read_rest_of_code() if continued else self._read_front_matter()) or 0
        readers = (
            self._read_fence,
            self._read_comment,
            self._read_heading,
            self._read_rule,
            self._read_table,
            self._read_markup,
            self._read_paragraph,
        )
        while at < len(self.lines):
            if not self.lines[at].body:
                at += 1
                continue
            for read in readers:
                after = read(at)
                if after is not None:
                    at = after
                    break
        return self.found

    def _add(self, kind: Kind, at: int, after: int, start: int | None = None, level: int = 0) -> int:
        """Note a block made of lines `at` to `after`, whose content begins at `start`."""
        first, last = self.lines[at], self.lines[after - 1]
        start = first.start if start is None else start
        if last.end > start:
            self.found.append(Block(start, last.end, kind, self.heading, first.first, last.last, level))
        return after

    def _read_front_matter(self) -> int | None:
        if not self.lines or self.lines[0].body != "---" or self.lines[0].first != self.lines[0].start:
            return None
        for at in range(1, len(self.lines)):
            if self.lines[at].body in ("---", "..."):
                return self._add("markup", 0, at + 1)
        return None

    def _read_rest_of_code(self) -> int | None:
        """A text cut out of a larger one may begin inside code: its first fence is then the closing one."""
        fences = [at for at, line in enumerate(self.lines) if FENCE.match(line.body)]
        if len(fences) % 2 == 0:
            return None
        opening = FENCE.match(self.lines[fences[0]].body)
        if opening is None or opening[2].strip() or fences[0] == 0:
            return None
        self._add("code", 0, fences[0])
        return fences[0] + 1

    def _read_fence(self, at: int) -> int | None:
        opening = FENCE.match(self.lines[at].body)
        if not opening:
            return None
        after = at + 1
        while after < len(self.lines) and not self._closes(self.lines[after].body, opening[1]):
            after += 1
        inner = [number for number in range(at + 1, after) if self.lines[number].body]
        if inner:
            first, last = self.lines[inner[0]], self.lines[inner[-1]]
            whole = self.lines[min(after, len(self.lines) - 1)]
            place = self.lines[at].first, whole.last
            self.found.append(Block(first.start, last.end, "code", self.heading, *place))
        return after + 1

    @staticmethod
    def _closes(body: str, fence: str) -> bool:
        return len(body) >= len(fence) and body == fence[0] * len(body)

    def _read_comment(self, at: int) -> int | None:
        for opening, closing in COMMENTS:
            if self.lines[at].body.startswith(opening):
                for after in range(at, min(at + LONGEST_COMMENT, len(self.lines))):
                    if closing in self.lines[after].body:
                        return self._add("markup", at, after + 1)
        return None

    def _read_heading(self, at: int) -> int | None:
        line = self.lines[at]
        if mark := ATX.match(line.body):
            return self._add_heading(at, at + 1, mark.end(), len(mark[1]))
        if at + 1 < len(self.lines) and len(line.body) <= LONGEST_SETEXT and not self._starts_structure(at):
            below = self.lines[at + 1].body
            # Without a blank line above, a row of hyphens below a paragraph's last line is a rule.
            if SETEXT.match(below) and "|" not in line.body and (at == 0 or not self.lines[at - 1].body):
                return self._add_heading(at, at + 2, 0, 1 if below[0] == "=" else 2)
        return None

    def _add_heading(self, at: int, after: int, skip: int, level: int) -> int:
        line = self.lines[at]
        ending = ATX_END.search(line.body, max(skip, len(line.body) - LONGEST_ENDING))
        title = line.body[skip : ending.start() if ending else None].strip()
        if title:
            self.heading = title
            start = line.start + skip
            place = line.first, self.lines[after - 1].last
            self.found.append(Block(start, start + len(title), "heading", title, *place, level))
        return after

    def _read_rule(self, at: int) -> int | None:
        return at + 1 if RULE.match(self.lines[at].body) else None

    def _read_table(self, at: int) -> int | None:
        if not self._is_row(at):
            return None
        after = at
        while after < len(self.lines) and "|" in self.lines[after].body:
            kind: Kind = "markup" if TABLE_RULE.match(self.lines[after].body) else "row"
            after = self._add(kind, after, after + 1)
        return after

    def _is_row(self, at: int) -> bool:
        body = self.lines[at].body
        if body.startswith("|") and body.count("|") > 1:
            return True
        below = self.lines[at + 1].body if at + 1 < len(self.lines) else ""
        return "|" in body and "|" in below and TABLE_RULE.match(below) is not None

    def _read_markup(self, at: int) -> int | None:
        body = self.lines[at].body
        if self._is_bare_markup(at):
            return self._add("markup", at, at + 1)
        if not TAG.match(body) or ">" in body:
            return None
        for after in range(at + 1, min(at + LONGEST_TAG, len(self.lines))):
            if self.lines[after].body.endswith(">"):
                return self._add("markup", at, after + 1)
        return None

    def _is_bare_markup(self, at: int) -> bool:
        body = self.lines[at].body
        if STATEMENT.match(body) or CALLOUT.match(body):
            return True
        return TAG.match(body) is not None and not WHOLE_TAG.sub("", body).strip()

    def _read_paragraph(self, at: int) -> int:
        """A paragraph or list item, up to a blank line or to where something else begins."""
        item = ITEM.match(self.lines[at].body)
        after = at + 1
        while after < len(self.lines) and self.lines[after].body and not self._starts_structure(after, item):
            if item and self._is_title(after - 1) and self._stands_out(after, at):
                break
            after += 1
        start = self.lines[at].start + (item.end() if item else 0)
        kind: Kind = "item" if item else "code" if self._is_bare_code(at, after) else "prose"
        return self._add(kind, at, after, start)

    def _is_bare_code(self, at: int, after: int) -> bool:
        """Whether lines are code without a fence, as in the middle of a long listing."""
        like_code = sum(
            line.start - line.first >= DEEP or CODE_LINE.search(line.body) is not None
            for line in self.lines[at:after]
        )
        return after - at >= LEAST_CODE and like_code > (after - at) / 2

    def _is_title(self, at: int) -> bool:
        """Whether a line looks like "1. Introduction", the title of what is below it."""
        body = self.lines[at].body
        return len(body) <= LONGEST_TITLE and body[0].isdigit() and body[-1].isalnum()

    def _stands_out(self, at: int, item_at: int) -> bool:
        """Whether a line is indented no deeper than an item above, and begins like a sentence."""
        line, item = self.lines[at], self.lines[item_at]
        return line.body[0].isupper() and line.start - line.first <= item.start - item.first

    def _starts_structure(self, at: int, item: re.Match[str] | None = None) -> bool:
        """Whether a paragraph (which may be a list `item`) ends where this line begins."""
        body = self.lines[at].body
        mark = ITEM.match(body)
        # "2." at the start of a line goes on with a list, but is a sentence's end in a paragraph.
        if mark and (item or not body[0].isdigit() or body.startswith(("1.", "1)"))):
            return True
        return bool(
            FENCE.match(body)
            or ATX.match(body)
            or RULE.match(body)
            or body.startswith(("<!--", "{/*"))
            or self._is_row(at)
            or self._is_bare_markup(at)
        )
