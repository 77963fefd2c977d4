"""Who rates what: a judge of another family each time, of the text that is released, by a sound rubric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.chunks import Stopped
from atlas_mcp.events import Kind
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms
from tests.orchestration.atlas_talk import RUBRIC, TASK, script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Intent, Prompt
    from tests.orchestration.conftest import OpenAtlas

NONSENSE = '[[reply]]\nwhen = { intent = "rate" }\nsay = "Blub."'
VERDICT = """
[[reply]]
when = { intent = "rate" }
json = '{"criteria": [{"evidence": null, "name": "It is short", "rationale": "Read it.", "met": "yes"}]}'
"""


class Vendor:
    """A vendor's language model, which says what a script tells it to."""

    def __init__(self, vendor: str, text: str) -> None:
        self.asked: list[Intent] = []
        self._scripted = ScriptedProvider(Script.parse(text))
        named = {"name": f"{vendor}:{vendor}-1", "vendor": vendor, "model": f"{vendor}-1"}
        self.info = replace(self._scripted.info, **named, language_model=True)

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        self.asked.append(prompt.intent)
        return Stream(self._chunks(prompt, terms))

    async def _chunks(self, prompt: Prompt, terms: Terms) -> AsyncGenerator[Chunk]:
        async with self._scripted.stream(prompt, terms) as stream:
            async for chunk in stream:
                mine = {"provider": self.info.vendor, "model": self.info.model}
                yield replace(chunk, **mine) if isinstance(chunk, Stopped) else chunk

    async def aclose(self) -> None: ...


async def made(atlas: Atlas, documents: Path, rubric: str = RUBRIC) -> dict[str, Any]:
    run = await atlas.start("atlas", task=TASK, rubric=rubric, documents=[str(documents)])
    return await run.envelope(wait_seconds=60)


async def test_a_second_version_is_judged_by_another_family_than_its_writer_too(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    group = ProviderGroup([Vendor("alpha", script()), Vendor("beta", script())], name="two")
    async with atlas_with(provider=group) as atlas:
        output = (await made(atlas, documents))["output"]
    assert [(each["overall"], each["judges"]) for each in output["ratings"]] == [
        (3.1, ["beta:beta-1 (judge)"]), (4.2, ["beta:beta-1 (judge)"]),
    ]  # fmt: skip


async def test_where_a_judge_talks_nonsense_another_model_judges_and_is_named(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    alpha = Vendor("alpha", NONSENSE)
    group = ProviderGroup([alpha, Vendor("beta", VERDICT)], name="two")
    async with atlas_with(provider=group) as atlas:
        run = await atlas.start("rating", work="Tides.", rubric="- It is short", documents=[str(documents)])
        output = (await run.envelope(wait_seconds=30))["output"]
    assert output["judges"] == ["beta:beta-1 (judge)"]
    assert len(alpha.asked) == 3


async def test_what_is_said_of_another_text_is_no_rating_of_a_version_that_failed(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    both = script().replace('good enough?", after = ["a2"]', 'good enough?", after = ["a1", "a2"]')
    failing = (
        '[[reply]]\nwhen = { intent = "plan", contains = "Instructions: " }\nfail = "permission_denied"\n'
    )
    async with atlas_with(failing + both) as atlas:
        result = await made(atlas, documents)
        events = await atlas.events(result["run_id"])
    kept = [event.data for event in events if event.kind is Kind.VERSION_KEPT]
    assert {(each["score"], each["gate"]) for each in kept} == {(3.1, "revise")}
    assert {each["of"] for each in result["output"]["ratings"]} == {"a1", "a2"}


async def test_a_rubric_that_is_none_is_refused_before_anything_is_spent(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script()) as atlas:
        result = await made(atlas, documents, rubric="- It is short (0 points)")
    assert result["state"] == "failed"
    assert result["error"]["field"] == "rubric.criteria[0].points"
    assert not result["usage"].get("calls")


@pytest.mark.parametrize("minimum", [-1, 5.5])
async def test_a_minimum_that_no_score_can_be_is_refused(
    atlas_with: OpenAtlas, documents: Path, minimum: float
) -> None:
    async with atlas_with() as atlas:
        run = await atlas.start("rating", work="Tides.", minimum=minimum, documents=[str(documents)])
        error = (await run.envelope(wait_seconds=30))["error"]
    assert error["field"] == "minimum"


async def test_a_minimum_of_nothing_is_one(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(VERDICT.replace("yes", "no")) as atlas:
        run = await atlas.start(
            "rating", work="Tides.", minimum=0, rubric="- It is short", documents=[str(documents)]
        )
        output = (await run.envelope(wait_seconds=30))["output"]
    assert "below" not in output["why"]
