"""A person approves, edits or rejects a plan: at once, days later, and after their server was restarted."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.errors import InvalidInput, TeamChanged
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState
from tests.orchestration.talk import COMPOSE, PLAN, QUESTION, SCRIPT, SPRING, gather, seen

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas, Run
    from tests.orchestration.conftest import OpenAtlas

APPROVE = {"decision": "approve"}
ONLY_SPRING: dict[str, Any] = {
    "decision": "edit",
    "assignments": [{"id": "a1", "worker": "documents", "goal": "When do spring tides come?", "after": []}],
}


@pytest.fixture(autouse=True)
def careful(home: Path) -> Path:
    """A team that has its plans approved."""
    folder = home / "config" / "teams" / "careful"
    shutil.copytree(shipped("teams") / "research", folder)
    wiring = folder / "team.toml"
    wiring.write_text(f"approve = true\n{wiring.read_text('utf-8')}", "utf-8")
    return folder


async def asked(atlas: Atlas, documents: Path, **wishes: Any) -> tuple[Run, dict[str, Any]]:
    """A run that waits for its plan to be approved, and its envelope."""
    run = await atlas.start("careful", question=QUESTION, documents=[str(documents)], **wishes)
    return run, await run.envelope(wait_seconds=30)


async def kinds(atlas: Atlas, run_id: str) -> list[Kind]:
    return [event.kind for event in await atlas.events(run_id)]


async def test_a_run_that_asks_is_waiting_and_says_what_it_asks_and_how_to_answer(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, made = await asked(atlas, documents)
    assert made["state"] == "waiting"
    assert made["question"]["id"] == "approve/1"
    assert made["question"]["kind"] == "approve_plan"
    assert [each["goal"] for each in made["question"]["data"]["assignments"]] == [
        "When do spring tides come?", "Who publishes the tide table?",
    ]  # fmt: skip
    assert f'run_answer(run_id="{run.id}"' in made["next"]
    assert "questions" not in made


async def test_an_approved_plan_is_carried_out(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        await atlas.answer(run.id, APPROVE)
        made = await run.envelope(wait_seconds=20)
        happened = await kinds(atlas, run.id)
    assert made["state"] == "done"
    assert "question" not in made
    assert happened.count(Kind.QUESTION_ASKED) == happened.count(Kind.QUESTION_ANSWERED) == 1
    assert happened.index(Kind.QUESTION_ANSWERED) < happened.index(Kind.WORK_STARTED)


async def test_a_person_edits_the_plan_after_the_server_was_restarted(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT, resume=True) as atlas:
        run, _ = await asked(atlas, documents)
    async with atlas_with(SCRIPT, resume=True) as atlas:
        made = await run_waits(atlas, run.id)
        assert made["question"]["id"] == "approve/1"
        assert not atlas.works_on(run.id), "nobody needs to work on what waits"
        await atlas.answer(run.id, ONLY_SPRING)
        made = await atlas.result(run.id, wait_seconds=20)
        events = await atlas.events(run.id)
    assert made["state"] == "done"
    assert [finding["quote"] for finding in made["output"]["findings"]] == [SPRING]
    worked = [event.data["goal"] for event in events if event.kind is Kind.WORK_STARTED]
    assert worked == ["When do spring tides come?"]
    paid = [event for event in events if event.kind is Kind.MODEL_FINISHED and event.span_id == "plan/1"]
    assert len(paid) == 1, "the plan is paid once"
    answered = next(event for event in events if event.kind is Kind.QUESTION_ANSWERED)
    assert answered.data == {"id": "approve/1", "answer": ONLY_SPRING, "by": atlas.user}


async def test_a_run_whose_process_was_killed_while_it_waited_still_waits_and_goes_on(
    atlas_with: OpenAtlas, home: Path, documents: Path
) -> None:
    script = home / "killed.toml"
    script.write_text(SCRIPT, "utf-8")
    command = [sys.executable, "-m", "tests.orchestration.waiting_worker", home, script, documents]
    worker = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE)
    try:
        assert worker.stdout is not None
        async with asyncio.timeout(60):
            run_id, state = (await worker.stdout.readline()).decode().split()
    finally:
        worker.kill()
        await worker.wait()
    assert state == "waiting"
    async with atlas_with(SCRIPT, resume=True) as atlas:
        await run_waits(atlas, run_id)
        await atlas.answer(run_id, ONLY_SPRING)
        assert (await atlas.result(run_id, wait_seconds=20))["state"] == "done"
        happened = await kinds(atlas, run_id)
    assert happened.count(Kind.QUESTION_ASKED) == 1
    assert Kind.RUN_INTERRUPTED not in happened


async def run_waits(atlas: Atlas, run_id: str) -> dict[str, Any]:
    made = await atlas.result(run_id, wait_seconds=5)
    assert made["state"] == "waiting"
    return made


async def test_a_rejected_plan_ends_the_run_with_the_persons_reason(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        await atlas.answer(run.id, {"decision": "reject", "note": "too dear"})
        made = await run.envelope(wait_seconds=20)
    assert made["state"] == "failed"
    assert "too dear" in made["error"]["message"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"decision": "maybe"}, "'maybe' is not one of"),
    ({"decision": "edit"}, "'assignments' is a required property"),
    ({}, "'decision' is a required property"),
    (
        {"decision": "edit", "assignments": [{"id": "a1", "worker": "nobody", "goal": "g", "after": []}]},
        "'nobody' is not one of",
    ),
    (
        {
            "decision": "edit",
            "assignments": [{"id": "a1", "worker": "documents", "goal": "g", "after": ["a2"]}],
        },
        "'a2' is no assignment before this one",
    ),
]


@pytest.mark.parametrize(("answer", "told"), WRONG)
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays_open(
    atlas_with: OpenAtlas, documents: Path, answer: dict[str, Any], told: str
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        with pytest.raises(InvalidInput, match=told):
            await atlas.answer(run.id, answer)
        assert (await atlas.get(run.id)).state is RunState.WAITING
        assert len(await atlas.questions(run.id)) == 1


async def test_the_first_answer_counts_and_a_later_one_is_refused(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = gather("", SPRING, more="seconds = 60\ntokens = 40")
    async with atlas_with(PLAN + slow) as atlas:
        run, _ = await asked(atlas, documents)
        outcomes = await asyncio.gather(
            *(atlas.answer(run.id, APPROVE, question_id="approve/1") for _ in range(3)),
            return_exceptions=True,
        )
        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert len(refused) == 2
        assert all("came first" in str(each) for each in refused)
        with pytest.raises(InvalidInput, match="came first"):
            await atlas.answer(run.id, APPROVE)
        with pytest.raises(InvalidInput, match="no question 'approve/9'"):
            await atlas.answer(run.id, APPROVE, question_id="approve/9")


async def test_a_run_that_asks_nothing_takes_no_answer(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        with pytest.raises(InvalidInput, match="asks nothing"):
            await atlas.answer(run.id, APPROVE)
        await run.envelope(wait_seconds=20)
        with pytest.raises(InvalidInput, match="asks nothing any more"):
            await atlas.answer(run.id, APPROVE)


async def test_another_process_answers_and_the_one_that_owns_the_run_goes_on(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas, atlas_with(SCRIPT) as elsewhere:
        run, _ = await asked(atlas, documents)
        await elsewhere.answer(run.id, APPROVE)
        assert not elsewhere.works_on(run.id)
        assert (await elsewhere.result(run.id, wait_seconds=20))["state"] == "done"


async def test_a_waiting_run_lends_its_place_and_its_time_does_not_count(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT, at_once=1) as atlas:
        run, _ = await asked(atlas, documents, budget={"seconds": 2.0})
        other = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        assert (await other.envelope(wait_seconds=20))["state"] == "done"
        await atlas.result(run.id, wait_seconds=2.1, to_the_end=True)
        await atlas.answer(run.id, APPROVE)
        made = await run.envelope(wait_seconds=20)
    assert made["state"] == "done"
    assert not made["partial"]


async def test_a_waiting_run_can_be_cancelled_with_and_without_an_owner(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        left, _ = await asked(atlas, documents, fresh=True)
        await atlas.control(run.id, "cancel", reason="enough")
        assert (await atlas.result(run.id, wait_seconds=5, to_the_end=True))["state"] == "cancelled"
        assert await atlas.questions(run.id) == []
    async with atlas_with(SCRIPT) as atlas:
        assert (await atlas.control(left.id, "cancel")).state is RunState.CANCELLED


async def test_a_run_paused_while_it_waits_goes_on_when_it_is_answered_and_resumed(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        await atlas.answer(run.id, APPROVE)
        assert (await run.envelope(wait_seconds=0.5))["state"] == "paused"
        await atlas.control(run.id, "resume")
        assert (await run.envelope(wait_seconds=20))["state"] == "done"


async def test_a_run_resumed_before_it_is_answered_waits_again(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        await atlas.control(run.id, "resume")
        await seen(atlas, run.id, Kind.RUN_CONTINUED)
        assert (await run.envelope())["state"] == "waiting"
        await atlas.answer(run.id, APPROVE)
        assert (await run.envelope(wait_seconds=20))["state"] == "done"


async def test_the_same_call_attaches_to_the_run_that_waits(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
        again, _ = await asked(atlas, documents)
    assert (run.id, again.new) == (again.id, False)


async def test_an_answer_for_a_team_that_changed_is_kept_until_somebody_says_to_go_on(
    atlas_with: OpenAtlas, documents: Path, careful: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
    card = careful / "supervisor.md"
    card.write_text(card.read_text("utf-8") + "\nBe brief.\n", "utf-8")
    async with atlas_with(SCRIPT) as atlas:
        with pytest.raises(TeamChanged, match="answer is kept"):
            await atlas.answer(run.id, ONLY_SPRING)
        await atlas.control(run.id, "resume", changed_team=True)
        made = await atlas.result(run.id, wait_seconds=20)
    assert made["state"] == "done"
    assert len(made["output"]["findings"]) == 1


async def test_a_server_that_starts_takes_up_what_was_answered_meanwhile(
    atlas_with: OpenAtlas, documents: Path, careful: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run, _ = await asked(atlas, documents)
    card = careful / "supervisor.md"
    before = card.read_text("utf-8")
    card.write_text(before + "\nBe brief.\n", "utf-8")
    async with atlas_with(SCRIPT) as atlas:
        with pytest.raises(TeamChanged):
            await atlas.answer(run.id, APPROVE)
    card.write_text(before, "utf-8")
    async with atlas_with(SCRIPT, resume=True) as atlas:
        assert (await atlas.result(run.id, wait_seconds=20))["state"] == "done"


async def test_each_round_of_planning_is_asked_for_by_itself(atlas_with: OpenAtlas, documents: Path) -> None:
    nothing = '[[reply]]\nwhen = { intent = "gather", nth = 1 }\njson = { findings = [], gaps = ["tides"] }\n'
    async with atlas_with(PLAN + nothing + gather("When do spring tides", SPRING) + COMPOSE) as atlas:
        run, _ = await asked(atlas, documents)
        await atlas.answer(run.id, ONLY_SPRING)
        made = await run.envelope(wait_seconds=20)
        assert made["question"]["id"] == "approve/2"
        await atlas.answer(run.id, {"decision": "reject"}, question_id="approve/2")
        assert (await run.envelope(wait_seconds=20))["state"] == "failed"
