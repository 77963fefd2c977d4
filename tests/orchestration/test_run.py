"""What a run does, end to end, on the real graph, record and journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.events import Kind
from tests.orchestration.talk import COMPOSE, PLAN, QUESTION, SCRIPT, SPRING, TABLE, finished, gather

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orchestration.conftest import OpenAtlas


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


async def test_a_quote_whose_stored_source_is_gone_never_reaches_the_brief(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    late = COMPOSE + "tokens = 10\nseconds = 0.5\n"
    script = PLAN + gather("When do spring tides", SPRING) + gather("Who publishes", TABLE) + late
    async with atlas_with(script) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        async for event in atlas.watch(run.id):
            if event.kind is Kind.STEP_STARTED and event.data["step"] == "compose":
                break
        for source in (home / "sources").iterdir():
            source.unlink()
        made = await run.envelope(wait_seconds=20)
    assert made["state"] == "done"
    assert (made["output"]["claims"], made["output"]["findings"]) == ([], [])
    assert {"text": SPRING, "reason": "not verbatim in its stored source"} in made["output"]["unsupported"]


async def test_reading_many_documents_is_told_in_few_events(atlas_with: OpenAtlas, documents: Path) -> None:
    for number in range(300):
        (documents / f"{number}.md").write_text(f"Harbour {number} has a tide.", "utf-8")
    async with atlas_with(SCRIPT) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await run.envelope(wait_seconds=30)
        told = [event.data for event in await atlas.events(run.id) if event.kind is Kind.DOCUMENTS_READ]
    assert len(told) < 60
    assert told[-1]["done"] == told[-1]["total"] == 302


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
