"""One turn on a Letta server, leg by leg, and what became of a leg whose end nobody heard.

A leg is one request. It ends the turn, or it ends with a call: of the caller's tool, which ends the turn too,
or of a memory tool, which the server runs once we have seen that the block allows it. Before a leg is sent
it stands in the ledger; one whose end is not known is looked up on the server before anything is repeated.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.lent_turn import GO_ON
from atlas_mcp.agents.letta.keeping import MEMORY_TOOLS, beyond
from atlas_mcp.agents.letta.wire import Leg, approval, client_tools, decision, edited, usage, user_message
from atlas_mcp.agents.runtime import NeedsTools, TurnEnded
from atlas_mcp.agents.turns import Given
from atlas_mcp.chunks import TextDelta, Usage
from atlas_mcp.ending import to_the_end
from atlas_mcp.errors import AgentRuntimeError, AtlasError, ProviderTimeout, RuntimeUnavailable, TurnLost
from atlas_mcp.messages import ToolResult
from atlas_mcp.providers.wires.schemas import in_words

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from atlas_mcp.agents.lent_turn import LentTurn
    from atlas_mcp.agents.letta.keeping import Agents, Kept
    from atlas_mcp.agents.letta.letta_api import LettaApi, LettaEvent
    from atlas_mcp.agents.runtime import Turn, TurnStep
    from atlas_mcp.agents.turns import KnownTurn, TurnRecord
    from atlas_mcp.messages import ToolCall

__all__ = ["Taking"]

GRACE_SECONDS = 5.0
"""How much longer than the turn may take the server may take to say so."""
CANCEL_SECONDS = 5.0
NOTICE_SECONDS = 0.7
"""After so long a server looks whether a run was cancelled as soon as its model says or ends anything."""
LOOK_SECONDS = 0.5
MOST_LISTED = 1_000
"""Messages or steps of one run, which has a few messages a step and at most as many steps as a turn."""
UNSEEN_SECONDS = 120.0
"""How long one that goes on unseen is waited for where the turn has no deadline."""
SKEW = timedelta(seconds=5)
"""How far the server's clock may be from ours."""

_OPEN = frozenset({"created", "running"})
_WHOLE = frozenset({
    "end_turn", "requires_approval", "max_steps", "max_tokens_exceeded", "tool_rule", "no_tool_call",
})  # fmt: skip


@dataclass(slots=True)
class _Progress:
    """How far a turn is, as the ledger keeps it."""

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    leg: int = 0
    run: str = ""
    steps: int = 0
    words: str = ""
    left: bool = False
    """The caller went away; the words have to be said again in the next turn."""


class Taking:
    """A turn under way. `lent` answers its model calls, None where the server's own model does."""

    def __init__(
        self, api: LettaApi, agents: Agents, kept: Kept, turn: Turn,
        *, record: TurnRecord, conversation: str, lent: LentTurn | None, handle: str, deadline: float | None,
    ) -> None:  # fmt: skip
        self._api = api
        self._agents = agents
        self._record = record
        self._agent = kept.info.id
        self._conversation = conversation
        self._turn = turn
        self._lent = lent
        self._handle = handle
        self._deadline = deadline
        self._usage = Usage()
        self._progress = _Progress()

    @property
    def usage(self) -> Usage:
        """What it took until now: as we counted it where our models answer, else as the server says."""
        return self._usage if self._lent is None else self._lent.usage

    async def steps(
        self, known: KnownTurn | None, before: Sequence[dict[str, Any]]
    ) -> AsyncGenerator[TurnStep, None]:
        """Take the turn, from where it was left if it was `known`; `before` goes before its own words."""
        looking = known is not None and bool(known.noted)
        if known is not None and known.noted:
            self._progress = replace(_Progress(**known.noted), left=False)
        else:
            self._progress = _Progress([*before, self._first()], words=self._words())
        ended = False
        try:
            async with aclosing(self._legs(looking, known)) as steps:
                async for step in steps:
                    yield step
            ended = True
        except AtlasError:
            ended = True
            raise
        finally:
            if not ended:
                await to_the_end(self._leave())

    def _words(self) -> str:
        """The turn's words; a model of the server's own has to be told the shape of its answer in words."""
        turn = self._turn
        if not isinstance(turn.input, str):
            return ""
        if turn.schema is None or self._lent is not None:
            return turn.text
        return f"{turn.text}\n\n{in_words(turn.schema)}"

    def _first(self) -> dict[str, Any]:
        taken = self._turn.input
        return (
            user_message(self._words(), self._otid(0))
            if isinstance(taken, str)
            else approval(taken, self._otid(0))
        )

    def _otid(self, leg: int) -> str:
        return f"{self._turn.id}.{leg}"

    async def _legs(self, looking: bool, known: KnownTurn | None) -> AsyncGenerator[TurnStep, None]:
        since = datetime.now(UTC) if known is None else datetime.fromtimestamp(known.begun_at, UTC)
        while True:
            leg = await self._found(since, ours=False) if looking else None
            looking = False
            if leg is not None:
                for step in _told(leg, ""):
                    yield step
            else:
                leg = Leg()
                async with aclosing(self._heard(leg, since)) as steps:
                    async for step in steps:
                        yield step
            self._progress.steps += leg.steps
            self._usage += leg.usage
            own = leg.pending[0] if leg.pending else None
            if own is None or own.name not in MEMORY_TOOLS or own.name in self._theirs():
                break
            yield own
            if problem := await self._problem(own):
                yield ToolResult(own.id, problem, error=True)  # of which the server tells the model alone
            await self._next(decision(own, problem, self._otid(self._progress.leg + 1)))
        for step in await self._ended(leg):
            yield step

    def _theirs(self) -> set[str]:
        return {tool.name for tool in self._turn.tools}

    async def _next(self, message: dict[str, Any]) -> None:
        progress = self._progress
        self._progress = replace(progress, messages=[message], leg=progress.leg + 1, run="")

    async def _ended(self, leg: Leg) -> list[TurnStep]:
        needs = NeedsTools(tuple(leg.pending)) if leg.pending else None
        ended = TurnEnded(leg.reason, leg.text, self.usage, measured=self._lent is not None)
        given = Given(ended, needs)
        await self._record.finish(given)
        return [*leg.pending, self.usage, *given.steps(said=True)]

    async def _problem(self, call: ToolCall) -> str:
        """Why a block does not allow an edit; empty where it does, or where the server itself will refuse."""
        blocks = (await self._agents.kept(self._agent)).blocks
        block = next((each for each in blocks if each.label == call.arguments.get("label")), None)
        if block is None:
            return ""
        if block.read_only:
            return f"Block {block.label!r} may only be read."
        return beyond(block, edited(block.value, call))

    # A leg, as it is heard

    async def _heard(self, leg: Leg, since: datetime) -> AsyncGenerator[TurnStep, None]:
        """Send a leg and hear it to its end, or find out what became of it."""
        await self._record.note(asdict(self._progress))
        try:
            async with aclosing(self._streamed(leg)) as steps:
                async for step in steps:
                    yield step
            if leg.reason != "error":
                return
            ended = leg.ended or "it was cut off"
            broken: AtlasError = AgentRuntimeError(f"The turn did not end well on the Letta server: {ended}.")
        except TimeoutError:
            broken = self._late()
        except RuntimeUnavailable as error:
            broken = error
        except AtlasError as error:
            raise self._cause(error) from error
        for step in await self._mended(leg, since, broken):
            yield step

    async def _streamed(self, leg: Leg) -> AsyncGenerator[TurnStep, None]:
        """A leg's steps as the server tells them; its run is noted as soon as it is known."""
        async with aclosing(self._api.events(self._conversation, self._request())) as events:
            while (event := await self._event(events)) is not None:
                for step in leg.add(event):
                    yield step
                for seam in self._lent.take_seams() if self._lent is not None else ():
                    yield seam
                if leg.run != self._progress.run:
                    self._progress.run = leg.run
                    await self._record.note(asdict(self._progress))

    def _cause(self, error: AtlasError) -> AtlasError:
        """What our own model met says more than what the server makes of it."""
        return (self._lent and self._lent.failure) or error

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {
            "messages": self._progress.messages,
            "max_steps": max(1, self._turn.max_steps - self._progress.steps),
        }
        if self._turn.tools:
            request["client_tools"] = client_tools(self._turn.tools)
        if self._handle:
            request["override_model"] = self._handle
        return request

    async def _event(self, events: AsyncGenerator[LettaEvent, None]) -> LettaEvent | None:
        """The next event; None once there is none."""
        until = None if self._deadline is None else self._deadline + GRACE_SECONDS
        async with asyncio.timeout_at(until):
            return await anext(events, None)

    def _late(self) -> ProviderTimeout:
        seconds = self._turn.deadline or 0.0
        return ProviderTimeout(f"The turn took longer than {seconds:g} s.", provider="letta")

    async def _mended(self, leg: Leg, since: datetime, broken: AtlasError) -> list[TurnStep]:
        """What is left to tell of a leg that broke off here and may have gone on there.

        Raises:
            AtlasError: why it has no end.
        """
        if (failure := self._lent and self._lent.failure) is not None:
            raise failure
        found = await self._found(since, ours=not isinstance(broken, ProviderTimeout))
        if found is None:
            raise broken
        said = leg.text
        leg.run, leg.text, leg.pending = found.run, found.text, found.pending
        leg.ended, leg.usage = found.ended, found.usage
        return _told(found, said)

    # A leg whose end nobody heard

    async def _found(self, since: datetime, *, ours: bool) -> Leg | None:
        """The leg as the server has it, if it was taken whole; None where it was not taken at all.

        `ours` is whether this process is still there to answer its models. One that may go on unseen is
        waited for; one that cannot is ended first.

        Raises:
            TurnLost: nobody can know.
            RuntimeUnavailable: the server is not there.
        """
        run = self._progress.run or await self._run_of(since)
        if not run:
            return None
        self._progress.run = run
        status, reason = await self._settled(run, waits=ours or self._lent is None)
        with self._api.told():
            messages = (await self._api.read.runs.messages.list(run, order="asc", limit=MOST_LISTED)).items
        if status == "completed" and reason in _WHOLE:
            return await self._read(run, reason, messages)
        if reason := await self._stored(messages):
            return await self._read(run, reason, messages)
        if messages and self._progress.leg == 0 and self._words():
            # The words are in the thread already: they are not said twice.
            self._progress.messages = [user_message(GO_ON, self._otid(0))]
        # It is taken again, or fails, and was paid all the same.
        self._usage += await self._took(run)
        self._progress.run = ""
        return None

    async def _run_of(self, since: datetime) -> str:
        """The server's run of this leg, found by the id that its message bears, else by when it began."""
        otid = self._otid(self._progress.leg)
        with self._api.told():
            stored = await self._api.read.conversations.messages.list(self._conversation, limit=50)
            for message in stored.items:
                if getattr(message, "otid", None) == otid and getattr(message, "run_id", None):
                    return str(message.run_id)  # pyright: ignore[reportAttributeAccessIssue]
            runs = await self._api.read.runs.list(conversation_id=self._conversation, limit=5)
        begun = [run for run in runs.items if run.created_at and run.created_at >= since - SKEW]
        return next((run.id for run in begun if run.status in _OPEN), "")

    async def _settled(self, run: str, *, waits: bool) -> tuple[str, str]:
        """How a run ended, once it has."""
        loop = asyncio.get_running_loop()
        until = loop.time() + UNSEEN_SECONDS if self._deadline is None else self._deadline
        while True:
            with self._api.told():
                found = await self._api.read.runs.retrieve(run)
            if (status := found.status or "") not in _OPEN:
                return status, found.stop_reason or ""
            if not waits:
                await self._cancel(run)
            elif loop.time() >= until:
                raise TurnLost(
                    f"Turn {self._turn.id!r} goes on at the Letta server, or died with it: nobody can know.",
                    turn=self._turn.id, run=run, remedy="Ask for the same turn again later.",
                )  # fmt: skip
            await asyncio.sleep(LOOK_SECONDS)

    async def _stored(self, messages: Sequence[LettaEvent]) -> str:
        """How a leg ended whose last step is stored, though its run was not closed; empty if it is not.

        A server that dies between the two has the whole answer and calls its run unfinished.
        """
        leg = Leg()
        leg.read(messages)
        leg.end("requires_approval")
        if leg.pending:
            return "requires_approval"
        told = leg.text and any(
            reply.message.text == leg.text and not reply.calls for reply in await self._record.answers()
        )
        return "end_turn" if told else ""

    async def _read(self, run: str, reason: str, messages: Sequence[LettaEvent]) -> Leg:
        leg = Leg(run)
        leg.read(messages)
        leg.end(reason)
        leg.usage = await self._took(run)
        return leg

    async def _took(self, run: str) -> Usage:
        """What a run of the server's own model took; its `usage` knows neither calls nor what was cached."""
        if self._lent is not None:
            return Usage()  # it was counted here
        with self._api.told():
            steps = (await self._api.read.runs.steps.list(run, limit=MOST_LISTED)).items
        return sum((usage(step, 1) for step in steps), Usage())

    async def _cancel(self, run: str) -> None:
        with self._api.told():
            await self._api.act.agents.messages.cancel(self._agent, run_ids=[run])

    async def _leave(self) -> None:
        """Stop what is under way: our models at once, the server's run as soon as it looks.

        It has to notice before its model ends: it would take what it has for the answer, and call the run
        completed. It looks twice a second at most, and only where its model says something.
        """
        progress = self._progress
        if self._lent is not None:
            self._lent.cancel("its turn was left")
        try:
            with suppress(AtlasError, TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    if progress.run:
                        await self._cancel(progress.run)
                        if self._lent is not None:
                            await asyncio.sleep(NOTICE_SECONDS)
        finally:
            if self._lent is not None:
                self._lent.close()
        await self._record.note(asdict(replace(progress, left=progress.leg == 0)))


def _told(leg: Leg, said: str) -> list[TurnStep]:
    """The text of a leg that was not heard, as far as it was not `said`."""
    rest = leg.text.removeprefix(said)
    return [TextDelta(rest)] if rest else []
