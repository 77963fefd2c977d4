"""Documents go in, change, and go; what was interrupted goes on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import IncompatibleStore
from atlas_mcp.memory.documents.knowledge import Inline, Progress
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.snapshots import text_hash
from tests.memory.word_embedder import WordEmbedder
from tests.text.readers.samples import CHAT

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_did_not_change_is_left_alone_and_what_is_gone_goes(home: Path, folder: Path) -> None:
    embedder = WordEmbedder()
    async with open_memory(home, embedder) as memory:
        await memory.ingest([folder], scope="ann")
        embedded = embedder.embedded
        again = await memory.ingest([folder], scope="ann")
        assert (len(again.unchanged), again.added, again.updated, again.removed) == (3, [], [], [])
        assert len(again.document_ids) == 3
        assert embedder.embedded == embedded
        (folder / "deep" / "cats.txt").write_text("Dogs bark.")
        (folder / "rivers.md").unlink()
        changed = await memory.ingest([folder], scope="ann")
        assert changed.updated == [(folder / "deep" / "cats.txt").as_uri()]
        assert changed.removed == [(folder / "rivers.md").as_uri()]
        assert await memory.search("Danube", scope="ann") == []
        assert await memory.search("hunt", scope="ann") == []
        (dogs,) = await memory.search("dogs", scope="ann")
        assert dogs.text == "Dogs bark."
        assert (await memory.stats()).vectors == (await memory.stats()).passages == 2


async def test_an_edit_keeps_the_vectors_of_what_stayed(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.md"
    parts = [f"# Part {number}\n\n" + f"Sentence about topic{number}. " * 40 for number in range(6)]
    path.write_text("\n\n".join(parts))
    embedder = WordEmbedder()
    async with open_memory(home, embedder) as memory:
        await memory.ingest([path], scope="ann")
        before = embedder.embedded
        path.write_text("\n\n".join([*parts[:5], "# Part 5\n\nAnother ending."]))
        await memory.ingest([path], scope="ann")
        assert embedder.embedded == before + 1
        assert (await memory.stats()).vectors == (await memory.stats()).passages


async def test_hidden_foreign_and_binary_files_are_left_out_by_name(
    home: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / ".secret.md").write_text("hidden words")
    (folder / ".git").mkdir()
    (folder / "node_modules").mkdir()
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\0\0\0")
    (folder / "empty.md").write_text("")
    outside = tmp_path / "outside.md"
    outside.write_text("outside words")
    expected = {".secret.md", ".git", "node_modules", "picture.png", "empty.md"}
    if os.name != "nt":
        (folder / "link.md").symlink_to(outside)
        (folder / "again.md").symlink_to(folder / "rivers.md")
        expected |= {"link.md"}
    async with open_memory(home, None) as memory:
        done = await memory.ingest([folder, tmp_path / "nowhere"], scope="ann")
        assert len(done.added) == 3
        reasons = {uri.rsplit("/", 1)[1]: reason for uri, reason in done.skipped}
        assert set(reasons) == expected | {"nowhere"}
        # Nobody who named the folder meant these to be read; the rest they may miss.
        passed_over = {uri.rsplit("/", 1)[1] for uri in done.passed_over}
        assert passed_over == {".secret.md", ".git", "node_modules", "picture.png"}
        assert "binary" in reasons["picture.png"]
        assert "is empty" in reasons["empty.md"]
        assert await memory.search("hidden outside words", scope="ann") == []


async def test_what_a_person_names_was_meant_to_be_read_whatever_it_is(home: Path, folder: Path) -> None:
    picture, notes = folder / "picture.png", folder / "notes.md"
    for file in (picture, notes):
        file.write_bytes(b"\x89PNG\r\n\0\0\0")
    async with open_memory(home, None) as memory:
        done = await memory.ingest([folder], scope="ann")
        assert (len(done.skipped), done.passed_over) == (2, {picture.as_uri()})
        done = await memory.ingest([folder, picture], scope="ann")
        assert (len(done.skipped), done.passed_over) == (2, set())


async def test_a_text_is_a_document_named_by_its_content(home: Path) -> None:
    async with open_memory(home, None) as memory:
        text = "# Memo\n\nThe code is 4711. \ud800"
        done = await memory.ingest([Inline(text), Inline(text), Inline("Other", title="Named")], scope="ann")
        sound = text.replace("\ud800", "?")
        assert done.added[0] == f"text:{text_hash(sound)[:12]}"
        memo, named = sorted(await memory.documents("ann"), key=lambda document: document.title)
        assert (memo.title, named.title) == ("Memo", "Named")
        assert await memory.snapshot(memo.sha256) == sound
        (passage,) = await memory.search("4711", scope="ann")
        assert passage.text == sound


async def test_a_fetched_text_is_replaced_under_its_own_address(home: Path) -> None:
    async with open_memory(home, None) as memory:
        address = "https://example.org/news.html"
        first = await memory.ingest([Inline("Old news.", title="News", uri=address)], scope="ann")
        second = await memory.ingest([Inline("New news.", title="News", uri=address)], scope="ann")
        assert (first.added, second.updated) == ([address], [address])
        (passage,) = await memory.search("news", scope="ann")
        assert (passage.text, passage.source.uri) == ("New news.", address)


async def test_a_file_that_cannot_be_read_any_more_keeps_what_was_read(home: Path, folder: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([folder], scope="ann")
        (folder / "rivers.md").write_bytes(b"\0\1\2")
        done = await memory.ingest([folder], scope="ann")
        assert done.removed == []
        assert [uri.rsplit("/", 1)[1] for uri, _ in done.skipped] == ["rivers.md"]
        assert await memory.search("Danube", scope="ann")


async def test_what_is_forgotten_is_gone_with_every_version_no_one_else_has(
    home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.md"
    path.write_text("First version.")
    async with open_memory(home, None) as memory:
        await memory.ingest([path], scope="ann")
        await memory.ingest([Inline("First version.")], scope="bob")
        path.write_text("Second version.")
        await memory.ingest([path], scope="ann")
        assert len(list((home / "sources").iterdir())) == 2
        assert await memory.forget(path.as_uri(), scope="ann")
        assert await memory.search("version", scope="ann") == []
        assert [kept.read_text() for kept in (home / "sources").iterdir()] == ["First version."]
        assert not await memory.forget(path.as_uri(), scope="ann")


async def test_an_interrupted_ingestion_goes_on_where_it_stopped(home: Path) -> None:
    texts = [Inline(f"Note number {number} about subject{number}.") for number in range(150)]
    stopping = WordEmbedder(stop_after=64)
    async with open_memory(home, stopping) as memory:
        with pytest.raises(asyncio.CancelledError):
            await memory.ingest(texts, scope="ann")
        assert (await memory.stats()).vectors == 64
    embedder = WordEmbedder()
    async with open_memory(home, embedder) as memory:
        assert (await memory.search("subject149", scope="ann"))[0].text.endswith("subject149.")
        embedder.embedded = 0
        done = await memory.ingest(texts, scope="ann")
        assert len(done.unchanged) == 150
        assert embedder.embedded == 150 - 64


async def test_what_somebody_else_left_unfinished_is_not_waited_for(home: Path) -> None:
    async with open_memory(home, None) as memory:
        await memory.ingest([Inline(f"Words of {number}.\n") for number in range(5)], scope="user")
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([Inline("A small one.\n")], scope="user")
        assert (await memory.stats()).vectors == 1


async def test_a_message_is_a_passage_with_its_speaker_and_its_time(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(CHAT, "utf-8")
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([path], scope="ann")
        (hit, *_) = await memory.search("support group", scope="ann")
        assert hit.text == "Caroline: I went to a support group."
        assert hit.heading == "Session 1, 8 May 2023"
    with closing(sqlite3.connect(home / "memory.db")) as connection:
        rows = connection.execute('SELECT at, "by" FROM passage ORDER BY position').fetchall()
    assert [by for _, by in rows] == ["Caroline", "Melanie", "Caroline"]
    assert [at[:10] for at, _ in rows] == ["2023-05-08", "2023-05-08", "2023-05-25"]


async def test_progress_names_the_step_and_counts_to_all(home: Path, folder: Path) -> None:
    told: list[Progress] = []
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([folder], scope="ann", on_progress=told.append)
    assert [progress.uri.rsplit("/", 1)[-1] for progress in told] == ["rivers.md", "cats.txt", "tool.py", ""]
    assert [str(progress) for progress in told] == [
        "reading 1 of 3",
        "reading 2 of 3",
        "reading 3 of 3",
        "embedding 3 of 3",
    ]


async def test_vectors_of_another_model_are_refused_until_all_is_embedded_again(
    home: Path, folder: Path
) -> None:
    async with open_memory(home, WordEmbedder("old")) as memory:
        await memory.ingest([folder], scope="ann")
    new = WordEmbedder("new")
    async with open_memory(home, new) as memory:
        for refused in (memory.search("Danube", scope="ann"), memory.ingest([folder], scope="ann")):
            with pytest.raises(IncompatibleStore, match="setup embeddings"):
                await refused
        assert await memory.embed_again() == 3
        assert (await memory.stats()).model == "new"
        assert "meaning" in (await memory.search("Danube", scope="ann"))[0].why
    async with open_memory(home, None) as memory:
        assert await memory.search("Danube", scope="ann")


@pytest.mark.skipif(sys.platform != "linux", reason="only there may a file's name be no Unicode")
async def test_a_file_whose_name_is_no_unicode_is_read_and_may_be_skipped(home: Path, folder: Path) -> None:
    (folder / os.fsdecode(b"sea\xff.txt")).write_text("The sea is salt.")
    (folder / os.fsdecode(b"void\xff.txt")).write_bytes(b"\0")
    async with open_memory(home, None) as memory:
        done = await memory.ingest([folder], scope="ann")
        (found,) = await memory.search("salt", scope="ann")
    assert found.source.title == "sea?.txt"
    reasons = " ".join(reason for _, reason in done.skipped)
    assert "void?.txt is a binary file" in reasons
    assert reasons.encode()
