"""Sentences with their offsets, from prose, lists, tables and Markdown, so that each can be quoted verbatim.

The splitting is by rule and errs towards too long: half a sentence misleads, two sentences do not. It is
made for English and for scripts that end a sentence with their own full stop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.text.blocks import Block, Kind, blocks
from atlas_mcp.text.words import word_set

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sentence", "sentences"]

# A sentence's end: stops, then whatever closes around them (quotes, brackets, emphasis, footnote marks).
END = re.compile(
    r"(?<![.!?…])(?P<stop>[.!?…]++)(?:[\"'”\u201c\u2018\u2019»)\]*_]|\[\^?\w{1,4}\])*+(?=\s|$)"
    r"|[。\uff01\uff1f｡][。\uff01\uff1f｡」』”\u2019\uff09】]*+"
    r"|(?:(?<![ \t])[ \t]{2,}+|\\)(?=\n)"
)
# Code, link targets and addresses: a stop inside them ends nothing.
PROTECTED = re.compile(r"`++[^`]++`++|\]\([^)\n]{0,600}\)|<https?://[^>\s]{1,600}>")
WORD_BEFORE = re.compile(r"[\w&'\u2019-][\w.&'\u2019-]*$")
NEXT = re.compile(r"\s*[\"'“\u2018«(\[*_`]*(\w)?")

# Never the end of a sentence.
TITLES = word_set("""
    mr mrs ms dr prof st rev hon gen col sgt capt lt gov sen rep messrs mme mlle vs e.g i.e cf viz resp
    approx incl excl esp
""")
# Not the end before a number.
COUNTED = word_set("""
    no nos fig figs eq eqs sec secs ch chap vol vols pp p art para ver v ca c jan feb mar apr jun jul aug
    sep sept oct nov dec
""")
# May end a sentence, but only before a word that likes to begin one.
OPEN = word_set("etc al inc ltd co corp jr sr a.m p.m u.s u.k u.n e.u d.c ph.d b.c a.d")
STARTERS = word_set("""
    the a an it its in this that these those there he she they we you i but and or so however if when
    while after before as at for from on to with by what why how who where which our their his her no not
    all some most many each every one two both such since although because then thus hence also
""")
LONGEST = 1_200


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, item, row or block: the snapshot's characters `start` to `end` are exactly `text`."""

    start: int
    end: int
    text: str
    kind: Kind
    heading: str | None


def sentences(text: str, start: int = 0, heading: str | None = None) -> list[Sentence]:
    """The sentences of `text`, in order, overlapping nowhere.

    Where `text` is a passage of a snapshot, `start` is the passage's offset there, so that offsets count in
    the snapshot, and `heading` the heading it stands under.
    """
    return [
        Sentence(start + first, start + last, text[first:last], block.kind, block.heading)
        for block in blocks(text, heading, continued=start > 0)
        for first, last in _spans(text, block)
    ]


def _spans(text: str, block: Block) -> Iterator[tuple[int, int]]:
    if block.kind not in ("prose", "item"):
        yield block.start, block.end
        return
    for first, last in _split(text, block.start, block.end):
        yield from _cut(text, first, last)


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentences between `start` and `end`, without the white space between them."""
    part = text[start:end]
    protected = PROTECTED.finditer(part)
    shield = next(protected, None)
    begin = 0
    for match in END.finditer(part):
        while shield and shield.end() - 1 <= match.start():
            shield = next(protected, None)
        if shield and shield.start() < match.start():
            continue
        if match["stop"] and not _ends(part, match):
            continue
        yield from _trimmed(text, start + begin, start + match.end())
        begin = match.end()
    yield from _trimmed(text, start + begin, end)


def _ends(part: str, match: re.Match[str]) -> bool:
    """Whether the stop that was found ends a sentence."""
    following = NEXT.match(part, match.end())
    letter = following[1] if following else None
    if letter is None:
        return True
    if letter.islower():
        return False
    if match["stop"] != ".":
        return True
    before = WORD_BEFORE.search(part, max(0, match.start() - 40), match.start())
    word = before[0] if before else ""
    lower = word.lower()
    if lower in TITLES or (lower in COUNTED and letter.isdigit()):
        return False
    initials = bool(word) and all(
        len(piece) == 1 and piece.isalpha() and piece.isupper() for piece in word.split(".")
    )
    if initials or lower in OPEN:
        next_word = re.match(r"\s*\W*(\w+)", part[match.end() : match.end() + 40])
        return next_word is not None and next_word[1].lower() in STARTERS and len(word) != 1
    return True


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    if start < end:
        yield start, end


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A run without full stops (a log, a long table in plain text) in pieces, at line ends or spaces."""
    while end - start > LONGEST:
        at = max(text.rfind("\n", start + 1, start + LONGEST), start)
        if at == start:
            at = max(text.rfind(" ", start + 1, start + LONGEST), start)
        if at == start:
            at = start + LONGEST
        yield from _trimmed(text, start, at)
        start = at
    yield from _trimmed(text, start, end)
