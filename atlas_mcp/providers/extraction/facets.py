"""A question split into parts that can each be searched for alone, made of the question's own words.

The splitting is by rule and errs towards leaving whole: a facet that means something else misleads, an
unsplit question does not. It is made for English; another language is one facet.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from atlas_mcp.text.words import content_words, stems

__all__ = ["ASKING", "Part", "asks", "compared_things", "split_question"]

ASKING = (
    r"what|how|why|when|where|which|who|whom|whose|whether|should|must|can|could|may|might|does|do|did|is|are"
    r"|was|were|will|would|has|have"
)
"""The words that begin a question, as alternatives of a regular expression."""

_LED_BY = r"(?:for|to|in|by|with|at|from|under)\s+"
_ASKS = re.compile(rf"(?:and\s+)?(?:{_LED_BY})?(?:{ASKING})\b", re.IGNORECASE)
_PART_END = re.compile(r"(?<=[?!;])\s+|(?<=[a-z\d)\"'])\.\s+(?=[A-Z])|\n+")
_CLAUSE = re.compile(
    rf",?\s+(?:and|or|but|as well as)\s+(?:also\s+)?(?=(?:{_LED_BY})?(?:{ASKING})\b(?!-))", re.IGNORECASE
)
_LEAD = re.compile(
    rf"^\W*(?:(?:and|so|then|also|please|{ASKING}|explain|describe|compare|list|summari[sz]e|tell me"
    r"|find(?: out)?|research|investigate)\b\s*)+",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|one|ones|he|she|his|her|so)\b", re.IGNORECASE
)

_VERSUS = re.compile(
    r"\s+(?:versus|vs\.?|rather than|instead of|compared (?:to|with)|as opposed to)\s+", re.IGNORECASE
)
_PAIRS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bbetween\s+(.+?)\s+and\s+(.+)$",
        r"\bcompare\s+(.+?)\s+(?:and|with|to)\s+(.+)$",
        rf"^(?:{ASKING}|\s)*\b(?:is|are|do|does)\s+(.+?)\s+(?:different|differs?|distinct)\s+from\s+(.+)$",
    )
)
_THAN = re.compile(
    r"\b(?:did|do|does|is|are|was|were|has|have|had)\s+(.+?)\s+(?:\w+er\s+|more\s+|less\s+)?than\s+(?:in\s+)?(.+)$",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s+(?:for|in|of|on|with|when|under|by|at|during|from|as|regarding|concerning|about|to|within|while)\s.*$",
    re.IGNORECASE,
)
_LIST = re.compile(r"((?:[^\s,]+\s+){0,2}[^\s,]+(?:,\s+(?:[^\s,]+\s+){0,2}[^\s,]+)*),?\s+(?:and|or)\s+")
_WORD = re.compile(r"\w[\w./-]*")

_PREPOSITION = re.compile(
    r"about|against|among|at|between|by|concerning|during|for|from|in|into|of|on|over|regarding|through|to|under"
    r"|via|with|within|without",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"the|an?|both|any|all|its|their|each|every", re.IGNORECASE)
_OTHER_FUNCTION = re.compile(
    rf"{ASKING}|and|or|but|nor|not|no|be|been|being|shall|had|it|they|them|this|that|these|those|there|if|then|than"
    r"|as|so|also|either|neither|compare|explain|describe|list|find|summari[sz]e",
    re.IGNORECASE,
)
_LONGEST_ITEM = 3
_FEW_WORDS = 2
_LONGEST_CLAUSE = 1_000  # the patterns take the square of the length, and a question is seldom longer
_MOST_PARTS = 8


class Part(NamedTuple):
    """One part: `text` as it was asked, `query` with the shared words that make it stand alone."""

    text: str
    query: str


def asks(text: str) -> bool:
    """Whether the text begins as a question does, rather than naming a topic."""
    return _ASKS.match(text) is not None


def split_question(whole: str) -> list[Part]:
    """One to eight parts, in order; a text that cannot be split is its own only part."""
    texts = [clause for part in _PART_END.split(whole) for clause in _CLAUSE.split(part)]
    clauses = [_asked(clause.strip(" ,;")) for clause in texts if content_words(clause)]
    parts: list[Part] = []
    subject: list[str] = []
    for clause in clauses:
        query = _standing_alone(clause, subject)
        parts += [Part(clause, query)] if query != clause else [Part(each, each) for each in _each(clause)]
        subject = subject or [word for word in _WORD.findall(_LEAD.sub("", clause)) if content_words(word)]
    unique: dict[str, Part] = {}
    for part in parts:
        unique.setdefault(part.query.lower().rstrip(" ?.!"), part)
    return list(unique.values())[:_MOST_PARTS] or [Part(whole, whole)]


def compared_things(whole: str) -> list[str]:
    """The two things that the first comparing clause of a text sets side by side; none where none does."""
    for part in _PART_END.split(whole):
        for clause in _CLAUSE.split(part):
            if content_words(clause) and len(clause) <= _LONGEST_CLAUSE:
                bare = clause.strip(" ,;").rstrip(" ?.!")
                if found := _pair(bare) or _versus(bare) or _than(bare):
                    return found
    return []


def _than(clause: str) -> list[str]:
    match = _THAN.search(clause)
    return [match[1], match[2]] if match and content_words(match[1]) and content_words(match[2]) else []


def _asked(clause: str) -> str:
    """The clause as a question of its own: a capital letter first, and its mark where it asks."""
    mark = "?" if asks(clause) and clause[-1] not in "?!." else ""
    return f"{clause[:1].upper()}{clause[1:]}{mark}"


def _standing_alone(clause: str, subject: list[str]) -> str:
    """The clause, with the subject's words behind it when it cannot be searched for alone."""
    own = set(stems(clause))
    shares = bool(own.intersection(stems(" ".join(subject))))
    if len(own) > 1 and (shares or len(own) > _FEW_WORDS) and not _PRONOUN.search(clause):
        return clause
    missing = [word for word in subject if not own.intersection(stems(word))]
    return f"{clause.rstrip(' ?.!')} ({', '.join(missing)})?" if missing else clause


def _each(clause: str) -> list[str]:
    """The clause once for each thing it compares or enumerates; itself where it does neither."""
    if len(clause) > _LONGEST_CLAUSE:
        return [clause]
    return _pair(clause) or _versus(clause) or _enumeration(clause) or [clause]


def _pair(clause: str) -> list[str]:
    """Both sides of "between A and B", "compare A with B", "how does A differ from B"."""
    match = next((found for pattern in _PAIRS if (found := pattern.search(clause))), None)
    if match is None:
        return []
    second, tail = _without_tail(match[2].rstrip(" ?.!"))
    if not content_words(match[1]) or not content_words(second) or _PRONOUN.fullmatch(second):
        return []
    return [f"{side[:1].upper()}{side[1:]}{tail}" for side in (match[1], second)]


def _versus(clause: str) -> list[str]:
    """`left A tail`, `left B tail` of "left A rather than B tail"."""
    pieces = _VERSUS.split(clause.rstrip(" ?.!"), maxsplit=1)
    if len(pieces) == 1:
        return []
    mark = "?" if clause.endswith("?") else ""
    second, tail = _without_tail(pieces[1])
    left, first = _first_item(pieces[0].split(), len(second.split()))
    if not content_words(first) or not content_words(second):
        return []
    return [" ".join(f"{left} {item}{tail}{mark}".split()) for item in (first, second)]


def _without_tail(text: str) -> tuple[str, str]:
    bare = _TAIL.sub("", text)
    return bare, text[len(bare) :]


def _enumeration(clause: str) -> list[str]:
    """`left A right`, `left B right`, `left C right` of "left A, B and C right"; nothing where unsure."""
    match = _LIST.search(clause)
    if match is None:
        return []
    last, right = _last_item(clause[match.end() :])
    head, *others = (item.strip() for item in match[1].split(","))
    left, first = _first_item([*clause[: match.start()].split(), *head.split()], len(last.split()))
    items = [first, *others, last]
    if not all(_is_item(item) for item in items):
        return []
    return [" ".join(f"{left} {item}{right}".split()) for item in items]


def _is_item(text: str) -> bool:
    words = text.split()
    few = 0 < len(words) <= _LONGEST_ITEM
    return few and bool(content_words(text)) and not any(map(_is_function, words))


def _last_item(rest: str) -> tuple[str, str]:
    """The words up to a mark, a preposition or the end, and what follows; none where something else comes."""
    words = rest.split()
    for count, word in enumerate(words):
        if _PREPOSITION.fullmatch(word):
            return " ".join(words[:count]), " " + " ".join(words[count:])
        if _is_function(word):
            return "", rest
        if word[-1] in "?.!,;:":
            bare = word.rstrip("?.!,;:")
            return " ".join([*words[:count], bare]), " ".join([word[len(bare) :], *words[count + 1 :]])
    return rest, ""


def _first_item(words: list[str], size: int) -> tuple[str, str]:
    """What stands before a list, and its first item: `size` words, all after a preposition or article."""
    run = 0
    while run < len(words) and not _is_function(words[-1 - run]):
        run += 1
    before = words[-1 - run] if run < len(words) else "the"
    bounded = _PREPOSITION.fullmatch(before) or _ARTICLE.fullmatch(before)
    taken = run if bounded and run < _LONGEST_ITEM else min(run, max(1, size))
    return " ".join(words[: len(words) - taken]), " ".join(words[len(words) - taken :])


def _is_function(word: str) -> bool:
    return any(kind.fullmatch(word) for kind in (_PREPOSITION, _ARTICLE, _OTHER_FUNCTION))
