"""A loopback server that answers as fast as it can on every vendor's wire: for measuring its clients.

What it says is laid out beforehand, as full as the vendors' own servers send it; a stream goes out one token
a TCP write, whatever is asked. Standard library only. `python -m benchmarks.fast_server` prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["said"]

JsonObject: TypeAlias = dict[str, Any]

_MODEL = "fake-model"
_ASKED = 12
"""So many tokens every prompt is said to have."""


def said(tokens: int) -> list[str]:
    """The answer, token by token."""
    return [f"tok{number % 10} " for number in range(tokens)]


@dataclass(frozen=True)
class Wire:
    """A vendor's wire: the frames of a stream, and the answer in one piece."""

    media_type: str
    frames: list[bytes]
    plain: JsonObject

    def streamed(self) -> list[bytes]:
        """A whole response, one TCP write each."""
        head = _head(f"content-type: {self.media_type}", "transfer-encoding: chunked")
        return [head, *(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in self.frames), b"0\r\n\r\n"]


def _json(body: JsonObject) -> bytes:
    """A whole response."""
    data = json.dumps(body).encode()
    return _head("content-type: application/json", f"content-length: {len(data)}") + data


def _head(*fields: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", *fields, "x-request-id: req_1", "request-id: req_1")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _event(event: JsonObject, name: str = "") -> bytes:
    data = f"data: {json.dumps(event, separators=(',', ':'))}\n\n"
    return (f"event: {name}\n{data}" if name else data).encode()


def _named(event: JsonObject) -> bytes:
    return _event(event, event["type"])


def chat(tokens: int) -> Wire:
    """OpenAI's chat completions."""
    common = {"id": "chatcmpl-1", "created": 1700000000, "model": _MODEL, "service_tier": "default"}
    usage = {
        "prompt_tokens": _ASKED, "completion_tokens": tokens, "total_tokens": _ASKED + tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }  # fmt: skip

    def frame(delta: JsonObject, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        more = {"system_fingerprint": "fp_1", "choices": [choice], "usage": None, "obfuscation": "abcdef"}
        return _event({**common, "object": "chat.completion.chunk", **more})

    frames = [frame({"role": "assistant", "content": "", "refusal": None})]
    frames += [frame({"content": token}) for token in said(tokens)]
    frames.append(frame({}, "stop"))
    frames.append(_event({**common, "object": "chat.completion.chunk", "choices": [], "usage": usage}))
    frames.append(b"data: [DONE]\n\n")
    text = "".join(said(tokens))
    message: JsonObject = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    plain = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Wire("text/event-stream; charset=utf-8", frames, plain)


def responses(tokens: int) -> Wire:
    """OpenAI's responses."""
    text = "".join(said(tokens))
    usage = {
        "input_tokens": _ASKED, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": tokens,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": _ASKED + tokens,
    }  # fmt: skip
    item: JsonObject = {"id": "msg_1", "type": "message", "role": "assistant"}
    part: JsonObject = {"type": "output_text", "annotations": [], "logprobs": []}
    message: JsonObject = {**item, "status": "completed", "content": [{**part, "text": text}]}
    begun: JsonObject = {
        "id": "resp_1", "object": "response", "created_at": 1700000000, "status": "in_progress",
        "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None,
        "model": _MODEL, "output": [], "parallel_tool_calls": True, "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None}, "store": False, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": None, "user": None, "metadata": {},
    }  # fmt: skip
    whole: JsonObject = {**begun, "status": "completed", "output": [message], "usage": usage}
    place: JsonObject = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    added: JsonObject = {**item, "status": "in_progress", "content": []}
    delta: JsonObject = {
        "type": "response.output_text.delta",
        **place,
        "logprobs": [],
        "obfuscation": "abcdef",
    }
    events: list[JsonObject] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": added},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *({**delta, "delta": token} for token in said(tokens)),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.completed", "response": whole},
    ]
    frames = [_named({**event, "sequence_number": number}) for number, event in enumerate(events)]
    return Wire("text/event-stream; charset=utf-8", frames, whole)


def messages(tokens: int) -> Wire:
    """Anthropic's messages."""
    usage = {"input_tokens": _ASKED, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    begun: JsonObject = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": _MODEL, "content": [],
        "stop_reason": None, "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1, "service_tier": "standard"},
    }  # fmt: skip
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    delta: JsonObject = {"type": "content_block_delta", "index": 0}
    events: list[JsonObject] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({**delta, "delta": {"type": "text_delta", "text": token}} for token in said(tokens)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ]
    content = [{"type": "text", "text": "".join(said(tokens))}]
    plain = {**begun, **stopped, "content": content, "usage": {**usage, "output_tokens": tokens}}
    return Wire("text/event-stream; charset=utf-8", [_named(event) for event in events], plain)


def ollama(tokens: int) -> Wire:
    """Ollama's chat."""
    common = {"model": _MODEL, "created_at": "2026-11-21T00:00:00.000000Z"}
    end = {
        "done": True, "done_reason": "stop", "total_duration": 9, "load_duration": 1, "eval_count": tokens,
        "prompt_eval_count": _ASKED, "prompt_eval_duration": 3, "eval_duration": 5,
    }  # fmt: skip

    def line(text: str, more: JsonObject) -> JsonObject:
        return {**common, "message": {"role": "assistant", "content": text}, **more}

    lines = [*(line(token, {"done": False}) for token in said(tokens)), line("", end)]
    frames = [json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines]
    return Wire("application/x-ndjson", frames, line("".join(said(tokens)), end))


class _Replies:
    """What is answered to a request on each path: a stream, and one piece."""

    def __init__(self, tokens: int) -> None:
        wires = {
            b"/v1/chat/completions": chat, b"/v1/responses": responses, b"/v1/messages": messages,
            b"/api/chat": ollama,
        }  # fmt: skip
        laid_out = {path: wire(tokens) for path, wire in wires.items()}
        self.streamed = {path: wire.streamed() for path, wire in laid_out.items()}
        self.at_once = {path: _json(wire.plain) for path, wire in laid_out.items()}


class _Connection(asyncio.Protocol):
    """One client, which waits for each answer before it asks again."""

    def __init__(self, replies: _Replies) -> None:
        self._replies = replies
        self._unread = b""
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"content-length:")
        if not found or len(rest) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._unread = b""
        path = head.split(b" ", 2)[1].partition(b"?")[0]
        if path not in self._replies.streamed:  # something about the model, which is not measured
            self._transport.write(_json({}))
        elif json.loads(rest).get("stream", path == b"/api/chat"):
            self._write(iter(self._replies.streamed[path]))
        else:
            self._transport.write(self._replies.at_once[path])

    def _write(self, frames: Iterator[bytes]) -> None:
        """Write one, and the next when everybody else has had a turn."""
        frame = next(frames, None)
        if frame is not None and not self._transport.is_closing():
            self._transport.write(frame)
            self._loop.call_soon(self._write, frames)


async def _serve(tokens: int) -> None:
    replies = _Replies(tokens)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(replies), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until terminated; the first line of output is the port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=500)
    asyncio.run(_serve(parser.parse_args().tokens))


if __name__ == "__main__":
    main()
