"""How names hang together through what is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.connections import around, chain
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.opening import Indexes
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.scope import Scope
from atlas_mcp.memory.snapshots import Snapshots
from tests.memory.plain_index import PlainIndex

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

ANNA, BOB = Scope("anna"), Scope("bob")
TOLD = ("Anna works with Boris.", "Boris lives in Ulm.", "Ulm lies on the Danube.", "Zoe plays `go_fish`.")


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncGenerator[Memory]:
    async with open_memory(tmp_path, None) as memory:
        await memory.remember([Learning(LearningKind.FACT, text) for text in TOLD], scope=ANNA)
        yield memory


async def test_two_names_are_linked_by_the_memories_between_them(memory: Memory) -> None:
    found = await chain(memory, "anna", "the Danube", ANNA)
    assert found is not None
    assert found.names == ("Anna", "Boris", "Ulm", "Danube")
    assert tuple(each.text for each in found.memories) == TOLD[:3]
    back = await chain(memory, "Danube", "Anna", ANNA)
    assert back is not None
    assert back.names == found.names[::-1]


async def test_a_chain_is_no_longer_than_was_asked_for_and_leads_through_what_holds(memory: Memory) -> None:
    assert await chain(memory, "Anna", "Danube", ANNA, deep=2) is None
    assert await chain(memory, "Anna", "Zoe", ANNA) is None
    found = await chain(memory, "Anna", "Ulm", ANNA)
    assert found is not None
    await memory.record.close([found.memories[0].id], ANNA, at="2020-01-01T00:00:00.000000+00:00")
    with pytest.raises(InvalidInput, match="No memory that holds now names 'Anna'"):
        await chain(memory, "Anna", "Ulm", ANNA)


async def test_a_name_leads_to_memories_the_nearest_first(memory: Memory) -> None:
    found = await around(memory, "Anna", ANNA)
    assert [(each.stored.text, each.why) for each in found] == [
        (TOLD[0], "names Anna"), (TOLD[1], "names beside Anna"), (TOLD[2], "names beside Anna"),
    ]  # fmt: skip
    assert [each.stored.text for each in await around(memory, "Anna", ANNA, deep=1)] == [TOLD[0]]
    assert len(await around(memory, "Anna", ANNA, most=2)) == 2
    assert [each.why for each in await around(memory, "go_fish", ANNA)] == ["names go_fish"]


async def test_nobody_is_led_through_what_another_remembers(memory: Memory) -> None:
    await memory.remember([Learning(LearningKind.FACT, "The Danube passes Vienna.")], scope=BOB)
    with pytest.raises(InvalidInput, match="'Vienna'"):
        await chain(memory, "Anna", "Vienna", ANNA)
    with pytest.raises(InvalidInput, match="'Anna'"):
        await around(memory, "Anna", BOB)


@pytest.mark.parametrize(
    ("start", "end", "deep", "says"),
    [
        ("Dan", "Anna", 8, "Memories name Danube"),
        ("Nobody", "Anna", 8, "as a memory does"),
        ("Anna", "anna", 8, "are one name"),
        (" ", "Anna", 8, "1 to 200 characters"),
        ("Anna", "Ulm", 9, "1 to 8"),
        ("Anna", "Ulm", 0, "1 to 8"),
    ],
)
async def test_what_cannot_be_sought_is_refused_with_what_to_write(
    memory: Memory, start: str, end: str, deep: int, says: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        await chain(memory, start, end, ANNA, deep=deep)
    assert says in str(raised.value)


async def test_a_graph_is_asked_where_it_heard_everything_and_otherwise_the_record(
    memory: Memory, tmp_path: Path
) -> None:
    index = PlainIndex()
    beside = Memory(memory.database, Snapshots(tmp_path / "sources"), None, Indexes(graph=index))
    whole = await chain(memory, "Anna", "Danube", ANNA)
    assert await chain(beside, "Anna", "Danube", ANNA) == whole  # it was never filled
    await Feeder(memory.record, [index]).feed()
    # This index follows names over one memory alone, which tells who answers.
    assert await chain(beside, "Anna", "Danube", ANNA) is None
    assert await chain(beside, "Anna", "Boris", ANNA) == await chain(memory, "Anna", "Boris", ANNA)
    assert [each.stored.text for each in await around(beside, "Anna", ANNA)] == [TOLD[0]]
    index.down = True
    assert await chain(beside, "Anna", "Danube", ANNA) == whole
    assert await around(beside, "Anna", ANNA) == await around(memory, "Anna", ANNA)
    index.down = False
    ids = [each.id for each in await memory.memories(ANNA)][:1]
    await memory.record.remove(ids, ANNA)
    # What it still names is gone from the record.
    index.items = {key: item for key, item in index.items.items() if key in ids}
    for change in await memory.record.pending(index.name) or ():
        await memory.record.fed(index.name, change.number)
    with pytest.raises(InvalidInput, match="'Anna'"):
        await around(beside, "Anna", ANNA)
