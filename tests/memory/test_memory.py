"""Documents go in, passages come out: current, within their scope, whatever was interrupted or killed."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.errors import IncompatibleStore, InvalidInput
from atlas_mcp.memory.knowledge import Inline, Progress
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.snapshots import text_hash
from atlas_mcp.text.embedding import find_embedder, weights_path
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt


class WordEmbedder:
    """Vectors of hashed words: texts that share words lie close. It may be told when to stop."""

    def __init__(self, name: str = "words", stop_after: int | None = None) -> None:
        self.name = name
        self.dimensions = 64
        self.embedded = 0
        self.stop_after = stop_after

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        if self.stop_after is not None and self.embedded >= self.stop_after:
            raise asyncio.CancelledError
        self.embedded += len(texts)
        if on_progress is not None:
            on_progress(len(texts), len(texts))
        vectors = np.full((len(texts), self.dimensions), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for stem in stems(text):
                vectors[row, zlib.crc32(stem.encode()) % self.dimensions] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "rivers.md").write_text(
        "# Rivers\n\nThe Danube ends in the Black Sea.\n\n## Length\n\nIt is long.\n"
    )
    (folder / "deep" / "cats.txt").write_text("Cats sleep for most of the day. They hunt at night.")
    (folder / "deep" / "tool.py").write_text("def rotate(key):\n    return key[::-1]\n")
    return folder


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
        assert "binary" in reasons["picture.png"]
        assert "is empty" in reasons["empty.md"]
        assert await memory.search("hidden outside words", scope="ann") == []


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


async def test_nothing_crosses_a_scope(home: Path, folder: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([folder], scope="ann")
        await memory.ingest([Inline("The Danube is bob's river.")], scope="bob")
        (bob,) = await memory.search("Danube river cats", scope="bob")
        assert bob.text == "The Danube is bob's river."
        assert all("bob" not in found.text for found in await memory.search("bob river", scope="ann"))
        assert await memory.search("Danube", scope="eve") == []
        assert len(await memory.documents("bob")) == 1
        with pytest.raises(InvalidInput):
            await memory.snapshot(bob.source.sha256, scope="ann")
        assert not await memory.forget(bob.source.uri, scope="ann")
        assert await memory.search("Danube", scope="bob")


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


async def test_progress_names_the_step_and_counts_to_all(home: Path, folder: Path) -> None:
    told: list[Progress] = []
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([folder], scope="ann", on_progress=told.append)
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
            with pytest.raises(IncompatibleStore, match="setup embeddings --again"):
                await refused
        assert await memory.embed_again() == 3
        assert (await memory.stats()).model == "new"
        assert "meaning" in (await memory.search("Danube", scope="ann"))[0].why
    async with open_memory(home, None) as memory:
        assert await memory.search("Danube", scope="ann")


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


async def test_another_opener_sees_a_change_at_once(home: Path) -> None:
    async with open_memory(home, WordEmbedder()) as one, open_memory(home, WordEmbedder()) as other:
        await one.ingest([Inline("The first fact.")], scope="ann")
        assert len(await other.search("fact", scope="ann")) == 1
        await one.ingest([Inline("The second fact.")], scope="ann")
        assert len(await other.search("fact", scope="ann")) == 2
        await other.forget((await other.documents("ann"))[0].uri, scope="ann")
        assert len(await one.search("fact", scope="ann")) == 1


PROCESS = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.memory.knowledge import Inline
from atlas_mcp.memory.memory import open_memory

async def main():
    async with open_memory(Path(sys.argv[1]), None) as memory:
        print("open", flush=True)
        for number in range(int(sys.argv[3])):
            text = f"Writer {sys.argv[2]} says word{number}. " * 5
            await memory.ingest([Inline(text)], scope="ann")

asyncio.run(main())
"""


async def test_processes_that_write_and_are_killed_leave_a_sound_record(home: Path) -> None:
    async def start(name: str, count: int) -> asyncio.subprocess.Process:
        arguments = (sys.executable, "-c", PROCESS, str(home), name, str(count))
        return await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)

    whole, killed = await asyncio.gather(start("whole", 40), start("killed", 100_000))
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"open\n"
    await whole.communicate()
    killed.kill()
    await killed.communicate()
    assert whole.returncode == 0
    async with open_memory(home, None) as memory:
        documents = await memory.documents("ann")
        assert len(documents) >= 40
        for document in documents:
            assert document.passages == 1
            assert text_hash(await memory.snapshot(document.sha256)) == document.sha256
        for number in (0, 39):
            found = await memory.search(f"word{number} whole", scope="ann")
            assert "whole" in found[0].text
        check = "INSERT INTO passage_text (passage_text) VALUES ('integrity-check')"
        await memory.database.write(lambda connection: connection.execute(check) and None)
        assert await memory.database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12))
def test_the_text_index_holds_exactly_what_is_there(changes: list[tuple[int, int]]) -> None:
    from pathlib import Path

    async def run(folder: Path) -> None:
        async with open_memory(folder / "home", None) as memory:
            now: dict[Path, int] = {}
            for name, word in changes:
                path = folder / f"{name}.txt"
                if word:
                    path.write_text(f"Common text with unique{word}.")
                    await memory.ingest([path], scope="ann")
                    now[path] = word
                else:
                    await memory.forget(path.as_uri(), scope="ann")
                    now.pop(path, None)
            for word in range(1, 6):
                wanted = word in now.values()
                assert bool(await memory.search(f"unique{word}", scope="ann")) == wanted
            assert len(await memory.documents("ann")) == len(now)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder).resolve()))


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
