"""A finished document as a file: made by a server, under a name that nobody else has or is promised."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import sys
import tomllib
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.chunks import Usage
from atlas_mcp.cli.twigs import grown
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.ledger import LedgeredToolbox
from tests.downstream import library
from tests.orchestration.test_outside import is_no_web, opened

if TYPE_CHECKING:
    from atlas_mcp.app import Atlas
    from atlas_mcp.messages import ToolCall, ToolResult

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


def priced(home: Path, usd: float) -> None:
    """Each line of a file costs so much."""
    entry = home / "config" / "servers" / "library.toml"
    entry.write_text(f"cost_usd = {{ write = {usd} }}\n{entry.read_text('utf-8')}", "utf-8")


async def charged(atlas: Atlas) -> list[float]:
    """What was paid for the calls of the newest run."""
    row = (await atlas.list())[0]
    return [
        event.data["cost_usd"] for event in await atlas.events(row.run_id) if event.kind is Kind.TOOL_CHARGED
    ]


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


async def waits(atlas: Atlas) -> str:
    """A run that asks a person for its file."""
    run = await atlas.start(
        "letters", fresh=True, task="Write on tides.", documents=[TIDES], file="tides.txt"
    )
    async for event in atlas.watch(run.id):
        if event.kind is Kind.QUESTION_ASKED:
            break
    return run.id


@pytest.mark.parametrize("left", [False, True], ids=["at work", "left by its process"])
async def test_a_name_whose_run_was_cancelled_is_free_for_the_next(home: Path, *, left: bool) -> None:
    async with AsyncExitStack() as stack:
        atlas = await stack.enter_async_context(opened(home))
        run_id = await waits(atlas)
        if left:
            await stack.aclose()
            atlas = await stack.enter_async_context(opened(home))
        await atlas.control(run_id, "cancel")
        async for _ in atlas.watch(run_id):
            pass
        await stack.aclose()
        atlas = await stack.enter_async_context(opened(home))
        assert (await delivered(atlas))["name"] == "tides.txt"


@pytest.mark.parametrize(
    ("days", "names"), [(0, ["tides-2.txt", "tides.txt"]), (31, ["tides.txt", "tides-2.txt"])]
)
async def test_a_run_that_waits_has_its_name_or_after_a_month_another_and_never_one_that_is_taken(
    days: float, names: list[str], home: Path
) -> None:
    async with opened(home) as atlas:
        run_id = await waits(atlas)
    with closing(sqlite3.connect(home / "servers.db")) as connection, connection:
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
        connection.execute("UPDATE promised SET at = ?", (at,))
    async with opened(home) as atlas:
        other = await delivered(atlas)
        before = text(other)
        await atlas.answer(run_id, {"decision": "server"})
        async for event in atlas.watch(run_id):
            if event.kind is Kind.QUESTION_ASKED and await atlas.questions(run_id):
                await atlas.answer(run_id, {"decision": "server"})
        row = await atlas.get(run_id)
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
    priced(home, 0.001)
    async with opened(home, SPENT) as atlas:
        made = await delivered(atlas, budget={"cost_usd": 0.1})
        (row,) = await atlas.list()
        paid, events = await charged(atlas), await atlas.events(row.run_id)
    assert made["problem"] is None
    assert len(paid) > 1
    assert row.usage["cost_usd"] == pytest.approx(0.09 + sum(paid))
    assert sum(twig.used.cost_usd or 0.0 for twig in grown(events, {})) == pytest.approx(0.09 + sum(paid))


async def test_nobody_is_asked_for_a_file_that_cannot_be_paid_whole(home: Path) -> None:
    priced(home, 0.04)
    async with opened(home) as atlas:
        made = await delivered(atlas, budget={"cost_usd": 0.1})
        (row,) = await atlas.list()
        events = await atlas.events(row.run_id)
    assert "The run's limit of $0.10" in made["problem"] or "Of the run's limit of $0.10" in made["problem"]
    assert not [event for event in events if event.kind in {Kind.QUESTION_ASKED, Kind.TOOL_CHARGED}]
    assert row.partial


async def test_no_file_is_begun_for_which_others_took_the_money_while_a_person_thought(home: Path) -> None:
    priced(home, 0.01)
    async with opened(home, day_usd=0.1) as atlas:
        run_id = await waits(atlas)
        atlas.accounts.day.budget.add(Usage(cost_usd=0.08))
        await atlas.answer(run_id, {"decision": "server"})
        async for _ in atlas.watch(run_id):
            pass
        row = await atlas.get(run_id)
        assert await charged(atlas) == []
    assert row.output is not None
    assert "day's limit of $0.10" in row.output["files"][0]["problem"]
    assert not [*(home / "files").iterdir()]


async def test_of_two_files_that_one_day_cannot_pay_only_one_is_begun(home: Path) -> None:
    priced(home, 0.01)
    async with opened(home, day_usd=0.1, approve="granted") as atlas:
        wishes: dict[str, Any] = {"task": "Write on tides.", "documents": [TIDES]}
        runs = [await atlas.start("letters", file=f"{name}.txt", **wishes) for name in ("one", "two")]
        for run in runs:
            async for _ in atlas.watch(run.id):
                pass
        rows = [await atlas.get(run.id) for run in runs]
        spent = atlas.accounts.day.spent.cost_usd
    made = [row.output["files"][0]["path"] for row in rows if row.output is not None]
    written = sorted(each.name for each in (home / "files").iterdir())
    assert written == sorted(Path(path).name for path in made if path)
    assert spent == pytest.approx(sum(row.usage["cost_usd"] for row in rows))


async def test_the_budget_of_a_supervisor_does_not_cut_off_its_team_s_file(home: Path) -> None:
    priced(home, 0.01)
    folder = home / "config" / "teams" / "letters"
    lead = folder / f"{tomllib.loads((folder / 'team.toml').read_text('utf-8'))['supervisor']}.md"
    lead.write_text(lead.read_text("utf-8").replace("---\n", "---\nbudget: {cost_usd: 0.025}\n", 1), "utf-8")
    async with opened(home) as atlas:
        assert (await delivered(atlas))["problem"] is None


async def test_a_file_that_goes_on_after_a_restart_pays_for_the_rest_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(home, 0.01)
    stuck, calls = asyncio.Event(), count(1)

    async def call(box: LedgeredToolbox, one: ToolCall) -> ToolResult:
        if one.id.startswith("deliver") and next(calls) == 3:
            stuck.set()
            await asyncio.Event().wait()
        return await real(box, one)

    real = LedgeredToolbox.call
    monkeypatch.setattr(LedgeredToolbox, "call", call)
    wishes: dict[str, Any] = {"task": "Write on spring tides.", "documents": [TIDES], "file": "tides.txt"}
    async with opened(home, approve="granted") as atlas:
        run = await atlas.start("letters", budget={"cost_usd": 0.055}, **wishes)
        await stuck.wait()
        before = await charged(atlas)
    async with opened(home, approve="granted") as atlas:
        assert await atlas.resume_interrupted() == [run.id]
        async for _ in atlas.watch(run.id):
            pass
        row, paid = await atlas.get(run.id), await charged(atlas)
    assert row.output is not None
    assert row.output["files"][0]["problem"] is None
    assert (len(before), row.partial) == (2, False)
    assert row.usage["cost_usd"] == pytest.approx(sum(paid)) == pytest.approx(0.05)
