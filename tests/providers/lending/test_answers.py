"""Chunks as events and as one object, errors as responses: each read back by the other end of the wire."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Chosen, Citation, ReasoningDelta, Retracted, Stopped, Switched, TextDelta, Usage
from atlas_mcp.errors import AtlasError, BudgetSpent, InvalidField, ProviderError, StreamBroken, Unavailable
from atlas_mcp.messages import Intent, Message, Prompt, TaskType, Text, ToolCall
from atlas_mcp.providers.lending.answers import ChatEvents, completion, error_event, model_list
from atlas_mcp.providers.lending.errors import told
from atlas_mcp.providers.lending.requests import ChatRequest
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.wires.chat_completions import ChatAssembly
from atlas_mcp.providers.wires.errors import classify, error_in_stream
from atlas_mcp.providers.wires.sse import EventDecoder

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk

PROMPT = Prompt((Message("user", (Text("hello"),)),), Intent.COMPOSE, "hello")
END = Stopped("end", "mortal", "b")
CHOSEN = Chosen("group:g", "mortal:a", "first of the list", TaskType.CONVERSATION, ("mortal:b",))
SEAM = Switched("mortal:a", "mortal:b", "It went\nsilent.", "retell", "stalled")
CALLS = (ToolCall("c1", "search", {"q": "é"}), ToolCall("c2", "read", {}))
USAGE = (
    '{"prompt_tokens":16,"completion_tokens":4,"total_tokens":20,'
    '"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":1}}'
)


def request(**more: Any) -> ChatRequest:
    return ChatRequest(PROMPT, **more)


def written(*chunks: Chunk, **more: Any) -> str:
    """The events of an answer, without what differs each time."""
    events = ChatEvents(request(**more), "group:g")
    text = b"".join(events.take(chunk) for chunk in chunks).decode()
    return re.sub(r'"id":"chatcmpl-\w+","object":"chat.completion.chunk","created":\d+,', "", text)


def whole(*chunks: Chunk, **more: Any) -> dict[str, Any]:
    fold = Fold()
    for chunk in chunks:
        fold.add(chunk)
    answer = completion(request(**more), fold.reply())
    assert answer.pop("id").startswith("chatcmpl-")
    assert answer.pop("created") > 0
    return answer


def read_back(text: str) -> list[Chunk]:
    """What our own provider makes of events."""
    meter = Meter(PROMPT)
    meter.began = True
    assembly = ChatAssembly(provider="openai", model="gpt", prompt=PROMPT, meter=meter)
    chunks = [chunk for event in EventDecoder().feed(text.encode()) for chunk in assembly.take(event)]
    return [*chunks, *assembly.end()]


def event(delta: str, model: str, finish: str = "null") -> str:
    choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}'
    return f'data: {{"model":"{model}","choices":[{choice}],"usage":null}}\n\n'


def test_a_streamed_answer_looks_like_this() -> None:
    chunks = (
        CHOSEN, ReasoningDelta("hm"), TextDelta("The "), SEAM, Retracted(0, "It went silent.", reasoning=2),
        TextDelta('"moon"'), Usage(7, 3, 2, 1, calls=1), Usage(9, 1, calls=1), END,
    )  # fmt: skip
    assert written(*chunks, streaming=True, reports=True) == "".join([
        ": chosen mortal:a: first of the list\n\n",
        event('{"role":"assistant","content":""}', "mortal:a"),
        event('{"reasoning_content":"hm"}', "mortal:a"),
        event('{"content":"The "}', "mortal:a"),
        ": switched from mortal:a to mortal:b (retell): It went silent.\n\n",
        ": the reasoning so far does not count\n\n",
        event('{"content":"\\"moon\\""}', "mortal:b"),
        event("{}", "mortal:b", '"stop"'),
        f'data: {{"model":"mortal:b","choices":[],"usage":{USAGE}}}\n\n',
        "data: [DONE]\n\n",
    ])  # fmt: skip


def test_a_whole_answer_looks_like_this() -> None:
    assert whole(ReasoningDelta("hm"), TextDelta("The moon"), Usage(7, 3, calls=1), END) == {
        "object": "chat.completion",
        "model": "mortal:b",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "The moon",
                    "refusal": None,
                    "reasoning_content": "hm",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_the_list_of_models_has_whoever_answers() -> None:
    assert model_list("group:fast", "group") == {
        "object": "list",
        "data": [{"id": "group:fast", "object": "model", "created": 0, "owned_by": "group"}],
    }


def test_usage_is_told_only_to_who_asked_for_it() -> None:
    assert "usage" not in written(TextDelta("a"), Usage(1, 1), END)


def test_nothing_is_written_before_the_answer_begins() -> None:
    events = ChatEvents(request(), "group:g")
    assert [events.take(chunk) for chunk in (CHOSEN, SEAM, Usage(1, 0))] == [b"", b"", b""]
    assert events.take(TextDelta("a")).count(b"\n: ") + 1 == 2


def test_a_tool_call_is_told_whole_and_the_others_behind_it() -> None:
    chunks = [*CALLS, Usage(1, 1), Stopped("tool_calls", "m", "m", note="It broke.")]
    assert [chunk for chunk in read_back(written(*chunks)) if isinstance(chunk, ToolCall)] == [*CALLS]
    assert ": ended early: It broke.\n\n" in written(*chunks)
    message = whole(*chunks)["choices"][0]["message"]
    assert (message["content"], [call["id"] for call in message["tool_calls"]]) == (None, ["c1", "c2"])


def test_who_allows_one_call_at_a_time_is_told_of_one() -> None:
    chunks = [*CALLS, Usage(1, 1), Stopped("tool_calls", "m", "m")]
    assert [one for one in read_back(written(*chunks, one_call=True)) if isinstance(one, ToolCall)] == [
        CALLS[0]
    ]
    assert len(whole(*chunks, one_call=True)["choices"][0]["message"]["tool_calls"]) == 1


@pytest.mark.parametrize("reason", ["end", "length", "refused", "tool_calls"])
def test_why_an_answer_ended_comes_back_as_it_was(reason: Any) -> None:
    calls = CALLS if reason == "tool_calls" else ()
    chunks = read_back(written(TextDelta("a"), *calls, Usage(1, 1), Stopped(reason, "mortal", "b")))
    assert chunks[-1] == Stopped(reason, "openai", "mortal:b")


def test_what_this_wire_has_no_word_for_is_passed_over() -> None:
    assert written(Citation("p1", 0, 1, "a"), ReasoningDelta("", "sealed", redacted=True)) == ""


def test_retracted_text_cannot_be_said() -> None:
    events = ChatEvents(request(), "group:g")
    events.take(TextDelta("a"))
    with pytest.raises(StreamBroken, match=r"cannot go on: It died\."):
        events.take(Retracted(1, "It died."))


# Errors -----------------------------------------------------------------------------------------------------

ALIKE: dict[type[AtlasError], type[ProviderError]] = {
    errors.Stalled: errors.ProviderTimeout,
    errors.StreamBroken: errors.ServerFailed,
    errors.ConnectionFailed: errors.ServerFailed,
    errors.MalformedResponse: errors.ServerFailed,
    errors.Unavailable: errors.Overloaded,
    errors.PoolExhausted: errors.Overloaded,
    errors.Unsupported: errors.InvalidRequest,
    errors.Cancelled: errors.PermissionDenied,
    BudgetSpent: errors.QuotaExceeded,
}
"""What is read back where the wire has no word of its own."""


@pytest.mark.parametrize("leaf", [*ProviderError.__subclasses__(), BudgetSpent])
def test_an_error_is_read_back_as_what_it_was(leaf: type[AtlasError]) -> None:
    refused = told(leaf("It failed.", remedy="Wait."))
    assert refused.body["message"] == "It failed. Wait."
    codes = (refused.body["code"], refused.body["type"])
    assert classify(refused.status, codes, refused.body["message"]) is ALIKE.get(leaf, leaf)
    (data,) = EventDecoder().feed(error_event(leaf("It failed.")))
    assert type(error_in_stream(json.loads(data)["error"])) is ALIKE.get(leaf, leaf)


def test_statuses_are_those_of_the_protocol() -> None:
    leaves = [*ProviderError.__subclasses__(), BudgetSpent, InvalidField, errors.InvalidConfiguration]
    assert {leaf.code: told(leaf("No.")).status for leaf in leaves} == {
        "authentication": 401, "permission_denied": 403, "model_not_found": 404, "invalid_request": 400,
        "unsupported": 400, "context_too_long": 400, "content_refused": 400, "quota_exceeded": 429,
        "rate_limited": 429, "overloaded": 503, "pool_exhausted": 503, "unavailable": 503,
        "server_failed": 502, "connection_failed": 502, "stream_broken": 502, "malformed_response": 502,
        "provider_timeout": 504, "stalled": 504, "cancelled": 403, "budget_spent": 429, "invalid_field": 400,
        "invalid_configuration": 500,
    }  # fmt: skip


def test_a_wrong_field_is_named_as_the_parameter() -> None:
    assert told(InvalidField("n: no.", field="n")).body == {
        "message": "n: no.", "type": "invalid_request_error", "param": "n", "code": "invalid_field",
    }  # fmt: skip


def test_clients_try_again_only_where_it_is_known_when() -> None:
    assert told(errors.Overloaded("No.")).headers == {"x-should-retry": "false"}
    assert told(errors.RateLimited("No.", retry_after=1.2)).headers == {
        "x-should-retry": "true", "retry-after": "2", "retry-after-ms": "1200",
    }  # fmt: skip


def test_what_every_member_met_is_told_instead_of_that_nobody_answers() -> None:
    long, late = errors.ContextTooLong("Too long."), errors.ProviderTimeout("Late.")
    assert told(Unavailable("Nobody.", failures=(long, long))).body["code"] == "context_length_exceeded"
    assert told(Unavailable("Nobody.", failures=(long, late))).body["code"] == "unavailable"
    assert told(Unavailable("Nobody.")).status == 503
