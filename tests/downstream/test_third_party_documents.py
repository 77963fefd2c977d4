"""A finished document becomes a Word document or a workbook by real servers, if a person agrees."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.events import Kind
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.settings import MemorySettings, ModelSettings, Settings
from tests.downstream.third_party.configured import configure, entry
from tests.downstream.third_party.places import INSTALLED, PYTHON, here
from tests.downstream.third_party.reading import READ_DOCX, READ_XLSX

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.events import Event

pytestmark = pytest.mark.downstream

TASK = "Write a report on tides and on the Bay of Fundy."
TIDES = """# Tides

The moon raises two tides a day. Spring tides come at new moon and at full moon, when both pull together.

The Bay of Fundy has a range of 16 metres.
"""

SCRIPT = r'''
[[reply]]
when = { intent = "plan" }
json = { assignments = [{ id = "a1", worker = "reader", goal = "The Bay of Fundy", after = [] }] }

[[reply]]
when = { agent = "reader" }
json = { findings = [{ passage = "p1", quote = "The Bay of Fundy has a range of 16 metres." }], gaps = [] }

[[reply]]
when = { intent = "compose" }
json.title = "Ranges"
json.open_questions = []
json.document = """
# Ranges at a glance

The Bay of Fundy has a range of 16 metres. [f1] It is **large**.

## By harbour

| Harbour | Metres |
|---|---|
| Fundy | 16 |
| Lee | 4.1 |
| Calm | =1+1 |

- It grows. [f1]
"""
'''


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which both servers are on, and a document that may be read."""
    assert all(path.exists() for path in INSTALLED), "The servers are not installed; run `make downstream`."
    place = tmp_path_factory.mktemp("documents")
    configure(place, here(entry("word")), here(entry("excel")))
    (place / "documents").mkdir()
    (place / "documents" / "tides.md").write_text(TIDES, "utf-8")
    (place / "script.toml").write_text(SCRIPT, "utf-8")
    return place


@pytest.fixture(scope="module")
async def atlas(place: Path, anyio_backend: str) -> AsyncGenerator[Atlas]:
    """An ATLAS without a model."""
    documents = place / "documents"
    async with open_atlas(settings(place), roots=[documents], provider=ExtractiveProvider()) as it:
        yield it


@pytest.fixture(scope="module")
async def scripted(place: Path, anyio_backend: str) -> AsyncGenerator[Atlas]:
    """An ATLAS on the same folder whose model says what a script tells it to."""
    model = f"scripted:{place / 'script.toml'}"
    async with open_atlas(settings(place, model), roots=[place / "documents"]) as it:
        yield it


def settings(place: Path, model: str | None = None) -> Settings:
    quiet = MemorySettings(embeddings=False, recall=False, learn=False)
    return Settings(home=place, models=ModelSettings(default=model), memory=quiet)


async def written(
    atlas: Atlas, file: str, decision: str = "server", *, team: str = "writing"
) -> tuple[dict[str, Any], list[Event]]:
    """A run that writes a document for a file, and a person's answer where one is asked."""
    documents = [str(root) for root in atlas.roots]
    run = await atlas.start(team, fresh=True, task=TASK, file=file, documents=documents)
    async for event in atlas.watch(run.id):
        if event.kind is Kind.QUESTION_ASKED:
            await atlas.answer(run.id, {"decision": decision})
    row = await atlas.get(run.id)
    assert row.state.value == "done"
    assert row.output is not None
    missing = row.output["files"][0]["path"] is None and decision != "no"
    assert row.partial == missing, "whoever misses a file has not all"
    return row.output, await atlas.events(run.id)


def read_back(script: str, output: dict[str, Any]) -> dict[str, Any]:
    """What an ordinary reader of such files finds in the one that a run made."""
    (made,) = output["files"]
    assert made["problem"] is None
    command = [str(PYTHON), "-c", script, made["path"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def content(output: dict[str, Any]) -> bytes:
    return Path(output["files"][0]["path"]).read_bytes()


def sentences(text: str) -> list[str]:
    """The sentences of a document with their citations, without its marks of Markdown."""
    lines = [line.lstrip("#").strip() for line in text.splitlines()]
    return [each for line in lines for each in re.split(r"(?<=[\]]) ", line) if each]


def in_order(wanted: list[str], texts: list[str]) -> bool:
    """Whether texts hold every one of some sentences, each behind the one before it."""
    told, at = "\n".join(texts), 0
    for each in wanted:
        found = told.find(each, at)
        if found < 0:
            return False
        at = found + len(each)
    return bool(wanted)


def sources(output: dict[str, Any]) -> list[str]:
    (source,) = output["sources"]
    place = f"{source['title']}, {source['uri']}"
    return [f"[{each['id']}] “{each['quote']}” {place}" for each in output["evidence"]]


async def test_every_sentence_of_a_run_stands_in_its_word_document_in_order_and_its_sources_too(
    atlas: Atlas,
) -> None:
    output, events = await written(atlas, "report.docx")
    (asked,) = [event.data for event in events if event.kind is Kind.QUESTION_ASKED]
    file = read_back(READ_DOCX, output)
    assert in_order(sentences(output["document"]), [text for _, text in file["paragraphs"]])
    assert re.search(r"May the team writing write \S+report.docx by word, in \d+ calls\?", asked["text"])
    assert file["title"] == output["title"]
    assert file["paragraphs"][0] == ["Title", output["title"]]
    headings = [line.lstrip("#").strip() for line in output["document"].splitlines() if line.startswith("#")]
    there = [text for style, text in file["paragraphs"] if style.startswith("Heading")]
    assert there == [*(each for each in headings if each != output["title"]), "Sources"]
    assert [text for style, text in file["paragraphs"] if style == "List Bullet"] == sources(output)
    assert f"Saved as {output['files'][0]['path']}" in output["report"]


async def test_a_second_run_overwrites_nothing(atlas: Atlas) -> None:
    first, _ = await written(atlas, "twice.docx")
    before = content(first)
    second, _ = await written(atlas, "twice.docx")
    assert second["files"][0]["name"] == "twice-2.docx"
    assert content(first) == before
    assert read_back(READ_DOCX, second) == read_back(READ_DOCX, first)


async def test_a_workbook_holds_what_the_run_wrote_and_its_sources(atlas: Atlas) -> None:
    output, _ = await written(atlas, "report.xlsx")
    file = read_back(READ_XLSX, output)
    rows = file["sheets"]["Document"]
    assert file["title"] == output["title"]
    assert rows[0] == ["Kind", "Text"]
    assert [text for kind, text in rows if kind == "Item"] == sources(output)
    assert in_order(sentences(output["document"]), [text for _, text in rows])


async def test_headings_and_a_table_of_a_document_are_headings_and_a_table_in_word(scripted: Atlas) -> None:
    output, _ = await written(scripted, "ranges.docx")
    file = read_back(READ_DOCX, output)
    assert file["paragraphs"] == [
        ["Title", "Ranges"],
        ["Heading 1", "Ranges at a glance"],
        ["Normal", "The Bay of Fundy has a range of 16 metres. [f1] It is large."],
        ["Heading 2", "By harbour"],
        ["List Bullet", "It grows. [f1]"],
        ["Heading 1", "Sources"],
        ["List Bullet", *sources(output)],
    ]
    assert file["tables"] == [[["Harbour", "Metres"], ["Fundy", "16"], ["Lee", "4.1"], ["Calm", "=1+1"]]]


async def test_numbers_of_a_table_are_numbers_in_a_workbook_and_a_formula_is_a_text(scripted: Atlas) -> None:
    output, _ = await written(scripted, "ranges.xlsx")
    file = read_back(READ_XLSX, output)
    assert file["sheets"].keys() == {"Document", "By harbour"}
    assert file["sheets"]["By harbour"] == [
        ["Harbour", "Metres"], ["Fundy", 16], ["Lee", 4.1], ["Calm", " =1+1"],
    ]  # fmt: skip


async def test_what_several_teams_made_becomes_one_file_whose_quotes_name_their_sources(atlas: Atlas) -> None:
    output, events = await written(atlas, "together.docx", team="atlas")
    asked = [event for event in events if event.kind is Kind.QUESTION_ASKED]
    assert len(asked) == 1, "it is written once, by the team that was asked for it"
    texts = [text for _, text in read_back(READ_DOCX, output)["paragraphs"]]
    cited = [link for link in output["evidence_chain"] if link["cited"]]
    assert cited
    assert texts[-len(cited) - 1] == "Sources"
    for link, text in zip(cited, texts[-len(cited) :], strict=True):
        assert text == f"[{link['id']}] “{link['quote']}” {link['title']}, {link['source']}"
    assert "The Bay of Fundy has a range of 16 metres." in " ".join(texts)


async def test_where_a_person_refuses_the_run_ends_with_its_document_and_says_that_no_file_was_made(
    atlas: Atlas,
) -> None:
    output, _ = await written(atlas, "refused.docx", "no")
    (made,) = output["files"]
    assert made["path"] is None
    assert "A person refused word/*" in made["problem"]
    assert "The Bay of Fundy has a range of 16 metres." in output["document"]
    assert "refused.docx was not made: A person refused" in output["report"]
    assert not list(atlas.settings.home.rglob("refused*"))


async def test_where_the_server_is_off_the_run_says_what_to_type(home: Path, place: Path) -> None:
    documents = place / "documents"
    async with open_atlas(settings(home), roots=[documents], provider=ExtractiveProvider()) as atlas:
        output, events = await written(atlas, "report.docx")
    assert not [event for event in events if event.kind is Kind.QUESTION_ASKED]
    assert output["files"][0]["path"] is None
    assert "atlas-mcp servers enable word" in output["report"]
    assert "The Bay of Fundy has a range of 16 metres." in output["document"]
