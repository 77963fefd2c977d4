"""The HTTP transports: where they listen, who may speak to them, and what they tell a stranger.

Loopback only, unless a token is set; the names a browser may use are checked, so that no web page reaches a
server on the person's own machine.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from starlette.responses import JSONResponse, Response

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from fastmcp.server.auth import AuthProvider
    from starlette.applications import Starlette
    from starlette.requests import Request

    from atlas_mcp.settings import Settings

__all__ = ["bearer", "http_app", "http_server", "listen", "serve"]

log = logging.getLogger(__name__)


async def serve(
    server: FastMCP[Any],
    settings: Settings,
    *,
    streamable: bool = True,
    sse: bool = False,
    host: str | None = None,
    port: int | None = None,
) -> None:
    """Listen and serve until interrupted; `host` and `port` default to `[http]`, and port 0 takes a free one.

    Raises:
        InvalidConfiguration: the address cannot be listened on, or it is not loopback and no token is set.
    """
    host = settings.http.host if host is None else host
    port = settings.http.port if port is None else port
    loopback = _is_loopback(host)
    if not loopback and not _token(settings):
        raise InvalidConfiguration(
            f"{host} can be reached from other machines, and no token is set.",
            remedy="Set [http] token in atlas.toml or ATLAS_HTTP__TOKEN, or listen on 127.0.0.1.",
        )
    with listen(host, port) as listening:
        _announce(listening, streamable=streamable, sse=sse)
        app = http_app(server, streamable=streamable, sse=sse, public=not loopback)
        await http_server(app).serve(sockets=[listening])


def bearer(settings: Settings) -> AuthProvider | None:
    """Lets in who sends the token of `[http]`; None where there is none."""
    token = _token(settings)
    return StaticTokenVerifier({token: {"client_id": "atlas", "scopes": []}}) if token else None


def _token(settings: Settings) -> str:
    return settings.http.token.get_secret_value() if settings.http.token else ""


def http_app(
    server: FastMCP[Any], *, streamable: bool = True, sse: bool = False, public: bool = False
) -> Starlette:
    """The ASGI application: `/mcp`, `/sse`, `/health`.

    `public` says that it is reached by names other than this machine's own, where the token alone guards it.
    """
    server.custom_route("/health", methods=["GET"])(_health)
    guard: bool | Literal["auto"] = "auto" if public else True
    if not streamable:
        return server.http_app(path="/sse", transport="sse", host_origin_protection=guard)
    app = server.http_app(path="/mcp", host_origin_protection=guard)
    if sse:
        app.router.routes.extend(server.http_app(path="/sse", transport="sse").routes)
    return app


def http_server(app: Starlette) -> uvicorn.Server:
    """The web server of the application; who is still connected when it stops gets two seconds."""
    # Not what happens to be installed: httptools leaves white space around the value of a header.
    return uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, timeout_graceful_shutdown=2, ws="none", lifespan="on", http="h11",
            loop="asyncio",
        )
    )  # fmt: skip


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Raises:
        InvalidConfiguration: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise InvalidConfiguration(
            f"Nobody can listen on {host} port {port}: {reason}.",
            remedy="Give another one with --port, or stop who listens there.",
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _health(_request: Request) -> Response:
    """That the server answers, and nothing else: whoever asks may be anyone."""
    return JSONResponse({"status": "ok"})


def _announce(listening: socket.socket, *, streamable: bool, sse: bool) -> None:
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    paths = [path for path, there in (("/mcp", streamable), ("/sse", sse)) if there]
    where = " and ".join(address + path for path in paths)
    print(f"ATLAS listens at {where}", file=sys.stderr, flush=True)  # noqa: T201 - for whoever started it
    log.info("listening on %s port %s", host, port)
