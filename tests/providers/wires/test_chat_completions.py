"""Prompts as request bodies, events as chunks."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.chunks import Chunk, ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import MalformedResponse, Overloaded, ProviderError, RateLimited
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
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.wires.chat_completions import ChatAssembly, request_body

SCHEMA = {
    "type": "object",
    "x-atlas-fill": "quote",
    "properties": {"items": {"type": "array", "items": [{"type": "string", "x-atlas-fill": "rank"}]}},
}
PASSAGE = Passage("p1", Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z"), "The moon pulls.", 0)


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(messages or (Message("user", (Text("hello"),)),), Intent.PLAN, "hello", **fields)


def assembly_for(asked: Prompt | None = None) -> ChatAssembly:
    asked = asked or prompt()
    meter = Meter(asked)
    meter.began = True
    return ChatAssembly(provider="openai", model="m", prompt=asked, meter=meter)


def assembled(*events: Any, asked: Prompt | None = None) -> list[Chunk]:
    assembly = assembly_for(asked)
    chunks = [chunk for event in events for chunk in assembly.take(json.dumps(event).encode())]
    return [*chunks, *assembly.end()]


def said(finish: str | None = None, /, **delta: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int | None, call_id: str | None = None, name: str | None = None, arguments: str = "") -> Any:
    piece: dict[str, Any] = {"function": {"arguments": arguments, **({"name": name} if name else {})}}
    return piece | ({"index": index} if index is not None else {}) | ({"id": call_id} if call_id else {})


def test_a_prompt_becomes_a_streaming_request_that_asks_for_its_usage() -> None:
    body = request_body(prompt(system="Be brief."), "m")
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_material_is_fenced_in_the_turn_it_stands_in() -> None:
    body = request_body(prompt(Message("user", (Text("Quote."), Material((PASSAGE,))))), "m")
    assert body["messages"][0]["role"] == "system"  # where it is asked to cite
    assert body["messages"][1]["content"].startswith("Quote.\n\nWhat stands between <source>")
    assert "\nThe moon pulls.\n</source>" in body["messages"][1]["content"]


def test_a_conversation_with_tools_keeps_calls_and_results_together() -> None:
    body = request_body(
        prompt(
            Message("user", (Text("Find."),)),
            Message(
                "assistant",
                (
                    Reasoning("hm"),
                    Text("I look."),
                    ToolCall("c1", "search", {"q": "é"}),
                    ToolCall("c2", "read", {}),
                ),
            ),
            Message("tool", (ToolResult("c1", "one"), ToolResult("c2", "two"))),
            Message("assistant", (ToolCall("c3", "read", {}),)),
            tools=(ToolSpec("search", "finds", {"type": "object"}),),
        ),
        "m",
    )
    _user, assistant, first, second, silent = body["messages"]
    assert assistant["content"] == "I look."
    assert assistant["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "search", "arguments": '{"q": "é"}'},
    }
    assert (first["role"], first["tool_call_id"], second["tool_call_id"]) == ("tool", "c1", "c2")
    assert "\none\n" in first["content"]
    assert silent["content"] is None
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "search", "description": "finds", "parameters": {"type": "object"}},
        }
    ]


def test_a_schema_is_sent_without_our_marks_and_not_strict() -> None:
    form = request_body(prompt(schema=SCHEMA), "m")["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["name"] == "plan"
    assert form["json_schema"]["strict"] is False
    assert "x-atlas" not in json.dumps(form)
    assert "x-atlas-fill" in SCHEMA


def test_a_schema_that_the_server_refuses_is_described_in_words() -> None:
    body = request_body(prompt(schema=SCHEMA, system="Be brief."), "m", without={"response_format"})
    assert "response_format" not in body
    system = body["messages"][0]["content"]
    assert system.startswith("Be brief.\n\nAnswer with one JSON object")
    assert '"type": "array"' in system
    assert "x-atlas" not in system


def test_limits_and_sampling_go_by_the_names_the_server_knows() -> None:
    asked = prompt(max_output_tokens=9, sampling={"temperature": 0.1})
    body = request_body(asked, "m")
    assert (body["max_tokens"], body["temperature"]) == (9, 0.1)
    body = request_body(asked, "m", without={"max_tokens", "temperature", "stream_options"})
    assert body["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature", "stream_options"} & body.keys()


def test_text_reasoning_and_measured_usage_become_chunks() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    chunks = assembled(
        said(role="assistant", content=""),
        said(reasoning_content="hm"),
        said(reasoning="so"),
        said(content="Hi"),
        said("stop"),
        {"choices": [], "usage": usage},
    )
    assert chunks == [
        ReasoningDelta("hm"),
        ReasoningDelta("so"),
        TextDelta("Hi"),
        Usage(9, 5, 4, 2, cost_usd=None, calls=1),
        Stopped("end", "openai", "m-1"),
    ]


def test_reasoning_counted_beside_the_completion_is_counted_within() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 5}}
    *_, measured, _stopped = assembled(said("stop", content="x"), {"usage": usage})
    assert isinstance(measured, Usage)
    assert (measured.output_tokens, measured.reasoning_tokens) == (7, 5)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}, "many"])
def test_usage_that_never_comes_is_estimated_and_says_so(usage: Any) -> None:
    asked = prompt(Message("user", (Text("x" * 400),)))
    *_, estimate, _stopped = assembled(said(content="y" * 41), said("stop"), {"usage": usage}, asked=asked)
    assert isinstance(estimate, Usage)
    assert estimate.estimated
    assert estimate.output_tokens == 11
    assert estimate.input_tokens > 50
    assert estimate.cost_usd is None


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end"),
        ("length", "length"),
        ("content_filter", "refused"),
        ("tool_calls", "tool_calls"),
        ("eos", "end"),
    ],
)
def test_the_reason_to_stop_is_mapped(finish: str, reason: str) -> None:
    stopped = assembled(said(content="x"), said(finish))[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == reason


def test_a_refusal_is_said_and_the_answer_counts_as_refused() -> None:
    chunks = assembled(said(refusal="I "), said(refusal="won't."), said("stop"))
    assert chunks[:2] == [TextDelta("I "), TextDelta("won't.")]
    assert isinstance(chunks[-1], Stopped)
    assert chunks[-1].reason == "refused"


def test_tool_calls_are_handed_out_whole_and_only_at_the_end() -> None:
    chunks = assembled(
        said(tool_calls=[call(0, "c1", "search", '{"q"')]),
        said(tool_calls=[call(1, "c2", "read", "")]),
        said(tool_calls=[call(0, None, None, ': "x"}')]),
        said("tool_calls"),
    )
    assert chunks[:2] == [ToolCall("c1", "search", {"q": "x"}), ToolCall("c2", "read", {})]
    assert isinstance(chunks[2], Usage)


def test_servers_without_indexes_ids_or_the_right_reason_are_understood() -> None:
    no_index = assembled(
        said(tool_calls=[call(None, "c1", "a", '{"x":'), call(None, None, None, "1}")]), said("stop")
    )
    assert no_index[0] == ToolCall("c1", "a", {"x": 1})
    assert isinstance(no_index[-1], Stopped)
    assert no_index[-1].reason == "tool_calls"
    one_index = assembled(
        said(tool_calls=[call(0, "c1", "a", "{}")]), said("stop", tool_calls=[call(0, "c2", "b", "{}")])
    )
    assert one_index[:2] == [ToolCall("c1", "a", {}), ToolCall("c2", "b", {})]
    no_id = assembled(said("stop", tool_calls=[call(0, None, "a", "{}")]))
    assert no_id[0] == ToolCall("call_1", "a", {})


@pytest.mark.parametrize("arguments", ['{"q": ', "[1]", "nonsense", '"text"'])
def test_arguments_that_are_no_json_object_are_a_malformed_response(arguments: str) -> None:
    with pytest.raises(MalformedResponse, match="search"):
        assembled(said(tool_calls=[call(0, "c1", "search", arguments)]), said("tool_calls"))


def test_half_a_call_at_the_length_limit_is_dropped() -> None:
    chunks = assembled(
        said(tool_calls=[call(0, "c1", "search", "{}"), call(1, "c2", "search", '{"q": "ha')]), said("length")
    )
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCall)] == [ToolCall("c1", "search", {})]
    assert isinstance(chunks[-1], Stopped)
    assert chunks[-1].reason == "length"


@pytest.mark.parametrize(
    "event",
    [
        b"{broken",
        b"[]",
        b'"text"',
        b'{"choices": 5}',
        b'{"choices": [null]}',
        b'{"choices": [{"delta": {"content": 5}}]}',
        b'{"choices": [{"delta": {"tool_calls": 5}}]}',
        b'{"choices": [{"delta": "text"}]}',
    ],
)
def test_what_does_not_have_the_protocols_form_is_malformed(event: bytes) -> None:
    assembly = assembly_for()
    with pytest.raises(MalformedResponse):
        assembly.take(event)


def test_errors_within_the_stream_are_typed() -> None:
    with pytest.raises(Overloaded):
        assembled({"error": {"message": "busy", "code": "server_is_overloaded"}})
    with pytest.raises(RateLimited):
        assembled({"error": {"message": "slow down", "code": 429}, "choices": []})


def test_other_choices_than_the_first_are_passed_over() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": None}]}
    assert assembled(other, said("stop", content="yes"))[0] == TextDelta("yes")


@given(
    arguments=st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.integers(), max_size=3),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_law_arguments_in_any_pieces_are_the_same_call(arguments: dict[str, Any], cuts: list[int]) -> None:
    text = json.dumps(arguments)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    events = [
        said(tool_calls=[call(0, "c" if not number else None, "t" if not number else None, piece)])
        for number, piece in enumerate(pieces)
    ]
    assert assembled(*events, said("tool_calls"))[0] == ToolCall("c", "t", arguments)


FIELDS = [
    "choices", "delta", "message", "content", "reasoning", "refusal", "tool_calls", "index", "id", "function",
    "name", "arguments", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "model", "error",
    "code", "prompt_tokens_details", "completion_tokens_details", "cached_tokens",
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "stop", "length"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=6,
)


@given(delta=ANYTHING, more=st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4))
def test_law_whatever_comes_is_chunks_or_an_error_of_ours(delta: Any, more: dict[str, Any]) -> None:
    for choice in ({"delta": delta, **more}, delta):
        assembly = assembly_for()
        with suppress(ProviderError):
            assembly.take(json.dumps({"choices": [choice], **more}).encode())
            assembly.end()
        with suppress(ProviderError):
            assembly_for().plain({"choices": [{"message": delta, "finish_reason": "stop"}], **more})
