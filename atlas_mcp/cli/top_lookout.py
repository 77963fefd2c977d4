"""Looks at a data folder again and again, whichever processes work in it, and reads on from where it was.

It begins no run, owns none, and opens no model and no server. Runs are looked at each time; what changes
slowly, such as providers, processes and runs that ended, every few seconds.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from atlas_mcp.cli.top_frame import Ended, Frame, Live, Member, Process, Queue
from atlas_mcp.cli.top_told import delivered, told_of
from atlas_mcp.cli.words import seconds_between
from atlas_mcp.errors import UnknownRun
from atlas_mcp.observe.figures import LATELY_SECONDS, seconds_of, tokens_a_second
from atlas_mcp.observe.health import living
from atlas_mcp.observe.journal import now
from atlas_mcp.observe.readings import Readings
from atlas_mcp.orchestration.store import ALIVE, FINAL, RunState
from atlas_mcp.providers.overview import standing
from atlas_mcp.providers.registry import default_provider_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.top_told import Delivered
    from atlas_mcp.observe.figures import Call, Figures
    from atlas_mcp.observe.health import Sample
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["Lookout"]

MOST_RUNS = 500
"""Live runs that are looked at; the newest, where there are more."""

SHOWN_ENDED = 5
LOOKED_AT_ENDED = 20

SLOWLY_SECONDS = 2.0
"""How often that is looked at which changes slowly."""

_LEFT = frozenset({RunState.INTERRUPTED})
_RANKS = {"high": 0, "normal": 1, "low": 2}
_ORDER = (RunState.WAITING, RunState.RUNNING, RunState.PAUSED, RunState.QUEUED)


@dataclass(slots=True)
class _Slow:
    """What changes slowly, as it was at its last look."""

    looked: float
    providers: dict[str, Any]
    samples: list[Sample]
    delivered: list[Delivered]
    ended: list[RunRow]


class Lookout:
    """Looks at the data folder of an `Atlas`."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._readings = Readings(atlas.journal)
        self._slow: _Slow | None = None
        self._live: set[str] = set()
        self._gone: dict[str, float] = {}
        """Runs that ended while they were looked at, and when, by a clock that only grows."""

    async def look(self) -> Frame:
        """Everything as it is now.

        Raises:
            IncompatibleStore: a newer version of ATLAS wrote to the journal.
        """
        every = await self._atlas.list(limit=MOST_RUNS, states=ALIVE)
        rows = [row for row in every if row.state in ALIVE]
        left = [row for row in every if row.state not in ALIVE]
        slow = await self._look_slowly({row.run_id for row in rows})
        watched = [*(row.run_id for row in rows), *self._gone]
        await self._readings.read_on(watched)
        self._readings.keep(watched)
        rows.sort(key=_place)
        at = now()
        calls = self._calls(at)
        return Frame(
            at=at,
            home=str(self._atlas.settings.home),
            runs=tuple(self._live_run(row, at) for row in rows),
            queue=Queue(
                tuple(row.run_id for row in rows if row.state is RunState.QUEUED),
                self._atlas.settings.runs.at_once,
            ),
            providers=_with_the_last_minute(slow.providers, calls),
            processes=tuple(_process(each, at) for each in slow.samples),
            told=told_of(slow.samples, slow.delivered, self._atlas.observing.addresses, at),
            ended=_ended([*left, *slow.ended]),
        )

    async def _look_slowly(self, live: set[str]) -> _Slow:
        """What changes slowly; at once, where a run has ended."""
        moment, over = time.monotonic(), self._live - live
        self._live = live
        self._gone |= dict.fromkeys(over, moment)
        self._gone = {run_id: at for run_id, at in self._gone.items() if moment - at < LATELY_SECONDS}
        if self._slow is None or over or moment - self._slow.looked >= SLOWLY_SECONDS:
            atlas, settings = self._atlas, self._atlas.settings
            default = settings.models.default or default_provider_name()
            ended = await atlas.list(limit=LOOKED_AT_ENDED, states=FINAL | _LEFT)
            if self._slow is None:
                # Their calls of the last minute count too.
                lately = time.time() - LATELY_SECONDS
                self._gone |= {row.run_id: moment for row in ended if seconds_of(row.updated_at) > lately}
            # One that took long is older than the newest: it is shown all the same when it ends.
            for run_id in self._gone.keys() - {row.run_id for row in ended}:
                with suppress(UnknownRun):
                    ended.append(await atlas.get(run_id))
            providers = await standing(atlas.providers, atlas.accounts, default)
            told = await delivered(settings.home)
            self._slow = _Slow(moment, providers, await living(settings.home), told, ended)
        return self._slow

    def _calls(self, at: str) -> list[Call]:
        since = seconds_of(at) - LATELY_SECONDS
        return [call for each in self._readings.figures.values() for call in each.lately.since(since)]

    def _live_run(self, row: RunRow, at: str) -> Live:
        figures = self._readings.figures[row.run_id]
        shown = self._shown(figures, at, row.state.value, figures.questions)
        asked = str(next(iter(row.input.values()), ""))
        return replace(shown, team=row.team, asked=asked, began=row.created_at)

    def _shown(self, figures: Figures, at: str, state: str, questions: Mapping[str, str]) -> Live:
        """A run with those that work for it; `questions` are the open ones of the whole, or of a part."""
        every = list(self._readings.with_children(figures.run_id))
        costs = [each.cost_usd for each in every]
        moment = seconds_of(at)
        calls = chain.from_iterable(each.lately.since(moment - LATELY_SECONDS) for each in every)
        members = tuple(
            Member(each.actor, round(seconds_between(each.since, at), 1), each.model, each.tool)
            for each in figures.members.values()
        )
        began = figures.began or at
        return Live(
            run_id=figures.run_id, team=figures.team, assignment="", asked="", state=state,
            waits_for=_waits_for(state, questions, members), began=began,
            seconds=round(max(0.0, seconds_between(began, at)), 1), step=figures.step, note=figures.note,
            members=members, calls=sum(each.calls for each in every),
            tokens=sum(each.tokens for each in every),
            tokens_a_second=round(tokens_a_second(calls, moment), 1),
            cost_usd=None if None in costs else round(sum(cost or 0.0 for cost in costs), 6),
            alerts=dict(figures.alerts), children=tuple(self._children(figures, at, state, questions)),
        )  # fmt: skip

    def _children(
        self, figures: Figures, at: str, state: str, questions: Mapping[str, str]
    ) -> Iterator[Live]:
        """The runs that work for one and have not ended; what they ask a person, the whole asks for them."""
        for run_id, assignment in figures.children.items():
            child = self._readings.figures.get(run_id)
            if child is None or child.over:
                continue
            asks = {id_: text for id_, text in questions.items() if run_id in id_.split("/")}
            stands = "paused" if state == "paused" else "waiting" if asks else child.state
            yield replace(self._shown(child, at, stands, asks), assignment=assignment)


def _place(row: RunRow) -> tuple[int, int, str]:
    """Those that need a person come first; who is queued stands in the order of the queue."""
    rank = _RANKS.get(row.options.get("priority", "normal"), 1) if row.state is RunState.QUEUED else 0
    return _ORDER.index(row.state), rank, row.run_id


def _waits_for(state: str, questions: Mapping[str, str], members: Iterable[Member]) -> tuple[str, ...]:
    match state:
        case "queued":
            return ("a free place",)
        case "waiting":
            return tuple(f"a person: {text}" for text in questions.values()) or ("a person",)
        case "paused":
            return ("being resumed",)
        case _:
            asked = (each.tool or each.model for each in members)
            return tuple(dict.fromkeys(each for each in asked if each))


def _with_the_last_minute(providers: dict[str, Any], calls: Sequence[Call]) -> dict[str, Any]:
    """The providers, each member with its calls of the last minute; some are known by these alone."""
    members: list[dict[str, Any]] = providers["members"]
    known = {each["name"] for each in members}
    fresh = dict.fromkeys(call.provider for call in calls if call.provider not in known)
    unknown: dict[str, Any] = {"breaker": "closed", "reason": "", "ready_in": 0.0, "record": None}
    every = [*members, *({"name": name, **unknown} for name in fresh)]
    return {**providers, "members": [{**each, "minute": _minute(each["name"], calls)} for each in every]}


def _minute(name: str, calls: Iterable[Call]) -> dict[str, Any]:
    own = [call for call in calls if call.provider == name]
    failures: dict[str, int] = {}
    for call in own:
        if call.failure:
            failures[call.failure] = failures.get(call.failure, 0) + 1
    return {"calls": len(own), "failures": failures}


def _process(sample: Sample, at: str) -> Process:
    began = datetime.fromtimestamp(sample.began, UTC).isoformat(timespec="milliseconds")
    ago = round(max(0.0, seconds_between(sample.at, at)), 1)
    return Process(sample.pid, sample.host, began, ago, dict(sample.figures))


def _ended(rows: Iterable[RunRow]) -> tuple[Ended, ...]:
    """The runs that ended last, the latest first."""
    over = {row.run_id: row for row in rows if row.state not in ALIVE}
    latest = sorted(over.values(), key=lambda row: row.updated_at, reverse=True)
    return tuple(
        Ended(
            run_id=row.run_id, team=row.team, asked=str(next(iter(row.input.values()), "")),
            state=row.state.value, partial=row.partial, ended=row.updated_at,
            seconds=round(seconds_between(row.created_at, row.updated_at), 1), usage=row.usage,
            error=str((row.error or {}).get("message", "")),
        )
        for row in latest[:SHOWN_ENDED]
    )  # fmt: skip
