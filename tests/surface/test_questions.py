"""What a run asks, put to the person by whatever their client can do, on each wire and in both eras."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StreamableHttpTransport
from mcp_types import TextContent

from atlas_mcp.catalogue import shipped
from atlas_mcp.orchestration.asking import Question, QuestionKind
from atlas_mcp.surface.elicitation import form_of, read_form
from atlas_mcp.surface.server import build_server
from tests.surface.conftest import MODERN, over_http, stdio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from fastmcp.client.client import CallToolResult

    from tests.surface.conftest import MakeSettings

QUESTION = "When do spring tides come?"
FACT = "The moon raises two tides a day."
SCRIPT = f'''
[[reply]]
when = {{ intent = "plan" }}
json = """{{"assignments": [
  {{"id": "a1", "worker": "documents", "goal": "tides of the moon", "after": []}},
  {{"id": "a2", "worker": "documents", "goal": "neap tides", "after": []}}]}}"""
[[reply]]
when = {{ intent = "gather" }}
json = {{ findings = [{{ passage = "p1", quote = "{FACT}" }}], gaps = [] }}
[[reply]]
when = {{ intent = "compose" }}
json = """{{"answer": "{FACT} [f1]", "claims": [{{"text": "{FACT}", "finding_ids": ["f1"]}}],
  "disagreements": [], "open_questions": [], "confidence": 0.9}}"""
'''
WIRES = [("memory", "legacy"), ("memory", MODERN), ("stdio", "legacy"), ("http", "legacy"), ("http", "auto")]


@dataclass
class Person:
    """Answers forms with what is in `says`, one after another, then with the last."""

    says: list[Any]
    asked: list[str] = field(default_factory=list[str])
    schemas: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def __call__(self, message: str, _type: Any, params: Any, _context: Any) -> Any:
        self.asked.append(message)
        self.schemas.append(params.requested_schema)
        says = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        return ElicitResult(action=cast("Any", says), content=None) if isinstance(says, str) else says


class Silence(Person):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__([])
        self.was_asked = asyncio.Event()

    async def __call__(self, *_: Any) -> Any:
        self.was_asked.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def careful(
    make: MakeSettings, wire: str, mode: Any, person: Person | None, documents: Path
) -> AsyncGenerator[tuple[Client[Any], dict[str, Any]]]:
    """A client of a server with a team that has its plans approved, and what it is asked."""
    settings = make(SCRIPT)
    folder = settings.home / "config" / "teams" / "careful"
    shutil.copytree(shipped("teams") / "research", folder)
    wiring = folder / "team.toml"
    wiring.write_text(f"approve = true\n{wiring.read_text('utf-8')}", "utf-8")
    asked = {"team": "careful", "input": {"question": QUESTION}, "documents": [str(documents)]}
    handler: Any = {"elicitation_handler": person} if person else {}
    if wire == "http":
        async with over_http(settings) as url, Client(
            StreamableHttpTransport(f"{url}/mcp"), mode=mode, **handler
        ) as client:  # fmt: skip
            yield client, asked
    else:
        target = stdio(settings) if wire == "stdio" else build_server(settings)
        async with Client(target, mode=mode, **handler) as client:
            yield client, asked


async def called(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert result.structured_content is not None, result.content
    return result.structured_content


def said(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize(("wire", "mode"), WIRES)
async def test_a_client_with_forms_shows_the_plan_and_the_same_call_gives_the_result(
    settings_with: MakeSettings, documents: Path, wire: str, mode: str
) -> None:
    person = Person([{"decision": "approve"}])
    async with careful(settings_with, wire, mode, person, documents) as (client, asked):
        made = await called(client, "run_team", **asked)
    assert made["state"] == "done"
    (message,) = person.asked
    assert "a1 documents: tides of the moon" in message
    assert {each["type"] for each in person.schemas[0]["properties"].values()} == {"string"}


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_an_edited_plan_is_carried_out(settings_with: MakeSettings, documents: Path, mode: str) -> None:
    plan: list[dict[str, Any]] = [{"id": "a1", "worker": "documents", "goal": "the moon", "after": []}]
    person = Person([{"decision": "edit", "plan": json.dumps(plan)}])
    async with careful(settings_with, "memory", mode, person, documents) as (client, asked):
        made = await called(client, "run_team", **asked)
    assert made["state"] == "done"
    assert len(made["output"]["findings"]) == 1


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_was_wrong(
    settings_with: MakeSettings, documents: Path, mode: str
) -> None:
    person = Person([{"decision": "edit", "plan": "[{]"}, {"decision": "edit"}, {"decision": "approve"}])
    async with careful(settings_with, "memory", mode, person, documents) as (client, asked):
        made = await called(client, "run_team", **asked)
    assert made["state"] == "done"
    assert "no JSON" in person.asked[1]
    assert "'assignments' is a required property" in person.asked[2]


@pytest.mark.parametrize("action", ["decline", "cancel"])
@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_where_the_person_declines_the_call_gives_the_question_and_run_answer_takes_the_answer(
    settings_with: MakeSettings, documents: Path, mode: str, action: str
) -> None:
    person = Person([action])
    async with careful(settings_with, "memory", mode, person, documents) as (client, asked):
        made = await called(client, "run_team", **asked)
        assert made["state"] == "waiting"
        assert made["question"]["id"] == "approve/1"
        assert "run_answer" in made["next"]
        done = await called(client, "run_answer", run_id=made["run_id"], answer={"decision": "approve"})
    assert done["state"] == "done"
    assert len(person.asked) == 1


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_a_client_without_forms_gets_the_question_at_once(
    settings_with: MakeSettings, documents: Path, mode: str
) -> None:
    async with careful(settings_with, "memory", mode, None, documents) as (client, asked):
        made = await called(client, "run_team", **asked)
        assert made["state"] == "waiting"
        run = {"run_id": made["run_id"]}
        again = await called(client, "run_result", **run)
        assert again["question"] == made["question"]
        wrong = await client.call_tool("run_answer", {**run, "answer": {}}, raise_on_error=False)
        assert "approve/1 does not fit: $: 'decision' is a required property." in said(wrong)
        listed = await called(client, "run_list")
        assert [each["state"] for each in listed["runs"]] == ["waiting"]
        done = await called(
            client, "run_answer", **run, answer={"decision": "approve"}, question_id="approve/1"
        )
        assert done["state"] == "done"
        late = await client.call_tool("run_answer", {**run, "answer": {}}, raise_on_error=False)
    assert "asks nothing any more" in said(late)


@pytest.mark.parametrize("wire", ["memory", "http"])
async def test_a_form_that_nobody_fills_in_keeps_no_call_beyond_its_time(
    settings_with: MakeSettings, documents: Path, wire: str
) -> None:
    person = Silence()
    async with careful(settings_with, wire, "legacy", person, documents) as (client, asked):
        async with asyncio.timeout(15):
            made = await called(client, "run_team", **asked, wait_seconds=3)
        assert made["state"] == "waiting"
        assert person.was_asked.is_set()


async def test_an_answer_given_elsewhere_ends_the_asking(
    settings_with: MakeSettings, documents: Path
) -> None:
    person = Silence()
    async with careful(settings_with, "memory", "legacy", person, documents) as (client, asked):
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(called(client, "run_team", **asked))
            await person.was_asked.wait()
            (run,) = (await called(client, "run_list"))["runs"]
            await called(
                client, "run_answer", run_id=run["run_id"], answer={"decision": "approve"}, wait_seconds=0
            )
        assert calling.result()["state"] == "done"


def flat(**properties: Any) -> Question:
    return Question("work/a1", "Which harbour?", {"type": "object", "properties": properties})


def test_a_flat_question_is_shown_as_its_own_fields() -> None:
    question = flat(name={"type": "string", "x-other": 1}, depth={"type": "number", "minimum": 0})
    message, schema = form_of(question)
    assert message == "Which harbour?"
    assert schema["properties"] == {"name": {"type": "string"}, "depth": {"type": "number", "minimum": 0}}
    assert read_form(question, {"name": "Fundy", "depth": None}) == {"name": "Fundy"}


def test_another_question_is_answered_as_json() -> None:
    question = flat(names={"type": "array", "items": {"type": "string"}})
    message, schema = form_of(question, "It was wrong.")
    assert message.startswith("It was wrong.\nWhich harbour?")
    assert list(schema["properties"]) == ["answer"]
    assert read_form(question, {"answer": '{"names": ["Fundy"]}'}) == {"names": ["Fundy"]}


def test_a_plan_that_was_changed_counts_as_edited() -> None:
    plan: list[dict[str, Any]] = [{"id": "a1", "worker": "documents", "goal": "the moon", "after": []}]
    question = Question("approve/1", "May they?", {}, QuestionKind.APPROVE_PLAN, {"assignments": plan})
    same = {"decision": "approve", "plan": json.dumps(plan)}
    assert read_form(question, same) == {"decision": "approve"}
    changed: list[dict[str, Any]] = [{**plan[0], "goal": "the sun"}]
    assert read_form(question, {**same, "plan": json.dumps(changed)}) == {
        "decision": "edit", "assignments": changed,
    }  # fmt: skip
    assert read_form(question, {"decision": "reject", "plan": "x", "note": "no"}) == {
        "decision": "reject", "note": "no",
    }  # fmt: skip
