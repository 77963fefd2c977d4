"""From a run that ended to what is remembered of it: candidates scored by their evidence, kept from 4.0 on.

Nothing scores itself. How a score is put together stands in `scoring`; what is refused whatever its score, in
`refusing`. What is not kept is given back with its score and the reason. Works without a model and without an
embedder; with them it finds more, by the same rules.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.errors import BudgetSpent, InvalidInput, InvalidOutput, ProviderError
from atlas_mcp.learning import KEEP, Learning, LearningKind
from atlas_mcp.memory.capturing import proposing, scoring
from atlas_mcp.memory.capturing.candidates import (
    WISHES,
    Candidate,
    earlier_wishes,
    facts,
    outcome,
    preferences,
    procedure,
    unasked,
)
from atlas_mcp.memory.capturing.neighbours import Nearby, Neighbours
from atlas_mcp.memory.capturing.refusing import dangling, empty, orders, secret, undoing
from atlas_mcp.memory.capturing.settling import settle
from atlas_mcp.memory.capturing.supporting import Standing, carried, standing
from atlas_mcp.memory.capturing.told import Course, RunTold, course_of
from atlas_mcp.memory.record.record import Filters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.record.record import Added, Stored
    from atlas_mcp.memory.scope import Scope

    Propose: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    Read: TypeAlias = Callable[[str], Awaitable[str]]

__all__ = ["Captured", "Dropped", "RunTold", "capture"]

PAGE = 500
"""Earlier outcomes that are read at a time."""

MOST_FACTS = 60
"""Statements of one output that are looked at; the first are those that it thought the most of."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was not kept: why, in one word to count by and in a sentence, which quotes no memory.

    `cause` is one of `unsupported`, `dangling`, `empty`, `orders`, `secret`, `known`, `contradicted`,
    `unearned`, `weak`.
    """

    learning: Learning
    score: float
    reason: str
    cause: str


@dataclass(slots=True)
class Captured:
    """What was kept, with what became of it in the record, and what was dropped, with the reason.

    `strengthened` are ids of memories that said the same already and got this run's evidence; `open` tells of
    contradictions that could not be decided, so that both stay; `proposals` what became of asking a model.
    """

    kept: list[tuple[Learning, Added]] = field(default_factory=list["tuple[Learning, Added]"])
    dropped: list[Dropped] = field(default_factory=list[Dropped])
    strengthened: list[str] = field(default_factory=list[str])
    open: list[str] = field(default_factory=list[str])
    proposals: str = ""

    @property
    def closed(self) -> list[str]:
        """Ids of the memories that what was kept contradicts, and that hold no longer."""
        return [each for _, added in self.kept for each in added.closed]

    @property
    def counts(self) -> dict[str, int]:
        """How many were dropped, by cause."""
        return dict(Counter(each.cause for each in self.dropped))


@dataclass(slots=True)
class _Weighed:
    """A candidate on its way: its score, what it closes, and why it goes, if it does."""

    candidate: Candidate
    score: float = 0.0
    points: str = ""
    closes: list[str] = field(default_factory=list[str])
    same: Stored | None = None
    strengthens: bool = False
    cause: str = ""
    reason: str = ""

    def drop(self, cause: str, reason: str) -> None:
        """Let it go; the first reason counts."""
        if not self.cause:
            self.cause, self.reason = cause, reason

    def weaken(self, what: str) -> None:
        """Take the points of a contradiction that nobody can decide."""
        self.score = round(max(self.score + scoring.AGAINST, 0.0), 2)
        self.points += f", {what} {scoring.AGAINST:+.2f}"


def _oppose(one: _Weighed, other: _Weighed, near: Neighbours) -> None:
    """Let two of a run that contradict one another weaken each other, or the one that was give way."""
    newer = near.against(one.candidate, other.candidate)
    older = near.against(other.candidate, one.candidate)
    if newer and newer.changed and not (older and older.changed):
        other.drop("contradicted", "the run found what took its place")
    elif older and older.changed and not (newer and newer.changed):
        one.drop("contradicted", "the run found what took its place")
    elif found := newer or older:
        one.weaken(f"contradiction within the run ({found.reason})")
        other.weaken(f"contradiction within the run ({found.reason})")


async def capture(
    told: RunTold, memory: Memory, scope: Scope, *, read: Read, propose: Propose | None = None
) -> Captured:
    """Remember of a run what its evidence is worth; the same run again changes nothing.

    `read` gives the text of a snapshot that the run could read, by its sha256, and raises `InvalidInput` for
    any other: nothing rests on what only somebody else may read. `propose`, given a text and a JSON Schema,
    lets a model answer; where it cannot, it goes without. A team's procedures are for that team, everything
    else is for all teams of the scope.

    :raises IncompatibleStore: the stored vectors were made by another embedding model.
    """
    return await _Capture(told, memory, scope, read).done(propose)


class _Capture:
    """The capture of one run."""

    def __init__(self, told: RunTold, memory: Memory, scope: Scope, read: Read) -> None:
        self._told = told
        self._read = read
        self._memory = memory
        self._scope = scope
        self._course: Course = course_of(told.events)
        self._captured = Captured()

    async def done(self, propose: Propose | None) -> Captured:
        weighed = [_Weighed(each) for each in await self._candidates(propose)]
        for each in weighed:
            self._refuse(each)
        open_ones = [each for each in weighed if not each.cause]
        near = Neighbours(self._memory, self._scope)
        await near.look_up([each.candidate for each in open_ones])
        for each in open_ones:
            await self._weigh(each, near)
        self._among_themselves(open_ones, near)
        self._gate(weighed)
        await self._write(weighed)
        return self._captured

    async def _candidates(self, propose: Propose | None) -> list[Candidate]:
        told, course = self._told, self._course
        earlier = earlier_wishes([each.evidence async for each in self._outcomes()])
        own = procedure(told, course)
        proposals = await self._proposed(propose)
        phrased = [each for each in proposals if each.kind is LearningKind.PROCEDURE]
        worded = [each for each in phrased if not proposing.phrased_wrongly(each, told, course)]
        if own and worded:  # the same in better words; what else it says of itself, the run knows better
            own = replace(own, text=worded[0].text, by="model")
        return [
            *facts(told)[:MOST_FACTS],
            *(each for each in proposals if each.kind is LearningKind.FACT),
            *preferences(told, course, earlier),
            *([own] if own else []),
            *(each for each in phrased if each not in worded[:1]),
            outcome(told, course),
        ]

    async def _outcomes(self) -> AsyncIterator[Stored]:
        """How earlier runs went, as far as this one has a wish that they may have had too."""
        filters = Filters(kinds=frozenset({LearningKind.OUTCOME}), closed=True)
        after = 0
        while any(self._told.input.get(name) for name in WISHES):
            page = await self._memory.record.listing(self._scope, filters, after=after, most=PAGE)
            for each in page:
                if each.run_id != self._told.run_id:
                    yield each
            if len(page) < PAGE:
                break
            after = page[-1].number

    async def _proposed(self, propose: Propose | None) -> list[Candidate]:
        if propose is None:
            return []
        try:
            answer = await propose(proposing.asked(self._told, self._course), proposing.SCHEMA)
        except (ProviderError, InvalidOutput, BudgetSpent) as error:
            self._captured.proposals = f"no model proposed anything: {error}"
            return []
        found = proposing.proposed(answer, self._told)
        self._captured.proposals = f"a model proposed {len(found)}"
        return found

    def _refuse(self, each: _Weighed) -> None:
        """Let go what is not kept whatever its score."""
        for cause, reason in self._refusals(each.candidate):
            if reason:
                each.drop(cause, reason)

    def _refusals(self, candidate: Candidate) -> Iterator[tuple[str, str]]:
        text = candidate.text
        yield "secret", secret("\n".join([text, *(each.text for each in candidate.evidence)]))
        # A person may say what is to be done from now on, but not undo what agents are told.
        whole = candidate.by == "person" or candidate.kind is LearningKind.FACT
        yield (
            "orders",
            undoing(text)
            if candidate.by == "person"
            else orders(text if whole else unasked(text, self._told)),
        )
        yield "unearned", scoring.unearned(self._told, candidate.kind)
        if candidate.kind is LearningKind.FACT:
            yield "dangling", dangling(text)
            yield "empty", empty(text)
            none = "it has no evidence of its own: it cites no finding, or memory alone"
            yield "unsupported", "" if candidate.evidence else none
        if candidate.kind is LearningKind.PROCEDURE and candidate.by == "model":
            yield "unsupported", proposing.phrased_wrongly(candidate, self._told, self._course)
            yield "known", "" if candidate.evidence else "the run's way is told already"

    async def _weigh(self, each: _Weighed, near: Neighbours) -> None:
        candidate, told = each.candidate, self._told
        around = near.of(candidate)
        each.same = near.same(candidate, around)
        match candidate.kind:
            case LearningKind.FACT:
                quotes = await self._standing(candidate)
                support = carried(candidate.text, quotes, near.to_quotes(candidate))
                if support.reason:
                    each.drop("unsupported", support.reason)
                    return
                score = scoring.of_fact(told, candidate, support, near.likeness(candidate, around))
                each.strengthens = each.same is not None and not carried(each.same.text, quotes).reason
            case LearningKind.PROCEDURE:
                score = scoring.of_procedure(told, self._course)
            case LearningKind.OUTCOME:
                score = scoring.of_outcome(told, candidate, self._course)
                each.strengthens = each.same is not None and each.same.run_id != told.run_id
            case LearningKind.PREFERENCE:
                score = scoring.of_preference(candidate)
                each.strengthens = each.same is not None
        each.score, each.points = score.total, score.told()
        if each.same is None:
            self._settle(each, around, near)

    async def _standing(self, candidate: Candidate) -> list[Standing]:
        """The quotes of a candidate that stand in their sources."""
        snapshots: dict[str, str] = {}
        for sha256 in {one.sha256 for one in candidate.cited}:
            try:
                snapshots[sha256] = await self._read(sha256)
            except InvalidInput:  # gone, changed or another's: what it said cannot be looked up
                continue
        return standing(candidate.cited, snapshots)

    def _settle(self, each: _Weighed, around: Sequence[Nearby], near: Neighbours) -> None:
        """Hold a candidate against what is stored: it closes it, goes itself, or both stay."""
        candidate = each.candidate
        for one in around:
            if one.stored.kind is not candidate.kind:
                continue
            # What a run learns is its user's alone: what is the project's it closes for nobody.
            own = one.stored.owner == self._scope.own
            if near.replaces(candidate, one.stored):
                if candidate.kind is LearningKind.PROCEDURE and one.stored.score > each.score:
                    each.drop("known", f"a better way is known: {one.stored.id}")
                each.closes += [one.stored.id] if own else []
                continue
            found = near.conflict(candidate, one.stored)
            if found is None:
                continue
            settled = settle(candidate, each.score, found, one.stored)
            said = f"{one.stored.id} ({one.stored.text[:120]!r}): {found.reason}; {settled.why}"
            if settled.holds == "new":
                if own:
                    each.closes.append(one.stored.id)
                else:
                    what = f"{candidate.text[:120]!r} replaces {said}"
                    self._captured.open.append(f"{what}; the project's stays")
                each.candidate = replace(candidate, valid_from=found.since or candidate.valid_from)
            elif settled.holds == "old":
                each.drop("contradicted", f"it contradicts {one.stored.id}: {settled.why}")
            else:
                each.weaken("contradiction")
                self._captured.open.append(f"{candidate.text[:120]!r} contradicts {said}; both stay")

    def _among_themselves(self, weighed: Sequence[_Weighed], near: Neighbours) -> None:
        """Let one stand for all of a run that say the same; two that contradict one another weaken both.

        Where one of the two says itself that something changed, the other is what was.
        """
        ordered = sorted(weighed, key=lambda each: -each.score)
        for at, each in enumerate(ordered):
            for better in ordered[:at]:
                if better.cause or each.cause or better.candidate.kind is not each.candidate.kind:
                    continue
                if near.alike(each.candidate, better.candidate):
                    each.drop("known", "the run says it better")
                else:
                    _oppose(each, better, near)

    def _gate(self, weighed: Sequence[_Weighed]) -> None:
        for each in weighed:
            if not each.cause and each.same is not None:
                each.drop("known", f"{each.same.id} says it already")
                # What a run rests on is its user's, and not for all members of a project to read.
                if each.score >= KEEP and each.strengthens and each.same.owner == self._scope.own:
                    self._captured.strengthened.append(each.same.id)
            if not each.cause and each.score < KEEP:
                each.drop("weak", f"its evidence is worth {each.score:.2f} of {KEEP}: {each.points}")
            if each.cause:
                dropped = Dropped(self._learning(each), each.score, each.reason, each.cause)
                self._captured.dropped.append(_without_secret(dropped))

    async def _write(self, weighed: Sequence[_Weighed]) -> None:
        kept = [each for each in weighed if not each.cause]
        learnings = [self._learning(each) for each in kept]
        closes = {at: each.closes for at, each in enumerate(kept) if each.closes}
        added = await self._memory.remember(learnings, scope=self._scope, closes=closes)
        self._captured.kept = list(zip(learnings, added, strict=True))
        again = [
            _again(each, each.same)
            for each in weighed
            if each.same is not None and each.same.id in self._captured.strengthened
        ]
        if again:
            await self._memory.remember(again, scope=self._scope)

    def _learning(self, each: _Weighed) -> Learning:
        candidate = each.candidate
        team = self._told.team if candidate.kind is LearningKind.PROCEDURE else None
        return Learning(
            candidate.kind, candidate.text, candidate.evidence, each.score, run_id=self._told.run_id,
            team=team if self._scope.team in (None, team) else None,
            valid_from=_moment(candidate.valid_from), origin="run",
        )  # fmt: skip


def _again(each: _Weighed, same: Stored) -> Learning:
    """What is stored, with the evidence of this run: the record adds it to what it has."""
    return Learning(
        same.kind, same.text, each.candidate.evidence, each.score, team=same.team,
        shared=same.owner.startswith("project:"),
    )  # fmt: skip


def _without_secret(dropped: Dropped) -> Dropped:
    """What held a secret, without its text: a reason may be shown and written down."""
    if dropped.cause != "secret":
        return dropped
    learning = replace(dropped.learning, text="[left out: it holds a secret]", evidence=())
    return replace(dropped, learning=learning)


def _moment(said: str) -> str | None:
    """An ISO date as precise as it was said, as a whole date; None for none."""
    whole = f"{said}{'-01-01'[len(said) - 4 :]}" if said else ""
    try:
        return date.fromisoformat(whole).isoformat()
    except ValueError:
        return None
