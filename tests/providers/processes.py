"""Processes that share a data folder, for tests of what passes from one to another."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.database import open_database
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.keeping.store import SCHEMA, ProviderStore
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Outcome, Reliability
from tests.providers.mortal import Fate, Mortal, text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.providers.member import Member

__all__ = ["A_DAY", "START", "WRITING", "Clock", "Process", "started"]

START = 1_800_000_000.0
WRITING = TaskType.WRITING
A_DAY = 86_400.0


class Clock:
    """The time of day, which every process shares; each has been up for as long as it says itself."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Process:
    """A process that keeps what it learns: its store, and a group of two."""

    store: ProviderStore
    reliability: Reliability
    group: ProviderGroup
    clock: Clock

    @property
    def one(self) -> Member:
        return self.group.members[0]

    def observe(self, times: int = 1, member: str = "openai:a", failure: str = "") -> None:
        for _ in range(times):
            self.reliability.observe(member, WRITING, Outcome(failure, seconds=2.0, tokens=100))

    def calls(self, member: str = "openai:a") -> float:
        return self.reliability.record(member, WRITING).calls


@asynccontextmanager
async def started(
    file: Path,
    clock: Clock,
    *,
    up: float = 100.0,
    models: Models | None = None,
    fates: list[Fate] | None = None,
) -> AsyncGenerator[Process]:
    """A process that has been up for so many seconds, and has loaded what is known."""
    since = clock.now - up

    def steady() -> float:
        return clock.now - since

    async with open_database(file, (SCHEMA,)) as database:
        models = models or Models.load()
        reliability = Reliability(clock=clock)
        store = ProviderStore(database, reliability, models, clock=clock, steady=steady)
        circumstances = Circumstances(reliability, Prices(models), steady, on_change=store.notice)
        fates = fates or [Fate(text("well"))]
        inner = ProviderGroup(
            [Mortal(name, fates, vendor="openai") for name in ("a", "b")], circumstances=circumstances
        )
        group = ProviderGroup([inner], name="outer", circumstances=circumstances)
        await store.load(group)
        yield Process(store, reliability, inner, clock)
