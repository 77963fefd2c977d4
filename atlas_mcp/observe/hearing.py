"""A run and the runs that work for it, heard as one; each is read from its own journal as that is written.

A child run is heard from the moment its parent tells of it to its own end, and what it did is told before
what its parent makes of it. Between children that work at once there is no other order than that of arrival.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from atlas_mcp.errors import UnknownRun
from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.sentences import within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

__all__ = ["Heard", "Hearing", "Journals", "hearing"]

AHEAD = 32
"""Events that are read ahead of whoever hears them."""

HEAR_OUT_SECONDS = 2.0
"""How long what came of a child's work, or the end of its parent, is held back for what the child did."""


class Journals(Protocol):
    """Whoever knows what happens in runs, such as an `Atlas`."""

    def watch(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """The events of one run with a `seq` above `after`, as they are written, until it ends."""
        ...

    async def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """Those written so far."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, and the `team` whose child run it belongs to; empty for the run that is heard itself.

    A team that works for a team that works for the run is told with both names. Of several runs of one team
    the later ones bear their assignment, such as `writing#a4`.
    """

    event: Event
    team: str = ""


class Hearing:
    """The events of a run and of those that work for it, made by `hearing`.

    It can be left and taken up again: each event is given once.
    """

    def __init__(self, journals: Journals) -> None:
        self.teams: dict[str, str] = {}
        """By which name each child run is told, once it began."""
        self._journals = journals
        self._queue: asyncio.Queue[Heard | Exception | None] = asyncio.Queue(AHEAD)
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._seen: dict[str, int] = {}
        self._ended: set[str] = set()
        self._over = False

    def __aiter__(self) -> Hearing:
        return self

    async def __anext__(self) -> Heard:
        """The next event; ends with the run, or where nobody works on it any more.

        Raises:
            UnknownRun: there is no such run.
        """
        if self._over:
            raise StopAsyncIteration
        heard = await self._queue.get()
        if isinstance(heard, Heard):
            return heard
        self._over = True
        if heard is None:
            raise StopAsyncIteration
        raise heard

    async def listen(self, run_id: str, after: int) -> None:
        """Hear a run to its end, and give whatever goes wrong to the reader."""
        await self._queue.put(await self._failure(run_id, "", after))

    async def close(self) -> None:
        """Hear no more."""
        tasks = list(self._listening.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _hear(self, run_id: str, team: str, after: int) -> None:
        children: dict[str, str] = {}
        for event in await self._journals.events(run_id) if after else ():
            if event.kind is Kind.CHILD_STARTED and event.seq <= after:
                children[event.data["assignment"]] = event.data["run"]
                await self._take_up(event, team)
        async with aclosing(self._journals.watch(run_id, after=after)) as events:
            async for event in events:
                if event.kind in {Kind.WORK_FINISHED, Kind.WORK_FAILED}:
                    await self._hear_out([children.get(event.data["assignment"], "")])
                elif event.kind is Kind.RUN_FINISHED:
                    await self._hear_out(children.values())
                self._seen[run_id] = event.seq
                await self._queue.put(Heard(event, team))
                if event.kind is Kind.CHILD_STARTED:
                    children[event.data["assignment"]] = event.data["run"]
                    self._begin(event, team)
                elif event.kind is Kind.RUN_FINISHED:
                    self._ended.add(run_id)

    async def _take_up(self, event: Event, team: str) -> None:
        """Hear a child that began before from where it is now, unless it has ended."""
        run_id: str = event.data["run"]
        self._name(event, team)
        try:
            past = await self._journals.events(run_id)
        except UnknownRun:
            return
        if past and past[-1].kind is Kind.RUN_FINISHED:
            self._ended.add(run_id)
        elif past:
            self._seen.setdefault(run_id, past[-1].seq)
            self._begin(event, team)

    def _begin(self, event: Event, team: str) -> None:
        """Hear a child, unless it is heard already; one that was left and is taken up is heard on."""
        run_id: str = event.data["run"]
        self._name(event, team)
        listening = self._listening.get(run_id)
        if run_id not in self._ended and (listening is None or listening.done()):
            self._listening[run_id] = asyncio.create_task(self._hear_child(run_id), name=f"hear {run_id}")

    def _name(self, event: Event, team: str) -> None:
        name = within(team, event.data["team"])
        if name in self.teams.values():
            name = f"{name}#{event.data['assignment']}"
        self.teams.setdefault(event.data["run"], name)

    async def _hear_child(self, run_id: str) -> None:
        error = await self._failure(run_id, self.teams[run_id], self._seen.get(run_id, 0))
        if error is not None and not isinstance(error, UnknownRun):
            await self._queue.put(error)

    async def _failure(self, run_id: str, team: str, after: int) -> Exception | None:
        """Hear a run to its end; gives what went wrong, which is raised where the events are read."""
        try:
            await self._hear(run_id, team, after)
        except Exception as error:  # noqa: BLE001 - it is raised where the events are read
            return error
        return None

    async def _hear_out(self, run_ids: Iterable[str]) -> None:
        if listening := {self._listening[run_id] for run_id in run_ids if run_id in self._listening}:
            await asyncio.wait(listening, timeout=HEAR_OUT_SECONDS)


@asynccontextmanager
async def hearing(journals: Journals, run_id: str, *, after: int = 0) -> AsyncGenerator[Hearing]:
    """The events of a run with a `seq` above `after`, and with them those of the runs that work for it.

    Children that began before are heard from where they are.
    """
    heard = Hearing(journals)
    listening = asyncio.create_task(heard.listen(run_id, after), name=f"hear {run_id}")
    try:
        yield heard
    finally:
        listening.cancel()
        await asyncio.wait({listening})
        await heard.close()
