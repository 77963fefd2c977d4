"""Text put together from findings and drafts: sections, documents, and several works as one.

It arranges and leaves out, and writes nothing: sentences are the findings' own, each followed by its mark,
headings are the question's words or a source's title. What greets, leads on or concludes is not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from atlas_mcp.providers.extraction.analysing import worth_stating
from atlas_mcp.providers.extraction.choosing import distinct, open_facets
from atlas_mcp.providers.extraction.composing import apart, ended
from atlas_mcp.providers.extraction.relevance import judge
from atlas_mcp.providers.extraction.wishes import subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from atlas_mcp.messages import Draft
    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Relevance, Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["document", "heading", "joined", "section"]

_MARKS = re.compile(r"\s*\[f\d+(?:\s*,\s*f\d+)*\]")
_CARRIED = re.compile(r"\S.*?(?:(?:\s*\[f\d+(?:\s*,\s*f\d+)*\])+[.!?]?(?=\s|$)|\Z)", re.DOTALL)
_BLANK = re.compile(r"\n[ \t]*\n+")
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+")
_WHOLE = re.compile(r"^[ \t]*(?:#|\||```|>|---)", re.MULTILINE)
_INNER = re.compile(r"^(?=#{1,5}[ \t])", re.MULTILINE)
_ADDED = re.compile(r"\s*\([^()]*\)(?=\??$)")  # what makes a part of a question stand alone, in brackets
_TOLD_TO = re.compile(r"^(?:compare|contrast|explain|describe|summari[sz]e|list)\s+(?=\w)", re.IGNORECASE)
_NAME = re.compile(r"\bf\d+\b")
_LONGEST_HEADING = 120
_MOST_MARKS = 3
_MARKED = len(" [f999, f999, f999]\n\n- ")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a text that stays whole: a sentence with its marks, an item, or a block as it is."""

    text: str
    item: bool = False

    @property
    def key(self) -> str:
        return " ".join(re.findall(r"\w+", _MARKS.sub("", self.text).lower()))

    @property
    def words(self) -> int:
        return len(_MARKS.sub("", self.text).split())


def heading(goal: str, longest: int = _LONGEST_HEADING) -> str:
    """A heading in the words of a goal, without what it says of the making; cut at a word."""
    words = _ADDED.sub("", subject(goal)).strip().rstrip(".:;,?! ") or goal.strip()
    bare = _TOLD_TO.sub("", words)
    words = f"{bare[:1].upper()}{bare[1:]}"
    if len(words) > longest:
        words = words[: longest + 1].rpartition(" ")[0] or words[:longest]
    return words


def section(
    question: Question, units: Sequence[Unit], vectors: Vectors | None, *, listed: bool, longest: int = 6_000
) -> tuple[str, list[str]]:
    """One section's text, and what stays open: the relevant findings, by document and in its order."""
    relevance = judge(question, units, vectors)
    merged = distinct(question, units, vectors, worth_stating(units, relevance, longest))
    kept = _within(units, merged, longest)
    paragraphs = [
        _paragraph(list(part), units, merged, listed=listed)
        for _, part in groupby(_in_order(units, kept), key=lambda index: _place(units[index]))
    ]
    return "\n\n".join(paragraphs), open_facets(question, units, relevance)


def document(
    question: Question,
    units: Sequence[Unit],
    vectors: Vectors | None,
    drafts: Iterable[Draft],
    *,
    layout: str,
    words: int | None = None,
    longest: int = 60_000,
) -> str:
    """A document of the sections that were drafted, without what they repeat; else of one a source.

    `layout` is `sections`, `list` or `flowing` (paragraphs without headings). Of more than `words` words the
    least relevant sentences are left out.
    """
    parts = [(each.heading, _pieces(each.text)) for each in drafts if each.kind == "section"]
    if not parts:
        parts = _by_source(question, units, vectors, listed=layout == "list", longest=longest)
    relevance = judge(question, units, vectors)
    worth = {unit.id: float(total) for unit, total in zip(units, relevance.total, strict=True)}
    parts = _shorter(_without_repeats(parts, _at_home(parts, question, units, relevance)), worth, words)
    texts = [
        "\n\n".join(([f"## {name}"] if name and layout != "flowing" else []) + [_written(pieces)])
        for name, pieces in parts
    ]
    return _cut("\n\n".join(texts), longest)


def joined(drafts: Iterable[Draft], longest: int = 60_000) -> str:
    """Several works as one, each under its own name or its maker's, without what was said before."""
    works = [each for each in drafts if each.kind == "work"]
    if len(works) == 1:
        return works[0].text
    named = [(each.heading or _maker(each.by), _pieces(_INNER.sub("#", each.text))) for each in works]
    texts = ["\n\n".join(([f"## {name}"] if name else []) + [_written(pieces)])
             for name, pieces in _without_repeats(named)]  # fmt: skip
    return _cut("\n\n".join(texts), longest)


def _maker(by: str) -> str:
    name = by.rpartition(":")[2].replace("_", " ")
    return f"{name[:1].upper()}{name[1:]}"


def _within(units: Sequence[Unit], merged: dict[int, list[int]], longest: int) -> list[int]:
    """As many of the units, the best first, as have room; the first always."""
    kept: list[int] = []
    for index in merged:
        length = len(units[index].plain) + _MARKED
        if not kept or length <= longest:
            kept.append(index)
            longest -= length
    return kept


def _in_order(units: Sequence[Unit], kept: list[int]) -> list[int]:
    """By document, the one with the best first, and in each by place; what was computed last."""
    documents = list(dict.fromkeys(units[index].source for index in kept))
    return sorted(
        kept,
        key=lambda each: (
            bool(units[each].computed),
            documents.index(units[each].source),
            units[each].start,
        ),
    )


def _place(unit: Unit) -> tuple[str, str, bool]:
    return unit.source, unit.heading, bool(unit.computed)


def _paragraph(
    indexes: list[int], units: Sequence[Unit], merged: dict[int, list[int]], *, listed: bool
) -> str:
    """Sentences with their marks; a list where one is asked for, and of what was computed always."""
    said = [f"{ended(units[index].plain)} [{_marks(units, merged[index])}]" for index in indexes]
    as_list = listed or bool(units[indexes[0]].computed)
    return "\n".join(f"- {each}" for each in said) if as_list else apart(said)


def _marks(units: Sequence[Unit], twins: list[int]) -> str:
    return ", ".join(dict.fromkeys(units[twin].id for twin in twins[:_MOST_MARKS]))


def _by_source(
    question: Question, units: Sequence[Unit], vectors: Vectors | None, *, listed: bool, longest: int
) -> list[tuple[str, list[_Piece]]]:
    """One part a source, under its title."""
    relevance: Relevance = judge(question, units, vectors)
    merged = distinct(question, units, vectors, worth_stating(units, relevance, longest))
    kept = _in_order(units, _within(units, merged, longest))
    parts: list[tuple[str, list[_Piece]]] = []
    for _, whole in groupby(kept, key=lambda index: units[index].source):
        indexes = list(whole)
        texts = [
            _paragraph(list(part), units, merged, listed=listed)
            for _, part in groupby(indexes, key=lambda index: _place(units[index]))
        ]
        parts.append((units[indexes[0]].title, _pieces("\n\n".join(texts))))
    return parts


def _pieces(text: str) -> list[_Piece]:
    """A text taken apart; between paragraphs stands an empty piece."""
    pieces: list[_Piece] = []
    for block in _BLANK.split(text.strip()):
        if pieces:
            pieces.append(_Piece(""))
        if _WHOLE.search(block):
            pieces.append(_Piece(block))
        elif _ITEM.match(block):
            pieces += [_Piece(line, item=True) for line in _items(block)]
        else:
            pieces += [_Piece(match[0].strip()) for match in _CARRIED.finditer(block)]
    return pieces


def _items(block: str) -> list[str]:
    """The items of a list, each with the lines that go on with it."""
    items: list[str] = []
    for line in block.splitlines():
        if _ITEM.match(line) or not items:
            items.append(line)
        else:
            items[-1] += f"\n{line}"
    return items


def _written(pieces: list[_Piece]) -> str:
    """Pieces as text again: sentences in paragraphs, items in lines."""
    blocks: list[str] = []
    for empty, part in groupby(pieces, key=lambda piece: not piece.text):
        if not empty:
            blocks += [
                ("\n" if item else " ").join(each.text for each in run)
                for item, run in groupby(part, key=lambda piece: piece.item)
            ]
    return "\n\n".join(blocks)


def _at_home(
    parts: list[tuple[str, list[_Piece]]], question: Question, units: Sequence[Unit], relevance: Relevance
) -> dict[str, int]:
    """For sentences that stand in several parts, the part whose facet of the question they answer best."""
    facets = [heading(facet.query) for facet in question.facets]
    columns = {number: facets.index(name) for number, (name, _) in enumerate(parts) if name in facets}
    rows = {unit.id: number for number, unit in enumerate(units)}
    places: dict[str, list[int]] = {}
    home: dict[str, int] = {}
    for number, (_, pieces) in enumerate(parts):
        for piece in pieces:
            places.setdefault(piece.key, []).append(number)
            cited = [rows[name] for name in _NAME.findall(piece.text) if name in rows]
            offered = [each for each in places[piece.key] if each in columns]
            if piece.key and cited and len(offered) > 1:
                home[piece.key] = max(
                    offered, key=lambda each: float(relevance.by_facet[cited[0], columns[each]])
                )
    return home


def _without_repeats(
    parts: list[tuple[str, list[_Piece]]], home: Mapping[str, int] | None = None
) -> list[tuple[str, list[_Piece]]]:
    """Each sentence once: where it is at `home`, else where it stands first; an empty part goes."""
    seen: set[str] = set()
    kept: list[tuple[str, list[_Piece]]] = []
    for number, (name, pieces) in enumerate(parts):
        fresh: list[_Piece] = []
        for piece in pieces:
            elsewhere = (home or {}).get(piece.key, number) != number
            if not piece.key or not (elsewhere or piece.key in seen):
                fresh.append(piece)
            if not elsewhere:
                seen.add(piece.key)
        if any(piece.text for piece in fresh):
            kept.append((name, fresh))
    return kept


def _shorter(
    parts: list[tuple[str, list[_Piece]]], worth: dict[str, float], words: int | None
) -> list[tuple[str, list[_Piece]]]:
    """At most so many words: the sentences whose findings are least relevant go first, never the last one."""
    if words is None:
        return parts
    cited = [piece for _, pieces in parts for piece in pieces if _MARKS.search(piece.text)]
    ranked = sorted(cited, key=lambda piece: max(worth.get(name, 0.0) for name in _NAME.findall(piece.text)))
    over = sum(piece.words for _, pieces in parts for piece in pieces) - words
    gone: set[str] = set()
    for piece in ranked[:-1]:
        if over <= 0:
            break
        gone.add(piece.key)
        over -= piece.words
    left = [(name, [piece for piece in pieces if piece.key not in gone]) for name, pieces in parts]
    return [(name, pieces) for name, pieces in left if any(piece.text for piece in pieces)]


def _cut(text: str, longest: int) -> str:
    """Whole paragraphs of a text, as many as have room."""
    while len(text) > longest and "\n\n" in text:
        text = text.rpartition("\n\n")[0]
    return text
