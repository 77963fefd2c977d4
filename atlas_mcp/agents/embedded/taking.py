"""One turn in this process: ask the model, run the agent's own tools, hand the caller's to the caller.

Each answer is kept together with what its calls did, in one transaction. A turn that was cut short (the
process died, the caller left, the model failed) is taken up by its id after the last such answer.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from atlas_mcp.agents.answers import NO_TOOLS
from atlas_mcp.agents.embedded import compaction, threads
from atlas_mcp.agents.embedded.agents import find_agent
from atlas_mcp.agents.embedded.blocks import read_blocks
from atlas_mcp.agents.embedded.compiling import compile_system
from atlas_mcp.agents.embedded.editing import Own, own_tools, run_own
from atlas_mcp.agents.runtime import NeedsTools, TurnEnded
from atlas_mcp.agents.turns import Given
from atlas_mcp.chunks import Chosen, Stopped, Switched, Usage
from atlas_mcp.errors import AtlasError, ContentRefused, ContextTooLong, InvalidInput
from atlas_mcp.messages import Message, Prompt, Text, ToolResult
from atlas_mcp.providers.known.tokens import tokens_of_prompt
from atlas_mcp.providers.provider import Fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Sequence

    from atlas_mcp.agents.embedded.agents import Kept
    from atlas_mcp.agents.embedded.threads import Item, Taken
    from atlas_mcp.agents.runtime import StopReason, Turn, TurnStep
    from atlas_mcp.agents.turns import TurnRecord
    from atlas_mcp.chunks import Chunk, Reply
    from atlas_mcp.database import Database
    from atlas_mcp.messages import ToolCall, ToolSpec
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.terms import Terms

__all__ = ["Taking"]

_UNANSWERED = "Nobody gave a result for this call. What comes next is something else."
_PORTION = 0.5
"""The share of the window that is summarised at once."""


@dataclass(frozen=True, slots=True)
class _View:
    """What the model is about to be shown."""

    items: list[Item]
    own: tuple[ToolSpec, ...]
    prompt: Prompt


class Taking:
    """A turn of an agent in a thread, under the thread's lock."""

    def __init__(
        self, database: Database, record: TurnRecord, agent: Kept, turn: Turn, *, thread: str,
        provider: Provider, terms: Terms,
    ) -> None:  # fmt: skip
        self._database = database
        self._record = record
        self._agent = agent
        self._thread = thread
        self._turn = turn
        self._provider = provider
        self._terms = terms
        self._where = (agent.id, thread, turn.id)
        self._window = provider.info.capabilities.window or compaction.WINDOW
        self._steps = 0
        self._usage = Usage()
        self._took = Usage()
        self._view = _View([], (), Prompt((), turn.intent, ""))
        self._given: Given | None = None

    async def steps(self) -> AsyncGenerator[TurnStep]:
        """All that the turn gives, its end last."""
        known = await self._record.begin()
        if known is not None and known.given is not None:
            for step in known.given.steps(said=False):
                yield step
            return
        try:
            so_far = await self._database.write(self._begin)
        except AtlasError:
            await self._record.forget()
            raise
        self._steps, self._usage, self._given = so_far.steps, so_far.usage, so_far.given
        said = self._given is None
        while self._given is None:
            async with aclosing(self._step()) as stepping:
                async for step in stepping:
                    yield step
        await self._record.finish(self._given)
        for step in self._given.steps(said=said):
            yield step

    def _begin(self, connection: sqlite3.Connection) -> Taken:
        """Keep what the turn takes in, unless that was done before."""
        find_agent(connection, self._agent.id)
        so_far = threads.taken(connection, self._where)
        if so_far.begun:
            return so_far
        awaited = _awaited(threads.window(connection, self._agent.id, self._thread))
        for message in self._taken_in(awaited):
            threads.add_message(connection, self._where, message)
        return so_far

    def _taken_in(self, awaited: Sequence[ToolCall]) -> list[Message]:
        given = self._turn.input
        if isinstance(given, str):
            if not given.strip() and not self._turn.material:
                raise InvalidInput("The turn takes in nothing.", remedy="Give it words, or results of tools.")
            refused = (ToolResult(call.id, _UNANSWERED, error=True) for call in awaited)
            said = (Text(given), self._turn.material) if self._turn.material else (Text(given),)
            return [*(Message("tool", (result,)) for result in refused), Message("user", said)]
        if not awaited or sorted(call.id for call in awaited) != sorted(result.call_id for result in given):
            wished = ", ".join(call.id for call in awaited) or "none"
            raise InvalidInput(
                f"These are not the results that thread {self._thread!r} awaits.",
                remedy=f"Give one for each of these calls: {wished}.",
            )
        return [Message("tool", (result,)) for result in given]

    # One answer of the model

    async def _step(self) -> AsyncGenerator[TurnStep]:
        self._steps += 1
        self._took = Usage()
        last = self._steps >= self._turn.max_steps
        squeezed = False
        while True:
            async with aclosing(self._make_room(last=last, squeezed=squeezed)) as making:
                async for chunk in making:
                    yield chunk
            if self._given is not None:
                return
            fold = Fold()
            try:
                async with aclosing(self._ask(fold)) as asking:
                    async for chunk in asking:
                        yield chunk
            except ContextTooLong:
                # Its window is smaller than we know; once, half of what was said gives way.
                if squeezed or fold.text or not compaction.choose(self._view.items, self._half(), 0):
                    raise
                squeezed = True
                continue
            break
        reply = fold.reply()
        if reply.stopped.reason == "refused":
            info = self._provider.info
            raise ContentRefused(
                f"{info.name} refused to answer: {reply.text[:300]}", provider=info.vendor, model=info.model
            )
        self._took = self._took + reply.usage
        for result in await self._database.write(partial(self._commit, reply=reply, last=last)):
            yield result

    async def _ask(self, fold: Fold) -> AsyncGenerator[Chunk]:
        stream = self._provider.stream(self._view.prompt, self._terms)
        try:
            async with stream:
                async for chunk in stream:
                    fold.add(chunk)
                    yield chunk
        except BaseException:
            # Also when the caller leaves: what was said was said.
            if fold.text:
                message = Message("assistant", (Text(fold.text),))
                keep = partial(
                    threads.add_message, where=self._where, message=message, state="interrupted",
                    took=self._took + stream.usage,
                )  # fmt: skip
                await self._database.write(keep)
            raise

    def _commit(self, connection: sqlite3.Connection, *, reply: Reply, last: bool) -> list[ToolResult]:
        """Keep an answer with what its calls of the agent's own tools gave; those results are given."""
        find_agent(connection, self._agent.id)
        own = {tool.name for tool in self._view.own}
        callers = {tool.name for tool in self._turn.tools} - own
        theirs: tuple[ToolCall, ...] = ()
        results: list[ToolResult] = []
        if last:
            results = [ToolResult(call.id, NO_TOOLS, error=True) for call in reply.calls]
        else:
            theirs = tuple(call for call in reply.calls if call.name in callers)
            whose = Own(self._agent, self._thread, self._turn.id)
            offered = self._view.prompt.tools
            results = [
                run_own(connection, whose, call, offered) for call in reply.calls if call.name not in callers
            ]
        self._usage = self._usage + self._took
        if theirs:
            self._given = Given(self._ended("requires_approval", reply.text), NeedsTools(theirs))
        elif last or not reply.calls:
            self._given = Given(self._ended(self._reason(reply, last=last), reply.text))
        threads.add_message(connection, self._where, reply.message, took=self._took, given=self._given)
        for result in results:
            threads.add_message(connection, self._where, Message("tool", (result,)))
        return results

    def _reason(self, reply: Reply, *, last: bool) -> StopReason:
        if reply.stopped.reason == "length":
            return "max_tokens_exceeded"
        # In a turn of one step nobody knows whether it would have gone on.
        return "max_steps" if last and (self._steps > 1 or reply.calls) else "end_turn"

    def _ended(self, reason: StopReason, text: str) -> TurnEnded:
        return TurnEnded(reason, text, self._usage)

    # The prompt, and room for it

    def _look(self, connection: sqlite3.Connection, *, last: bool) -> _View:
        turn = self._turn
        agent = find_agent(connection, self._agent.id)
        items = threads.window(connection, agent.id, self._thread)
        own = own_tools(agent, read_blocks(connection, agent.id))
        asked = (item.message.text for item in reversed(items) if item.message.role == "user")
        prompt = Prompt(
            tuple(message for item in items for message in item.in_prompt),
            turn.intent,
            turn.about or next(asked, ""),
            agent=agent.info.name,
            system=compile_system(connection, agent, self._thread),
            tools=() if last else (*own, *(tool for tool in turn.tools if tool not in own)),
            schema=turn.schema,
            max_output_tokens=turn.max_output_tokens,
            sampling=turn.sampling,
        )
        return _View(items, own, prompt)

    def _fixed(self) -> int:
        """Tokens of the prompt without what was said."""
        return tokens_of_prompt(replace(self._view.prompt, messages=()))

    def _half(self) -> int:
        return (tokens_of_prompt(self._view.prompt) - self._fixed()) // 2

    async def _make_room(self, *, last: bool, squeezed: bool) -> AsyncGenerator[Chunk]:
        """Look at what the model is to be shown, and let old messages give way where it is too much."""
        look = partial(self._look, last=last)
        self._view = await self._database.read(look)
        fixed, tokens = self._fixed(), tokens_of_prompt(self._view.prompt)
        if fixed > self._window:
            reason = "context_window_overflow_in_system_prompt"
            self._given = Given(self._ended(reason, ""))
            return
        if not squeezed and tokens <= compaction.FULL * self._window:
            return
        room = int(compaction.KEPT * self._window) - fixed
        room = min(room, self._half()) if squeezed else room
        size = compaction.size_of_summary(self._view.items, self._window)
        gone = compaction.choose(self._view.items, room, size)
        if not gone:
            return
        size = compaction.size_of_summary(gone, self._window)
        text = ""
        if self._provider.info.language_model:
            for portion in compaction.portions(gone, int(_PORTION * self._window)):
                fold = Fold()
                async with aclosing(self._summarise(portion, text, size, fold)) as summarising:
                    async for chunk in summarising:
                        yield chunk
                reply = fold.reply()
                self._took = self._took + reply.usage
                text = "" if reply.stopped.reason == "refused" else reply.text.strip()
                if not text:
                    break
        author = f"a summary by {self._provider.info.name}."
        if not text:
            text = compaction.digest(gone, self._view.prompt.about, size)
            author = "some of their sentences, word for word; no language model summarised them."
        summary = compaction.headed(gone, text, author)
        await self._database.write(
            partial(threads.add_summary, agent=self._agent.id, thread=self._thread, items=gone, text=summary)
        )
        self._view = await self._database.read(look)

    async def _summarise(self, portion: str, so_far: str, size: int, fold: Fold) -> AsyncGenerator[Chunk]:
        """Have a portion summarised; the caller of the turn hears who did it and what it took, no text."""
        prompt = compaction.summary_prompt(portion, so_far, self._agent.info.name, size)
        async with self._provider.stream(prompt, self._terms) as stream:
            async for chunk in stream:
                fold.add(chunk)
                if isinstance(chunk, Chosen | Switched | Usage | Stopped):
                    yield chunk


def _awaited(items: Sequence[Item]) -> list[ToolCall]:
    """The calls of a thread's last answer that have no result yet."""
    answered: set[str] = set()
    for item in reversed(items):
        if item.message.role != "tool":
            calls = [part for part in item.message.parts if part.kind == "tool_call"]
            return [call for call in calls if call.id not in answered]
        answered |= {part.call_id for part in item.message.parts if isinstance(part, ToolResult)}
    return []
