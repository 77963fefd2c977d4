"""Events of the Messages wire as chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_mcp.chunks import Chunk, Citation, ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import (
    ContextTooLong,
    MalformedResponse,
    Overloaded,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
)
from atlas_mcp.messages import ToolCall
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.wires.messages_answer import MessagesAssembly
from tests.providers.claude_says import (
    assembled,
    assembly_for,
    begin,
    char_location,
    delta,
    end,
    prompt,
    start,
    stop,
    text,
    tool,
)


def stopped(chunks: list[Chunk]) -> Stopped:
    last = chunks[-1]
    assert isinstance(last, Stopped)
    return last


def test_text_and_measured_usage_become_chunks() -> None:
    assert assembled(start(), *text(0, "", "Hi", " there"), *end()) == [
        TextDelta("Hi"),
        TextDelta(" there"),
        Usage(9, 5, cost_usd=None, calls=1),
        Stopped("end", "anthropic", "m-1"),
    ]


def test_input_counts_what_came_from_the_cache_and_went_into_it() -> None:
    cache = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    *_, usage, _stopped = assembled(
        start(**cache), *end(output=8, output_tokens_details={"thinking_tokens": 3})
    )
    assert usage == Usage(129, 8, 100, 3, cost_usd=None, calls=1, cache_write_tokens=20)


def test_what_is_counted_anew_at_the_end_takes_the_place_of_what_was_told_at_the_start() -> None:
    chunks = assembled(start(cache_read_input_tokens=7), *end(input_tokens=30, cache_read_input_tokens=None))
    assert chunks[0] == Usage(37, 5, 7, cost_usd=None, calls=1)


def test_the_meter_knows_the_prompt_from_the_start() -> None:
    asked = prompt()
    meter = Meter(asked)
    meter.began = True
    assembly = MessagesAssembly(provider="a", model="m", prompt=asked, meter=meter, native=True)
    assembly.take(json.dumps(start(cache_read_input_tokens=1000)).encode())
    assembly.take(json.dumps(delta(0, "text_delta", text="x" * 40)).encode())
    usage = meter.usage()
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (1009, 1000, 10)
    assert usage.estimated


@pytest.mark.parametrize("output", [None, "many"])
def test_output_that_is_not_told_is_estimated_and_not_taken_from_the_start(output: Any) -> None:
    *_, usage, _stopped = assembled(start(), *text(0, "y" * 41), *end(output=output))
    assert isinstance(usage, Usage)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (9, 11, True)


def test_a_thought_ends_with_its_seal() -> None:
    chunks = assembled(
        start(),
        begin(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="seal"),
        stop(0),
        *end(),
    )
    assert chunks[:2] == [ReasoningDelta("hm"), ReasoningDelta("", signature="seal")]


def test_a_thought_that_is_not_shown_has_a_seal_all_the_same() -> None:
    events = [begin(0, "thinking", thinking="", signature=""), delta(0, "signature_delta", signature="s")]
    assert assembled(start(), *events, stop(0), *end())[0] == ReasoningDelta("", signature="s")


def test_a_redacted_thought_is_a_seal_and_nothing_else() -> None:
    chunks = assembled(start(), begin(0, "redacted_thinking", data="x=="), stop(0), *end())
    assert chunks[0] == ReasoningDelta("[redacted]", signature="x==", redacted=True)


def test_a_call_is_handed_out_when_its_block_ends_and_not_before() -> None:
    assembly = assembly_for()
    for event in (start(), *tool(0, "t1", "search", "", '{"q": ', '"x"}')[:-1]):
        assert assembly.take(json.dumps(event).encode()) == []
    assert assembly.take(json.dumps(stop(0)).encode()) == [ToolCall("t1", "search", {"q": "x"})]


def test_calls_side_by_side_come_in_order() -> None:
    chunks = assembled(
        start(),
        *text(0, "Both:"),
        *tool(1, "t1", "a", '{"x": 1}'),
        *tool(2, "t2", "b", "{}"),
        *end("tool_use"),
    )
    assert chunks[1:3] == [ToolCall("t1", "a", {"x": 1}), ToolCall("t2", "b", {})]
    assert stopped(chunks).reason == "tool_calls"


def test_a_call_without_arguments_is_one() -> None:
    last = assembled(start(), *tool(0, "t1", "now"), *end("tool_use"))
    assert last[0] == ToolCall("t1", "now", {})
    followed = assembled(start(), *tool(0, "t1", "now"), *tool(1, "t2", "then"), *end("tool_use"))
    assert followed[:2] == [ToolCall("t1", "now", {}), ToolCall("t2", "then", {})]


def test_arguments_that_stand_at_the_beginning_of_the_block_are_taken() -> None:
    block = begin(0, "tool_use", id="t1", name="a", input={"x": 1})
    assert assembled(start(), block, stop(0), *end("tool_use"))[0] == ToolCall("t1", "a", {"x": 1})


def test_arguments_that_stand_at_the_beginning_of_the_block_are_counted() -> None:
    asked = prompt()
    meter = Meter(asked)
    assembly = MessagesAssembly(provider="a", model="m", prompt=asked, meter=meter, native=True)
    block = begin(0, "tool_use", id="t1", name="a", input={"x": "y" * 40})
    assembly.take(json.dumps(block).encode())
    assert meter.characters > 40


@pytest.mark.parametrize("pieces", [(), ('{"q": "ha',)])
@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "pause_turn"])
def test_half_a_call_is_none(reason: str, pieces: tuple[str, ...]) -> None:
    chunks = assembled(start(), *tool(0, "t1", "a", '{"x": 1}'), *tool(1, "t2", "b", *pieces), *end(reason))
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCall)] == [ToolCall("t1", "a", {"x": 1})]
    assert stopped(chunks).reason != "tool_calls"


@pytest.mark.parametrize("arguments", ['{"q": ', "[1]", "nonsense", '"text"'])
def test_arguments_that_are_no_json_object_are_a_malformed_response(arguments: str) -> None:
    with pytest.raises(MalformedResponse, match="search"):
        assembled(start(), *tool(0, "t1", "search", arguments), *end("tool_use"))
    with pytest.raises(MalformedResponse, match="search"):
        assembled(start(), *tool(0, "t1", "search", arguments), begin(1, "text", text=""))


def test_a_call_that_nobody_ended_is_malformed() -> None:
    with pytest.raises(MalformedResponse, match="within a tool call"):
        assembled(start(), *tool(0, "t1", "search", "{}")[:-1], *end("tool_use"))


def test_citations_count_in_the_snapshot_and_follow_what_they_carry() -> None:
    block = [
        begin(0, "text", text="", citations=[]),
        delta(0, "citations_delta", citation=char_location(0, 4, 8, "moon")),
        delta(0, "text_delta", text="It pulls"),
        stop(0),
    ]
    chunks = assembled(start(), *block, *end())
    assert chunks[:2] == [TextDelta("It pulls"), Citation("p1", 54, 58, "moon")]


@pytest.mark.parametrize(
    "citation",
    [
        char_location(9, 0, 1, "T"),
        char_location(-1, 0, 1, "T"),
        {"type": "web_search_result_location", "cited_text": "T", "url": "u"},
        {"type": "page_location", "document_index": 0, "cited_text": "T"},
    ],
)
def test_a_citation_of_what_was_not_given_is_passed_over(citation: dict[str, Any]) -> None:
    block = [begin(0, "text", text="x"), delta(0, "citations_delta", citation=citation), stop(0)]
    assert assembled(start(), *block, *end())[:-2] == [TextDelta("x")]


def test_where_passages_went_out_as_text_markers_are_citations() -> None:
    chunks = assembled(start(), *text(0, "It pulls [p", "1]."), *end(), native=False)
    assert chunks[2] == Citation("p1", 50, 73, "")
    native = assembled(start(), *text(0, "It pulls [p1]."), *end())
    assert not any(isinstance(chunk, Citation) for chunk in native)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("pause_turn", "length"),
        ("refusal", "refused"),
        ("something_new", "end"),
    ],
)
def test_the_reason_to_stop_is_mapped(said: str, reason: str) -> None:
    assert stopped(assembled(start(), *text(0, "x"), *end(said))).reason == reason


@pytest.mark.parametrize(
    ("details", "note"),
    [
        ({"type": "refusal", "category": "bio", "explanation": "Not this."}, "Not this."),
        ({"type": "refusal", "category": "bio", "explanation": None}, "bio"),
        (None, ""),
    ],
)
def test_a_refusal_says_why_where_the_server_does(details: Any, note: str) -> None:
    chunks = assembled(start(), *end("refusal", delta={"stop_details": details}))
    assert stopped(chunks) == Stopped("refused", "anthropic", "m-1", note=note)


def test_a_full_window_is_an_error_after_its_usage_is_known() -> None:
    asked = prompt()
    meter = Meter(asked)
    meter.began = True
    assembly = MessagesAssembly(provider="a", model="m", prompt=asked, meter=meter, native=True)
    for event in (start(), *text(0, "much"), *end("model_context_window_exceeded", 77)):
        assembly.take(json.dumps(event).encode())
    with pytest.raises(ContextTooLong):
        assembly.end()
    assert meter.usage() == Usage(9, 77, cost_usd=None, calls=1)


def test_only_the_terminal_event_makes_an_answer_whole() -> None:
    assembly = assembly_for()
    done = end()
    for event in (start(), *text(0, "x"), done[0]):
        assembly.take(json.dumps(event).encode())
    assert not assembly.whole
    assembly.take(json.dumps(done[1]).encode())
    assert assembly.whole
    assert assembly.take(b"{junk") == []


def test_an_answer_that_gives_no_reason_to_stop_is_malformed() -> None:
    with pytest.raises(MalformedResponse, match="why"):
        assembled(start(), *text(0, "x"), {"type": "message_stop"})
    with pytest.raises(MalformedResponse, match="why"):
        assembled(start(), *text(0, "x"), *end(None))


@pytest.mark.parametrize(
    ("error", "leaf"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, Overloaded),
        ({"type": "rate_limit_error", "message": "slow"}, RateLimited),
        ({"type": "api_error", "message": "oops"}, ServerFailed),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}, ContextTooLong),
        (
            {
                "type": "rate_limit_error",
                "message": "x",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
            QuotaExceeded,
        ),
        ("it broke", ServerFailed),
        (None, ServerFailed),
    ],
)
def test_errors_within_the_stream_are_typed(error: Any, leaf: type[ProviderError]) -> None:
    with pytest.raises(leaf) as streamed:
        assembled(start(), *text(0, "x"), {"type": "error", "error": error})
    assert type(streamed.value) is leaf
    with pytest.raises(leaf):
        assembly_for().plain({"type": "error", "error": error})


@pytest.mark.parametrize(
    "event",
    [
        b"{broken",
        b"[]",
        b'"text"',
        b"{}",
        b'{"type": "content_block_delta"}',
        b'{"type": "content_block_delta", "index": 0, "delta": "text"}',
        b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}}',
        b'{"type": "content_block_start", "index": 0, "content_block": null}',
        b'{"type": "message_start", "message": "hi"}',
        b'{"type": "message_delta"}',
    ],
)
def test_what_does_not_have_the_protocols_form_is_malformed(event: bytes) -> None:
    with pytest.raises(MalformedResponse):
        assembly_for().take(event)


def test_an_answer_in_one_piece_gives_the_same_chunks() -> None:
    answer: dict[str, Any] = {
        "type": "message",
        "model": "m-1",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "seal"},
            {"type": "redacted_thinking", "data": "x=="},
            {"type": "text", "text": "It pulls", "citations": [char_location(0, 4, 8, "moon")]},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "t1", "name": "a", "input": {"x": 1}},
            {"type": "tool_use", "id": "t2", "name": "b", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 2},
    }
    assert assembly_for().plain(answer) == [
        ReasoningDelta("hm"),
        ReasoningDelta("", signature="seal"),
        ReasoningDelta("[redacted]", signature="x==", redacted=True),
        TextDelta("It pulls"),
        Citation("p1", 54, 58, "moon"),
        ToolCall("t1", "a", {"x": 1}),
        ToolCall("t2", "b", {}),
        Usage(11, 5, 2, cost_usd=None, calls=1),
        Stopped("tool_calls", "anthropic", "m-1"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"content": None, "stop_reason": "end_turn"},
        {"content": ["x"], "stop_reason": "end_turn"},
        {"content": [{"type": "text", "text": 5}], "stop_reason": "end_turn"},
        {"content": [], "stop_reason": None},
        {"content": [{"type": "tool_use", "id": "t", "name": "a", "input": "{"}], "stop_reason": "tool_use"},
    ],
)
def test_an_answer_in_one_piece_that_is_none_is_malformed(answer: dict[str, Any]) -> None:
    with pytest.raises(MalformedResponse):
        assembly_for().plain(answer)
