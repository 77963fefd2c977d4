"""A loopback server that speaks the wires of every vendor: for tests, benchmarks and other people's clients.

The path of a request says on which wire it is answered; the wires are in `wires/`. Standard library only, so
it also runs alone: `python tests/fakes/model_server.py --port 0` prints its port. It says what `able_model`
would, always in exactly `tokens` pieces; what happens otherwise is asked for by `server.turns`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if __package__ in {None, ""}:  # it was started by its path
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.able_model import answer as able_answer
from tests.fakes.turn import Answer, Frames, Turn
from tests.fakes.wires import chat, messages, ollama, responses

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.wires.wire import Wire

JsonObject: TypeAlias = dict[str, Any]

_WIRES: dict[str, Wire] = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
    "/v1/messages": messages,
    "/api/chat": ollama,
}
# To linger for no time at all: closing sends a reset.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@dataclass
class Exchange:
    """One request as it came and what became of it; times are readings of `time.perf_counter`.

    `asked` tokens are counted in its prompt, `sent` pieces of its answer went out.
    """

    path: str
    headers: dict[str, str]
    body: JsonObject
    began_at: float
    asked: int = 0
    sent: int = 0
    ended_at: float | None = None
    client_closed_at: float | None = None

    @property
    def wire(self) -> Wire | None:
        """The wire on which a model is asked, if one is."""
        return _WIRES.get(self.path)

    @property
    def words(self) -> str:
        """What a model is asked; empty where none is."""
        return self.wire.asked(self.body).words if self.wire else ""


class FakeModels:
    """The server, running while it is entered.

    `tokens` pieces an answer, `seconds` before each, each its own TCP write (or all in one, if `burst`).
    `turns` are used up first, one a request to a model; else `respond` says how one is answered, where it is
    given. `refuse_schema` answers 400 to every JSON Schema.
    """

    def __init__(
        self,
        *,
        tokens: int = 500,
        seconds: float = 0.0,
        burst: bool = False,
        models: tuple[str, ...] = ("fake-model",),
        refuse_schema: bool = False,
        respond: Callable[[Exchange], Turn] | None = None,
    ) -> None:
        self.tokens = tokens
        self.seconds = seconds
        self.burst = burst
        self.models = models
        self.refuse_schema = refuse_schema
        self.respond = respond
        self.turns: deque[Turn] = deque()
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.open_connections = 0
        self.most_connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._alive: set[_Connection] = set()

    @property
    def root(self) -> str:
        """The address, as Anthropic's and Ollama's clients want it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, as OpenAI's clients want it."""
        return f"{self.root}/v1"

    @property
    def requests(self) -> list[JsonObject]:
        """The bodies of every request to a model, in order."""
        return [exchange.body for exchange in self.exchanges if exchange.wire is not None]

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

    def __init__(self, server: FakeModels) -> None:
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
        path = first.split(" ")[1].partition("?")[0]
        self._exchange = Exchange(path, headers, body, time.perf_counter())
        if not path.endswith("/stats"):
            self._server.exchanges.append(self._exchange)
        self._answering = asyncio.get_running_loop().create_task(self._answer(self._exchange))
        self._answering.add_done_callback(self._answered)

    def _answered(self, answering: asyncio.Task[None]) -> None:
        """Say so if a request could not be read, lest the client wait for ever."""
        if not answering.cancelled() and (error := answering.exception()):
            self._send(500, {"error": {"message": f"The fake cannot answer this: {error!r}"}})

    async def _answer(self, exchange: Exchange) -> None:
        server = self._server
        if exchange.wire is not None:
            await self._model(exchange, exchange.wire, self._turn(exchange))
        elif exchange.path.endswith("/stats"):
            self._send(200, server.stats())
        else:
            self._send(*_about_models(exchange, server.models))
        exchange.ended_at = exchange.ended_at or time.perf_counter()

    def _turn(self, exchange: Exchange) -> Turn:
        server = self._server
        if server.turns:
            return server.turns.popleft()
        return server.respond(exchange) if server.respond else Turn()

    async def _model(self, exchange: Exchange, wire: Wire, turn: Turn) -> None:
        if turn.ending == "silent":
            await asyncio.Event().wait()
        asked = wire.asked(exchange.body)
        exchange.asked = max(1, len(asked.words) // 4)
        refused = wire.refusal(turn.refused, exchange.body) if turn.refused else None
        if self._server.refuse_schema and asked.schema is not None:
            refused = wire.no_schema()
        if refused is not None:
            self._send(refused.status, refused.body, {**wire.HEADERS, **turn.headers})
            return
        if turn.status != 200 or turn.body is not None:
            self._send(turn.status, turn.body, {**wire.HEADERS, **turn.headers})
            return
        tokens = self._server.tokens
        answer = Answer.of(turn, able_answer(asked, tokens), tokens, prompt=exchange.asked)
        if wire.streams(exchange.body):
            await self._stream(exchange, wire, turn, answer)
        else:
            await self._plain(exchange, wire, turn, answer)

    async def _stream(self, exchange: Exchange, wire: Wire, turn: Turn, answer: Answer) -> None:
        fields = {"content-type": wire.MEDIA_TYPE, "transfer-encoding": "chunked"}
        self._transport.write(_head(200, {**fields, **wire.HEADERS, **turn.headers}))
        if turn.events is None:
            frames = wire.frames(exchange.body, answer, turn)
        else:
            raw = [event if isinstance(event, bytes) else wire.frame(event) for event in turn.events]
            frames = Frames(raw, b"")
        cut = turn.ending != "whole"
        if frames.opening:
            self._transport.write(_chunked(frames.opening))
        await asyncio.sleep(turn.first_token)
        await self._write(exchange, frames.pieces[: turn.after] if cut else frames.pieces)
        if frames.finish and (turn.finish or not cut):
            await self._write(None, [frames.finish])
        if not cut:
            await self._write(None, list(frames.rest))
        await self._end(exchange, wire, turn)

    async def _write(self, exchange: Exchange | None, frames: list[bytes]) -> None:
        """Send frames, each on its own unless in a burst; count them on the exchange if they are pieces."""
        if self._server.burst:
            self._transport.write(b"".join(_chunked(frame) for frame in frames))
            if exchange is not None:
                exchange.sent = len(frames)
            return
        for frame in frames:
            await asyncio.sleep(self._server.seconds)
            self._transport.write(_chunked(frame))
            if exchange is not None:
                exchange.sent += 1

    async def _end(self, exchange: Exchange, wire: Wire, turn: Turn) -> None:
        match turn.ending:
            case "drop" | "reset":
                self._leave(exchange, turn)
                return
            case "stall":
                await asyncio.Event().wait()
            case "error":
                self._transport.write(_chunked(wire.frame(wire.error(turn.error))))
            case "junk":
                broken = wire.frame({"type": "junk"}).replace(b'{"type":"junk"}', b"{not json")
                self._transport.write(_chunked(broken))
            case _:
                pass
        self._transport.write(b"0\r\n\r\n")

    async def _plain(self, exchange: Exchange, wire: Wire, turn: Turn, answer: Answer) -> None:
        """The answer in one piece; an ending other than `whole` comes after half of it."""
        await asyncio.sleep(turn.first_token)
        said = wire.plain(exchange.body, answer)
        if turn.ending == "error":
            said = wire.failed(exchange.body, turn.error)
        data = json.dumps(said).encode()
        fields = {"content-type": "application/json", **wire.HEADERS, **turn.headers}
        if turn.ending in {"eof", "junk"}:
            data = data[: len(data) // 2]
        head = _head(200, {**fields, "content-length": str(len(data))})
        if turn.ending not in {"drop", "reset", "stall"}:
            self._transport.write(head + data)
            exchange.sent = answer.tally.output
            return
        self._transport.write(head + data[: len(data) // 2])
        if turn.ending == "stall":
            await asyncio.Event().wait()
        self._leave(exchange, turn)

    def _leave(self, exchange: Exchange, turn: Turn) -> None:
        """Close the connection from this side, by the book or without."""
        exchange.ended_at = time.perf_counter()
        if turn.ending == "drop":
            self._transport.close()
            return
        wire: socket.socket = self._transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        web_page = isinstance(body, str)
        data = body.encode() if web_page else json.dumps(body).encode()
        kind = "text/html; charset=utf-8" if web_page else "application/json"
        fields = {"content-type": kind, "content-length": str(len(data)), **(headers or {})}
        self._transport.write(_head(status, fields) + data)


def _about_models(exchange: Exchange, models: tuple[str, ...]) -> tuple[int, JsonObject]:
    """The status and body for everything that asks about models instead of one."""
    anthropic = "anthropic-version" in exchange.headers or "x-api-key" in exchange.headers
    status = 200
    match exchange.path.split("/")[1:]:
        case ["v1", "models"] if anthropic:
            body = messages.listed(models)
        case ["v1", "models", model] if anthropic and model in models:
            body = messages.described(model)
        case ["v1", "models"]:
            body = chat.listed(models)
        case ["api", "tags"]:
            body = ollama.listed(models)
        case ["api", "show"] if exchange.body.get("model") in models:
            body = ollama.details()
        case ["api", "show"]:
            refused = ollama.refusal("model", exchange.body)
            status, body = refused.status, refused.body
        case _:
            said = {"message": f"No such path: {exchange.path}", "type": "not_found_error"}
            status, body = 404, {"type": "error", "error": said}
    return status, body


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(options: argparse.Namespace) -> None:
    server = FakeModels(tokens=options.tokens, seconds=options.seconds, burst=options.burst)
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
