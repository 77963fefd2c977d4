"""Any text measured as it is: against sources where there are some, and against itself.

A text that cites is measured by the librarian; this is for one that does not. What cannot be measured does
not apply, and is not passed: without sources nothing can be said of truth.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.quality.consistency import OWN_PARTS, OWN_TITLES, own_parts, told_sentences
from atlas_mcp.quality.librarian import PARTS, Work, measure
from atlas_mcp.quality.measured import TITLES, Measures, Part, Reason
from atlas_mcp.text.passages import passages
from atlas_mcp.text.readability import readability
from atlas_mcp.text.support import numbers
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.text.readability import Readability

__all__ = ["MEASURES", "MEASURE_TITLES", "Measured", "measure_text", "measured_too"]

MEASURES = (*PARTS, *OWN_PARTS)
"""The names of all measures, in order; a rubric's criterion may name any."""

MEASURE_TITLES = {**TITLES, **OWN_TITLES}
"""Each measure as a person reads it: what 100 % of it means."""

_CITED = frozenset({"citation_coverage", "dangling_citations", "completeness"})
"""Parts that speak of citations or of a plan; they do not apply to a text that has neither."""

_WITHOUT_SOURCES = frozenset({"duplication"})

_NEAREST = 8
"""Passages that a sentence is held against; of 400 reworded sentences 2 more are called unsupported so."""

_QUOTES = re.compile(r"[\"\u201c\u201e]")


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was measured of a text: the measures, and how it reads."""

    measures: Measures
    read: Readability

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the measures' own, and `readability` with its figures."""
        return {
            **self.measures.to_dict(),
            "readability": {
                "reading_ease": self.read.ease,
                "grade": self.read.grade,
                "words": self.read.words,
                "words_per_sentence": self.read.per_sentence,
                "long_sentences": len(self.read.long),
                "note": self.read.note,
            },
        }


def measure_text(text: str, sources: Sequence[str] = ()) -> Measured:
    """The measures of a Markdown text that cites nothing, each sentence held against the `sources`.

    With sources the score says how far the text is carried by their words and numbers, and quotations in it
    are looked for in them; without, the score is None. Sources are texts of any length. It takes a second of
    computing for 10,000 words against as many, so long texts are best measured off the event loop.
    """
    shelf = _Shelf.of(sources)
    held = bool(shelf.texts)
    # Without sources an empty one stands in, for the one part that then still says something.
    quotes = shelf.texts or {"s1": ""}
    said = [{"text": each, "finding_ids": shelf.nearest(each) or ["s1"]} for each in told_sentences(text)]
    found = measure(Work(said, "", quotes))
    applying = frozenset(PARTS) - _CITED if held else _WITHOUT_SOURCES
    parts = tuple(
        _renamed(part) if part.name in applying else Part(part.name, None, 0) for part in found.parts
    )
    return measured_too(Measures(found.score if held else None, parts), text)


def measured_too(measures: Measures, text: str) -> Measured:
    """What the librarian measured of a text, and what can be measured of it without anything beside it."""
    read = readability(text)
    return Measured(replace(measures, parts=(*measures.parts, *own_parts(text, read))), read)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The sources, whole and in passages: texts by id, and by word and number the ids that have it."""

    texts: dict[str, str]
    whole: list[str]
    holders: dict[str, set[str]]
    counted: dict[str, set[str]]

    @classmethod
    def of(cls, sources: Sequence[str]) -> _Shelf:
        """The sources that say something, whole and cut into passages."""
        shelf = cls({}, [], {}, {})
        for number, source in enumerate((each for each in sources if each.strip()), start=1):
            name = f"s{number}"
            shelf.whole.append(name)
            shelf.texts[name] = source
            cut = [source[span.start : span.end] for span in passages(source)]
            pieces = {f"{name}.{place}": piece for place, piece in enumerate(cut)} if len(cut) > 1 else {}
            shelf.texts.update(pieces)
            for piece, text in (pieces or {name: source}).items():
                for word in stems(text):
                    shelf.holders.setdefault(word, set()).add(piece)
                for each in numbers(text):
                    shelf.counted.setdefault(each, set()).add(piece)
        return shelf

    def nearest(self, sentence: str) -> list[str]:
        """The passages that share most words with a sentence, and for each of its numbers one that has it.

        A quotation may go over the end of a passage, so a sentence that quotes has the whole sources.
        """
        if len(self.texts) <= _NEAREST or _QUOTES.search(sentence):
            return list(self.whole)
        shared = Counter(name for word in set(stems(sentence)) for name in self.holders.get(word, ()))
        ranked = sorted(shared, key=lambda name: (-shared[name], name))
        chosen = ranked[:_NEAREST] or list(self.whole[:1])
        for each in numbers(sentence):
            having = self.counted.get(each, set())
            if having and having.isdisjoint(chosen):
                chosen.append(min(having, key=lambda name: (-shared[name], name)))
        return chosen


_CLAIM = re.compile(r"\bclaim (?=\d)")


def _renamed(part: Part) -> Part:
    """The part with its reasons told of a text and its sources, where the librarian says claim and quote."""
    return replace(
        part,
        reasons=tuple(
            Reason(
                _CLAIM.sub("sentence ", each.where),
                each.quote,
                _CLAIM.sub("sentence ", each.reason)
                .replace("its quotes", "the sources")
                .replace("its quote denies", "its source denies"),
            )
            for each in part.reasons
        ),
    )
