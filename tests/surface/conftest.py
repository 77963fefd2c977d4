"""The server over every transport and both eras of the protocol, with a scripted provider and a document."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

from atlas_mcp.settings import MemorySettings, ModelSettings, RootSettings, Settings
from atlas_mcp.surface.http import bearer, http_app, http_server, listen
from atlas_mcp.surface.server import build_server
from tests.surface.caller import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.surface.caller import Dial, Served

TIDES = """# Tides

The moon raises two tides a day. Spring tides come at new moon and at full moon, when sun and moon pull
together. Neap tides come at the quarters. The Bay of Fundy has a range of 16 metres.
"""

NEVER_ENDS = """
[[reply]]
when = { intent = "gather" }
json = { findings = [], gaps = ["tides"] }
tokens = 600
seconds = 600
"""
"""A script of a worker that speaks for ten minutes."""

MODERN = "2026-07-28"

MakeSettings: TypeAlias = Callable[..., Settings]


@dataclass(frozen=True)
class Wire:
    """A transport, and how a client opens a connection over it."""

    transport: str
    mode: str

    def __str__(self) -> str:
        return f"{self.transport}-{self.mode}"


WIRES = [
    Wire("memory", "legacy"),
    Wire("memory", MODERN),
    Wire("stdio", "legacy"),
    Wire("stdio", "auto"),
    Wire("http", "legacy"),
    Wire("http", "auto"),
    Wire("sse", "legacy"),
]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "tides.md").write_text(TIDES, "utf-8")
    return folder


@pytest.fixture
def settings_with(home: Path, documents: Path) -> MakeSettings:
    """Settings whose provider says what a script tells it to, and that may read the documents."""

    def made(script: str = "", **tables: Any) -> Settings:
        home.mkdir(parents=True, exist_ok=True)
        path = home / "script.toml"
        path.write_text(script, "utf-8")
        return Settings(
            home=home,
            models=ModelSettings(default=f"scripted:{path}"),
            memory=MemorySettings(embeddings=False),
            roots=RootSettings(read=(documents,)),
            **tables,
        )

    return made


@pytest.fixture(params=WIRES, ids=str)
def wire(request: pytest.FixtureRequest) -> Wire:
    """Each transport with each era it can speak."""
    return request.param


@pytest.fixture
def served(wire: Wire, settings_with: MakeSettings) -> Served:
    """Serves over a wire; what it gives dials it."""

    @asynccontextmanager
    async def serving(script: str = "") -> AsyncGenerator[Dial]:
        settings = settings_with(script)
        match wire.transport:
            case "memory":
                server = build_server(settings)
                yield lambda: Caller(server, wire.mode)
            case "stdio":
                yield lambda: Caller(stdio(settings), wire.mode)
            case "sse":
                async with over_http(settings) as url:
                    yield lambda: Caller(SSETransport(f"{url}/sse"), wire.mode)
            case _:
                async with over_http(settings) as url:
                    yield lambda: Caller(StreamableHttpTransport(f"{url}/mcp"), wire.mode)

    return serving


@pytest.fixture
def server(settings_with: MakeSettings) -> Served:
    """Serves in memory alone, for what no wire can change."""

    @asynccontextmanager
    async def serving(script: str = "") -> AsyncGenerator[Dial]:
        built = build_server(settings_with(script))
        yield lambda: Caller(built, MODERN)

    return serving


def stdio(settings: Settings) -> StdioTransport:
    """The program as a host starts it."""
    environment = {
        "ATLAS_HOME": str(settings.home),
        "ATLAS_MODELS__DEFAULT": settings.models.default or "",
        "ATLAS_MEMORY__EMBEDDINGS": "false",
        "ATLAS_ROOTS__READ": f'["{settings.roots.read[0].as_posix()}"]',
    }
    return StdioTransport(
        sys.executable,
        ["-m", "atlas_mcp", "serve"],
        env=environment,
        keep_alive=False,
        log_file=settings.home / "stderr.txt",
    )


@asynccontextmanager
async def over_http(settings: Settings) -> AsyncGenerator[str]:
    """A server at a free port of this machine, with `/mcp` and `/sse`; gives its address."""
    with listen("127.0.0.1", 0) as listening:
        server = http_server(http_app(build_server(settings, auth=bearer(settings)), sse=True))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
