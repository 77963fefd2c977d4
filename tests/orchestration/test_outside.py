"""Workers by downstream servers: what these find is cited like a document, what they say is never obeyed."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.catalogue import shipped
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.outside import tool_name
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.settings import (
    MemorySettings,
    ModelSettings,
    RunSettings,
    ServerSettings,
    Settings,
    SpendingSettings,
)
from tests.downstream import library
from tests.downstream.library import FUNDY, SPRING, WICKED

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from atlas_mcp.events import Event

QUESTION = "What is the range of the Bay of Fundy?"

TOOL = """
[[reply]]
when = {{ agent = "{agent}", nth = 1 }}
tool = {{ name = "{name}", arguments = {arguments} }}

[[reply]]
when = {{ agent = "{agent}" }}
json = {{ findings = [], gaps = [] }}
"""


@pytest.fixture
def starts(home: Path) -> Path:
    """A library that teams may use; the file counts its starts."""
    folder = home / "config" / "servers"
    folder.mkdir(parents=True)
    counted = home / "starts.txt"
    entry = library.ENTRY.format(
        command=json.dumps(sys.executable), args=json.dumps([library.__file__, str(counted)])
    )
    (folder / "library.toml").write_text(entry, "utf-8")
    return counted


def team(home: Path, front: str, *, workers: str = '["web"]') -> None:
    """A team like research, whose worker `web` has other front matter."""
    folder = home / "config" / "teams" / "lookup"
    shutil.copytree(shipped("teams") / "research", folder)
    toml = (folder / "team.toml").read_text("utf-8")
    toml = toml.replace('workers = ["documents", "web", "memory"]', f"workers = {workers}")
    (folder / "team.toml").write_text(toml.replace("rounds = 2", "rounds = 1"), "utf-8")
    persona = (folder / "web.md").read_text("utf-8").split("---", 2)[2]
    (folder / "web.md").write_text(f"---\nname: web\ndescription: d\n{front}\n---{persona}", "utf-8")


def is_no_web(home: Path) -> None:
    """The library holds nothing that anybody might have written: who uses it may change something."""
    entry = home / "config" / "servers" / "library.toml"
    entry.write_text(entry.read_text("utf-8").replace("web = true", "web = false"), "utf-8")


def opened(
    home: Path, script: str = "", *, day_usd: float | None = None, at_once: int = 8, **rules: Any
) -> AbstractAsyncContextManager[Atlas]:
    path = home / "script.toml"
    path.write_text(script, "utf-8")
    settings = Settings(
        home=home, models=ModelSettings(default=f"scripted:{path}" if script else None),
        memory=MemorySettings(embeddings=False, recall=False, learn=False), servers=ServerSettings(**rules),
        budget=SpendingSettings(day_usd=day_usd), runs=RunSettings(at_once=at_once),
    )  # fmt: skip
    provider = None if script else ExtractiveProvider()
    return open_atlas(settings, roots=[], provider=provider)


async def finished(atlas: Atlas, *answers: str, **given: Any) -> tuple[dict[str, Any], list[Event]]:
    wishes: dict[str, Any] = {"question": QUESTION, **given}
    run = await atlas.start("lookup", **wishes)
    left = iter(answers)
    async for event in atlas.watch(run.id):
        if event.kind is Kind.QUESTION_ASKED:
            await atlas.answer(run.id, {"decision": next(left)})
    row = await atlas.get(run.id)
    assert row.output is not None, row.error
    return row.output, await atlas.events(run.id)


def lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


def of(events: list[Event], kind: Kind) -> list[dict[str, Any]]:
    return [event.data for event in events if event.kind is kind]


async def test_what_a_server_finds_is_cited_with_its_address_and_a_quote_that_is_in_it(
    home: Path, starts: Path
) -> None:
    team(home, "tools: [library/*]")
    async with opened(home) as atlas:
        output, events = await finished(atlas)
    quotes = {finding["quote"]: finding["source_id"] for finding in output["findings"]}
    (source,) = [each for each in output["sources"] if each["id"] == quotes[FUNDY]]
    assert source["uri"] == "https://library.example/fundy"
    assert source["title"] == "Bays"
    assert FUNDY in output["report"]
    assert of(events, Kind.TOOL_FINISHED)[0]["passages"] > 0
    assert of(events, Kind.SERVER_NOTED)[0]["what"] == "started"


async def test_a_server_of_one_s_own_that_is_granted_and_lacks_something_is_told_of_once(
    home: Path, starts: Path
) -> None:
    entry = home / "config" / "servers" / "library.toml"
    entry.write_text('needs = ["LIBRARY_KEY"]\n' + entry.read_text("utf-8"), "utf-8")
    (home / "config" / "servers" / "shelf.toml").write_text('comand = "shelf"\n', "utf-8")
    team(home, "tools: [search_documents, library/*, shelf/*, tavily/*]")
    async with opened(home) as atlas:
        _, events = await finished(atlas, documents=["# Tides\n\nThe tide.\n"])
    told = {data["server"]: data["text"] for data in of(events, Kind.SERVER_NOTED)}
    assert told.keys() == {"library", "shelf"}
    assert "LIBRARY_KEY" in told["library"]
    assert len(of(events, Kind.SERVER_NOTED)) == 2


async def test_the_same_page_under_two_addresses_is_one_source(home: Path, starts: Path) -> None:
    team(home, "tools: [library/*]")
    async with opened(home) as atlas:
        output, _ = await finished(atlas)
    addresses = [source["uri"] for source in output["sources"]]
    assert len(addresses) == len(set(addresses))
    assert not [each for each in addresses if "utm_source" in each]


async def test_a_passage_that_speaks_to_a_model_is_left_out_and_a_person_told(
    home: Path, starts: Path
) -> None:
    team(home, "tools: [library/*]")
    async with opened(home) as atlas:
        output, events = await finished(atlas, question="Which tides are old?")
    assert WICKED not in json.dumps(output)
    (told,) = of(events, Kind.RESULT_SUSPECTED)
    assert told["uri"] == "https://library.example/wicked"
    assert told["left_out"]


async def test_a_person_may_keep_such_passages(home: Path, starts: Path) -> None:
    team(home, "tools: [library/*]")
    async with opened(home, suspected="keep") as atlas:
        _, events = await finished(atlas, question="Which tides are old?")
    assert [each["left_out"] for each in of(events, Kind.RESULT_SUSPECTED)] == [False]


async def test_a_server_is_started_once_and_what_it_said_serves_again(home: Path, starts: Path) -> None:
    team(home, "tools: [library/*]")
    for _ in range(2):
        async with opened(home) as atlas:
            output, _ = await finished(atlas, fresh=True)
            assert output["findings"]
    # The second process knew the tools from their pins, and the answer from what was said lately.
    assert lines(starts) == ["started"]


async def test_a_worker_without_a_usable_server_is_not_sent(home: Path) -> None:
    team(home, "tools: [library/*]", workers='["documents", "web"]')
    async with opened(home) as atlas:
        _, events = await finished(atlas, question="How does a run survive a crash?")
    workers = {each["worker"] for each in of(events, Kind.WORK_STARTED)}
    assert workers == {"documents"}


async def test_a_tool_with_effects_is_not_there_for_who_only_reads(home: Path, starts: Path) -> None:
    team(home, "tools: [library/*]")
    script = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    async with opened(home, script) as atlas:
        _, events = await finished(atlas)
        (told,) = of(events, Kind.TOOL_REFUSED)
        assert "There is no tool 'library__note' for you" in told["reason"]
        calls = await (await atlas.servers()).store.tallies("tool")
    assert {tally.name for tally in calls} == {"library/search"}


async def test_who_reads_the_web_may_not_write_whatever_its_card_says(home: Path, starts: Path) -> None:
    team(home, "tools: [library/*]\nwrites: [library/*]")
    script = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    async with opened(home, script) as atlas:
        _, events = await finished(atlas)
    assert len(of(events, Kind.TOOL_REFUSED)) == 1


@pytest.mark.parametrize(("answer", "refused"), [("once", 0), ("server", 0), ("no", 1)])
async def test_a_person_is_asked_before_a_tool_with_effects_is_used(
    answer: str, refused: int, home: Path, starts: Path
) -> None:
    team(home, "tools: [search_documents]\nwrites: [library/note]")
    is_no_web(home)
    script = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    async with opened(home, script) as atlas:
        _, events = await finished(atlas, answer)
        called = {tally.name for tally in await (await atlas.servers()).store.tallies("tool")}
    (asked,) = of(events, Kind.QUESTION_ASKED)
    assert 'use library/note with {"text": "hello"}?' in asked["text"]
    assert len(of(events, Kind.TOOL_REFUSED)) == refused
    assert ("library/note" in called) == (not refused)


async def test_each_of_several_calls_that_are_alike_is_asked_for_unless_the_server_is_let_in(
    home: Path, starts: Path
) -> None:
    team(home, "tools: [search_documents]\nwrites: [library/note]")
    is_no_web(home)
    one = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    first = one.rpartition("[[reply]]")[0]
    script = first + first.replace("nth = 1", "nth = 2") + one.replace("nth = 1", "nth = 3")
    async with opened(home, script) as atlas:
        _, events = await finished(atlas, "once", "server")
        calls = await (await atlas.servers()).store.tallies("tool")
    assert len(of(events, Kind.QUESTION_ASKED)) == 2
    assert {tally.name: tally.calls for tally in calls}["library/note"] == 3


async def test_a_server_that_was_let_in_for_the_whole_run_is_let_in_after_a_restart_too(
    home: Path, starts: Path
) -> None:
    team(home, "tools: [search_documents]\nwrites: [library/note]")
    is_no_web(home)
    plan = """
[[reply]]
when.intent = "plan"
json.assignments = [
  { id = "a1", worker = "web", goal = "the first", after = [] },
  { id = "a2", worker = "web", goal = "the second", after = ["a1"] },
]
"""
    note = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    slow = '[[reply]]\nwhen.contains = "the second"\nsay = "I write"\nseconds = 60\ntokens = 50\n'
    async with opened(home, plan + slow + note) as atlas:
        run = await atlas.start("lookup", question=QUESTION)
        async for event in atlas.watch(run.id):
            if event.kind is Kind.QUESTION_ASKED:
                await atlas.answer(run.id, {"decision": "server"})
            if event.kind is Kind.MODEL_STARTED and event.span_id == "work/a2":
                break
    async with opened(home, plan + note) as atlas:
        assert await atlas.resume_interrupted() == [run.id]
        async for event in atlas.watch(run.id):
            assert event.kind is not Kind.RUN_FINISHED or event.data["state"] == "done"
        events = await atlas.events(run.id)
    notes = [event for event in events if event.data.get("tool") == "library__note"]
    done = [event.span_id for event in notes if event.kind is Kind.TOOL_FINISHED]
    assert done == ["work/a1", "work/a2"]
    assert len(of(events, Kind.QUESTION_ASKED)) == 1


async def test_a_grant_suffices_where_a_person_says_so(home: Path, starts: Path) -> None:
    team(home, "tools: [search_documents]\nwrites: [library/note]")
    is_no_web(home)
    script = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    async with opened(home, script, approve="granted") as atlas:
        _, events = await finished(atlas)
    assert of(events, Kind.QUESTION_ASKED) == []
    assert [each["error"] for each in of(events, Kind.TOOL_FINISHED) if each["tool"] == "library__note"] == [
        None
    ]


async def test_a_page_that_is_named_by_its_address_is_read_like_a_document(home: Path, starts: Path) -> None:
    team(home, "tools: [search_documents]", workers='["documents"]')
    entry = home / "config" / "servers" / "library.toml"
    text = entry.read_text("utf-8")
    entry.write_text(f'{text}\n[fetch]\ntool = "read"\n', "utf-8")
    async with opened(home) as atlas:
        output, _ = await finished(
            atlas, question="When do spring tides come?", documents=["https://library.example/tides"]
        )
    assert SPRING in [finding["quote"] for finding in output["findings"]]
    assert output["sources"][0]["uri"] == "https://library.example/tides"


def test_a_tool_has_a_name_that_models_take_and_no_other_tool_has() -> None:
    long = [tool_name(f"library/{'a' * 60}{end}") for end in ("b", "c")]
    assert tool_name("library/read.page") == "library__read_page"
    assert len({*long}) == 2
    assert all(len(each) == 64 for each in long)
