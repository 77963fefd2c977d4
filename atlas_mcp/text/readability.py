"""How easy a text is to read, by the two formulas of Flesch: for English alone, and for prose alone.

Syllables are counted by rule from the letters. Against the CMU pronouncing dictionary the rule is right for
99 of 100 words of running text, and 0.2 % low in sum; hyphenation patterns, which other tools count by, are
right for 90 and 7 % low, since they do not cut where a word may not be cut (over, any, area).
A figure says how long words and sentences are. Whether the text is clear, it does not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.words import UNSPACED, word_set

__all__ = ["LONG", "MARKER", "LongSentence", "Readability", "is_english", "readability", "syllables"]

LONG = 40
"""Words from which a sentence is long; twice what guides to plain English advise at most."""

_LEAST_WORDS = 30
"""Words below which the formulas say nothing: one long word would decide."""

_LEAST_ENGLISH = 0.08
"""Share of these small words that a text has if it is English; dry prose about protocols has 0.1."""

MARKER = re.compile(r"\s*\[(?:\^?\w{1,4})(?:\s*,\s*\w{1,4})*\](?!\()")
"""A citation such as [f2], [1] or [^1, 2]; after a full stop it would hide the end of the sentence."""

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)|<?https?://\S+")
_CODE = re.compile(r"`+[^`]*`+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W\d_]+)*")

_ENGLISH = word_set("""
    the and to that with this are from which it be were not by has you they their what when can must should
    would there these those than but if each its for how who your our at
""")

_NOT = re.compile(r"[sd]n't$")  # isn't and didn't have a syllable more than is and did; don't has not
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(
    r"""
    (?<=[^aeiouy])(?<![^aeiouy]l)e$                                  # make; not table
  | (?<=[gq])ue$                                                     # league
  | (?<=[^aeiouydt])(?<![^aeiouyl]l)ed$                              # asked; not added, enabled
  | (?<=[^aeiouyscgxzhl])es$ | (?<=[aeiouy]l)es$                     # makes, rules; not uses, tables
  | (?<=[^aeiouy])(?<!el)(?<!pl)e(?=(?:ly|ments?|ful|less|ness)$)    # safely; not element
  | (?<=ic)a(?=lly$)                                                 # basically
  | ^(?:som|lif|tim|nam|bas|fir|hom|cod|fil|typ|not|sid|for|pip|w?her|ther|sal)e
    (?=[bcdfghklmnpqtvw][a-z]{2})                                    # lifecycle
    """,
    re.VERBOSE,
)
"""Vowels that are written and not said; the last row is first halves of compounds."""

_APART = re.compile(
    r"""
    (?<![tcsgx])i(?=[aou])                                           # period; not nation
  | (?<=[tc])i(?=a[tb])                                              # associate
  | (?<![tcs])i(?=enc|ent|ers?$|ets?$|est$) | i(?=et(?:y|ies)$)      # client, earlier, society
  | (?<=[^aeiouyqg])u(?=a[^y]|ou|i(?:ng|ty)?$)                       # actual, continuous
  | (?<=cr)ea(?=t) | (?<=r)ea(?=l[a-z]) | (?<=[rdn])eas?$            # create, reality, idea
  | eo(?=n|s|d|$) | ao                                               # video, chaos
  | (?<=[aeiouy])ing | y(?=er|a)                                     # being, layer
  | ism(?=s?$)                                                       # mechanism
    """,
    re.VERBOSE,
)
"""Places where vowels side by side, or none at all, make one syllable more."""


@dataclass(frozen=True, slots=True)
class LongSentence:
    """A sentence that is long: its text, and how many words it has."""

    text: str
    words: int


@dataclass(frozen=True, slots=True)
class Readability:
    """What was measured of a text's prose; None is what does not apply, and `note` says why.

    `ease` is Flesch's reading ease (about 0 to 100, higher is easier), `grade` the Flesch-Kincaid grade in
    years of school. `per_sentence` is words a sentence; `long` are the sentences of `LONG` words and more,
    the longest first.
    """

    words: int
    sentences: int
    ease: float | None = None
    grade: float | None = None
    per_sentence: float | None = None
    long: tuple[LongSentence, ...] = ()
    note: str = ""


def readability(text: str) -> Readability:
    """What can be said of the prose and the list items in a Markdown text; not of headings, tables and code.

    Sentence length is measured in every language that puts spaces between words, the formulas in English.
    """
    told = [
        (sentence.text, _WORD.findall(_said(sentence.text)))
        for sentence in sentences(MARKER.sub("", text))
        if sentence.kind in ("prose", "item")
    ]
    told = [(each, found) for each, found in told if found]
    spoken = [word for _, found in told for word in found]
    count = len(spoken)
    if not told:
        return Readability(0, 0, note="there is no prose")
    if _is_unspaced(spoken):
        return Readability(count, len(told), note="not measured: words are not written apart here")
    per_sentence = round(count / len(told), 1)
    long = sorted(
        (LongSentence(each, len(found)) for each, found in told if len(found) >= LONG),
        key=lambda each: -each.words,
    )
    plain = Readability(count, len(told), per_sentence=per_sentence, long=tuple(long))
    if count < _LEAST_WORDS:
        return _noted(plain, f"no reading ease: it takes {_LEAST_WORDS} words, and there are {count}")
    if not is_english(" ".join(spoken)):
        return _noted(plain, "no reading ease: it is made for English, and this does not look like it")
    spelled = sum(syllables(word) for word in spoken) / count
    length = count / len(told)
    return Readability(
        count,
        len(told),
        ease=round(206.835 - 1.015 * length - 84.6 * spelled, 1),
        grade=round(0.39 * length + 11.8 * spelled - 15.59, 1),
        per_sentence=per_sentence,
        long=tuple(long),
    )


def is_english(text: str) -> bool:
    """Whether a text of some sentences looks like English: by the share of its small words."""
    found = [word.lower() for word in _WORD.findall(text)]
    return bool(found) and sum(word in _ENGLISH for word in found) >= _LEAST_ENGLISH * len(found)


@lru_cache(maxsize=20_000)
def syllables(word: str) -> int:
    """How many syllables an English word has, at least 1.

    Of a word without vowels each letter counts (HTTP), and a number counts as one.
    """
    plain = word.lower().replace("\u2019", "'").removesuffix("'s")
    if not plain.isalpha():
        if _NOT.search(plain):
            return 1 + syllables(plain[:-3])
        plain = max(re.findall(r"[^\W\d_]+", plain), key=len, default="")
    if not plain:
        return 1
    groups = len(_VOWELS.findall(plain))
    if not groups:
        return len(plain)
    return max(1, groups - len(_SILENT.findall(plain)) + len(_APART.findall(plain)))


def _said(text: str) -> str:
    """The words of a sentence as they would be read: without code and addresses."""
    return _LINK.sub(lambda found: found[1] or "", _CODE.sub(" ", text))


def _is_unspaced(spoken: list[str]) -> bool:
    letters = sum(map(len, spoken))
    return sum(len(run) for word in spoken for run in UNSPACED.findall(word)) > letters / 2


def _noted(plain: Readability, note: str) -> Readability:
    return Readability(
        plain.words, plain.sentences, per_sentence=plain.per_sentence, long=plain.long, note=note
    )
