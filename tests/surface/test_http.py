"""Who may speak to the server over HTTP, and what becomes of a run whose client is gone."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from pydantic import SecretStr

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.settings import HttpSettings
from atlas_mcp.surface.http import listen, serve
from atlas_mcp.surface.server import build_server
from tests.surface.caller import Caller
from tests.surface.conftest import MODERN, NEVER_ENDS, over_http

if TYPE_CHECKING:
    from pathlib import Path

    from tests.surface.conftest import MakeSettings

QUESTION = "When do spring tides come?"
GUARDED = HttpSettings(token=SecretStr("open sesame"))
PATHS = ["/mcp", "/sse", "/health"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_of_another_site_reaches_nothing(settings_with: MakeSettings, path: str) -> None:
    async with over_http(settings_with()) as url, httpx2.AsyncClient(base_url=url) as client:
        rebound = await client.get(path, headers={"host": "evil.example"})
        foreign = await client.get(path, headers={"origin": "https://evil.example"})
    assert (rebound.status_code, foreign.status_code) == (421, 403)


async def test_health_says_that_the_server_answers_and_nothing_else(settings_with: MakeSettings) -> None:
    async with over_http(settings_with(http=GUARDED)) as url, httpx2.AsyncClient(base_url=url) as client:
        told = await client.get("/health")
    assert (told.status_code, told.json()) == (200, {"status": "ok"})


async def test_with_a_token_nobody_speaks_without_it(settings_with: MakeSettings) -> None:
    async with over_http(settings_with(http=GUARDED)) as url, httpx2.AsyncClient(base_url=url) as client:
        for path, headers in (("/mcp", {}), ("/sse", {}), ("/mcp", {"authorization": "Bearer open"})):
            refused = await client.get(path, headers=headers)
            assert refused.status_code == 401
        for kind, path in ((StreamableHttpTransport, "mcp"), (SSETransport, "sse")):
            async with Caller(kind(f"{url}/{path}", auth="open sesame"), "auto") as caller:
                assert (await caller.call("run_list"))["runs"] == []


async def test_only_loopback_may_go_without_a_token(settings_with: MakeSettings) -> None:
    for settings in (settings_with(), settings_with(http=HttpSettings(token=SecretStr("")))):
        for host in ("0.0.0.0", "", "192.0.2.1", "atlas.example"):  # noqa: S104 - refused, that is the point
            with pytest.raises(InvalidConfiguration, match="no token is set"):
                await serve(build_server(settings), settings, host=host, port=0)


def test_a_port_in_use_is_told_in_a_sentence() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidConfiguration, match=f"port {port}"):
            listen("127.0.0.1", port)


async def test_a_request_of_many_megabytes_is_refused_and_the_server_lives_on(
    settings_with: MakeSettings,
) -> None:
    async with over_http(settings_with()) as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            refused = await client.post("/mcp", content=b" " * 20_000_000)
        assert refused.status_code == 413
        async with Caller(StreamableHttpTransport(f"{url}/mcp"), "auto") as caller:
            assert (await caller.call("run_list"))["runs"] == []


async def test_a_client_of_an_old_protocol_gets_no_part_that_it_does_not_know(
    settings_with: MakeSettings, documents: Path
) -> None:
    async def asked(client: httpx2.AsyncClient, method: str, params: dict[str, Any]) -> httpx2.Response:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await client.post("/mcp", json=message, timeout=30)

    kinds: dict[str, list[str]] = {}
    async with over_http(settings_with()) as url:
        for version in ("2025-03-26", "2025-06-18"):
            headers = {"accept": "application/json, text/event-stream"}
            async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
                who = {
                    "protocolVersion": version,
                    "capabilities": {},
                    "clientInfo": {"name": "a", "version": "1"},
                }
                begun = await asked(client, "initialize", who)
                client.headers["mcp-session-id"] = begun.headers["mcp-session-id"]
                client.headers["mcp-protocol-version"] = version
                arguments = {"question": QUESTION, "documents": [str(documents)]}
                told = await asked(client, "tools/call", {"name": "research", "arguments": arguments})
                data = next(each[6:] for each in told.text.splitlines() if each.startswith("data: {"))
                kinds[version] = [part["type"] for part in json.loads(data)["result"]["content"]]
    assert kinds == {"2025-03-26": ["text"], "2025-06-18": ["text", "resource_link"]}


async def test_a_dropped_connection_leaves_the_run_at_work(
    settings_with: MakeSettings, documents: Path
) -> None:
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 1,
    }
    arguments = {"question": QUESTION, "documents": [str(documents)]}
    params: dict[str, Any] = {"name": "research", "arguments": arguments, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Mcp-Method: tools/call\r\nMcp-Name: research\r\nMCP-Protocol-Version: {MODERN}\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with over_http(settings_with(NEVER_ENDS)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(head.encode() + body)
        while not (named := re.search(r"run (r_\w+): begun", (await reader.readline()).decode())):
            pass
        writer.close()
        async with Caller(StreamableHttpTransport(f"{url}/mcp"), "auto") as caller:
            standing = await caller.call("run_result", run_id=named[1], wait_seconds=1)
            assert standing["state"] == "running"
