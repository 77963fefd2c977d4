"""What holds over each transport and in both eras of the protocol."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from mcp import MCPError

from atlas_mcp.shapes import misfits
from tests.surface.caller import Heard
from tests.surface.conftest import NEVER_ENDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.surface.caller import Served

QUESTION = "When do spring tides come?"
TEAMS = ["analysis", "atlas", "rating", "research", "writing"]
STEERING = ["run_team", "run_result", "run_list", "run_control", "run_answer"]
TOOLS = [*TEAMS, *STEERING, "recall", "remember", "forget", "ingest"]


async def test_a_call_gives_the_whole_brief_in_its_envelope(served: Served, documents: Path) -> None:
    async with served() as dial, dial() as client:
        answer = await client.ask("research", {"question": QUESTION, "documents": [str(documents)]})
        envelope = answer.structured
        assert (envelope["state"], envelope["output"]["run_id"]) == ("done", envelope["run_id"])
        assert len(json.dumps(envelope, ensure_ascii=False).encode()) <= 20_000
        schema = next(tool for tool in await client.tools() if tool.name == "research").output_schema
        assert misfits(schema or {}, envelope) == []
        assert answer.text.startswith(f"# {QUESTION}")
        assert answer.links == [envelope["report_uri"]]
        assert (await client.read(envelope["report_uri"])).startswith(f"# {QUESTION}")


async def test_progress_counts_up_and_names_the_run_first(served: Served, documents: Path) -> None:
    heard = Heard(asyncio.get_running_loop().create_future())
    async with served() as dial, dial() as client:
        asked = {"question": QUESTION, "documents": [str(documents)]}
        answer = await client.ask("research", asked, heard)
    assert await heard.run_id == answer.structured["run_id"]
    assert heard.counts == sorted(set(heard.counts))
    assert "compose: writing from what was found" in heard.messages


async def test_the_tools_are_the_same_in_the_same_order(served: Served) -> None:
    async with served() as dial, dial() as client:
        tools = await client.tools()
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema or {})


async def test_a_call_that_may_not_wait_returns_at_once_and_the_same_call_attaches(
    served: Served, documents: Path
) -> None:
    asked = {"question": QUESTION, "documents": [str(documents)], "wait_seconds": 0}
    async with served(NEVER_ENDS) as dial, dial() as client:
        begun = await client.call("research", **asked)
        assert begun["state"] in {"queued", "running"}
        assert begun["run_id"] in begun["next"]
        again = await client.call("research", **asked)
        assert again["run_id"] == begun["run_id"]
        other = await client.call("research", **asked, fresh=True)
        assert other["run_id"] != begun["run_id"]


async def test_a_run_is_paused_resumed_and_cancelled(served: Served, documents: Path) -> None:
    asked = {"question": QUESTION, "documents": [str(documents)]}
    async with served(NEVER_ENDS) as dial, dial() as client:
        run_id = (await client.call("research", **asked, wait_seconds=1))["run_id"]
        assert (await client.call("run_control", run_id=run_id, action="pause"))["state"] == "paused"
        assert (await client.call("run_control", run_id=run_id, action="resume"))["state"] == "running"
        assert (await client.call("run_control", run_id=run_id, action="cancel"))["state"] == "cancelled"
        late = await client.ask("run_control", {"run_id": run_id, "action": "cancel"})
        assert late.is_error
        assert "it has ended" in late.text


async def test_another_client_sees_the_run_and_waits_for_it(served: Served, documents: Path) -> None:
    asked = {"question": QUESTION, "documents": [str(documents)]}
    async with served() as dial, dial() as first:
        begun = await first.call("research", **asked, wait_seconds=0)
        async with dial() as second:
            ended = await second.call("run_result", run_id=begun["run_id"])
            assert ended["state"] == "done"
            newest = (await second.call("run_list"))["runs"][0]
            assert (newest["run_id"], newest["title"]) == (begun["run_id"], QUESTION)


async def test_a_cancelled_call_leaves_the_run_at_work(served: Served, documents: Path) -> None:
    heard = Heard(asyncio.get_running_loop().create_future())
    asked = {"question": QUESTION, "documents": [str(documents)]}
    async with served(NEVER_ENDS) as dial, dial() as client:
        watching = asyncio.create_task(client.ask("research", asked, heard))
        run_id = await heard.run_id
        watching.cancel()
        await asyncio.wait({watching})
        standing = await client.call("run_result", run_id=run_id, wait_seconds=1)
        assert standing["state"] == "running"


BAD_INPUT: list[tuple[str, dict[str, Any], str]] = [
    ("research", {}, "research: question is missing. It takes question"),
    ("ingest", {}, "ingest: documents is missing. It takes documents. documents is a list: Paths"),
    ("research", {"question": "  "}, "'question' is empty"),
    ("research", {"question": "long " * 5000}, "20,000 is the most"),
    ("research", {"question": QUESTION, "dokuments": []}, "It takes question"),
    ("research", {"question": QUESTION, "documents": ["/etc/passwd"]}, "may not be read"),
    ("research", {"question": QUESTION, "documents": ["DOCUMENTS/../secret"]}, "may not be read"),
    ("research", {"question": QUESTION, "documents": ["DOCUMENTS/gone.md"]}, "Check the path"),
    ("research", {"question": QUESTION, "budget": {"seconds": -1}}, "$.budget.seconds"),
    ("run_team", {"team": "nobody", "input": {}}, "There is no team 'nobody'. Teams: analysis, atlas"),
    ("run_result", {"run_id": "r_none"}, "There is no run 'r_none'. List your runs with run_list"),
    ("run_control", {"run_id": "r_none", "action": "cancel"}, "There is no run 'r_none'."),
    ("run_control", {"run_id": "r_none", "action": "explode"}, "$.action"),
    ("recall", {"query": " "}, "Ask in 1 to 2,000 characters"),
    ("forget", {"ids": ["m_none"]}, "There is no memory 'm_none'."),
    ("ingest", {"documents": []}, "$.documents"),
    ("ingest", {"documents": ["/etc/passwd"]}, "may not be read"),
]


async def test_bad_input_is_told_in_a_sentence_and_the_server_lives_on(
    served: Served, documents: Path
) -> None:
    async with served() as dial, dial() as client:
        for tool, arguments, sentence in BAD_INPUT:
            named = [name.replace("DOCUMENTS", str(documents)) for name in arguments.get("documents", [])]
            answer = await client.ask(tool, arguments | ({"documents": named} if named else {}))
            assert answer.is_error
            assert sentence in answer.text
        assert (await client.call("run_list"))["runs"] == []


async def test_a_failed_run_is_an_error_that_names_the_run_and_what_to_do(
    served: Served, documents: Path
) -> None:
    empty = documents / "empty"
    empty.mkdir()
    async with served() as dial, dial() as client:
        failed = await client.ask("research", {"question": QUESTION, "documents": [str(empty)]})
    assert failed.is_error
    assert failed.structured["run_id"] in failed.text
    assert "Name text, Markdown, HTML, PDF, CSV or Excel." in failed.text


async def test_ingested_documents_are_what_later_runs_answer_from(served: Served, documents: Path) -> None:
    async with served() as dial, dial() as client:
        done = await client.call("ingest", documents=[str(documents)])
        assert (done["added"], done["skipped"]) == (1, [])
        envelope = await client.call("research", question=QUESTION)
        assert envelope["state"] == "done"
        assert all("tides.md" in source["uri"] for source in envelope["output"]["sources"])


async def test_what_is_remembered_is_recalled_and_forgotten(served: Served) -> None:
    async with served() as dial, dial() as client:
        kept = await client.call("remember", text="Spring tides come at new moon.")
        found = await client.call("recall", query=QUESTION)
        assert [each["id"] for each in found["memories"]] == [kept["id"]]
        about = json.loads(await client.read("atlas://memory?about=spring%20tides"))
        assert [each["id"] for each in about["memories"]] == [kept["id"]]
        gone = await client.call("forget", ids=[kept["id"]])
        assert gone["forgotten"] == [kept["id"]]
        assert json.loads(await client.read("atlas://memory"))["memories"] == 0


async def test_resources_tell_what_a_run_did(served: Served, documents: Path) -> None:
    async with served() as dial, dial() as client:
        envelope = await client.call("research", question=QUESTION, documents=[str(documents)])
        run = f"atlas://runs/{envelope['run_id']}"
        assert json.loads(await client.read(run)) == envelope
        assert json.loads(await client.read(f"{run}/events"))[-1]["kind"] == "run.finished"
        assert json.loads(await client.read(f"{run}/evidence"))["findings"] == envelope["output"]["findings"]
        assert (await client.read(f"{run}/graph")).startswith("flowchart TD")
        assert json.loads(await client.read("atlas://runs"))[0]["run_id"] == envelope["run_id"]
        assert [each["name"] for each in json.loads(await client.read("atlas://teams"))] == TEAMS
        assert "output" in json.loads(await client.read("atlas://teams/research"))
        assert json.loads(await client.read("atlas://health"))["status"] == "ok"
        for gone in ("atlas://runs/r_none", "atlas://teams/nobody"):
            with pytest.raises(MCPError, match="There is no"):
                await client.read(gone)
