"""Claude Code itself, with a fake model and no person: what reaches the model, and what a cut call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.clients import claude
from tests.peers.fake_anthropic import Call, Exchange, FakeModel
from tests.peers.place import SPRING, Place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.peer

RESEARCH, RUN_LIST, RUN_RESULT = "mcp__atlas__research", "mcp__atlas__run_list", "mcp__atlas__run_result"
TOOLS = (RESEARCH, RUN_LIST, RUN_RESULT)

TOOL_SECONDS = 4
SLOW = f"""
[[reply]]
when = {{ intent = "plan" }}
json = {{ assignments = [{{ id = "a1", worker = "documents", goal = "spring tides", after = [] }}] }}

[[reply]]
when = {{ intent = "gather" }}
json = {{ findings = [{{ passage = "p1", quote = "{SPRING}" }}], gaps = [] }}
seconds = {2 * TOOL_SECONDS}

[[reply]]
when = {{ intent = "compose" }}

[reply.json]
answer = "{SPRING} [f1]"
claims = [{{ text = "{SPRING}", finding_ids = ["f1"] }}]
disagreements = []
open_questions = []
confidence = 0.8
"""
"""A team whose one worker takes twice as long as Claude Code is told to wait."""


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_model_of_claude_code_reads_the_brief_it_asked_for(
    transport: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place: Place = request.getfixturevalue("place" if transport == "stdio" else "http_place")
    address = None if transport == "stdio" else request.getfixturevalue("address")

    def turn(exchanges: Sequence[Exchange]) -> Call | str:
        return exchanges[-1].structured["output"]["report"] if exchanges else Call(RESEARCH, place.asked)

    model = FakeModel(RESEARCH, turn)
    said = claude(model, place.configure(address), tmp_path, TOOLS)
    (exchange,) = model.exchanges
    assert not exchange.is_error, exchange.told
    output = exchange.structured["output"]
    assert output["findings"][0]["quote"] == SPRING
    assert SPRING in said
    assert said == output["report"].strip()


def test_a_call_that_claude_code_cuts_off_is_fetched_by_its_run(tmp_path: Path) -> None:
    place = Place.make(tmp_path / "place", SLOW)

    def turn(exchanges: Sequence[Exchange]) -> Call | str:
        if not exchanges:
            return Call(RESEARCH, place.asked)
        last = exchanges[-1]
        if last.call.tool == RESEARCH:
            return Call(RUN_LIST, {})
        if last.call.tool == RUN_RESULT and last.structured["output"]:
            return last.structured["output"]["answer"]
        told = exchanges[1].structured["runs"][0]
        return Call(RUN_RESULT, {"run_id": told["run_id"], "wait_seconds": TOOL_SECONDS / 2})

    model = FakeModel(RESEARCH, turn)
    said = claude(model, place.configure(), tmp_path, TOOLS, MCP_TOOL_TIMEOUT=str(TOOL_SECONDS * 1000))
    cut, listed, *watched = model.exchanges
    assert cut.is_error
    assert "timed out" in cut.told
    assert [run["state"] for run in listed.structured["runs"]] in (["queued"], ["running"])
    assert len(watched) > 1
    assert watched[-1].structured["state"] == "done"
    assert watched[-1].structured["usage"]["calls"] == 3
    assert said == f"{SPRING} [f1]"
