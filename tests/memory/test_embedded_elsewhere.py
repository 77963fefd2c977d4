"""Memory whose vectors a server makes: it goes on while the server is down, and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import IncompatibleStore
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.relatives import relatives
from atlas_mcp.memory.scope import Scope
from atlas_mcp.providers import openai
from atlas_mcp.providers.embedding import ProviderEmbedder
from atlas_mcp.providers.retry import Retry
from tests.fakes.embedding_server import LENGTH, FakeEmbeddings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

ANN = Scope("user:ann")


def fact(text: str) -> Learning:
    return Learning(LearningKind.FACT, text)


@pytest.fixture
async def server() -> AsyncGenerator[FakeEmbeddings]:
    async with FakeEmbeddings() as running:
        yield running


@pytest.fixture
async def embedder(server: FakeEmbeddings) -> AsyncGenerator[ProviderEmbedder]:
    provider = openai.open_provider("words", api_key="", base_url=server.url, called="lab")
    yield ProviderEmbedder(provider, LENGTH, retry=Retry(times={}))
    await provider.aclose()


async def test_what_is_kept_is_found_by_meaning(home: Path, embedder: ProviderEmbedder) -> None:
    async with open_memory(home, embedder) as memory:
        await memory.remember([fact("The Danube passes Vienna.")], scope=ANN)
        await memory.ingest([Inline("The Rhine passes Cologne.")], scope="user:ann")
        found, *_ = await memory.recall("What passes Vienna?", scope=ANN)
        assert "meaning" in found.why
        (passage,) = await memory.search("What passes Cologne?", scope="user:ann")
        assert "meaning" in passage.why
        assert (await memory.stats()).model == "lab:words"


async def test_while_the_server_is_down_words_find_and_all_is_kept_and_embedded_later(
    home: Path, server: FakeEmbeddings, embedder: ProviderEmbedder
) -> None:
    async with open_memory(home, embedder) as memory:
        server.down = True
        await memory.remember([fact("The Danube passes Vienna."), fact("Cats hunt at night.")], scope=ANN)
        done = await memory.ingest([Inline("The Rhine passes Cologne.")], scope="user:ann")
        assert done.without_vectors
        found, *_ = await memory.recall("What passes Vienna?", scope=ANN)
        assert (found.stored.text, "meaning" in found.why) == ("The Danube passes Vienna.", False)
        (passage,) = await memory.search("What passes Cologne?", scope="user:ann")
        assert "meaning" not in passage.why
        (same,) = await relatives(memory, "The Danube passes Vienna.", ANN, at=now())
        assert same.how == "same"
        assert len(await memory.record.without_vector("lab:words")) == 2
        server.down = False
        await memory.remember([fact("Dogs bark."), fact("Birds sing.")], scope=ANN)
        assert await memory.record.without_vector("lab:words") == []
        found, *_ = await memory.recall("What passes Vienna?", scope=ANN)
        assert "meaning" in found.why
        again = await memory.ingest([Inline("The Rhine passes Cologne.")], scope="user:ann")
        assert (len(again.unchanged), again.without_vectors) == (1, "")
        assert (await memory.stats()).vectors == 1


async def test_what_an_earlier_process_kept_without_vectors_gets_them(
    home: Path, server: FakeEmbeddings, embedder: ProviderEmbedder
) -> None:
    async with open_memory(home, embedder) as memory:
        server.down = True
        await memory.remember([fact("The Danube passes Vienna."), fact("Cats hunt.")], scope=ANN)
    server.down = False
    async with open_memory(home, embedder) as memory:
        assert await memory.embed_memories() == 2
        assert await memory.embed_memories() == 0


async def test_another_model_is_refused_until_everything_is_embedded_anew(
    home: Path, server: FakeEmbeddings, embedder: ProviderEmbedder
) -> None:
    async with open_memory(home, embedder) as memory:
        await memory.remember([fact("The Danube passes Vienna.")], scope=ANN)
        await memory.ingest([Inline("The Rhine passes Cologne.")], scope="user:ann")
    provider = openai.open_provider("other", api_key="", base_url=server.url, called="lab")
    async with open_memory(home, ProviderEmbedder(provider, LENGTH)) as memory:
        with pytest.raises(IncompatibleStore) as refused:
            await memory.recall("What passes Vienna?", scope=ANN)
        assert "setup embeddings" in refused.value.remedy
        with pytest.raises(IncompatibleStore):
            await memory.search("What passes Cologne?", scope="user:ann")
        assert await memory.embed_again() == 2
        found, *_ = await memory.recall("What passes Vienna?", scope=ANN)
        assert "meaning" in found.why
        assert (await memory.stats()).model == "lab:other"
    await provider.aclose()
