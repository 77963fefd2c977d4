"""Events of the Responses API, and its answers in one piece, as chunks."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import errors
from atlas_mcp.chunks import Chunk, Citation, ReasoningDelta, Stopped, TextDelta, Usage
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
)
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.wires.responses import ResponsesAssembly, request_body

PASSAGE = Passage("p1", Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z"), "The moon pulls.", 0)
SEAL = '{"id": "rs_1", "encrypted_content": "gAAAAABo"}'
SEALED: dict[str, Any] = {"type": "reasoning", "summary": [], **json.loads(SEAL)}

KINDS = [
    "output_text.delta", "refusal.delta", "reasoning_summary_text.delta", "function_call_arguments.delta",
    "function_call_arguments.done", "output_item.done", "completed", "incomplete", "failed",
]  # fmt: skip
FIELDS = [
    "type", "status", "delta", "arguments", "item", "item_id", "output_index", "summary_index", "response",
    "output", "content", "summary", "text", "error", "message", "code", "usage", "input_tokens",
    "output_tokens", "input_tokens_details", "output_tokens_details", "cached_tokens", "encrypted_content",
    "incomplete_details", "reason", "id", "call_id", "name", "model",
]  # fmt: skip


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(messages or (Message("user", (Text("hello"),)),), Intent.PLAN, "hello", **fields)


def assembly_for(asked: Prompt | None = None) -> ResponsesAssembly:
    asked = asked or prompt()
    meter = Meter(asked)
    meter.began = True
    return ResponsesAssembly(provider="openai", model="m", prompt=asked, meter=meter)


def assembled(*events: Any, asked: Prompt | None = None) -> list[Chunk]:
    assembly = assembly_for(asked)
    chunks = [chunk for event in events for chunk in assembly.take(json.dumps(event).encode())]
    assert assembly.whole is assembly.over
    return [*chunks, *assembly.end()] if assembly.over else chunks


def said(kind: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 7, "obfuscation": "x7Kp", **fields}


def text(delta: str) -> dict[str, Any]:
    return said("output_text.delta", delta=delta, item_id="msg_1", output_index=1, logprobs=[])


def thought(delta: str, part: int = 0, item: str = "rs_1") -> dict[str, Any]:
    return said("reasoning_summary_text.delta", delta=delta, item_id=item, summary_index=part)


def done(item: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return said("output_item.done", item=item, output_index=place)


def call(call_id: str, name: str, arguments: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc", "call_id": call_id, "name": name, "arguments": arguments,
            **fields}  # fmt: skip


def ended(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return said(status, response={"status": status, "model": "m-2026-10-01", "error": None, **fields})


def test_text_reasoning_and_measured_usage_become_chunks() -> None:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    chunks = assembled(
        said("created", response={"status": "in_progress", "error": None}),
        said("output_item.added", item={"type": "reasoning", "id": "rs_1", "summary": []}, output_index=0),
        thought("hm"),
        thought(" so"),
        thought("Next.", part=1),
        done(SEALED),
        text("Hi"),
        done({"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}, 1),
        ended(usage=usage),
    )
    assert chunks == [
        ReasoningDelta("hm"),
        ReasoningDelta(" so"),
        ReasoningDelta("\n\nNext."),
        ReasoningDelta("", SEAL),
        TextDelta("Hi"),
        Usage(9, 5, 4, 2, cost_usd=None, calls=1, cache_write_tokens=3),
        Stopped("end", "openai", "m-2026-10-01"),
    ]


def test_reasoning_that_is_only_sealed_is_redacted_and_survives_the_way_back() -> None:
    fold = Fold()
    for chunk in assembled(done(SEALED), done(call("c1", "read", "{}"), 1), ended()):
        fold.add(chunk)
    sealed, asked_for = (message := fold.reply().message).parts
    assert sealed == Reasoning("", SEAL, "openai:m-2026-10-01", redacted=True)
    assert isinstance(asked_for, ToolCall)
    sent = request_body(prompt(message), "m", vendor="openai")["input"]
    assert sent[0] == SEALED


def test_raw_reasoning_of_open_models_is_reasoning_too() -> None:
    chunks = assembled(said("reasoning_text.delta", delta="hm", item_id="rs_1", content_index=0), ended())
    assert chunks[0] == ReasoningDelta("hm")


def test_tool_calls_are_handed_out_when_each_is_done() -> None:
    assembly = assembly_for()
    events = [
        said("output_item.added", item=call("c1", "search", ""), output_index=0),
        said("function_call_arguments.delta", delta='{"q"', output_index=0),
        said("function_call_arguments.delta", delta=': "x"}', output_index=0),
        said("function_call_arguments.done", arguments='{"q": "x"}', output_index=0),
    ]
    assert [assembly.take(json.dumps(event).encode()) for event in events] == [[], [], [], []]
    whole = done(call("c1", "search", '{"q": "x"}', status="completed"))
    assert assembly.take(json.dumps(whole).encode()) == [ToolCall("c1", "search", {"q": "x"})]
    assembly.take(json.dumps(ended()).encode())
    assert assembly.end()[-1] == Stopped("tool_calls", "openai", "m-2026-10-01")


def test_a_server_that_says_arguments_only_in_pieces_is_understood() -> None:
    pieces = [
        said("function_call_arguments.delta", delta=piece, output_index=1) for piece in ('{"q"', ':"x"}')
    ]
    assert assembled(*pieces, done(call("c1", "search", ""), 1))[0] == ToolCall("c1", "search", {"q": "x"})


@pytest.mark.parametrize("pieces", [("delta", "done"), ("delta",), ("done",), ()])
def test_arguments_are_counted_once_however_a_server_gives_them(pieces: tuple[str, ...]) -> None:
    asked, arguments = prompt(), '{"q": "the tides"}'
    meter = Meter(asked)
    assembly = ResponsesAssembly(provider="openai", model="m", prompt=asked, meter=meter)
    for kind in pieces:
        event = said(f"function_call_arguments.{kind}", delta=arguments, arguments=arguments, output_index=0)
        assembly.take(json.dumps(event).encode())
    assembly.take(json.dumps(done(call("c1", "search", arguments))).encode())
    assert meter.characters == len(arguments)


def test_half_a_tool_call_is_none_and_a_broken_one_is_malformed() -> None:
    half = done(call("c1", "search", '{"q', status="incomplete"))
    cut = ended("incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert assembled(half, cut)[-1] == Stopped("length", "openai", "m-2026-10-01")
    with pytest.raises(errors.MalformedResponse, match="search"):
        assembled(done(call("c1", "search", '{"q', status="completed")))


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (ended(), "end"),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (ended("incomplete", incomplete_details={"reason": "max_messages"}), "length"),
        (ended("incomplete", incomplete_details=None), "length"),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), "refused"),
    ],
)
def test_the_reason_to_stop_is_mapped(last: dict[str, Any], reason: str) -> None:
    stopped = assembled(text("x"), last)[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == reason


def test_a_refusal_is_said_and_the_answer_counts_as_refused() -> None:
    chunks = assembled(said("refusal.delta", delta="I won't."), ended())
    assert chunks[0] == TextDelta("I won't.")
    assert isinstance(chunks[-1], Stopped)
    assert chunks[-1].reason == "refused"


@pytest.mark.parametrize(
    ("event", "leaf"),
    [
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "slow"}), errors.RateLimited),
        (ended("failed", error={"code": "server_error", "message": "oops"}), errors.ServerFailed),
        (ended("failed", error={"code": "invalid_prompt", "message": "no"}), errors.ContentRefused),
        (ended("failed"), errors.ServerFailed),
        ({"type": "error", "code": "server_is_overloaded", "message": "busy"}, errors.Overloaded),
        ({"type": "error", "error": {"code": "context_length_exceeded"}}, errors.ContextTooLong),
        ({"error": {"message": "slow down", "code": 429}}, errors.RateLimited),
    ],
)
def test_failures_within_the_stream_are_typed(event: dict[str, Any], leaf: type[Exception]) -> None:
    with pytest.raises(leaf):
        assembled(text("x"), event)


def test_what_a_failed_answer_took_is_known_where_it_is_said() -> None:
    asked = prompt()
    meter = Meter(asked)
    assembly = ResponsesAssembly(provider="openai", model="m", prompt=asked, meter=meter)
    failed = ended("failed", error={"code": "server_error"}, usage={"input_tokens": 9, "output_tokens": 5})
    with pytest.raises(errors.ServerFailed):
        assembly.take(json.dumps(failed).encode())
    assert meter.usage() == Usage(9, 5, cost_usd=None, calls=1)


@pytest.mark.parametrize("event", [b"[DONE]", b'{"type": "response.new_thing.delta", "delta": 3}', b"{}"])
def test_what_nobody_knows_says_nothing_and_ends_nothing(event: bytes) -> None:
    assembly = assembly_for()
    assert assembly.take(event) == []
    assert not assembly.over


@pytest.mark.parametrize(
    "event",
    [
        b"{not json",
        b"[1]",
        b'{"type": "response.output_text.delta", "delta": 3}',
        b'{"type": "response.output_text.delta"}',
        b'{"type": "response.output_item.done", "item": {"type": "function_call"}}',
        b'{"type": "response.completed"}',
    ],
)
def test_an_event_that_breaks_the_protocol_is_malformed(event: bytes) -> None:
    with pytest.raises(errors.MalformedResponse):
        assembly_for().take(event)


def test_usage_that_never_comes_is_estimated_and_says_so() -> None:
    *_, estimate, _stopped = assembled(text("y" * 41), ended(usage=None))
    assert isinstance(estimate, Usage)
    assert estimate.estimated
    assert estimate.output_tokens == 11


def test_markers_of_sources_become_citations() -> None:
    asked = prompt(Message("user", (Material((PASSAGE,)),)))
    chunks = assembled(text("It pulls [p"), text("1]."), ended(), asked=asked)
    assert Citation("p1", 0, len(PASSAGE.text), "") in chunks


def test_an_answer_in_one_piece_is_read_the_same() -> None:
    answer = {
        "status": "completed",
        "model": "m-1",
        "error": None,
        "output": [
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAABo",
             "summary": [{"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
            {"type": "web_search_call", "id": "ws_1"},
            call("c1", "read", "{}", status="completed"),
        ],
        "usage": {"input_tokens": 9, "output_tokens": 5},
    }  # fmt: skip
    assert assembly_for().plain(answer) == [
        ReasoningDelta("hm"),
        ReasoningDelta("\n\nso"),
        ReasoningDelta("", SEAL),
        TextDelta("Hi"),
        ToolCall("c1", "read", {}),
        Usage(9, 5, cost_usd=None, calls=1),
        Stopped("tool_calls", "openai", "m-1"),
    ]


@pytest.mark.parametrize(
    ("answer", "leaf"),
    [
        ({"status": "failed", "error": {"code": "rate_limit_exceeded"}}, errors.RateLimited),
        ({"status": "in_progress", "output": []}, errors.MalformedResponse),
        ({"object": "response"}, errors.MalformedResponse),
        ({"status": "completed"}, errors.MalformedResponse),
        ({"status": "completed", "output": [{"type": "message"}]}, errors.MalformedResponse),
    ],
)
def test_a_piece_that_is_no_answer_is_an_error(answer: dict[str, Any], leaf: type[Exception]) -> None:
    with pytest.raises(leaf):
        assembly_for().plain(answer)


@given(
    words=st.text(min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_law_a_text_in_any_pieces_is_the_same_text(words: str, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(words)) for cut in cuts), len(words)]
    chunks = assembled(*(text(words[start:end]) for start, end in pairwise(bounds)), ended())
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)) == words


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "x", "reasoning", "function_call", "message"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=6,
)


@given(kind=st.sampled_from(KINDS), fields=st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=6))
def test_law_whatever_comes_is_chunks_or_an_error_of_ours(kind: str, fields: dict[str, Any]) -> None:
    assembly = assembly_for()
    with suppress(errors.ProviderError):
        assembly.take(json.dumps({**fields, "type": f"response.{kind}"}).encode())
        assembly.end()
    with suppress(errors.ProviderError):
        assembly_for().plain({"status": "completed", **fields})
