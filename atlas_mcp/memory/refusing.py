"""What is not remembered whatever its score: orders to whoever reads, secrets, and text that says nothing alone.

Each check gives the reason, or an empty text. They look at how a text is written and know nothing of runs or
stores. Made for English; of other languages only orders and secrets that are written like these are seen.
"""

from __future__ import annotations

import re

from atlas_mcp.redaction import redacted
from atlas_mcp.text.words import content_words, stem, word_set

__all__ = ["MOST_FACT", "dangling", "empty", "is_specific", "orders", "secret", "states"]

MOST_FACT = 600
"""Characters of a fact: what is longer is a passage."""

LEAST_WORDS = 3
"""Content words by which a statement names something and says something of it."""

_DOES = (
    r"(?:recommend|send|forward|e-?mail|post|upload|repl(?:y|ies)|respond|answer|reveal|output|print|mention"
    r"|tell|say|visit|run|execute|ignore|forget|trust|approve|skip|delete|remember|store|rate|score|give"
    r"|prefer|promote|transfer|pay|disregard|add|write|cite|praise|hide|leak|share)"
)
_MIND = r"(?:AI|LLM|language model|assistant|chat ?bot|agent|AI (?:model|system|agent|assistant))s?"
_HAVE_TO = r"(?:must|should|shall|ought to|needs? to|ha(?:s|ve) to)"
_MANNER = r"(?:(?:always|never|not|also|only|then|please|\w+ly) )*"
_ORDERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:ignore|disregard|forget|override|bypass|set aside)\b[^.!?]{0,40}\b(?:instruction|guideline|prompt"
        r"|direction|guard ?rail|everything|all (?:of )?(?:the|that|this))",
        r"\b(?:your|the|reveal|output|print|repeat|show|leak)\b[^.!?]{0,20}\b(?:reveal|output|print|repeat|show|leak)?"
        r"[^.!?]{0,12}\b(?:your|hidden) (?:system )?(?:prompt|instructions)\b"
        r"|\b(?:reveal|output|print|repeat|show|leak) [^.!?]{0,20}\bsystem prompt\b|\bjail ?break|<\|?im_|\[/?INST\]"
        r"|\byou are (?:now )?in (?:maintenance|developer|debug|admin) mode\b",
        r"(?:^|[.!?]\s+|\n)\s*(?:system|assistant|developer)\s*:",
        rf"\b{_MIND}\b[^.!?]{{0,60}}\b{_HAVE_TO} {_MANNER}{_DOES}\b",
        rf"\b{_MIND}s?\s*:\s*(?:you )?{_MANNER}(?:{_HAVE_TO} )?{_MANNER}{_DOES}\b",
        rf"(?:^|[.!?:;,]\s+|\n)(?:(?:please|always|never|you {_HAVE_TO}|do not|don't|from now on|remember to)"
        rf"\b,?\s+)+{_DOES}\b",
        r"\bfrom now on\b|\byou are now\b|(?:^|[.!?:;]\s+|\n)(?:pretend|act) (?:to be|as if|as an?)\b",
        r"\bwhen(?:ever)? you (?:summari[sz]e|answer|read|see|write|report|process|are asked)\b",
        r"\b(?:store|save|keep|put|write|add) (?:this|that|the following|it) (?:in|into|to) (?:your |the |its )?"
        r"(?:long-term )?memory\b",
        r"\b(?:remember|note|know) that the user\b|(?:^|[.!?:;]\s+|\n)the user (?:prefers|wants|has approved|agreed)\b"
        r"|\btell the user\b|\b(?:do not|don't|never) (?:mention|reveal|say|tell|show)\b[^.!?]{0,40}\buser\b",
        r"(?:^|[.!?:;]\s+|\n)(?:please )?(?:run|execute|type|paste) (?:the|this) (?:following )?(?:command|script|code)"
        r"|\b(?:curl|wget)\b[^|\n]*\|\s*(?:ba|z)?sh\b",
    )
)  # fmt: skip

_SECRET = re.compile(
    r"\b(?:pass ?(?:word|phrase|code)|passwd|pwd|secret|api[ _-]?key|(?:access|auth)[ _-]?token|credential)s?\b"
    r"[^.!?\n]{0,30}?(?:\bis\b|\bwas\b|=|:(?!//))\s*[\"'\u201c`]?(?!https?:)"
    r"(?=\S{4,})(?=\S*(?:\d|[^\w\s.,;:\"'\u201d`()/-]))\S{4,}",
    re.IGNORECASE,
)

_JUNK = re.compile(
    r"\b(?:click here|read more|learn more|subscribe to (?:our|the)|newsletter|cookies?\b.{0,30}\bexperience"
    r"|all rights reserved|terms of (?:service|use) appl|privacy policy|skip to (?:main )?content|page \d+ of \d+"
    r"|last updated|(?:next|related) articles?|please wait|back to top|table of contents|advertisement"
    r"|follow us|leave a comment|page not found)\b|\u00a9"
    r"|\A\W*(?:loading\b|copyright\b|subscribe\b|sign (?:in|up)\b|log ?in\b|share on\b|photo by\b|get started\b|home\b|error \d{3}:)",
    re.IGNORECASE,
)
_OF_THE_RUN = re.compile(
    r"\A\W*(?:I|we)\b(?![/-])|\bthe (?:provided |given |cited )?(?:documents?|sources?|passages?|findings?|texts?)"
    r" (?:do(?:es)? not|don't|provided|contain|say|mention|state|give|answer)\b"
    r"|\bbased on the (?:provided|given|above)\b"
    r"|\A\W*(?:here (?:is|are)|sure\b|in summary|to summari[sz]e|in conclusion|note that this)\b"
    r"|\bno (?:information|answer)s? (?:was|were|is|are|could)\b",
    re.IGNORECASE,
)
_TELLS_TO = re.compile(
    r"\A\W*(?:(?:please|first|next|then|finally|now|also|simply|just|optionally|alternatively),? )*(?:let's|add|create"
    r"|open|click|run|install|save|configure|make sure|ensure|try|select|copy|paste|restart|navigate|go to|type"
    r"|choose|enter|visit|download|replace|follow|press|check|note|see|learn|find|read|consider|remember|refer)\b"
    r"(?! (?:is|are|was|were|has|have|can|must|may|should)\b)",
    re.IGNORECASE,
)
"""How a manual tells its reader what to do next: no fact, however true."""

_NO_SUBJECT = re.compile(
    r"\A\W*(?:uses|supports|maintains|provides|returns|contains|allows|enables|handles|manages|creates|defines"
    r"|describes|includes|requires|shows|specifies|represents|indicates|sends|receives|accepts|is|are|was|were|has"
    r"|can|may|must|should)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\A\s*(?:def|class|import|from \S+ import|function|const|let|var|return|if|for|while|#include|SELECT|curl)\b"
    r".*[(){};=]|=>|\{\s*\"|;\s*\Z|\A\s*[$>]\s|\A\S*://\S+\Z|</?\w+[ >]"
)
_BARS = re.compile(r"(?:\s[|>\u00bb\u2022\u203a]\s.*){2,}")

_POINTING = re.compile(
    r"\A\W*(?:it|its|this|that|these|those|they|their|he|she|his|her|such|here|the (?:former|latter|same|above)"
    r"|also|however|therefore|thus|hence|but|and|or|nor|then|otherwise|instead|moreover|furthermore|besides"
    r"|additionally|consequently|for (?:example|instance)|in (?:addition|contrast|this|that|these|such)"
    r"|as (?:a result|such|described|shown|mentioned|noted|above)|on the other hand|similarly|likewise|which|whose"
    r"|whichever|none of which|see|one of (?:them|these)|again)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:see|as (?:described|shown|mentioned|noted|explained|stated|defined)|mentioned|described|shown|listed"
    r"|discussed|given|defined)\s+(?:\w+\s+){0,3}(?:above|below|earlier|previously|later|section|table|figure"
    r"|chapter|appendix)\b"
    r"|\b(?:previous|next|following|preceding|above) (?:section|chapter|page|paragraph|table|figure|example|settings?"
    r"|steps?|list|rules?|options?|points?|one)\b"
    r"|\bthis (?:section|page|document|chapter|paragraph|table|figure|article|guide|release|case|example|step"
    r"|specification|file|run|question|context|report|paper|study|way)\b"
    r"|\b(?:in|as) (?:this|that|these|such) (?:case|cases|situation|situations|way)\b|\bas follows\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?<=\S )(?:is|are|was|were|be|been|has|have|had|can|could|may|might|must|should|shall|will|would|does|do|did"
    r"|cannot|MUST|SHALL|SHOULD|MAY|REQUIRED|RECOMMENDED|OPTIONAL|need|fell|rose|took|gave|made|went|came|became|began|kept|held|lost|won|grew|led"
    r"|left|met|ran|saw|sent|set|put|cut|let|use|[a-z-]{3,}(?:s|ed))\b"
)

_PROMOTING = re.compile(
    r"\b(?:world-class|powerful|seamless(?:ly)?|cutting-edge|best-in-class|state-of-the-art|innovative|fast-paced"
    r"|game-chang\w+|next-generation|industry-leading|leading provider|modern teams|than ever|effortless(?:ly)?"
    r"|unparalleled|revolutionary|one-stop)\b",
    re.IGNORECASE,
)
_VAGUE = frozenset(
    stem(word)
    for word in word_set("""
    important good better best bad worse useful helpful great nice easy simple different various several many
    some thing things way ways people person everyone company companies team teams situation situations case
    cases use user users help helps make makes matter matters benefit benefits option options factor factors
    reason reasons depend depends like likes need needs different kind kinds type types often usually sometimes
    generally today world modern offer offers provide provides information data system systems work works
    solution solutions performance quality support security documentation aspect aspects role key significant
    essential crucial approach approaches method methods tool tools process store storage file files lot time
    very really always part parts new old big small high low true possible available complex consider allow
    """)
)
_SPECIFIC = re.compile(r"\d|`[^`]+`|\b\w+[_./]\w+|\b\w*[a-z][A-Z]\w*|\b[A-Z]{2,}\b")
_NAME = re.compile(r"(?<=[\w,;:'\u2019)] )[A-Z][a-z]+")
_LETTERS = re.compile(r"[A-Za-z]")
MOSTLY_VAGUE = 0.75
ASCII_SHARE = 0.6


def orders(text: str) -> str:
    """Why a text is an order to whoever reads it; empty where it is none. For text of documents."""
    found = next((match for each in _ORDERS if (match := each.search(text))), None)
    return f"it gives orders: {' '.join(found[0].split())[:60]!r}" if found else ""


def secret(text: str) -> str:
    """Why a text must not be written down; the secret itself is not repeated."""
    if redacted(text) != text or "[secret]" in text or _SECRET.search(text):
        return "it holds a secret"
    return ""


def dangling(text: str) -> str:
    """Why a text cannot be understood without what stood around it; empty where it can."""
    if not _english(text):
        return ""
    if match := _NO_SUBJECT.search(text):
        return f"it does not stand alone: it begins with {match[0].strip()!r}"
    if match := _POINTING.search(text):
        return f"it does not stand alone: it begins with {match[0].strip()!r}"
    if match := _ELSEWHERE.search(text):
        return f"it does not stand alone: {match[0]!r}"
    first = text.split(maxsplit=1)[0] if text.split() else ""
    if first[:1].islower() and first.isalpha():
        return "it does not stand alone: it begins in the middle of a sentence"
    if text.rstrip().endswith((":", ",", "\u2026", "...")):
        return "it does not stand alone: it breaks off"
    return ""


def empty(text: str) -> str:
    """Why a text says nothing worth remembering: no statement, of the run itself, or true of everything."""
    bare = text.strip()
    if bare.endswith("?"):
        return "it is a question"
    if len(bare) > MOST_FACT:
        return f"it is longer than {MOST_FACT} characters"
    if _JUNK.search(bare) or _BARS.search(f" {bare} ") or _CODE.search(bare):
        return "it is no statement"
    if _TELLS_TO.search(bare):
        return "it tells a reader what to do and states nothing"
    if _OF_THE_RUN.search(bare):
        return "it speaks of the work and not of its subject"
    words = content_words(bare)
    if len(words) < LEAST_WORDS or len(set(words)) < LEAST_WORDS:
        return "it says too little"
    if not _english(bare):
        return ""
    if not states(bare):
        return "it is no statement"
    if _PROMOTING.search(bare) and not re.search(r"\d", bare):
        return "it praises and says nothing"
    vague = sum(stem(word) in _VAGUE for word in words) / len(words)
    if vague >= (0.5 if not is_specific(bare) else MOSTLY_VAGUE):
        return "it is true of everything"
    return ""


def states(text: str) -> bool:
    """Whether a text has a verb where a statement has one; a heading or an item of a list has none."""
    return _VERB.search(re.sub(r"[*_]{2}", "", text)) is not None and not text.rstrip().endswith(":")


def is_specific(text: str) -> bool:
    """Whether a text names something that can be looked up: a number, a name, a piece of code."""
    return bool(_SPECIFIC.search(text) or _NAME.search(text))


def _english(text: str) -> bool:
    """Whether a text is written in the letters that the checks of wording are made for."""
    letters = [each for each in text if each.isalpha()]
    return bool(letters) and len(_LETTERS.findall(text)) >= ASCII_SHARE * len(letters)
