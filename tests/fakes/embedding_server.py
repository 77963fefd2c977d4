"""A loopback server that embeds: OpenAI's `/v1/embeddings` and Ollama's `/api/embed`, by hashed words."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any, Self

LENGTH = 24


def vector(text: str, length: int) -> list[float]:
    """Not of length 1, as those of many servers; texts that share words lie close."""
    row = [0.01] * length
    for word in text.lower().split():
        row[zlib.crc32(word.strip(".?!").encode()) % length] += 3.0
    return row


class FakeEmbeddings:
    """The server, running while it is entered; a client whose `key` is another is refused.

    `bodies` are the requests it answered, `most` how many it had in hand at once. `down` has it hang up, and
    `statuses` are answered first, one a request.
    """

    def __init__(self, *, length: int = LENGTH, key: str = "") -> None:
        self.length = length
        self.key = key
        self.bodies: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.down = False
        self.most = 0
        self._in_hand = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    @property
    def root(self) -> str:
        """The address, as Ollama's clients want it."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def url(self) -> str:
        """The base URL, as OpenAI's clients want it."""
        return f"{self.root}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text that was embedded, in the order in which they came."""
        return [text for body in self.bodies for text in body["input"]]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening and drop every connection."""
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while not self.down:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(fields.get("content-length", 0))) or b"{}")
                if self.down:
                    break
                self._in_hand += 1
                self.most = max(self.most, self._in_hand)
                await asyncio.sleep(0)
                status, said = self._answer(head.split(" ")[1], fields.get("authorization", ""), body)
                self._in_hand -= 1
                data = json.dumps(said).encode()
                lines = f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n"
                writer.write(f"{lines}content-length: {len(data)}\r\n\r\n".encode() + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, path: str, shown: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.key and shown != f"bearer {self.key}".lower():
            return 401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
        if self.statuses:
            return self.statuses.pop(0), {"error": {"message": "Not now."}}
        self.bodies.append(body)
        rows = [vector(text, self.length) for text in body["input"]]
        if path == "/api/embed":
            return 200, {"embeddings": rows}
        data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
        # The order is by index alone.
        return 200, {"object": "list", "data": data[::-1], "model": body["model"]}
