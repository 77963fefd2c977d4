"""What a run does, end to end, on the real graph, record and journal."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.errors import InvalidInput, OutsideRoots, UnknownRun, UnknownTeam, UnreadableDocument
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from tests.orchestration.conftest import OpenAtlas

QUESTION = "When do spring tides come, and who publishes the tide table?"
SPRING = "Spring tides come at new moon and at full moon, when sun and moon pull together."
TABLE = "A harbour master must publish the tide table every month."

PLAN = """
[[reply]]
when = { intent = "plan" }
json = { assignments = [
  { id = "a1", worker = "documents", goal = "When do spring tides come?", after = [] },
  { id = "a2", worker = "documents", goal = "Who publishes the tide table?", after = [] },
] }
"""


def gather(goal: str, quote: str, *, more: str = "") -> str:
    finding = f'{{ passage = "p1", quote = "{quote}" }}'
    return f"""
[[reply]]
when = {{ intent = "gather", contains = "Your goal: {goal}" }}
json = {{ findings = [{finding}], gaps = [] }}
{more}
"""


COMPOSE = f"""
[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1] {TABLE} [f2]", claims = [
  {{ text = "Spring tides come at new moon and full moon.", finding_ids = ["f1"] }},
  {{ text = "A harbour master publishes the tide table.", finding_ids = ["f2"] }},
], disagreements = [], open_questions = [], confidence = 0.9 }}
"""

SCRIPT = PLAN + gather("When do spring tides", SPRING) + gather("Who publishes", TABLE) + COMPOSE


async def finished(atlas: Atlas, documents: Path, **wishes: Any) -> dict[str, Any]:
    run = await atlas.start("research", question=QUESTION, documents=[str(documents)], **wishes)
    return await run.envelope(wait_seconds=30)


async def test_a_run_ends_with_a_brief_whose_claims_cite_verbatim_quotes(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        made = await finished(atlas, documents)
    output = made["output"]
    assert made["state"] == "done"
    assert not made["partial"]
    assert [finding["quote"] for finding in output["findings"]] == [SPRING, TABLE]
    assert [source["title"] for source in output["sources"]] == ["Tides", "Harbours"]
    assert output["unsupported"] == []
    for finding in output["findings"]:
        text = (documents / f"{'tides' if finding['source_id'] == 's1' else 'harbours'}.md").read_text(
            "utf-8"
        )
        assert text[finding["location"]["start"] : finding["location"]["end"]] == finding["quote"]


async def test_events_come_in_order_and_end_with_the_runs_end(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        events = [event async for event in run]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].kind is Kind.RUN_QUEUED
    assert events[-1].kind is Kind.RUN_FINISHED
    workers = [event.data["assignment"] for event in events if event.kind is Kind.WORK_FINISHED]
    assert sorted(workers) == ["a1", "a2"]


async def test_a_worker_that_fails_is_a_value_and_the_others_findings_are_kept(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    when = 'when = { intent = "gather", contains = "Your goal: Who publishes" }'
    failing = f'[[reply]]\n{when}\nfail = "authentication"\n'
    compose = f"""
[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1]", claims = [
  {{ text = "{SPRING}", finding_ids = ["f1"] }},
], disagreements = [], open_questions = ["Who publishes the tide table?"], confidence = 0.5 }}
"""
    async with atlas_with(PLAN + gather("When do spring tides", SPRING) + failing + compose) as atlas:
        made = await finished(atlas, documents)
    assert made["state"] == "done"
    assert [finding["quote"] for finding in made["output"]["findings"]] == [SPRING]


async def test_a_run_in_which_every_worker_fails_says_why(atlas_with: OpenAtlas, documents: Path) -> None:
    failing = '[[reply]]\nwhen = { intent = "gather" }\nfail = "authentication"\n'
    async with atlas_with(PLAN + failing) as atlas:
        made = await finished(atlas, documents)
    assert made["state"] == "failed"
    assert made["error"]["code"] == "nothing_to_show"


async def test_a_claim_that_its_quotes_do_not_carry_is_shown_as_unsupported(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    compose = f"""
[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1]", claims = [
  {{ text = "{SPRING}", finding_ids = ["f1"] }},
  {{ text = "The range at Fundy is 21 metres.", finding_ids = ["f2"] }},
], disagreements = [], open_questions = [], confidence = 0.9 }}
"""
    script = PLAN + gather("When do spring tides", SPRING) + gather("Who publishes", TABLE) + compose
    async with atlas_with(script) as atlas:
        made = await finished(atlas, documents)
        events = await atlas.events(made["run_id"])
    assert [claim["text"] for claim in made["output"]["claims"]] == [SPRING]
    assert [each["text"] for each in made["output"]["unsupported"]] == ["The range at Fundy is 21 metres."]
    assert made["output"]["confidence"] == pytest.approx(0.45)
    assert sum(event.kind is Kind.OUTPUT_REPAIRED for event in events) == 2


async def test_a_quote_that_stands_in_no_source_never_reaches_the_brief(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    script = (
        PLAN + gather("When do spring tides", "Tides are made by whales.") + gather("Who publishes", TABLE)
    )
    async with atlas_with(script) as atlas:
        made = await finished(atlas, documents)
    assert [finding["quote"] for finding in made["output"]["findings"]] == [TABLE]
    assert {"text": "Tides are made by whales.", "reason": "not verbatim in any source"} in made["output"][
        "unsupported"
    ]


async def test_the_same_call_repeated_while_its_run_lives_attaches_to_it(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(PLAN + gather("When do", SPRING, more="seconds = 0.3\ntokens = 10")) as atlas:
        first = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        second = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        other = await atlas.start("research", question=QUESTION, documents=[str(documents)], fresh=True)
        assert (first.new, second.new, other.new) == (True, False, True)
        assert first.id == second.id != other.id


async def test_a_paused_run_waits_and_then_goes_on(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.8\ntokens = 40") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        assert (await run.envelope(wait_seconds=1.2))["state"] == "paused"
        await atlas.control(run.id, "resume")
        assert (await run.envelope(wait_seconds=20))["state"] == "done"


async def test_a_cancelled_run_ends_and_cannot_be_resumed(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = '[[reply]]\nwhen = { intent = "gather" }\nsay = "never"\nseconds = 60\ntokens = 2\n'
    async with atlas_with(PLAN + slow) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "cancel", reason="enough")
        made = await run.envelope(wait_seconds=5)
        assert made["state"] == "cancelled"
        assert made["error"]["message"] == "enough"
        with pytest.raises(InvalidInput, match="has ended"):
            await atlas.control(run.id, "resume")


async def test_leaving_an_atlas_interrupts_its_runs_and_the_next_one_goes_on(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.5\ntokens = 10") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.WORK_FINISHED)
    async with atlas_with(PLAN + slow + COMPOSE, resume=True) as atlas:
        made = await atlas.result(run.id, wait_seconds=20)
        events = await atlas.events(run.id)
    assert made["state"] == "done"
    kinds = [event.kind for event in events]
    assert Kind.RUN_INTERRUPTED in kinds
    assert Kind.RUN_RESUMED in kinds
    assert kinds.count(Kind.PLAN_MADE) == 1


async def test_a_run_at_its_call_limit_hands_back_what_there_is(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    compose = f"""
[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1]", claims = [
  {{ text = "{SPRING}", finding_ids = ["f1"] }},
], disagreements = [], open_questions = [], confidence = 0.5 }}
"""
    plan = PLAN.replace(
        'goal = "Who publishes the tide table?", after = []', 'goal = "Who publishes?", after = ["a1"]'
    )
    script = plan + gather("When do spring tides", SPRING) + gather("Who publishes", TABLE) + compose
    async with atlas_with(script) as atlas:
        made = await finished(atlas, documents, budget={"calls": 2})
    assert made["state"] == "done"
    assert made["partial"]
    assert [finding["quote"] for finding in made["output"]["findings"]] == [SPRING]


async def test_the_time_of_a_pause_does_not_count(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.6\ntokens = 30") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        run = await atlas.start(
            "research", question=QUESTION, documents=[str(documents)], budget={"seconds": 2.5}
        )
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        await run.envelope(wait_seconds=2.6)
        await atlas.control(run.id, "resume")
        made = await run.envelope(wait_seconds=20)
    assert made["state"] == "done"
    assert not made["partial"]


async def test_a_budget_spent_before_a_second_plan_still_hands_back_what_was_found(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    three = PLAN.replace(
        '{ id = "a2", worker',
        '{ id = "a3", worker = "documents", goal = "What else?", after = [] },\n  { id = "a2", worker',
    )
    failing = "\n".join(
        f'[[reply]]\nwhen = {{ intent = "gather", contains = "Your goal: {goal}" }}\nfail = "authentication"'
        for goal in ("Who publishes", "What else")
    )
    script = three + gather("When do spring tides", SPRING) + failing + COMPOSE.replace(f" {TABLE} [f2]", "")
    async with atlas_with(script) as atlas:
        made = await finished(atlas, documents, budget={"calls": 4})
    assert made["state"] == "done"
    assert made["partial"]
    assert [finding["quote"] for finding in made["output"]["findings"]] == [SPRING]


async def test_a_worker_that_comes_after_one_that_failed_is_not_paid_for(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    plan = PLAN.replace(
        'goal = "Who publishes the tide table?", after = []', 'goal = "Who publishes?", after = ["a1"]'
    )
    failing = '[[reply]]\nwhen = { intent = "gather" }\nfail = "authentication"\n'
    async with atlas_with(plan + failing) as atlas:
        made = await finished(atlas, documents)
        events = await atlas.events(made["run_id"])
    asked = [event.actor for event in events if event.kind is Kind.MODEL_STARTED and "#" in event.actor]
    assert "documents#a2" not in asked


async def test_many_workers_that_fail_alike_are_stopped(atlas_with: OpenAtlas, documents: Path) -> None:
    after = {1: "[]", 2: '["a1"]'}
    assignments = ",\n".join(
        f'{{ id = "a{n}", worker = "documents", goal = "Goal {n}", after = {after.get(n, "[]")} }}'
        for n in range(1, 5)
    )
    plan = f'[[reply]]\nwhen = {{ intent = "plan" }}\njson = {{ assignments = [{assignments}] }}\n'
    failing = '[[reply]]\nwhen = { intent = "gather" }\nfail = "authentication"\n'
    async with atlas_with(plan + failing) as atlas:
        made = await finished(atlas, documents)
        events = await atlas.events(made["run_id"])
    asked = sum(event.kind is Kind.MODEL_FAILED for event in events)
    assert made["state"] == "failed"
    assert asked == 3


async def test_an_interrupted_run_can_be_cancelled_for_good(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = '[[reply]]\nwhen = { intent = "gather" }\nsay = "never"\nseconds = 60\ntokens = 2\n'
    async with atlas_with(PLAN + slow) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
    async with atlas_with(PLAN + slow) as atlas:
        assert (await atlas.get(run.id)).state is RunState.INTERRUPTED
        assert (await atlas.control(run.id, "cancel")).state is RunState.CANCELLED


async def test_a_run_paused_while_it_waits_for_a_place_does_not_begin(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = '[[reply]]\nwhen = { intent = "plan", contains = "Hold the place" }\nsay = "x"\nseconds = 60\ntokens = 2\n'
    async with atlas_with(slow + SCRIPT, at_once=1) as atlas:
        first = await atlas.start("research", question="Hold the place", documents=[str(documents)])
        await seen(atlas, first.id, Kind.MODEL_STARTED)
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        await atlas.control(first.id, "cancel")
        await first.envelope(wait_seconds=10)
        assert (await run.envelope(wait_seconds=0.5))["state"] == "paused"
        await atlas.control(run.id, "resume")
        assert (await run.envelope(wait_seconds=20))["state"] == "done"


async def test_findings_do_not_depend_on_which_worker_was_faster(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.3\ntokens = 5") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        made = await finished(atlas, documents)
    assert [finding["id"] for finding in made["output"]["findings"]] == ["f1", "f2"]
    assert made["output"]["findings"][0]["quote"] == SPRING


async def test_a_run_without_documents_reads_the_handbook(atlas_with: OpenAtlas) -> None:
    async with atlas_with() as atlas:
        run = await atlas.start("research", question="What is a run?")
        await run.envelope(wait_seconds=30)
        events = await atlas.events(run.id)
    read = [event for event in events if event.kind is Kind.DOCUMENTS_READ]
    assert read


@pytest.mark.parametrize(
    ("team", "wishes", "error"),
    [
        ("nobody", {"question": "q"}, UnknownTeam),
        ("research", {}, InvalidInput),
        ("research", {"question": "   "}, InvalidInput),
        ("research", {"question": "x" * 20_001}, InvalidInput),
        ("research", {"question": 3}, InvalidInput),
        ("research", {"question": "q", "colour": "red"}, InvalidInput),
        ("research", {"question": "q", "documents": ["/etc/hostname"]}, OutsideRoots),
        ("research", {"question": "q", "budget": {"calls": 0}}, InvalidInput),
    ],
)
async def test_bad_input_is_refused_with_what_to_do(
    atlas_with: OpenAtlas, team: str, wishes: dict[str, Any], error: type[InvalidInput]
) -> None:
    async with atlas_with() as atlas:
        with pytest.raises(error) as caught:
            await atlas.start(team, **wishes)
        assert caught.value.remedy
        assert await atlas.list() == []


async def test_a_missing_document_is_named(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with() as atlas:
        with pytest.raises(UnreadableDocument, match=r"nowhere\.md"):
            await atlas.start("research", question="q", documents=[str(documents / "nowhere.md")])


async def test_an_unknown_run_is_refused(atlas_with: OpenAtlas) -> None:
    async with atlas_with() as atlas:
        with pytest.raises(UnknownRun):
            await atlas.result("r_01ARZ3NDEKTSV4RRFFQ69G5FAV")


async def test_a_document_given_as_text_is_cited_like_a_file(atlas_with: OpenAtlas) -> None:
    async with atlas_with(SCRIPT) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[f"Notes\n\n{SPRING}\n\n{TABLE}\n"])
        made = await run.envelope(wait_seconds=30)
    assert len(made["output"]["findings"]) == 2
    assert made["output"]["sources"][0]["uri"].startswith("text:")


async def test_the_envelope_stays_small_and_is_json(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(SCRIPT) as atlas:
        made = await finished(atlas, documents)
    assert len(json.dumps(made).encode()) <= 20_000


async def seen(atlas: Atlas, run_id: str, kind: Kind, *, actor: str = "") -> None:
    """Wait until an event of a kind was written."""
    async with asyncio.timeout(20):
        async for event in atlas.watch(run_id):
            if event.kind is kind and actor in {"", event.actor}:
                return
    raise AssertionError(f"the run ended without {kind}")


def test_a_runs_final_states_are_three() -> None:
    assert {state for state in RunState if state in {"done", "failed", "cancelled"}} == {
        RunState.DONE,
        RunState.FAILED,
        RunState.CANCELLED,
    }
