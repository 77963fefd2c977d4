"""Small signs that a sentence answers a kind of question, and that it can stand alone.

Each is a number from 0 to 1 read off the sentence's surface. Nothing here knows what a sentence means, where
it came from, or how the signs are weighed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.providers.extraction.questions import Kind
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["acts", "answers_kind", "dangles", "form", "leads_on"]

_SIGNS: dict[Kind, re.Pattern[str]] = {
    Kind.RULE: re.compile(
        r"\b(?:MUST|SHOULD|SHALL|REQUIRED|RECOMMENDED|MAY|OPTIONAL|must|should|shall|required?s?|mandatory"
        r"|may not|cannot|allowed|permitted|forbidden|needs? to|ha(?:s|ve) to)\b"
    ),
    Kind.QUANTITY: re.compile(
        r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|half|percent)\b", re.I
    ),
    Kind.REASON: re.compile(
        r"\b(?:because|since|so that|so (?:the|a|an|it|they|you|that)|in order to|due to|therefore|thus|reasons?"
        r"|to (?:prevent|avoid|ensure|allow|enable|reduce|limit|protect|keep|help|make)"
        r"|prevent(?:s|ing)|avoid(?:s|ing)|ensur(?:es|ing)|without (?:this|these|it)|otherwise|risks?|means that)\b",
        re.I,
    ),
    Kind.CHANGE: re.compile(
        r"\b(?:remov\w+|replac\w+|deprecat\w+|add(?:s|ed)?|introduc\w+|no longer|now|chang\w+|renam\w+|moved?"
        r"|previous\w*|earlier|new|instead|differ\w*|unlike|whereas|while|migrat\w+|superse\w+)\b",
        re.I,
    ),
    Kind.CONDITION: re.compile(
        r"\b(?:when|if|unless|whenever|once|only|in cases?|while|until|before|after|where|suitable|appropriate"
        r"|for (?:interactions|cases|situations|example)|use(?:ful|d)? (?:\w+ ){0,4}(?:for|when|to))\b",
        re.I,
    ),
    Kind.MANNER: re.compile(
        r"\b(?:by \w+ing|using|uses?|via|through|with an?|sends?|sending|returns?|calls?|follow\w*|steps?|first|then"
        r"|MUST|SHOULD|MAY|must|containing|includes?|respond\w*|consists?)\b"
    ),
}
_DEFINES = re.compile(
    r"^(?:[^.;:]{2,80}?)\s(?:is|are|means|refers? to|represents?|provides?|allows?|enables?|lets?|describes?|defines?"
    r"|consists? of|acts? as|serves? as|supports?)\b"
)
_SUBJECT_WORDS = 7

_DANGLING = re.compile(
    r"^(?:it|its|this|that|these|those|they|their|them|he|she|his|her|such|however|therefore|thus|hence|instead|also"
    r"|additionally|moreover|furthermore|otherwise|then|but|and|or|so|yet|similarly|likewise|consequently"
    r"|as a result|in (?:this|that|these|such|other) \w+|in addition|in contrast|on the other hand|for (?:example"
    r"|instance|this|these|that)|both (?:of|are|can|must)|the (?:former|latter|same|above|following|other)|here"
    r"|either|neither|finally|second(?:ly)?|third(?:ly)?|next|doing so|note that (?:this|it|these|they)"
    r"|again|even (?:so|then)|another|one (?:of|is)|once (?:this|that|these)|if (?:it|they|this|these|so|not)"
    r"|when (?:it|they|this|these))\b",
    re.IGNORECASE,
)
_LEADING_ON = re.compile(r":\s*$")
_POINTS_AWAY = re.compile(
    r"\b(?:see (?:the |also |below|above|\[)|(?:shown|described|listed|defined|example|diagram|table|code|snippet)"
    r" (?:below|above|here)|as follows|(?:the )?following (?:\w+ ){0,2}(?:example|diagram|table|code|snippet|section)"
    r"|this (?:page|document|guide|tutorial|section|chapter)|next section|read more|learn more|click|let's|we'll)\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|do|does|did|can|could|may|might|must|should|shall|will|would"
    r"|not|[a-z]{3,}(?:s|ed|ing|ize|ise|ate|ify))\b|\b(?:MUST|SHOULD|SHALL|MAY|REQUIRED)\b"
)
_CODE_SIGNS = re.compile(r"[{}<>|=$\\]|::|//|\[\]|\(\)")
_SHORT, _LONG, _FAR_TOO_LONG = 6, 60, 110


def answers_kind(kind: Kind, sentence: str, asked: Iterable[str]) -> float:
    """How much `sentence` looks like an answer to a question of `kind` that asks with the stems `asked`."""
    if kind is Kind.DEFINITION:
        head = _DEFINES.match(sentence)
        return float(head is not None and bool(set(stems(head[0])) & set(asked)))
    signs = {match[0] for match in _SIGNS[kind].finditer(sentence)}
    if kind is Kind.RULE and signs:
        return 1.0 if any(sign.isupper() for sign in signs) else 0.6
    return min(1.0, 0.7 + 0.15 * len(signs)) if signs else 0.0


def acts(sentence: str, actors: frozenset[str]) -> float:
    """1 when one of `actors` is the first thing the sentence names, 0.5 when it comes early, else 0."""
    words = stems(" ".join(sentence.split()[:_SUBJECT_WORDS]))
    if not actors or not words:
        return 0.0
    if words[0] in actors or (len(words) > 1 and words[1] in actors):
        return 1.0
    return 0.5 if actors & set(words) else 0.0


def dangles(sentence: str) -> bool:
    """Whether a plain sentence leans on what stood before it."""
    return bool(_DANGLING.match(sentence)) or sentence[:1].islower()


def leads_on(sentence: str) -> bool:
    """Whether a plain sentence only introduces what comes after it."""
    return bool(_LEADING_ON.search(sentence))


def form(sentence: str) -> float:
    """How well a plain sentence reads alone: 1 a whole sentence of good length, towards 0 a fragment."""
    words = sentence.split()
    if not words:
        return 0.0
    value = 1.0
    if len(words) < _SHORT:
        value *= 0.5
    elif len(words) > _LONG:
        value *= 0.85 if len(words) <= _FAR_TOO_LONG else 0.6
    if not _VERB.search(sentence):
        value *= 0.5
    if dangles(sentence):
        value *= 0.7
    if sentence.endswith("?"):
        value *= 0.4
    if leads_on(sentence):
        value *= 0.4
    if _POINTS_AWAY.search(sentence):
        value *= 0.7
    if len(_CODE_SIGNS.findall(sentence)) > max(2, len(words) // 6):
        value *= 0.4
    return value
