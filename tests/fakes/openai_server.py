"""A loopback server that speaks OpenAI's chat completions: for tests, benchmarks and other people's clients.

Standard library only, so it also runs alone: `python tests/fakes/openai_server.py --port 0` prints its port.
It answers by the request: where a JSON Schema is asked for, with an instance that makes sense to a team of
agents (workers from the enum, verbatim quotes from `<source>` fences, ids from `<finding>` fences), else
with words; always in exactly `tokens` pieces. What happens otherwise is asked for by `server.turns`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count, cycle, pairwise
from typing import Any, Literal, Self, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["whole", "drop", "eof", "error", "stall", "junk", "silent"]

_WORDS = "The evidence points to a measurable effect that the cited sources report in like terms. "
_PLANNED = 3


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
            frames.append(_chunked(_event({**_base(body), "choices": [], "usage": usage})))
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


def _base(body: JsonObject) -> JsonObject:
    model = body.get("model", "fake")
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": model}


def _frame(body: JsonObject, delta: JsonObject, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _chunked(_event({**_base(body), "choices": [choice]}))


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
    return {**_base(body), "object": "chat.completion", "choices": [choice], "usage": _usage(body, tokens)}


def pieces(text: str, tokens: int) -> list[str]:
    """`text` in exactly `tokens` pieces, filled up with spaces (which JSON ignores) where it is too short."""
    text = text.ljust(tokens)
    bounds = [len(text) * number // tokens for number in range(tokens + 1)]
    return [text[start:end] for start, end in pairwise(bounds)]


def answer(body: JsonObject, tokens: int) -> str:
    """What an able model might say to the request."""
    form: JsonObject = body.get("response_format") or {}
    wished: JsonObject | None = form.get("json_schema")
    if wished is None:
        return (_WORDS * (tokens * 4 // len(_WORDS) + 1))[: max(tokens * 4, 1)]
    said = "\n".join(str(message.get("content") or "") for message in body["messages"])
    return json.dumps(_Author(said, wished["schema"]).write(wished["schema"], ""))


class _Author:
    """Fills a schema from the material of a prompt; the names of properties say what belongs there."""

    def __init__(self, said: str, root: JsonObject) -> None:
        self._root = root
        self._findings = dict(re.findall(r'<finding id="([^"]+)"[^>]*>\n(.*?)\n</finding>', said, re.DOTALL))
        sources = re.findall(r'<source id="([^"]+)"[^>]*>\n(.*?)\n</source>', said, re.DOTALL)
        self._quotes = [(name, sentence) for name, text in sources if (sentence := _sentence(text))]
        self._numbers = count(1)
        self._choice: dict[str, cycle[Any]] = {}
        self._quoted: tuple[str, str] | None = None
        self._claimed = ""

    def write(self, schema: JsonObject, name: str) -> Any:
        """An instance of `schema` for the property `name`."""
        schema = self._plain(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return next(self._choice.setdefault(name, cycle(schema["enum"])))
        kinds = schema.get("type", "object")
        match kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null"):
            case "object":
                fields = schema.get("properties", {})
                said = {field: self.write(inner, field) for field, inner in fields.items()}
            case "array":
                said = self._list(schema, name)
            case "number" | "integer":
                said = _number(schema)
            case "boolean":
                said = True
            case _:
                said = self._string(schema, name)
        return said

    def _plain(self, schema: JsonObject) -> JsonObject:
        """The schema behind a reference, and the first alternative that is not null."""
        if "$ref" in schema:
            return self._plain(self._root["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._plain(next(one for one in schema[key] if one.get("type") != "null"))
        return schema

    def _list(self, schema: JsonObject, name: str) -> list[Any]:
        most, least = schema.get("maxItems", 100), schema.get("minItems", 0)
        item = schema.get("items", {"type": "string"})
        if name in {"finding_ids", "evidence"}:
            return [self._claimed] if self._claimed else []
        if name == "after":
            return []
        if name == "findings" and "quote" in item.get("properties", {}):
            quotes = self._quotes[: min(most, 6)]
            return [self._finding(item, quote) for quote in quotes]
        if name in {"gaps", "open_questions", "disagreements", "revise", "missing"}:
            return [self.write(item, name) for _ in range(least)]
        if name == "claims" and self._findings:
            return [self._claim(item, finding) for finding in [*self._findings][:most]]
        wanted = _PLANNED
        return [self.write(item, name) for _ in range(max(least, min(most, wanted)))]

    def _finding(self, item: JsonObject, quote: tuple[str, str]) -> Any:
        self._quoted = quote
        return self.write(item, "finding")

    def _claim(self, item: JsonObject, finding: str) -> Any:
        self._claimed = finding
        return self.write(item, "claim")

    def _string(self, schema: JsonObject, name: str) -> str:
        if name in {"passage", "passage_id", "quote"} and self._quoted:
            return self._quoted[1 if name == "quote" else 0]
        if name == "id":
            return f"a{next(self._numbers)}"
        text = _WORDS.strip()
        if name == "text" and self._claimed:
            text = self._findings[self._claimed]
        if name in {"answer", "report", "document", "summary"} and self._findings:
            text = " ".join(f"{quote} [{finding}]" for finding, quote in [*self._findings.items()][:2])
        return text[: schema.get("maxLength", len(text))]


def _number(schema: JsonObject) -> float:
    low, high = schema.get("minimum", 0), schema.get("maximum", 5)
    return high if schema["type"] == "integer" else low + (high - low) * 0.8


def _sentence(text: str) -> str:
    """The first whole sentence of `text`, verbatim, or its first line."""
    found = re.search(r"[A-Z][^.!?\n]{20,400}[.!?]", text)
    return found.group() if found else text.strip().split("\n")[0]


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
