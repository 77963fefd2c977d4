"""Questions that wait for a person: asked once, answered once, several at a time, by parts of a run too."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.database import open_database
from atlas_mcp.errors import InvalidInput
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import Journal
from atlas_mcp.orchestration.asking import Person, Question, Questions, plan_question
from atlas_mcp.orchestration.limits import Limits
from atlas_mcp.orchestration.store import MIGRATIONS
from atlas_mcp.orchestration.team import Budget, load_team
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

RUN = "r_1"
SCHEMA = {"type": "object", "required": ["place"], "properties": {"place": {"type": "string"}}}
FUNDY = {"place": "Fundy"}
SEVERN = {"place": "Severn"}


def question(identity: str = "work/a1") -> Question:
    return Question(identity, "Which harbour?", SCHEMA)


class Desk:
    """A run's questions, its person, and how often its owner was told of a change."""

    def __init__(self, questions: Questions, journal: Journal) -> None:
        self.questions = questions
        self.journal = journal
        self.limits = Limits(Budget(seconds=60))
        self.changes = 0

    async def changed(self) -> None:
        self.changes += 1

    def person(self) -> Person:
        return Person(
            self.questions, RUN, actor="tides", limits=self.limits, guard=lambda _: None,
            on_change=self.changed,
        )  # fmt: skip

    async def kinds(self) -> list[Kind]:
        return [event.kind for event in await self.journal.read(RUN)]


@pytest.fixture
async def desk(home: Path) -> AsyncGenerator[Desk]:
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        journal = Journal(database)
        yield Desk(Questions(database, journal), journal)


async def opened(desk: Desk, number: int) -> list[Question]:
    """Wait until so many questions were asked, and give those that are open."""
    asked = 0
    async with asyncio.timeout(10), aclosing(desk.journal.follow(RUN)) as events:
        async for event in events:
            asked += event.kind is Kind.QUESTION_ASKED
            if asked == number:
                return await desk.questions.open(RUN)
    raise AssertionError("the journal ended")


async def answered(person: Person, asking: asyncio.Task[dict[str, Any]]) -> dict[str, Any]:
    """What somebody is answered, as an owner finds out who looks again and again."""
    async with asyncio.timeout(10):
        while not asking.done():
            await person.look()
            await asyncio.sleep(0)
    return asking.result()


async def test_whoever_asks_again_finds_the_question_and_then_the_answer(desk: Desk) -> None:
    first = asyncio.create_task(desk.person().ask(question()))
    await opened(desk, 1)
    first.cancel()
    person = desk.person()
    again = asyncio.create_task(person.ask(question()))
    await desk.questions.answer(RUN, FUNDY, by="ada")
    assert await answered(person, again) == FUNDY
    assert await desk.person().ask(question()) == FUNDY
    assert await desk.kinds() == [Kind.QUESTION_ASKED, Kind.QUESTION_ANSWERED]


async def test_two_questions_at_once_are_answered_by_id_in_any_order(desk: Desk) -> None:
    person = desk.person()
    one, two = (asyncio.create_task(person.ask(question(name))) for name in ("work/a1", "work/a2"))
    assert [each.id for each in await opened(desk, 2)] == ["work/a1", "work/a2"]
    with pytest.raises(InvalidInput, match="asks 2 questions") as refused:
        await desk.questions.answer(RUN, FUNDY, by="ada")
    assert "work/a1, work/a2" in refused.value.remedy
    await desk.questions.answer(RUN, SEVERN, "work/a2", by="ada")
    assert await answered(person, two) == SEVERN
    assert person.waiting
    assert not one.done()
    await desk.questions.answer(RUN, FUNDY, by="ada")
    assert await answered(person, one) == FUNDY
    assert not person.waiting


async def test_the_clock_stands_still_while_anything_is_asked(desk: Desk) -> None:
    person = desk.person()
    names = ("work/a1", "work/a2")
    asking = [asyncio.create_task(person.ask(question(name))) for name in names]
    await opened(desk, 2)
    left = desk.limits.seconds_left
    for name, task in zip(names, asking, strict=True):
        assert desk.limits.seconds_left == left
        await desk.questions.answer(RUN, FUNDY, name, by="ada")
        await answered(person, task)
    assert desk.changes == 4


async def test_a_child_run_asks_the_person_of_its_parent_whose_clocks_both_stand_still(desk: Desk) -> None:
    person, limits = desk.person(), Limits(Budget(seconds=60))
    part = person.under("r_2", "analysis", limits)
    asking = asyncio.create_task(part.ask(question("approve/1")))
    (found,) = await opened(desk, 1)
    assert found.id == "r_2/approve/1"
    assert limits.seconds_left == limits.seconds_left
    await desk.questions.answer(RUN, FUNDY, by="ada")
    assert await answered(person, asking) == FUNDY
    assert [event.actor for event in await desk.journal.read(RUN)] == ["analysis", "person"]


def test_the_schema_of_a_plans_answer_takes_what_it_offers() -> None:
    team = load_team(shipped("teams") / "research")
    plan: list[dict[str, Any]] = [
        {"id": "a1", "worker": "documents", "goal": "tides", "after": [], "round": 1}
    ]
    asked = plan_question(team, plan, 1)
    shown = asked.data["assignments"]
    assert shown == [{"id": "a1", "worker": "documents", "goal": "tides", "after": []}]
    assert "x-atlas-" not in json.dumps(asked.schema)
    answers: list[tuple[dict[str, Any], bool]] = [
        ({"decision": "approve"}, True), ({"decision": "reject", "note": "no"}, True),
        ({"decision": "edit", "assignments": shown}, True), ({"decision": "edit"}, False),
        ({"decision": "edit", "assignments": []}, False), ({"decision": "approve", "colour": "red"}, False),
    ]  # fmt: skip
    assert [not misfits(asked.schema, answer) for answer, _ in answers] == [fits for _, fits in answers]
