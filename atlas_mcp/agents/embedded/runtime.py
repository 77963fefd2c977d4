"""The runtime in this process: every method is a transaction or two on `agents.db`, a turn is `Taking`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

from atlas_mcp.agents.embedded import agents, archive, blocks, threads
from atlas_mcp.agents.embedded.schema import FILE, MIGRATIONS
from atlas_mcp.agents.embedded.taking import Taking
from atlas_mcp.agents.locks import TurnLocks
from atlas_mcp.agents.runtime import AgentInfo, Health
from atlas_mcp.agents.turns import TurnLedger
from atlas_mcp.database import open_database
from atlas_mcp.errors import InvalidInput, RuntimeUnavailable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from atlas_mcp.agents.runtime import AgentSpec, Block, Recalled, Remembered, Turn, TurnStep
    from atlas_mcp.database import Database
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.terms import Terms

__all__ = ["EmbeddedRuntime", "open_runtime"]

T = TypeVar("T")


class EmbeddedRuntime:
    """Agents that live in a data folder; made by `open_runtime` or `EmbeddedRuntime.open`.

    Several processes may have the same folder open. A turn talks to models through the provider it is given,
    on its terms, and through nothing else.
    """

    def __init__(self, database: Database, locks: TurnLocks, opened: AsyncExitStack) -> None:
        self._database = database
        self._locks = locks
        self._ledger = TurnLedger(database)
        self._opened = opened
        self._closed = False

    @classmethod
    async def open(cls, folder: Path) -> EmbeddedRuntime:
        """The runtime of a data folder; close it with `aclose`.

        Raises:
            IncompatibleStore: the database was written by a newer version, or is none.
            InvalidConfiguration: the folder may not be written.
        """
        async with AsyncExitStack() as opening:
            database = await opening.enter_async_context(open_database(folder / FILE, MIGRATIONS))
            locks = TurnLocks(database, folder / "agents")
            opening.enter_context(locks.living())
            return cls(database, locks, opening.pop_all())

    async def aclose(self) -> None:
        """Close the database; agents stay."""
        self._closed = True
        await self._opened.aclose()

    async def health(self) -> Health:
        """Whether it is open."""
        reason = "It was closed." if self._closed else ""
        return Health("embedded", not self._closed, version("atlas-mcp"), reason)

    # Agents

    async def ensure_agent(self, spec: AgentSpec) -> AgentInfo:
        """The agent of those tags, made or brought to the spec; blocks that it edited keep their values.

        Raises:
            InvalidInput: it has no tags, or a block whose label, limit or value cannot be.
        """
        return await self._write(lambda connection: agents.ensure_agent(connection, spec))

    async def list_agents(self, tags: Sequence[str] = ()) -> list[AgentInfo]:
        """Agents that have all those tags, oldest first."""
        return await self._read(lambda connection: agents.list_agents(connection, tags))

    async def delete_agent(self, agent_id: str, *, blocks: bool = True) -> None:
        """Delete an agent with all that was said and archived; with `blocks` those that nobody else has."""
        await self._write(lambda connection: agents.delete_agent(connection, agent_id, blocks=blocks))
        await self._ledger.forget_agent(agent_id)

    async def blocks(self, agent_id: str) -> list[Block]:
        """An agent's blocks, in the order of its spec."""
        return await self._read(_of(agent_id, blocks.read_blocks))

    async def write_block(self, agent_id: str, label: str, value: str) -> Block:
        """Give a block a value, also one that the agent itself may only read.

        Raises:
            InvalidInput: it is longer than the block's limit, or there is no such block; nothing is cut.
        """
        return await self._write(_of(agent_id, partial(blocks.set_value, label=label, value=value)))

    async def archive(self, agent_id: str, text: str, tags: Sequence[str] = ()) -> Remembered:
        """Keep a passage in an agent's archival memory; a text it has already is kept once.

        Raises:
            InvalidInput: it is empty.
        """
        return await self._write(_of(agent_id, partial(archive.keep_passage, text=text, tags=tags)))

    async def search_archive(
        self, agent_id: str, query: str, *, tags: Sequence[str] = (), k: int = 5
    ) -> list[Remembered]:
        """The passages that share most words with a query; the newest where it has no word."""
        sought = partial(archive.search_passages, query=query, tags=tags, most=k)
        return await self._read(_of(agent_id, sought))

    async def unarchive(self, agent_id: str, tag: str) -> int:
        """Delete the passages of an agent's archival memory that bear a tag; gives how many there were."""
        return await self._write(_of(agent_id, partial(archive.drop_passages, tag=tag)))

    async def history(self, agent_id: str, thread: str, *, limit: int = 50) -> list[Recalled]:
        """The last messages of a thread, oldest first, those that a summary stands for included."""
        return await self._read(_of(agent_id, partial(threads.recall, thread=thread, most=limit)))

    # Turns

    async def turn(
        self, agent_id: str, thread: str, turn: Turn, *, provider: Provider, terms: Terms
    ) -> AsyncGenerator[TurnStep]:
        """Take a turn in a thread.

        A turn that was cut short may be asked for again by its id, and goes on after the last whole answer.

        Raises:
            InvalidInput: results of tools are not those awaited, or the id named another turn.
            RuntimeUnavailable: another turn took the thread for all the time there was.
            ProviderError, BudgetSpent: as the model's calls gave.
        """
        agent = await self._read(lambda connection: agents.find_agent(connection, agent_id))
        if turn.max_steps < 1:
            raise InvalidInput("A turn of no step cannot be taken.", remedy="Give max_steps of 1 or more.")
        loop = asyncio.get_running_loop()
        if turn.deadline is not None:
            deadline = loop.time() + turn.deadline
            terms = replace(
                terms, deadline=deadline if terms.deadline is None else min(deadline, terms.deadline)
            )
        async with AsyncExitStack() as holding:
            try:
                async with asyncio.timeout_at(terms.deadline):
                    await holding.enter_async_context(self._locks.hold(agent_id, thread))
            except TimeoutError:
                raise RuntimeUnavailable(
                    f"{agent.info.name} was taking another turn in thread {thread!r} all the time.",
                    remedy="Ask again later, or in a thread of its own.",
                ) from None
            record = self._ledger.turn(agent_id, thread, turn)
            taking = Taking(
                self._database, record, agent, turn, thread=thread, provider=provider, terms=terms
            )
            async with aclosing(taking.steps()) as steps:
                async for step in steps:
                    yield step

    # Transactions

    async def _read(self, action: Callable[[sqlite3.Connection], T]) -> T:
        self._assert_open()
        return await self._database.read(action)

    async def _write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        self._assert_open()
        return await self._database.write(action)

    def _assert_open(self) -> None:
        if self._closed:
            raise RuntimeUnavailable("The runtime was closed.", remedy="Open it again.")


def _of(agent_id: str, action: Callable[[sqlite3.Connection, str], T]) -> Callable[[sqlite3.Connection], T]:
    """An action on an agent that is there."""

    def act(connection: sqlite3.Connection) -> T:
        agents.find_agent(connection, agent_id)
        return action(connection, agent_id)

    return act


@asynccontextmanager
async def open_runtime(folder: Path) -> AsyncGenerator[EmbeddedRuntime]:
    """The runtime of a data folder, open until the exit; raises what `EmbeddedRuntime.open` does."""
    runtime = await EmbeddedRuntime.open(folder)
    try:
        yield runtime
    finally:
        await runtime.aclose()
