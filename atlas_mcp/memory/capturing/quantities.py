"""The numbers of a sentence as what they count, the dates it names, and which of them only tell things apart.

"60 s" and "1 minute" are one quantity, and "14:00" and "2 pm" one time of day; in "version 4.2" the number is
a name. For English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from atlas_mcp.computing.cells import MONTHS
from atlas_mcp.text.support import SPELLED, numbers
from atlas_mcp.text.words import STOP_WORDS, stem, word_set

__all__ = ["CLOCKS", "Quantity", "Read", "read", "read_both"]

_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS)
_DATE = re.compile(
    rf"\b(?:(?P<iso>(?:19|20)\d\d-\d\d(?:-\d\d)?)"
    rf"|(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)? )?(?P<m1>{_MONTH})\.? (?P<y1>(?:19|20)\d\d)"
    rf"|(?P<m2>{_MONTH})\.? (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>(?:19|20)\d\d)"
    rf"|(?P<q>Q[1-4]|(?:first|second|third|fourth) quarter(?: of)?|(?:first"
    rf"|second) half(?: of)?) (?P<y3>(?:19|20)\d\d)"
    rf"|(?<![\d.,$\u20ac\u00a3-])(?P<y4>(?:19|20)\d\d)(?![\d.,]*\d))",
    re.IGNORECASE,
)
_YEAR_AFTER = re.compile(
    r"(?:\A|\b(?:in|during|since|by|until|till|from|before|after|between|year|early|late|mid|through"
    r"|throughout"
    r"|as of|(?:19|20)\d\d (?:and|to)|(?:end|beginning|start|summer|spring|winter|autumn|fall|year|half"
    r"|month) of)"
    r"|\()\s*\Z",
    re.IGNORECASE,
)
"""Where four figures alone are a year: in 2025, and not 2048 bytes."""

_BEGINS = re.compile(
    r"\b(?:as of|since|starting(?: (?:in|from))?|effective(?: from)?|from)\s*\Z", re.IGNORECASE
)
"""Before a date: it begins then and goes on."""

_HAPPENED = re.compile(
    r"\b(?:opened|released|published|founded|born|launched|created|died|adopted|introduced|established"
    r"|invented"
    r"|discovered|completed|finished|signed|elected|appointed|acquired|merged|renamed|closed|abolished"
    r"|removed"
    r"|replaced|retired|expires?|ends?|ended|starts?|started|begins?|began|due)\b",
    re.IGNORECASE,
)
"""What happens once: its date is what a sentence says, not when it is so."""

_NAMING = word_set("""
    step figure fig table section chapter phase part question item level version release example option day
    week case note line page point rule appendix round stage draft port rfc issue number no error status code
    article clause schedule annex model series type class grade tier layer layers
""")
_NAMED = re.compile(rf"\b(?:{'|'.join(sorted(_NAMING))})\.?\s*\Z", re.IGNORECASE)
_COUNT = re.compile(
    r"(?<![\w.,-])(?P<sign>[-+])?(?P<money>[$\u20ac\u00a3])?(?P<number>\d+(?:[.,]\d+)*)\s*"
    r"(?P<unit>%|\u00b0[CF]|[A-Za-z\u00b5]+(?:/[a-z]+)?)?"
)
_CLOCK = re.compile(
    r"(?<![\w.,:+-])(?:"
    r"(?P<twelfth>1[0-2]|0?[1-9])(?::(?P<m1>[0-5]\d))?\s?(?P<half>[ap])\.?m\b\.?"
    r"|(?P<hour>[01]\d|2[0-3]):(?P<m2>[0-5]\d)(?![\d:])"
    r"|(?P<either>1[0-2]|[1-9]|one)(?::(?P<m3>[0-5]\d)(?![\d:])|\s?o['\u2019]\s?clock\b)"
    r")",
    re.IGNORECASE,
)
DAY, HALF_DAY = "time of day", "time of half a day"
CLOCKS = frozenset({DAY, HALF_DAY})
"""What a time of day counts, in seconds; the second where it may be before or after noon: 2 o'clock."""
_AT = re.compile(r"\bat\s*\Z", re.IGNORECASE)
_LAST_HOUR = 12

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


# "one" is an article as often as a number.
_IN_WORDS = re.compile(rf"\b(?:{'|'.join(word for word in SPELLED if word != 'one')})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and what it counts, in one unit; as it was `said`; `loose`: a bound, or about so much.

    `hour` is that it may be one, as in "at two".
    """

    value: float
    unit: str
    said: str = ""
    loose: str = ""
    hour: bool = False


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
        if match["y4"] and not _YEAR_AFTER.search(sentence, 0, match.start()):
            continue
        date = _iso(match)
        if _BEGINS.search(sentence, 0, match.start()):
            since = date
        else:
            (told if happened else scopes).add(date)
        plain = f"{plain[: match.start()]} {plain[match.end() :]}"
    plain, clocks = _clocks(_IN_WORDS.sub(lambda word: SPELLED[word[0].lower()], plain))
    plain, quantities, named = _numbers(plain)
    return Read(plain, (*clocks, *quantities), frozenset(named), frozenset(scopes), frozenset(told), since)


def read_both(one: str, other: str) -> tuple[Read, Read]:
    """Two sentences taken apart; where one says a time of day, "at two" in the other is one, too."""
    first, second = read(one), read(other)
    return _as_hours(first, second), _as_hours(second, first)


def _as_hours(told: Read, other: Read) -> Read:
    if not any(each.unit in CLOCKS for each in other.quantities):
        return told
    hours = tuple(
        replace(each, value=each.value % _LAST_HOUR * 3600, unit=HALF_DAY) if each.hour else each
        for each in told.quantities
    )
    return replace(told, quantities=hours)


def _clocks(plain: str) -> tuple[str, list[Quantity]]:
    """A sentence without its times of day, and those."""
    found: list[Quantity] = []
    for match in reversed(list(_CLOCK.finditer(plain))):
        before = plain[: match.start()]
        if _NAMED.search(before):
            continue
        minutes = int(match["m1"] or match["m2"] or match["m3"] or 0)
        said = match["twelfth"] or match["hour"] or match["either"]
        hour = 1 if said.lower() == "one" else int(said)
        if match["twelfth"]:
            hour = hour % _LAST_HOUR + (_LAST_HOUR if match["half"].lower() == "p" else 0)
        elif match["either"]:
            hour %= _LAST_HOUR
        unit = HALF_DAY if match["either"] else DAY
        found.insert(0, Quantity(hour * 3600 + minutes * 60, unit, match[0].rstrip("."), _loose(before)))
        plain = f"{before} {plain[match.end() :]}"
    return plain, found


def _numbers(plain: str) -> tuple[str, list[Quantity], set[str]]:
    """A sentence without its numbers, what they count, and those that are names."""
    quantities: list[Quantity] = []
    named: set[str] = set()
    for match in reversed(list(_COUNT.finditer(plain))):
        before = plain[: match.start()]
        end = match.end("number")
        if _names(before):
            named.add(match["number"])
        else:
            quantity, end = _counted(match, before)
            quantities.insert(0, quantity)
        plain = f"{before} {plain[end:]}"
    return plain, quantities, named


def _names(before: str) -> bool:
    """Whether a number after these words is a name: of a version, a step, or part of a product's name."""
    word = re.search(r"([A-Za-z]+)\.?\s*\Z", before)
    if word is None or _AROUND.search(before) or _OVER.search(before):
        return False
    # "Kestrel 4.2", and not the first word of a sentence, such as "Only 20".
    return word[1].lower() in _NAMING or (word[1][0].isupper() and word[1].lower() not in STOP_WORDS)


def _counted(match: re.Match[str], before: str) -> tuple[Quantity, int]:
    """The quantity, and how far it reaches: what is counted stays among the words, a unit does not."""
    value = _number(match["number"])
    loose = _loose(before)
    unit, said = (match["unit"] or "").lower(), match[0].strip()
    if match["money"]:
        return Quantity(value, match["money"], said, loose), match.end("number")
    if unit in _UNITS:
        base, factor = _UNITS[unit]
        return Quantity(round(value * factor, 9), base, said, loose), match.end("unit")
    hour = value in range(1, _LAST_HOUR + 1) and _AT.search(before) is not None and unit != "%"
    return Quantity(value, stem(unit), said, loose, hour), match.end("number")


def _loose(before: str) -> str:
    """Whether a number after these words is about so much, or a bound."""
    return "about" if _AROUND.search(before) else "bound" if _OVER.search(before) else ""


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
    number = next(at for at, name in enumerate(MONTHS, 1) if name.startswith(month.lower()[:3]))
    day = match["d1"] or match["d2"]
    return f"{year}-{number:02}" + (f"-{int(day):02}" if day else "")
