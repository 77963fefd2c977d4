"""Nobody reads, finds or forgets what is another's, whatever is asked in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.lifecycle import uri_of
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.scope import Scope
from atlas_mcp.text.entities import entities
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from atlas_mcp.memory.memory import Memory

STEPS = 1_000
NAMES = ("Anna Kovacs", "Delta Shipping", "Port of Varna", "Bob Marsh")
WORDS = ("ledger", "crane", "tide", "permit", "barge", "pilot", "mooring", "cargo")
SCOPES = tuple(
    Scope(f"user {user}", project, team)
    for user in range(4)
    for project, team in ((None, None), ("north", None), ("south", None), ("north", "red"), (None, "blue"))
)
EVERY = Filters(closed=True)
EMBEDDER = WordEmbedder()


@dataclass(slots=True)
class Entry:
    """A memory as the model holds it."""

    owner: str
    team: str | None
    text: str
    source: str
    uses: int = 0


@dataclass(slots=True)
class Model:
    """The plainest record there could be: a dictionary and one condition."""

    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    every: list[str] = field(default_factory=list[str])

    def readable(self, scope: Scope) -> set[str]:
        return {
            key for key, entry in self.entries.items()
            if entry.owner in scope.owners and (scope.team is None or entry.team in (None, scope.team))
        }  # fmt: skip


class World:
    """The memory, the model, and steps that are taken in both."""

    def __init__(self, memory: Memory, seed: int) -> None:
        self.memory = memory
        self.model = Model()
        self.draw = Random(seed)  # noqa: S311 - nobody's secret
        self.taken = dict.fromkeys(("remember", "find", "get", "list", "forget", "export"), 0)

    async def step(self) -> None:
        scope = self.draw.choice(SCOPES)
        names, shares = tuple(self.taken), (30, 34, 12, 8, 12, 4)
        which = self.draw.choices(names, shares)[0]
        self.taken[which] += 1
        await {
            "remember": self.remember, "find": self.find, "get": self.get, "list": self.list,
            "forget": self.forget, "export": self.export,
        }[which](scope)  # fmt: skip

    def said(self) -> str:
        words = self.draw.sample(WORDS, 3)
        return f"{self.draw.choice(NAMES)} keeps the {' '.join(words)}."

    async def remember(self, scope: Scope) -> None:
        text, source = self.said(), f"file:///{self.draw.randrange(6)}.md"
        shared = scope.project is not None and self.draw.random() < 0.5
        team = self.draw.choice((None, scope.team or self.draw.choice(("red", "blue"))))
        learning = Learning(
            LearningKind.FACT, text, (Evidence("quote", text, source),), team=team, shared=shared
        )
        (added,) = await self.memory.remember([learning], scope=scope)
        owner = scope.shared if shared and scope.shared else scope.own
        if added.new:
            assert added.id not in self.model.entries
            self.model.entries[added.id] = Entry(owner, team, text, source)
            self.model.every.append(added.id)
        entry = self.model.entries[added.id]
        assert (entry.owner, entry.team, entry.text) == (owner, team, text)

    async def find(self, scope: Scope) -> None:
        """By arms alone, and by all at once or by names."""
        record, query = self.memory.record, self.said()
        vector = (await EMBEDDER.embed([query]))[0]
        by_number = await self.memory.database.read(numbered)
        numbers = list(by_number)
        names = entities(query)
        arms = (
            lambda: record.matching(query, scope, EVERY, most=500, also=numbers),
            lambda: record.nearest(vector, scope, EVERY, most=500),
            lambda: record.cosines(vector, numbers, scope),
            lambda: record.mentioning(names, scope, EVERY, depth=3, most=500),
            lambda: record.rows(numbers, scope),
        )
        for arm in self.draw.sample(arms, 2):
            self.check(scope, [by_number[number] for number in await arm()])
        if self.draw.random() < 0.5:
            self.check(scope, [hit.stored.id for hit in await self.memory.recall(query, scope=scope, k=50)])
        else:
            self.check(scope, [key for name in await record.names(scope) for key in name.memories])

    async def get(self, scope: Scope) -> None:
        asked = self.some()
        got = [each.id for each in await self.memory.get_memories(asked, scope=scope)]
        assert got == [key for key in asked if key in self.model.readable(scope)]
        source = f"file:///{self.draw.randrange(6)}.md"
        resting = set(await self.memory.record.resting_on([source, *map(uri_of, asked)], scope))
        assert resting <= self.model.readable(scope)
        await self.memory.used(asked, scope=scope)
        for key in got:
            self.model.entries[key].uses += 1

    async def list(self, scope: Scope) -> None:
        listed = await self.memory.memories(scope, EVERY, most=5_000)
        assert {each.id for each in listed} == self.model.readable(scope)
        assert all(each.uses == self.model.entries[each.id].uses for each in listed)

    async def forget(self, scope: Scope) -> None:
        asked = self.some()
        readable = self.model.readable(scope)
        receipt = await self.memory.forget_memories(asked, scope=scope)
        assert set(receipt.memories) == readable & set(asked)
        assert set(receipt.unknown) == set(asked) - readable
        for key in receipt.memories:
            del self.model.entries[key]

    async def export(self, scope: Scope) -> None:
        exported = [line async for line in self.memory.export(scope)]
        assert {line["id"] for line in exported} == self.model.readable(scope)

    def some(self) -> list[str]:
        """Ids of anybody, of what is gone too, each once."""
        return self.draw.sample(self.model.every, min(3, len(self.model.every)))

    def check(self, scope: Scope, found: Iterable[str]) -> None:
        assert set(found) <= self.model.readable(scope)


def numbered(connection: sqlite3.Connection) -> dict[int, str]:
    """Every memory there is, whosever it is."""
    return dict(tuple(row) for row in connection.execute("SELECT number, id FROM memory"))


@pytest.mark.parametrize("seed", [1])
async def test_a_thousand_steps_over_twenty_scopes_leak_nothing(tmp_path: Path, seed: int) -> None:
    async with open_memory(tmp_path, EMBEDDER) as memory:
        world = World(memory, seed)
        for _ in range(STEPS):
            await world.step()
        assert min(world.taken.values()) > 20
        assert len(world.model.entries) > 50
        for scope in SCOPES:
            await world.list(scope)
        assert await memory.record.check() == []


async def test_documents_of_many_scopes_are_found_in_their_own_alone(tmp_path: Path) -> None:
    draw = Random(2)  # noqa: S311 - nobody's secret
    scopes = [*(f"user:{number}" for number in range(12)), *(f"named:{number}" for number in range(8))]
    held: dict[str, dict[str, str]] = {scope: {} for scope in scopes}
    async with open_memory(tmp_path, EMBEDDER) as memory:
        for turn in range(150):
            scope = draw.choice(scopes)
            query = f"{draw.choice(NAMES)} {' '.join(draw.sample(WORDS, 2))}"
            if draw.random() < 0.4:
                text = f"{query} stands here, {turn % 40} times."
                await memory.ingest([Inline(text)], scope=scope)
                held[scope] = {each.uri: each.sha256 for each in await memory.documents(scope)}
                assert text in {await memory.snapshot(sha, scope=scope) for sha in held[scope].values()}
            elif draw.random() < 0.2:
                uri = draw.choice([uri for mine in held.values() for uri in mine] or ["file:///none.md"])
                assert await memory.forget(uri, scope=scope) == (uri in held[scope])
                held[scope].pop(uri, None)
            else:
                ids = [each.id for other in scopes for each in await memory.documents(other)]
                for limited in (None, ids):
                    found = await memory.search(query, scope=scope, documents=limited, k=50)
                    assert {each.source.uri for each in found} <= held[scope].keys()
                    assert {each.source.sha256 for each in found} <= set(held[scope].values())
        for scope in scopes:
            assert {each.uri for each in await memory.documents(scope)} == held[scope].keys()
