"""A Chroma server as a `Store`: its client's calls, each within a time limit, its errors in our words."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx
import numpy as np

from atlas_mcp.errors import IndexUnavailable, InvalidConfiguration
from atlas_mcp.memory.indexes.chroma.store import (
    CHANGE_SECONDS,
    HNSW,
    REST_SECONDS,
    Collection,
    Hit,
    NoCollection,
    Opening,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import (  # pyright: ignore[reportMissingTypeStubs]
        AsyncCollection,
    )

    from atlas_mcp.memory.indexes.chroma.store import Marks
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["ChromaServer", "address"]

T = TypeVar("T")

OPEN_SECONDS = 30.0
GREET_SECONDS = 3.0
FIND_SECONDS = 10.0
FAILURES = (httpx.HTTPError, OSError, ValueError, LookupError)
"""What its client raises, besides its own errors, where the server fails or is not what it should be."""


def address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is spoken to under TLS.

    Raises:
        InvalidConfiguration: it is no address of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 8000)
        sound = parts.scheme in {"http", "https"} and parts.hostname and not parts.query
    except ValueError:
        sound, parts, port = False, None, 0
    if parts is None or not sound or parts.path.strip("/") or parts.username:
        shown = url.rpartition("@")[2][:80]
        raise InvalidConfiguration(
            f"[memory] chroma = {shown!r} is no address of a Chroma server.",
            remedy='Write chroma = "http://127.0.0.1:8000", or "embedded", in the table [memory] of'
            " atlas.toml; a token belongs in CHROMA_CLIENT_AUTH_CREDENTIALS.",
        )
    return str(parts.hostname), port, parts.scheme == "https"


class ChromaServer:
    """A server at a URL; nothing is asked of it before it is used. `rest` is in seconds.

    `CHROMA_CLIENT_AUTH_CREDENTIALS` of the environment is sent as a bearer token.

    Raises:
        InvalidConfiguration: the URL is no address of a server.
    """

    def __init__(self, url: str, *, rest: float = REST_SECONDS) -> None:
        self._url = url
        self._address = address(url)
        self._known: dict[str, AsyncCollection] = {}
        self._opening = Opening(self._open, place=f"The Chroma server at {url}", rest=rest)

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"the server at {self._url}"

    async def open(self, seconds: float) -> None:
        """Be open within so many seconds."""
        await self._opening.get(seconds)

    async def collections(self) -> list[Collection]:
        """Every collection."""

        async def ask(client: AsyncClientAPI) -> list[Collection]:
            return [self._seen(each) for each in await client.list_collections()]

        return await self._ask(ask, CHANGE_SECONDS)

    async def find(self, name: str) -> Collection | None:
        """The collection of a name."""

        async def ask(client: AsyncClientAPI) -> Collection | None:
            return self._seen(await client.get_collection(name, embedding_function=None))

        try:
            return await self._ask(ask, FIND_SECONDS)
        except NoCollection:
            return None

    async def make(self, name: str, marks: Marks) -> Collection:
        """Make a collection."""

        async def ask(client: AsyncClientAPI) -> Collection:
            settings: Any = {"hnsw": HNSW}
            return self._seen(
                await client.create_collection(
                    name, configuration=settings, metadata=marks, embedding_function=None
                )
            )

        return await self._ask(ask, CHANGE_SECONDS)

    async def drop(self, name: str) -> None:
        """Remove a collection."""
        with suppress(NoCollection):
            await self._ask(lambda client: client.delete_collection(name), CHANGE_SECONDS)
        self._known = {key: each for key, each in self._known.items() if each.name != name}

    async def upsert(self, key: str, ids: Sequence[str], vectors: FloatArray, marks: Sequence[Marks]) -> None:
        """Hold items, in place of those of the same ids."""
        metadatas: Any = list(marks)
        await self._ask(
            lambda _: self._at(key).upsert(
                ids=list(ids), embeddings=np.ascontiguousarray(vectors, np.float32), metadatas=metadatas
            ),
            CHANGE_SECONDS,
        )

    async def delete(self, key: str, ids: Sequence[str]) -> None:
        """Hold items no more."""

        async def ask(_: AsyncClientAPI) -> None:
            if there := (await self._at(key).get(ids=list(ids), include=[]))["ids"]:
                await self._at(key).delete(ids=there)

        await self._ask(ask, CHANGE_SECONDS)

    async def query(
        self, key: str, vectors: FloatArray, most: int, *, where: dict[str, Any] | None, seconds: float
    ) -> list[list[Hit]]:
        """The nearest items of each vector."""
        found = await self._ask(
            lambda _: self._at(key).query(
                query_embeddings=np.ascontiguousarray(vectors, np.float32), n_results=most, where=where,
                include=["distances", "metadatas"],
            ),
            seconds,
        )  # fmt: skip
        every: Any = zip(found["ids"], found["distances"] or [], found["metadatas"] or [], strict=True)
        return [[Hit(*hit) for hit in zip(*each, strict=True)] for each in every]

    async def page(self, key: str, start: int, most: int) -> list[tuple[str, Marks]]:
        """Id and marks of the items from a place on."""
        found = await self._ask(
            lambda _: self._at(key).get(include=["metadatas"], offset=start, limit=most), CHANGE_SECONDS
        )
        metadatas: Any = found["metadatas"] or []
        return list(zip(found["ids"], metadatas, strict=True))

    async def close(self) -> None:
        """Let go of the connections."""
        client: Any = await self._opening.close()
        if client is not None:
            # Its client keeps one pool of connections for each event loop, and itself for ever.
            pool = client._server._clients.pop(hash(asyncio.get_running_loop()), None)
            if pool is not None:
                await pool.aclose()
            for kept in (client._identifier_to_system, client._identifier_to_refcount):
                kept.pop(client._identifier, None)

    def _seen(self, collection: AsyncCollection) -> Collection:
        key = str(collection.id)
        self._known[key] = collection
        return Collection(collection.name, key, dict(collection.metadata or {}))  # pyright: ignore[reportArgumentType] — of JSON

    def _at(self, key: str) -> AsyncCollection:
        if key not in self._known:
            raise NoCollection(key)
        return self._known[key]

    async def _open(self) -> AsyncClientAPI:
        host, port, tls = self._address
        await self._greet()
        try:
            chromadb, settings = await asyncio.to_thread(_imported)
        except ImportError:
            raise IndexUnavailable(
                "[memory] chroma needs Chroma, which is not installed.",
                remedy="In the checkout of ATLAS: uv tool install '.[chroma]'",
            ) from None
        opening = chromadb.AsyncHttpClient(host, port, ssl=tls, settings=settings, headers=_headers() or None)
        return await self._within(OPEN_SECONDS, opening)

    async def _greet(self) -> None:
        """See that a Chroma server is there, before its client is loaded."""
        try:
            async with httpx.AsyncClient(timeout=GREET_SECONDS, headers=_headers()) as client:
                answer = await client.get(f"{self._url.rstrip('/')}/api/v2/heartbeat")
        except httpx.HTTPError as error:
            raise self._explained(error) from None
        if answer.status_code in {401, 403}:
            raise self._failure(
                f"refuses us ({answer.status_code})", "Set CHROMA_CLIENT_AUTH_CREDENTIALS to its token."
            )
        if not answer.is_success or "nanosecond heartbeat" not in answer.text:
            raise self._failure(
                "is not Chroma, or older than 1.0",
                "Correct [memory] chroma, or empty it to do without.",
            )

    async def _ask(self, ask: Callable[[AsyncClientAPI], Awaitable[T]], seconds: float) -> T:
        client = await self._opening.get(OPEN_SECONDS)
        try:
            return await self._within(seconds, ask(client))
        except IndexUnavailable as error:
            raise self._opening.failed(error, lost=False) from None

    async def _within(self, seconds: float, asked: Awaitable[T]) -> T:
        """What comes of a call within a time limit, its failure explained."""
        from chromadb.errors import ChromaError, NotFoundError

        try:
            async with asyncio.timeout(seconds):
                # Whatever the client does not know it raises as a bare Exception, so none is caught by class.
                (result,) = await asyncio.gather(asked, return_exceptions=True)
        except TimeoutError:
            raise self._failure(
                f"did not answer within {seconds:.0f} s", "See what it is busy with."
            ) from None
        if not isinstance(result, BaseException):
            return result
        if isinstance(result, NotFoundError):
            raise NoCollection(str(result))
        if isinstance(result, (ChromaError, *FAILURES)) or type(result) is Exception:
            raise self._explained(result)
        raise result

    def _failure(self, what: str, remedy: str) -> IndexUnavailable:
        return IndexUnavailable(f"The server at {self._url} (Chroma, for memory) {what}.", remedy=remedy)

    def _explained(self, error: BaseException) -> IndexUnavailable:
        if isinstance(error, httpx.TransportError):
            return self._failure(
                "cannot be reached, or went away",
                "Start it, or correct or empty [memory] chroma; what it misses it is told when it is back.",
            )
        said = " ".join(str(error).split()).rstrip(".")[:300]
        return self._failure(f"failed: {said or type(error).__name__}", "See its log.")


def _imported() -> tuple[Any, Any]:
    import chromadb
    from chromadb.config import Settings

    return chromadb, Settings(anonymized_telemetry=False)


def _headers() -> dict[str, str]:
    token = os.environ.get("CHROMA_CLIENT_AUTH_CREDENTIALS")
    return {"Authorization": f"Bearer {token}"} if token else {}
