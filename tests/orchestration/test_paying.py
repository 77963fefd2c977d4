"""Tools that cost money: what they take is in the budget of the run, its usage and its journal, once."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.cli.twigs import grown
from atlas_mcp.errors import BudgetSpent
from atlas_mcp.events import Kind
from atlas_mcp.observe.figures import Figures
from atlas_mcp.observe.hearing import hearing
from atlas_mcp.observe.tracking.measures import measured, measured_agents
from atlas_mcp.observe.tracking.tracing import Trace
from tests.downstream import library
from tests.orchestration.folders import SCHEMA, TOML, sound
from tests.orchestration.test_outside import QUESTION, TOOL, finished, is_no_web, of, opened, team

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event

PRICE = 0.008


@pytest.fixture(autouse=True)
def paid(home: Path) -> None:
    """A team that searches in a library, which takes money for each search."""
    write(home, "search")
    team(home, "tools: [library/*]")


def write(home: Path, tool: str) -> None:
    """An entry of the library, of which one tool costs money."""
    folder = home / "config" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    entry = library.ENTRY.format(command=json.dumps(sys.executable), args=json.dumps([library.__file__]))
    priced = entry.replace("cache_seconds = 60", f"cache_seconds = 60\ncost_usd = {{ {tool} = {PRICE} }}")
    (folder / "library.toml").write_text(priced, "utf-8")


def usage(events: list[Event]) -> dict[str, Any]:
    return of(events, Kind.RUN_FINISHED)[0]["usage"]


async def test_what_a_search_costs_is_in_all_that_is_told_of_the_run(home: Path) -> None:
    async with opened(home) as atlas:
        output, events = await finished(atlas)
        row = await atlas.get(output["run_id"])
    assert of(events, Kind.TOOL_CHARGED) == [{"tool": "library__search", "cost_usd": PRICE}]
    assert usage(events)["cost_usd"] == row.usage["cost_usd"] == PRICE
    figures = measured(events)
    assert (figures["cost/usd"], figures["cost/tools_usd"]) == (PRICE, PRICE)
    assert sum(each.cost_usd for each in measured_agents(events).values()) == PRICE
    live = Figures(row.run_id)
    for event in events:
        live.hear(event)
    assert (live.cost_usd, live.calls) == (PRICE, usage(events)["calls"])
    trace = Trace(row.run_id)
    spans = [span for event in events for span in trace.take(event)]
    charged = {span.name for span in spans if span.attributes.get("atlas.cost_usd") == PRICE}
    assert "library__search" in charged
    assert sum(twig.used.cost_usd or 0.0 for twig in grown(events, {})) == PRICE


async def test_an_answer_from_before_costs_nothing(home: Path) -> None:
    async with opened(home) as atlas:
        await finished(atlas)
        _, events = await finished(atlas, fresh=True)
    assert of(events, Kind.TOOL_FINISHED)
    assert of(events, Kind.TOOL_CHARGED) == []
    assert usage(events)["cost_usd"] == 0.0


async def test_what_is_beyond_the_budget_is_refused_and_never_asked(home: Path) -> None:
    async with opened(home) as atlas:
        run = await atlas.start("lookup", question=QUESTION, budget={"cost_usd": PRICE / 2})
        async for _ in atlas.watch(run.id):
            pass
        events = await atlas.events(run.id)
        calls = await (await atlas.servers()).store.tallies("tool")
    refused = of(events, Kind.TOOL_REFUSED)[0]["reason"]
    assert refused.startswith("It costs $0.0080. Of the run's limit of $0.0040, $0.00 is taken")
    assert of(events, Kind.TOOL_CHARGED) == []
    assert not any(tally.cost_usd for tally in calls)
    ended = of(events, Kind.RUN_FINISHED)[0]
    assert (ended["state"], ended["partial"], ended["limit"]) == ("done", True, "run's limit of $0.0040")


async def test_a_run_whose_tools_were_not_paid_is_partial_after_a_restart_too(home: Path) -> None:
    wait = '[[reply]]\nwhen = { agent = "web" }\nsay = "I write"\nseconds = 60\ntokens = 50\n'
    done = '[[reply]]\nwhen = { agent = "web" }\njson = { findings = [], gaps = [] }\n'
    async with opened(home, wait) as atlas:
        run = await atlas.start("lookup", question=QUESTION, budget={"cost_usd": PRICE / 2})
        async for event in atlas.watch(run.id):
            if event.kind is Kind.MODEL_STARTED and event.actor.startswith("web"):
                break
    async with opened(home, done) as atlas:
        assert await atlas.resume_interrupted() == [run.id]
        async for _ in atlas.watch(run.id):
            pass
        (ended,) = of(await atlas.events(run.id), Kind.RUN_FINISHED)
    assert (ended["state"], ended["partial"], ended["limit"]) == ("done", True, "run's limit of $0.0040")


async def test_an_agent_s_models_and_tools_share_its_budget(home: Path) -> None:
    shutil.rmtree(home / "config" / "teams")
    team(home, "tools: [library/*]\nbudget: {cost_usd: 0.01}")
    script = TOOL.format(agent="web", name="library__search", arguments='{ query = "range" }')
    async with opened(home, script.replace("nth = 1 }", "nth = 1 }\nusd = 0.004", 1)) as atlas:
        run = await atlas.start("lookup", question=QUESTION)
        async for _ in atlas.watch(run.id):
            pass
        events = await atlas.events(run.id)
    assert [each["cost_usd"] for each in of(events, Kind.TOOL_CHARGED)] == [PRICE]
    failed = of(events, Kind.WORK_FAILED)[0]["error"]
    assert failed["message"] == "The web#a1's limit of $0.01 is reached."


async def test_the_budget_of_an_agent_s_assignment_is_the_same_after_a_restart(home: Path) -> None:
    shutil.rmtree(home / "config" / "teams")
    team(home, "tools: [library/*]\nbudget: {cost_usd: 0.01}")
    wait = '[[reply]]\nwhen = { agent = "web" }\nsay = "I write"\nseconds = 60\ntokens = 50\n'
    async with opened(home, wait) as atlas:
        run = await atlas.start("lookup", question=QUESTION)
        async for event in atlas.watch(run.id):
            if event.kind is Kind.MODEL_STARTED and event.span_id.startswith("work/"):
                break
    script = TOOL.format(agent="web", name="library__search", arguments='{ query = "other words" }')
    async with opened(home, script) as atlas:
        assert await atlas.resume_interrupted() == [run.id]
        async for _ in atlas.watch(run.id):
            pass
        events = await atlas.events(run.id)
    assert [each["cost_usd"] for each in of(events, Kind.TOOL_CHARGED)] == [PRICE]
    assert "web#a1's limit of $0.01" in of(events, Kind.TOOL_REFUSED)[0]["reason"]


async def test_an_answer_from_before_is_given_where_nothing_is_left_to_pay_it(home: Path) -> None:
    async with opened(home) as atlas:
        await finished(atlas)
        output, events = await finished(atlas, fresh=True, budget={"cost_usd": PRICE / 2})
    assert output["findings"]
    assert of(events, Kind.TOOL_REFUSED) == []


async def test_the_budget_of_an_agent_s_own_assignment_pays_its_tools_too(home: Path) -> None:
    shutil.rmtree(home / "config" / "teams")
    team(home, "tools: [library/*]\nbudget: {cost_usd: 0.005}")
    async with opened(home) as atlas:
        _, events = await finished(atlas)
    assert of(events, Kind.TOOL_CHARGED) == []
    assert "Of the web#a1's limit of $0.0050" in of(events, Kind.TOOL_REFUSED)[0]["reason"]


async def test_nobody_is_asked_for_a_call_that_cannot_be_paid(home: Path) -> None:
    write(home, "note")
    is_no_web(home)
    shutil.rmtree(home / "config" / "teams")
    team(home, "writes: [library/note]")
    script = TOOL.format(agent="web", name="library__note", arguments='{ text = "hello" }')
    async with opened(home, script) as atlas:
        _, events = await finished(atlas, budget={"cost_usd": PRICE / 2})
    assert of(events, Kind.QUESTION_ASKED) == []
    assert len(of(events, Kind.TOOL_REFUSED)) == 1


async def test_a_call_that_a_cancelled_run_has_the_answer_of_is_paid(home: Path) -> None:
    async with opened(home) as atlas:
        await finished(atlas)
        with closing(sqlite3.connect(home / "servers.db", isolation_level=None)) as other:
            run = await atlas.start("lookup", question="When do spring tides come?", fresh=True)
            async for event in atlas.watch(run.id):
                if event.kind is Kind.TOOL_STARTED:
                    # Nothing can be written down there from here on, though the server answers.
                    other.execute("BEGIN IMMEDIATE")
                if event.kind is Kind.TOOL_CHARGED:
                    await atlas.control(run.id, "cancel")
            other.execute("ROLLBACK")
        events = await atlas.events(run.id)
    assert of(events, Kind.RUN_FINISHED)[0]["state"] == "cancelled"
    assert usage(events)["cost_usd"] == PRICE


async def until_it_has_searched(atlas: Atlas) -> str:
    """A run, left where its worker asks its model for the second time."""
    run = await atlas.start("lookup", question=QUESTION)
    asked = 0
    async for event in atlas.watch(run.id):
        asked += event.kind is Kind.MODEL_STARTED and event.span_id.startswith("work/")
        if asked == 2:
            break
    return run.id


async def test_what_was_paid_before_a_restart_counts_once(home: Path) -> None:
    wait = '[[reply]]\nwhen = { agent = "web" }\nsay = "I write"\nseconds = 60\ntokens = 50\n'
    done = '[[reply]]\nwhen = { agent = "web" }\njson = { findings = [], gaps = [] }\n'
    search = """
[[reply]]
when = { agent = "web", nth = 1 }
tool = { name = "library__search", arguments = { query = "the tide" } }
usd = 0.5

"""
    async with opened(home, search + wait) as atlas:
        run_id = await until_it_has_searched(atlas)
    async with opened(home, search + done) as atlas:
        assert await atlas.resume_interrupted() == [run_id]
        async for _ in atlas.watch(run_id):
            pass
        events = await atlas.events(run_id)
    charged = [data["cost_usd"] for data in of(events, Kind.TOOL_CHARGED)]
    assert charged
    assert usage(events)["cost_usd"] == pytest.approx(0.5 + sum(charged))
    assert measured(events)["cost/usd"] == pytest.approx(
        sum(each.cost_usd for each in measured_agents(events).values())
    )


SEARCHES = """
[[reply]]
when = { agent = "web", nth = 1 }
tool = { name = "library__search", arguments = { query = "the tide" } }

[[reply]]
when = { agent = "web" }
say = "I write"
seconds = 60
tokens = 50
"""


async def test_a_run_that_is_cancelled_while_nobody_works_on_it_says_what_was_paid(home: Path) -> None:
    async with opened(home, SEARCHES) as atlas:
        run_id = await until_it_has_searched(atlas)
    async with opened(home, SEARCHES) as atlas:
        await atlas.control(run_id, "cancel")
        async for _ in atlas.watch(run_id):
            pass
        events = await atlas.events(run_id)
    charged = [data["cost_usd"] for data in of(events, Kind.TOOL_CHARGED)]
    assert charged
    assert usage(events)["cost_usd"] == pytest.approx(sum(charged))


PLANS = """
[[reply]]
when = { intent = "plan", contains = "team:middle" }
json.assignments = [ { id = "a1", worker = "team:middle", goal = "What of the tides?", after = [] } ]

[[reply]]
when = { intent = "plan", contains = "team:leaf" }
json.assignments = [ { id = "a1", worker = "team:leaf", goal = "What of the tides?", after = [] } ]

[[reply]]
when = { intent = "plan" }
json.assignments = [ { id = "a1", worker = "reader", goal = "What of the tides?", after = [] } ]

[[reply]]
when = { intent = "compose" }
json = { answer = "Nothing.", claims = [] }

[[reply]]
when = { agent = "reader", nth = 1 }
tool = { name = "library__search", arguments = { query = "the tide" } }
"""


async def test_teams_within_teams_each_say_what_was_paid_below_them_after_a_restart_too(home: Path) -> None:
    teams = home / "config" / "teams"
    leaf = sound(teams, "leaf", schema=SCHEMA)
    (leaf / "reader.md").write_text("---\ndescription: Reads.\ntools: [library/*]\n---\nYou read.\n", "utf-8")
    for name, worker in (("middle", "team:leaf"), ("top", "team:middle")):
        sound(teams, name, toml=TOML.replace('["reader"]', f'["{worker}"]'), schema=SCHEMA)
    wait = '\n[[reply]]\nwhen = { agent = "reader" }\nsay = "I write"\nseconds = 60\ntokens = 50\n'
    done = '\n[[reply]]\nwhen = { agent = "reader" }\njson = { findings = [], gaps = [] }\n'
    async with opened(home, PLANS + wait) as atlas:
        run = await atlas.start("top", question="What of the tides?")
        async with hearing(atlas, run.id) as heard:
            async for each in heard:
                if each.event.kind is Kind.TOOL_FINISHED:
                    break
    async with opened(home, PLANS + done) as atlas:
        assert await atlas.resume_interrupted() == [run.id]
        charged, spent = 0.0, dict[str, float]()
        async with hearing(atlas, run.id) as heard:
            async for each in heard:
                if each.event.kind is Kind.TOOL_CHARGED:
                    charged += each.event.data["cost_usd"]
                elif each.event.kind is Kind.RUN_FINISHED:
                    spent[each.event.actor] = each.event.data["usage"]["cost_usd"]
    assert charged > PRICE
    assert spent == {"top": charged, "middle": charged, "leaf": charged}


MANY = """
[[reply]]
when.intent = "plan"
json.assignments = [
  { id = "a1", worker = "web", goal = "the first", after = [] },
  { id = "a2", worker = "web", goal = "the second", after = ["a1"] },
  { id = "a3", worker = "web", goal = "the third", after = ["a1"] },
]

[[reply]]
when = { agent = "web" }
json = { findings = [{ passage = "p1", quote = "The Bay of Fundy has a range of 16 metres." }], gaps = [] }
"""


async def test_nothing_is_bought_for_who_may_ask_no_model_any_more(home: Path) -> None:
    async with opened(home, MANY) as atlas:
        _, events = await finished(atlas, budget={"calls": 2})
    paid = [event.span_id for event in events if event.kind is Kind.TOOL_CHARGED]
    assert paid == ["work/a1"]


async def test_a_run_that_is_cancelled_before_it_has_its_place_again_says_what_was_paid(home: Path) -> None:
    async with opened(home, SEARCHES) as atlas:
        run_id = await until_it_has_searched(atlas)
        paid = [data["cost_usd"] for data in of(await atlas.events(run_id), Kind.TOOL_CHARGED)]
    async with opened(home, SEARCHES, at_once=1) as atlas:
        other = await atlas.start("lookup", question="When do spring tides come?")
        async for event in atlas.watch(other.id):
            if event.kind is Kind.MODEL_STARTED and event.span_id.startswith("work/"):
                break
        await atlas.control(run_id, "resume")
        assert (await atlas.get(run_id)).state == "queued"
        await atlas.control(run_id, "cancel")
        async for _ in atlas.watch(run_id):
            pass
        row, events = await atlas.get(run_id), await atlas.events(run_id)
    assert (row.state, bool(paid)) == ("cancelled", True)
    assert row.usage["cost_usd"] == usage(events)["cost_usd"] == pytest.approx(sum(paid))


async def test_a_page_that_a_call_names_is_paid_by_the_day_or_not_read(home: Path) -> None:
    write(home, "read")
    entry = home / "config" / "servers" / "library.toml"
    entry.write_text(entry.read_text("utf-8") + '\n[fetch]\ntool = "read"\nurl = "url"\n', "utf-8")
    shutil.rmtree(home / "config" / "teams")
    team(home, "tools: [search_documents]", workers='["documents"]')
    async with opened(home, day_usd=1.5 * PRICE) as atlas:
        await finished(atlas, documents=["https://library.example/fundy"])
        assert atlas.accounts.day.spent.cost_usd == PRICE
        with pytest.raises(BudgetSpent, match="day's limit"):
            await finished(atlas, documents=["https://library.example/tides"])
