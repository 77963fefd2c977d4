"""Agents that remember are reminded of what is remembered, and of nothing that was forgotten."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.catalogue import shipped
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.scope import Scope
from atlas_mcp.messages import Intent
from atlas_mcp.orchestration.standing import standing_items
from atlas_mcp.orchestration.store import RunRow, RunState
from atlas_mcp.orchestration.team import load_team
from atlas_mcp.settings import MemorySettings, Settings
from tests.agents.runtime_place import Watched

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

SCRIPT = """
[[reply]]
when = { intent = "plan" }
json = { assignments = [{ id = "a1", worker = "documents", goal = "Which range?", after = [] }] }

[[reply]]
when = { intent = "gather" }
json = { findings = [], gaps = ["The range."] }
"""
PREFERENCE = "Ranges are wanted in metres and in feet."
PROCEDURE = "For a range of tides look into the tide table first."
AT = "2026-11-28T10:00:00.000000+00:00"
ROW = RunRow("r_1", "ada", "research", "", {}, {}, RunState.RUNNING, False, AT, AT)
FACT = "The Bay of Fundy has a range of 16 metres."


@pytest.fixture
def team(home: Path) -> Path:
    """The research team of the data folder, whose reader is reminded."""
    own = home / "config" / "teams" / "research"
    shutil.copytree(shipped("teams") / "research", own)
    card = own / "documents.md"
    told = card.read_text("utf-8").replace("---\n", "---\nmemory: {wishes: {recalled: true}}\n", 1)
    card.write_text(told, "utf-8")
    return own


def opened(home: Path, documents: Path, model: Watched) -> AbstractAsyncContextManager[Atlas]:
    settings = Settings(home=home, memory=MemorySettings(embeddings=False))
    return open_atlas(settings, roots=[documents], provider=model)


async def wishes(atlas: Atlas, model: Watched, documents: Path, *, memory: bool = True) -> str:
    """What the block of the reader says in a run."""
    del model.asked[:]
    run = await atlas.start(
        "research", question="Which range?", documents=[str(documents / "tides.md")], fresh=True,
        memory=memory,
    )  # fmt: skip
    await run.envelope(wait_seconds=60)
    system = next(each.system for each in model.asked if each.intent is Intent.GATHER)
    block = re.search(r"<wishes>.*?<value>\n(.*?)\n</value>", system, re.DOTALL)
    assert block is not None
    return block[1]


async def test_an_agent_is_reminded_of_preferences_and_procedures_until_they_are_forgotten(
    home: Path, documents: Path, team: Path
) -> None:
    async with opened(home, documents, model := Watched(SCRIPT)) as atlas:
        memory, scope = await atlas.memory(), Scope(atlas.user)
        learnings = [
            Learning(LearningKind.PROCEDURE, PROCEDURE, score=4.5), Learning(LearningKind.FACT, FACT),
            Learning(LearningKind.PREFERENCE, PREFERENCE, score=5.0),
        ]  # fmt: skip
        added = await memory.remember(learnings, scope=scope)
        assert await wishes(atlas, model, documents) == f"- {PREFERENCE} (today)\n- {PROCEDURE} (today)"
        await memory.forget_memories([added[2].id], scope=scope)
        assert await wishes(atlas, model, documents) == f"- {PROCEDURE} (today)"
        assert await wishes(atlas, model, documents, memory=False) == ""


async def test_nobody_is_reminded_of_what_another_user_or_team_remembers(
    home: Path, documents: Path, team: Path
) -> None:
    settings = MemorySettings(embeddings=False)
    async with opened(home, documents, Watched(SCRIPT)) as atlas:
        memory = await atlas.memory()
        for scope, text in (
            (Scope("ada"), "Ada likes metres."), (Scope("ada", team="writing"), "Write short."),
            (Scope("bea"), "Bea likes feet."),
        ):  # fmt: skip
            told = Learning(LearningKind.PREFERENCE, text, team=scope.team)
            await memory.remember([told], scope=scope)
        items = await standing_items(atlas.memory, settings, ROW, load_team(team))
        assert [each.text for each in items] == ["Ada likes metres."]


async def test_the_best_and_then_the_newest_come_first_and_fifty_are_enough(
    home: Path, documents: Path, team: Path
) -> None:
    settings = MemorySettings(embeddings=False)
    async with opened(home, documents, Watched(SCRIPT)) as atlas:
        learnings = [
            Learning(LearningKind.PREFERENCE, f"Wish number {number}.", score=5.0 if number == 7 else 4.0)
            for number in range(60)
        ]
        await (await atlas.memory()).remember(learnings, scope=Scope("ada"))
        items = await standing_items(atlas.memory, settings, ROW, load_team(team))
        assert [each.text for each in items[:3]] == ["Wish number 7.", "Wish number 59.", "Wish number 58."]
        assert len(items) == 50
