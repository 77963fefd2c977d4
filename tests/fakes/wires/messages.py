"""Anthropic's messages: blocks, each begun, said and stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from tests.fakes.turn import Asked, Frames, Refused
from tests.fakes.wires.wire import sse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.fakes.turn import Answer, Grounds, Tally, Turn

JsonObject: TypeAlias = dict[str, Any]

MEDIA_TYPE = "text/event-stream"
HEADERS = {"request-id": "req_fake"}
SCHEMA = "output_config.format"

_SEAL = "c2VhbGVkIGJ5IHRoZSBmYWtl"
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def streams(body: JsonObject) -> bool:
    """Whether a stream is asked for."""
    return bool(body.get("stream"))


def asked(body: JsonObject) -> Asked:
    """What a request says: its system prompt, its turns and their documents."""
    contents = [body.get("system"), *(message.get("content") for message in body.get("messages", []))]
    output: JsonObject = body.get("output_config") or {}
    form: JsonObject = output.get("format") or {}
    return Asked("\n".join(_words(content) for content in contents), form.get("schema"))


def _words(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_block_words(block) for block in cast("list[JsonObject]", content))
    return content or ""


def _block_words(block: JsonObject) -> str:
    match block.get("type"):
        case "text":
            return block["text"]
        case "tool_result":
            return _words(block.get("content"))
        case "document":
            source: JsonObject = block.get("source") or {}
            return _words(source.get("data") or source.get("content"))
        case _:
            return ""


def frames(body: JsonObject, answer: Answer, turn: Turn) -> Frames:
    """An answer as a stream; what begins and stops a block goes out with the piece beside it."""
    told = answer.usage
    begun = {**_message(body), "usage": _usage(told, output=1)} if told else _message(body)
    opening = frame({"type": "message_start", "message": begun}) + frame({"type": "ping"})
    pieces: list[bytes] = []
    held = b""
    for index, (block, deltas) in enumerate(_blocks(answer)):
        held += frame({"type": "content_block_start", "index": index, "content_block": block})
        for counts, delta in deltas:
            said = frame({"type": "content_block_delta", "index": index, "delta": delta})
            if counts:
                pieces.append(held + said)
                held = b""
            else:
                held += said
        held += frame({"type": "content_block_stop", "index": index})
    end: JsonObject = {"type": "message_delta", "delta": _stopped(answer)}
    if told:
        end["usage"] = _usage(told)
    rest = (frame({"type": "message_stop"}),) if turn.done else ()
    return Frames(pieces, held + frame(end), opening, rest)


def plain(body: JsonObject, answer: Answer) -> JsonObject:
    """An answer in one piece."""
    content: list[JsonObject] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": _SEAL})
    if answer.text:
        cited = list(answer.citations) or None
        content.append({"type": "text", "text": "".join(answer.text), "citations": cited})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call.arguments)}
        for call in answer.calls
    ]
    said = {**_message(body), "content": content, **_stopped(answer)}
    return said | ({"usage": _usage(answer.usage)} if answer.usage else {})


def _blocks(answer: Answer) -> Iterator[tuple[JsonObject, list[tuple[bool, JsonObject]]]]:
    """Each block as it begins, and its deltas with whether they count as a piece."""
    if answer.reasoning:
        said: list[tuple[bool, JsonObject]] = [
            (True, {"type": "thinking_delta", "thinking": piece}) for piece in answer.reasoning
        ]
        said.append((False, {"type": "signature_delta", "signature": _SEAL}))
        yield {"type": "thinking", "thinking": "", "signature": ""}, said
    if answer.text:
        said = [(True, {"type": "text_delta", "text": piece}) for piece in answer.text]
        said += [(False, {"type": "citations_delta", "citation": citation}) for citation in answer.citations]
        yield {"type": "text", "text": "", **({"citations": []} if answer.citations else {})}, said
    for call in answer.calls:
        halves = [{"type": "input_json_delta", "partial_json": half} for half in call.halves]
        block: JsonObject = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        yield block, [(True, half) for half in halves]


def frame(event: JsonObject) -> bytes:
    """One event as it goes over the wire."""
    return sse(event, event["type"])


def error(said: Any) -> JsonObject:
    """The event of an error within a stream."""
    return _error("overloaded_error", "Overloaded") if said is None else {"type": "error", "error": said}


def failed(body: JsonObject, said: Any) -> JsonObject:
    """The same error as the answer to who asked for one in one piece."""
    return error(said)


def refusal(grounds: Grounds, body: JsonObject) -> Refused:
    """How Anthropic refuses a request."""
    rate = (
        "This request would exceed the rate limit for your organization of 30,000 input tokens per minute. "
        "Please reduce the prompt length or the maximum tokens requested, or try again later."
    )
    credit = (
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits."
    )
    long = "prompt is too long: 208310 tokens > 200000 maximum"
    table: dict[Grounds, Refused] = {
        "key": Refused(401, _error("authentication_error", "invalid x-api-key")),
        "model": Refused(404, _error("not_found_error", f"model: {body.get('model')}")),
        "context": Refused(400, _error("invalid_request_error", long)),
        "rate": Refused(429, _error("rate_limit_error", rate)),
        "quota": Refused(402, _error("billing_error", credit)),
        "server": Refused(500, _error("api_error", "Internal server error")),
        "overloaded": Refused(529, _error("overloaded_error", "Overloaded")),
    }
    return table[grounds]


def no_schema() -> Refused:
    """How a server refuses structured output that it does not know."""
    return Refused(400, _error("invalid_request_error", f"{SCHEMA}: Extra inputs are not permitted"))


def listed(models: Sequence[str]) -> JsonObject:
    """The models there are."""
    ends = {"first_id": models[0] if models else None, "last_id": models[-1] if models else None}
    return {"data": [described(model) for model in models], "has_more": False, **ends}


def described(model: str) -> JsonObject:
    """What Anthropic says of a model."""
    yes, no = {"supported": True}, {"supported": False}
    kinds = {"adaptive": yes, "between_tools": yes, "disabled": yes, "enabled": no}
    return {
        "type": "model", "id": model, "display_name": model, "created_at": "2026-09-01T00:00:00Z",
        "lifecycle": "active", "max_input_tokens": 200_000, "max_tokens": 64_000,
        "capabilities": {
            "batch": yes, "citations": yes, "code_execution": no, "image_input": yes, "pdf_input": yes,
            "structured_outputs": yes, "context_management": yes,
            "server_tools": no | {"code_execution": no, "web_search": no},
            "effort": yes | {"low": yes, "medium": yes, "high": yes, "max": yes},
            "thinking": yes | {"types": kinds},
        },
    }  # fmt: skip


def _error(kind: str, message: str) -> JsonObject:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}


def _message(body: JsonObject) -> JsonObject:
    return {
        "id": "msg_fake", "type": "message", "role": "assistant", "model": body.get("model"), "content": [],
        "stop_reason": None, "stop_sequence": None,
    }  # fmt: skip


def _stopped(answer: Answer) -> JsonObject:
    if answer.refusal:
        details = {"type": "refusal", "category": "general_harms", "explanation": "".join(answer.refusal)}
        return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    return {"stop_reason": _REASONS.get(answer.finish, answer.finish), "stop_sequence": None}


def _usage(tally: Tally, output: int | None = None) -> JsonObject:
    """Anthropic counts what it read from its cache, or wrote to it, beside the input."""
    return {
        "input_tokens": tally.input - tally.cached - tally.cache_write,
        "cache_read_input_tokens": tally.cached,
        "cache_creation_input_tokens": tally.cache_write,
        "output_tokens": tally.output if output is None else output,
        "output_tokens_details": {"thinking_tokens": tally.reasoning if output is None else 0},
    }


def _input(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments  # no object, so broken in one piece too
