"""What a question asks: its kinds, who it is about, and the facets it can be split into.

It reads the question's own words and nothing else, and knows no material. English clues are used where they
are found; a question in another language is one facet of no special kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from atlas_mcp.text.words import content_words, stems

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


_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.DEFINITION, re.compile(r"\bwhat(?:\s+exactly)?(?:'s|\s+is|\s+are|\s+does\b.*\bmean)|\bdefin|\bwho is\b")),
    (
        Kind.RULE,
        re.compile(
            r"\b(?:must|should|shall|may|required?|requirements?|allowed|permitted|forbidden|obliged"
            r"|mandatory|have to|has to|needs? to|supposed to|can(?:not)?|rules?)\b"
        ),
    ),
    (Kind.DUTY, re.compile(r"\bwhat\s+(?:must|should|shall|do|does|did|has|have|needs?)\b.*\bdo\b")),
    (
        Kind.BAN,
        re.compile(
            r"\b(?:must|should|shall|may|can)\s+(?:\w+\s+){0,3}(?:never|not)\b|\bnever\b|\bforbidden\b|\bprohibit"
            r"|\bnot allowed\b|\bavoid|\bcannot\b"
        ),
    ),
    (
        Kind.QUANTITY,
        re.compile(
            r"\bhow (?:many|much|long|often|large|big|fast|far|old)\b|\b(?:limits?|maximum|minimum|size|number of"
            r"|percent\w*|price|costs?|date|which year|what year|timeout|port|codes?|version numbers?)\b"
        ),
    ),
    (Kind.REASON, re.compile(r"\bwhy\b|\breasons?\b|\bpurpose\b|\brationale\b|\bwhat for\b|\bcauses?\b")),
    (
        Kind.CHANGE,
        re.compile(
            r"\b(?:chang\w+|new in|differs? from|removed?|deprecat\w+|replac\w+|introduc\w+|migrat\w+"
            r"|no longer|since|breaking)\b"
        ),
    ),
    (Kind.CONDITION, re.compile(r"^\W*(?:and\s+)?when\b|\bin (?:which|what) cases?\b|\bunder what\b|\bwhat if\b")),
    (Kind.MANNER, re.compile(r"\bhow\b|\bsteps?\b|\bprocess\b|\bprocedure\b|\bmechanism\b|\bway to\b")),
)

_MODAL = r"must|should|shall|can|may|might|does|do|did|will|would|has to|have to|needs? to"
_ACTOR = re.compile(
    rf"\b(?:{_MODAL})\s+(?:not\s+)?(?:an?\s+|the\s+|its\s+|their\s+)*((?:[a-z][\w-]+\s*){{1,3}})", re.IGNORECASE
)
_WH = (
    r"what|how|why|when|where|which|who|whom|whose|whether|should|must|can|could|may|might|does|do|did|is|are|was"
    r"|were|will|would|has|have"
)
_PART_END = re.compile(r"(?<=[?!;])\s+|(?<=[a-z\d)\"'])\.\s+(?=[A-Z])|\n+")
_CLAUSE = re.compile(rf",?\s+(?:and|or|but|as well as)\s+(?:also\s+)?(?=(?:(?:for|to|in|by|with|at|from|under)\s+)?(?:{_WH})\b(?!-))", re.IGNORECASE)
_ASKS = re.compile(rf"(?:(?:and|for|to|in|by|with|at|from|under)\s+)?(?:{_WH})\b", re.IGNORECASE)
_LEAD = re.compile(
    rf"^\W*(?:(?:and|so|then|also|please|{_WH}|explain|describe|compare|list|summari[sz]e|tell me|find(?: out)?"
    rf"|research|investigate)\b\s*)+",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|this|that|these|those|one|ones|he|she|his|her|so)\b", re.IGNORECASE)

_VERSUS = re.compile(r"\s+(?:versus|vs\.?|rather than|instead of|compared (?:to|with)|as opposed to)\s+", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween\s+(.+?)\s+and\s+(.+)$", re.IGNORECASE)
_DIFFER = re.compile(
    rf"^(?:{_WH}|\s)*\b(?:is|are|do|does)\s+(.+?)\s+(?:different|differs?|distinct)\s+from\s+(.+)$", re.IGNORECASE
)
_COMPARE = re.compile(r"\bcompare\s+(.+?)\s+(?:and|with|to)\s+(.+)$", re.IGNORECASE)
_TAIL = re.compile(
    r"\s+(?:for|in|of|on|with|when|under|by|at|during|from|as|regarding|concerning|about|to|within|while)\s.*$",
    re.IGNORECASE,
)
_PREPOSITION = frozenset(
    "about against among at between by concerning during for from in into of on over regarding to under "
    "via with within without through the a an both any all".split()
)
_FUNCTION = _PREPOSITION | frozenset(
    "and or but nor not no what how why when where which who whom whose whether should must can could may might "
    "does do did is are was were be been being will would shall has have had it its they them their this that "
    "these those there if then than as so also each every either neither compare explain describe list "
    "summarise summarize find".split()
)
_LIST = re.compile(r"((?:[^\s,]+\s+){0,2}[^\s,]+(?:,\s+(?:[^\s,]+\s+){0,2}[^\s,]+)*),?\s+(?:and|or)\s+")
_LONGEST_CONJUNCT = 3
_SHORT = 2


@dataclass(frozen=True, slots=True)
class Facet:
    """One part of a question.

    `text` is the part as it was asked, `query` has the shared words that make it stand alone; `kinds` say what
    sort of sentence answers it, and `actors` who is to act (content words, may be empty).
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
    return Question(whole, _facets(whole))


def _facet(text: str, query: str) -> Facet:
    lowered = text.replace(" May", " ").lower()  # the month is no permission
    kinds = frozenset(kind for kind, clue in _KINDS if clue.search(lowered))
    if not kinds and not _ASKS.match(text):
        kinds = frozenset({Kind.DEFINITION})  # a bare topic
    if Kind.CONDITION in kinds:  # "when should it …" asks for the case, not for a rule or who is under it
        return Facet(text, query, kinds - {Kind.RULE, Kind.DUTY}, frozenset())
    return Facet(text, query, kinds, _actors(text))


def _actors(text: str) -> frozenset[str]:
    """The first noun behind each auxiliary, and plurals close behind it."""
    found: set[str] = set()
    for match in _ACTOR.finditer(text):
        words = match[1].split()
        nouns = words[:1] + [word for word in words[1:] if word.endswith("s") and not word.endswith("ss")]
        found.update(stems(" ".join(nouns)))
    return frozenset(found)


def _facets(whole: str) -> tuple[Facet, ...]:
    texts = [clause for part in _PART_END.split(whole) for clause in _CLAUSE.split(part)]
    clauses = [_asked(clause.strip(" ,;")) for clause in texts if content_words(clause)]
    facets: list[Facet] = []
    subject: list[str] = []
    for clause in clauses:
        facet = _attached(clause, subject)
        facets += [_facet(each, each) for each in _alternatives(clause)] if facet.query == clause else [facet]
        subject = subject or _in_order(_LEAD.sub("", clause))
    unique = {facet.query.lower().rstrip(" ?.!"): facet for facet in reversed(facets)}
    return tuple(reversed(unique.values())) or (_facet(whole, whole),)


def _asked(clause: str) -> str:
    """The clause as a question of its own: a capital letter first, and its mark where it asks."""
    mark = "?" if _ASKS.match(clause) and clause[-1] not in "?!." else ""
    return f"{clause[:1].upper()}{clause[1:]}{mark}"


def _in_order(text: str) -> list[str]:
    """The words of `text` that carry content, as they are written."""
    return [word for word in re.findall(r"[\w][\w./-]*", text) if content_words(word)]


def _attached(clause: str, subject: list[str]) -> Facet:
    """The clause, with the subject's words behind it when it cannot be searched alone."""
    own = stems(clause)
    shared = set(stems(" ".join(subject))) & set(own)
    alone = len(own) > 1 and (shared or len(own) > _SHORT) and not _PRONOUN.search(clause)
    missing = [word for word in subject if not set(stems(word)) & set(own)]
    if alone or not missing:
        return _facet(clause, clause)
    return _facet(clause, f"{clause.rstrip(' ?.!')} ({', '.join(missing)})?")


def _alternatives(clause: str) -> list[str]:
    """The clause once for each thing it compares or enumerates; itself where it does neither."""
    for split in (_between, _versus, _enumeration):
        if parts := split(clause):
            return parts
    return [clause]


def _between(clause: str) -> list[str]:
    match = _BETWEEN.search(clause) or _COMPARE.search(clause) or _DIFFER.search(clause)
    if match is None:
        return []
    second = match[2].rstrip(" ?.!")
    bare = _TAIL.sub("", second)
    tail = second[len(bare) :]
    if not content_words(match[1]) or not content_words(bare) or _PRONOUN.fullmatch(bare):
        return []
    return [f"{side[:1].upper()}{side[1:]}{tail}" for side in (match[1], bare)]


def _versus(clause: str) -> list[str]:
    pieces = _VERSUS.split(clause.rstrip(" ?.!"), maxsplit=1)
    if len(pieces) == 1:
        return []
    left, right = pieces
    mark = "?" if clause.endswith("?") else ""
    bare = _TAIL.sub("", right)
    tail = right[len(bare) :]
    stem, first = _first_conjunct(left, "", len(bare.split()))
    if not content_words(bare) or not content_words(first):
        return []
    return [" ".join(f"{stem} {item}{tail}{mark}".split()) for item in (first, bare)]


def _enumeration(clause: str) -> list[str]:
    """`left A, B and C right` as `left A right`, `left B right`, `left C right`; nothing where unsure."""
    match = _LIST.search(clause)
    if match is None:
        return []
    last, right = _last_conjunct(clause[match.end() :])
    items = [item.strip() for item in match[1].split(",")]
    left, items[0] = _first_conjunct(clause[: match.start()], items[0], len(last.split()))
    conjuncts = [*items, last]
    if not all(0 < len(item.split()) <= _LONGEST_CONJUNCT and content_words(item) for item in conjuncts):
        return []
    if any(word.lower() in _FUNCTION for item in conjuncts for word in item.split()):
        return []
    return [" ".join(f"{left} {item}{right}".split()) for item in conjuncts]


def _last_conjunct(rest: str) -> tuple[str, str]:
    """The words up to the end of the clause or a preposition, and what follows; empty where neither comes."""
    words = rest.split()
    for count, word in enumerate(words):
        if word.lower() in _PREPOSITION - {"the", "a", "an", "both", "any", "all"}:
            return " ".join(words[:count]), " " + " ".join(words[count:])
        if word.lower() in _FUNCTION:
            return "", rest
        if word[-1] in "?.!,;:":
            bare = word.rstrip("?.!,;:")
            return " ".join([*words[:count], bare]), " ".join([word[len(bare) :], *words[count + 1 :]])
    return " ".join(words), ""


def _first_conjunct(before: str, item: str, size: int) -> tuple[str, str]:
    """What stands before an enumeration, and its first item: after a preposition whole, else of like length."""
    words = [*before.split(), *item.split()]
    run = 0
    while run < len(words) and words[-1 - run].lower() not in _FUNCTION:
        run += 1
    bounded = run == len(words) or words[-1 - run].lower() in _PREPOSITION
    taken = run if bounded and run < _LONGEST_CONJUNCT else min(run, max(1, size))
    return " ".join(words[: len(words) - taken]), " ".join(words[len(words) - taken :])
