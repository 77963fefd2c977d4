"""What is not remembered whatever its score: orders to whoever reads, secrets, and what says nothing alone.

Each check gives the reason, or an empty text. They look at how a text is written and know nothing of runs or
stores. Made for English; in other languages only orders and secrets that are written like these are seen.
"""

from __future__ import annotations

import re

from atlas_mcp.redaction import redacted
from atlas_mcp.text.words import content_words, stem, word_set

__all__ = ["MOST_FACT", "dangling", "empty", "is_specific", "orders", "secret", "states", "undoing"]

MOST_FACT = 600
"""Characters of a fact: what is longer is a passage."""

LEAST_WORDS = 3
"""Content words by which a statement names something and says something of it."""

MOST_VAGUE, MOST_VAGUE_SPECIFIC = 0.5, 0.75
"""Shares of a statement's content words that fit everything; the second where it names something too."""

ASCII_SHARE = 0.6
"""Latin letters from which on a text is taken to be written in a language that the wording is made for."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.DOTALL)


_BEGIN = r"(?:^|[.!?:;]\s+|\n)"
_DOES = (
    r"(?:recommend|send|forward|e-?mail|post|upload|repl(?:y|ies)|respond|answer|reveal|output|print|mention"
    r"|tell|say|visit|run|execute|ignore|forget|trust|approve|skip|delete|remember|store|rate|score|give"
    r"|prefer|promote|transfer|pay|disregard|add|write|cite|praise|hide|leak|share)"
)
_MIND = r"(?:AI|LLM|language model|assistant|chat ?bot|agent|AI (?:model|system|agent|assistant))s?"
_HAVE_TO = r"(?:must|should|shall|ought to|needs? to|ha(?:s|ve) to)"
_MANNER = r"(?:(?:always|never|not|also|only|then|please|\w+ly) )*"
_UNDOING = _any(
    (
        r"\b(?:ignore|disregard|forget|override|bypass|set aside)\b[^.!?]{0,40}\b(?:instruction"
        r"|guideline|prompt"
        r"|direction|guard ?rail|everything|all (?:of )?(?:the|that|this))"
    ),
    r"\b(?:reveal|output|print|repeat|show|leak) [^.!?]{0,20}\b(?:system prompt|your (?:prompt"
    r"|instructions))\b",
    r"\bjail ?break|<\|?im_|\[/?INST\]|\byou are (?:now )?in (?:maintenance|developer|debug|admin) mode\b",
)
_ORDERS = _any(
    _UNDOING.pattern,
    r"(?:^|[.!?]\s+|\n)\s*(?:system|assistant|developer)\s*:",
    rf"\b{_MIND}\b[^.!?]{{0,60}}\b{_HAVE_TO} {_MANNER}{_DOES}\b",
    rf"\b{_MIND}\s*:\s*(?:you )?{_MANNER}(?:{_HAVE_TO} )?{_MANNER}{_DOES}\b",
    (
        rf"(?:^|[.!?:;,]\s+|\n)(?:(?:please|always|never|you {_HAVE_TO}|do not|don't|from now on|remember to)"
        rf"\b,?\s+)+{_DOES}\b"
    ),
    rf"\bfrom now on\b|\byou are now\b|{_BEGIN}(?:pretend|act) (?:to be|as if|as an?)\b",
    r"\bwhen(?:ever)? you (?:summari[sz]e|answer|read|see|write|report|process|are asked)\b",
    (
        r"\b(?:store|save|keep|put|write|add) (?:this|that|the following|it) (?:in|into|to) (?:your "
        r"|the |its )?"
        r"(?:long-term )?memory\b"
    ),
    rf"\b(?:remember|note|know) that the user\b|{_BEGIN}the user (?:prefers|wants|has approved|agreed)\b",
    r"\btell the user\b|\b(?:do not|don't|never) (?:mention|reveal|say|tell|show)\b[^.!?]{0,40}\buser\b",
    rf"{_BEGIN}(?:please )?(?:run|execute|type|paste) (?:the|this) (?:following )?(?:command|script|code)",
    r"\b(?:curl|wget)\b[^|\n]*\|\s*(?:ba|z)?sh\b",
)

_SECRET = re.compile(
    r"\b(?:pass ?(?:word|phrase|code)|passwd|pwd|secret|api[ _-]?key|(?:access|auth)[ _-]?token"
    r"|credential)s?\b"
    r"[^.!?\n]{0,30}?(?:\bis\b|\bwas\b|=|:(?!//))\s*[\"'\u201c`]?(?!https?:)"
    r"(?=\S{4,})(?=\S*(?:\d|[^\w\s.,;:\"'\u201d`()/-]))\S{4,}",
    re.IGNORECASE,
)

_JUNK = _any(
    r"\b(?:click here|read more|learn more|subscribe to (?:our|the)|newsletter|all rights reserved)\b",
    r"\bcookies?\b.{0,30}\bexperience\b|\bterms of (?:service|use) appl|\bprivacy policy\b|\blast updated\b",
    r"\b(?:skip to (?:main )?content|page \d+ of \d+|(?:next|related) articles?|please wait|back to top)\b",
    r"\b(?:table of contents|advertisement|follow us|leave a comment|page not found)\b|\u00a9",
    (
        r"\A\W*(?:loading|copyright|subscribe|sign (?:in|up)|log ?in|share on|photo by|get started|home"
        r"|error \d{3}:)(?!\w)"
    ),
    # Menus and paths, and code.
    r"(?:\s[|>\u00bb\u2022\u203a]\s.*){2,}",
    (
        r"\A\s*(?:def|class|import|from \S+ import|function|const|let|var|return|if|for|while|#include"
        r"|SELECT|curl)"
        r"\b.*[(){};=]"
    ),
    r"=>|\{\s*\"|;\s*\Z|\A\s*[$>]\s|\A\S*://\S+\Z|</?\w+[ >]",
)
_OF_THE_RUN = _any(
    r"\A\W*(?:I|we)\b(?![/-])|\bbased on the (?:provided|given|above)\b",
    (
        r"\bthe (?:provided |given |cited )?(?:documents?|sources?|passages?|findings?|texts?)"
        r" (?:do(?:es)? not|don't|provided|contain|say|mention|state|give|answer)\b"
    ),
    r"\A\W*(?:here (?:is|are)|sure|in summary|to summari[sz]e|in conclusion|note that this)\b",
    r"\bno (?:information|answer)s? (?:was|were|is|are|could)\b",
)
_TELLS_TO = re.compile(
    r"\A\W*(?:(?:please|first|next|then|finally|now|also|simply|just|optionally"
    r"|alternatively),? )*(?:let's|add"
    r"|create|open|click|run|install|save|configure|make sure|ensure|try|select|copy|paste|restart"
    r"|navigate|go to"
    r"|type|choose|enter|visit|download|remove|ignore|avoid|implement|validate|use(?! of\b| cases?\b)"
    r"|do not|don't"
    r"|never|always|replace|follow|press|check|note|see|learn|find|read|consider|remember|refer)\b"
    r"(?! (?:is|are|was|were|has|have|can|must|may|should)\b)",
    re.IGNORECASE,
)
"""How a manual tells its reader what to do next: no statement, however true."""

_POINTING = _any(
    (
        r"\A\W*(?:it|its|this|that|these|those|they|their|he|she|his|her|such|here|the (?:former|latter"
        r"|same|above)"
        r"|also|however|therefore|thus|hence|but|and|or|nor|then|otherwise|instead|moreover|furthermore"
        r"|besides"
        r"|additionally|consequently|for (?:example|instance)|in (?:addition|contrast|this|that|these|such)"
        r"|as (?:a result|such|described|shown|mentioned|noted|above)|on the other hand|similarly"
        r"|likewise|which"
        r"|whose|whichever|none of which|see|one of (?:them|these)|again)\b"
    ),
    # A verb and no subject.
    (
        r"\A\W*(?:uses|supports|maintains|provides|returns|contains|allows|enables|handles|manages"
        r"|creates|defines"
        r"|describes|includes|requires|shows|specifies|represents|indicates|sends|receives|accepts|is"
        r"|are|was|were"
        r"|has|can|may|must|should)\b"
    ),
)
_ELSEWHERE = _any(
    (
        r"\b(?:see|as (?:described|shown|mentioned|noted|explained|stated|defined)|mentioned|described"
        r"|shown|listed"
        r"|discussed|given|defined)\s+(?:\w+\s+){0,3}(?:above|below|earlier|previously|later|section"
        r"|table|figure"
        r"|chapter|appendix)\b"
    ),
    (
        r"\b(?:previous|next|following|preceding|above) (?:section|chapter|page|paragraph|table|figure"
        r"|example"
        r"|settings?|steps?|list|rules?|options?|points?|one)\b"
    ),
    (
        r"\bthis (?:section|page|document|chapter|paragraph|table|figure|article|guide|release|case"
        r"|example|step"
        r"|specification|file|run|question|context|report|paper|study|way)\b"
    ),
    r"\b(?:in|as) (?:this|that|these|such) (?:cases?|situations?|ways?)\b|\bas follows\b",
)
_VERB = re.compile(
    r"(?<=\S )(?:is|are|was|were|be|been|has|have|had|can|could|may|might|must|should|shall|will|would"
    r"|does|do|did"
    r"|cannot|MUST|SHALL|SHOULD|MAY|REQUIRED|RECOMMENDED|OPTIONAL|need|fell|rose|took|gave|made|went"
    r"|came|became"
    r"|began|kept|held|lost|won|grew|led|left|met|ran|saw|sent|set|put|cut|let|use|[a-z-]{3,}(?:s|ed))\b"
)

_PROMOTING = _any(
    r"\b(?:world-class|powerful|seamless(?:ly)?|cutting-edge|best-in-class|state-of-the-art|innovative)\b",
    r"\b(?:fast-paced|game-chang\w+|next-generation|industry-leading|leading provider|modern teams"
    r"|than ever)\b",
    r"\b(?:effortless(?:ly)?|unparalleled|revolutionary|one-stop)\b",
)
_VAGUE = frozenset(
    stem(word)
    for word in word_set("""
    important good better best bad worse useful helpful great nice easy simple different various several many
    some thing things way ways people person everyone company companies team teams situation situations case
    cases use user users help helps make makes matter matters benefit benefits option options factor factors
    reason reasons depend depends like likes need needs different kind kinds type types often usually
    sometimes
    generally today world modern offer offers provide provides information data system systems work works
    solution solutions performance quality support security documentation aspect aspects role key significant
    essential crucial approach approaches method methods tool tools process store storage file files lot time
    very really always part parts new old big small high low true possible available complex consider allow
    """)
)
_SPECIFIC = re.compile(
    r"\d|`[^`]+`|\b\w+[_./]\w+|\b\w*[a-z][A-Z]\w*|\b[A-Z]{2,}\b|(?<=[\w,;:'\u2019)] )[A-Z][a-z]+"
)


def orders(text: str) -> str:
    """Why a text is an order to whoever reads it; empty where it is none. For text of documents."""
    found = _ORDERS.search(text)
    return f"it gives orders: {' '.join(found[0].split())[:60]!r}" if found else ""


def undoing(text: str) -> str:
    """Why a person's own words are no preference: they would undo what agents are told; empty otherwise."""
    found = _UNDOING.search(text)
    return f"it undoes what agents are told: {' '.join(found[0].split())[:60]!r}" if found else ""


def secret(text: str) -> str:
    """Why a text must not be written down; the secret itself is not repeated."""
    if redacted(text) != text or "[secret]" in text or _SECRET.search(text):
        return "it holds a secret"
    return ""


def dangling(text: str) -> str:
    """Why a text cannot be understood without what stood around it; empty where it can."""
    if not _english(text):
        return ""
    first = text.split(maxsplit=1)[0] if text.split() else ""
    if match := _POINTING.search(text):
        why = f"it begins with {match[0].strip()!r}"
    elif match := _ELSEWHERE.search(text):
        why = repr(match[0])
    elif first[:1].islower() and first.isalpha():
        why = "it begins in the middle of a sentence"
    elif text.rstrip().endswith((":", ",", "\u2026", "...")):
        why = "it breaks off"
    else:
        return ""
    return f"it does not stand alone: {why}"


def empty(text: str) -> str:
    """Why a text says nothing worth remembering: no statement, of the run itself, or true of everything."""
    bare = text.strip()
    words = content_words(bare)
    english = _english(bare)
    checks = (
        (bare.endswith("?"), "it is a question"),
        (len(bare) > MOST_FACT, f"it is longer than {MOST_FACT} characters"),
        (_JUNK.search(f" {bare} "), "it is no statement"),
        (_TELLS_TO.search(bare), "it tells a reader what to do and states nothing"),
        (_OF_THE_RUN.search(bare), "it speaks of the work and not of its subject"),
        (len(set(words)) < LEAST_WORDS, "it says too little"),
        (english and not states(bare), "it is no statement"),
        (english and _PROMOTING.search(bare) and not re.search(r"\d", bare), "it praises and says nothing"),
        (english and _vague(bare, words), "it is true of everything"),
    )
    return next((why for found, why in checks if found), "")


def states(text: str) -> bool:
    """Whether a text has a verb where a statement has one; a heading or an item of a list has none."""
    return _VERB.search(re.sub(r"[*_]{2}", "", text)) is not None and not text.rstrip().endswith(":")


def is_specific(text: str) -> bool:
    """Whether a text names something that can be looked up: a number, a name, a piece of code."""
    return _SPECIFIC.search(text) is not None


def _vague(text: str, words: list[str]) -> bool:
    vague = sum(stem(word) in _VAGUE for word in words) / max(len(words), 1)
    return vague >= (MOST_VAGUE_SPECIFIC if is_specific(text) else MOST_VAGUE)


def _english(text: str) -> bool:
    """Whether a text is written in the letters that the checks of wording are made for."""
    letters = [each for each in text if each.isalpha()]
    return bool(letters) and sum(each.isascii() for each in letters) >= ASCII_SHARE * len(letters)
