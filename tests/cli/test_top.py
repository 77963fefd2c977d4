"""`atlas-mcp top`: everything that goes on in a data folder, read by somebody who only looks."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.catalogue import shipped
from atlas_mcp.chunks import Usage
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.cli.top_drawing import drawn
from atlas_mcp.cli.top_frame import Ended, Frame, Live, Member, Process, Queue, Told, frame_as_json
from atlas_mcp.cli.top_lookout import Lookout
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState
from atlas_mcp.providers.keeping.tables import Changes, Opened, write
from tests.orchestration.house import ASKED, build_house
from tests.orchestration.house import SCRIPT as HOUSE
from tests.orchestration.talk import seen

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

    from atlas_mcp.app import Atlas, Run

QUESTION = "How many tides a day?"
SLOW = '[[reply]]\nwhen = { intent = "gather" }\nsay = "Let me see."\ntokens = 2\nseconds = 60\n'


@pytest.fixture
def slow(script: Path) -> None:
    """Whoever gathers takes a minute to answer."""
    script.write_text(SLOW + script.read_text("utf-8"), "utf-8")


@pytest.fixture
def careful(home: Path) -> None:
    """A team that has its plans approved."""
    folder = home / "config" / "teams" / "careful"
    shutil.copytree(shipped("teams") / "research", folder)
    wiring = folder / "team.toml"
    wiring.write_text(f"approve = true\n{wiring.read_text('utf-8')}", "utf-8")


@pytest.fixture
def house(home: Path, script: Path) -> None:
    """A team for which other teams work; their readers take a minute."""
    build_house(home / "config")
    script.write_text(SLOW + HOUSE, "utf-8")


async def begun(atlas: Atlas, documents: Path, team: str = "research", **wishes: Any) -> Run:
    return await atlas.start(team, question=QUESTION, documents=[str(documents)], **wishes)


async def shown(atlas_mcp: Program, *options: str) -> Any:
    """What the command gives, run as by somebody else while this process works."""
    done = await asyncio.to_thread(atlas_mcp, "top", *options)
    assert done.exit_code == Exit.DONE, done.stderr
    return json.loads(done.stdout) if "--json" in options else done.stdout


# What it tells ---------------------------------------------------------------------------------------------


def test_where_nobody_works_it_says_so_and_shows_what_ended_last(atlas_mcp: Program, documents: Path) -> None:
    done = json.loads(atlas_mcp("run", "research", QUESTION, "-d", documents, "--json").stdout)
    told = atlas_mcp("top").stdout
    assert "Nobody works on a run now." in told
    assert done["run_id"] in told
    assert QUESTION in told
    assert "scripted:" in told
    (ended,) = json.loads(atlas_mcp("top", "--json").stdout)["ended"]
    assert (ended["state"], ended["team"], ended["usage"]["calls"]) == ("done", "research", 3)


@pytest.mark.usefixtures("slow")
async def test_a_live_run_is_told_with_its_step_its_members_and_what_it_used(
    atlas_mcp: Program, documents: Path
) -> None:
    async with open_atlas(roots=[documents]) as atlas:
        run = await begun(atlas, documents)
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        (told,) = (await shown(atlas_mcp, "--json"))["runs"]
        picture = await shown(atlas_mcp, "--once")
    assert (told["run_id"], told["team"], told["state"], told["step"]) == (
        run.id,
        "research",
        "running",
        "work",
    )
    (member,) = told["members"]
    assert member["actor"] == "documents#a1"
    assert told["waits_for"] == [member["model"]]
    assert told["calls"] == 1
    assert told["tokens"] > 0
    assert told["seconds"] > 0
    assert run.id in picture
    assert "documents#a1 → scripted:" in picture


@pytest.mark.usefixtures("careful")
async def test_a_run_that_asks_a_person_says_what_it_asks(atlas_mcp: Program, documents: Path) -> None:
    async with open_atlas(roots=[documents]) as atlas:
        run = await begun(atlas, documents, "careful")
        await run.envelope(wait_seconds=30)
        (told,) = (await shown(atlas_mcp, "--json"))["runs"]
        picture = await shown(atlas_mcp)
    assert told["state"] == "waiting"
    (waits,) = told["waits_for"]
    assert waits.startswith("a person: May the team careful carry out this plan")
    assert f"waits for {waits}" in picture


@pytest.mark.usefixtures("slow")
async def test_who_waits_for_a_place_stands_in_the_order_of_the_queue(
    atlas_mcp: Program, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_RUNS__AT_ONCE", "1")
    async with open_atlas(roots=[documents]) as atlas:
        first = await begun(atlas, documents)
        await seen(atlas, first.id, Kind.RUN_STARTED)
        low = await begun(atlas, documents, priority="low")
        high = await begun(atlas, documents, priority="high")
        told = await shown(atlas_mcp, "--json")
    assert told["queue"] == {"waiting": [high.id, low.id], "at_once": 1}
    assert [each["state"] for each in told["runs"]] == ["running", "queued", "queued"]
    assert told["runs"][1]["waits_for"] == ["a free place"]


@pytest.mark.usefixtures("house")
async def test_runs_that_work_for_another_stand_below_it_and_count_in_its_sums(
    atlas_mcp: Program, documents: Path
) -> None:
    async with open_atlas(roots=[documents]) as atlas:
        run = await atlas.start("house", question=ASKED, documents=[str(documents)])
        for _ in range(2):
            await seen(atlas, run.id, Kind.CHILD_STARTED)
        children = [
            event.data["run"] for event in await atlas.events(run.id) if event.kind is Kind.CHILD_STARTED
        ]
        for child in children:
            await seen(atlas, child, Kind.MODEL_STARTED, actor="reader#a1")
        (told,) = (await shown(atlas_mcp, "--json"))["runs"]
        picture = await shown(atlas_mcp)
    below = told["children"]
    assert {each["assignment"] for each in below} <= {"a1", "a2"}
    assert {each["team"] for each in below} == {"tides"}
    assert told["calls"] == 1 + sum(each["calls"] for each in below)
    assert "└ tides a1" in picture
    assert "reader#a1 → scripted:" in picture


@pytest.mark.usefixtures("slow")
async def test_a_run_whose_process_is_gone_is_told_among_those_that_ended(
    atlas_mcp: Program, documents: Path
) -> None:
    async with open_atlas(roots=[documents]) as atlas:
        run = await begun(atlas, documents)
        await seen(atlas, run.id, Kind.MODEL_STARTED)
    told = await shown(atlas_mcp, "--json")
    assert told["runs"] == []
    assert [(each["run_id"], each["state"]) for each in told["ended"]] == [(run.id, "interrupted")]


@pytest.mark.usefixtures("script", "slow")
async def test_a_run_that_ends_while_somebody_looks_goes_to_those_that_ended(documents: Path) -> None:
    async with open_atlas(roots=[documents]) as atlas:
        run = await begun(atlas, documents)
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        lookout = Lookout(atlas)
        assert [each.run_id for each in (await lookout.look()).runs] == [run.id]
        await atlas.control(run.id, "cancel")
        await atlas.result(run.id, wait_seconds=20)
        frame = await lookout.look()
    assert frame.runs == ()
    assert [(each.run_id, each.state) for each in frame.ended] == [(run.id, RunState.CANCELLED)]
    assert sum(each["minute"]["calls"] for each in frame.providers["members"]) == 1


# Models, money, processes ----------------------------------------------------------------------------------


async def test_a_member_that_is_left_alone_is_told_with_the_reason_and_until_when(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_atlas() as atlas:
        opened = Opened(time.time() + 50, 60, 1, "rate_limited")
        changes = Changes(breakers={"lab:m@http://127.0.0.1:9": opened})
        await atlas.accounts.store._database.write(lambda c: write(c, changes, time.time(), 3600.0))
    members = {each["name"]: each for each in (await shown(atlas_mcp, "--json"))["providers"]["members"]}
    assert (members["lab:m"]["breaker"], members["lab:m"]["reason"]) == ("open", "rate_limited")
    assert 0 < members["lab:m"]["ready_in"] <= 50
    assert "after rate limited" in await shown(atlas_mcp)


async def test_what_was_spent_today_is_told_with_its_limit(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_BUDGET__DAY_TOKENS", "20_000")
    async with open_atlas() as atlas:
        atlas.accounts.day.budget.add(Usage(17_000, calls=1, cost_usd=0.5))
    assert "Today: 17,000 of 20,000 tokens, $0.5000" in await shown(atlas_mcp)


async def test_living_processes_tell_how_they_are_and_how_well_runs_are_told_of(
    atlas_mcp: Program, home: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    async with open_atlas(roots=[documents]) as atlas:
        (nobody,) = (await shown(atlas_mcp, "--json"))["told"]
        run = await begun(atlas, documents)
        assert (await run.envelope(wait_seconds=30))["state"] == "done"
        async with asyncio.timeout(20):
            # The second sample, three seconds after the first, knows what came of telling.
            while not (told := await shown(atlas_mcp, "--json"))["told"][0]["trouble"]:
                pass
    assert (nobody["address"], nobody["pid"]) == ("http://127.0.0.1:9", None)
    (process,) = told["processes"]
    assert process["pid"] == os.getpid()
    assert process["figures"]["system/places"] == 8
    (sent,) = told["told"]
    assert sent["pid"] == process["pid"]
    assert "cannot be reached" in sent["trouble"]


@pytest.mark.usefixtures("slow")
async def test_whoever_looks_opens_no_model_no_memory_and_owns_nothing(
    atlas_mcp: Program, home: Path, documents: Path
) -> None:
    async with open_atlas(roots=[documents]) as atlas:
        run = await begun(atlas, documents)
        await seen(atlas, run.id, Kind.MODEL_STARTED)
        async with open_atlas() as other:
            await Lookout(other).look()
            assert (other._opened, other.providers._leaves) == ({}, {})
            assert not other.works_on(run.id)
        assert atlas.works_on(run.id)


# How it is drawn -------------------------------------------------------------------------------------------


def live(number: int, state: str = "running", **more: Any) -> Live:
    told: dict[str, Any] = {
        "run_id": f"r_{number:026}", "team": "research", "assignment": "",
        "asked": "When do spring tides come, and who publishes the tide table of the harbour?",
        "state": state, "waits_for": (), "began": "2026-01-01T00:00:00+00:00", "seconds": 63.0,
        "step": "work", "note": "",
        "members": (Member("documents#a1", 3.0, "anthropic:claude-sonnet-5", ""),),
        "calls": 12, "tokens": 34_120, "tokens_a_second": 42.0, "cost_usd": 0.0123, "alerts": {},
    }  # fmt: skip
    return Live(**{**told, **more})


def frame(*runs: Live) -> Frame:
    member = {"breaker": "closed", "reason": "", "ready_in": 0.0, "record": None}
    minute = {"calls": 3, "failures": {"rate_limited": 1}}
    today = {"calls": 3, "tokens": 60_000, "cost_usd": 0.5, "limit_tokens": 20_000, "limit_usd": None}
    figures = {
        "system/memory_bytes": 312e6, "system/cpu_percent": 12.0, "system/runs": 3.0, "system/places": 8.0,
        "system/queued": 1.0, "system/agents": 4.0, "system/calls": 12.0, "system/error_rate": 0.08,
        "system/response_seconds": 1.2, "system/files": 24.0, "system/connections": 3.0,
    }  # fmt: skip
    return Frame(
        at="2026-01-01T00:01:03.000+00:00",
        home="/home/me/.atlas",
        runs=runs,
        queue=Queue(tuple(run.run_id for run in runs if run.state == "queued"), 8),
        providers={
            "default": "anthropic:claude-sonnet-5", "groups": [],
            "members": [
                {"name": "anthropic:claude-sonnet-5", **member, "minute": minute},
                {"name": "lab:m", **member, "breaker": "open", "reason": "overloaded", "ready_in": 42.0,
                 "minute": {"calls": 0, "failures": {}}},
            ],
            "today": {**today, "unpriced": False},
        },
        processes=(Process(4711, "here", "2026-01-01T00:00:00+00:00", 50.0, figures),),
        told=(
            Told("http://127.0.0.1:5000", 4711, "12 runs told", ""),
            Told("http://127.0.0.1:9", 4711, "", "http://127.0.0.1:9 cannot be reached: " + "no " * 90),
        ),
        ended=(
            Ended(
                "r_9", "writing", "A poem on tides", "failed", partial=False,
                ended="2026-01-01T00:00:59+00:00", seconds=9.0, usage={},
                error="Nobody found anything in the documents that were given.",
            ),
        ),
    )  # fmt: skip


EVERY = frame(
    live(1, "waiting", waits_for=("a person: May the team carry out this plan of 12 assignments?",)),
    live(2, alerts={"slow": "it takes longer than 60 s"}, children=(live(3, team="tides", assignment="a1"),)),
    live(4, "queued", members=(), calls=0, tokens=0, tokens_a_second=0.0),
    live(5, cost_usd=None, note="reading 3 of 12"),
)


def text(told: Frame, width: int, height: int | None = None) -> str:
    return "\n".join(line.plain for line in drawn(told, width, height))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    assert [line.plain for line in drawn(EVERY, width) if line.cell_len > width] == []


@pytest.mark.parametrize("width", [80, 120])
def test_no_word_is_cut(width: int) -> None:
    whole = set(text(EVERY, 400).replace("…", " ").split())
    assert {word.rstrip("…") for word in text(EVERY, width).split()} - whole - {""} == set()


def test_everything_that_matters_is_told_on_a_terminal_of_eighty_columns() -> None:
    told = text(EVERY, 80)
    in_order = [
        "4 live runs", "2 running", "1 waiting", "1 queued",
        "waits for a person: May the team carry out this plan", "research !", "it takes longer than 60 s",
        "└ tides a1", "documents#a1 → anthropic:claude-sonnet-5", "documents: reading 3 of 12", "unknown",
        "anthropic:claude-sonnet-5  default", "3 calls, 1 rate limited", "resting 42 s", "after overloaded",
        "Today: 60,000 of 20,000 tokens", "4711", "312 MB", "3 of 8", "12 runs told, by process 4711",
        "cannot be reached", "failed", "Nobody found anything",
    ]  # fmt: skip
    places = [told.find(said) for said in in_order]
    assert -1 not in places, in_order[places.index(-1)]


def test_states_have_their_colours_and_a_limit_that_is_spent_is_red() -> None:
    styles = {
        line.plain[span.start : span.end].strip(): str(span.style)
        for line in drawn(EVERY, 120)
        for span in line.spans
    }
    assert (styles["running"], styles["waiting"], styles["failed"]) == ("cyan", "magenta", "red")
    assert styles["resting 42 s"] == "red"
    (today,) = (line for line in drawn(EVERY, 120) if line.plain.startswith("Today"))
    assert today.style == "red"


@pytest.mark.parametrize("height", [8, 12, 20, 30, 50])
def test_a_low_terminal_shows_what_fits_and_how_many_runs_there_are_beside(height: int) -> None:
    runs = [live(number) for number in range(40)]
    asks = live(41, "waiting", waits_for=("a person: May I?",))
    told = text(frame(asks, *runs), 80, height).splitlines()
    assert len(told) <= height
    assert any("a person: May I?" in line for line in told)
    assert any(line.startswith("… and ") and line.endswith("more runs") for line in told)


def test_a_process_that_says_nothing_any_more_is_pointed_out() -> None:
    assert "silent for 0:50" in text(EVERY, 160)


def test_the_json_keeps_its_keys() -> None:
    told: Any = json.loads(json.dumps(frame_as_json(EVERY)))
    assert list(told) == ["v", "at", "home", "runs", "queue", "providers", "processes", "told", "ended"]
    assert list(told["runs"][0]) == [
        "run_id", "team", "assignment", "asked", "state", "waits_for", "began", "seconds", "step", "note",
        "members", "calls", "tokens", "tokens_a_second", "cost_usd", "alerts", "children",
    ]  # fmt: skip
    assert list(told["runs"][0]["members"][0]) == ["actor", "seconds", "model", "tool"]
    assert list(told["processes"][0]) == ["pid", "host", "began", "seconds_ago", "figures"]
    assert list(told["told"][0]) == ["address", "pid", "progress", "trouble", "last", "seconds_ago"]
    assert list(told["ended"][0]) == [
        "run_id", "team", "asked", "state", "partial", "ended", "seconds", "usage", "error"
    ]  # fmt: skip
    assert told["v"] == 1
