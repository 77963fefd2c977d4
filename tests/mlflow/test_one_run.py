"""What a run of four teams and nine agents looks like in MLflow, read through its own API."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.events import Kind
from atlas_mcp.observe.tracking.spans import trace_id
from atlas_mcp.providers.script import Script
from atlas_mcp.providers.scripted import ScriptedProvider
from tests.mlflow.conftest import until
from tests.mlflow.four_teams import AGENTS, DOCUMENT, INPUT, SCRIPT, TEAMS

if TYPE_CHECKING:
    from atlas_mcp.events import Event
    from tests.mlflow.server import Tracking

pytestmark = pytest.mark.mlflow


class Seen:
    """One run: its journal and that of all that worked for it, and what MLflow has of it."""

    def __init__(self, tracking: Tracking, run_id: str, events: list[Event], usage: dict[str, Any]) -> None:
        self.tracking, self.run_id, self.events, self.usage = tracking, run_id, events, usage
        self.info = next(each for each in tracking.traces() if each["trace_id"] == f"tr-{trace_id(run_id)}")
        self.spans = tracking.spans(self.info["trace_id"])
        self.runs = tracking.runs()

    def attributes(self, span: dict[str, Any]) -> dict[str, Any]:
        return {each["key"]: _plain(each["value"]) for each in span["attributes"]}

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.spans if self.attributes(each)["mlflow.spanType"] == kind]


def _plain(value: dict[str, Any]) -> Any:
    """A value of OTLP's JSON; MLflow gives what it stores as JSON within a string."""
    if not value:
        return None
    (kind, inner), *_ = value.items()
    if kind == "string_value":
        try:
            return json.loads(inner)
        except ValueError:
            return inner
    if kind == "kvlist_value":
        return {each["key"]: _plain(each.get("value") or {}) for each in inner.get("values", ())}
    if kind == "array_value":
        return [_plain(each) for each in inner.get("values", ())]
    return int(inner) if kind == "int_value" else inner


async def _events(atlas: Any, run_id: str) -> list[Event]:
    events = await atlas.events(run_id)
    for event in list(events):
        if event.kind is Kind.CHILD_STARTED:
            events += await _events(atlas, event.data["run"])
    return events


@pytest.fixture
async def seen(told: Tracking) -> Seen:
    async with open_atlas(provider=ScriptedProvider(Script.load(SCRIPT))) as atlas:
        run = await atlas.start("atlas", documents=[DOCUMENT], fresh=True, **INPUT)
        result = await atlas.result(run.id, wait_seconds=60)
        assert (result["state"], result["partial"]) == ("done", False), result
        trace = f"tr-{trace_id(run.id)}"
        await until(lambda: any(run.id == each["data"]["tags"].get("atlas.run_id") for each in _whole(told)))
        await until(lambda: any(each["trace_id"] == trace for each in told.traces()))
        return Seen(told, run.id, await _events(atlas, run.id), result["usage"])


def _whole(tracking: Tracking) -> list[dict[str, Any]]:
    """The runs of tasks that have ended; MLflow has no experiment before the first."""
    try:
        return tracking.runs(words="attributes.status = 'FINISHED' AND tags.`atlas.kind` = 'task'")
    except Exception:  # noqa: BLE001 - there is no experiment yet
        return []


async def test_a_run_of_four_teams_is_one_trace_with_types_tokens_costs_assessments_and_runs(
    seen: Seen,
) -> None:
    _the_tree_is_whole(seen)
    _each_kind_of_work_has_its_type(seen)
    _tokens_and_costs_are_the_journals(seen)
    _what_was_said_is_there(seen)
    _the_trace_says_whose_it_is_and_how_good(seen)
    _a_run_stands_for_the_task_each_team_and_each_agent(seen)
    _the_dashboards_query_gives_the_same(seen)
    _each_process_tells_how_it_fares(seen)


def _the_tree_is_whole(seen: Seen) -> None:
    ids = {each["span_id"] for each in seen.spans}
    roots = [each for each in seen.spans if not each.get("parent_span_id")]
    assert [each["name"] for each in roots] == ["team.atlas"]
    assert all(each["parent_span_id"] in ids for each in seen.spans if each not in roots)
    by_id = {each["span_id"]: each for each in seen.spans}
    above = {each["name"]: by_id[each["parent_span_id"]]["name"] for each in seen.spans if each not in roots}
    assert above["team.research"] == "assign.research"
    assert above["assign.research"] == "team.atlas"
    assert above["agent.research.documents"] == "team.research"
    assert above["chat.research.documents"] == "agent.research.documents"
    assert above["search_documents"].startswith("agent.")
    assert above["chat.atlas.supervisor"] == "step.plan"
    assert seen.info["state"] == "OK"


def _each_kind_of_work_has_its_type(seen: Seen) -> None:
    kinds = Counter(seen.attributes(each)["mlflow.spanType"] for each in seen.spans)
    of = Counter(event.kind for event in seen.events)
    assert kinds["WORKFLOW"] == of[Kind.RUN_QUEUED] == len(TEAMS)
    assert kinds["CHAT_MODEL"] == of[Kind.MODEL_FINISHED]
    assert kinds["TOOL"] == of[Kind.TOOL_FINISHED]
    assert kinds["MEMORY"] == of[Kind.MEMORY_RECALLED] + sum(
        each["operation"] != "recall"
        for event in seen.events if event.kind is Kind.MEMORY_MEASURED
        for each in event.data["operations"]
    )  # fmt: skip
    assert kinds["EVALUATOR"] == sum(
        event.kind is Kind.STEP_FINISHED and event.data["step"] == "check" for event in seen.events
    )
    works = [event for event in seen.events if event.kind is Kind.WORK_STARTED]
    assert kinds["AGENT"] == sum(not event.data["worker"].startswith("team:") for event in works)
    assert {each["name"].removeprefix("chat.") for each in seen.of_type("CHAT_MODEL")} == set(AGENTS)


def _tokens_and_costs_are_the_journals(seen: Seen) -> None:
    about = seen.info["trace_metadata"]
    tokens, cost = json.loads(about["mlflow.trace.tokenUsage"]), json.loads(about["mlflow.trace.cost"])
    assert tokens["input_tokens"] == seen.usage["input_tokens"]
    assert tokens["output_tokens"] == seen.usage["output_tokens"]
    assert cost["total_cost"] == pytest.approx(seen.usage["cost_usd"], abs=1e-9)
    assert seen.usage["cost_usd"] == pytest.approx(0.0303)


def _what_was_said_is_there(seen: Seen) -> None:
    (chat,) = [each for each in seen.of_type("CHAT_MODEL") if each["name"] == "chat.research.documents"]
    said = seen.attributes(chat)
    roles = [each["role"] for each in said["mlflow.spanInputs"]["messages"]]
    assert roles[:2] == ["system", "user"]
    assert "guilders" in json.dumps(said["mlflow.spanOutputs"]["choices"][0]["message"])
    (tool,) = [each for each in seen.of_type("TOOL") if each["name"] == "search_documents"][:1]
    assert "query" in seen.attributes(tool)["mlflow.spanInputs"]
    assert "lock of Arnby" in json.dumps(seen.attributes(tool)["mlflow.spanOutputs"])


def _the_trace_says_whose_it_is_and_how_good(seen: Seen) -> None:
    tags, about = seen.info["tags"], seen.info["trace_metadata"]
    assert tags["mlflow.traceName"] == "team.atlas"
    assert tags["atlas.run_id"] == seen.run_id
    assert about["mlflow.trace.session"].startswith("s_")
    assert about["mlflow.trace.user"]
    scores = {each["assessment_name"]: each["feedback"]["value"] for each in seen.info["assessments"]}
    assert scores["quality"] == pytest.approx(5.0)
    (run,) = [each for each in seen.runs if each["data"]["tags"].get("atlas.id") == seen.run_id]
    linked = seen.tracking.traces(words=f"attribute.run_id = '{run['info']['run_id']}'")
    assert [each["trace_id"] for each in linked] == [seen.info["trace_id"]]


def _a_run_stands_for_the_task_each_team_and_each_agent(seen: Seen) -> None:
    ours = [each for each in seen.runs if each["data"]["tags"].get("atlas.run_id") in _ids(seen)]
    kinds = Counter(each["data"]["tags"]["atlas.kind"] for each in ours)
    assert kinds == {"task": 1, "team": 4, "agent": 9}
    assert {each["info"]["status"] for each in ours} == {"FINISHED"}
    named = {each["info"]["run_id"]: each["info"]["run_name"] for each in ours}
    above = {
        each["info"]["run_name"]: named.get(each["data"]["tags"].get("mlflow.parentRunId", ""), "")
        for each in ours
    }
    assert above["atlas"] == ""
    assert above["research"] == above["writing"] == "atlas"
    assert above["research.documents"] == "research"
    figures = {each["info"]["run_name"]: each["data"]["metrics"] for each in ours}
    assert figures["atlas"]["coordination/agents"] == 4
    assert figures["atlas"]["coordination/completion_rate"] == 1
    assert figures["atlas"]["coordination/waves"] == 4
    assert 0 <= figures["atlas"]["quality/citation_coverage"] <= 1
    assert figures["atlas"]["cost/usd"] == pytest.approx(seen.usage["cost_usd"])
    agents = [each for each in ours if each["data"]["tags"]["atlas.kind"] == "agent"]
    spent = sum(each["data"]["metrics"]["cost/usd"] for each in agents)
    assert spent == pytest.approx(seen.usage["cost_usd"])
    assert sum(each["data"]["metrics"]["tokens/total"] for each in agents) == (
        seen.usage["input_tokens"] + seen.usage["output_tokens"]
    )


def _ids(seen: Seen) -> set[str]:
    return {event.run_id for event in seen.events}


def _each_process_tells_how_it_fares(seen: Seen) -> None:
    (process,) = [each for each in seen.runs if each["data"]["tags"]["atlas.kind"] == "process"]
    assert process["data"]["metrics"]["system/memory_bytes"] > 0
    assert process["data"]["tags"]["atlas.host"]


def _the_dashboards_query_gives_the_same(seen: Seen) -> None:
    tools = seen.tracking.measure("SPANS", "span_count", "COUNT", "span_type", "span_name")
    assert tools["TOOL", "search_documents"] == sum(event.kind is Kind.TOOL_FINISHED for event in seen.events)
    costs = seen.tracking.measure("SPANS", "total_cost", "SUM", "span_model_name")
    assert sum(costs.values()) == pytest.approx(seen.usage["cost_usd"])
