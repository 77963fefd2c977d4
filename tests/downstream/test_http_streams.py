"""Servers at an address: by the proxy of the environment, with a limit, and gone only where they are."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
from mcp import MCPError

from atlas_mcp.downstream.entry import Entry
from atlas_mcp.downstream.http_streams import http_client
from atlas_mcp.downstream.launch import Address
from atlas_mcp.downstream.reasons import is_gone
from atlas_mcp.downstream.remedies import way_on
from atlas_mcp.downstream.stdio import Pipe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

HERE = Address("http://tides.example/mcp", "http", {"X-Account": "ada"})


@asynccontextmanager
async def proxy(
    heard: list[str], body: bytes = b"{}", *, status: str = "200 OK", kind: str = "application/json"
) -> AsyncGenerator[str]:
    """A proxy that answers everything alike, and what it was asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def test_a_server_is_asked_through_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    async with proxy(heard) as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        async with http_client(HERE, most_bytes=1_000) as client:
            assert (await client.get(HERE.url)).json() == {}
    assert heard[0].startswith("GET http://tides.example/mcp HTTP/1.1")
    assert "x-account: ada" in heard[0].lower()


async def test_an_answer_that_is_too_long_is_broken_off_behind_a_proxy_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy([], b"a" * 2_000) as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        async with http_client(HERE, most_bytes=1_000) as client:
            with pytest.raises(httpx2.ReadError, match=r"its answer has more than 0.001 MB"):
                await client.get(HERE.url)


CALL = {"jsonrpc": "2.0", "id": "c1", "method": "tools/call"}
OWN = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32602, "message": "No such place"}}'


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        ("401 Unauthorized", "text/plain; charset=utf-8", b"bad token\n", "401 Unauthorized: bad token"),
        (
            "401 Unauthorized", "application/json",
            b'{"error": "invalid_token", "error_description": "It expired."}',
            "401 Unauthorized: It expired.",
        ),
        ("403 Forbidden", "application/problem+json", b'{"detail": "No."}', "403 Forbidden: No."),
        ("500 Oops", "application/json", b'{"error": {"message": "Down."}}', "500 Oops: Down."),
        ("502 Bad Gateway", "text/html", b"<html><body>nginx</body></html>", "502 Bad Gateway"),
        ("429 Slow", "application/json", b"[" * 5_000, "429 Slow"),
        ("400 Bad Request", "application/json", OWN, "No such place"),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_by_its_status_and_its_words(
    status: str, kind: str, body: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy([], body, status=status, kind=kind) as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        async with http_client(HERE, most_bytes=100_000) as client:
            answer = await client.post(HERE.url, json=CALL)
    assert answer.status_code == int(status[:3])
    assert answer.json()["error"]["message"] == said
    assert answer.json()["id"] in {"c1", None}


async def test_answers_are_asked_for_as_they_are_and_what_comes_compressed_is_left_to_its_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    kind = "application/json\r\ncontent-encoding: gzip"
    async with proxy(heard, gzip.compress(OWN), status="400 Bad Request", kind=kind) as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        async with http_client(HERE, most_bytes=1_000) as client:
            answer = await client.post(HERE.url, json=CALL)
    assert answer.json() == json.loads(OWN)
    assert "accept-encoding: identity" in heard[0].lower()


async def test_an_event_stream_is_read_as_it_comes_however_its_type_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy([], b"data: 1\n\n", kind="Text/Event-Stream") as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        async with http_client(HERE, most_bytes=3) as client:
            assert (await client.post(HERE.url, json=CALL)).text == "data: 1\n\n"


async def test_an_answer_to_a_call_that_is_too_long_is_an_error_that_names_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy([], b'"' + b"a" * 2_000 + b'"') as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        async with http_client(HERE, most_bytes=1_000) as client:
            answer = (await client.post(HERE.url, json=CALL)).json()
    assert (answer["id"], answer["error"]["message"]) == ("c1", "its answer has more than 0.001 MB")


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (MCPError(-32_001, "Session not found"), True),
        (MCPError(-32_600, "Session terminated"), True),
        (MCPError(-32_000, "Connection closed"), True),
        (httpx2.ConnectError("no route"), True),
        (MCPError(-32_602, "No calendar session of that name"), False),
        (MCPError(-32_603, "The account is closed"), False),
        (MCPError(-32_000, "Try again later"), False),
        (ValueError("closed"), False),
    ],
)
def test_a_session_is_gone_where_the_protocol_says_so_and_not_where_a_tool_speaks_of_one(
    error: Exception, gone: bool
) -> None:
    assert is_gone(error, None) == gone
    assert not is_gone(error, Pipe())


@pytest.mark.parametrize(
    ("said", "look"),
    [
        (
            "401 Unauthorized: bad token.",
            "Look at TIDES_KEY and TIDES_ID, then: atlas-mcp servers test tides",
        ),
        ("400 Bad Request.", "Look at TIDES_KEY and TIDES_ID, then: atlas-mcp servers test tides"),
        ("it ended. 401 boats.", "See what it says: atlas-mcp servers test tides"),
    ],
)
def test_a_server_that_does_not_know_who_asks_leads_to_the_keys(said: str, look: str) -> None:
    entry = Entry(name="tides", description="Tides.", url=HERE.url, needs=("TIDES_KEY", "TIDES_ID"))
    assert way_on(entry, said) == look
