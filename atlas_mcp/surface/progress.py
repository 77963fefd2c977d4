"""A run's journal, and those of the runs that work for it, as notifications that a person understands.

What happens is told at once; what is merely going on (text being written, documents being read) is folded to
a few notifications a second; and silence never lasts long, since hosts give up on a call that says nothing.
This module knows events and one callable that sends; it does not know the protocol.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.errors import InvalidInput
from atlas_mcp.events import Kind
from atlas_mcp.observe.hearing import hearing
from atlas_mcp.observe.sentences import PASSING, sentence, shortened, within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from atlas_mcp.app import Atlas
    from atlas_mcp.observe.hearing import Heard, Hearing
    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.orchestration.voice import Voice

__all__ = ["FOLD_SECONDS", "HEARTBEAT_SECONDS", "Ask", "Report", "Teller", "follow"]

Report: TypeAlias = "Callable[[int, str], Awaitable[None]]"
"""Sends one notification: a counter that only grows, and a sentence."""

Ask: TypeAlias = "Callable[[Question, str], Awaitable[dict[str, Any] | None]]"
"""Asks a person a question, told what was wrong with their answer before; None if they do not say."""

MOST_TRIES = 3
"""So many answers that do not fit are asked for again."""

FOLD_SECONDS = 0.25
"""The least time between notifications of what is merely going on."""

HEARTBEAT_SECONDS = 8.0
"""The longest silence; a host was measured to give up after 30 s of it."""


async def follow(
    atlas: Atlas, run_id: str, seconds: float, report: Report, *, new: bool, ask: Ask | None = None
) -> None:
    """Tell what happens in a run, until it ends, `seconds` have passed, or a person must say something.

    The first notification names the run. What lies behind a run that is not `new` is told in one sentence.
    With `ask`, its questions are asked here, and an answer is handed on; one that is declined ends it.

    Raises:
        UnknownRun: there is no such run of this user.
    """
    teller = Teller(report)
    past = [] if new else await atlas.events(run_id)
    latest = next((said for event in reversed(past) if (said := sentence(event))), "")
    await teller.tell(f"run {run_id}: {latest or 'begun'}")
    seen = past[-1].seq if past else 0
    async with (
        hearing(atlas, run_id, after=seen) as heard,
        teller.telling(lambda: atlas.speaking(run_id), heard.teams),
    ):
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _Talk(atlas, run_id, teller, heard).hold(ask)


class _Talk:
    """Hears a run, and has its questions answered, one after another."""

    def __init__(self, atlas: Atlas, run_id: str, teller: Teller, heard: Hearing) -> None:
        self._atlas = atlas
        self._run_id = run_id
        self._teller = teller
        self._heard = heard

    async def hold(self, ask: Ask | None) -> None:
        """Until the run ends, or asks what cannot be answered here."""
        problem = ""
        tries = 0
        while True:
            questions = await self._atlas.questions(self._run_id)
            if not questions:
                if not await self._hear(Kind.QUESTION_ASKED):
                    return
                continue
            if ask is None or tries == MOST_TRIES:
                return
            try:
                if not await self._answered(questions[0], ask, problem):
                    return
                problem, tries = "", 0
            except InvalidInput as error:
                problem, tries = str(error), tries + 1

    async def _answered(self, question: Question, ask: Ask, problem: str) -> bool:
        """Ask and hand the answer on, unless another comes first; False if there is none here.

        Raises:
            InvalidInput: the answer does not fit.
        """
        asking = asyncio.ensure_future(ask(question, problem))
        hearing = asyncio.create_task(self._hear(Kind.QUESTION_ANSWERED, question.id))
        try:
            await asyncio.wait({asking, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                return hearing.result()
            if (answer := asking.result()) is None:
                return False
            await self._atlas.answer(self._run_id, answer, question_id=question.id)
            return await hearing
        finally:
            for task in (asking, hearing):
                task.cancel()
            await asyncio.wait({asking, hearing})

    async def _hear(self, until: Kind, question: str = "") -> bool:
        """Tell of events until one of a kind comes, about a question; False if the run ends first."""
        async for heard in self._heard:
            await self._teller.hear(heard)
            event = heard.event
            if event.kind is until and question in {"", event.data["id"]}:
                return True
        return False


class Teller:
    """Numbers what it says, and remembers when it last spoke."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._speaking = asyncio.Lock()
        self._count = 0
        self._began = self._spoke = monotonic()
        self._folded = ""
        self._heard: dict[str, int] = {}

    async def tell(self, said: str) -> None:
        """Say something now; the numbers go out in order."""
        async with self._speaking:
            self._count += 1
            self._spoke = monotonic()
            await self._report(self._count, said)

    def fold(self, said: str) -> None:
        """Say something soon, unless there is something newer to say by then."""
        self._folded = said

    async def hear(self, heard: Heard) -> None:
        """Tell of an event; of one among many like it, soon."""
        said = sentence(heard.event, heard.team)
        if said and heard.event.kind in PASSING:
            self.fold(said)
        elif said:
            self._folded = ""
            await self.tell(said)

    @asynccontextmanager
    async def telling(
        self, speaking: Callable[[], Mapping[str, Voice]], teams: Mapping[str, str] | None = None
    ) -> AsyncGenerator[None]:
        """While inside, tell what was folded and what is spoken, and break every long silence.

        `teams` are the names of child runs, whose voices are known by `run_id/actor`.
        """
        going_on = asyncio.create_task(self._keep_telling(speaking, teams or {}))
        try:
            yield
        finally:
            going_on.cancel()
            await asyncio.wait({going_on})

    async def _keep_telling(
        self, speaking: Callable[[], Mapping[str, Voice]], teams: Mapping[str, str]
    ) -> None:
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            if said := self._folded or self._overheard(speaking(), teams):
                self._folded = ""
                await self.tell(said)
            elif monotonic() - self._spoke > HEARTBEAT_SECONDS:
                await self.tell(f"at work for {monotonic() - self._began:.0f} s")

    def _overheard(self, speaking: Mapping[str, Voice], teams: Mapping[str, str]) -> str:
        """Who said something since they were last listened to, and the end of it."""
        said = ""
        for key, voice in speaking.items():
            if voice.characters != self._heard.get(key, 0):
                run_id, _, actor = key.rpartition("/")
                said = within(teams.get(run_id, ""), f"{actor}: {shortened(voice.tail, from_end=True)}")
                self._heard[key] = voice.characters
        return said
