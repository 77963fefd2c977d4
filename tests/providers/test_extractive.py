"""The extractive provider: plans, other shapes, and its stream; it never writes a word itself."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.errors import Cancelled, InvalidRequest, Unavailable
from atlas_mcp.messages import Intent, Material
from atlas_mcp.providers.extractive import ExtractiveProvider, open_provider
from atlas_mcp.providers.provider import complete
from tests.providers.parcels import PASSAGES, WordVectors, answer, asked, gathering

PLAN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["assignments", "reason"],
    "properties": {
        "assignments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 4,
            "items": {
                "type": "object",
                "required": ["id", "worker", "goal", "after"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"},
                    "worker": {"type": "string", "enum": ["documents", "sceptic"]},
                    "goal": {"type": "string", "minLength": 1},
                    "after": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "reason": {"type": ["string", "null"]},
    },
}


@pytest.fixture
def provider() -> ExtractiveProvider:
    return ExtractiveProvider(embedder=WordVectors())


# Planning and other shapes ---------------------------------------------------------------------------------


async def test_a_simple_question_goes_whole_to_every_worker(provider: ExtractiveProvider) -> None:
    given = await answer(provider, asked("What is a depot?", Intent.PLAN, PLAN_SCHEMA))
    assert [(each["id"], each["worker"], each["goal"]) for each in given["assignments"]] == [
        ("a1", "documents", "What is a depot?"),
        ("a2", "sceptic", "What is a depot?"),
    ]
    assert given["reason"] is None


async def test_goals_that_were_tried_give_way_to_narrower_ones(provider: ExtractiveProvider) -> None:
    said = "Plan again.\nAlready tried:\n- What is a depot in the parcel network?"
    prompt = asked("What is a depot in the parcel network?", Intent.PLAN, PLAN_SCHEMA, said=said)
    goals = [each["goal"] for each in (await answer(provider, prompt))["assignments"]]
    assert goals == ["depot parcel network"] * 2 + ["parcel network"] * 2


async def test_a_judgement_that_only_a_model_could_give_is_refused_with_a_way_out(
    provider: ExtractiveProvider,
) -> None:
    schema = {
        "type": "object",
        "required": ["score"],
        "properties": {"score": {"type": "number", "minimum": 0, "maximum": 5}},
    }
    prompt = asked("Is this good?", Intent.RATE, schema, Material(passages=PASSAGES))
    with pytest.raises(InvalidRequest, match=r"cannot give \$\.score.*OPENAI_API_KEY"):
        await complete(provider, prompt)


async def test_any_schema_is_filled_by_its_marks(provider: ExtractiveProvider) -> None:
    schema = {
        "type": "object",
        "required": ["best", "verdict", "sources", "ids", "evidence"],
        "properties": {
            "best": {"type": "string", "x-atlas-fill": "quote"},
            "verdict": {"type": ["string", "null"], "x-atlas-fill": "none"},
            "sources": {"type": "integer", "x-atlas-fill": "count"},
            "ids": {"type": "array", "x-atlas-fill": "rank", "items": {"type": "string", "pattern": "^p"}},
            "evidence": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["from", "text"],
                    "properties": {
                        "from": {"type": "string", "x-atlas-fill": "select"},
                        "text": {"type": "string", "x-atlas-fill": "quote"},
                    },
                },
            },
        },
    }
    prompt = asked("What is a depot?", Intent.REVIEW, schema, Material(passages=PASSAGES))
    given = await answer(provider, prompt)
    assert given["best"].startswith("A depot is a building")
    assert given["verdict"] is None
    assert given["sources"] == 3
    assert given["ids"][0] == given["evidence"][0]["from"] == "p2"


# The stream ------------------------------------------------------------------------------------------------


async def test_the_answer_comes_in_pieces_then_usage_then_the_end(provider: ExtractiveProvider) -> None:
    chunks = [chunk async for chunk in provider.stream(gathering("What should depots do?"))]
    *texts, usage, stopped = chunks
    assert len(texts) > 2
    assert all(isinstance(chunk, TextDelta) for chunk in texts)
    assert usage == Usage(cost_usd=0.0, estimated=False, calls=1)
    assert stopped == Stopped("end", "extractive", "sentences", language_model=False)


async def test_the_same_prompt_is_answered_the_same_way(provider: ExtractiveProvider) -> None:
    prompt = gathering("What should depots do with a recalled parcel?")
    assert await complete(provider, prompt) == await complete(provider, prompt)


async def test_a_stream_can_be_cancelled_between_two_pieces(provider: ExtractiveProvider) -> None:
    async with provider.stream(gathering("What should depots do?")) as stream:
        await anext(stream)
        stream.control.cancel("enough")
        with pytest.raises(Cancelled):
            await anext(stream)


async def test_a_closed_provider_answers_no_more(provider: ExtractiveProvider) -> None:
    await provider.aclose()
    with pytest.raises(Unavailable):
        await complete(provider, gathering("What is a depot?"))


async def test_it_says_that_no_language_model_wrote_anything_and_works_without_weights() -> None:
    provider = open_provider()
    assert provider.info.name == "extractive:sentences"
    assert not provider.info.language_model
    assert "No language model" in provider.info.note
    reply = await complete(provider, gathering("What is a depot?"))
    assert "A depot is a building" in reply.text
