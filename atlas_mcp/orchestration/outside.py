"""What downstream servers give the workers of one run: their tools, and what these find as sources.

What a server says is data. It is cleaned, capped and looked through; what comes with an address becomes a
source like any document, its text kept as a snapshot in which quotes are verified. What screens and reads
results is imported on first use: most runs ask no server.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.toolbox import Found, Tool, grants
from atlas_mcp.errors import AtlasError, ToolFailed
from atlas_mcp.events import Kind
from atlas_mcp.memory.moments import now
from atlas_mcp.messages import Passage, Source, ToolCall, ToolSpec
from atlas_mcp.orchestration.paying import Purse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from atlas_mcp.agents.card import Card
    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.results import Document
    from atlas_mcp.downstream.said import Said
    from atlas_mcp.downstream.screening.suspecting import Suspicion
    from atlas_mcp.downstream.servers import Offered, Servers
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.orchestration.running import Running
    from atlas_mcp.providers.budget import Budget, Hold
    from atlas_mcp.settings import ServerSettings

__all__ = ["Outside", "fetched_scope", "needs_servers", "tool_name"]

HITS = 12
"""Passages of one result that a worker is shown."""
EACH = 4
"""Passages of one source among them, where there are several sources."""
MOST_DESCRIPTION = 1_000
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64


def fetched_scope(user: str) -> str:
    """Where what downstream servers gave a user's runs is kept."""
    return f"fetched:{user}"


def tool_name(address: str) -> str:
    """The name under which a model sees `server/tool`: models' interfaces know no stroke."""
    name = _NAME.sub("_", address.replace("/", "__"))
    if len(name) <= _LONGEST_NAME:
        return name
    # Two long names that begin alike stay two.
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}_{digest}"


def needs_servers(card: Card) -> bool:
    """Whether a card has no tools but those of downstream servers."""
    patterns = grants(card.tools)
    return bool(patterns) and all("/" in each for each in patterns)


class Outside:
    """The downstream tools of one run; `servers` opens them when the first card with such a grant works."""

    def __init__(
        self, servers: Callable[[], Awaitable[Servers]], settings: ServerSettings, memory: Memory,
        context: Running,
    ) -> None:  # fmt: skip
        self._opener = servers
        self._settings = settings
        self._memory = memory
        self._context = context
        self._scope = fetched_scope(context.row.user)
        self._heard: int | None = None
        self._used: set[str] = set()
        self._lacking: set[str] = set()
        self._suspected: set[tuple[str, str, str]] = set()
        self._hearing = asyncio.Lock()

    async def tools(
        self, card: Card, path: str, actor: str, budget: Budget, *, hold: Hold | None = None
    ) -> list[Tool]:
        """The tools of every server that a card names and that can be used; one that fails is told of.

        What they cost is paid out of `budget`, or of the `hold` that was set aside for them.
        """
        patterns = grants([*card.tools, *card.writes])
        if not any("/" in each for each in patterns):
            return []
        servers = await self.servers()
        names = servers.usable(patterns)
        self._used.update(names)
        listed = await asyncio.gather(*(self._offered(servers, name) for name in names))
        await self._tell(servers, path)
        await self._tell_lacking(servers, patterns, path)
        pays = partial(Purse, self._context, budget, path=path, actor=actor, hold=hold)
        return [self._tool(servers, each, path, actor, pays) for offers in listed for each in offers]

    async def usable(self, card: Card) -> bool:
        """Whether a server that a card reads by can be used; none is started."""
        servers, patterns = await self.servers(), grants(card.tools)
        await self._tell_lacking(servers, patterns, "plan")
        return bool(servers.usable(patterns))

    async def opening(self, card: Card, goal: str, granted: frozenset[str]) -> list[ToolCall]:
        """The calls by which a worker may begin to look for its goal, the preferred first."""
        patterns = grants(card.tools)
        if not any("/" in each for each in patterns):
            return []
        servers = await self.servers()
        calls: list[ToolCall] = []
        for name in servers.usable(patterns):
            search = servers.entries[name].search
            if search is not None and (tool := tool_name(f"{name}/{search.tool}")) in granted:
                calls.append(ToolCall("opening", tool, {search.query: goal[:400], **search.arguments}))
        return calls

    async def servers(self) -> Servers:
        """The servers themselves, opened on first use."""
        servers = await self._opener()
        if self._heard is None:
            self._heard = servers.noticed
        return servers

    async def _offered(self, servers: Servers, name: str) -> Sequence[Offered]:
        try:
            return await servers.offered(name)
        except AtlasError:
            return ()  # the servers' own notice says why

    def _tool(
        self, servers: Servers, offered: Offered, path: str, actor: str, pays: Callable[..., Purse]
    ) -> Tool:
        from atlas_mcp.downstream.schemas import shown
        from atlas_mcp.downstream.screening.suspecting import capped, cleaned

        entry, offer = offered.entry, offered.offer
        description = capped(cleaned(offer.description), MOST_DESCRIPTION)[0]
        parameters = shown(entry.narrowed(offer.name, offer.parameters))
        spec = ToolSpec(tool_name(offered.address), description, parameters)
        price = entry.price(offer.name)
        purse = pays(price, tool=spec.name) if price else None
        call = partial(
            servers.call, offered.address, agent=actor.partition("#")[0], run_id=self._context.row.run_id,
            pay=purse and purse.pay,
        )  # fmt: skip
        run = partial(self._run, call, offered, path, actor)
        asks = not offered.reads and self.asks(entry)
        check = purse.check if purse and asks else None
        return Tool(spec, run, offered.address, reads=offered.reads, web=entry.web, ask=asks, check=check)

    def asks(self, entry: Entry) -> bool:
        """Whether a person is asked before a server's tools with effects are used."""
        return entry.ask and self._settings.approve == "ask"

    async def _run(
        self, call: Callable[[dict[str, Any]], Awaitable[Said]], offered: Offered, path: str, actor: str,
        arguments: dict[str, Any],
    ) -> Found:  # fmt: skip
        from atlas_mcp.downstream.results import documents
        from atlas_mcp.downstream.screening.suspecting import capped, cleaned

        entry, offer = offered.entry, offered.offer
        try:
            said = await call(arguments)
        except AtlasError as error:
            # A server's own words are in it, which the model reads.
            await self._suspect(offered.address, "", str(error), path=path, actor=actor, left_out=False)
            raise
        finally:
            await self._tell(await self.servers(), path)
        if said.error:
            await self._suspect(offered.address, "", said.text, path=path, actor=actor, left_out=False)
            text, _ = capped(cleaned(said.text), entry.limits.characters)
            raise ToolFailed(text or f"{offered.address} failed and does not say why.")
        found = await asyncio.to_thread(documents, entry, offer.name, arguments, said.text, said.structured)
        query = " ".join(str(value) for value in arguments.values() if isinstance(value, str))
        if found:
            return await self._sources(offered.address, found, query, path, actor)
        text, _ = capped(cleaned(said.text), entry.limits.characters)
        await self._suspect(offered.address, "", said.text, path=path, actor=actor, left_out=False)
        return Found(text or "It gave nothing.")

    async def _sources(
        self, address: str, found: Sequence[Document], query: str, path: str, actor: str
    ) -> Found:
        """Documents as sources that can be quoted: kept first, then the passages that fit best."""
        passages: list[Passage] = []
        each, keep = HITS if len(found) == 1 else EACH, self._settings.suspected == "keep"
        screen = partial(self._suspect, address, path=path, actor=actor, left_out=not keep)
        for document in found:
            uri, title = document.uri, document.title
            if await screen(uri, title) and not keep:
                title = uri
            sha256 = await self._memory.keep_computed(document.text, scope=self._scope, uri=uri)
            source = Source(sha256, uri, title, now())
            why = f"dated {document.published}" if document.published else ""
            await self._tell_suspicions(address, uri, document.hidden, path, actor, left_out=True)
            for passage in await asyncio.to_thread(_passages, document.text, source, query, each, why):
                # Its heading is shown with it, and may stand in another passage of the text.
                suspect = await screen(uri, f"{passage.heading or ''}\n{passage.text}")
                if keep or not suspect:
                    passages.append(passage)
        best = sorted(passages, key=lambda passage: -passage.score)[:HITS]
        if not best:
            return Found("Nothing that can be quoted was found. Try other words.")
        sources = len({passage.source.sha256 for passage in best})
        return Found(
            f"{len(best)} passages of {sources} sources were found. Quote them to cite.", tuple(best)
        )

    async def _suspect(
        self, tool: str, uri: str, text: str, *, path: str, actor: str, left_out: bool
    ) -> bool:
        """Whether a text reads like an instruction to a model; a person is told."""
        from atlas_mcp.downstream.screening.suspecting import suspicions

        found = await asyncio.to_thread(suspicions, text)
        await self._tell_suspicions(tool, uri, found, path, actor, left_out=left_out)
        return bool(found)

    async def _tell_suspicions(
        self, tool: str, uri: str, found: Sequence[Suspicion], path: str, actor: str, *, left_out: bool
    ) -> None:
        """Write to the journal what was suspected, once in a run, however often it is found."""
        new = [each for each in found if (tool, uri, each.quote) not in self._suspected]
        self._suspected.update((tool, uri, each.quote) for each in new)
        if new:
            await self._context.emit(
                Kind.RESULT_SUSPECTED, actor, path, tool=tool, uri=uri, left_out=left_out,
                found=[{"name": each.name, "quote": each.quote[:200]} for each in new[:5]],
            )  # fmt: skip

    async def _tell_lacking(self, servers: Servers, patterns: Sequence[str], path: str) -> None:
        """Say once of each server that a person wrote and granted why it is not used."""
        from atlas_mcp.downstream.overview import lacking

        lacks = await asyncio.to_thread(lacking, servers, patterns)
        for name in lacks.keys() - self._lacking:
            self._lacking.add(name)
            text = f"{name} is granted and not used: {lacks[name]}"
            await self._context.emit(Kind.SERVER_NOTED, name, path, server=name, what="failed", text=text)

    async def _tell(self, servers: Servers, path: str) -> None:
        """Write what servers did meanwhile to the run's journal, each once."""
        async with self._hearing:
            notices = servers.notices(self._used, after=self._heard or 0)
            self._heard = servers.noticed
            for notice in notices:
                await self._context.emit(
                    Kind.SERVER_NOTED, notice.server, path, server=notice.server, what=notice.kind,
                    text=notice.text,
                )  # fmt: skip


def _passages(text: str, source: Source, query: str, most: int, why: str) -> list[Passage]:
    """The passages of a text that fit a query best, at most so many; it computes."""
    from atlas_mcp.text.passages import passages
    from atlas_mcp.text.ranking import lexical_scores

    spans = passages(text)
    texts = [text[span.start : span.end] for span in spans]
    scores = lexical_scores(query, texts)
    order = sorted(range(len(spans)), key=lambda place: (-float(scores[place]), place))[:most]
    return [
        Passage(
            f"w{source.sha256[:10]}-{spans[place].start}", source, texts[place], spans[place].start,
            spans[place].page, spans[place].heading, round(float(scores[place]), 4), why,
        )
        for place in order
    ]  # fmt: skip
