"""A finished document as a file: made by a server, under a name that nobody else has or is promised."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.events import Kind
from tests.downstream import library
from tests.orchestration.test_outside import is_no_web, opened

if TYPE_CHECKING:
    from atlas_mcp.app import Atlas

FILES = """
[files.txt]
create = [{ tool = "write", arguments = { file = "{file}", text = "{title}" } }]
heading = [{ tool = "write", arguments = { file = "{file}", text = "{text}" } }]
paragraph = [{ tool = "write", arguments = { file = "{file}", text = "{text}" } }]
item = [{ tool = "write", arguments = { file = "{file}", text = "{text}" } }]
"""
TIDES = "# Tides\n\nThe moon raises two tides a day. Spring tides come at new moon and at full moon.\n"


@pytest.fixture(autouse=True)
def letters(home: Path) -> None:
    """A team like writing, whose documents become files by a library that writes."""
    servers, teams = home / "config" / "servers", home / "config" / "teams"
    servers.mkdir(parents=True)
    entry = library.ENTRY.format(command=json.dumps(sys.executable), args=json.dumps([library.__file__]))
    (servers / "library.toml").write_text(
        entry.replace("[search]", 'paths = ["file"]\n[search]', 1) + FILES, "utf-8"
    )
    is_no_web(home)
    shutil.copytree(shipped("teams") / "writing", teams / "letters")
    toml = teams / "letters" / "team.toml"
    text = toml.read_text("utf-8")
    toml.write_text(text.replace('files = ["word/*", "excel/*"]', 'files = ["library/*"]'), "utf-8")


async def delivered(atlas: Atlas, decision: str = "server", **more: Any) -> dict[str, Any]:
    """The file of a run that wishes for `tides.txt`."""
    wishes: dict[str, Any] = {"task": "Write on spring tides.", "documents": [TIDES], "file": "tides.txt"}
    run = await atlas.start("letters", fresh=True, **wishes, **more)
    async for event in atlas.watch(run.id):
        if event.kind is Kind.QUESTION_ASKED:
            await atlas.answer(run.id, {"decision": decision})
    row = await atlas.get(run.id)
    assert row.output is not None, row.error
    (made,) = row.output["files"]
    return made


def text(made: dict[str, Any]) -> str:
    return Path(made["path"]).read_text("utf-8")


async def test_a_document_is_in_its_file_and_another_gets_another_name(home: Path) -> None:
    async with opened(home) as atlas:
        first, second = await delivered(atlas), await delivered(atlas)
    assert "Spring tides come at new moon and at full moon." in text(first)
    assert text(second) == text(first)
    assert [first["name"], second["name"]] == ["tides.txt", "tides-2.txt"]


async def test_a_name_whose_file_a_person_did_not_want_is_free_for_the_next(home: Path) -> None:
    async with opened(home) as atlas:
        assert (await delivered(atlas, "no"))["path"] is None
    async with opened(home) as atlas:
        assert (await delivered(atlas))["name"] == "tides.txt"


@pytest.mark.parametrize(
    ("days", "names"), [(0, ["tides-2.txt", "tides.txt"]), (31, ["tides.txt", "tides-2.txt"])]
)
async def test_a_run_that_waits_has_its_name_or_after_a_month_another_and_never_one_that_is_taken(
    days: float, names: list[str], home: Path
) -> None:
    async with opened(home) as atlas:
        wishes: dict[str, Any] = {"task": "Write on tides.", "documents": [TIDES], "file": "tides.txt"}
        waits = await atlas.start("letters", **wishes)
        async for event in atlas.watch(waits.id):
            if event.kind is Kind.QUESTION_ASKED:
                break
    with closing(sqlite3.connect(home / "servers.db")) as connection, connection:
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
        connection.execute("UPDATE promised SET at = ?", (at,))
    async with opened(home) as atlas:
        other = await delivered(atlas)
        before = text(other)
        await atlas.answer(waits.id, {"decision": "server"})
        async for event in atlas.watch(waits.id):
            if event.kind is Kind.QUESTION_ASKED and await atlas.questions(waits.id):
                await atlas.answer(waits.id, {"decision": "server"})
        row = await atlas.get(waits.id)
    assert row.output is not None
    (made,) = row.output["files"]
    assert [other["name"], made["name"]] == names
    assert text(other) == before


SPENT = """
[[reply]]
when = { intent = "plan" }
json.assignments = [{ id = "a1", worker = "reader", goal = "Spring tides", after = [] }]

[[reply]]
when = { agent = "reader" }
json.findings = [{ passage = "p1", quote = "Spring tides come at new moon and at full moon." }]
json.gaps = []

[[reply]]
when = { intent = "compose" }
usd = 0.09
json.title = "Tides"
json.open_questions = []
json.document = "Spring tides come at new moon and at full moon. [f1]"
"""


async def test_a_file_that_costs_nothing_is_made_though_hardly_any_money_is_left(home: Path) -> None:
    async with opened(home, SPENT) as atlas:
        made = await delivered(atlas, budget={"cost_usd": 0.1})
    assert made["problem"] is None
    assert "Spring tides come" in text(made)


async def test_a_file_may_cost_what_was_kept_for_handing_back_what_there_is(home: Path) -> None:
    entry = home / "config" / "servers" / "library.toml"
    entry.write_text(f"cost_usd = {{ write = 0.001 }}\n{entry.read_text('utf-8')}", "utf-8")
    async with opened(home, SPENT) as atlas:
        made = await delivered(atlas, budget={"cost_usd": 0.1})
        (row,) = await atlas.list()
        charged = [each for each in await atlas.events(row.run_id) if each.kind is Kind.TOOL_CHARGED]
    assert made["problem"] is None
    assert row.usage["cost_usd"] == pytest.approx(0.09 + 0.001 * len(charged))
    assert len(charged) > 1


async def test_nobody_is_asked_for_a_file_that_cannot_be_paid_whole(home: Path) -> None:
    entry = home / "config" / "servers" / "library.toml"
    entry.write_text(f"cost_usd = {{ write = 0.04 }}\n{entry.read_text('utf-8')}", "utf-8")
    async with opened(home) as atlas:
        made = await delivered(atlas, budget={"cost_usd": 0.1})
        (row,) = await atlas.list()
        events = await atlas.events(row.run_id)
    assert "The run's limit of $0.10" in made["problem"] or "Of the run's limit of $0.10" in made["problem"]
    assert not [event for event in events if event.kind in {Kind.QUESTION_ASKED, Kind.TOOL_CHARGED}]
    assert row.partial
