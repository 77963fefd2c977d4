"""Rubrics as people write them: TOML, JSON, or a line for each criterion.

Whatever is wrong is named by its place, with what to write instead.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from atlas_mcp.errors import InvalidConfiguration, InvalidField
from atlas_mcp.quality.rubric import MOST_CRITERIA, Criterion, Rubric

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Given", "read_rubric", "rubrics"]

Given: TypeAlias = "str | Mapping[str, Any] | Sequence[Any]"
"""A rubric as it may come: a name, a text, or what was read from JSON."""

_EXAMPLE = (
    "Write one criterion a line, such as `- The summary names the price (2 points)`, or TOML:"
    ' [[criteria]] name = "price", question = "Does the summary name the price?", points = 2.'
)
_KEYS = ("name", "question", "points", "about", "kind", "measure")
_TOP = ("name", "description", "criteria")
_LONGEST_NAME = 120
_LONGEST = 600
_MOST_POINTS = 100

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TOML = re.compile(r"\s*(?:\[\[?\s*[A-Za-z_]|[A-Za-z_]+\s*=)")
_BULLET = re.compile(r"\A\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+")
_POINTS = re.compile(
    r"\s*[(\[]\s*(?P<signed>[-+\u2212]\d+(?:\.\d+)?)\s*(?:points?|pts?)?\s*[)\]]\s*\.?\s*\Z"
    r"|\s*[(\[]\s*(?P<plain>\d+(?:\.\d+)?)\s*(?:points?|pts?)\s*[)\]]\s*\.?\s*\Z",
    re.IGNORECASE,
)


def read_rubric(
    given: Given, known: Mapping[str, Rubric] | None = None, measures: Sequence[str] = ()
) -> Rubric:
    """The rubric that is meant: one of the `known` by name, or what is written.

    `measures` are the names that a criterion may give as its measure; empty allows any. Lines without points
    have one point each; points stand in brackets at the end, `(2 points)` or `(-1)`.

    Raises:
        InvalidField: it names no known rubric, or what is written is none; `field` is the place in it.
    """
    shelf = known or {}
    if isinstance(given, str):
        text = given.lstrip("\ufeff").strip()
        if text in shelf:
            return shelf[text]
        if _NAME.fullmatch(text):
            names = ", ".join(sorted(shelf)) or "none"
            raise _wrong("", f"There is no rubric {text!r}; there are: {names}.", _EXAMPLE)
        given = _parsed(text)
    return _rubric(given, tuple(measures))


def rubrics(folder: Path, measures: Sequence[str] = ()) -> dict[str, Rubric]:
    """The rubrics of a folder, `<name>.toml` each, by name; empty where there is no such folder.

    Raises:
        InvalidConfiguration: a file is no rubric; the message names file and key.
    """
    found: dict[str, Rubric] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text("utf-8"))
            found[path.stem] = _rubric({"name": path.stem, **content}, tuple(measures))
        except InvalidField as wrong:
            raise InvalidConfiguration(f"{path}: {wrong.message}", remedy=wrong.remedy) from wrong
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise InvalidConfiguration(f"{path} is not TOML: {wrong}.", remedy=_EXAMPLE) from wrong
    return found


def _parsed(text: str) -> Given:
    if re.match(r"\{|\[\s*[\]{\"]", text):
        try:
            return cast("Given", json.loads(text))
        except (ValueError, RecursionError) as wrong:  # no JSON, a number of thousands of digits, too deep
            raise _wrong("", f"The rubric looks like JSON and is not: {wrong}.", _EXAMPLE) from wrong
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and _TOML.match(lines[0]):
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as wrong:
            raise _wrong("", f"The rubric looks like TOML and is not: {wrong}.", _EXAMPLE) from wrong
    return lines


def _rubric(given: Given, measures: tuple[str, ...]) -> Rubric:
    content: Mapping[str, Any] = given if isinstance(given, Mapping) else {"criteria": given}
    for key in content:
        if key not in _TOP:
            raise _wrong(key, f"A rubric has no key {key!r}.", f"Its keys are {', '.join(_TOP)}.")
    listed = content.get("criteria", [])
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise _wrong("criteria", "`criteria` is no list.", _EXAMPLE)
    entries = cast("Sequence[Any]", listed)
    if not entries:
        raise _wrong("criteria", "The rubric has no criteria.", _EXAMPLE)
    if len(entries) > MOST_CRITERIA:
        said = f"The rubric has {len(entries)} criteria; {MOST_CRITERIA} is the most."
        raise _wrong("criteria", said, "Join what belongs together, or rate in two runs.")
    criteria = [_criterion(f"criteria[{number}]", each, measures) for number, each in enumerate(entries)]
    _each_once(criteria)
    if all(criterion.points < 0 for criterion in criteria):
        said = "Every criterion of the rubric has negative points, so nothing could earn any."
        raise _wrong("criteria", said, "Add what good work does, with positive points.")
    name = _text("name", content.get("name", "given"), _LONGEST_NAME)
    return Rubric(name, tuple(criteria), _text("description", content.get("description", ""), _LONGEST))


def _each_once(criteria: Sequence[Criterion]) -> None:
    places: dict[str, int] = {}
    for number, criterion in enumerate(criteria):
        if (first := places.setdefault(criterion.name.casefold(), number)) != number:
            said = f"Criteria {first + 1} and {number + 1} have the same name, {criterion.name!r}."
            raise _wrong(f"criteria[{number}].name", said, "Name each by what it alone asks.")


def _criterion(place: str, given: Any, measures: tuple[str, ...]) -> Criterion:
    if isinstance(given, str):
        return _of_line(place, given)
    if not isinstance(given, Mapping):
        raise _wrong(place, f"{place} is neither a line nor a table.", _EXAMPLE)
    table = cast("Mapping[str, Any]", given)
    for key in table:
        if key not in _KEYS:
            raise _wrong(
                f"{place}.{key}", f"A criterion has no key {key!r}.", f"Its keys are {', '.join(_KEYS)}."
            )
    name = _text(f"{place}.name", table.get("name", table.get("question", "")), _LONGEST_NAME)
    question = _text(f"{place}.question", table.get("question", ""), _LONGEST)
    measure = _measure(place, table, measures)
    if not name or not (question or measure):
        missing = "question" if name else "name"
        raise _wrong(f"{place}.{missing}", f"{place} has no {missing}.", _EXAMPLE)
    about = table.get("about", "quality")
    if about not in ("quality", "truth"):
        raise _wrong(f"{place}.about", f"{place}.about is {about!r}.", 'Write about = "quality" or "truth".')
    return Criterion(name, question or name, _points(place, table.get("points", 1)), about, measure)


def _of_line(place: str, line: str) -> Criterion:
    # Runs of blanks are one, as in every text here; to look for points among thousands of them takes minutes.
    said = " ".join(_BULLET.sub("", line).split())
    points: str = "1"
    if found := _POINTS.search(said):
        points = found["signed"] or found["plain"]
        said = said[: found.start()].strip()
    if not said:
        raise _wrong(place, f"{place} says nothing: {line!r}.", _EXAMPLE)
    question = _text(place, said, _LONGEST)
    name = said if len(said) <= _LONGEST_NAME else f"{said[: _LONGEST_NAME - 1].rstrip()}\u2026"
    return Criterion(name, question, _points(place, float(points.replace("\u2212", "-"))))


def _measure(place: str, table: Mapping[str, Any], measures: tuple[str, ...]) -> str:
    measure = _text(f"{place}.measure", table.get("measure", ""), _LONGEST_NAME)
    kind = table.get("kind", "measure" if measure else "judge")
    if kind not in ("judge", "measure"):
        raise _wrong(f"{place}.kind", f"{place}.kind is {kind!r}.", 'Write kind = "judge" or "measure".')
    names = ", ".join(measures)
    if kind == "measure" and not measure:
        raise _wrong(f"{place}.measure", f"{place} names no measure.", f"Write measure = one of: {names}.")
    if kind == "judge" and measure:
        said = f"{place} is for a judge and names the measure {measure!r}."
        raise _wrong(f"{place}.measure", said, 'Leave it out, or write kind = "measure".')
    if measure and measures and measure not in measures:
        raise _wrong(f"{place}.measure", f"There is no measure {measure!r}.", f"There are: {names}.")
    return measure


def _points(place: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise _wrong(
            f"{place}.points", f"{place}.points is {given!r}, which is no number.", "Write points = 2."
        )
    if not given:
        said = f"{place} has zero points, so it would count for nothing."
        raise _wrong(
            f"{place}.points", said, "Give it points, or leave it out; what is bad has negative ones."
        )
    if abs(given) > _MOST_POINTS:
        said = f"{place} has {given:g} points; {_MOST_POINTS} is the most."
        raise _wrong(f"{place}.points", said, "Only the proportions count: divide all points alike.")
    return float(given)


def _text(place: str, given: Any, most: int) -> str:
    if not isinstance(given, str):
        raise _wrong(place, f"{place} is {given!r}, which is no text.", _EXAMPLE)
    said = " ".join(given.split())
    if any("\ud800" <= character <= "\udfff" for character in said):
        raise _wrong(place, f"{place} is not Unicode: {said[:60]!r}.", "Write the character itself.")
    if len(said) > most:
        raise _wrong(
            place, f"{place} has {len(said)} characters; {most} is the most.", "Ask one thing, in a sentence."
        )
    return said


def _wrong(place: str, message: str, remedy: str) -> InvalidField:
    return InvalidField(message, field=f"rubric.{place}" if place else "rubric", remedy=remedy)
