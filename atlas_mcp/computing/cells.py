"""What the cells of a column are: numbers in whatever spelling, dates, or texts.

A column decides as a whole, because a cell alone cannot: whether "1,234" has a comma for thousands or for
decimals, and whether "03/04/2024" is in March or in April.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.computing.figures import sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MONTHS", "Column", "ColumnKind", "Mark", "decimal_mark", "looks_like_number", "typed"]

Mark: TypeAlias = Literal[".", ","]
ColumnKind: TypeAlias = Literal["number", "date", "text"]

LEAST_SHARE = 0.9
"""Share of a column's cells that must be numbers, or dates, for the column to be of them."""
MOST_DIGITS = 15
"""Digits of a number; what has more is a name, such as that of an account."""

MISSING = frozenset({
    "n/a", "na", "nan", "null", "none", "nil", "-", "--", "\u2013", "\u2014", ".", "?",
    "#n/a", "#value!", "#ref!", "#div/0!", "#name?", "#num!",
})  # fmt: skip
"""How tables say, in small letters, that there is no value."""

_GAP = "\\s'\u2019\u00a0\u202f"
_NUMBER = re.compile(
    r"(?P<open>\()?(?P<sign>[-+\u2212])?(?P<before>[€$£¥₹]|[A-Z]{3}(?=[\s\d-]))?\s*(?P<sign2>[-\u2212])?"
    rf"(?P<digits>\d[\d.,{_GAP}]*?|[.,]\d+)(?P<exponent>[eE][-+]?\d{{1,3}})?"
    r"\s*(?P<after>%|‰|°?[^\W\d_][\w²³°/%.]{0,11}|[€$£¥₹°])?(?(open)\))"
)
_PLAIN = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")
_ISO = re.compile(
    r"(?P<y>\d{4})(?P<mark>[-/.])(?P<m>\d{1,2})"
    r"(?:(?P=mark)(?P<d>\d{1,2})(?:[T ](?P<t>\d\d:\d\d(?::\d\d)?)\S*)?)?"
)
_LOCAL = re.compile(
    r"(?P<a>\d{1,2})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<y>\d{4})(?:[T ](?P<t>\d\d:\d\d(?::\d\d)?))?"
)
_NAMED = re.compile(
    r"(?:(?P<d>\d{1,2})\.?\s+)?(?P<m>[A-Za-z]{3,9})\.?\s+(?:(?P<d2>\d{1,2}),\s*)?(?P<y>\d{4})"
)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
"""The months as English texts name them, in small letters."""
_GROUP = 3
_MONTHS_A_YEAR = 12
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its cells as texts ("" where one is missing), and as numbers (None where one is not).

    Dates are ISO 8601, and days since 1970 as numbers. `unit` is what stands at every number, `unread` how
    many cells are neither missing nor what the column is of.
    """

    name: str
    kind: ColumnKind
    texts: Sequence[str] = field(repr=False)
    numbers: Sequence[float | None] = field(default=(), repr=False)
    unit: str = ""
    unread: int = 0


def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number in some spelling."""
    return _NUMBER.fullmatch(cell) is not None


def decimal_mark(cells: Iterable[str]) -> Mark | None:
    """The decimal mark that some cells must have; None where they do not tell, or contradict one another."""
    found: set[Mark] = set()
    for cell in cells:
        whole, point, fraction = cell.partition(".")
        if point and whole.isdecimal() and fraction.isdecimal():
            # What most cells are, without the long way round.
            mark = "." if len(fraction) != _GROUP or whole == "0" else None
        elif (point or "," in cell) and (match := _NUMBER.fullmatch(cell)):
            mark = _mark_of(re.sub(f"[{_GAP}]", "", match["digits"]))
        else:
            continue
        if mark:
            found.add(mark)
            if len(found) > 1:
                return None
    return found.pop() if found else None


def _mark_of(digits: str) -> Mark | None:
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    mark, other = (",", ".") if comma >= 0 else (".", ",")
    pieces = digits.split(mark)
    if len(pieces) > 2:  # noqa: PLR2004 - a decimal mark stands once
        return other
    return None if len(pieces[1]) == _GROUP and pieces[0] not in ("", "0") else mark


def typed(name: str, cells: Sequence[str], hint: Mark | None = None) -> Column:
    """A column of what its cells are; `hint` is the decimal mark where the cells do not tell."""
    given = [cell for cell in cells if cell]
    held = sum(cell.lower() not in MISSING for cell in given)
    if not held:
        return Column(name, "text", ["" for _ in cells])
    return _numbers(name, cells, held, hint) or _dates(name, cells, held) or _texts(name, cells)


def _texts(name: str, cells: Sequence[str]) -> Column:
    return Column(name, "text", ["" if cell.lower() in MISSING else cell for cell in cells])


def _numbers(name: str, cells: Sequence[str], held: int, hint: Mark | None) -> Column | None:
    mark = decimal_mark(cells) or hint or "."
    values: list[float | None] = []
    units: Counter[str] = Counter()
    failed = 0
    allowed = held * (1 - LEAST_SHARE)
    for cell in cells:
        if _PLAIN.fullmatch(cell) and (mark == "." or "." not in cell):
            values.append(float(cell))
            continue
        read = _number(cell, mark) if cell and cell.lower() not in MISSING else None
        values.append(read[0] if read else None)
        if read:
            units[read[1]] += 1
        elif cell and cell.lower() not in MISSING:
            failed += 1
            if failed > allowed:
                return None
    units.pop("", None)
    # Things counted in several units cannot be added up.
    if len(units) > 1:
        return None
    return Column(name, "number", cells, values, next(iter(units), ""), failed)


def _number(cell: str, mark: Mark) -> tuple[float, str] | None:
    match = _NUMBER.fullmatch(cell)
    if match is None:
        return None
    digits = match["digits"]
    whole, point, fraction = digits.rpartition(mark)
    if not point:
        whole, fraction = digits, ""
    groups = re.split(f"[{_GAP}{'.' if mark == ',' else ','}]", whole)
    grouped = len(groups) > 1
    if grouped and (not 1 <= len(groups[0]) <= _GROUP or any(len(each) != _GROUP for each in groups[1:])):
        return None
    whole = "".join(groups)
    zeros = len(whole) > 1 and whole[0] == "0"
    if zeros or not (whole + fraction).isdecimal() or len((whole + fraction).lstrip("0")) > MOST_DIGITS:
        return None
    number = float(f"{whole or 0}.{fraction or 0}{match['exponent'] or ''}")
    negative = bool(match["open"]) or "-" in (said := f"{match['sign']}{match['sign2']}") or "\u2212" in said
    return -number if negative else number, match["before"] or match["after"] or ""


def _dates(name: str, cells: Sequence[str], held: int) -> Column | None:
    day_first = _day_first(cells)
    texts: list[str] = []
    numbers: list[float | None] = []
    failed = 0
    for cell in cells:
        date = _date(cell, day_first=day_first) if cell else None
        texts.append(date[0] if date else "")
        numbers.append(date[1] if date else None)
        if date is None and cell and cell.lower() not in MISSING:
            failed += 1
            if failed > held * (1 - LEAST_SHARE):
                return None
    return Column(name, "date", texts, numbers, "", failed)


def _day_first(cells: Sequence[str]) -> bool:
    """Whether the day stands before the month; where the cells do not tell, it does unless by slashes."""
    found = [match for cell in cells[:100_000] if (match := _LOCAL.fullmatch(cell))]
    if any(int(match["a"]) > _MONTHS_A_YEAR for match in found):
        return True
    if any(int(match["b"]) > _MONTHS_A_YEAR for match in found):
        return False
    return not any(match["mark"] == "/" for match in found)


def _date(cell: str, *, day_first: bool) -> tuple[str, float] | None:
    """A date in ISO 8601, as exact as it was given, and as days since 1970."""
    time: str | None = None
    if match := _ISO.fullmatch(cell):
        year, month, day, time = match["y"], match["m"], match["d"], match["t"]
    elif match := _LOCAL.fullmatch(cell):
        day, month = (match["a"], match["b"]) if day_first else (match["b"], match["a"])
        year, time = match["y"], match["t"]
    elif match := _NAMED.fullmatch(cell):
        said = match["m"].lower()
        month = next((str(n) for n, each in enumerate(MONTHS, start=1) if each.startswith(said)), "0")
        year, day = match["y"], match["d"] or match["d2"]
    else:
        return None
    written = f"{year}-{int(month):02}" + (f"-{int(day):02}" if day else "") + (f"T{time}" if time else "")
    try:
        moment = datetime.fromisoformat(written if day else f"{written}-01").replace(tzinfo=UTC)
    except ValueError:
        return None
    return sound(written), moment.timestamp() / _DAY
