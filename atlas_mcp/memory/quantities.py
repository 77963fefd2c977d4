"""The numbers of a sentence as what they count, the dates it names, and which of them only tell things apart.

"60 s" and "1 minute" are one quantity; in "version 4.2" the number is a name. For English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from atlas_mcp.text.support import SPELLED, numbers
from atlas_mcp.text.words import stem, word_set

__all__ = ["Quantity", "Read", "read"]

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_DATE = re.compile(
    rf"\b(?:(?P<iso>(?:19|20)\d\d-\d\d(?:-\d\d)?)"
    rf"|(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)? )?(?P<m1>{_MONTH})\.? (?P<y1>(?:19|20)\d\d)"
    rf"|(?P<m2>{_MONTH})\.? (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>(?:19|20)\d\d)"
    rf"|(?P<q>Q[1-4]|(?:first|second|third|fourth) quarter(?: of)?|(?:first|second) half(?: of)?) (?P<y3>(?:19|20)\d\d)"
    rf"|(?<![\d.,$\u20ac\u00a3-])(?P<y4>(?:19|20)\d\d)(?![\d.,]*\d|\s*(?:%|[kMG]B|ms|s|users|items|requests)\b))",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    r"\b(?:as of|since|starting(?: (?:in|from))?|effective(?: from)?|from)\s*\Z", re.IGNORECASE
)
"""Before a date: it begins then and goes on."""

_HAPPENED = re.compile(
    r"\b(?:opened|released|published|founded|born|launched|created|died|adopted|introduced|established|invented"
    r"|discovered|completed|finished|signed|elected|appointed|acquired|merged|renamed|closed|abolished|removed"
    r"|replaced|retired|expires?|ends?|ended|starts?|started|begins?|began|due)\b",
    re.IGNORECASE,
)
"""What happens once: its date is what a sentence says, not when it is so."""

_NAMING = word_set("""
    step figure fig table section chapter phase part question item level version release example option day
    week case note line page point rule appendix round stage draft port rfc issue number no error status code
    article clause schedule annex model series type class grade tier layer layers
""")
_TELLS = frozenset({"port", "status", "level", "version", "release", "number", "code", "tier", "day", "page"})
"""Of those, what a sentence may also say of something: "the port is 8080"."""

_BE = re.compile(
    r"\b(?:is|are|was|were|be|remains?|stays?|became|becomes?|to|on|at|of|:|=)\s*\Z", re.IGNORECASE
)
_COUNT = re.compile(
    r"(?<![\w.,-])(?P<sign>[-+])?(?P<money>[$\u20ac\u00a3])?(?P<number>\d+(?:[.,]\d+)*)\s*"
    r"(?P<unit>%|\u00b0[CF]|[A-Za-z\u00b5]+(?:/[a-z]+)?)?"
)
_AROUND = re.compile(
    r"\b(?:about|around|roughly|approximately|nearly|almost|some|circa|ca\.?)\s*\Z", re.IGNORECASE
)
_OVER = re.compile(
    r"\b(?:more than|over|above|exceeds?|fewer than|less than|under|below)\s*\Z", re.IGNORECASE
)
_UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("s", 0.001)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", 1)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("s", 60)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("s", 3600)),
    **dict.fromkeys(("day", "days"), ("s", 86_400)),
    **dict.fromkeys(("week", "weeks"), ("s", 604_800)),
    **dict.fromkeys(("kb", "kilobyte", "kilobytes"), ("byte", 1e3)),
    **dict.fromkeys(("byte", "bytes"), ("byte", 1)),
    **dict.fromkeys(("mb", "megabyte", "megabytes"), ("byte", 1e6)),
    **dict.fromkeys(("gb", "gigabyte", "gigabytes"), ("byte", 1e9)),
    **dict.fromkeys(("tb", "terabyte", "terabytes"), ("byte", 1e12)),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), ("m", 1e3)),
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), ("m", 1)),
    **dict.fromkeys(("kg", "kilogram", "kilograms"), ("g", 1e3)),
    **dict.fromkeys(("g", "gram", "grams"), ("g", 1)),
    **dict.fromkeys(("mg", "milligram", "milligrams"), ("g", 1e-3)),
    **dict.fromkeys(("%", "percent"), ("%", 1)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and what it counts, in one unit; as it was `said`; `loose`: a bound, or about so much."""

    value: float
    unit: str
    said: str = ""
    loose: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A sentence taken apart: what is left of its words, its quantities, dates, and numbers that are names.

    `scopes` are dates within which alone it is said to be so; `dates` those that it tells; `since` the date
    from which on it is so, as ISO, if it says one.
    """

    plain: str
    quantities: tuple[Quantity, ...]
    named: frozenset[str]
    scopes: frozenset[str]
    dates: frozenset[str]
    since: str = ""


def read(sentence: str) -> Read:
    """Take a sentence apart."""
    scopes: set[str] = set()
    told: set[str] = set()
    since = ""
    happened = _HAPPENED.search(sentence) is not None
    plain = sentence
    for match in reversed(list(_DATE.finditer(sentence))):
        date = _iso(match)
        if _BEGINS.search(sentence, 0, match.start()):
            since = date
        else:
            (told if happened else scopes).add(date)
        plain = f"{plain[: match.start()]} {plain[match.end() :]}"
    plain = re.sub(
        r"\b[A-Za-z]+\b", lambda word: SPELLED.get(word[0].lower(), word[0]) if word[0].lower() != "one" else word[0],
        plain,
    )  # fmt: skip
    quantities: list[Quantity] = []
    named: set[str] = set()
    for match in reversed(list(_COUNT.finditer(plain))):
        before = plain[: match.start()]
        if _names(before):
            named.add(match["number"])
            plain = f"{before} {plain[match.end('number') :]}"
            continue
        quantity, end = _counted(match, before)
        quantities.append(quantity)
        plain = f"{before} {plain[end:]}"
    return Read(
        plain, tuple(reversed(quantities)), frozenset(named), frozenset(scopes), frozenset(told), since
    )


def _names(before: str) -> bool:
    """Whether a number after these words is a name: of a version, a step, or part of a product's name."""
    word = re.search(r"([A-Za-z]+)\.?\s*\Z", before)
    if word is None:
        return False
    if word[1].lower() in _NAMING:
        return True
    # "Kestrel 4.2", and not the first word of a sentence, such as "Around 20".
    return word[1][0].isupper() and not _AROUND.search(before) and not _OVER.search(before) and not word[1].lower() in {
        "at", "up", "to", "the", "in", "on", "about", "only", "between", "with", "each", "every", "all", "of",
    }  # fmt: skip


def _counted(match: re.Match[str], before: str) -> tuple[Quantity, int]:
    """The quantity, and how far it reaches: what is counted stays among the words, a unit does not."""
    value = _number(match["number"])
    loose = "about" if _AROUND.search(before) else "bound" if _OVER.search(before) else ""
    unit, said = (match["unit"] or "").lower(), match[0].strip()
    if match["money"]:
        return Quantity(value, match["money"], said, loose), match.end("number")
    if unit in _UNITS:
        base, factor = _UNITS[unit]
        return Quantity(round(value * factor, 9), base, said, loose), match.end("unit")
    return Quantity(value, stem(unit), said, loose), match.end("number")


def _number(written: str) -> float:
    """A number of whatever spelling; one that is none, such as 1.2.3, by a value of its own."""
    found = next(iter(numbers(written)), "")
    try:
        return float(found)
    except ValueError:
        return float(re.sub(r"\D", "", written) or 0) + 0.123


def _iso(match: re.Match[str]) -> str:
    if match["iso"]:
        return match["iso"]
    year = match["y1"] or match["y2"] or match["y3"] or match["y4"]
    month = match["m1"] or match["m2"]
    if match["q"]:
        return f"{year} {match['q'].lower().removesuffix(' of')}"
    if not month:
        return year
    number = next(at for at, name in enumerate(_MONTHS, 1) if name.startswith(month.lower()[:3]))
    day = match["d1"] or match["d2"]
    return f"{year}-{number:02}" + (f"-{int(day):02}" if day else "")
