"""Times that a text speaks of, as periods: dates, months, years, and what is relative to a moment.

English, and dates as figures. Nothing is guessed: what is no date in its place ("may", "march on", "second")
stays a word. It does not know what the periods are for.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from atlas_mcp.computing.cells import MONTHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Period", "periods"]


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From the day `start` up to, and without, the day `end`; both ISO dates (`2026-03-01`)."""

    start: str
    end: str

    def __str__(self) -> str:
        """The day alone, or the first and the last one."""
        last = (date.fromisoformat(self.end) - timedelta(days=1)).isoformat()
        return self.start if last == self.start else f"{self.start} to {last}"

    def overlaps(self, other: Period) -> bool:
        """Whether the two share a day."""
        return self.start < other.end and other.start < self.end

    def holds(self, at: str) -> bool:
        """Whether an ISO date or time lies within."""
        return self.start <= at[:10] < self.end


def periods(text: str, now: str) -> list[Period]:
    """The periods that `text` names, in its order, each once; `now` (ISO 8601) is when it was said.

    "last month", "two weeks ago" and "on Friday" count from `now`; a day without a year is the one nearest to
    it, and a bare weekday the last one. A year alone is a period of a year.

    Raises:
        ValueError: `now` does not begin with a date.
    """
    today = date.fromisoformat(now[:10])
    found: list[tuple[int, Period]] = []
    left = text
    small = text.lower()
    for needs, pattern, meaning in _RULES:
        if not _has_any(small, needs):
            continue
        for match in pattern.finditer(left):
            if (days := _meant(meaning, match, today)) is not None:
                first, behind = days
                found.append((match.start(), Period(first.isoformat(), behind.isoformat())))
                # What one rule has read is not read again by a later, coarser one.
                left = left[: match.start()] + "\0" * len(match[0]) + left[match.end() :]
    return list(dict.fromkeys(period for _, period in sorted(found, key=lambda each: each[0])))


def _has_any(text: str, needs: tuple[str, ...]) -> bool:
    for word in needs:  # noqa: SIM110 - a generator takes twice as long, and most texts have no date
        if word in text:
            return True
    return False


def _meant(
    meaning: Callable[[re.Match[str], date], tuple[date, date] | None], match: re.Match[str], today: date
) -> tuple[date, date] | None:
    """The days that are meant; None for what is no date after all (31 April, the year 0)."""
    try:
        return meaning(match, today)
    except (ValueError, OverflowError):
        return None


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _numbered(names: tuple[str, ...], first: int) -> dict[str, int]:
    """The names, whole and cut to three letters, with their numbers."""
    return {name[:length]: number for number, name in enumerate(names, first) for length in (3, len(name))}


_MONTH = {**_numbered(MONTHS, 1), "sept": 9}
_DAY = {**_numbered(_DAYS, 0), "tues": 1, "thur": 3, "thurs": 3}
_NUMBER = {
    "a": 1, "an": 1, "a couple of": 2, "couple of": 2, "a few": 3, "few": 3, "several": 4,
    **{name: number for number, name in enumerate(_NUMBERS, 1)},
}  # fmt: skip
_SEASON = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}

_LONG_MONTH = "(?P<month>" + "|".join(MONTHS) + r"|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?)"
_DATE = r"(?P<day>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:1[5-9]|20)\d\d)"
_WEEKDAY = "(?P<weekday>" + "|".join(_DAYS) + r"|(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)\b\.?)"
_COUNT = r"(?P<count>\d{1,3}|" + "|".join(sorted(_NUMBER, key=len, reverse=True)) + ")"
_UNIT = "(?P<unit>day|week|month|year)"
_BEFORE_MONTH = "(?:in|during|since|until|by|before|after|last|this|next|early|late|mid)"
_SEASON_NAME = "(?P<season>spring|summer|autumn|fall|winter)"
_NAMED = ("yesterday", "night", "today", "tomorrow")
_WHICH = "(?P<which>last|past|previous|this|current|next|coming)"


def _day(on: date) -> tuple[date, date]:
    return on, on + timedelta(days=1)


def _month(year: int, month: int) -> tuple[date, date]:
    first = date(year, month, 1)
    return first, first + timedelta(days=monthrange(year, month)[1])


def _year(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year + 1, 1, 1)


def _months_from(on: date, months: int) -> date:
    """The first of the month that lies so many months away."""
    year, month = divmod(on.year * 12 + on.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _unit(unit: str, today: date, steps: int) -> tuple[date, date]:
    """The whole day, week, month or year that lies so many of them away."""
    match unit:
        case "day":
            return _day(today + timedelta(days=steps))
        case "week":
            monday = today + timedelta(days=7 * steps - today.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            first = _months_from(today, steps)
            return _month(first.year, first.month)
        case _:
            return _year(today.year + steps)


def _month_number(match: re.Match[str]) -> int:
    return _MONTH[match["month"].lower().rstrip(".")]


def _figures(match: re.Match[str], today: date) -> tuple[date, date] | None:
    del today
    year, month = int(match["year"]), int(match["number"])
    return _day(date(year, month, int(match["day"]))) if match["day"] else _month(year, month)


def _date(match: re.Match[str], today: date) -> tuple[date, date]:
    month, day = _month_number(match), int(match["day"])
    if year := match["year"]:
        return _day(date(int(year), month, day))
    near = (today.year - 1, today.year, today.year + 1)
    sound = [date(year, month, day) for year in near if day <= monthrange(year, month)[1]]
    return _day(min(sound, key=lambda on: abs(on - today)))


def _whole_month(match: re.Match[str], today: date) -> tuple[date, date]:
    month = _month_number(match)
    if year := match["year"]:
        return _month(int(year), month)
    years = (today.year - 1, today.year, today.year + 1)
    match match[0].lower().split()[0]:
        case "since" | "last":
            return _month(max(year for year in years if (year, month) <= (today.year, today.month)), month)
        case "next":
            return _month(min(year for year in years if (year, month) > (today.year, today.month)), month)
        case _:
            return _month(min(years, key=lambda year: abs(date(year, month, 15) - today)), month)


def _whole_year(match: re.Match[str], today: date) -> tuple[date, date]:
    del today
    return _year(int(match["year"]))


def _season(match: re.Match[str], today: date) -> tuple[date, date]:
    which = (match["which"] or "").lower()
    month = _SEASON[match["season"].lower()]
    year = int(match["year"]) if match["year"] else today.year
    first = date(year, month, 1)
    if not match["year"] and first > today and which != "next":
        first = date(year - 1, month, 1)  # the last one that has begun
    if which == "last" and _months_from(first, 3) > today:
        first = date(first.year - 1, month, 1)
    elif which == "next":
        first = date(year + (first <= today), month, 1)
    return first, _months_from(first, 3)


def _quarter(match: re.Match[str], today: date) -> tuple[date, date]:
    first = date(int(match["year"] or today.year), 3 * int(match["quarter"]) - 2, 1)
    return first, _months_from(first, 3)


def _named_day(match: re.Match[str], today: date) -> tuple[date, date]:
    steps = {"before": -2, "yesterday": -1, "night": -1, "today": 0, "tonight": 0, "tomorrow": 1}
    said = match[0].lower()
    if said.startswith("the day"):
        return _day(today + timedelta(days=-2 if "before" in said else 2))
    return _day(today + timedelta(days=steps[said.split()[-1]]))


def _ago(match: re.Match[str], today: date) -> tuple[date, date]:
    said = match["count"].lower()
    return _unit(match["unit"].lower(), today, -(_NUMBER[said] if said in _NUMBER else int(said)))


def _stretch(match: re.Match[str], today: date) -> tuple[date, date]:
    """The last three weeks: from so long ago until today."""
    said = match["count"].lower()
    first = _unit(match["unit"].lower(), today, -(_NUMBER[said] if said in _NUMBER else int(said)))[0]
    return first, today + timedelta(days=1)


def _relative(match: re.Match[str], today: date) -> tuple[date, date]:
    which, unit = match["which"].lower(), match["unit"].lower()
    steps = {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(which, 0)
    if unit == "weekend":
        monday = _unit("week", today, steps)[0]
        return monday + timedelta(days=5), monday + timedelta(days=7)
    return _unit(unit, today, steps)


def _weekday(match: re.Match[str], today: date) -> tuple[date, date]:
    which = (match["which"] or "last").lower()
    back = (today.weekday() - _DAY[match["weekday"].lower().rstrip(".")]) % 7
    if which in ("next", "coming"):
        return _day(today + timedelta(days=7 - back if back else 7))
    if which in ("this", "current"):
        return _day(today + timedelta(days=-back if back <= today.weekday() else 7 - back))
    return _day(today - timedelta(days=back or 7))


_MONTH_WORDS = tuple(name[:3] for name in MONTHS)
_DAY_WORDS = tuple(name[:3] for name in _DAYS)
_UNITS = ("day", "week", "month", "year")
_SEASONS = tuple(_SEASON)


def _rules() -> Iterator[
    tuple[tuple[str, ...], str, Callable[[re.Match[str], date], tuple[date, date] | None]]
]:
    """What is read as what, the finest first; and words of which one has to be there at all."""
    yield (
        ("-0", "-1"),
        rf"\b{_YEAR}-(?P<number>1[0-2]|0[1-9])(?:-(?P<day>3[01]|[12]\d|0[1-9]))?(?![\d-])",
        _figures,
    )
    yield (".1", ".2"), rf"\b{_DATE}\.(?P<number>1[0-2]|0?[1-9])\.{_YEAR}\b", _figures
    yield _MONTH_WORDS, rf"\b{_DATE} (?:of )?{_LONG_MONTH}\b(?:,? {_YEAR}\b)?", _date
    yield _MONTH_WORDS, rf"\b{_LONG_MONTH} {_DATE}\b(?!:)(?:,? {_YEAR}\b)?", _date
    yield _MONTH_WORDS, rf"\b{_LONG_MONTH},? (?:of )?{_YEAR}\b", _whole_month
    yield _MONTH_WORDS, rf"\b{_BEFORE_MONTH}[ -]{_LONG_MONTH}\b(?P<year>)", _whole_month
    yield _SEASONS, rf"\b(?:{_WHICH} )?{_SEASON_NAME} (?:of )?{_YEAR}\b", _season
    yield _SEASONS, rf"\b{_WHICH} {_SEASON_NAME}\b(?P<year>)", _season
    yield ("q1", "q2", "q3", "q4"), rf"\bQ(?P<quarter>[1-4])(?:[ /-]{_YEAR})?\b", _quarter
    yield ("the day",), r"\bthe day (?:before yesterday|after tomorrow)\b", _named_day
    yield (_NAMED, r"\b(?:yesterday|last night|today|tonight|tomorrow)\b", _named_day)
    yield _UNITS, rf"\b{_COUNT} {_UNIT}s? (?:ago|back|earlier)\b", _ago
    yield _UNITS, rf"\b(?:last|past|previous) {_COUNT} {_UNIT}s\b", _stretch
    yield (*_UNITS, "weekend"), rf"\b{_WHICH} (?P<unit>weekend|day|week|month|year)\b", _relative
    yield _DAY_WORDS, rf"\b(?:on |{_WHICH} ){_WEEKDAY}\b", _weekday
    yield ("15", "16", "17", "18", "19", "20"), rf"(?<![\w.,$£€-]){_YEAR}(?![\w%-]|[.,]\d)", _whole_year


_RULES = [(needs, re.compile(pattern, re.IGNORECASE), meaning) for needs, pattern, meaning in _rules()]
