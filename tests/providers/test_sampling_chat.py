"""Prompts as what a client's model is asked, and what it answered as chunks."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import (
    Image,
    Intent,
    Material,
    Message,
    Passage,
    Prompt,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.sampling_chat import answer_chunks, request_params

SEARCH = ToolSpec("search", "Finds.", {"type": "object"})
READ = ToolSpec("read", "Reads.", {"type": "object"})
PASSAGE = Passage("p1", Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z"), "The moon pulls.", 0)
TOOLED = (
    Message("user", (Text("Find."),)),
    Message("assistant", (Reasoning("hm"), Text("I look."), ToolCall("c1", "search", {"q": 1}),
                          ToolCall("c2", "read", {}))),
    Message("tool", (ToolResult("c1", "one"),)),
    Message("tool", (ToolResult("c2", "two", error=True),)),
)  # fmt: skip


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(messages or (Message("user", (Text("hello"),)),), Intent.COMPOSE, "hello", **fields)


def params(asked: Prompt, *, model: str = "", calls: bool = True) -> dict[str, Any]:
    return request_params(asked, model=model, most_tokens=9, calls=calls)


def text(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "content": {"type": "text", "text": said}}


def chunks(result: dict[str, Any], asked: Prompt | None = None) -> list[Any]:
    asked = asked or prompt()
    meter = Meter(asked)
    meter.began = True
    whole = {"role": "assistant", "model": "claude-x", "stopReason": "endTurn", **result}
    return answer_chunks(whole, provider="sampling", prompt=asked, meter=meter)


def test_a_plain_question_asks_for_nothing_it_need_not() -> None:
    assert params(prompt()) == {"messages": [text("user", "hello")], "maxTokens": 9}


def test_instructions_sampling_and_the_models_name_are_told() -> None:
    asked = prompt(system="Be brief.", sampling={"temperature": 0.0, "stop": "END", "seed": 3})
    assert params(asked, model="sonnet") == {
        "messages": [text("user", "hello")],
        "maxTokens": 9,
        "systemPrompt": "Be brief.",
        "modelPreferences": {"hints": [{"name": "sonnet"}]},
        "temperature": 0.0,
        "stopSequences": ["END"],
    }


def test_a_schema_is_told_in_words() -> None:
    system = params(prompt(system="Be brief.", schema={"type": "object", "x-atlas-fill": 1}))["systemPrompt"]
    assert system.startswith("Be brief.\n\nAnswer with one JSON object that fits this JSON Schema")
    assert system.endswith('{"type": "object"}')


def test_material_and_pictures_are_messages_of_their_own_block_each() -> None:
    parts = (Text("Quote."), Material((PASSAGE,)), Image("image/png", "AAAA"))
    words, picture = params(prompt(Message("user", parts)))["messages"]
    assert words["content"]["text"].startswith("Quote.\n\nWhat stands between <source>")
    assert picture == {
        "role": "user", "content": {"type": "image", "data": "AAAA", "mimeType": "image/png"},
    }  # fmt: skip


def test_calls_and_their_results_stand_together_for_a_client_that_has_tools() -> None:
    asked, said, calls, results = params(prompt(*TOOLED, tools=(SEARCH, READ)))["messages"]
    assert (asked, said) == (text("user", "Find."), text("assistant", "I look."))
    assert calls["content"] == [
        {"type": "tool_use", "id": "c1", "name": "search", "input": {"q": 1}},
        {"type": "tool_use", "id": "c2", "name": "read", "input": {}},
    ]
    assert results["role"] == "user"
    assert [(one["toolUseId"], one["isError"]) for one in results["content"]] == [("c1", False), ("c2", True)]


def test_calls_and_their_results_are_told_in_words_to_a_client_that_has_none() -> None:
    messages = params(prompt(*TOOLED), calls=False)["messages"]
    assert [message["content"]["type"] for message in messages] == ["text"] * 4
    assert (
        messages[1]["content"]["text"]
        == 'I look.\n\n(Called search with {"q": 1}.)\n\n(Called read with {}.)'
    )
    assert "\none\n" in messages[2]["content"]["text"]


@pytest.mark.parametrize(
    ("choice", "names", "mode"),
    [("auto", ["search", "read"], "auto"), ("required", ["search", "read"], "required"),
     ("read", ["read"], "required")],
)  # fmt: skip
def test_a_tool_that_must_be_called_is_the_only_one_offered(choice: str, names: list[str], mode: str) -> None:
    told = params(prompt(tools=(SEARCH, READ), tool_choice=choice))
    assert [tool["name"] for tool in told["tools"]] == names
    assert told["tools"][0].keys() == {"name", "description", "inputSchema"}
    assert told["toolChoice"] == {"mode": mode}


@pytest.mark.parametrize(
    ("said", "reason"),
    [("endTurn", "end"), ("stopSequence", "end"), ("maxTokens", "length"), ("refusal", "refused"),
     (None, "end"), ("of my own", "end")],
)  # fmt: skip
def test_an_answer_is_one_piece_its_model_and_an_estimate(said: str | None, reason: Any) -> None:
    (words, usage, stopped) = chunks({"content": {"type": "text", "text": "The moon."}, "stopReason": said})
    assert words == TextDelta("The moon.")
    assert usage == Usage(5, 3, cost_usd=None, estimated=True, calls=1)
    assert stopped == Stopped(reason, "sampling", "claude-x")


def test_calls_are_handed_out_after_what_was_said() -> None:
    blocks = [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "search", "input": {"q": 1}},
    ]
    words, call, usage, stopped = chunks({"content": blocks}, prompt(tools=(SEARCH,)))
    assert (words, call) == (TextDelta("I look."), ToolCall("c1", "search", {"q": 1}))
    assert usage.output_tokens > 1
    assert stopped.reason == "tool_calls"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "tool_use", "id": "c1", "name": "delete", "input": {}},
    ],
)
def test_what_nobody_asked_for_is_no_answer(block: dict[str, Any]) -> None:
    with pytest.raises(MalformedResponse, match=block["type"]):
        chunks({"content": block}, prompt(tools=(SEARCH,)))
