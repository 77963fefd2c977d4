"""A loopback server that speaks Anthropic's Messages API, with a model that is a function of the test's.

It knows as much of the API as Claude Code needs to hold a conversation: one tool call or one text a turn, as
a stream or whole.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

__all__ = ["Call", "Exchange", "FakeModel", "Turn"]

JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool the model wants to be called."""

    tool: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call the model made, and what it was told came of it."""

    call: Call
    told: str
    is_error: bool

    @property
    def structured(self) -> Any:
        """The JSON in what it was told; links stand before it, reminders of the client's behind it."""
        return json.JSONDecoder().raw_decode(self.told, self.told.index("{"))[0]


Turn: TypeAlias = "Callable[[Sequence[Exchange]], Call | str]"
"""What the model does next, after these calls: another one, or its last words."""


@dataclass(slots=True)
class FakeModel:
    """A model that takes part in every conversation in which it is offered `tool`; elsewhere it says "ok"."""

    tool: str
    turn: Turn
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    """The calls of the conversation so far."""

    def answer(self, body: JsonObject) -> JsonObject:
        """The content block it gives for a request."""
        if self.tool not in {tool.get("name") for tool in body.get("tools", [])}:
            return {"type": "text", "text": "ok"}
        self.exchanges = list(_exchanges(body["messages"]))
        try:
            said = self.turn(self.exchanges)
        except (
            LookupError,
            ValueError,
        ) as error:  # a client repeats a request that gets no answer, for minutes
            said = f"The model expected to be told something else: {error!r}"
        if isinstance(said, str):
            return {"type": "text", "text": said}
        identity = f"toolu_{len(self.exchanges):04}"
        return {"type": "tool_use", "id": identity, "name": said.tool, "input": said.arguments}

    @contextmanager
    def serving(self) -> Generator[str]:
        """The server, at the address given."""
        handler = type("Handler", (_Handler,), {"model": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def _exchanges(messages: Sequence[JsonObject]) -> Iterator[Exchange]:
    contents: list[list[JsonObject]] = [
        message["content"] for message in messages if not isinstance(message["content"], str)
    ]
    blocks = [block for content in contents for block in content]
    results = {block["tool_use_id"]: block for block in blocks if block["type"] == "tool_result"}
    for block in blocks:
        if block["type"] == "tool_use" and (result := results.get(block["id"])):
            call = Call(block["name"], block["input"])
            yield Exchange(call, _text(result["content"]), bool(result.get("is_error")))


def _text(content: str | list[JsonObject]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


class _Handler(BaseHTTPRequestHandler):
    model: FakeModel

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.partition("?")[0] != "/v1/messages":
            self._send("application/json", json.dumps({"input_tokens": 1}))
            return
        block = self.model.answer(body)
        message = _message(body, block)
        if body.get("stream"):
            self._send("text/event-stream", "".join(_events(message, block)))
        else:
            self._send("application/json", json.dumps(message))

    def _send(self, media_type: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def _message(body: JsonObject, block: JsonObject) -> JsonObject:
    return {
        "id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"], "content": [block],
        "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip


def _events(message: JsonObject, block: JsonObject) -> Iterator[str]:
    if block["type"] == "tool_use":
        begun: JsonObject = {"input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        begun = {"text": ""}
        delta = {"type": "text_delta", "text": block["text"]}
    stopped = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event("message_start", message=message | {"content": [], "stop_reason": None})
    yield _event("content_block_start", index=0, content_block=block | begun)
    yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    yield _event("message_delta", delta=stopped, usage={"output_tokens": 1})
    yield _event("message_stop")


def _event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"
