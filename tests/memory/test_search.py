"""Passages are found by words and by meaning, whatever the query and the script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.text.embedding import find_embedder, weights_path
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.memory.memory import Memory


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


TALK = [
    ("2023-05-08T13:56", "Caroline", "Hey Mel! How have you been?"),
    ("2023-05-08T13:58", "Melanie", "Hey Caroline! Busy with the kids and painting, what is new with you?"),
    ("2023-05-08T14:01", "Caroline", "I went to a support group yesterday and it was powerful."),
    ("2023-05-08T14:03", "Melanie", "Which group was that?"),
    ("2023-05-08T14:04", "Caroline", "One for people who changed their career, at the library."),
    ("2023-07-15T09:10", "Melanie", "We took the kids to the pottery workshop. They made three bowls."),
    ("2023-07-15T09:12", "Caroline", "That sounds lovely, I like pottery too."),
    ("2023-10-02T18:00", "Melanie", "The marathon is over, I am so tired."),
]


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.jsonl"
    lines = [json.dumps({"at": at, "by": by, "text": text, "session": at[:10]}) for at, by, text in TALK]
    path.write_text("\n".join(lines))
    return path


async def best(
    memory: Memory, query: str, since: str | None = None, until: str | None = None
) -> tuple[str, str]:
    """The text and the reason of what comes first."""
    first = (await memory.search(query, scope="ann", since=since, until=until))[0]
    return first.text.partition(": ")[2], first.why


async def test_what_somebody_said_comes_first_where_the_query_names_them(home: Path, talk: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([talk], scope="ann")
        text, why = await best(memory, "What does Caroline think of pottery?")
        assert text == TALK[6][2]
        assert "names 1.00 (Caroline)" in why
        text, why = await best(memory, "What about the pottery of Mel?")
        assert text == TALK[5][2]
        assert "names 1.00 (Melanie)" in why


async def test_who_is_called_by_name_is_not_taken_for_who_speaks(home: Path, talk: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([talk], scope="ann")
        found = await memory.search("Caroline", scope="ann")
        assert {passage.text.partition(":")[0] for passage in found} == {"Caroline"}


async def test_a_time_in_the_query_finds_what_was_said_then_or_tells_of_it(home: Path, talk: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([talk], scope="ann")
        text, why = await best(memory, "Which support group was there on 7 May 2023?")
        assert text == TALK[2][2]
        assert "time 1.00 (2023-05-07)" in why
        _, why = await best(memory, "What happened in July 2023?")
        assert "time 0.70 (2023-07-01 to 2023-07-31)" in why


async def test_a_query_for_a_number_or_a_time_prefers_what_says_one(home: Path, talk: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([talk], scope="ann")
        text, why = await best(memory, "How many bowls did the kids make?")
        assert text == TALK[5][2]
        assert "answer 1.00 (says how many)" in why
        text, why = await best(memory, "When did Caroline go to the group?")
        assert text == TALK[2][2]
        assert "answer 1.00 (says when)" in why


async def test_a_short_answer_is_found_by_the_words_of_the_question_before_it(home: Path, talk: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([talk], scope="ann")
        found = [passage.text for passage in await memory.search("support group", scope="ann")]
        assert f"Caroline: {TALK[4][2]}" in found
        assert f"Melanie: {TALK[7][2]}" not in found


async def test_search_can_be_limited_to_a_time(home: Path, talk: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([talk], scope="ann")
        text, _ = await best(memory, "pottery kids", until="2023-07-15")
        assert text == TALK[1][2]
        text, _ = await best(memory, "kids", since="2023-07-15", until="2023-07-16")
        assert text == TALK[5][2]
        assert await memory.search("kids", scope="ann", since="2024-01-01") == []
        with pytest.raises(InvalidInput, match="since"):
            await memory.search("kids", scope="ann", since="next week")


async def test_what_changes_between_searches_is_seen_and_nothing_else_is_lost(home: Path, talk: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([talk], scope="ann")
        assert (await best(memory, "marathon"))[0] == TALK[7][2]
        await memory.ingest([Inline("The sprint is over as well.", uri="note:1")], scope="ann")
        assert (await memory.search("sprint", scope="ann"))[0].text.startswith("The sprint")
        await memory.ingest([Inline("The relay is over.", uri="note:1")], scope="ann")
        assert not any("sprint" in each.text for each in await memory.search("sprint", scope="ann"))
        assert (await memory.search("relay", scope="ann"))[0].text.startswith("The relay")
        assert (await best(memory, "marathon"))[0] == TALK[7][2]
        await memory.forget(talk.as_uri(), scope="ann")
        assert [each.text for each in await memory.search("marathon relay", scope="ann")] == [
            "The relay is over."
        ]


async def test_passages_that_are_embedded_later_are_found_by_meaning_then(home: Path, talk: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([talk], scope="ann")
    async with open_memory(home, WordEmbedder()) as memory:
        assert "meaning" not in (await best(memory, "bowls"))[1]
        await memory.embed_again()
        assert "meaning" in (await best(memory, "bowls"))[1]


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
