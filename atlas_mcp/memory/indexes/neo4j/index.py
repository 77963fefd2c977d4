"""Memories and the names they hold as a graph in Neo4j, an index that the record feeds.

`(:AtlasMemory)-[:MENTIONS]->(:AtlasName)` and `(:AtlasMemory)-[:SUPERSEDED_BY]->(:AtlasMemory)`; a name
belongs to one owner, and `(:AtlasIndex)` is the mark that everything was put. Nothing without these labels is
read, changed or removed, nor what another data folder keeps there. What is asked, and how it is weighed, is
decided in `graph`, so that the answers are those of the record. It is asked how names hang together over
several steps; recall asks the record, which is faster at its two.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.indexes.neo4j import statements as say
from atlas_mcp.memory.indexes.neo4j.link import REST_SECONDS, Address, Neo4jLink
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.record.graph import EXACT, LONGEST, PathSearch, Spread
from atlas_mcp.memory.record.record import Filters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterable, Sequence

    from atlas_mcp.memory.indexes.neo4j.link import Ask, Rows
    from atlas_mcp.memory.record.record import Indexed, Name, NamePath
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.settings import MemorySettings
    from atlas_mcp.text.entities import Entity

__all__ = ["Neo4jGraph", "configured", "open_graph"]

LAYOUT = 1
"""What is kept, and how; an index of another layout is filled anew."""
SECONDS = 10.0
"""How long a statement of a question may take: the record answers otherwise."""
BATCH = 500
"""Memories that one transaction writes or removes."""
PORTION = 5_000
"""Digests that one statement reads."""


class Neo4jGraph:
    """A `GraphIndex` on a Neo4j server, for the record of that name; it is not asked before it is used."""

    name = "neo4j"

    def __init__(self, link: Neo4jLink, *, record: str, seconds: float = SECONDS) -> None:
        self._link = link
        self._seconds = seconds
        self._record = record
        self._prepared = False

    @property
    def product(self) -> str:
        """What the server calls itself, once it was asked; empty before."""
        return self._link.product

    async def put(self, items: Sequence[Indexed]) -> None:
        """Hold these items as they are now, as the Protocol says."""
        await self._prepare()
        for start in range(0, len(items), BATCH):
            part = items[start : start + BATCH]
            await self._link.write(lambda ask, part=part: self._put(ask, part))

    async def _put(self, ask: Ask, items: Sequence[Indexed]) -> None:
        """Put one batch; each statement is sent no more than it needs, since packing costs a client most."""
        ids = [item.stored.id for item in items]
        names = [{"id": item.stored.id, "owner": item.stored.owner, "names": _names(item)} for item in items]
        mentions = [
            {"id": item.stored.id, "owner": item.stored.owner, "label": each.label, "key": each.key,
             "name": each.name}
            for item in items for each in item.entities
        ]  # fmt: skip
        superseded = [
            {"id": item.stored.id, "by": item.stored.superseded_by}
            for item in items
            if item.stored.superseded_by
        ]
        await ask(
            say.PUT, record=self._record,
            rows=[{"id": item.stored.id, "memory": _properties(item, self._record)} for item in items],
        )  # fmt: skip
        loose = await ask(say.UNLINK, record=self._record, rows=names)
        if mentions:
            await ask(say.LINK, record=self._record, mentions=mentions)
        await ask(say.UNSUPERSEDE, record=self._record, ids=ids)
        if superseded:
            await ask(say.SUPERSEDE, record=self._record, rows=superseded)
        await ask(say.SUPERSEDED, record=self._record, ids=ids)
        if loose:
            await ask(say.TIDY, record=self._record, names=loose)

    async def remove(self, ids: Sequence[str]) -> None:
        """Hold these items no more, as the Protocol says."""
        for start in range(0, len(ids), BATCH):
            part = list(ids[start : start + BATCH])

            async def work(ask: Ask, part: list[str] = part) -> None:
                loose = await ask(say.NAMES_OF, record=self._record, ids=part)
                await ask(say.REMOVE, record=self._record, ids=part)
                await ask(say.TIDY, record=self._record, names=loose)

            await self._link.write(work)

    async def clear(self) -> None:
        """Hold nothing, as the Protocol says; the mark goes first, the constraints stay."""
        self._prepared = False
        await self._prepare()
        await self._link.write(lambda ask: ask(say.UNMARK, record=self._record))
        for statement in say.CLEAR:
            gone = 1
            while gone:
                gone = await self._link.write(lambda ask, s=statement: self._cleared(ask, s))

    async def _cleared(self, ask: Ask, statement: str) -> int:
        return (await ask(statement, record=self._record, batch=BATCH))[0]["gone"]

    async def filled(self) -> bool:
        """Whether it was filled since it was made: a database that was wiped or exchanged was not."""
        return bool(await self._link.read(say.FILLED, record=self._record, v=LAYOUT))

    async def note_filled(self) -> None:
        """Note that it holds all that there was to hold."""
        await self._prepare()
        await self._link.write(lambda ask: ask(say.NOTE_FILLED, record=self._record, v=LAYOUT))

    async def digests(self) -> dict[str, str]:
        """What it holds, as the Protocol says."""
        held: dict[str, str] = {}
        after = ""
        while True:
            rows = await self._link.read(say.DIGESTS, record=self._record, after=after, most=PORTION)
            portion: list[tuple[str, str]] = rows[0]["held"] if rows else []
            held |= dict(portion)
            if len(portion) < PORTION:
                return held
            after = portion[-1][0]

    async def lost(self, items: Sequence[Indexed]) -> list[str]:
        """Ids of items whose node, names or supersession are not as they were put."""
        lost: list[str] = []
        for start in range(0, len(items), BATCH):
            part = items[start : start + BATCH]
            rows = await self._link.read(say.HELD, record=self._record, ids=[item.stored.id for item in part])
            held = {row["id"]: row for row in rows}
            others = sorted({item.stored.superseded_by for item in part if item.stored.superseded_by})
            found = await self._link.read(say.THERE, record=self._record, ids=others) if others else []
            there = {row["id"] for row in found}
            lost += [
                item.stored.id
                for item in part
                if not _is_whole(item, self._record, held.get(item.stored.id), there)
            ]
        return lost

    async def mentioning(
        self,
        entities: Iterable[Entity],
        scope: Scope,
        *,
        depth: int,
        most: int,
        filters: Filters | None = None,
    ) -> dict[str, float]:
        """Memory id and weight, as the Protocol says; by default of what holds now."""
        given = self._given(scope, filters)
        spread = Spread(entities, depth=depth, most=most)
        passed: list[str] = []
        while spread.going_on:
            rows = await self._found(
                say.HOLDING, passed=passed, most=spread.enough, exact=EXACT,
                names=[
                    {"label": label, "key": key, "weight": weight}
                    for (label, key), weight in spread.names.items()
                ],
                **given,
            )  # fmt: skip
            passed += _texts(spread.names)
            spread.reach({row["id"]: row["weight"] for row in rows})
            if spread.followed:
                beside = await self._link.read(
                    say.BESIDE, seconds=self._seconds, passed=passed, common=spread.limit,
                    followed=[{"id": each, "weight": weight} for each, weight in spread.followed.items()],
                    **given,
                )  # fmt: skip
                spread.beside(((row["label"], row["key"]), row["weight"]) for row in beside)
        return spread.answer()

    async def path(
        self, start: Entity, end: Entity, scope: Scope, *, filters: Filters | None = None,
        longest: int = LONGEST,
    ) -> NamePath | None:  # fmt: skip
        """The shortest way between two names, as `PathSearch` says; by default through what holds now."""
        given = self._given(scope, filters)
        search = PathSearch(start, end, longest=longest)
        while search.going_on:
            rows = await self._found(
                say.WAYS, passed=_texts(search.passed),
                names=[{"label": label, "key": key} for label, key in search.frontier], **given,
            )  # fmt: skip
            search.take(
                ((row["by_label"], row["by_key"]), row["memory"], (row["label"], row["key"])) for row in rows
            )
        return search.answer()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    def _given(self, scope: Scope, filters: Filters | None) -> dict[str, Any]:
        """What a scope may read and filters let through, as the parameters of a question."""
        filters = filters or Filters(at=now())
        return {
            "record": self._record,
            "v": LAYOUT,
            "owners": list(scope.owners),
            "team": scope.team,
            "at": filters.at,
            "closed": filters.closed or filters.at is not None,
            "kinds": sorted(str(kind) for kind in filters.kinds) or None,
            "since": filters.since,
            "until": filters.until,
            "source": filters.source,
        }

    async def _found(self, text: str, **given: Any) -> Rows:
        """What a question finds; that it finds nothing counts only where everything was put."""
        rows = await self._link.read(text, seconds=self._seconds, **given)
        if not rows and not await self.filled():
            raise IndexUnavailable(
                f"Neo4j at {self._link.address.url} is not filled yet.",
                remedy="It is being fed; the record answers.",
            )
        return rows

    async def _prepare(self) -> None:
        """Make the constraints and the index that are missing, once."""
        if not self._prepared:
            for statement in say.SCHEMA:
                await self._link.write(lambda ask, s=statement: ask(s))
            self._prepared = True


def configured(settings: MemorySettings) -> Address | None:
    """Where the settings say that Neo4j is, with user and password of the environment; None for nowhere.

    Raises:
        InvalidConfiguration: it is no address of a Bolt server.
    """
    if not settings.neo4j:
        return None
    return Address(
        settings.neo4j,
        settings.neo4j_database,
        os.environ.get("NEO4J_USERNAME", ""),
        SecretStr(os.environ.get("NEO4J_PASSWORD", "")),
    )


@asynccontextmanager
async def open_graph(
    address: Address, *, record: str, rest: float = REST_SECONDS, seconds: float = SECONDS
) -> AsyncGenerator[Neo4jGraph]:
    """The index at an address, which may be down; one that failed is not asked again for `rest` seconds.

    `record` tells the record that feeds it from those of other data folders on the same server; `seconds` is
    how long each statement of a question may take.

    Raises:
        MissingExtra: the driver is not installed.
    """
    graph = Neo4jGraph(Neo4jLink(address, rest=rest), record=record, seconds=seconds)
    try:
        yield graph
    finally:
        await graph.close()


def _texts(names: Iterable[Name]) -> list[str]:
    """Names as the statements compare them; no label has a colon."""
    return [f"{label}:{key}" for label, key in names]


def _names(item: Indexed) -> list[list[str]]:
    return [[each.label, each.key] for each in item.entities]


def _properties(item: Indexed, record: str) -> dict[str, Any]:
    """A memory as it is sent; what is missing is left out."""
    stored = item.stored
    properties = {
        "record": record, "id": stored.id, "owner": stored.owner, "team": stored.team,
        "kind": str(stored.kind), "text": stored.text, "recorded_at": stored.recorded_at,
        "valid_from": stored.valid_from, "valid_to": stored.valid_to, "closed_at": stored.closed_at,
        "superseded_by": stored.superseded_by,
        "sources": sorted({each.source for each in stored.evidence if each.source}),
        "digest": digest(item),
    }  # fmt: skip
    return {key: value for key, value in properties.items() if value is not None}


def _is_whole(item: Indexed, record: str, held: dict[str, Any] | None, there: Collection[str]) -> bool:
    """Whether what is held of an item is what was put; it is superseded by what is there to do so."""
    if held is None:
        return False
    names = sorted(name for name in held["names"] if name[0] is not None)
    # Sources are no part of the digest: evidence that grew is told with the memory's next change.
    kept, wanted = held["memory"] | {"sources": None}, _properties(item, record) | {"sources": None}
    return (
        kept == wanted
        and names == sorted([item.stored.owner, *name] for name in _names(item))
        and held["by"] == ([item.stored.superseded_by] if item.stored.superseded_by in there else [])
    )
