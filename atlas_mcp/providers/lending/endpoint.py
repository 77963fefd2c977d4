"""An OpenAI-compatible address on this machine, behind which a provider answers.

It is for what makes its own model calls and can be told where: an agent server, any program. Through it they
get what a group gives (fallback, budgets, accounts, cancelling) and no key of a vendor. It listens on the
loopback alone; whoever asks needs the key of a session. What the wire says is read and written in
`requests`, `answers` and `errors`.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import uvicorn

from atlas_mcp.chunks import Stopped
from atlas_mcp.errors import AtlasError, InvalidConfiguration
from atlas_mcp.providers.lending.answers import ChatEvents, completion, error_event, model_list
from atlas_mcp.providers.lending.errors import Refusal, refusal, told
from atlas_mcp.providers.lending.requests import read_request
from atlas_mcp.providers.lending.session import ModelSession
from atlas_mcp.providers.provider import Fold

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping

    from atlas_mcp.providers.budget import Budget
    from atlas_mcp.providers.lending.requests import ChatRequest
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.stream import Stream

    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

__all__ = ["LARGEST_BODY", "ModelEndpoint", "open_endpoint"]

S = TypeVar("S", bound=ModelSession)

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of a request, pictures included."""

_HOST = "127.0.0.1"
_NAMES = frozenset({_HOST, "localhost"})
"""What this machine is called by who means it; a web page that was led here calls it otherwise."""

_PATHS = {"/v1/chat/completions": "POST", "/v1/models": "GET"}
_AT_ONCE = 256 * 1024
"""Larger bodies are read beside the event loop."""


class ModelEndpoint:
    """The ASGI application, and the sessions it serves; made by `open_endpoint`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{_HOST}:{port}/v1"
        self._sessions: list[ModelSession] = []

    def session(
        self, provider: Provider, *, budget: Budget | None = None, name: str = "client"
    ) -> ModelSession:
        """A key under which `provider` answers, charged to `budget`; close it when its user is done.

        `name` is what prompts and errors call who asks.
        """
        return self.admit(partial(ModelSession, provider, budget=budget, name=name))

    def admit(self, make: Callable[..., S]) -> S:
        """A session of a kind of one's own: `make` is given its `url` and `on_close`."""
        session = make(url=self.url, on_close=self._forget)
        self._sessions.append(session)
        return session

    def _forget(self, session: ModelSession) -> None:
        self._sessions = [other for other in self._sessions if other is not session]

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions:
            session.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        session = self._admitted(scope, headers)
        if isinstance(session, Refusal):
            await _refuse(send, session)
        elif scope["method"] == "GET":
            info = session.info
            await _give(send, 200, model_list(session.model, info.vendor, info.capabilities.window))
        elif (data := await _body(receive, headers)) is None:
            await _refuse(send, refusal(413, f"The request is larger than {LARGEST_BODY:,} bytes."))
        else:
            await _answer(session, data, receive, send)

    def _admitted(self, scope: Scope, headers: dict[bytes, bytes]) -> ModelSession | Refusal:
        """Whose request it is, or why it is refused."""
        path, method = scope["path"], scope["method"]
        if headers.get(b"host", b"").decode("latin-1").partition(":")[0] not in _NAMES:
            return refusal(421, "This address is for programs on this machine.")
        if (allowed := _PATHS.get(path)) is None:
            return refusal(404, f"There is no {path}; there are {' and '.join(_PATHS)}.")
        if method != allowed:
            return refusal(405, f"{path} takes {allowed}.", allow=allowed)
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        found = None
        for session in self._sessions:  # each of them, so that the time it takes tells nothing
            if compare_digest(session.key.get_secret_value().encode(), key.strip()):
                found = session
        if found is None or scheme.lower() != b"bearer":
            return refusal(401, "The key is missing, wrong, or no longer worth anything.")
        return found


async def _answer(session: ModelSession, data: bytes, receive: Receive, send: Send) -> None:
    """Answer a request for a completion."""
    try:
        if len(data) > _AT_ONCE:
            request = await asyncio.to_thread(read_request, data, agent=session.name)
        else:
            request = read_request(data, agent=session.name)
        async with session.asking(request.prompt, in_pieces=request.streaming) as stream:
            leaving = asyncio.create_task(_cancel_when_gone(receive, stream))
            try:
                await (_in_pieces if request.streaming else _whole)(session, request, stream, send)
            finally:
                leaving.cancel()
    except AtlasError as error:
        await session.failed(error)
        await _refuse(send, told(error))


async def _cancel_when_gone(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.control.cancel("its reader is gone")


async def _in_pieces(session: ModelSession, request: ChatRequest, stream: Stream, send: Send) -> None:
    """The answer as events.

    Raises:
        AtlasError: it failed before it began.
    """
    events = ChatEvents(request, session.info.name)
    started = False
    try:
        async for chunk in stream:
            session.saw(chunk)
            if written := events.take(chunk):
                if not started:
                    started = True
                    await _start(send, 200, b"text/event-stream", {"x-atlas-member": events.model})
                await _write(send, written, last=type(chunk) is Stopped)
    except AtlasError as error:
        if not started:
            raise
        await session.failed(error)
        await _write(send, error_event(error), last=True)


async def _whole(session: ModelSession, request: ChatRequest, stream: Stream, send: Send) -> None:
    """The answer as one object.

    Raises:
        AtlasError: it failed.
    """
    fold = Fold()
    async for chunk in stream:
        session.saw(chunk)
        fold.add(chunk)
    answer = completion(request, fold.reply())
    await _give(send, 200, answer, {"x-atlas-member": answer["model"]})


# HTTP -------------------------------------------------------------------------------------------------------


async def _body(receive: Receive, headers: dict[bytes, bytes]) -> bytes | None:
    """The body of a request; None if it is too large."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _refuse(send: Send, refused: Refusal) -> None:
    await _give(send, refused.status, {"error": refused.body}, refused.headers)


async def _give(send: Send, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
    data = json.dumps(answer, ensure_ascii=False).encode()
    fields = {"content-length": str(len(data)), **(headers or {})}
    await _start(send, status, b"application/json", fields)
    await _write(send, data, last=True)


async def _start(send: Send, status: int, kind: bytes, headers: dict[str, str]) -> None:
    fields = [(b"content-type", kind), (b"cache-control", b"no-store")]
    fields += [(name.encode(), _printable(value)) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def _write(send: Send, data: bytes, *, last: bool) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": not last})


def _printable(value: str) -> bytes:
    """A header's value: a model may be called anything."""
    return "".join(character if character.isprintable() else "?" for character in value).encode(
        "ascii", "replace"
    )


class _Server(uvicorn.Server):
    """A web server that leaves the process's signals to whoever owns the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def open_endpoint(port: int = 0) -> AsyncGenerator[ModelEndpoint]:
    """An endpoint at a port of the loopback, by default a free one; leaving closes every session.

    Raises:
        InvalidConfiguration: the port is in use.
    """
    try:
        listening = socket.create_server((_HOST, port), backlog=512)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise InvalidConfiguration(
            f"Nobody can listen on {_HOST} port {port}: {reason}.",
            remedy="Give another port, or stop who listens there.",
        ) from None
    with listening:
        endpoint = ModelEndpoint(listening.getsockname()[1])
        config = uvicorn.Config(
            endpoint, log_config=None, lifespan="off", ws="none", server_header=False,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="serve the model endpoint")
        try:
            yield endpoint
        finally:
            endpoint.close()
            server.should_exit = True
            await serving
