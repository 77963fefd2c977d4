"""Prompts as requests of the Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_mcp.messages import (
    Image,
    Intent,
    Material,
    Message,
    Part,
    Passage,
    Prompt,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from atlas_mcp.providers.wires.responses import request_body

SCHEMA = {"type": "object", "x-atlas-fill": "quote", "properties": {"items": {"type": "array"}}}
PASSAGE = Passage("p1", Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z"), "The moon pulls.", 0)
SEAL = '{"id": "rs_1", "encrypted_content": "gAAAAABo"}'
SEALED: dict[str, Any] = {"type": "reasoning", "summary": [], **json.loads(SEAL)}


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(messages or (Message("user", (Text("hello"),)),), Intent.PLAN, "hello", **fields)


def body(*messages: Message, without: set[str] | None = None, **fields: Any) -> dict[str, Any]:
    return request_body(prompt(*messages, **fields), "m", vendor="openai", without=without or set())


def turn(*parts: Part) -> Message:
    return Message("assistant", parts)


def test_a_prompt_becomes_a_request_of_which_nothing_is_kept() -> None:
    assert body(system="Be brief.") == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "hello"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
    }


def test_the_wishes_of_a_prompt_go_where_this_wire_has_them() -> None:
    tool = ToolSpec("search", "finds", {"type": "object"})
    asked = body(
        effort="high", max_output_tokens=9, sampling={"top_p": 0.1}, tools=(tool,), tool_choice="search"
    )
    assert asked["reasoning"] == {"summary": "auto", "effort": "high"}
    assert (asked["max_output_tokens"], asked["top_p"]) == (9, 0.1)
    assert asked["tools"] == [
        {"type": "function", "name": "search", "description": "finds", "parameters": {"type": "object"},
         "strict": False},
    ]  # fmt: skip
    assert asked["tool_choice"] == {"type": "function", "name": "search"}
    assert body(tools=(tool,), tool_choice="required")["tool_choice"] == "required"
    assert "tool_choice" not in body(tools=(tool,))


def test_a_schema_is_a_text_format_without_our_marks_and_not_strict() -> None:
    form = body(schema=SCHEMA)["text"]["format"]
    assert (form["type"], form["name"], form["strict"]) == ("json_schema", "plan", False)
    assert "x-atlas" not in json.dumps(form)


def test_what_the_server_refuses_is_left_out_or_said_in_words() -> None:
    asked = body(schema=SCHEMA, system="Be brief.", without={"text", "include", "reasoning.summary"})
    assert not {"text", "include", "reasoning"} & asked.keys()
    assert asked["instructions"].startswith("Be brief.\n\nAnswer with one JSON object")
    assert "reasoning" not in body(effort="low", without={"reasoning"})
    assert body(effort="low", without={"reasoning.summary"})["reasoning"] == {"effort": "low"}


def test_a_conversation_becomes_items_in_its_order() -> None:
    picture = Image("image/png", "aGk=")
    items = body(
        Message("user", (Text("Find."), picture, Material((PASSAGE,)))),
        turn(Text("I look."), ToolCall("c1", "search", {"q": "é"}), ToolCall("c2", "read", {})),
        Message("tool", (ToolResult("c1", "one"), ToolResult("c2", "two"))),
        Message("user", (ToolResult("c3", "three"), Text("Go on."))),
    )["input"]
    asked, looks, first, second, one, two, three, goes_on = items
    words, shown = asked["content"]
    assert words["type"] == "input_text"
    assert words["text"].startswith("Find.\n\nWhat stands between <source>")
    assert shown == {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"}
    assert looks == {"role": "assistant", "content": "I look."}
    assert first == {"type": "function_call", "call_id": "c1", "name": "search", "arguments": '{"q": "é"}'}
    assert second["call_id"] == "c2"
    assert [(item["type"], item["call_id"]) for item in (one, two, three)] == [
        ("function_call_output", "c1"), ("function_call_output", "c2"), ("function_call_output", "c3"),
    ]  # fmt: skip
    assert "\none\n" in one["output"]
    assert goes_on == {"role": "user", "content": "Go on."}


@pytest.mark.parametrize("maker", ["openai:m", "openai:m-2026-10-01"])
def test_a_models_own_sealed_reasoning_goes_back_before_what_came_of_it(maker: str) -> None:
    thought = Reasoning("hm", SEAL, maker)
    items = body(turn(thought, ToolCall("c1", "read", {})))["input"]
    assert items[0] == SEALED
    assert items[1]["call_id"] == "c1"


@pytest.mark.parametrize(
    "thought",
    [
        Reasoning("hm", SEAL, "openai:m-mini"),
        Reasoning("hm", SEAL, "openai:other-2026-10-01"),
        Reasoning("hm", "EqQBCgIYAhIM", "anthropic:m"),
        Reasoning("hm", None, "openai:m"),
    ],
)
def test_nobody_elses_reasoning_is_sent_and_none_without_its_seal(thought: Reasoning) -> None:
    assert body(turn(thought, Text("So.")))["input"] == [{"role": "assistant", "content": "So."}]


def test_reasoning_of_which_nothing_came_is_not_sent() -> None:
    alone = turn(Text("So."), Reasoning("hm", SEAL, "openai:m"))
    assert body(alone)["input"] == [{"role": "assistant", "content": "So."}]
