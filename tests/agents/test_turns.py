"""The ledger of turns: what was taken is given again, what was not may be taken, nothing is paid twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.runtime import NeedsTools, Turn, TurnEnded
from atlas_mcp.agents.turns import TURNS, Given, TurnLedger
from atlas_mcp.chunks import Reply, Stopped, TextDelta, Usage
from atlas_mcp.database import open_database
from atlas_mcp.errors import InvalidInput
from atlas_mcp.messages import Material, Message, Passage, Source, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

CALL = ToolCall("c1", "look_up", {"word": "Mars"})
ENDED = TurnEnded("end_turn", "It is a planet.", Usage(7, 3, cost_usd=0.5, calls=1), measured=False)
AWAITS = Given(TurnEnded("requires_approval", "I look."), NeedsTools((CALL,)))
ASKED = Turn("t1", "What is Mars?")


@pytest.fixture
async def ledger(home: Path) -> AsyncGenerator[TurnLedger]:
    async with open_database(home / "agents.db", (TURNS,)) as database:
        yield TurnLedger(database)


async def test_a_turn_is_begun_once_and_known_thereafter(ledger: TurnLedger) -> None:
    record = ledger.turn("a", "t", ASKED)
    assert await record.begin() is None
    await record.note({"run": "r1", "leg": 2})
    known = await ledger.turn("a", "t", ASKED).begin()
    assert known is not None
    assert (known.noted, known.given) == ({"run": "r1", "leg": 2}, None)
    assert await ledger.turn("a", "another", ASKED).begin() is None


@pytest.mark.parametrize("given", [Given(ENDED), AWAITS])
async def test_what_a_turn_gave_is_given_as_it_was(ledger: TurnLedger, given: Given) -> None:
    record = ledger.turn("a", "t", ASKED)
    await record.begin()
    await record.finish(given)
    known = await record.begin()
    assert known is not None
    assert known.given == given


def test_what_was_heard_is_not_told_again() -> None:
    assert list(Given(ENDED).steps(said=True)) == [ENDED]
    assert list(Given(ENDED).steps(said=False)) == [TextDelta("It is a planet."), ENDED]
    assert list(AWAITS.steps(said=False)) == [TextDelta("I look."), CALL, AWAITS.needs, AWAITS.ended]


PASSAGE = Passage("p1", Source("ab", "file:///m", "Mars", "2026-01-01"), "Mars is a planet.", 0)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, input="What is Venus?"),
        replace(ASKED, input=(ToolResult("c1", "What is Mars?"),)),
        replace(ASKED, material=Material(passages=(PASSAGE,))),
    ],
)
async def test_an_id_names_one_turn(ledger: TurnLedger, other: Turn) -> None:
    await ledger.turn("a", "t", ASKED).begin()
    with pytest.raises(InvalidInput, match="t1"):
        await ledger.turn("a", "t", other).begin()


async def test_an_answer_is_known_within_its_turn_until_the_turn_is_finished(ledger: TurnLedger) -> None:
    reply = Reply(
        Message("assistant", (Text("I look."), CALL)), Usage(7, 3, calls=1), Stopped("end", "scripted", "m")
    )
    record, other = ledger.turn("a", "t", ASKED), ledger.turn("a", "t", replace(ASKED, id="t2"))
    await record.keep_answer("hash", reply)
    assert await record.answered("hash") == reply
    assert await record.answered("another") is None
    assert await other.answered("hash") is None
    await record.begin()
    await record.forget()
    assert await record.answered("hash") == reply, "what was paid for stays known"
    await record.finish(Given(ENDED))
    assert await record.answered("hash") is None


async def test_unfinished_turns_are_known_by_what_was_noted(ledger: TurnLedger) -> None:
    for name in ("t1", "t2", "t3"):
        record = ledger.turn("a", "t", replace(ASKED, id=name))
        await record.begin()
        await record.note({"name": name})
    await ledger.turn("a", "t", replace(ASKED, id="t2")).finish(Given(ENDED))
    assert await ledger.unfinished("a", "t") == {"t1": {"name": "t1"}, "t3": {"name": "t3"}}
    await ledger.forget_agent("a")
    assert await ledger.unfinished("a", "t") == {}
