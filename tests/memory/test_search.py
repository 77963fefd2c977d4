"""Passages are found by words and by meaning, whatever the query and the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.memory.knowledge import Inline
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.text.embedding import find_embedder, weights_path
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_folder_is_found_by_words_with_source_offsets_and_reason(home: Path, folder: Path) -> None:
    async with open_memory(home, None) as memory:
        done = await memory.ingest([folder], scope="ann")
        assert [uri.rsplit("/", 1)[1] for uri in done.added] == ["rivers.md", "cats.txt", "tool.py"]
        (passage, *_) = await memory.search("Where does the Danube end?", scope="ann")
        assert passage.source.uri == (folder / "rivers.md").as_uri()
        assert passage.source.title == "Rivers"
        assert passage.heading == "Rivers"
        assert passage.why == "words 1.00"
        snapshot = await memory.snapshot(passage.source.sha256, scope="ann")
        assert snapshot[passage.start :].startswith(passage.text)
        assert snapshot == (folder / "rivers.md").read_text()


async def test_search_can_be_limited_to_documents(home: Path, folder: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([folder], scope="ann")
        cats = next(known for known in await memory.documents("ann") if known.title == "cats.txt")
        found = await memory.search("Danube cats", scope="ann", documents=[cats.id])
        assert {passage.source.uri for passage in found} == {cats.uri}
        assert await memory.search("Danube", scope="ann", documents=[]) == []


async def test_a_document_is_searched_by_words_however_many_others_match_better(home: Path) -> None:
    async with open_memory(home, None) as memory:
        quiet = await memory.ingest(
            [Inline("One river among many other words that say nothing.")], scope="ann"
        )
        await memory.ingest([Inline(f"river river river {number}") for number in range(600)], scope="ann")
        (found,) = await memory.search("river", scope="ann", documents=quiet.document_ids)
        assert found.text.startswith("One river")


QUERIES = [
    '"',
    "a AND",
    "NOT",
    "near(",
    "x*",
    "-",
    "(",
    "text:",
    "'; DROP TABLE passage",
    "^a",
    "a OR b)",
    "a\0b",
    "%",
]


@pytest.mark.parametrize("query", [*QUERIES, "", "   ", "?!", "of the", "\ud800", "文", "🐈"])
async def test_any_query_is_only_words(home: Path, folder: Path, query: str) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([folder], scope="ann")
        assert isinstance(await memory.search(query, scope="ann"), list)


async def test_scripts_without_spaces_are_found_without_an_embedder(home: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([Inline("东京是日本的首都。"), Inline("猫在晚上打猎。")], scope="ann")
        (found,) = await memory.search("日本首都在哪里", scope="ann")
        assert found.text == "东京是日本的首都。"


async def test_the_same_text_in_two_documents_is_one_hit(home: Path, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("Exactly the same words.")
    async with open_memory(home, None) as memory:
        await memory.ingest([tmp_path / "a.txt", tmp_path / "b.txt"], scope="ann")
        assert len(await memory.search("same words", scope="ann")) == 1


async def test_the_first_k_of_more_are_given(home: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([Inline(f"River number {number} flows.") for number in range(20)], scope="ann")
        assert len(await memory.search("river", scope="ann", k=5)) == 5
        assert await memory.search("river", scope="ann", k=0) == []


@pytest.mark.skipif(weights_path() is None, reason="the embedding weights are not installed")
async def test_meaning_finds_what_words_do_not(home: Path) -> None:
    notes = [
        "Rotate the production API key every ninety days.",
        "Cats sleep on the warm sofa.",
        "Quarterly revenue rose by 12 percent.",
        "The train to Vienna leaves at noon.",
    ]
    async with open_memory(home, find_embedder(home)) as memory:
        await memory.ingest([Inline(note, title="Note") for note in notes], scope="ann")
        for query, note in [
            ("credential renewal policy", notes[0]),
            ("kitten napping on a couch", notes[1]),
            ("earnings growth", notes[2]),
            ("railway departure time", notes[3]),
        ]:
            assert (await memory.search(query, scope="ann"))[0].text == note
