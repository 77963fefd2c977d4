"""Memories leave and come in: forgetting with a receipt, export and import as JSON Lines, retention.

An export holds everything of a memory but its vector, which whoever imports makes with the model in use.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.learning import EVIDENCE, KEEP, MOST_TEXT, Evidence, Learning, LearningKind
from atlas_mcp.memory.moments import moment
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.snapshots import is_storable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from atlas_mcp.memory.record.record import Record, Stored
    from atlas_mcp.memory.scope import Scope

__all__ = [
    "VERSION", "Imported", "Line", "Receipt", "closed_as", "closed_ones", "closure", "exported", "have_heard",
    "name_anew", "out_of_reach", "read_lines", "uri_of",
]  # fmt: skip

VERSION = 1
"""Version of an exported line, its field `v`."""

PORTION = 200
BEST = 5
REMINDED = frozenset({LearningKind.PREFERENCE, LearningKind.PROCEDURE})
"""Kinds of memories of which agents with a memory of their own are reminded."""
TEAM = re.compile(r"[a-z][a-z0-9_-]{0,63}")
"""How teams are named."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was forgotten: the memories, the document if it was one, and what else rested on them.

    `derived` are ids of learnings that rest on what went: forgotten too if that was asked for
    (`derived_forgotten`), else still there. `indexes` says of each index whether it has heard: `done`, or
    `pending` where it is down, not in use here or was left too far behind, and will hear when it is back.
    `unknown` are ids that there were none of. What forgetting does not reach: `runs` are those that learned
    it, whose results still say it; agents that are `reminded` of such memories may say it until their next
    task.
    """

    memories: tuple[str, ...] = ()
    document: str = ""
    snapshots: int = 0
    derived: tuple[str, ...] = ()
    derived_forgotten: bool = False
    indexes: Mapping[str, str] = field(default_factory=dict[str, str])
    unknown: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    reminded: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an export: a learning, and what the record knew of it."""

    learning: Learning
    closed_at: str | None = None
    superseded_by: str | None = None
    id: str = ""

    @property
    def names_others(self) -> bool:
        """Whether it rests on another memory, or says which one superseded it."""
        rests = any(each.source.startswith(uri_of("")) for each in self.learning.evidence)
        return rests or bool(self.superseded_by)


@dataclass(slots=True)
class Imported:
    """What an import did: ids that are new, how many were known, which lines could not be read and why."""

    added: list[str] = field(default_factory=list[str])
    known: int = 0
    skipped: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def uri_of(memory_id: str) -> str:
    """How a memory is named as a source."""
    return f"atlas://memory/{memory_id}"


async def closure(record: Record, ids: Sequence[str], uris: Iterable[str], scope: Scope) -> list[str]:
    """Ids of everything that rests on these memories and sources, over any number of steps."""
    seen = set(ids)
    found: list[str] = []
    asked = {*uris, *(uri_of(each) for each in ids)}
    while asked:
        new = [each for each in await record.resting_on(asked, scope) if each not in seen]
        seen.update(new)
        found += new
        asked = {uri_of(each) for each in new}
    return found


def out_of_reach(gone: Iterable[Stored]) -> tuple[tuple[str, ...], bool]:
    """What forgetting does not reach: the runs that learned it, and whether agents are reminded of it."""
    listed = list(gone)
    runs = sorted({each.run_id for each in listed if each.run_id})
    return tuple(runs), any(each.kind in REMINDED for each in listed)


def have_heard(behind: Mapping[str, int]) -> dict[str, bool]:
    """Whether each index that the record knows has heard everything; `index.…` says that one is filled."""
    said = {name.partition(".")[0] for name in behind if "." in name}
    return {
        name: behind.get(name) == 0 and name not in said
        for name in sorted({name.partition(".")[0] for name in behind})
    }


async def exported(record: Record, scope: Scope) -> AsyncIterator[dict[str, Any]]:
    """Every memory of a scope, those that were superseded too, as JSON objects in the order of recording."""
    after = 0
    while portion := await record.listing(scope, Filters(closed=True), after=after, most=PORTION):
        for each in portion:
            yield _line(each)
        after = portion[-1].number


async def closed_ones(record: Record, scope: Scope) -> dict[tuple[Any, ...], str]:
    """The ids of memories that no longer hold, by what makes a line of an export the same."""
    found: dict[tuple[Any, ...], str] = {}
    after = 0
    while portion := await record.listing(scope, Filters(closed=True), after=after, most=PORTION):
        for each in portion:
            if each.closed_at:
                shared = each.owner.startswith("project:")
                found[each.kind, each.text, each.valid_from, each.team, shared] = each.id
        after = portion[-1].number
    return found


def closed_as(line: Line) -> tuple[Any, ...]:
    """What `closed_ones` names a line by, once it is taken in."""
    said = line.learning
    return said.kind, said.text, said.valid_from, said.team, said.shared


async def name_anew(
    record: Record, ids: Mapping[str, str], naming: Mapping[str, str], scope: Scope
) -> None:  # fmt: skip
    """Let memories that were taken in name others by the ids that those have here, given by the old ones.

    `naming` says by which old id each was superseded, or nothing. An old id that is here is meant as it is.
    """
    changed = {old: new for old, new in ids.items() if old and old != new}
    there = {each.id for each in await record.get(list(changed), scope)}
    names = {
        name: of for old, new in changed.items() if old not in there
        for name, of in ((old, new), (uri_of(old), uri_of(new)))
    }  # fmt: skip
    asked = [(here, by) for here, by in naming.items() if by or names]
    for start in range(0, len(asked), PORTION):
        await record.rename(names, dict(asked[start : start + PORTION]), scope)


def read_lines(lines: Iterable[str]) -> Iterator[tuple[int, Line | str]]:
    """Each line that is not empty with its number: what it says, or what is wrong with it."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            yield number, _read(text)
        except AtlasError as error:
            yield number, str(error)


def _line(each: Stored) -> dict[str, Any]:
    values: dict[str, Any] = {
        "v": VERSION, "id": each.id, "kind": each.kind, "text": each.text, "score": each.score,
        "evidence": [evidence.to_dict() for evidence in each.evidence], "origin": each.origin,
        "run_id": each.run_id, "team": each.team, "shared": each.owner.startswith("project:"),
        "valid_from": each.valid_from, "valid_to": each.valid_to, "recorded_at": each.recorded_at,
        "closed_at": each.closed_at, "superseded_by": each.superseded_by,
    }  # fmt: skip
    return {key: value for key, value in values.items() if value not in (None, [], False)}


def _read(text: str) -> Line:
    try:
        given = json.loads(text)
    except ValueError as error:  # a number of thousands of digits is one without a place
        place = (
            f": {error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise InvalidInput(f"It is no JSON{place}.", remedy="Write one JSON object a line.") from None
    except RecursionError:
        raise InvalidInput(
            "It has too much within one another.", remedy="Write one flat JSON object a line."
        ) from None
    if not isinstance(given, dict):
        raise InvalidInput("It is no JSON object.", remedy="Write one JSON object a line.")
    values = cast("dict[str, Any]", given)
    version = values.get("v", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise InvalidInput(
            f"It has version {version!r}; this version of ATLAS reads up to {VERSION}.",
            remedy="Update atlas-mcp.",
        )
    said = values.get("text")
    if not isinstance(said, str) or not 0 < len(said.strip()) <= MOST_TEXT:
        raise InvalidInput(
            "Its `text` is missing, empty or too long.", remedy=f"Give 1 to {MOST_TEXT} characters."
        )
    try:
        score = float(values.get("score", KEEP))
        evidence = tuple(Evidence(**each) for each in values.get("evidence", ()))
        kind = LearningKind(values.get("kind", LearningKind.FACT))
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"It is no memory: {error}.", remedy="Compare it with a line of `memory export`."
        ) from None
    if not 0 <= score <= BEST or any(each.kind not in EVIDENCE for each in evidence):
        raise InvalidInput(
            "Its `score` is not from 0 to 5, or a kind of its `evidence` is none.",
            remedy=f"Kinds of evidence are {', '.join(EVIDENCE)}.",
        )
    _check_words(values, evidence)
    since = _moment(values, "valid_from") or _moment(values, "recorded_at")
    until, closed_at = _moment(values, "valid_to"), _moment(values, "closed_at")
    if until is None and closed_at and since and since <= closed_at:
        until = closed_at  # written at once, so that nothing cut off leaves it as what still holds
    learning = Learning(
        kind, said.strip(), evidence, score, values.get("run_id"), values.get("team"), since, until,
        "import", bool(values.get("shared", False)),
    )  # fmt: skip
    if learning.valid_from and learning.valid_to and learning.valid_to < learning.valid_from:
        raise InvalidInput("Its `valid_to` comes before its `valid_from`.", remedy="Let it come later.")
    return Line(learning, closed_at, values.get("superseded_by"), str(values.get("id", "")))


def _check_words(values: Mapping[str, Any], evidence: Sequence[Evidence]) -> None:
    """Make sure that what is to be words is words that can be stored, and a score is a number."""
    named = {name: values.get(name) for name in ("id", "text", "run_id", "team", "superseded_by")}
    words = [*((name, said) for name, said in named.items() if said is not None)]
    words += [("evidence", said) for each in evidence for said in (each.text, each.source, each.sha256)]
    for name, said in words:
        if not isinstance(said, str) or not is_storable(said):
            raise InvalidInput(
                f"Its `{name}` holds what is no text, or characters that no text has.",
                remedy="Compare it with a line of `memory export`.",
            )
    team = values.get("team")
    if team is not None and not TEAM.fullmatch(team):
        raise InvalidInput(
            f"Its `team` {team[:40]!r} is no name of a team.",
            remedy="Write a lower-case letter, then up to 63 letters, digits, _ or -; or leave it out.",
        )
    scores: list[Any] = [each.score for each in evidence]
    if not isinstance(values.get("shared", False), bool) or any(
        not isinstance(score, int | float | None) for score in scores
    ):
        raise InvalidInput(
            "Its `shared` is neither true nor false, or a score of its `evidence` is no number.",
            remedy="Compare it with a line of `memory export`.",
        )


def _moment(values: Mapping[str, Any], name: str) -> str | None:
    said = values.get(name)
    return moment(str(said), name) if said is not None else None
