"""Ollama's chat: one JSON object a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.fakes.turn import Asked, Frames, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.turn import Answer, Call, Grounds, Turn

JsonObject: TypeAlias = dict[str, Any]

MEDIA_TYPE = "application/x-ndjson"
HEADERS: dict[str, str] = {}
SCHEMA = "format"

_CREATED = "2026-11-01T12:00:00.000000Z"
_FAMILY = {"format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "8.0B"}
_NANOSECONDS = 1_000_000


def streams(body: JsonObject) -> bool:
    """Whether a stream is asked for; Ollama streams unless told not to."""
    return bool(body.get("stream", True))


def asked(body: JsonObject) -> Asked:
    """What a request says."""
    words = "\n".join(message.get("content") or "" for message in body.get("messages", []))
    form: JsonObject | str | None = body.get("format")
    return Asked(words, form if isinstance(form, dict) else None)


def frames(body: JsonObject, answer: Answer, turn: Turn) -> Frames:
    """An answer as a stream; a refusal is text like any other here, and a call comes whole."""
    messages: list[JsonObject] = [{"content": "", "thinking": piece} for piece in answer.reasoning]
    messages += [{"content": piece} for piece in (*answer.text, *answer.refusal)]
    for index, call in enumerate(answer.calls):
        messages.append({"content": "", "tool_calls": [_call(index, call)]})
    return Frames(
        [frame({**_opening(body), "message": _spoken(message), "done": False}) for message in messages],
        frame({**_opening(body), "message": _spoken({"content": ""}), **_end(answer)}),
    )


def plain(body: JsonObject, answer: Answer) -> JsonObject:
    """An answer in one piece."""
    message: JsonObject = {"content": "".join((*answer.text, *answer.refusal))}
    if answer.reasoning:
        message["thinking"] = "".join(answer.reasoning)
    if answer.calls:
        message["tool_calls"] = [_call(index, call) for index, call in enumerate(answer.calls)]
    return {**_opening(body), "message": _spoken(message), **_end(answer)}


def frame(event: JsonObject) -> bytes:
    """One event as it goes over the wire."""
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def error(said: Any) -> JsonObject:
    """The event of an error within a stream."""
    return {
        "error": "an error was encountered while running the model: unexpected EOF" if said is None else said
    }


def failed(body: JsonObject, said: Any) -> JsonObject:
    """The same error as the answer to who asked for one in one piece."""
    return error(said)


def refusal(grounds: Grounds, body: JsonObject) -> Refused:
    """How Ollama refuses a request: in words."""
    too_long = (
        "the prompt is longer than the context length currently available to the model; shorten the prompt, "
        "adjust the context length in settings, or use a model with a longer context length"
    )
    limit = "you have reached your {} usage limit, upgrade for higher limits: https://ollama.com/upgrade"
    stopped = (
        "model runner has unexpectedly stopped, this may be due to resource limitations or an internal "
        "error, check ollama server logs for details"
    )
    table: dict[Grounds, tuple[int, str]] = {
        "key": (401, "unauthorized"),
        "model": (404, f"model '{body.get('model')}' not found"),
        "context": (400, too_long),
        "rate": (429, limit.format("hourly")),
        "quota": (402, limit.format("weekly")),
        "server": (500, stopped),
        "overloaded": (503, "server busy, please try again.  maximum pending requests exceeded"),
    }
    status, said = table[grounds]
    return Refused(status, {"error": said})


def no_schema() -> Refused:
    """How a server refuses structured output that it does not know."""
    return Refused(400, {"error": "format with a JSON schema is not supported"})


def listed(models: Sequence[str]) -> JsonObject:
    """The models there are."""
    return {"models": [{"name": name, "model": name, "size": 1, "details": _FAMILY} for name in models]}


def details() -> JsonObject:
    """What can be known of a model."""
    return {
        "details": _FAMILY,
        "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
        "capabilities": ["completion", "tools", "thinking"],
        "modified_at": _CREATED,
    }


def _opening(body: JsonObject) -> JsonObject:
    return {"model": body.get("model"), "created_at": _CREATED}


def _spoken(message: JsonObject) -> JsonObject:
    return {"role": "assistant", **message}


def _end(answer: Answer) -> JsonObject:
    # Calls end in "stop" like any other answer, and there is no word for a filter.
    reason = "length" if answer.finish == "length" else "stop"
    end: JsonObject = {"done": True, "done_reason": reason, "total_duration": 5 * _NANOSECONDS}
    if answer.usage:
        end |= {
            "prompt_eval_count": answer.usage.input,
            "prompt_eval_duration": _NANOSECONDS,
            "eval_count": answer.usage.output,
            "eval_duration": 4 * _NANOSECONDS,
        }
    return end


def _call(index: int, call: Call) -> JsonObject:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = call.arguments  # no object, so broken on this wire too
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments}}
