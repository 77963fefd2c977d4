"""What is remembered, found for a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from atlas_mcp.errors import IncompatibleStore, IndexUnavailable
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.recall import Recall
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.scope import Scope
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from atlas_mcp.memory.indexes.index import VectorIndex
    from atlas_mcp.memory.record.record import Indexed
    from atlas_mcp.text.ranking import FloatArray

ANNA = Scope("anna")
FACTS = (
    "The Danube ends in the Black Sea.",
    "The Rhine flows into the North Sea near Rotterdam.",
    "Caroline moved from Sweden four years ago.",
    "Deployments to the staging server happen on Tuesday.",
)


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncGenerator[Memory]:
    async with open_memory(tmp_path, WordEmbedder()) as memory:
        await memory.remember([Learning(LearningKind.FACT, text) for text in FACTS], scope=ANNA)
        yield memory


async def test_the_best_memory_comes_first_and_says_why(memory: Memory) -> None:
    best, *_ = await memory.recall("Where does the Danube end?", scope=ANNA)
    assert best.stored.text == FACTS[0]
    assert best.why == "words 2 of 2, meaning 0.71, names Danube"
    assert 0 < best.score <= 1


async def test_a_lone_weak_hit_does_not_say_that_it_is_all_that_was_asked_for(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "bare", None) as memory:
        await memory.remember([Learning(LearningKind.FACT, text) for text in FACTS], scope=ANNA)
        (found,) = await memory.recall("when does the cheap express server break down", scope=ANNA)
        assert found.why == "words 1 of 4"
        (found,) = await memory.recall("rivers through Rotterdam", scope=ANNA)
        assert found.why == "words 1 of 2, names Rotterdam"


async def test_what_is_found_by_a_name_beside_says_so(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "bare", None) as memory:
        told = ("In Ulm the Danube is young.", "The Danube floods in spring.")
        await memory.remember([Learning(LearningKind.FACT, text) for text in told], scope=ANNA)
        found = {each.stored.text: each.why for each in await memory.recall("In Ulm", scope=ANNA)}
        assert found == {told[0]: "words 1 of 1, names Ulm", told[1]: "names beside Ulm"}


class Placed:
    """Vectors at the cosines to (1, 0) that were set."""

    name = "placed"
    dimensions = 2

    def __init__(self, cosines: dict[str, float]) -> None:
        self._cosines = cosines

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        if on_progress is not None:
            on_progress(len(texts), len(texts))
        near = np.array([self._cosines.get(text, 1.0) for text in texts], np.float32)
        return np.stack([near, np.sqrt(1 - near**2)], axis=1)


async def test_what_is_only_faintly_near_by_meaning_alone_is_not_given(tmp_path: Path) -> None:
    near = {"Clara eats no meat.": 0.9, "Tom talks German.": 0.4, "Files lie in Ulm.": 0.24, FACTS[0]: 0.24}
    async with open_memory(tmp_path / "placed", Placed(near)) as memory:
        await memory.remember([Learning(LearningKind.FACT, text) for text in near], scope=ANNA)
        found = {each.stored.text: each.why for each in await memory.recall("zebra", scope=ANNA)}
        assert found == {"Clara eats no meat.": "meaning 0.90", "Tom talks German.": "meaning 0.40"}
        found = {each.stored.text: each.why for each in await memory.recall("black zebra", scope=ANNA)}
        assert found[FACTS[0]] == "words 1 of 2, meaning 0.24"


async def test_without_an_embedder_words_and_names_find(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "bare", None) as memory:
        await memory.remember([Learning(LearningKind.FACT, text) for text in FACTS], scope=ANNA)
        best, *_ = await memory.recall("Where did Caroline come from?", scope=ANNA)
        assert best.stored.text == FACTS[2]


async def test_what_has_nothing_to_do_with_the_question_is_not_given(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "bare", None) as memory:
        await memory.remember([Learning(LearningKind.FACT, text) for text in FACTS], scope=ANNA)
        assert await memory.recall("quantum chromodynamics", scope=ANNA) == []
        assert await memory.recall("  ", scope=ANNA) == []
        assert await memory.recall("?", scope=ANNA) == []


async def test_the_same_question_gives_the_same_memories(memory: Memory) -> None:
    asked = [await memory.recall("sea", scope=ANNA) for _ in range(3)]
    await memory.used([each.stored.id for each in asked[0]], scope=ANNA)
    again = await memory.recall("sea", scope=ANNA)
    assert asked[0] == asked[1] == asked[2]
    assert [each.stored.id for each in again] == [each.stored.id for each in asked[0]]


async def test_what_ran_out_and_what_was_superseded_is_not_given(memory: Memory) -> None:
    await memory.remember(
        [
            Learning(
                LearningKind.FACT, "The Danube carries ice.", valid_from="2020-01-01", valid_to="2020-03-01"
            )
        ],
        scope=ANNA,
    )
    (danube,) = await memory.recall("Danube Black Sea", scope=ANNA, k=1)
    await memory.remember(
        [Learning(LearningKind.FACT, "The Danube ends at Sulina.")],
        scope=ANNA,
        closes={0: [danube.stored.id]},
    )
    found = [each.stored.text for each in await memory.recall("Danube", scope=ANNA)]
    assert "The Danube ends at Sulina." in found
    assert "The Danube carries ice." not in found
    assert FACTS[0] not in found
    then = Filters(at="2020-02-01T00:00:00.000000+00:00")
    assert [each.stored.text for each in await memory.recall("Danube", scope=ANNA, filters=then)] == [
        "The Danube carries ice."
    ]


async def test_what_was_not_used_for_long_ranks_lower_and_stays(memory: Memory) -> None:
    def age(connection: object) -> None:
        connection.execute(  # type: ignore[attr-defined]
            "UPDATE memory SET recorded_at = '2020-01-01T00:00:00.000000+00:00' WHERE text LIKE '%Danube%'"
        )

    fresh = await memory.recall("Danube", scope=ANNA, k=1)
    await memory.database.write(age)
    old = await memory.recall("Danube", scope=ANNA, k=1)
    assert old[0].stored.text == fresh[0].stored.text
    assert old[0].score < fresh[0].score
    await memory.used([old[0].stored.id], scope=ANNA)
    today = await memory.recall("Danube", scope=ANNA, k=1)
    assert today[0].score == old[0].score  # the same question gets the same answer for a day
    await memory.database.write(lambda c: c.execute("UPDATE memory SET used_before = used_at"))
    assert (await memory.recall("Danube", scope=ANNA, k=1))[0].score == fresh[0].score


async def test_two_memories_that_say_the_same_are_given_once(memory: Memory) -> None:
    rivers = Scope("anna", project="rivers")
    await memory.remember([Learning(LearningKind.FACT, FACTS[0], shared=True)], scope=rivers)
    found = await memory.recall("Danube Black Sea", scope=rivers)
    assert [each.stored.text for each in found].count(FACTS[0]) == 1


async def test_another_embedding_model_is_refused_until_all_is_embedded_anew(tmp_path: Path) -> None:
    async with open_memory(tmp_path, WordEmbedder()) as memory:
        await memory.remember([Learning(LearningKind.FACT, FACTS[0])], scope=ANNA)
    async with open_memory(tmp_path, WordEmbedder("other")) as memory:
        with pytest.raises(IncompatibleStore, match="setup embeddings"):
            await memory.recall("Danube", scope=ANNA)
        with pytest.raises(IncompatibleStore, match="setup embeddings"):
            await memory.remember([Learning(LearningKind.FACT, FACTS[1])], scope=ANNA)
        assert await memory.embed_again() == 1
        assert "meaning" in (await memory.recall("Danube", scope=ANNA))[0].why


class Nearest:
    """A vector index over vectors that it was given, which may be down."""

    name = "nearest"

    def __init__(self) -> None:
        self.items: dict[str, Indexed] = {}
        self.down = False
        self.asked = 0

    async def put(self, items: Sequence[Indexed]) -> None:
        self.items.update((item.stored.id, item) for item in items)

    async def remove(self, ids: Sequence[str]) -> None:
        for each in ids:
            self.items.pop(each, None)

    async def clear(self) -> None:
        self.items.clear()

    async def digests(self) -> dict[str, str]:
        return {}

    async def lost(self, items: Sequence[Indexed]) -> list[str]:
        return [item.stored.id for item in items if item.stored.id not in self.items]

    async def close(self) -> None:
        """Nothing is held."""

    async def nearest(self, vector: FloatArray, scope: Scope, *, most: int) -> dict[str, float]:
        assert scope == ANNA
        self.asked += 1
        if self.down:
            raise IndexUnavailable("It is down.")
        found = {
            key: float(item.vector @ vector) for key, item in self.items.items() if item.vector is not None
        }
        return dict(sorted(found.items(), key=lambda each: -each[1])[:most])


async def test_an_index_beside_the_record_changes_no_answer_even_if_it_is_down(memory: Memory) -> None:
    index = Nearest()
    vectors: VectorIndex = index
    await vectors.put([item async for portion in memory.record.every() for item in portion])
    beside = Recall(memory.record, memory.embedder, vectors=vectors, vectors_from=0)
    expected = await memory.recall("Where does the Danube end?", scope=ANNA)
    assert await beside.recall("Where does the Danube end?", scope=ANNA) == expected
    index.down = True
    assert await beside.recall("Where does the Danube end?", scope=ANNA) == expected
    assert index.asked == 2
