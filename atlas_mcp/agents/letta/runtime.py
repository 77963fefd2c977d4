"""Agents on a Letta server: the runtime, put together of what keeps agents and what takes turns.

The server makes its own model calls. Where it can reach us they go through our model endpoint, under a key
of the turn's own, so that budget, fallback and cancelling hold for them; where it cannot, or where an agent's
spec names one of the server's models, the server's word for what they took has to do.
"""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from atlas_mcp.agents.embedded.schema import FILE, MIGRATIONS
from atlas_mcp.agents.lent_turn import LentTurn
from atlas_mcp.agents.letta.borrowed import MODEL, Records, Unreachable
from atlas_mcp.agents.letta.keeping import Agents
from atlas_mcp.agents.letta.letta_api import open_api
from atlas_mcp.agents.letta.taking import Taking
from atlas_mcp.agents.letta.wire import recalled, user_message
from atlas_mcp.agents.locks import TurnLocks
from atlas_mcp.agents.runtime import Health, Recalled, Remembered
from atlas_mcp.agents.turns import TurnLedger
from atlas_mcp.database import open_database
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from pathlib import Path

    from atlas_mcp.agents.letta.keeping import Kept
    from atlas_mcp.agents.letta.letta_api import LettaApi
    from atlas_mcp.agents.runtime import AgentInfo, AgentSpec, Block, Turn, TurnStep
    from atlas_mcp.agents.turns import TurnRecord
    from atlas_mcp.database import Database
    from atlas_mcp.providers.lending.endpoint import ModelEndpoint
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.terms import Terms

__all__ = ["LettaRuntime", "open_runtime"]

_THREAD = "atlas:"
_PASSAGES = 1_000
"""The most passages of an agent that a search looks at, unless it is for tags; and how many are asked for."""
_SEEN = 3
"""How many stored messages may stand for one of a thread's history."""


class LettaRuntime:
    """Agents on one server; made by `open_runtime`."""

    def __init__(
        self, api: LettaApi, database: Database, folder: Path,
        endpoint: Callable[[], Awaitable[ModelEndpoint]] | None,
    ) -> None:  # fmt: skip
        self._api = api
        self._agents = Agents(api)
        self._ledger = TurnLedger(database)
        self._locks = TurnLocks(database, folder)
        self._records = Records(api, folder)
        self._endpoint = endpoint if _on_this_machine(api.url) else None
        self._conversations: dict[tuple[str, str], str] = {}
        self._compiled: dict[str, str] = {}

    async def reach(self) -> str:
        """The server's version.

        Raises:
            RuntimeUnavailable: the server is down, or refuses us.
        """
        version = await self._api.version()
        await self._agents.seen()  # anybody may ask the version
        return version

    async def health(self) -> Health:
        """Whether the server can be used; never raises."""
        try:
            return Health("letta", ok=True, version=await self.reach())
        except AtlasError as error:
            return Health("letta", ok=False, reason=str(error))

    async def ensure_agent(self, spec: AgentSpec) -> AgentInfo:
        """The agent of those tags, made or brought to the spec; blocks that it edited keep their values."""
        # One at a time: agents that are made at once may share a block.
        async with self._locks.hold(self._api.url, "agents"):
            return await self._agents.ensure(spec)

    async def list_agents(self, tags: Sequence[str] = ()) -> list[AgentInfo]:
        """Agents of ours that have all those tags."""
        return await self._agents.listed(tags)

    async def delete_agent(self, agent_id: str, *, blocks: bool = True) -> None:
        """Delete an agent; with `blocks` also those of its blocks that no other agent has."""
        await self._agents.delete(agent_id, blocks=blocks)
        await self._ledger.forget_agent(agent_id)

    async def blocks(self, agent_id: str) -> list[Block]:
        """An agent's blocks, in the order of its spec."""
        return list((await self._agents.kept(agent_id)).blocks)

    async def write_block(self, agent_id: str, label: str, value: str) -> Block:
        """Give a block a value.

        Raises:
            InvalidInput: there is no such block, or the value is longer than its limit; nothing is cut.
        """
        return await self._agents.write(agent_id, label, value)

    async def archive(self, agent_id: str, text: str, tags: Sequence[str] = ()) -> Remembered:
        """Keep a passage in an agent's archival memory."""
        await self._agents.kept(agent_id)
        with self._api.told():
            (made, *_) = await self._api.act.agents.passages.create(agent_id, text=text, tags=list(tags))
        return Remembered(made.id or "", text, tuple(tags), made.created_at)

    async def search_archive(
        self, agent_id: str, query: str, *, tags: Sequence[str] = (), k: int = 5
    ) -> list[Remembered]:
        """The passages of an agent's archival memory that fit best, by their words; without any, the newest.

        The server finds by meaning where it has embeddings, and else only what contains the query as it
        stands; so that agents without embeddings find alike everywhere, the ranking is ours.
        """
        from atlas_mcp.text.ranking import lexical_scores
        from atlas_mcp.text.words import words

        await self._agents.kept(agent_id)
        if tags:
            passages = (await self._tagged(agent_id, tags))[::-1]
        else:
            passages = await self._passages(agent_id, ascending=False)
        if words(query):
            scores = lexical_scores(query, [each.text for each in passages])
            best = sorted(zip(scores, passages, strict=True), key=lambda scored: -scored[0])
            passages = [each for score, each in best if score > 0]
        return [
            Remembered(each.id or "", each.text, tuple(each.tags or ()), each.created_at)
            for each in passages[:k]
        ]  # fmt: skip

    async def unarchive(self, agent_id: str, tag: str) -> int:
        """Delete the passages of an agent's archival memory that bear a tag; gives how many there were."""
        await self._agents.kept(agent_id)
        found = await self._tagged(agent_id, [tag])
        for passage in found:
            with self._api.told():
                await self._api.act.agents.passages.delete(passage.id or "", agent_id=agent_id)
        return len(found)

    async def _tagged(self, agent_id: str, tags: Sequence[str]) -> list[Any]:
        """Every passage that has all those tags, oldest first; by itself the server only finds some."""
        found: list[Any] = []
        after = ""
        while True:
            page = await self._passages(agent_id, after)
            found += [each for each in page if set(tags) <= set(each.tags or ())]
            if len(page) < _PASSAGES:
                return found
            after = page[-1].id or ""

    async def _passages(self, agent_id: str, after: str = "", *, ascending: bool = True) -> list[Any]:
        behind: dict[str, Any] = {"after": after} if after else {}
        with self._api.told():
            return await self._api.read.agents.passages.list(
                agent_id, limit=_PASSAGES, ascending=ascending, **behind
            )

    async def history(self, agent_id: str, thread: str, *, limit: int = 50) -> list[Recalled]:
        """The last messages of a thread, oldest first."""
        await self._agents.kept(agent_id)
        conversation = await self._conversation(agent_id, thread, make=False)
        if not conversation:
            return []
        with self._api.told():
            page = await self._api.read.conversations.messages.list(
                conversation, limit=_SEEN * limit, order="desc"
            )
        said = [message for stored in page.items if (message := recalled(stored)) is not None]
        told = said[:limit][::-1]
        unheard = (await self._unheard(agent_id, thread)).items()
        return [*told, *(Recalled(name, "user", noted["words"]) for name, noted in unheard)][-limit:]

    async def turn(
        self, agent_id: str, thread: str, turn: Turn, *, provider: Provider, terms: Terms
    ) -> AsyncGenerator[TurnStep]:
        """Take a turn in a thread; see `AgentRuntime.turn`.

        Raises:
            TurnLost: whether the turn was taken cannot be known; ask for the same turn again later.
            RuntimeUnavailable: the server is down; the same turn again does not pay twice for what is known.
            InvalidInput: the thread awaits results, or other ones.
            ProviderError, BudgetSpent: as the model's calls gave.
        """
        started = asyncio.get_running_loop().time()
        deadline = None if turn.deadline is None else started + turn.deadline
        kept = await self._agents.kept(agent_id)
        async with self._locks.hold(agent_id, thread):
            record = self._ledger.turn(agent_id, thread, turn)
            known = await record.begin()
            if known is not None and known.given is not None:
                for step in known.given.steps(said=False):
                    yield step
                return
            conversation = await self._conversation(agent_id, thread)
            begun = known is not None and bool(known.noted)
            await self._compile(conversation, kept, begun=begun)
            unheard = {} if begun else await self._unheard(agent_id, thread)
            before = [user_message(noted["words"], f"{name}.0") for name, noted in unheard.items()]
            async with self._lent(kept, turn, record, provider, _sooner(terms, deadline)) as (lent, handle):
                taking = Taking(
                    self._api, self._agents, kept, turn,
                    record=record, conversation=conversation, lent=lent, handle=handle, deadline=deadline,
                )  # fmt: skip
                if lent is None and terms.budget is not None:
                    terms.budget.check()
                try:
                    async with aclosing(taking.steps(known, before)) as steps:
                        async for step in steps:
                            yield step
                finally:
                    if lent is None and terms.budget is not None:
                        terms.budget.add(taking.usage)
            for name, noted in unheard.items():
                await self._ledger.turn(agent_id, thread, replace(turn, id=name)).note(
                    {**noted, "left": False}
                )

    async def aclose(self) -> None:
        """Nothing is held open but what `open_runtime` closes; agents stay."""

    # How the models are asked

    @asynccontextmanager
    async def _lent(
        self, kept: Kept, turn: Turn, record: TurnRecord, provider: Provider, terms: Terms
    ) -> AsyncGenerator[tuple[LentTurn | None, str]]:
        """Who answers the turn's models, and by which handle the server asks; nobody for its own model."""
        if kept.model or self._endpoint is None:
            yield None, ""
            return
        endpoint = await self._endpoint()
        window = provider.info.capabilities.window
        # The window is part of the name: the server keeps what it once heard of a name.
        model = f"{MODEL}-{window}" if window else MODEL
        make = partial(LentTurn, provider, turn, terms, record, name=kept.info.name, model=model)
        with self._records.taken() as name, endpoint.admit(make) as session:
            try:
                handle = await self._records.lend(name, session)
            except Unreachable:
                self._endpoint = None
                yield None, ""
                return
            yield session, handle

    # Threads

    async def _conversation(self, agent_id: str, thread: str, *, make: bool = True) -> str:
        """The server's conversation for a thread; empty where there is none and none is to be made."""
        key = (agent_id, thread)
        if key not in self._conversations:
            name = f"{_THREAD}{thread}"
            with self._api.told():
                found = await self._api.read.conversations.list(agent_id=agent_id, summary_search=name)
            known = [conversation.id for conversation in found if conversation.summary == name]
            if not known and not make:
                return ""
            if not known:
                with self._api.told():
                    create: Any = self._api.act.conversations.create
                    known = [(await create(agent_id=agent_id, summary=name)).id]
            self._conversations[key] = known[-1]
        return self._conversations[key]

    async def _compile(self, conversation: str, kept: Kept, *, begun: bool) -> None:
        """Let a thread's prompt say what the agent is now: the server compiles it once and leaves it so.

        A turn that was `begun` keeps its prompt, by which its answers are known.
        """
        if self._compiled.get(conversation) != kept.compiled and not begun:
            with self._api.told():
                await self._api.act.conversations.recompile(conversation)
            self._compiled[conversation] = kept.compiled

    async def _unheard(self, agent_id: str, thread: str) -> dict[str, dict[str, Any]]:
        """The turns of a thread whose words the server dropped, since their caller left."""
        begun = await self._ledger.unfinished(agent_id, thread)
        return {name: noted for name, noted in begun.items() if noted.get("left") and noted.get("words")}


def _sooner(terms: Terms, deadline: float | None) -> Terms:
    """Terms that end with the turn."""
    if deadline is None or (terms.deadline is not None and terms.deadline < deadline):
        return terms
    return replace(terms, deadline=deadline)


def _on_this_machine(url: str) -> bool:
    """Whether a server is where it can reach our loopback."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@asynccontextmanager
async def open_runtime(
    home: Path, url: str, key: str = "", *, endpoint: Callable[[], Awaitable[ModelEndpoint]] | None = None
) -> AsyncGenerator[LettaRuntime]:
    """The agents on the server at `url`; the ledger of their turns is kept in the data folder `home`.

    `endpoint` opens the endpoint through which the server asks our models; without it, it asks its own.

    Raises:
        MissingExtra: the client is not installed.
    """
    async with AsyncExitStack() as stack:
        api = open_api(url, key)
        stack.push_async_callback(api.aclose)
        database = await stack.enter_async_context(open_database(home / FILE, MIGRATIONS))
        runtime = LettaRuntime(api, database, home / "agents", endpoint)
        stack.enter_context(runtime._locks.living())
        yield runtime
