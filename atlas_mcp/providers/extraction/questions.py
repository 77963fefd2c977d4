"""What a question asks: its facets, what sort of sentence answers each, and who is to act.

It reads the question's own words and nothing else, and knows no material. The clues are English; where none
is found a facet is of no special kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from atlas_mcp.providers.extraction.facets import asks, split_question
from atlas_mcp.text.words import stems

__all__ = ["Facet", "Kind", "Question", "read_question"]


class Kind(StrEnum):
    """What sort of sentence would answer."""

    DEFINITION = "definition"
    RULE = "rule"
    DUTY = "duty"
    BAN = "ban"
    QUANTITY = "quantity"
    REASON = "reason"
    CHANGE = "change"
    CONDITION = "condition"
    MANNER = "manner"


_CLUES = {
    Kind.DEFINITION: r"\bwhat(?:\s+exactly)?(?:'s|\s+is|\s+are|\s+does\b.*\bmean)|\bdefin|\bwho is\b",
    Kind.RULE: (
        r"\b(?:must|should|shall|may|required?|requirements?|allowed|permitted|forbidden|obliged|mandatory"
        r"|have to|has to|needs? to|supposed to|can(?:not)?|rules?)\b"
    ),
    Kind.DUTY: r"\bwhat\s+(?:must|should|shall|do|does|did|has|have|needs?)\b.*\bdo\b",
    Kind.BAN: (
        r"\b(?:must|should|shall|may|can)\s+(?:\w+\s+){0,3}(?:never|not)\b|\bnever\b|\bforbidden\b|\bprohibit"
        r"|\bnot allowed\b|\bavoid|\bcannot\b"
    ),
    Kind.QUANTITY: (
        r"\bhow (?:many|much|long|often|large|big|fast|far|old)\b|\b(?:limits?|maximum|minimum|size|number of"
        r"|percent\w*|price|costs?|date|which year|what year|timeout|port|codes?|version numbers?)\b"
    ),
    Kind.REASON: r"\bwhy\b|\breasons?\b|\bpurpose\b|\brationale\b|\bwhat for\b|\bcauses?\b",
    Kind.CHANGE: (
        r"\b(?:chang\w+|new in|differs? from|removed?|deprecat\w+|replac\w+|introduc\w+|migrat\w+|no longer"
        r"|since|breaking)\b"
    ),
    Kind.CONDITION: r"^\W*(?:and\s+)?when\b|\bin (?:which|what) cases?\b|\bunder what\b|\bwhat if\b",
    Kind.MANNER: r"\bhow\b|\bsteps?\b|\bprocess\b|\bprocedure\b|\bmechanism\b|\bway to\b",
}
_KINDS = {kind: re.compile(clue) for kind, clue in _CLUES.items()}
_MONTH = re.compile(r"\bMay\b")
_ACTOR = re.compile(
    r"\b(?:must|should|shall|can|may|might|does|do|did|will|would|has to|have to|needs? to)\s+(?:not\s+)?"
    r"(?:an?\s+|the\s+|its\s+|their\s+)*((?:[a-z][\w-]+\s*){1,3})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Facet:
    """One part of a question.

    `text` is the part as it was asked, `query` has the shared words that make it stand alone; `kinds` say
    what sort of sentence answers it, and `actors` who is to act (stems, may be empty).
    """

    text: str
    query: str
    kinds: frozenset[Kind]
    actors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read: its whole text and its facets, at least one."""

    text: str
    facets: tuple[Facet, ...]


def read_question(text: str) -> Question:
    """The question taken apart; a text without recognisable parts is its own only facet."""
    whole = " ".join(text.split())
    return Question(whole, tuple(_facet(part.text, part.query) for part in split_question(whole)))


def _facet(text: str, query: str) -> Facet:
    plain = (text[:1] + _MONTH.sub("", text[1:])).lower()
    kinds = frozenset(kind for kind, clue in _KINDS.items() if clue.search(plain))
    if not kinds and not asks(text):
        kinds = frozenset({Kind.DEFINITION})  # a bare topic
    if Kind.CONDITION in kinds:  # "when should it …" asks for the case, not for a rule or who is under it
        return Facet(text, query, kinds - {Kind.RULE, Kind.DUTY}, frozenset())
    if Kind.BAN in kinds:
        kinds -= {Kind.RULE}
    return Facet(text, query, kinds, _actors(text))


def _actors(text: str) -> frozenset[str]:
    """The first noun behind each auxiliary, and plurals close behind it."""
    found: set[str] = set()
    for match in _ACTOR.finditer(text):
        words = match[1].split()
        nouns = words[:1] + [word for word in words[1:] if word.endswith("s") and not word.endswith("ss")]
        found.update(stems(" ".join(nouns)))
    return frozenset(found)
