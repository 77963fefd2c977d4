"""Many runs at once, and a server that is away: nothing is mixed up, nothing is lost, nobody waits."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.database import open_reading
from atlas_mcp.observe.tracking.source import Source
from atlas_mcp.observe.tracking.spans import trace_id
from atlas_mcp.orchestration.records import RunRecords
from atlas_mcp.providers.script import Script
from atlas_mcp.providers.scripted import ScriptedProvider
from atlas_mcp.settings import Settings
from tests.mlflow.conftest import until
from tests.mlflow.four_teams import DOCUMENT
from tests.mlflow.server import Tracking, running

if TYPE_CHECKING:
    from atlas_mcp.app import Atlas

pytestmark = pytest.mark.mlflow


def provider() -> ScriptedProvider:
    return ScriptedProvider(Script.load(Path(__file__).with_name("one_team.toml")))


async def expected(home: Path, run_id: str) -> list[str]:
    """The names of the spans that the journal makes of a run."""
    async with open_reading(home / "runs.db") as database:
        source = Source(database, RunRecords(), content=False)
        underway = await source.underway(run_id, {})
        assert underway is not None
        await source.read_on(underway)
        assert not underway.more
        return sorted(f"{span.span_id} {span.name}" for _, _, span in underway.pending)


async def run_all(atlas: Atlas, number: int) -> list[dict[str, Any]]:
    """So many runs at once, to their ends."""
    runs = [
        await atlas.start(
            "research", question=f"When is lock {each} open?", documents=[DOCUMENT], memory=False
        )
        for each in range(number)
    ]
    return await asyncio.gather(*(atlas.result(run.id, wait_seconds=120, to_the_end=True) for run in runs))


def task_runs(tracking: Tracking) -> list[dict[str, Any]]:
    """The runs of tasks that have ended."""
    return tracking.runs(words="attributes.status = 'FINISHED' AND tags.`atlas.kind` = 'task'")


def names(tracking: Tracking, run_id: str) -> list[str]:
    """The spans that MLflow has of a run, as `expected` gives them."""
    spans = tracking.spans(f"tr-{trace_id(run_id)}")
    return sorted(f"{_hexadecimal(each['span_id'])} {each['name']}" for each in spans)


def _hexadecimal(said: str) -> str:
    import base64

    return said if len(said) == 16 else base64.b64decode(said).hex()


async def test_32_runs_at_once_have_each_span_in_their_own_trace_and_each_figure_on_their_own_run(
    told: Tracking, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_RUNS__AT_ONCE", "32")
    async with open_atlas(provider=provider()) as atlas:
        results = await run_all(atlas, 32)
        assert {each["state"] for each in results} == {"done"}
        await until(lambda: len(task_runs(told)) == 32, 240)
    infos = {each["trace_id"]: each for each in await asyncio.to_thread(told.traces)}
    assert len(infos) == 32
    figures = {each["data"]["tags"]["atlas.run_id"]: each["data"]["metrics"] for each in told.runs()
               if each["data"]["tags"]["atlas.kind"] == "task"}  # fmt: skip
    for result in results:
        run_id, usage = result["run_id"], result["usage"]
        assert await asyncio.to_thread(names, told, run_id) == await expected(home, run_id)
        about = infos[f"tr-{trace_id(run_id)}"]["trace_metadata"]
        assert json.loads(about["mlflow.trace.cost"])["total_cost"] == pytest.approx(usage["cost_usd"])
        assert figures[run_id]["cost/usd"] == pytest.approx(usage["cost_usd"])
        assert figures[run_id]["tokens/input"] == usage["input_tokens"]
        assert figures[run_id]["calls/total"] == usage["calls"] == 4
    await asyncio.to_thread(_sums_agree, told, home)


def _sums_agree(tracking: Tracking, home: Path) -> None:
    """By agent, team, task and day: what MLflow adds up is what the journal adds up."""
    spent: defaultdict[str, float] = defaultdict(float)
    tokens: Counter[str] = Counter()
    connection = sqlite3.connect(home / "runs.db")
    for actor, day, data in connection.execute(
        "SELECT actor, substr(at, 1, 10), data FROM event WHERE kind = 'model.finished'"
    ):
        usage = json.loads(data)["usage"]
        for key in (f"agent {actor.partition('#')[0]}", f"day {day}", "all"):
            spent[key] += usage["cost_usd"]
            tokens[key] += usage["input_tokens"] + usage["output_tokens"]
    connection.close()
    by_agent: defaultdict[str, float] = defaultdict(float)
    for each in tracking.runs(words="tags.`atlas.kind` = 'agent'"):
        by_agent[each["data"]["tags"]["atlas.agent"]] += each["data"]["metrics"]["cost/usd"]
    assert {f"agent {name}": pytest.approx(cost) for name, cost in by_agent.items()} == {
        key: cost for key, cost in spent.items() if key.startswith("agent")
    }
    by_task = sum(each["data"]["metrics"]["cost/usd"] for each in task_runs(tracking))
    assert by_task == pytest.approx(spent["all"])
    by_model = tracking.measure("SPANS", "total_cost", "SUM", "span_model_name")
    assert by_model == {("one_team.toml",): pytest.approx(spent["all"])}
    by_team = tracking.measure("TRACES", "total_tokens", "SUM", "trace_name")
    assert by_team == {("team.research",): float(tokens["all"])}
    by_day = tracking.measure("SPANS", "total_cost", "SUM", every=86_400)
    assert sorted(by_day.values()) == [pytest.approx(each) for each in _by_day(spent)]


def _by_day(spent: dict[str, float]) -> list[float]:
    return sorted(cost for key, cost in spent.items() if key.startswith("day"))


async def test_a_server_that_is_refused_black_holed_killed_and_back_costs_a_run_nothing_and_loses_nothing(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "server") as tracking:
        without = await _timed()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.url)
        tracking.kill()
        times = {"refused": await _timed()}
        await asyncio.to_thread(tracking.start)
        tracking.stop(signal.SIGSTOP)
        times["black hole"] = await _timed()
        tracking.stop(signal.SIGCONT)
        times["killed in mid-run"] = await _timed(lambda: (time.sleep(0.2), tracking.kill()))
        await asyncio.to_thread(tracking.start)
        times["back"] = await _timed()
        # How much is a matter of benchmarks; that nobody waits for a server shows also on a busy machine.
        for name, (seconds, closing) in times.items():
            assert closing < 5, (name, closing)
            assert seconds < without[0] * 3 + 2, (name, seconds, without)
        async with open_atlas(provider=provider()) as atlas:
            atlas.observing.begin()
            ids = [row.run_id for row in await atlas.list(limit=100)]
            await until(lambda: len(task_runs(tracking)) == len(ids), 120)
        for run_id in ids:
            assert await asyncio.to_thread(names, tracking, run_id) == await expected(home, run_id)
        kinds = Counter(each["data"]["tags"]["atlas.id"] for each in await asyncio.to_thread(tracking.runs))
        assert set(kinds.values()) == {1}


async def _timed(during: Any = None) -> tuple[float, float]:
    """How long four runs took, and then the end of their process's Atlas."""
    async with open_atlas(provider=provider()) as atlas:
        since = time.perf_counter()
        meanwhile = asyncio.create_task(asyncio.to_thread(during)) if during else None
        results = await run_all(atlas, 4)
        seconds = time.perf_counter() - since
        if meanwhile:
            await meanwhile
        assert {each["state"] for each in results} == {"done"}
        since = time.perf_counter()
    return seconds, time.perf_counter() - since


async def test_what_was_kept_while_no_server_was_named_is_sent_once_one_is(
    tracking: Tracking, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_atlas(provider=provider()) as atlas:
        (result,) = await run_all(atlas, 1)
    monkeypatch.setenv("ATLAS_OBSERVE__MLFLOW", tracking.url)
    monkeypatch.setenv("ATLAS_OBSERVE__EXPERIMENT", "later")
    async with open_atlas(Settings.load(), provider=provider()) as atlas:
        atlas.observing.begin()
        await until(lambda: bool(_traces(tracking, "later")))
    assert await asyncio.to_thread(names, tracking, result["run_id"]) == await expected(
        home, result["run_id"]
    )


def _traces(tracking: Tracking, experiment: str) -> list[dict[str, Any]]:
    """The traces of an experiment, which may not be there yet."""
    try:
        return tracking.traces(experiment)
    except Exception:  # noqa: BLE001 - the experiment is not there yet
        return []


async def test_a_warning_is_a_tag_of_the_trace_and_of_the_run(
    told: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_ALERTS__SECONDS", "0.01")
    monkeypatch.setenv("ATLAS_OBSERVE__EXPERIMENT", "warned")
    async with open_atlas(Settings.load(), provider=provider()) as atlas:
        await run_all(atlas, 1)
        await until(lambda: any("atlas.alert" in each["tags"] for each in _traces(told, "warned")))
    (trace,) = told.traces("warned")
    assert trace["tags"]["atlas.alert"] == "slow"
    (run,) = told.runs("warned", "tags.`atlas.kind` = 'task'")
    assert run["data"]["tags"]["atlas.alert"] == "slow"
