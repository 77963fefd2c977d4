"""OpenAI's responses: items, each added, said and done, and numbered events."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.fakes.turn import Asked, Frames, Refused
from tests.fakes.wires.chat import openai_refusal
from tests.fakes.wires.wire import sse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.turn import Answer, Call, Grounds, Tally, Turn

JsonObject: TypeAlias = dict[str, Any]

MEDIA_TYPE = "text/event-stream"
HEADERS = {"x-request-id": "req_fake"}
SCHEMA = "text.format"

_SEAL = "c2VhbGVkIGJ5IHRoZSBmYWtl"
_SEALED = "reasoning.encrypted_content"
_OVERLOADED = {"code": "server_is_overloaded", "message": "The engine is overloaded.", "param": None}


def streams(body: JsonObject) -> bool:
    """Whether a stream is asked for."""
    return bool(body.get("stream"))


def asked(body: JsonObject) -> Asked:
    """What a request says: its instructions and its input."""
    given: str | list[JsonObject] = body.get("input") or ""
    items: list[JsonObject] = [{"content": given}] if isinstance(given, str) else given
    words = [
        body.get("instructions") or "",
        *(_words(item.get("content") or item.get("output")) for item in items),
    ]
    text: JsonObject = body.get("text") or {}
    form: JsonObject = text.get("format") or {}
    return Asked("\n".join(words), form.get("schema"))


def _words(content: str | list[JsonObject] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def frames(body: JsonObject, answer: Answer, turn: Turn) -> Frames:
    """An answer as a stream; what begins and ends an item goes out with the piece beside it."""
    numbers = count()

    def numbered(event: JsonObject) -> bytes:
        return frame({**event, "sequence_number": next(numbers)})

    begun = _response(body, "in_progress", [], None)
    opening = numbered({"type": "response.created", "response": begun})
    opening += numbered({"type": "response.in_progress", "response": begun})
    pieces: list[bytes] = []
    held = b""
    for event in _events(body, answer):
        held += numbered(event)
        if event["type"].endswith(".delta"):
            pieces.append(held)
            held = b""
    whole = plain(body, answer)
    return Frames(
        pieces, held + numbered({"type": f"response.{whole['status']}", "response": whole}), opening
    )


def plain(body: JsonObject, answer: Answer) -> JsonObject:
    """An answer in one piece."""
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(answer.finish)
    items = _items(body, answer)
    whole = _response(body, "incomplete" if cut else "completed", items, answer.usage)
    return whole | {"incomplete_details": {"reason": cut} if cut else None}


def frame(event: JsonObject) -> bytes:
    """One event as it goes over the wire."""
    return sse(event, event["type"])


def error(said: Any) -> JsonObject:
    """The event of an error within a stream."""
    return {"type": "error", "sequence_number": 1000, **(said or _OVERLOADED)}


def failed(body: JsonObject, said: Any) -> JsonObject:
    """The same error as the answer to who asked for one in one piece."""
    return {**_response(body, "failed", [], None), "error": said or _OVERLOADED}


def refusal(grounds: Grounds, body: JsonObject) -> Refused:
    """How OpenAI refuses a request."""
    if grounds == "context":
        said = "Your input exceeds the context window of this model. Please adjust your input and try again."
        return _invalid(said, "input", "context_length_exceeded")
    return openai_refusal(grounds, body)


def no_schema() -> Refused:
    """How a compatible server refuses structured output."""
    return _invalid("text.format json_schema is not supported", SCHEMA, None)


def _invalid(message: str, param: str, code: str | None) -> Refused:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refused(400, {"error": error})


def _response(body: JsonObject, status: str, output: list[JsonObject], usage: Tally | None) -> JsonObject:
    return {
        "id": "resp_fake", "object": "response", "created_at": 1700000000, "status": status, "error": None,
        "incomplete_details": None, "instructions": None, "model": body.get("model"), "output": output,
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": _usage(usage) if usage else None,
    }  # fmt: skip


def _items(body: JsonObject, answer: Answer) -> list[JsonObject]:
    """The items of a whole answer."""
    items: list[JsonObject] = []
    if answer.reasoning:
        items.append(_reasoning(body, "".join(answer.reasoning)))
    parts: list[JsonObject] = []
    if answer.text:
        parts.append({"type": "output_text", "text": "".join(answer.text), "annotations": [], "logprobs": []})
    if answer.refusal:
        parts.append({"type": "refusal", "refusal": "".join(answer.refusal)})
    if parts:
        items.append(_message(parts, "completed"))
    return items + [_call(call, number, call.arguments) for number, call in enumerate(answer.calls)]


def _reasoning(body: JsonObject, text: str) -> JsonObject:
    summary = [{"type": "summary_text", "text": text}] if text else []
    seal = {"encrypted_content": _SEAL} if _SEALED in (body.get("include") or ()) else {}
    return {"type": "reasoning", "id": "rs_1", "summary": summary, **seal}


def _message(parts: list[JsonObject], status: str) -> JsonObject:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": parts}


def _call(call: Call, number: int, arguments: str) -> JsonObject:
    return {
        "type": "function_call", "id": f"fc_{number}", "call_id": call.id, "name": call.name,
        "arguments": arguments, "status": "completed" if arguments else "in_progress",
    }  # fmt: skip


def _events(body: JsonObject, answer: Answer) -> Iterator[JsonObject]:
    """Everything between the beginning of an answer and its end."""
    for index, item in enumerate(_items(body, answer)):
        place: JsonObject = {"output_index": index, "item_id": item["id"]}
        match item["type"]:
            case "reasoning":
                begun, said = _reasoning({}, ""), _reasoned(place, answer)
            case "message":
                begun, said = _message([], "in_progress"), _spoken(place, item, answer)
            case _:
                call = next(call for call in answer.calls if call.id == item["call_id"])
                begun, said = {**item, "arguments": "", "status": "in_progress"}, _called(place, call)
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        yield from said
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _reasoned(place: JsonObject, answer: Answer) -> Iterator[JsonObject]:
    place = {**place, "summary_index": 0}
    text = "".join(answer.reasoning)
    yield {
        "type": "response.reasoning_summary_part.added",
        **place,
        "part": {"type": "summary_text", "text": ""},
    }
    for piece in answer.reasoning:
        yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **place, "text": text}
    yield {
        "type": "response.reasoning_summary_part.done",
        **place,
        "part": {"type": "summary_text", "text": text},
    }


def _spoken(place: JsonObject, item: JsonObject, answer: Answer) -> Iterator[JsonObject]:
    for index, part in enumerate(item["content"]):
        text = part["type"] == "output_text"
        key, kind = ("text", "output_text") if text else ("refusal", "refusal")
        more: JsonObject = {"logprobs": []} if text else {}
        spot = {**place, "content_index": index}
        yield {"type": "response.content_part.added", **spot, "part": {**part, key: ""}}
        for piece in answer.text if text else answer.refusal:
            yield {"type": f"response.{kind}.delta", **spot, "delta": piece, **more}
        yield {"type": f"response.{kind}.done", **spot, key: part[key], **more}
        yield {"type": "response.content_part.done", **spot, "part": part}


def _called(place: JsonObject, call: Call) -> Iterator[JsonObject]:
    for half in call.halves:
        yield {"type": "response.function_call_arguments.delta", **place, "delta": half}
    done = {"type": "response.function_call_arguments.done", **place}
    yield {**done, "name": call.name, "arguments": call.arguments}


def _usage(tally: Tally) -> JsonObject:
    return {
        "input_tokens": tally.input,
        "input_tokens_details": {"cached_tokens": tally.cached, "cache_write_tokens": tally.cache_write},
        "output_tokens": tally.output,
        "output_tokens_details": {"reasoning_tokens": tally.reasoning},
        "total_tokens": tally.input + tally.output,
    }
