"""What a Letta server says, as recorded from one of version 0.16.8, in our words."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from atlas_mcp.agents.letta.letta_api import LettaApi
from atlas_mcp.agents.letta.wire import Leg, approval, decision, recalled
from atlas_mcp.chunks import ReasoningDelta, TextDelta, Usage
from atlas_mcp.errors import (
    AtlasError,
    InvalidConfiguration,
    InvalidInput,
    ProviderTimeout,
    RateLimited,
    RuntimeUnavailable,
    UnknownAgent,
)
from atlas_mcp.messages import ToolCall, ToolResult


def event(**fields: Any) -> Any:
    """An event as the client hands it out: what JSON says, as attributes."""
    return json.loads(json.dumps(fields), object_hook=lambda each: SimpleNamespace(**each))


RUN = "run-cb7ee5d9-2f6e-4635-a72a-ca7c023b9f1c"
PING = event(message_type="ping", id="ping-1", run_id=RUN)
STOP = event(message_type="stop_reason", stop_reason="requires_approval")
USED = event(
    message_type="usage_statistics", prompt_tokens=7, completion_tokens=3, cached_input_tokens=2,
    reasoning_tokens=1, cache_write_tokens=None, step_count=1, total_tokens=10,
)  # fmt: skip


def said(content: Any) -> Any:
    return event(message_type="assistant_message", content=content, run_id=RUN)


def asks(kind: str, name: str | None, arguments: str, call_id: str | None = "c1") -> Any:
    call = {"name": name, "arguments": arguments, "tool_call_id": call_id}
    return event(message_type=kind, tool_call=call, tool_calls=None, run_id=RUN)


def heard(leg: Leg, *events: Any) -> list[Any]:
    return [step for each in events for step in leg.add(each)]


def test_text_comes_in_pieces_and_the_run_is_known_from_the_first_sign() -> None:
    leg = Leg()
    assert heard(leg, PING) == []
    assert leg.run == RUN
    parts = [{"type": "text", "text": "the "}, {"type": "text", "text": "sea"}]
    thought = event(message_type="reasoning_message", reasoning="Hm.", run_id=RUN)
    end = event(message_type="stop_reason", stop_reason="end_turn")
    assert heard(leg, thought, said("At "), said(parts), said(""), end, USED) == [
        ReasoningDelta("Hm."), TextDelta("At "), TextDelta("the sea"),
    ]  # fmt: skip
    assert (leg.text, leg.reason, leg.pending) == ("At the sea", "end_turn", [])
    assert leg.usage == Usage(7, 3, 2, 1, None, calls=1)


def test_a_call_that_comes_in_pieces_is_whole_when_the_leg_ends() -> None:
    leg = Leg()
    kind = "approval_request_message"
    pieces = [asks(kind, "look_up", '{"wo'), asks(kind, None, 'rd": "Ma', None), asks(kind, "", 'rs"}')]
    assert heard(leg, said("I look."), *pieces, STOP, USED) == [TextDelta("I look.")]
    assert leg.pending == [ToolCall("c1", "look_up", {"word": "Mars"})]
    assert leg.reason == "requires_approval"


def test_a_call_that_the_server_ran_is_told_with_its_result_and_what_was_said_before_is_past() -> None:
    leg = Leg()
    returned = event(
        message_type="tool_return_message", tool_call_id="c1", status="error", tool_return="No such word.",
        run_id=RUN,
    )  # fmt: skip
    steps = heard(leg, said("I look."), asks("tool_call_message", "search", "{}"), returned, said("Nothing."))
    assert steps[1:3] == [ToolCall("c1", "search", {}), ToolResult("c1", "No such word.", error=True)]
    leg.end("end_turn")
    assert (leg.text, leg.pending) == ("Nothing.", [])


def test_arguments_that_are_no_object_are_none() -> None:
    leg = Leg()
    heard(leg, asks("approval_request_message", "look_up", '{"word": '), STOP)
    assert leg.pending == [ToolCall("c1", "look_up", {})]


@pytest.mark.parametrize(
    ("told", "reason"),
    [("tool_rule", "end_turn"), ("max_steps", "max_steps"), ("llm_api_error", "error"), ("", "error")],
)
def test_why_a_leg_ended_is_told_in_our_words(told: str, reason: str) -> None:
    leg = Leg()
    leg.end(told)
    assert leg.reason == reason


def test_history_is_what_was_said_and_what_tools_gave() -> None:
    stored = [
        event(message_type="system_message", id="m1", content="You are.", date=None),
        event(message_type="user_message", id="m2", content="Hello?", date=None),
        event(message_type="assistant_message", id="m3", content="Hello.", date=None),
        event(message_type="tool_return_message", id="m4", tool_return="a rock", date=None),
    ]
    told = [recalled(message) for message in stored]
    assert [one and (one.role, one.text) for one in told] == [
        None, ("user", "Hello?"), ("assistant", "Hello."), ("tool", "a rock"),
    ]  # fmt: skip


def test_results_and_leave_are_sent_as_approvals() -> None:
    results = (ToolResult("c1", "a rock"), ToolResult("c2", "no such word", error=True))
    assert approval(results, "t.1") == {
        "type": "approval",
        "otid": "t.1",
        "approvals": [
            {"type": "tool", "tool_call_id": "c1", "tool_return": "a rock", "status": "success"},
            {"type": "tool", "tool_call_id": "c2", "tool_return": "no such word", "status": "error"},
        ],
    }
    (given,) = decision(ToolCall("c1", "memory_insert", {}), "", "t.1")["approvals"]
    assert given == {"type": "approval", "approve": True, "tool_call_id": "c1"}
    (refused,) = decision(ToolCall("c1", "memory_insert", {}), "Too long.", "t.1")["approvals"]
    assert (refused["approve"], refused["reason"]) == (False, "Too long.")


NO_MODEL = "NOT_FOUND: Handle openai-proxy/none not found, must be one of []"
PENDING = "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call."
OTHERS = "Invalid tool call IDs. Expected '['c2']', but received '['c3']'."
REFUSALS: list[tuple[int, Any, type[AtlasError]]] = [
    (404, {"detail": "Agent with ID agent-0 not found"}, UnknownAgent),
    (404, {"detail": NO_MODEL}, InvalidConfiguration),
    (401, {"detail": "Unauthorized"}, RuntimeUnavailable),
    (
        200,
        {
            "message_type": "error_message", "error_type": "internal_error", "run_id": RUN,
            "detail": PENDING,
        },
        InvalidInput,
    ),
    (200, {"error_type": "internal_error", "detail": OTHERS}, InvalidInput),
    (200, {"message_type": "error_message", "error_type": "llm_timeout", "detail": "late"}, ProviderTimeout),
    (429, {"error": {"type": "llm_rate_limit", "message": "slow down", "detail": "429"}}, RateLimited),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
def test_what_the_server_refuses_is_told_by_what_it_means(
    status: int, body: Any, kind: type[AtlasError]
) -> None:
    httpx = pytest.importorskip("httpx")
    letta_client = pytest.importorskip("letta_client")
    response = httpx.Response(status, request=httpx.Request("GET", "http://127.0.0.1:9/v1"))
    api = LettaApi(letta_client.AsyncLetta(base_url="http://127.0.0.1:9", api_key="x"), "http://127.0.0.1:9")
    with pytest.raises(kind), api.told():
        raise letta_client.APIStatusError("refused", response=response, body=body)
