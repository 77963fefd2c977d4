"""How far a statement is carried by the quotes that it cites, each looked up in the snapshot of its source.

Lexical, with the cosine of vectors where there is an embedder. A quote counts only where it stands verbatim,
and is read with the sentence around it: cut out of a denial, or of an order to whoever reads, it carries
nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.memory.capturing.refusing import orders, secret
from atlas_mcp.text.denial import denied_otherwise
from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.support import NEGATION, NOT_NEGATING, lexical_support, numbers_supported
from atlas_mcp.text.verbatim import locate
from atlas_mcp.text.words import content_words, stem, stems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_mcp.memory.capturing.candidates import Cited

__all__ = ["Carried", "Standing", "carried", "standing"]

FROM, TO = 0.35, 0.75
"""Shares of a statement's content words in its quotes by which it is not carried at all, and wholly."""

NEAR_FROM, NEAR_TO, NEAR_LEAST = 0.55, 0.85, 0.45
"""The same for the cosine of statement and quote, which counts only with so many shared words."""

CLAUSE = 0.3
"""Words that each part of a statement shares with its quotes: a true beginning carries no invented end."""

ALIKE, NEARLY_ONE = 0.5, 0.8
"""Shares of all their words from which a statement and its source must deny alike, and as often."""

BESIDE = 0.6
"""Share of the words in the nearest sentence of a quote by which another is near enough for its numbers."""

INVENTED = 4
"""Content words in a row that no quote has: a detail that somebody added."""

AROUND = 700
"""Characters before and after a quote in which the sentences that it belongs to are looked for."""

_CLAUSES = re.compile(
    r"\s*(?:[;:]|,\s+(?:and|but|so|while|whereas|which|who|of wh\w+|where|because|otherwise|then)\b)\s*"
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|could|may|might|must|should|shall|will|would|does|do|did"
    r"|cannot)\b"
)
_NAME = re.compile(r"(?<=\S )[A-Z][\w-]*|\b\w*[a-z][A-Z]\w*|\b[A-Z]{2,}\b|\b[A-Za-z]+\d\w*")
_COMMON_CAPITALS = frozenset(
    {"I", "MUST", "SHOULD", "SHALL", "MAY", "NOT", "REQUIRED", "OPTIONAL", "RECOMMENDED"}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A quote that stands in its source: as cited, with the sentences around it, and what leads up to it."""

    cited: Cited
    around: str
    before: str


@dataclass(frozen=True, slots=True)
class Carried:
    """How far a statement is carried, 0 to 1, or why not at all; `sources` that carry it, each by itself."""

    share: float
    sources: int = 0
    reason: str = ""


def standing(cited: Sequence[Cited], snapshots: Mapping[str, str]) -> list[Standing]:
    """Those of the quotes that stand verbatim in the snapshots of their sources, by sha256."""
    found: list[Standing] = []
    for each in cited:
        text = snapshots.get(each.sha256, "")
        place = locate(each.quote, text, each.start) if text else None
        if place is None:
            continue
        start, end = max(0, place[0] - AROUND), min(len(text), place[1] + AROUND)
        touched = [
            sentence.text
            for sentence in sentences(text[start:end])
            if start + sentence.start < place[1] and start + sentence.end > place[0]
        ]
        around = " ".join(touched) or text[place[0] : place[1]]
        found.append(Standing(each, around, f"{each.title}. {text[start : place[0]]}"))
    return found


def carried(text: str, quotes: Sequence[Standing], cosine: float | None = None) -> Carried:
    """How far quotes carry a statement; `cosine` is the nearest quote's, None without an embedder."""
    said = [f"{each.cited.title}: {each.cited.quote}" for each in quotes]
    if reason := next(_against(text, quotes, said), ""):
        return Carried(0, reason=reason)
    share = _share(text, said, cosine)
    alone = {
        each.cited.uri or each.cited.sha256
        for each, one in zip(quotes, said, strict=True)
        if numbers_supported(text, [one]) and _ramp(lexical_support(text, [one]), FROM, TO) >= share / 2
    }
    return Carried(share, len(alone))


def _against(text: str, quotes: Sequence[Standing], said: Sequence[str]) -> Iterator[str]:
    """What speaks against a statement, whatever words it shares with its quotes."""
    if not quotes:
        yield "it has no evidence: no quote of it stands in a source"
        return
    around = [each.around for each in quotes]
    for each in around:
        if found := orders(each) or secret(each):
            yield f"the document around its quote is not to be trusted: {found}"
    if not numbers_supported(text, said):
        yield "it has a number that its quotes do not have"
    yield from (
        f"{what} {found[:100]!r}"
        for what, found in (
            ("its quotes say it of something else, the number in", _stray_number(text, said)),
            (
                "its sources do not name",
                _strange_name(text, [*said, *around, *(each.before for each in quotes)]),
            ),
            ("it or its source denies, and the other does not,", denied_otherwise(text, around)),
            ("it or its source denies, and the other does not,", _turned(text, around)),
            ("its quotes do not carry", _bare_part(text, said) or _bare_run(text, said)),
        )
        if found
    )


def _share(text: str, said: Sequence[str], cosine: float | None) -> float:
    words = max(lexical_support(text, said), lexical_support(text, [" ".join(said)]))
    share = _ramp(words, FROM, TO)
    if cosine is not None and words >= NEAR_LEAST:
        share = max(share, _ramp(cosine, NEAR_FROM, NEAR_TO))
    return share


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _strange_name(text: str, sources: Sequence[str]) -> str:
    """A name in the statement that neither its quotes nor what leads up to them have."""
    known = {each for source in sources for each in stems(source)}
    return next(
        (
            match[0]
            for match in _NAME.finditer(text)
            if match[0] not in _COMMON_CAPITALS and not match[0].isdigit()
            and any(stem(word) not in known for word in content_words(match[0]))
        ),
        "",
    )  # fmt: skip


def _stray_number(text: str, said: Sequence[str]) -> str:
    """A sentence whose numbers do not stand in those sentences of the quotes that share its words."""
    told = [each for one in said for each in sentences(one)]
    bags = [frozenset(stems(each.text)) for each in told]
    for sentence in sentences(text):
        own = frozenset(each for each in stems(sentence.text) if not each[0].isdigit())
        shared = [len(own & bag) for bag in bags]
        most = max(shared, default=0)
        near = [each.text for each, count in zip(told, shared, strict=True) if count >= most * BESIDE]
        if most and not numbers_supported(sentence.text, near):
            return sentence.text
    return ""


def _turned(text: str, around: Sequence[str]) -> str:
    """The sentence or clause of the sources that says nearly the same, if one of the two denies it."""
    own = frozenset(stems(text))
    parts = [part for each in around for sentence in sentences(each) for part in _parts(sentence.text)]
    bags = {part: frozenset(stems(part)) for part in parts}
    alike = {part: len(own & bag) / len(own | bag) for part, bag in bags.items() if bag and own}
    nearest = max(alike, key=lambda part: alike[part], default="")
    if not nearest or alike[nearest] < ALIKE:
        return ""
    ours, theirs = _denials(text), _denials(nearest)
    # Of two that are nearly one, each word of denial counts; of others, whether there is any.
    turned = ours != theirs if alike[nearest] >= NEARLY_ONE else bool(ours) != bool(theirs)
    return nearest if turned else ""


def _denials(text: str) -> int:
    return len(NEGATION.findall(NOT_NEGATING.sub(" ", text)))


def _parts(sentence: str) -> list[str]:
    clauses = [each for each in _CLAUSES.split(sentence) if each]
    return [sentence, *clauses] if len(clauses) > 1 else [sentence]


def _bare_run(text: str, said: Sequence[str]) -> str:
    """So many words one after the other of which the quotes have none."""
    known = {each for one in said for each in stems(one)}
    run: list[str] = []
    for word in content_words(text):
        run = [] if stem(word) in known else [*run, word]
        if len(run) >= INVENTED:
            return " ".join(run)
    return ""


def _bare_part(text: str, said: Sequence[str]) -> str:
    """A part of the statement, its subject or a clause, of which the quotes have next to nothing."""
    verb = _VERB.search(text)
    parts = [each for each in _CLAUSES.split(text) if each]
    if verb and len(parts[0]) > verb.start() > 0:
        subject = text[: verb.start()]
        if stems(subject) and lexical_support(subject, [" ".join(said)]) < CLAUSE:
            return subject.strip()
    return next(
        (
            each for each in parts[1:]
            if len(set(stems(each))) > 1 and lexical_support(each, [" ".join(said)]) < CLAUSE
        ),
        "",
    )  # fmt: skip
