"""A document counts where memory says otherwise, and the whole tells so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.events import Kind
from atlas_mcp.memory.moments import now
from atlas_mcp.messages import Draft, Finding, Location, Source
from atlas_mcp.orchestration.evidence import Evidence
from atlas_mcp.orchestration.outdated import current, outdated, with_outdated
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.settings import MemorySettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "The limit of uploads is 20 MB.", "The limit of uploads is 50 MB."
POINTER = {
    "type": "array", "maxItems": 2,
    "items": {"type": "object", "required": ["finding_ids"], "properties": {
        "text": {"type": ["string", "null"], "maxLength": 400},
        "finding_ids": {"type": "array", "items": {"type": "string"}},
    }},
}  # fmt: skip
SCHEMA = {"type": "object", "properties": {"disagreements": POINTER}}


def found(*quotes: tuple[str, str, str], drafts: tuple[Draft, ...] = ()) -> Evidence:
    """Findings f1, f2 and so on, each a quote, the uri of its source and the day it was read."""
    sources = {f"s{n}": Source(f"{n}", uri, uri, day) for n, (_, uri, day) in enumerate(quotes, 1)}
    findings = tuple(
        Finding(id=f"f{n}", quote=quote, source_id=f"s{n}", title="", location=Location(0, len(quote)),
                worker="w", about="")
        for n, (quote, _, _) in enumerate(quotes, 1)
    )  # fmt: skip
    return Evidence(findings, sources, (), (), drafts)


MEMORY, DOCUMENT = (OLD, "atlas://memory/m_1", "2026-03-01"), (NEW, "file:///api.md", "2026-11-28")


def test_what_memory_said_is_not_composed_from_where_a_document_contradicts_it() -> None:
    both = found(MEMORY, DOCUMENT)
    ((old, new),) = outdated(both)
    assert (old.id, new.id) == ("f1", "f2")
    assert [each.id for each in current(both, outdated(both)).findings] == ["f2"]


@pytest.mark.parametrize(
    "others",
    [
        (("The limit of uploads is 20 MB.", "file:///api.md", "2026-11-28"),),
        ((NEW, "file:///api.md", "2026-02-28"),),
        ((NEW, "atlas://memory/m_2", "2026-11-28"),),
        (),
    ],
    ids=["the same", "read before it was learned", "another memory", "nothing else"],
)
def test_otherwise_it_is_used(others: tuple[tuple[str, str, str], ...]) -> None:
    both = found(MEMORY, *others)
    assert outdated(both) == []
    assert current(both, []) is both


def test_what_drafts_may_cite_stays() -> None:
    both = found(MEMORY, DOCUMENT, drafts=(Draft("d1", "section", "It is so [f1].", by="w"),))
    assert current(both, outdated(both)) is both


@pytest.mark.parametrize(
    ("draft", "schema", "expected"),
    [
        ({"disagreements": []}, SCHEMA, [["f2", "f1"]]),
        ({"disagreements": [{"text": None, "finding_ids": ["f2", "f1"]}]}, SCHEMA, [["f2", "f1"]]),
        ({"disagreements": [{"text": None, "finding_ids": ["f3"]}] * 2}, SCHEMA, [["f2", "f1"], ["f3"]]),
    ],
)
def test_it_stands_first_among_what_contradicts_what(
    draft: dict[str, Any], schema: dict[str, Any], expected: list[list[str]]
) -> None:
    both = found(MEMORY, DOCUMENT)
    told = with_outdated(draft, schema, both, outdated(both))
    assert [each["finding_ids"] for each in told["disagreements"]] == expected
    assert told["disagreements"][0]["text"] == f"Memory said otherwise, as of 2026-03-01: “{OLD}”"


def test_where_there_is_no_such_list_limits_tell_it_and_else_nothing_does() -> None:
    both = found(MEMORY, DOCUMENT)
    told = with_outdated({"limits": ["Few."]}, {}, both, outdated(both))
    assert told["limits"] == [f"Memory said otherwise, as of 2026-03-01: “{OLD}”", "Few."]
    draft = {"answer": "50 MB.", "disagreements": "none"}
    assert with_outdated(draft, {}, both, outdated(both)) == draft


def test_what_a_list_says_that_names_no_findings_stays() -> None:
    both = found(MEMORY, DOCUMENT)
    own = ["Two tables give two sums.", {"text": "And two averages.", "finding_ids": None}]
    told = with_outdated({"contradictions": own}, {}, both, outdated(both))
    assert told["contradictions"][1:] == own


async def test_a_brief_answers_from_the_document_and_what_it_says_takes_the_place_of_what_memory_said(
    tmp_path: Path,
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    documents.joinpath("api.md").write_text(f"# Uploads\n\n{NEW}\n", "utf-8")
    settings = Settings(home=tmp_path / "home", memory=MemorySettings(embeddings=False))
    async with open_atlas(settings, roots=[documents], provider=ExtractiveProvider()) as atlas:
        old = (await atlas.memories.remember(OLD)).id
        question = "What is the limit of uploads?"
        run = await atlas.start("research", question=question, documents=[str(documents)], fresh=True)
        envelope = await run.envelope(wait_seconds=60)
        events = await atlas.events(envelope["run_id"])
    output = envelope["output"]
    assert output["answer"] == f"{NEW} [f1]"
    assert [each["text"] for each in output["claims"]] == [NEW]
    quotes = {each["id"]: each["quote"] for each in output["findings"]}
    (told,) = output["disagreements"]
    assert [quotes[each] for each in told["finding_ids"]] == [NEW, OLD]
    assert told["text"] == f"Memory said otherwise, as of {now()[:10]}: “{OLD}”"
    assert told["text"] in output["report"]
    kept = [event.data for event in events if event.kind is Kind.LEARNING_KEPT]
    assert [each["closes"] for each in kept if each["kind"] == "fact"] == [[old]]
