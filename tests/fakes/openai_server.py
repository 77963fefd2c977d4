"""A loopback server that speaks OpenAI's chat completions: for tests, benchmarks and other people's clients.

Standard library only, so it also runs alone: `python tests/fakes/openai_server.py --port 0` prints its port.
It says what `able_model` would, always in exactly `tokens` pieces; what happens otherwise is asked for by
`server.turns`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

if __package__ in {None, ""}:  # it was started by its path
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.able_model import answer

JsonObject: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["whole", "drop", "eof", "error", "stall", "junk", "silent"]


@dataclass
class Turn:
    """How one request is answered; what is left out follows the request and the server's settings.

    `text` or raw `deltas` are said. A `status` other than 200 answers with `body` and `headers` at once.
    `ending` says what happens after `after` pieces: `drop` cuts the connection, `eof` ends the body in good
    order without the terminal event, `error` sends an error event, `stall` goes silent, `junk` sends a frame
    that is not JSON, `silent` never answers at all; a `finish` that is given is still sent before. `done`
    tells whether `[DONE]` is sent.
    """

    text: str | None = None
    deltas: list[JsonObject] | None = None
    finish: str | None = None
    usage: JsonObject | Literal["count"] | None = "count"
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    ending: Ending = "whole"
    after: int = 0
    error: Any = None
    done: bool = True


@dataclass
class Exchange:
    """One request as it came and what became of it; times are readings of `time.perf_counter`."""

    path: str
    headers: dict[str, str]
    body: JsonObject
    began_at: float
    sent: int = 0
    ended_at: float | None = None
    client_closed_at: float | None = None


class FakeOpenAI:
    """The server, running while it is entered.

    `tokens` pieces an answer, `seconds` before each, each its own TCP write (or all in one, if `burst`).
    `turns` are used up first, one a request; `refuse_schema` answers 400 to every `response_format`.
    """

    def __init__(
        self,
        *,
        tokens: int = 500,
        seconds: float = 0.0,
        burst: bool = False,
        models: tuple[str, ...] = ("fake-model",),
        refuse_schema: bool = False,
    ) -> None:
        self.tokens = tokens
        self.seconds = seconds
        self.burst = burst
        self.models = models
        self.refuse_schema = refuse_schema
        self.turns: deque[Turn] = deque()
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.open_connections = 0
        self.most_connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._alive: set[_Connection] = set()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[JsonObject]:
        """The bodies of every chat request, in order."""
        return [exchange.body for exchange in self.exchanges if exchange.path.endswith("/chat/completions")]

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback interface."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Drop every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._alive):
            connection.drop()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def stats(self) -> JsonObject:
        """What was served so far."""
        return {
            "requests": len(self.exchanges),
            "connections": self.connections,
            "open": self.open_connections,
            "most": self.most_connections,
            "left_early": sum(exchange.client_closed_at is not None for exchange in self.exchanges),
            "prompt_bytes": sum(len(json.dumps(exchange.body)) for exchange in self.exchanges),
        }


class _Connection(asyncio.Protocol):
    """One client, kept alive over many requests."""

    def __init__(self, server: FakeOpenAI) -> None:
        self._server = server
        self._unread = b""
        self._answering: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        server = self._server
        server._alive.add(self)
        server.connections += 1
        server.open_connections += 1
        server.most_connections = max(server.most_connections, server.open_connections)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's signature
        server = self._server
        server._alive.discard(self)
        server.open_connections -= 1
        if self._exchange is not None and self._exchange.ended_at is None:
            self._exchange.client_closed_at = time.perf_counter()
        if self._answering is not None:
            self._answering.cancel()

    def drop(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._unread = rest[length:]
        body = json.loads(rest[:length] or b"{}")
        self._exchange = Exchange(first.split(" ")[1], headers, body, time.perf_counter())
        if not self._exchange.path.endswith("/stats"):
            self._server.exchanges.append(self._exchange)
        self._answering = asyncio.get_running_loop().create_task(self._answer(self._exchange))

    async def _answer(self, exchange: Exchange) -> None:
        server = self._server
        if exchange.path.endswith("/stats"):
            self._send_json(200, server.stats())
        elif exchange.path.endswith("/models"):
            self._send_json(200, {"object": "list", "data": [{"id": name} for name in server.models]})
        elif not exchange.path.endswith("/chat/completions"):
            self._send_json(
                404, {"error": {"message": f"No such path: {exchange.path}", "type": "not_found"}}
            )
        else:
            await self._chat(exchange, server.turns.popleft() if server.turns else Turn())
        exchange.ended_at = exchange.ended_at or time.perf_counter()

    async def _chat(self, exchange: Exchange, turn: Turn) -> None:
        if turn.ending == "silent":
            await asyncio.Event().wait()
        if self._server.refuse_schema and "response_format" in exchange.body:
            refusal = {"message": "response_format json_schema is not supported", "param": "response_format"}
            turn = Turn(status=400, body={"error": refusal})
        if turn.status != 200 or turn.body is not None:
            self._send_json(turn.status, turn.body, turn.headers)
            return
        said = turn.text if turn.text is not None else answer(exchange.body, self._server.tokens)
        deltas = turn.deltas or [{"content": piece} for piece in pieces(said, self._server.tokens)]
        if not exchange.body.get("stream"):
            self._send_json(200, _completion(exchange.body, said, len(deltas)))
            return
        await self._stream(exchange, turn, deltas)

    async def _stream(self, exchange: Exchange, turn: Turn, deltas: list[JsonObject]) -> None:
        head = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **turn.headers}
        self._transport.write(_head(200, head))
        cut = turn.ending != "whole"
        frames = [_frame(exchange.body, delta) for delta in (deltas[: turn.after] if cut else deltas)]
        if not cut:
            frames += self._closing_frames(exchange.body, turn, deltas)
        elif turn.finish:
            frames.append(_frame(exchange.body, {}, finish=turn.finish))
        await self._write_frames(exchange, frames)
        match turn.ending:
            case "drop":
                exchange.ended_at = time.perf_counter()
                self._transport.close()
                return
            case "stall":
                await asyncio.Event().wait()
            case "error":
                error = turn.error or {"message": "The engine is overloaded", "code": "overloaded"}
                self._transport.write(_chunked(_event({"error": error})))
            case "junk":
                self._transport.write(_chunked(b"data: {not json\n\n"))
            case _:
                pass
        self._transport.write(b"0\r\n\r\n")

    async def _write_frames(self, exchange: Exchange, frames: list[bytes]) -> None:
        if self._server.burst:
            self._transport.write(b"".join(frames))
            exchange.sent = len(frames)
            return
        for frame in frames:
            await asyncio.sleep(self._server.seconds)
            self._transport.write(frame)
            exchange.sent += 1

    def _closing_frames(self, body: JsonObject, turn: Turn, deltas: list[JsonObject]) -> list[bytes]:
        calls = any("tool_calls" in delta for delta in deltas)
        frames = [_frame(body, {}, finish=turn.finish or ("tool_calls" if calls else "stop"))]
        usage = _usage(body, len(deltas)) if turn.usage == "count" else turn.usage
        options: JsonObject = body.get("stream_options") or {}
        if usage and options.get("include_usage"):
            frames.append(_chunked(_event({**_opening(body), "choices": [], "usage": usage})))
        if turn.done:
            frames.append(_chunked(b"data: [DONE]\n\n"))
        return frames

    def _send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        self._transport.write(_head(status, fields) + data)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "x-request-id: req_fake"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(value: JsonObject) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _opening(body: JsonObject) -> JsonObject:
    model = body.get("model", "fake")
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": model}


def _frame(body: JsonObject, delta: JsonObject, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _chunked(_event({**_opening(body), "choices": [choice]}))


def _usage(body: JsonObject, tokens: int) -> JsonObject:
    asked = len(json.dumps(body.get("messages", []))) // 4
    return {
        "prompt_tokens": asked,
        "completion_tokens": tokens,
        "total_tokens": asked + tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _completion(body: JsonObject, text: str, tokens: int) -> JsonObject:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {**_opening(body), "object": "chat.completion", "choices": [choice], "usage": _usage(body, tokens)}


def pieces(text: str, tokens: int) -> list[str]:
    """`text` in exactly `tokens` pieces, filled up with spaces (which JSON ignores) where it is too short."""
    text = text.ljust(tokens)
    bounds = [len(text) * number // tokens for number in range(tokens + 1)]
    return [text[start:end] for start, end in pairwise(bounds)]


async def _serve(options: argparse.Namespace) -> None:
    server = FakeOpenAI(tokens=options.tokens, seconds=options.seconds, burst=options.burst)
    await server.start(options.port)
    print(server.port, flush=True)  # noqa: T201  the port is the output
    await asyncio.Event().wait()


def main() -> None:
    """Serve until interrupted; the first line of output is the port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=0.0, help="before each token")
    parser.add_argument("--burst", action="store_true", help="all tokens in one write")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
