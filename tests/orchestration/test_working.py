"""Workers that fail, are slow, talk nonsense or loop: a failure is a value, and the rest goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.events import Kind
from tests.orchestration.talk import SPRING, TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event
    from tests.orchestration.conftest import OpenAtlas

GOALS = ("When do spring tides come?", "When do neap tides come?", "How high?", "Who publishes the table?")


def script(fourth: str, *, workers: int = 4) -> str:
    """Four workers, of whom three find the same sentence and the fourth does what is said."""
    goals = [*GOALS, *(f"What else, {number}?" for number in range(workers - len(GOALS)))]
    plan = ", ".join(
        f'{{ id = "a{number}", worker = "documents", goal = "{goal}", after = [] }}'
        for number, goal in enumerate(goals, 1)
    )
    return f"""
[[reply]]
when = {{ intent = "plan" }}
json = {{ assignments = [{plan}] }}

{fourth}

[[reply]]
when = {{ intent = "gather" }}
json = {{ findings = [{{ passage = "p1", quote = "{SPRING}" }}], gaps = [] }}

[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1]", disagreements = [], open_questions = [], confidence = 0.9, claims = [
  {{ text = "{SPRING}", finding_ids = ["f1"] }},
] }}
"""


FOURTH = 'when = { intent = "gather", contains = "Your goal: Who publishes" }'


async def asked(atlas: Atlas, documents: Path, **wishes: Any) -> tuple[dict[str, Any], list[Event]]:
    run = await atlas.start("research", question="Tides?", documents=[str(documents)], **wishes)
    result = await run.envelope(wait_seconds=60)
    return result, await atlas.events(run.id)


def of(events: list[Event], kind: Kind) -> list[Event]:
    return [event for event in events if event.kind is kind]


async def test_one_of_four_that_fails_costs_the_others_nothing(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script(f'[[reply]]\n{FOURTH}\nfail = "permission_denied"')) as atlas:
        result, events = await asked(atlas, documents)
    assert (result["state"], result["partial"]) == ("done", False)
    (failed,) = of(events, Kind.WORK_FAILED)
    assert (failed.actor, failed.data["error"]["code"]) == ("documents#a4", "permission_denied")
    assert len(of(events, Kind.WORK_FINISHED)) == 3
    assert [part["share"] for part in result["output"]["measures"]["parts"] if part["name"] == "completeness"]


async def test_one_of_four_that_talks_nonsense_is_asked_again_and_then_left(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script(f'[[reply]]\n{FOURTH}\nsay = "Blub blub."')) as atlas:
        result, events = await asked(atlas, documents)
    assert (result["state"], result["partial"]) == ("done", False)
    (failed,) = of(events, Kind.WORK_FAILED)
    assert failed.data["error"]["code"] == "invalid_output"
    asked_again = [event for event in of(events, Kind.OUTPUT_REPAIRED) if event.actor == "documents#a4"]
    assert len(asked_again) == 4  # twice in each of two attempts, which share one count
    assert [event.data["way"] for event in of(events, Kind.RECOVERY_TRIED)] == ["smaller_task"]


async def test_one_of_four_that_loops_on_a_tool_answers_at_its_last_turn(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    loop = f"""
[[reply]]
{FOURTH[:-1]}, nth = 5 }}
json = {{ findings = [{{ passage = "p1", quote = "{TABLE}" }}], gaps = [] }}

[[reply]]
{FOURTH}
tool = {{ name = "search_documents", arguments = {{ query = "table" }} }}
"""
    async with atlas_with(script(loop)) as atlas:
        result, events = await asked(atlas, documents)
    assert (result["state"], result["partial"]) == ("done", False)
    calls = [event for event in of(events, Kind.TOOL_STARTED) if event.actor == "documents#a4"]
    assert len(calls) == 5  # what every worker begins with, and one in each turn but the last
    assert len(of(events, Kind.WORK_FINISHED)) == 4


async def test_one_of_four_that_is_too_slow_is_left_at_the_time_limit(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = f"[[reply]]\n{FOURTH}\nfirst_token = 300\njson = {{ findings = [], gaps = [] }}"
    async with atlas_with(script(slow)) as atlas:
        await atlas.warm()
        result, events = await asked(atlas, documents, budget={"seconds": 6})
    assert (result["state"], result["partial"]) == ("done", True)
    (failed,) = of(events, Kind.WORK_FAILED)
    assert failed.data["error"]["code"] == "budget_spent"
    assert result["output"]["answer"].startswith("Spring tides come")


@pytest.mark.parametrize("error", ["permission_denied", "model_not_found"])
async def test_when_all_of_twelve_fail_alike_no_more_are_sent(
    atlas_with: OpenAtlas, documents: Path, tmp_path: Path, error: str
) -> None:
    folder = tmp_path / "home" / "config" / "teams" / "many"
    _copied(folder)
    failing = f'[[reply]]\nwhen = {{ intent = "gather" }}\nfail = "{error}"'
    async with atlas_with(script(failing, workers=12)) as atlas:
        run = await atlas.start("many", question="Tides?", documents=[str(documents)])
        result = await run.envelope(wait_seconds=60)
        events = await atlas.events(run.id)
    assert result["state"] == "failed"
    assert result["error"]["code"] == "nothing_to_show"
    assert len(of(events, Kind.WORK_FAILED)) == 12
    calls = [event for event in of(events, Kind.MODEL_FAILED) if event.span_id.startswith("work/")]
    assert len(calls) <= 7  # those that were under way when the third had failed
    assert [event.data["level"] for event in of(events, Kind.ESCALATED)] == ["person"]


def _copied(folder: Path, more: str = "") -> None:
    from shutil import copytree

    from atlas_mcp.catalogue import shipped

    copytree(shipped("teams") / "research", folder)
    file = folder / "team.toml"
    text = file.read_text("utf-8").replace("max_assignments = 4", "max_assignments = 12")
    file.write_text(text.replace("rounds = 2\n", f"{more}\n") if more else text, "utf-8")


async def test_a_person_is_asked_when_all_failed_and_may_let_it_try_again(
    atlas_with: OpenAtlas, documents: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "config" / "teams" / "many"
    _copied(folder, more="escalate = true\nrounds = 1")
    failing = '[[reply]]\nwhen = { intent = "gather" }\nfail = "permission_denied"\ntimes = 1'
    async with atlas_with(script(failing)) as atlas:
        run = await atlas.start("many", question="Tides?", documents=[str(documents)])
        waiting = await run.envelope(wait_seconds=30)
        assert waiting["state"] == "waiting", waiting.get("error")
        assert waiting["question"]["kind"] == "escalation"
        await atlas.answer(run.id, {"decision": "again", "note": "the key is renewed"})
        result = await atlas.result(run.id, wait_seconds=30)
    assert (result["state"], result["output"]["claims"][0]["text"]) == ("done", SPRING)


async def test_a_person_is_asked_each_time_that_all_fail_again(
    atlas_with: OpenAtlas, documents: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "config" / "teams" / "many"
    _copied(folder, more="escalate = true\nrounds = 1")
    failing = '[[reply]]\nwhen = { intent = "gather" }\nfail = "permission_denied"'
    async with atlas_with(script(failing)) as atlas:
        run = await atlas.start("many", question="Tides?", documents=[str(documents)])
        first = (await run.envelope(wait_seconds=30))["question"]["id"]
        await atlas.answer(run.id, {"decision": "again"})
        again = await atlas.result(run.id, wait_seconds=30)
        assert again["state"] == "waiting", again.get("error")
        assert again["question"]["id"] != first
        await atlas.answer(run.id, {"decision": "give_up"})
        assert (await atlas.result(run.id, wait_seconds=30))["error"]["code"] == "nothing_to_show"
