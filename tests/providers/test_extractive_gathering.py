"""Gathering without a model: which sentences are found, how they are quoted, what is said to be missing."""

from __future__ import annotations

import json

import pytest

from atlas_mcp.messages import Intent, Message, Prompt, Text, ToolCall, ToolResult, ToolSpec
from atlas_mcp.orchestration.trades.gathering import SCHEMA as GATHER_SCHEMA
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.providers.provider import complete
from tests.providers.parcels import PASSAGES, SEARCH, WordVectors, answer, gathering


@pytest.fixture
def provider() -> ExtractiveProvider:
    return ExtractiveProvider(embedder=WordVectors())


async def test_every_quote_is_a_slice_of_the_passage_it_names(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("What should depots do with a recalled parcel?"))
    shown = {each.id: each.text for each in PASSAGES}
    assert given["findings"]
    assert all(finding["quote"] in shown[finding["passage"]] for finding in given["findings"])


async def test_a_line_that_introduces_a_list_is_quoted_with_its_items(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("What should depots do that receive a recall notice?"))
    best = given["findings"][0]["quote"]
    assert best.startswith("Depots that receive")
    assert best.endswith("- Not send a receipt for it")


async def test_a_sentence_that_leans_on_the_one_before_comes_with_it(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("How many gates has a depot?"))
    quotes = [finding["quote"] for finding in given["findings"]]
    assert (
        "A depot is a building in which parcels wait for their carrier. It has at least one gate." in quotes
    )
    assert "It has at least one gate." not in quotes


async def test_what_no_passage_speaks_of_is_a_gap_and_no_finding(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("Which language does the moon speak?"))
    assert given["findings"] == []
    assert given["gaps"] == ["Which language does the moon speak?"]


async def test_few_good_findings_are_given_rather_than_many_weak_ones(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("May a carrier open a parcel?"))
    quotes = " ".join(finding["quote"] for finding in given["findings"])
    assert "MUST NOT" in quotes
    assert "Soup" not in quotes


async def test_an_answer_in_a_question_with_two_parts_says_which_part_it_is_about(
    provider: ExtractiveProvider,
) -> None:
    question = "What is a depot, and how does a sender stop a parcel?"
    given = await answer(provider, gathering(question))
    assert {finding["about"] for finding in given["findings"]} == {
        "What is a depot?",
        "How does a sender stop a parcel?",
    }


async def test_missing_words_are_searched_for_once_and_then_done_without(
    provider: ExtractiveProvider,
) -> None:
    prompt = gathering("Which customs duties apply to parcels?", PASSAGES[2], tools=(SEARCH,))
    reply = await complete(provider, prompt)
    (call,) = reply.calls
    assert call.name == "search_documents"
    assert call.arguments == {"query": "customs duties apply parcels"}
    assert reply.stopped.reason == "tool_calls"
    told = Message("tool", (ToolResult(call.id, "nothing"),))
    again = await complete(
        provider,
        Prompt(
            (*prompt.messages, reply.message, told),
            Intent.GATHER,
            prompt.about,
            tools=(SEARCH,),
            schema=GATHER_SCHEMA,
        ),
    )
    assert again.calls == ()
    assert json.loads(again.text)["findings"] == []


async def test_passages_that_a_tool_found_are_quoted_like_any_other(provider: ExtractiveProvider) -> None:
    call = ToolCall("c1", "search_documents", {"query": "carrier"})
    messages = (
        Message("user", (Text("Do it."),)),
        Message("assistant", (call,)),
        Message("tool", (ToolResult("c1", "1 passage", (PASSAGES[1],)),)),
    )
    prompt = Prompt(
        messages, Intent.GATHER, "May a carrier open a parcel?", tools=(SEARCH,), schema=GATHER_SCHEMA
    )
    assert (await answer(provider, prompt))["findings"][0]["passage"] == "p2"


async def test_a_tool_that_wants_more_than_a_query_is_not_called(provider: ExtractiveProvider) -> None:
    wants = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "folder": {"type": "string"}},
        "required": ["query", "folder"],
    }
    prompt = gathering("Which customs duties apply?", PASSAGES[2], tools=(ToolSpec("search", "", wants),))
    assert (await complete(provider, prompt)).calls == ()
