"""OpenAI's chat completions, and what compatible servers add to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from tests.fakes.turn import Asked, Frames, Refused
from tests.fakes.wires.wire import sse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.turn import Answer, Grounds, Tally, Turn

JsonObject: TypeAlias = dict[str, Any]

MEDIA_TYPE = "text/event-stream"
HEADERS = {"x-request-id": "req_fake"}
SCHEMA = "response_format"

_DONE = b"data: [DONE]\n\n"


def streams(body: JsonObject) -> bool:
    """Whether a stream is asked for."""
    return bool(body.get("stream"))


def asked(body: JsonObject) -> Asked:
    """What a request says."""
    words = "\n".join(_words(message.get("content")) for message in body.get("messages", []))
    form: JsonObject = body.get("response_format") or {}
    wished: JsonObject = form.get("json_schema") or {}
    return Asked(words, wished.get("schema"))


def _words(content: str | list[JsonObject] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def frames(body: JsonObject, answer: Answer, turn: Turn) -> Frames:
    """An answer as a stream."""
    deltas: list[JsonObject] = [{"reasoning_content": piece} for piece in answer.reasoning]
    deltas += [{"content": piece} for piece in answer.text]
    deltas += [{"refusal": piece} for piece in answer.refusal]
    for index, call in enumerate(answer.calls):
        first, second = call.halves
        function = {"name": call.name, "arguments": first}
        deltas.append(
            {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        )
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": second}}]})
    rest: list[bytes] = []
    options: JsonObject = body.get("stream_options") or {}
    if answer.usage and options.get("include_usage"):
        rest.append(sse({**_opening(body), "choices": [], "usage": _usage(answer.usage)}))
    if turn.done:
        rest.append(_DONE)
    return Frames(
        [_delta(body, delta) for delta in deltas], _delta(body, {}, finish=answer.finish), rest=tuple(rest)
    )


def plain(body: JsonObject, answer: Answer) -> JsonObject:
    """An answer in one piece."""
    message: JsonObject = {
        "role": "assistant",
        "content": "".join(answer.text) or None,
        "refusal": "".join(answer.refusal) or None,
    }
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
    said: JsonObject = {**_opening(body), "object": "chat.completion", "choices": [choice]}
    return said | ({"usage": _usage(answer.usage)} if answer.usage else {})


def frame(event: JsonObject) -> bytes:
    """One event as it goes over the wire."""
    return sse(event)


def error(said: Any) -> JsonObject:
    """The event of an error within a stream."""
    overloaded = _error("The engine is overloaded.", "server_error", "server_is_overloaded")
    return overloaded if said is None else {"error": said}


def failed(body: JsonObject, said: Any) -> JsonObject:
    """The same error as the answer to who asked for one in one piece."""
    return error(said)


def refusal(grounds: Grounds, body: JsonObject) -> Refused:
    """How OpenAI refuses a request."""
    if grounds == "context":
        said = (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130531 "
            "tokens. Please reduce the length of the messages."
        )
        return Refused(400, _error(said, "invalid_request_error", "context_length_exceeded", "messages"))
    return openai_refusal(grounds, body)


def openai_refusal(grounds: Grounds, body: JsonObject) -> Refused:
    """How OpenAI refuses a request on either of its wires."""
    model = body.get("model")
    wrong_key = "Incorrect API key provided: sk-very*********6789. You can find your API key at https://platform.openai.com."
    no_model = f"The model `{model}` does not exist or you do not have access to it."
    slow_down = (
        f"Rate limit reached for {model} in organization org-fake on tokens per min (TPM): Limit 30000, Used "
        "29710, Requested 812. Please try again in 1.044s."
    )
    no_quota = "You exceeded your current quota, please check your plan and billing details."
    failed = "The server had an error while processing your request. Sorry about that!"
    too_much = "The engine is currently overloaded, please try again later."
    table: dict[Grounds, Refused] = {
        "key": Refused(401, _error(wrong_key, "invalid_request_error", "invalid_api_key")),
        "model": Refused(404, _error(no_model, "invalid_request_error", "model_not_found")),
        "rate": Refused(429, _error(slow_down, "tokens", "rate_limit_exceeded")),
        "quota": Refused(429, _error(no_quota, "insufficient_quota", "insufficient_quota")),
        "server": Refused(500, _error(failed, "server_error")),
        "overloaded": Refused(503, _error(too_much, "server_error")),
    }
    return table[grounds]


def listed(models: Sequence[str]) -> JsonObject:
    """The models there are."""
    made: JsonObject = {"object": "model", "created": 1700000000, "owned_by": "fake"}
    return {"object": "list", "data": [{"id": name, **made} for name in models]}


def no_schema() -> Refused:
    """How a compatible server refuses structured output."""
    said = "response_format json_schema is not supported"
    return Refused(400, _error(said, "invalid_request_error", param=SCHEMA))


def _error(message: str, kind: str, code: str | None = None, param: str | None = None) -> JsonObject:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _opening(body: JsonObject) -> JsonObject:
    model = body.get("model", "fake")
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": model}


def _delta(body: JsonObject, delta: JsonObject, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return sse({**_opening(body), "choices": [choice]})


def _usage(tally: Tally) -> JsonObject:
    return {
        "prompt_tokens": tally.input,
        "completion_tokens": tally.output,
        "total_tokens": tally.input + tally.output,
        "prompt_tokens_details": {
            "cached_tokens": tally.cached,
            "cache_write_tokens": tally.cache_write,
        },
        "completion_tokens_details": {"reasoning_tokens": tally.reasoning},
    }
