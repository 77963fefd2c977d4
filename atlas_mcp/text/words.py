"""Words that carry meaning, and their stems: what lexical ranking and lexical support compare by.

English stop words and light English stemming; other scripts pass through, Chinese, Japanese and Korean as
pairs of characters, since they write no spaces between words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["STOP_WORDS", "content_words", "stem", "stems", "word_set", "words"]


def word_set(listed: str) -> frozenset[str]:
    """The words of a list that is written as plain text."""
    return frozenset(listed.split())


STOP_WORDS = word_set("""
    a about above after again all also am an and any are as at be because been before being below between
    both but by can could did do does doing done down during each either else ever every few for from
    further get got had has have having he her here hers herself him himself his how however i if in into
    is it its itself just let may me might more most much must my myself nor of off on once one only onto
    or other our ours ourselves out over own per quite rather s same shall she should since so some such t
    than that the their theirs them themselves then there these they this those though through thus to too
    under until up upon us very via was we were what when where whether which while who whom whose why
    will with within would yet you your yours yourself yourselves
""")
WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:'\w+)*")
UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff]+"
)
LONG_ENOUGH = 3

# Longest first; what is left must hold a vowel and the letters that are asked for.
SUFFIXES = (
    ("ifications", "ify", 2), ("ification", "ify", 2), ("ational", "", 4), ("ization", "iz", 3),
    ("isation", "iz", 3), ("fulness", "", 3), ("iveness", "ive", 3), ("ations", "", 4), ("ation", "", 4),
    ("ments", "", 3), ("ating", "", 4), ("ment", "", 3), ("ated", "", 4), ("ates", "", 4), ("ingly", "", 3),
    ("ising", "iz", 3), ("izing", "iz", 3), ("ities", "", 3), ("ate", "", 4), ("ised", "iz", 3),
    ("ized", "iz", 3), ("ises", "iz", 3), ("izes", "iz", 3), ("ise", "iz", 3), ("ize", "iz", 3),
    ("edly", "", 3), ("ions", "", 3), ("ings", "", 3), ("ness", "", 3), ("ing", "", 3), ("ion", "", 3),
    ("ies", "y", 2), ("ied", "y", 2), ("ily", "y", 2), ("ity", "", 3), ("sses", "ss", 2), ("ed", "", 3),
    ("ly", "", 3), ("es", "", 3), ("s", "", 3),
)  # fmt: skip
_BY_LETTER = {
    letter: tuple(each for each in SUFFIXES if each[0].endswith(letter))
    for letter in {each[0][-1] for each in SUFFIXES}
}
"""The suffixes by their last letter, in the same order."""
IRREGULAR = {"used": "use", "uses": "use", "using": "use", "made": "mak", "has": "have"}
# Endings that only look like -s and -ed.
KEPT = ("ss", "us", "is", "eed")
LONGEST_PLAIN = 2
VOWEL = re.compile(r"[aeiouy]")


def words(text: str) -> list[str]:
    """The words of `text` in order, in small letters; unspaced scripts as overlapping pairs of characters."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    found: list[str] = []
    for word in WORD.findall(plain):
        found.extend([word.removesuffix("'s")] if word.isascii() else _pairs(word))
    return found


def content_words(text: str) -> list[str]:
    """The words of `text` that are no stop words, in order, as they are written."""
    return [word for word in words(text) if word not in STOP_WORDS and not word.endswith("n't")]


def stems(text: str) -> list[str]:
    """The stems of the content words of `text`, in order."""
    return [stem(word) for word in content_words(text)]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its English ending: "cancels", "cancelled" and "cancellation" become one."""
    if not word.isascii() or not word.isalpha() or len(word) <= LONG_ENOUGH:
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    for suffix, instead, least in _BY_LETTER.get(word[-1], ()):
        rest = word.removesuffix(suffix)
        if rest == word or len(rest) < least or not VOWEL.search(rest):
            continue
        if len(suffix) > LONGEST_PLAIN or not word.endswith(KEPT):
            word = rest + instead
        break
    if len(word) > LONG_ENOUGH and word[-1] == word[-2] and word[-1] not in "aeiousz":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > LONG_ENOUGH else word


def _pairs(word: str) -> list[str]:
    """A word in which unspaced scripts are cut into overlapping pairs, other letters left whole."""
    found: list[str] = []
    done = 0
    for match in UNSPACED.finditer(word):
        found.append(word[done : match.start()])
        run = match[0]
        found.extend([run] if len(run) == 1 else [run[at : at + 2] for at in range(len(run) - 1)])
        done = match.end()
    return [piece for piece in [*found, word[done:]] if piece]
