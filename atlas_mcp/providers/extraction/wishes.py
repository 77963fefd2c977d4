"""What a text asks for beside an answer: to weigh, to write, to rate; and what it is about without that.

It reads cue words of the text alone and knows neither workers nor material. The cues are English; a plain
question asks for nothing but what can be found.
"""

from __future__ import annotations

import re
from enum import StrEnum

from atlas_mcp.providers.extraction.facets import ASKING
from atlas_mcp.text.words import content_words

__all__ = ["Wish", "compares", "framework", "layout", "said_of", "subject", "wishes", "words_wished"]


class Wish(StrEnum):
    """A kind of work, in the order in which it is done; what was found is always wished for."""

    FINDING = "finding"
    ANALYSIS = "analysis"
    WRITING = "writing"
    RATING = "rating"


_PIECE = (
    r"(?:reports?|briefs?|briefings?|memos?|memorandums?|e-?mails?|articles?|(?:blog )?posts?|letters?"
    r"|essays?|summar(?:y|ies)|newsletters?|press releases?|white ?papers?|one-pagers?|announcements?|faqs?"
    r"|speech(?:es)?|overviews?|abstracts?|handouts?|proposals?|statements?|paragraphs?|notes?|messages?|columns?|documents?"
    r"|(?:bullet(?:ed)? )?lists?|bullet points|bullets)"
)
_ASIDE = r"(?:please\s+|kindly\s+|(?:can|could|would|will) you\s+(?:please\s+)?|now\s+|then\s+|also\s+)*"
_BEGIN = rf"(?:^|(?<=[.!?;:])\s+|\n\s*|,?\s+(?:and|then)\s+){_ASIDE}"
_PUT = r"(?:write|draft|compose|author|rewrite|pen)"
_MAKE = (
    r"(?:make|prepare|produce|create|give(?: me| us)?|send|provide|turn (?:it|this|that|them|these) into"
    r"|i(?: would|'d)? (?:need|want|like)|we need|put together)"
)
_SOMEBODY = (
    r"(?:team|board|managers?|management|executives?|customers?|users|developers|students?|audience|readers?"
    r"|colleagues?|beginners?|leadership|stakeholders?|newcomers?|engineers?|non-experts?|laypeople|children"
    r"|public|press|boss|investors?|ceo|cto|me|us|them|him|her)"
)
_RANKED = (
    r"(?:better|worse|best|worst|safer|safest|cheaper|cheapest|faster|fastest|slower|slowest|most|least"
    r"|highest|lowest|largest|smallest)"
)
_FEW = r"(?:[\w'-]+\s+){0,5}?"

_CUES: dict[Wish, re.Pattern[str]] = {
    wish: re.compile("|".join(cues), re.IGNORECASE)
    for wish, cues in {
        Wish.ANALYSIS: (
            r"\b(?:compar(?:e|es|ed|ing|ison|isons)|contrast(?:s|ed|ing)?|weigh(?:s|ed|ing)?)\b",
            r"\b(?:analy[sz](?:e|es|ed|ing)|analys[ie]s|evaluat(?:e|es|ed|ing|ion)|assess(?:es|ed|ing|ment)?)\b",
            r"\bpros and cons\b|\b(?:dis)?advantages?\b|\bdrawbacks?\b|\bdownsides?\b|\btrade-?offs?\b",
            r"\bstrengths?\b|\bweakness(?:es)?\b|\bSWOT\b|\brisks?\b|\bscorecard\b|\bbenefits?\b",
            r"\bwhy\b|\bcauses? and effects?\b|\bwhat (?:caus|led to)\w*|\bimpacts?\b|\bconsequences?\b",
            r"\btrends?\b|\bgrowth\b|\bgr(?:ew|own)\b|\bcorrelat\w+|\bover time\b",
            r"\bhow (?:did|has|have)\b.*\b(?:develop(?:ed)?|evolved?|changed?)\b",
            r"\bhow [\w ]+ (?:developed|evolved)\b",
            r"\baverages?\b|\bmedians?\b|\bstatistic\w*|\bin total\b|\btotals?\b|\bpercentages?\b",
            r"\bhow (?:much|many|far) (?:more|less|fewer|better|worse|larger|smaller|faster|slower)\b",
            r"\bdifferences?\b|\bdiffers?\b|\bdifferent from\b|\bversus\b|\bvs\b",
            r"\bsimilarit\w+|\bin common\b",
            rf"\b(?:which|who|what) (?:[\w-]+ ){{0,4}}(?:is|are|was|were|has|had) (?:the )?{_RANKED}\b",
            r"\bcontradict\w*|\binconsisten\w+|\boutliers?\b",
        ),
        Wish.WRITING: (
            rf"{_BEGIN}{_PUT}\b(?!\s+(?:to|access)\b)",
            rf"{_BEGIN}{_MAKE}\s+(?:an?\s+|the\s+|some\s+)?{_FEW}{_PIECE}\b",
            rf"^\W*(?:an?\s+|the\s+)?{_FEW}{_PIECE}\s+(?:on|about|to|for)\b",
            rf"{_BEGIN}summari[sz]e\b.*\bfor\s+(?:an?\s+|the\s+|our\s+|my\s+|your\s+)?(?:[\w'-]+\s+){{0,3}}?{_SOMEBODY}\b",
            rf"\bin the form of\s+an?\s+{_FEW}{_PIECE}\b",
        ),
    }.items()
}
"""The one table of cues: what in a text asks for which kind of work."""

_COMPARES = re.compile(
    r"\bcompar\w+|\bcontrast\w*|\bversus\b|\bvs\b|\bdiffer\w*|\brather than\b|\binstead of\b"
    r"|\bas opposed to\b|\bbetter\b|\bworse\b|\bweigh\w*|\bsimilarit\w+|\bin common\b|\bpros and cons\b"
    r"|\b(?:dis)?advantages?\b|\btrade-?offs?\b|\bthan\b"
    r"|\b(?:which|whether|should|choose|prefer)\b.*\bor\b",
    re.IGNORECASE,
)

_FRAMEWORKS = (
    ("swot", r"\bswot\b|\bstrengths\b.*\bweaknesses\b"),
    ("pros and cons", r"\bpros (?:and|&) cons\b|\badvantages\b.*\bdisadvantages\b|\bpro and con\b"),
    ("scorecard", r"\bscore ?card\b|\bscoring\b"),
    ("cause and effect", r"\bcauses?\b.*\beffects?\b|\broot causes?\b"),
    ("risk", r"\brisks?\b"),
    ("trend", r"\btrends?\b|\bover time\b"),
    ("comparison", r"\bcompar\w+|\bcontrast\w*|\bversus\b|\bvs\b|\bdifferences?\b"),
)

_LISTED = re.compile(
    r"\b(?:bullet(?:ed)?(?:[ -]?(?:points?|list))?|bullets|(?:as|in) an? (?:[\w-]+ )?list|check ?list)\b"
    rf"|{_BEGIN}(?:{_PUT}|{_MAKE})\s+(?:an?\s+|the\s+)?(?:[\w-]+\s+){{0,2}}?list\b",
    re.IGNORECASE,
)
_FLOWING = re.compile(
    rf"(?:{_PUT}|{_MAKE}|\bas|\bin the form of)\s+(?:me\s+|us\s+)?(?:an?\s+|the\s+|one\s+)?{_FEW}"
    r"(?:e-?mails?|letters?|messages?|(?:blog )?posts?|paragraphs?|abstracts?|announcements?)\b",
    re.IGNORECASE,
)
_FLOWING_NAMES = re.compile(
    r"e-?mail|letter|message|post|paragraph|abstract|announcement|plain|tweet|summary|prose", re.IGNORECASE
)
_LIST_NAMES = re.compile(r"list|bullet|outline|slides?", re.IGNORECASE)

_TOPIC = (
    r"(?:(?:on|about|of|regarding|concerning|covering)"
    r"|(?:that|which)\s+(?:explains?|describes?|compares?|summari[sz]es|covers|says|weighs|analy[sz]es)"
    r"|explaining|describing|comparing|summari[sz]ing|weighing|analy[sz]ing|saying)\s+"
)
_TOLD_ABOUT = re.compile(
    rf"^\W*(?!(?:{ASKING})\s(?!you\s)){_ASIDE}(?:(?:{_PUT}|{_MAKE})\s+(?:me\s+|us\s+)?)?(?:an?\s+|the\s+|some\s+|one\s+)?(?:[\w',-]+\s+){{0,5}}?"
    rf"{_PIECE}\s+(?:(?!(?:on|about|of)\s)[\w',-]+\s+){{0,8}}?{_TOPIC}",
    re.IGNORECASE,
)
_PUT_DOWN = re.compile(rf"^\W*{_ASIDE}{_PUT}\s+(?:me\s+|us\s+)?(?:on|about)\s+", re.IGNORECASE)
_WEIGHED = re.compile(
    rf"^\W*{_ASIDE}(?:(?:analy[sz]e|evaluate|assess|weigh|examine|compare|discuss|list|(?:do|run|perform|{_MAKE}|{_PUT}))\s+)"
    r"(?:an?\s+|the\s+)?(?:SWOT(?:\s+analysis)?|(?:risk|trend|cost|comparative)\s+(?:analysis|assessment)|analysis"
    r"|comparison|evaluation|assessment|scorecard|pros and cons|strengths and weaknesses"
    r"|advantages and disadvantages|costs and benefits|benefits and (?:drawbacks|risks))\s+"
    r"(?:of|for|on|between)\s+",
    re.IGNORECASE,
)
_LOOKED_AT = re.compile(
    rf"^\W*{_ASIDE}(?:analy[sz]e|evaluate|assess|weigh|examine|discuss)\s+", re.IGNORECASE
)
_DEMAND = re.compile(
    rf"^\W*(?:and\s+)?{_ASIDE}(?:{_PUT}\b|{_MAKE}\s+(?:an?\s+|the\s+|some\s+)?{_FEW}{_PIECE}\b)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    rf"(?<=[.!?;])\s+|\n+|,?\s+(?:and|then)\s+(?={_ASIDE}(?:{_PUT}\b|summari[sz]e\b"
    rf"|{_MAKE}\s+(?:an?\s+|the\s+)?{_FEW}{_PIECE}\b))",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\b(\d{1,3}(?:[,.]\d{3})|\d+)[\s-]*words?\b", re.IGNORECASE)
_IN_WORDS = re.compile(
    r"\s+(?:in|of|with)\s+(?:about|around|at most|under|some)?\s*\d[\d,.]*[\s-]*words?\b", re.IGNORECASE
)
_LONGEST = 2_000
"""Characters that are read for cues: a demand is told at the start, and a quoted text is none."""


def wishes(text: str) -> frozenset[Wish]:
    """The kinds of work that a text asks for: finding always, rating with writing and never without."""
    part = text[:_LONGEST]
    found = {Wish.FINDING, *(wish for wish, cue in _CUES.items() if cue.search(part))}
    return frozenset(found | {Wish.RATING} if Wish.WRITING in found else found)


def compares(text: str) -> bool:
    """Whether a text sets things side by side."""
    return _COMPARES.search(text[:_LONGEST]) is not None


def framework(text: str) -> str | None:
    """The framework that a text names (such as `swot`), None where it names none."""
    part = text[:_LONGEST].lower()
    return next((name for name, cue in _FRAMEWORKS if re.search(cue, part)), None)


def said_of(name: str, message: str) -> str | None:
    """What a message says on a line such as `Format: letter` or `Its framework: swot`; None without one."""
    match = re.search(
        rf"^(?:Its )?{re.escape(name)}:[ \t]*(\S.*?)[ \t]*$", message, re.IGNORECASE | re.MULTILINE
    )
    return match[1] if match else None


def layout(wished: str | None, text: str) -> str:
    """`list`, `flowing` or `sections`: by the format that is wished for by name, else by the text's words."""
    if wished:
        if _LIST_NAMES.search(wished):
            return "list"
        return "flowing" if _FLOWING_NAMES.search(wished) else "sections"
    part = text[:_LONGEST]
    if _LISTED.search(part):
        return "list"
    return "flowing" if _FLOWING.search(part) else "sections"


def words_wished(*texts: str | None) -> int | None:
    """How many words the first text that says so asks for."""
    for text in texts:
        if text and (match := _WORDS.search(text[:_LONGEST])):
            return int(re.sub(r"[,.]", "", match[1]))
    return None


def subject(text: str) -> str:
    """What a text is about, in its own words: without "write a report on", "do a SWOT analysis of".

    A clause that only says what to make of it goes; a text that is nothing else stays as it is.
    """
    whole = " ".join(text.split())
    if len(whole) > _LONGEST:
        return whole
    kept = [bare for clause in _CLAUSE.split(text) if (bare := _without_demand(" ".join(clause.split())))]
    return " ".join(_ended(kept)) if any(content_words(each) for each in kept) else whole


def _ended(clauses: list[str]) -> list[str]:
    """Clauses that stay apart when they are read as one text."""
    return [each if each[-1] in "!?;" else f"{each.rstrip('.')};" for each in clauses[:-1]] + clauses[-1:]


def _without_demand(clause: str) -> str:
    bare = _IN_WORDS.sub("", clause)
    for pattern in (_TOLD_ABOUT, _PUT_DOWN, _WEIGHED, _LOOKED_AT):
        rest = pattern.sub("", bare, count=1)
        if rest != bare and content_words(rest):
            bare = rest
    if bare == clause:  # a question, or nothing but a demand
        return "" if _DEMAND.match(clause) else clause
    bare = bare.rstrip(" .")
    return f"{bare[:1].upper()}{bare[1:]}"
