"""What a person hears while a team works: not too much, not too little, in order."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.hearing import Heard
from atlas_mcp.orchestration.voice import Voice
from atlas_mcp.surface import progress
from atlas_mcp.surface.progress import FOLD_SECONDS, Teller

if TYPE_CHECKING:
    import pytest


class Ear:
    """Hears what a teller reports, and when."""

    def __init__(self, pause: float = 0.0) -> None:
        self.heard: list[tuple[int, str]] = []
        self.times: list[float] = []
        self._pause = pause

    async def __call__(self, count: int, said: str) -> None:
        await asyncio.sleep(self._pause)
        self.heard.append((count, said))
        self.times.append(monotonic())

    @property
    def said(self) -> list[str]:
        return [said for _, said in self.heard]


def event(kind: Kind, *, team: str = "", **data: object) -> Heard:
    return Heard(Event("r_1", 1, "2026-01-01T00:00:00+00:00", kind, "documents#a2", "", data), team)


async def test_what_a_model_says_is_folded_to_a_few_notifications_a_second() -> None:
    ear, voice = Ear(), Voice()
    async with Teller(ear).telling(lambda: {"compose": voice}):
        for _ in range(100):
            voice.hear("word ")
            await asyncio.sleep(0.01)
    assert 2 <= len(ear.heard) <= 1 + 2 / FOLD_SECONDS
    assert all(later - earlier >= FOLD_SECONDS * 0.9 for earlier, later in pairwise(ear.times))
    assert re.match(r"compose: …?word word", ear.said[0])


async def test_reading_many_documents_is_told_by_the_newest_alone() -> None:
    ear = Ear()
    teller = Teller(ear)
    async with teller.telling(dict):
        for done in range(50):
            await teller.hear(event(Kind.DOCUMENTS_READ, label=f"reading {done} of 50", done=done, total=50))
        await asyncio.sleep(FOLD_SECONDS * 1.5)
    assert ear.said == ["documents: reading 49 of 50"]


async def test_what_a_team_says_and_does_inside_is_told_under_its_name() -> None:
    ear, voice = Ear(), Voice()
    teller = Teller(ear)
    async with teller.telling(lambda: {"r_2/documents#a1": voice}, {"r_2": "research"}):
        await teller.hear(event(Kind.WORK_FINISHED, team="research", findings=4))
        voice.hear("The moon")
        await asyncio.sleep(FOLD_SECONDS * 1.5)
    inside = "research \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} documents"
    assert ear.said == [f"{inside}#a2: 4 findings", f"{inside}#a1: The moon"]


async def test_a_step_is_told_at_once_and_outdates_what_was_folded() -> None:
    ear = Ear()
    teller = Teller(ear)
    async with teller.telling(dict):
        await teller.hear(event(Kind.DOCUMENTS_READ, label="reading 1 of 1", done=1, total=1))
        await teller.hear(event(Kind.STEP_STARTED, step="plan", label="plan: breaking it down"))
        assert ear.said == ["plan: breaking it down"]
        await asyncio.sleep(FOLD_SECONDS * 1.5)
    assert ear.said == ["plan: breaking it down"]


async def test_a_long_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.3)
    ear = Ear()
    async with Teller(ear).telling(dict):
        await asyncio.sleep(1.4)
    assert 2 <= len(ear.heard) <= 4
    assert all(said.startswith("at work for ") for said in ear.said)


async def test_numbers_go_out_in_order_however_slowly_they_are_sent() -> None:
    ear = Ear(pause=0.01)
    teller = Teller(ear)
    await asyncio.gather(*(teller.tell(str(number)) for number in range(10)))
    assert [count for count, _ in ear.heard] == list(range(1, 11))
