"""A Chroma server that goes away and comes back, and one that is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from ulid import ULID

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.indexes.chroma.index import ChromaIndex
from atlas_mcp.memory.indexes.chroma.server import ChromaServer
from tests.memory.remembered import item
from tests.memory.test_chroma import ANN, MODEL, along

if TYPE_CHECKING:
    from tests.memory.chroma_places import Server


def an_index(url: str, rest: float = 0.0) -> ChromaIndex:
    return ChromaIndex(ChromaServer(url, rest=rest), record=str(ULID()).lower(), model=MODEL, patience=40)


async def test_a_server_that_is_down_says_so_and_one_that_is_back_answers(chroma_server: Server) -> None:
    index = an_index(chroma_server.url)
    held = item("held", along(0))
    await index.put([held])
    await index.note_filled()
    chroma_server.stop()
    try:
        with pytest.raises(IndexUnavailable, match="cannot be reached, or went away"):
            await index.nearest(along(0), ANN, most=3)
        with pytest.raises(IndexUnavailable, match="it is told when it is back"):
            await index.put([item("missed", along(1))])
    finally:
        chroma_server.start()
    assert set(await index.nearest(along(0), ANN, most=3)) == {held.stored.id}
    assert await index.lost([held]) == []
    await index.close()


async def test_one_that_failed_is_not_asked_again_for_a_while() -> None:
    asked = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        index = an_index(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", rest=60)
        for _ in range(5):
            with pytest.raises(IndexUnavailable, match="cannot be reached, or went away"):
                await index.filled()
        await index.close()
    assert asked == 1


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        ("200 OK", "<html>A page</html>", "is not Chroma, or older than 1.0"),
        ("404 Not Found", "{}", "is not Chroma, or older than 1.0"),
        ("401 Unauthorized", "", "refuses us .* CHROMA_CLIENT_AUTH_CREDENTIALS"),
    ],
)
async def test_what_is_no_chroma_server_is_named(status: str, body: str, said: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        index = an_index(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(IndexUnavailable, match=said):
            await index.filled()
        await index.close()
