"""One person's memory: what is asked is checked, and nothing of another's is reached."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput, UnknownMemory
from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.lifecycle import uri_of
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.person import MOST_FOUND, Note, PersonMemory
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.memory.memory import Memory

LIMIT = "The limit of uploads to the archive is 20 MB."


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncGenerator[Memory]:
    async with open_memory(tmp_path, WordEmbedder()) as memory:
        yield memory


def of(memory: Memory, user: str = "anna", project: str = "") -> PersonMemory:
    async def opener() -> Memory:
        return memory

    return PersonMemory(opener, user, project)


async def test_a_person_s_word_is_surer_than_an_agent_s(memory: Memory) -> None:
    anna = of(memory)
    said = await anna.remember(Note("Anna likes short answers.", "preference", origin="person"))
    noted = await anna.remember("Bob writes long letters.")
    scores = {each.id: (each.score, each.origin) for each in await anna.newest()}
    assert scores == {said.id: (5.0, "person"), noted.id: (4.0, "agent")}


async def test_what_says_the_same_or_the_opposite_is_named_with_the_reason(memory: Memory) -> None:
    anna = of(memory)
    first = await anna.remember(LIMIT)
    same = await anna.remember("To the archive, the limit of uploads is 20 MB.")
    other = await anna.remember("The limit of uploads to the archive is 50 MB.")
    assert [(each.stored.id, each.how) for each in same.relatives] == [(first.id, "same")]
    assert [(each.stored.id, each.how) for each in other.relatives] == [(first.id, "opposite")]
    assert "50 MB against 20 MB" in other.relatives[0].reason
    assert len(await anna.newest()) == 1


async def test_what_no_longer_holds_keeps_nothing_out(memory: Memory) -> None:
    anna = of(memory)
    await anna.remember(Note(LIMIT, valid_from="2020-01-01", valid_to="2021-01-01"))
    assert (await anna.remember("The limit of uploads to the archive is 50 MB.")).state == "new"


async def test_what_takes_the_place_of_another_closes_it_and_must_name_one_that_is_there(
    memory: Memory,
) -> None:
    anna, bob = of(memory), of(memory, "bob")
    first = await anna.remember(LIMIT)
    with pytest.raises(UnknownMemory):
        await bob.remember(Note("It is 50 MB.", supersedes=(first.id,)))
    kept = await anna.remember(Note("The limit of uploads is 50 MB.", supersedes=(first.id,)))
    assert kept.superseded == (first.id,)
    (old,) = await anna.get([first.id])
    assert old.superseded_by == kept.id


async def test_what_one_remembers_for_oneself_closes_nothing_of_the_project(memory: Memory) -> None:
    anna, bob = of(memory, project="harbour"), of(memory, "bob", "harbour")
    first = await anna.remember(Note(LIMIT, shared=True))
    own = Note("The limit of uploads to the archive is 50 MB.", supersedes=(first.id,))
    with pytest.raises(InvalidInput, match=f"{first.id} is the project's"):
        await bob.remember(own)
    (stored,) = await anna.get([first.id])
    assert stored.closed_at is None
    assert (await bob.remember(replace(own, shared=True))).superseded == (first.id,)


async def test_what_is_known_ends_when_a_person_says_so(memory: Memory) -> None:
    anna = of(memory)
    first = await anna.remember(LIMIT)
    again = await anna.remember(Note(LIMIT, valid_to="2999-01-01"))
    assert (again.state, again.id) == ("known", first.id)
    (stored,) = await anna.get([first.id])
    assert str(stored.valid_to).startswith("2999-01-01")


async def test_what_another_remembers_keeps_nothing_out_and_is_not_found(memory: Memory) -> None:
    anna, bob = of(memory), of(memory, "bob")
    await anna.remember(LIMIT)
    assert (await bob.remember("The limit of uploads to the archive is 50 MB.")).state == "new"
    found = await bob.recall("limit of uploads")
    assert [each.stored.owner for each in found.memories] == ["user:bob"]


async def test_documents_come_along_only_where_nothing_is_asked_that_they_do_not_have(
    memory: Memory,
) -> None:
    anna = of(memory)
    await memory.ingest([Inline("Uploads to the archive are limited.")], scope=anna.scope.own)
    assert len((await anna.recall("uploads to the archive")).passages) == 1
    assert not (await anna.recall("uploads to the archive", documents=False)).passages
    assert not (await anna.recall("uploads to the archive", at="2026-01-01")).passages
    assert not (await of(memory, "bob").recall("uploads to the archive")).passages


async def test_what_was_recorded_within_a_time_is_found_by_it(memory: Memory) -> None:
    anna = of(memory)
    await anna.remember(LIMIT)
    assert len((await anna.recall("uploads", since="2026-01-01")).memories) == 1
    assert not (await anna.recall("uploads", until="2026-01-01")).memories


async def test_a_dry_run_says_what_would_go_and_leaves_it(memory: Memory) -> None:
    anna = of(memory)
    first = await anna.remember(LIMIT)
    evidence = (Evidence("memory", source=uri_of(first.id)),)
    rests = Learning(LearningKind.FACT, "Large files go by post.", evidence)
    (second,) = await memory.remember([rests], scope=anna.scope)
    tried = await anna.forget([first.id, "m_none"], derived=True, dry_run=True)
    assert (tried.memories, tried.derived, tried.unknown) == ((first.id,), (second.id,), ("m_none",))
    assert len(await anna.newest()) == 2
    gone = await anna.forget([first.id], derived=True)
    assert (gone.memories, gone.derived, gone.derived_forgotten) == ((first.id,), (second.id,), True)
    assert await anna.newest() == []


async def test_a_dry_run_says_what_forgetting_would_not_reach(memory: Memory) -> None:
    anna = of(memory)
    await memory.ingest([Inline("Uploads are limited.", uri="note:uploads")], scope=anna.scope.own)
    document = (Evidence("quote", "Uploads are limited.", "note:uploads"),)
    first = Learning(LearningKind.FACT, LIMIT, document, run_id="r_1")
    (added,) = await memory.remember([first], scope=anna.scope)
    rests = (Evidence("memory", source=uri_of(added.id)),)
    second = Learning(LearningKind.PROCEDURE, "Send large files by post.", rests, run_id="r_2")
    await memory.remember([second], scope=anna.scope)
    told = [
        await anna.forget([added.id], dry_run=True),
        await anna.forget([added.id], dry_run=True, derived=True),
        await anna.forget_document("note:uploads", dry_run=True),
        await anna.forget_document("note:uploads", dry_run=True, derived=True),
    ]
    both = ("r_1", "r_2")
    expected = [(("r_1",), False), (both, True), ((), False), (both, True)]
    assert [(each.runs, each.reminded) for each in told] == expected
    gone = await anna.forget_document("note:uploads", derived=True)
    assert (gone.runs, gone.reminded) == expected[-1]


async def test_an_answer_is_worth_more_than_the_note_that_it_was_given(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await of(memory).remember(LIMIT)

    async def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(memory, "used", full)
    await of(memory).used([kept.id])


@pytest.mark.parametrize("k", [0, MOST_FOUND + 1])
async def test_too_many_or_none_cannot_be_asked_for(memory: Memory, k: int) -> None:
    with pytest.raises(InvalidInput, match="Let k be 1 to 50"):
        await of(memory).recall("uploads", k=k)


async def test_nothing_is_opened_for_what_is_refused() -> None:
    async def opener() -> Memory:
        raise AssertionError("it was opened")

    anna = PersonMemory(opener, "anna")
    with pytest.raises(InvalidInput):
        await anna.recall(" ")
    with pytest.raises(InvalidInput):
        await anna.remember("The password is hunter2!")


async def test_bytes_that_are_no_text_are_refused_and_begin_no_id(memory: Memory) -> None:
    with pytest.raises(InvalidInput, match="characters that no text has"):
        await of(memory).remember("abc \udcff")
    assert await of(memory).newest(begun="m_\ud800", most=10**30) == []


async def test_words_that_are_common_with_others_still_find_what_is_ones_own(tmp_path: Path) -> None:
    async with open_memory(tmp_path, None) as memory:
        await of(memory).remember("Our server hums.")
        said = ["A quokka smiles.", *(f"The server number {number} runs." for number in range(10_001))]
        bob = of(memory, "bob").scope
        await memory.remember([Learning(LearningKind.FACT, text) for text in said], scope=bob)
        found = await of(memory).recall("quokka server")
    assert [each.stored.text for each in found.memories] == ["Our server hums."]


async def test_what_is_to_hold_later_holds_once_it_is_said_to(memory: Memory) -> None:
    await of(memory).remember(Note("The fee is 5 euro.", valid_from="2999-01-01"))
    assert (await of(memory).recall("fee")).memories == ()
    assert (await of(memory).remember("The fee is 5 euro.")).state == "known"
    assert [each.stored.text for each in (await of(memory).recall("fee")).memories] == ["The fee is 5 euro."]


async def test_a_document_whose_file_is_gone_can_still_be_forgotten(memory: Memory, tmp_path: Path) -> None:
    folder, anna = tmp_path / "notes", of(memory)
    folder.mkdir()
    (folder / "kept.md").write_text("Kept.")
    (folder / "gone.md").write_text("The secret of the archive.")
    await memory.ingest([folder], scope=anna.scope.own)
    (known,) = [each for each in await memory.documents(anna.scope.own) if each.uri.endswith("gone.md")]
    (folder / "gone.md").unlink()
    await memory.ingest([folder], scope=anna.scope.own)
    with pytest.raises(InvalidInput, match="no document"):
        await of(memory, "bob").forget_document(known.uri)
    assert (await anna.forget_document(known.uri)).document == known.uri
    with pytest.raises(InvalidInput, match="no snapshot"):
        await memory.snapshot(known.sha256)
