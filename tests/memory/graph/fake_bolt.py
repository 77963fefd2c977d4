"""A server that speaks just enough Bolt to be greeted, and then says what a test wants it to say."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["FakeBolt", "open_fake"]

HELLO, GOODBYE, RESET, RUN, PULL = 0x01, 0x02, 0x0F, 0x10, 0x3F
SUCCESS, IGNORED, FAILURE = 0x70, 0x7E, 0x7F


@dataclass
class FakeBolt:
    """How it calls itself, what it refuses every statement with (a code and words), and who came.

    `silent` lets it accept and say nothing; `version` is the protocol it speaks.
    """

    agent: str = "Neo4j/5.26.0"
    refuses: tuple[str, str] | None = None
    silent: bool = False
    version: tuple[int, int] = (5, 4)
    port: int = 0
    connections: int = 0
    open_connections: int = 0

    @property
    def url(self) -> str:
        return f"bolt://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connections += 1
        self.open_connections += 1
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(20)
        if self.silent:
            await reader.read()
            return
        writer.write(bytes([0, 0, self.version[1], self.version[0]]))
        failed = False
        while (tag := await _message(reader)) != GOODBYE:
            if tag == RESET:
                failed = False
            if failed:
                writer.write(_framed(IGNORED, None))
            elif tag == RUN and self.refuses:
                failed = True
                writer.write(_framed(FAILURE, dict(zip(("code", "message"), self.refuses, strict=True))))
            else:
                writer.write(_framed(SUCCESS, self._said(tag)))
            await writer.drain()

    def _said(self, tag: int) -> dict[str, Any]:
        said: dict[int, dict[str, Any]] = {
            HELLO: {"server": self.agent, "connection_id": "bolt-1"},
            RUN: {"fields": []},
            PULL: {"has_more": False},
        }
        return said.get(tag, {})


@asynccontextmanager
async def open_fake(fake: FakeBolt) -> AsyncGenerator[FakeBolt]:
    """Let it listen."""
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()


async def _message(reader: asyncio.StreamReader) -> int:
    """The kind of the next message; its chunks end with one of nothing."""
    whole = b""
    while size := struct.unpack(">H", await reader.readexactly(2))[0]:
        whole += await reader.readexactly(size)
    return whole[1]


def _framed(tag: int, fields: dict[str, Any] | None) -> bytes:
    body = bytes([0xB0, tag]) if fields is None else bytes([0xB1, tag]) + _packed(fields)
    return struct.pack(">H", len(body)) + body + b"\0\0"


def _packed(value: bool | str | list[Any] | dict[str, Any]) -> bytes:
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, list):
        return b"\x90"  # the only one there is, which is empty
    if isinstance(value, dict):
        return bytes([0xA0 + len(value)]) + b"".join(_packed(k) + _packed(v) for k, v in value.items())
    text = value.encode()
    return b"\xd0" + bytes([len(text)]) + text
