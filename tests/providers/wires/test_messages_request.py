"""Prompts as request bodies of the Messages wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_mcp.messages import (
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
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.wires.messages_model import corrected, lacking
from atlas_mcp.providers.wires.messages_request import MOST_OUTPUT, cites_natively, request_body

CLAUDE = "claude-sonnet-5-5"
SOURCE = Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z")
PASSAGE = Passage("p1", SOURCE, "The moon pulls.", 0)
LONG = Passage("p2", SOURCE, "The moon pulls the sea twice a day. " * 200, 0)
SEARCH = ToolSpec("search", "finds", {"properties": {"q": {"type": "string"}}, "x-atlas-fill": "none"})
SCHEMA = {
    "type": "object",
    "x-atlas-fill": "quote",
    "properties": {"answer": {"type": "string", "maxLength": 9}},
}
MARK = {"type": "ephemeral"}


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(messages or (Message("user", (Text("hello"),)),), Intent.PLAN, "hello", **fields)


def body(
    asked: Prompt, model: str = CLAUDE, known: Capabilities | None = None, **more: Any
) -> dict[str, Any]:
    return request_body(asked, model, vendor="anthropic", known=known or Capabilities(), **more)


def test_a_prompt_becomes_a_request_with_a_limit() -> None:
    assert body(prompt(system="Be brief.")) == {
        "model": CLAUDE,
        "max_tokens": MOST_OUTPUT,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "stream": True,
    }
    assert body(prompt(), streaming=False)["stream"] is False


@pytest.mark.parametrize(
    ("wish", "able", "limit"),
    [(None, None, MOST_OUTPUT), (9, None, 9), (None, 64_000, 64_000), (9, 64_000, 9), (100, 50, 50)],
)
def test_the_limit_is_the_prompts_within_the_models(wish: int | None, able: int | None, limit: int) -> None:
    known = Capabilities(output=able)
    assert body(prompt(max_output_tokens=wish), known=known)["max_tokens"] == limit


@pytest.mark.parametrize(
    ("sampling", "without", "sent"),
    [
        (None, (), {"temperature", "top_k"}),
        (frozenset[str](), (), set[str]()),
        (frozenset({"temperature"}), (), {"temperature"}),
        (None, ("temperature",), {"top_k"}),
    ],
)
def test_sampling_goes_as_far_as_the_model_takes_it(
    sampling: frozenset[str] | None, without: tuple[str, ...], sent: set[str]
) -> None:
    asked = prompt(sampling={"temperature": 0.1, "top_k": 5})
    known = Capabilities(sampling=sampling)
    assert body(asked, known=known, without=without).keys() & {"temperature", "top_k"} == sent


def test_sampling_cannot_change_what_is_asked() -> None:
    assert body(prompt(sampling={"model": "other", "messages": []}))["model"] == CLAUDE


def test_tools_and_which_must_be_called() -> None:
    asked = body(prompt(tools=(SEARCH,)))
    assert asked["tools"] == [
        {
            "name": "search",
            "description": "finds",
            "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}},
        }
    ]
    assert "tool_choice" not in asked
    assert body(prompt(tools=(SEARCH,), tool_choice="required"))["tool_choice"] == {"type": "any"}
    named = prompt(tools=(SEARCH,), tool_choice="search")
    assert body(named)["tool_choice"] == {"type": "tool", "name": "search"}


@pytest.mark.parametrize(
    ("wish", "words"), [("required", "Now call a tool."), ("search", "Now call the tool search.")]
)
def test_a_call_that_cannot_be_forced_is_asked_for_in_words(wish: str, words: str) -> None:
    asked = body(prompt(tools=(SEARCH,), tool_choice=wish, system="Be brief."), without={"tool_choice"})
    assert "tool_choice" not in asked
    assert asked["system"] == f"Be brief.\n\n{words}"


def test_tools_that_may_no_longer_be_called_are_still_known() -> None:
    talk = (
        Message("user", (Text("Find."),)),
        Message("assistant", (ToolCall("c", "search", {}), ToolCall("d", "search", {}))),
        Message("tool", (ToolResult("c", "x"), ToolResult("d", "y"))),
    )
    asked = body(prompt(*talk))
    assert asked["tools"] == [{"name": "search", "input_schema": {"type": "object"}}]
    assert asked["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in body(prompt(*talk), without={"tool_choice"})


def test_a_schema_is_enforced_closed_and_without_our_marks() -> None:
    form = body(prompt(schema=SCHEMA))["output_config"]["format"]
    assert form == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"answer": {"type": "string", "description": "(maxLength: 9)"}},
            "additionalProperties": False,
        },
    }


@pytest.mark.parametrize("without", [{"output_config.format"}, {"output_config"}])
def test_a_schema_that_the_server_refuses_is_described_in_words(without: set[str]) -> None:
    asked = body(prompt(schema=SCHEMA, system="Be brief."), without=without)
    assert "output_config" not in asked
    assert asked["system"].startswith("Be brief.\n\nAnswer with one JSON object")
    assert "x-atlas" not in asked["system"]


def test_a_schema_that_cannot_be_closed_is_described_in_words() -> None:
    asked = body(prompt(schema={"type": "object"}, effort="low"))
    assert asked["output_config"] == {"effort": "low"}
    assert "JSON Schema" in asked["system"]


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_effort_is_adaptive_thinking_that_can_be_seen(effort: Any) -> None:
    asked = body(prompt(effort=effort))
    assert asked["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert asked["output_config"] == {"effort": effort}


def test_without_a_wish_the_model_thinks_as_it_does() -> None:
    assert not {"thinking", "output_config"} & body(prompt()).keys()


@pytest.mark.parametrize(
    ("without", "thinking", "effort"),
    [
        ((), {"type": "disabled"}, None),
        (("thinking.type.disabled",), {"type": "between_tools"}, None),
        (("thinking.type.disabled", "thinking.type.between_tools"), None, "low"),
        (("thinking",), None, "low"),
        (("thinking", "output_config.effort"), None, None),
    ],
)
def test_no_effort_switches_thinking_off_as_far_as_the_model_lets_it(
    without: tuple[str, ...], thinking: Any, effort: str | None
) -> None:
    asked = body(prompt(effort="none"), without=without)
    assert asked.get("thinking") == thinking
    assert asked.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("without", "thinking", "effort"),
    [
        (("output_config.effort",), {"type": "adaptive", "display": "summarized"}, None),
        (("output_config",), {"type": "adaptive", "display": "summarized"}, None),
        (("thinking.display",), {"type": "adaptive"}, "high"),
        (("thinking.type.adaptive",), None, "high"),
        (("thinking",), None, "high"),
    ],
)
def test_what_of_effort_is_refused_is_left_out(
    without: tuple[str, ...], thinking: Any, effort: str | None
) -> None:
    asked = body(prompt(effort="high"), without=without)
    assert asked.get("thinking") == thinking
    assert asked.get("output_config", {}).get("effort") == effort


def test_a_model_that_must_call_a_tool_is_not_told_to_think_before() -> None:
    asked = prompt(tools=(SEARCH,), tool_choice="required", effort="high")
    assert "thinking" not in body(asked)
    assert body(asked)["output_config"] == {"effort": "high"}
    assert body(asked, without={"tool_choice"})["thinking"]["type"] == "adaptive"


def test_passages_are_documents_for_claude_and_said_to_be_data() -> None:
    asked = body(prompt(Message("user", (Material((PASSAGE,)),)), system="Be brief."))
    assert asked["messages"][0]["content"][0]["type"] == "document"
    assert asked["system"].startswith("Be brief.\n\nWhat stands in documents")
    assert "square brackets" not in asked["system"]


@pytest.mark.parametrize(
    ("model", "fields", "known"),
    [
        ("llama", {}, Capabilities()),
        (CLAUDE, {"schema": SCHEMA}, Capabilities()),
        (CLAUDE, {}, Capabilities({Capability.DOCUMENTS: Strength.NONE})),
    ],
)
def test_elsewhere_passages_are_fenced_text(model: str, fields: dict[str, Any], known: Capabilities) -> None:
    asked = prompt(Message("user", (Material((PASSAGE,)),)), **fields)
    assert not cites_natively(asked, model, known)
    sent = body(asked, model, known)
    assert '<source id="p1"' in sent["messages"][0]["content"][0]["text"]
    assert ("square brackets" in sent.get("system", "")) == (not fields)


def test_a_turn_to_be_continued_is_passed_on_as_it_is() -> None:
    talk = (Message("user", (Text("Count."),)), Message("assistant", (Text("one, two,"),)))
    assert body(prompt(*talk))["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "one, two,"}],
    }


def test_seals_that_are_not_taken_back_are_not_sent() -> None:
    said = Message("assistant", (Reasoning("hm", "seal", f"anthropic:{CLAUDE}"), Text("So.")))
    asked = prompt(Message("user", (Text("Q?"),)), said, Message("user", (Text("And?"),)))
    assert body(asked)["messages"][1]["content"][0]["type"] == "thinking"
    assert "thinking" not in json.dumps(body(asked, without={"seals"}))


def test_what_stays_the_same_of_a_long_prompt_is_marked_for_the_cache() -> None:
    talk = (
        Message("user", (Material((PASSAGE, LONG)), Text("Q?"))),
        Message("assistant", (ToolCall("c", "search", {}),)),
        Message("tool", (ToolResult("c", "x"),)),
    )
    asked = body(prompt(*talk, system="Be brief.", tools=(SEARCH,)))
    assert asked["system"][0]["cache_control"] == MARK
    assert asked["messages"][0]["content"][1]["cache_control"] == MARK
    assert asked["messages"][2]["content"][0]["cache_control"] == MARK
    assert json.dumps(asked).count("ephemeral") == 3
    without_system = body(prompt(Message("user", (Text("long " * 1200),)), tools=(SEARCH,)))
    assert without_system["tools"][-1]["cache_control"] == MARK
    assert json.dumps(without_system).count("ephemeral") == 1


def test_a_short_prompt_is_not_marked() -> None:
    assert "ephemeral" not in json.dumps(body(prompt(Message("user", (Material((PASSAGE,)),)), system="x")))


# What the server says of a model ---------------------------------------------------------------------------

YES, NO = {"supported": True}, {"supported": False}


def test_what_the_server_says_of_a_model_corrects_what_is_known() -> None:
    known = Capabilities(
        {Capability.VISION: Strength.STRONG, Capability.DOCUMENTS: Strength.STRONG}, window=9
    )
    about = {
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": {"image_input": YES, "citations": NO, "structured_outputs": YES},
    }
    now = corrected(known, about)
    assert (now.window, now.output) == (200_000, 64_000)
    assert now.strengths == {
        Capability.VISION: Strength.STRONG,
        Capability.DOCUMENTS: Strength.NONE,
        Capability.STRUCTURED_OUTPUT: Strength.MODERATE,
    }


@pytest.mark.parametrize(
    "about", [{}, {"capabilities": None, "max_tokens": None}, {"capabilities": {"citations": 5}}]
)
def test_what_is_not_said_of_a_model_changes_nothing(about: dict[str, Any]) -> None:
    known = Capabilities({Capability.VISION: Strength.STRONG}, window=9)
    assert corrected(known, about) == known
    assert set(lacking(about)) == set()


def test_what_a_model_would_refuse_is_known_by_its_name() -> None:
    types = {"adaptive": YES, "disabled": NO, "between_tools": NO, "enabled": NO}
    about = {"capabilities": {"thinking": {**YES, "types": types}, "effort": NO}}
    assert set(lacking(about)) == {
        "thinking.type.disabled",
        "thinking.type.between_tools",
        "output_config.effort",
    }


def test_a_schema_is_described_in_words_to_a_model_that_is_said_to_know_none() -> None:
    about = {"capabilities": {"structured_outputs": NO}}
    told = corrected(Capabilities({Capability.STRUCTURED_OUTPUT: Strength.STRONG}), about)
    assert "output_config" not in body(prompt(schema=SCHEMA), known=told)
    insists = Capabilities({Capability.STRUCTURED_OUTPUT: Strength.STRONG})
    told = corrected(Capabilities().insisting(insists), about)
    assert "format" in body(prompt(schema=SCHEMA), known=told)["output_config"]
