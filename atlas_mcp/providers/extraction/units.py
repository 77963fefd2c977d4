"""What can be quoted: stretches of a text that a reader understands without what stood around them.

A unit is a whole sentence; or a sentence that leans on the one before it, with that one; or a line that
introduces a list, with its items; of what was computed, a line. Always one verbatim slice. Nothing here knows
a question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.computing.calculation import is_computed, read
from atlas_mcp.providers.extraction.clues import leads_on, leans
from atlas_mcp.providers.extraction.plain import plain_text
from atlas_mcp.text.sentences import Sentence, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from atlas_mcp.messages import Finding, Passage

__all__ = ["Unit", "unit_of_finding", "units_of_passages"]

_LONGEST = 640  # characters of a quote that is more than one sentence
_MOST_SENTENCES = 3
_LEAST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """Something quotable: `text` is the slice `start` to `end` of its source, `plain` the same to read.

    `id` is the passage's or the finding's, `source` names the document. `computed` is what a line of results
    says was computed; elsewhere it is empty.
    """

    id: str
    source: str
    title: str
    heading: str
    start: int
    end: int
    text: str
    plain: str
    computed: str = ""


@dataclass(slots=True)
class _Block:
    """A paragraph or list item: its sentences, and how far it is indented (-1 for a paragraph)."""

    sentences: list[Sentence]
    indent: int

    @property
    def start(self) -> int:
        return self.sentences[0].start

    @property
    def end(self) -> int:
        return self.sentences[-1].end


def unit_of_finding(finding: Finding) -> Unit:
    """A finding's quote as a unit."""
    place = finding.location
    results = _results(finding.quote)
    return Unit(
        finding.id,
        finding.source_id,
        finding.title,
        place.heading or "",
        place.start,
        place.end,
        finding.quote,
        " ".join(finding.quote.split()) if results else plain_text(finding.quote),
        results,
    )


def units_of_passages(passages: Iterable[Passage]) -> list[Unit]:
    """Every unit of every passage, in order; where passages overlap, each stretch once."""
    seen: set[tuple[str, int, int]] = set()
    units: list[Unit] = []
    for passage in passages:
        for unit in _units(passage):
            place = (unit.source, unit.start, unit.end)
            if place not in seen:
                seen.add(place)
                units.append(unit)
    return units


def _results(quote: str) -> str:
    """What the lines of a quote say was computed; empty where one of them says something else."""
    lines = [line for line in quote.splitlines() if line.strip()]
    found = read(quote)
    if not found or len(found) < len(lines) or not all(each.inputs for each in found):
        return ""
    return "; ".join(each.expression for each in found)


def _lines(passage: Passage) -> Iterator[Unit]:
    """The lines of a computation, each a result; what stands around them is no result."""
    source, heading, at = passage.source, passage.heading or "", 0
    for line in passage.text.splitlines(keepends=True):
        text = line.strip().removeprefix("- ")
        for result in read(text):
            start = at + line.index(text)
            where = passage.start + start, passage.start + start + len(text)
            yield Unit(
                passage.id, source.sha256, source.title, heading, *where, text, text, result.expression
            )
        at += len(line)


def _units(passage: Passage) -> Iterator[Unit]:
    if is_computed(passage.source):
        yield from _lines(passage)
        return
    found = sentences(passage.text, heading=passage.heading)
    blocks = _blocks(passage.text, found)
    for first, last, heading in _spans(blocks):
        text = passage.text[first:last]
        plain = plain_text(text)
        if len(plain.split()) >= _LEAST_WORDS:
            source = passage.source
            where = passage.start + first, passage.start + last
            yield Unit(passage.id, source.sha256, source.title, heading or "", *where, text, plain)


def _blocks(text: str, found: Sequence[Sentence]) -> list[_Block | None]:
    """The sentences by paragraph and item; None where a heading, code or markup stands between."""
    blocks: list[_Block | None] = []
    for sentence in found:
        if sentence.kind not in {"prose", "item", "row"}:
            blocks.append(None)
            continue
        last = blocks[-1] if blocks else None
        gap = text[last.end : sentence.start] if last else ""
        if last and last.sentences[-1].kind == sentence.kind and not gap.strip() and "\n\n" not in gap:
            last.sentences.append(sentence)
            continue
        line = text.rfind("\n", 0, sentence.start) + 1
        lead = text[line : sentence.start]
        indent = -1 if sentence.kind != "item" else len(lead) - len(lead.lstrip(" \t>"))
        blocks.append(_Block([sentence], indent))
    return blocks


def _spans(blocks: Sequence[_Block | None]) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and heading of every unit."""
    led_to = -1
    for index, block in enumerate(blocks):
        if block is None:
            continue
        last = block.sentences[-1]
        run = _run(blocks, index) if leads_on(plain_text(last.text)) else index
        inside = index <= led_to
        if not inside:
            yield from _sentence_spans(block, whole=run > index)
        if run > index:
            end = blocks[run]
            if end is not None and end.end - last.start <= _LONGEST:
                if not inside:
                    yield last.start, end.end, last.heading
                led_to = max(led_to, run)


def _run(blocks: Sequence[_Block | None], index: int) -> int:
    """The last of the items that the block at `index` leads to; `index` itself where there is none."""
    head, last = blocks[index], index
    for number in range(index + 1, len(blocks)):
        item = blocks[number]
        if head is None or item is None or item.indent <= head.indent:
            break
        last = number
    return last


def _sentence_spans(block: _Block, *, whole: bool) -> Iterator[tuple[int, int, str | None]]:
    """Each sentence, with those before it on which it leans; the last not alone where it leads to a list."""
    found = block.sentences
    plains = [plain_text(sentence.text) for sentence in found]
    for index, sentence in enumerate(found):
        if whole and index == len(found) - 1:
            break
        first = index
        while (
            first > 0
            and leans(plains[first])
            and index - first + 1 < _MOST_SENTENCES
            and sentence.end - found[first - 1].start <= _LONGEST
        ):
            first -= 1
        yield found[first].start, sentence.end, sentence.heading
