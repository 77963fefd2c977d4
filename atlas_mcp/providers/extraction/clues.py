"""Small signs that a sentence answers a kind of question, and that it can stand alone.

Each is read off the sentence's surface, as a number from 0 to 1 or a yes. Nothing here knows what a sentence
means, where it came from, or how the signs are weighed. The signs are English.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.providers.extraction.questions import Kind
from atlas_mcp.text.words import stem, stems

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["acts", "answers_kind", "form", "leads_on", "leans"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


_DUTY = re.compile(r"\b(?:MUST|SHOULD|SHALL|REQUIRED|RECOMMENDED)\b")
_SIGNS: dict[Kind, re.Pattern[str]] = {
    Kind.RULE: _any(
        r"must|should|shall|may|may not|required?s?|recommended|optional|mandatory|cannot|allowed|permitted",
        r"forbidden|needs? to|ha(?:s|ve) to|only if",
    ),
    Kind.BAN: _any(
        r"(?:must|should|shall|may|do|does|can|is|are) (?:not|never)|never|cannot|forbidden|prohibited|avoid",
        r"don't",
    ),
    Kind.QUANTITY: _any(
        r"\d[\w.,-]*|one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|half|percent",
        r"maximum|minimum|at (?:most|least)|limit(?:s|ed)?|fixed|size|seconds|minutes|hours|days",
    ),
    Kind.REASON: _any(
        r"because|since|so that|so (?:the|a|an|it|they|you|that)|in order to|due to|therefore|thus|reasons?",
        r"to (?:prevent|avoid|ensure|allow|enable|reduce|limit|protect|keep|help|make)|prevent(?:s|ing)",
        r"avoid(?:s|ing)|ensur(?:es|ing)|without (?:this|these|it)|otherwise|risks?|means that",
    ),
    Kind.CHANGE: _any(
        r"remov\w+|replac\w+|deprecat\w+|add(?:s|ed)?|introduc\w+|no longer|now|chang\w+|renam\w+|moved?",
        r"previous\w*|earlier|new|instead|differ\w*|unlike|whereas|while|migrat\w+|superse\w+",
    ),
    Kind.CONDITION: _any(
        r"when|if|unless|whenever|in cases?|suitable|appropriate|ideal for|needed for|for interactions",
        r"use(?:ful|d)? (?:\w+ ){0,4}(?:for|when|to)",
    ),
    Kind.MANNER: _any(
        r"by \w+ing|using|uses?|via|through|with an?|sends?|sending|returns?|calls?|follow\w*|steps?|first",
        r"containing|includes?|respond\w*|click|open|run|set|must",
    ),
}

# "X is a …", "X (also Y) lets …", "X: …" at the start of a sentence; group 1 is what is defined.
_DEFINES = re.compile(
    r"^(?:an?\s|the\s)?([^.;:()]{2,60}?)(?:\s\([^()]*\),?)?"
    r"(?:\s(?:is|are)\s(?:used\b|designed\b|intended\b|(?!\w+(?:ed|ly)\b|not\b))"
    r"|\s(?:means|refers? to|represents?|provides?|allows?|enables?|lets?|describes?|defines?|consists? of"
    r"|acts? as|serves? as|occurs?|happens?|exposes?)\b"
    r"|:\s+\S)",
    re.IGNORECASE,
)
_IN_ITS_FRAME = re.compile(r"^(?:in|with|under|using)\s(?:an?\s|the\s)?([^.;:(),]{2,60}),\s", re.IGNORECASE)
_OBLIGED = re.compile(
    r"(?:^|[.;:,]\s+|\b(?:and|so|then)\s+)(?:(?:an?|the|all|both|each|any|MCP)\s+)*(\w+)(?:\s+and\s+\w+)?\s+"
    r"(?:MUST|SHOULD|SHALL|must|should|shall)\b",
    re.IGNORECASE,
)
_SUBJECT_WORDS = 7

_LEANING_START = re.compile(
    r"^(?:it|its|they|their|them|he|she|his|her|however|therefore|thus|hence|instead|also|additionally"
    r"|moreover|furthermore|otherwise|then|but|and|or|so|yet|similarly|likewise|consequently|as a result"
    r"|in addition"
    r"|in contrast|in other cases|on the other hand|for (?:example|instance)|both (?:of|are|can|must|should)"
    r"|(?:in |to |for |by |from )?(?:this|that|these|those)|the (?:former|latter|same|above|following|other)"
    r"|here|either|neither|finally|second(?:ly)?|third(?:ly)?|next|doing so|again|even (?:so|then)|another"
    r"|one (?:of|is)|if (?:so|not))\b",
    re.IGNORECASE,
)
_POINTING = re.compile(r"\b(?:this|these|those|such(?!\s(?:as|that)\b))\b\s*(\w*)", re.IGNORECASE)
_BARE_OBJECT = re.compile(
    r"^(?:\w+\s){1,3}(?:(?:MAY|MUST|SHOULD|can|must|may|should|will)\s)?(?:not\s)?\w+\s(?:it|them)\b",
    re.IGNORECASE,
)
_POINTS_AWAY = _any(
    r"see (?:the|also|below|above|our)|(?:shown|described|listed|defined|example|diagram|table|code|snippet)"
    r" (?:below|above|here)|as follows|following (?:\w+ ){0,2}(?:examples?|diagram|table|code|snippet)",
    r"this (?:page|document|guide|tutorial|section|chapter)|next section|read more|learn more|let's|we'll",
    r"for (?:more|further) (?:information|details)|for a complete|for details",
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|do|does|did|can|could|may|might|must|should|shall|will|would"
    r"|not|[a-z]{3,}(?:s|ed|ing|ize|ise|ate|ify))\b|\b(?:MUST|SHOULD|SHALL|MAY|REQUIRED)\b"
)
_FIRST = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_CODE_SIGNS = re.compile(r"[{}<>|=$\\]|::|//|\[\]|\(\)")
_SHORT, _LONG, _TOO_LONG, _FAR_TOO_LONG = 6, 45, 70, 110


def answers_kind(kind: Kind, sentence: str, asked: Collection[str]) -> float:
    """How much `sentence` looks like an answer to a question of `kind` that asks with the stems `asked`."""
    if kind is Kind.DEFINITION:
        return _defines(sentence, asked)
    signs = {match[0].lower() for match in _SIGNS[kind].finditer(sentence)}
    strength = min(1.0, 0.7 + 0.15 * len(signs)) if signs else 0.0
    if kind is Kind.RULE:
        return 1.0 if _DUTY.search(sentence) else 0.6 * strength
    if kind is Kind.CONDITION:
        return max(0.7 * strength, _defines(sentence, asked))
    return strength


def _defines(sentence: str, asked: Collection[str]) -> float:
    """1 when the sentence says what a thing asked for is or is for, less when it is about a near thing."""
    match = _DEFINES.match(sentence) or _IN_ITS_FRAME.match(sentence)
    defined = stems(match[1]) if match else []
    known = sum(each in asked for each in defined)
    return (known / len(defined)) ** 2 if known else 0.0


def acts(sentence: str, actors: frozenset[str]) -> float:
    """1 when the sentence says that one of `actors` must do something, 0.6 when it begins with one."""
    if not actors:
        return 0.0
    if any(stem(match[1].lower()) in actors for match in _OBLIGED.finditer(sentence)):
        return 1.0
    words = stems(" ".join(sentence.split()[:_SUBJECT_WORDS]))
    return 0.6 if actors & set(words[:1]) else 0.3 if actors & set(words) else 0.0


def leans(sentence: str) -> bool:
    """Whether a plain sentence cannot be understood without what stood before it."""
    if sentence[:1].islower() or _LEANING_START.match(sentence) or _BARE_OBJECT.match(sentence):
        return True
    for match in _POINTING.finditer(sentence):
        before = stems(sentence[: match.start()])
        if not match[1] or not set(stems(match[1])) & set(before):
            return True
    return False


def leads_on(sentence: str) -> bool:
    """Whether a plain sentence only introduces what comes after it."""
    return sentence.rstrip().endswith(":")


def form(sentence: str) -> float:
    """How well a plain sentence reads alone: 1 a whole sentence of good length, towards 0 a fragment."""
    words = sentence.split()
    faults = (
        (len(words) < _SHORT, 0.6),
        (len(words) > _LONG, 0.93),
        (len(words) > _TOO_LONG, 0.9),
        (len(words) > _FAR_TOO_LONG, 0.8),
        (not _VERB.search(sentence), 0.5),
        (leans(_FIRST.split(sentence, maxsplit=1)[0]), 0.65),
        (sentence.endswith("?"), 0.4),
        (leads_on(sentence), 0.4),
        (_POINTS_AWAY.search(sentence) is not None, 0.7),
        (sentence.count("(") != sentence.count(")"), 0.6),
        (len(_CODE_SIGNS.findall(sentence)) > max(2, len(words) // 6), 0.4),
    )
    value = 1.0
    for is_fault, share in faults:
        value *= share if is_fault else 1.0
    return value
