"""Whether a text agrees with itself: sentences that contradict one another, and breaks of style.

Measured from words and numbers, so what is found is a suspicion with a place, to be looked at. It sees that
a sentence is said again with another number (always) or denied (nine times in ten); once a third of its words
are others, it sees neither. A break of style is one of two things that can be counted: the author is now I,
now we, or the spelling is now British, now American. Changes of tense are not counted; most are right. For
English.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.quality.measured import Part, Reason
from atlas_mcp.text.denial import denied_otherwise
from atlas_mcp.text.readability import LONG, MARKER
from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.support import numbers
from atlas_mcp.text.words import content_words, stem, word_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atlas_mcp.text.readability import Readability

__all__ = ["OWN_PARTS", "OWN_TITLES", "own_parts", "told_sentences"]

OWN_TITLES = {
    "contradictions": "nothing contradicted within the text",
    "style": "one person and one spelling throughout",
    "sentence_length": f"sentences of fewer than {LONG} words",
}
"""Each part as a person reads it: what 100 % of it means."""

OWN_PARTS = tuple(OWN_TITLES)

_SAME_WORDS = 0.8
"""Words, numbers apart, that two sentences share before a number that differs is held against them."""

_ALIKE = 0.75
"""Words that two sentences share before what one denies and the other does not is held against them.

Of 6,400 sentences of 86 pages, most of them rules of what must and must not be, one is so found wrongly."""

_LEAST_WORDS, _MOST_WORDS = 4, 60
"""Content words of a sentence that can contradict another: fewer are a label, more are no sentence."""

_COUNTS_UP = word_set("""
    step figure fig table section chapter phase part question item level version example option day week case
    note line page point rule appendix round stage draft release
""")
"""Words before a number that only names: step 1 does not contradict step 2."""

_ASIDE = re.compile(r"`+[^`]*`+|[\u201c\u201e][^\u201d\u201c]*[\u201d\u201c]|\"[^\"\n]*\"|https?://\S+")
_NAMED = re.compile(r"\b([A-Za-z]+)\s+#?v?(\d+(?:\.\d+)*)\b")
_ORDINAL = re.compile(r"\A\s*(?:[-*+]\s+|\d+[.)]\s+)+")

_ONE = re.compile(r"\b(?:I(?!/|\.[A-Z]|-)|I'(?:m|ve|d|ll)|my|myself)\b")
_SEVERAL = re.compile(r"\b(?:[Ww]e|[Oo]ur|[Oo]urs|[Oo]urselves)\b")

_BRITISH = re.compile(
    r"\b(?:behaviour|colour|favour|flavour|honour|humour|labour|neighbour|rumour)\w*|\b(?:centre|theatre|fibre"
    r"|grey|defence|offence|sceptic)\w*|\b(?:labell|modell|travell|fuell)(?:ed|ing|er)\b"
    r"|\b(?:anal|catal|paral)yse[sdr]?\b",
    re.IGNORECASE,
)
_AMERICAN = re.compile(
    r"\b(?:behavior|color|favor|flavor|honor|humor|labor|neighbor|rumor)(?!at)\w*|\b(?:center|theater|fiber"
    r"|gray|defense|offense|skeptic)\w*|\b(?:label|model|travel|fuel)(?:ed|ing|er)\b"
    r"|\b(?:anal|catal|paral)yze[sdr]?\b",
    re.IGNORECASE,
)


def own_parts(text: str, read: Readability) -> tuple[Part, ...]:
    """What can be measured of a text without anything beside it, in the order of `OWN_PARTS`."""
    told = told_sentences(text)
    return (_contradictions(told), _style(told), _length(read))


def told_sentences(text: str) -> list[str]:
    """The sentences of prose and the list items of a Markdown text, in order, without citation markers."""
    return [
        said
        for sentence in sentences(MARKER.sub("", text))
        if sentence.kind in ("prose", "item")
        if (said := _ORDINAL.sub("", sentence.text).strip())
    ]


def _length(read: Readability) -> Part:
    """The share of sentences that are not long."""
    if not read.sentences or read.per_sentence is None:
        return Part("sentence_length", None, 0)
    reasons = tuple(
        Reason("the text", each.text, f"it has {each.words} words; cut it in two") for each in read.long
    )
    return Part("sentence_length", 1 - len(reasons) / read.sentences, read.sentences, reasons)


def _contradictions(told: Sequence[str]) -> Part:
    """The share of sentences that no earlier one seems to contradict."""
    if len(told) < 2:  # noqa: PLR2004 - it takes two
        return Part("contradictions", None, 0)
    found: dict[int, Reason] = {}
    # What ends in a colon announces something and states nothing.
    bags = [frozenset[str]() if each.endswith(":") else _bag(each) for each in told]
    for first, second, shared in _alike(bags):
        if second in found or told[first] == told[second]:
            continue
        if said := _differ(told[first], told[second], shared, f"sentence {first + 1}"):
            found[second] = Reason(f"sentence {second + 1}", told[second], f"{said}: {told[first]!r}")
    return Part("contradictions", 1 - len(found) / len(told), len(told), tuple(found.values()))


def _bag(sentence: str) -> frozenset[str]:
    """The stems of a sentence's content words, numbers apart."""
    return frozenset(stem(word) for word in content_words(sentence) if not word[0].isdigit())


def _alike(bags: Sequence[frozenset[str]]) -> Iterator[tuple[int, int, float]]:
    """Pairs of sentences that share enough of their words, and how much.

    Two that share a part `t` of all their words share one of any (1 - t) n + 1 words of either. So only
    those are compared that share one of the rarest so many: a long text is not compared pair by pair.
    """
    common = Counter(word for bag in bags for word in bag)
    holders: dict[str, list[int]] = {}
    for number, bag in enumerate(bags):
        if not _LEAST_WORDS <= len(bag) <= _MOST_WORDS:
            continue
        rarest = sorted(bag, key=lambda word: (common[word], word))[: int((1 - _ALIKE) * len(bag)) + 1]
        near = sorted({other for word in rarest for other in holders.get(word, ())})
        for other in near:
            shared = len(bag & bags[other]) / len(bag | bags[other])
            if shared >= _ALIKE:
                yield other, number, shared
        for word in bag:
            holders.setdefault(word, []).append(number)


def _differ(first: str, second: str, shared: float, place: str) -> str:
    """What the second says otherwise than the first, which stands at `place`; empty where nothing is seen."""
    if word := denied_otherwise(second, [first]) or denied_otherwise(first, [second]):
        return f"either it or {place} denies {word!r}, and the other does not"
    said, before = _counted(second), _counted(first)
    new, gone = said - before, before - said
    if shared >= _SAME_WORDS and len(new) == len(gone) == 1:
        return f"it says {new.pop()} where {place} says {gone.pop()}"
    return ""


def _counted(sentence: str) -> set[str]:
    """The numbers of a sentence that count something, not those that name."""
    plain = _NAMED.sub(lambda found: found[1] if found[1].lower() in _COUNTS_UP else found[0], sentence)
    return numbers(plain)


def _style(told: Sequence[str]) -> Part:
    """The share of sentences in the usual person and spelling, of those that show one."""
    plain = [_ASIDE.sub(" ", each) for each in told]
    shown: set[int] = set()
    reasons: list[Reason] = []
    for one, other, names in (
        (_ONE, _SEVERAL, ("the author is I", "we")),
        (_BRITISH, _AMERICAN, ("the spelling is British", "American")),
    ):
        first = [number for number, each in enumerate(plain) if each[-1:] != "?" and one.search(each)]
        second = [number for number, each in enumerate(plain) if each[-1:] != "?" and other.search(each)]
        shown |= {*first, *second}
        usual, unusual, pattern, said = _minority((first, one), (second, other), names)
        for number in unusual if usual else ():
            match: Any = pattern.search(plain[number])
            reason = f"{match[0]!r}: here {said}"
            reasons.append(Reason(f"sentence {number + 1}", told[number], reason))
    if not shown:
        return Part("style", None, 0)
    broken = {reason.where for reason in reasons}
    return Part("style", 1 - len(broken) / len(shown), len(shown), tuple(reasons))


def _minority(
    first: tuple[list[int], re.Pattern[str]],
    second: tuple[list[int], re.Pattern[str]],
    names: tuple[str, str],
) -> tuple[list[int], list[int], re.Pattern[str], str]:
    """The usual places, the unusual ones, what marks these, and what is said of them.

    Of two that are as many, what came first is usual.
    """
    subject, _, one = names[0].rpartition(" ")
    first_is_usual = len(first[0]) > len(second[0]) or (
        len(first[0]) == len(second[0]) and first[0][:1] <= second[0][:1]
    )
    if first_is_usual:
        return first[0], second[0], second[1], f"{subject} {names[1]}, elsewhere {one}"
    return second[0], first[0], first[1], f"{subject} {one}, elsewhere {names[1]}"
