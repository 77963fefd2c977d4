"""Vectors by a provider's model: the real SDKs against a server on the loopback that embeds by words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from atlas_mcp import errors
from atlas_mcp.providers import embedding
from atlas_mcp.providers.embedding import ProviderEmbedder, configured_embedder, embedder_alone
from atlas_mcp.providers.registry import Registry
from atlas_mcp.providers.retry import Retry
from atlas_mcp.settings import MemorySettings, ProviderSettings, Settings
from tests.fakes.embedding_server import LENGTH, FakeEmbeddings, vector

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

KEY = "sk-very-secret-0123456789"
SOON = Retry(first=0.001, longest=0.001)


@pytest.fixture
async def server() -> AsyncGenerator[FakeEmbeddings]:
    async with FakeEmbeddings(key=KEY) as running:
        yield running


def settings_of(server: FakeEmbeddings, home: Path, wished: str = "lab:words") -> Settings:
    own = {
        "lab": ProviderSettings(base_url=server.url, key_env="LAB_KEY"),
        "hut": ProviderSettings(vendor="ollama", base_url=server.root, key_env="LAB_KEY"),
        "claude": ProviderSettings(vendor="anthropic", base_url=server.root, key_env="LAB_KEY"),
    }
    return Settings(home=home, provider=own, memory=MemorySettings(embeddings=wished))


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", KEY)


@pytest.fixture
async def registry(server: FakeEmbeddings, home: Path, key: None) -> AsyncGenerator[Registry]:
    opened = Registry(providers=settings_of(server, home).provider)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("name", ["lab:words", "hut:words"])
async def test_many_texts_become_unit_vectors_in_their_order(
    server: FakeEmbeddings, registry: Registry, name: str
) -> None:
    embedder = ProviderEmbedder(registry.embedding(name), LENGTH)
    texts = [f"text {number} of many" for number in range(1500)]
    told: list[tuple[int, int]] = []
    vectors = await embedder.embed(texts, on_progress=lambda done, of: told.append((done, of)))
    assert (vectors.dtype, vectors.shape) == (np.float32, (1500, LENGTH))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    wanted = np.array([vector(text, LENGTH) for text in texts])
    assert np.allclose(vectors, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)
    assert sorted(len(body["input"]) for body in server.bodies) == [220, *[256] * 5]
    assert server.most <= 4
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1500, 1500)
    assert embedder.name == name


async def test_a_batch_holds_no_more_than_its_characters_and_a_long_text_is_cut(
    server: FakeEmbeddings, registry: Registry
) -> None:
    embedder = ProviderEmbedder(registry.embedding("lab:words"), LENGTH)
    await embedder.embed(["word " * 5000] * 40 + [""])
    assert max(sum(map(len, body["input"])) for body in server.bodies) <= embedding.BATCH_CHARACTERS
    assert max(map(len, server.texts)) == embedding.TEXT_CHARACTERS
    assert min(map(len, server.texts)) == 1


async def test_no_text_asks_for_nothing(server: FakeEmbeddings, registry: Registry) -> None:
    embedder = ProviderEmbedder(registry.embedding("lab:words"), LENGTH)
    assert (await embedder.embed([])).shape == (0, LENGTH)
    assert server.bodies == []


async def test_what_passes_is_waited_out_for_many_texts_and_not_for_a_question(
    server: FakeEmbeddings, registry: Registry
) -> None:
    embedder = ProviderEmbedder(registry.embedding("lab:words"), LENGTH, retry=SOON)
    server.statuses = [503, 429]
    assert len(await embedder.embed(["one", "two"])) == 2
    server.statuses = [503]
    with pytest.raises(errors.Overloaded):
        await embedder.embed(["A question?"])


async def test_a_refused_key_is_told_without_it(
    server: FakeEmbeddings, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = ProviderEmbedder(registry.embedding("lab:words"), LENGTH)
    monkeypatch.setattr(server, "key", "another")
    with pytest.raises(errors.Authentication) as refused:
        await embedder.embed(["one", "two"])
    assert KEY not in str(refused.value)
    assert refused.value.remedy


async def test_a_server_that_is_down_is_not_asked_anew_by_each_question(
    server: FakeEmbeddings, registry: Registry
) -> None:
    embedder = ProviderEmbedder(registry.embedding("lab:words"), LENGTH, retry=SOON)
    server.down = True
    with pytest.raises(errors.ConnectionFailed):
        await embedder.embed(["A question?"])
    server.down = False
    with pytest.raises(errors.Unavailable):
        await embedder.embed(["A question?"])
    # Many texts wait for nobody, and what they find out is so for questions too.
    await embedder.embed(["one", "two"])
    assert len(await embedder.embed(["A question?"])) == 1


async def test_vectors_of_another_length_are_refused(server: FakeEmbeddings, registry: Registry) -> None:
    embedder = ProviderEmbedder(registry.embedding("lab:words"), LENGTH + 1)
    with pytest.raises(errors.MalformedResponse, match=f"{LENGTH} numbers"):
        await embedder.embed(["one"])
    assert server.bodies


@pytest.mark.parametrize(
    "rows", [[[0.0, 0.0]], [[1.0, float("inf")]], [[1.0], [1.0]], [[]], [1.0], ["a"], []]
)
def test_what_is_no_vector_is_refused(rows: list[list[float]]) -> None:
    with pytest.raises(errors.MalformedResponse):
        embedding._unit_vectors(rows, 1, None, "lab:words")


async def test_the_length_of_an_unknown_models_vectors_is_asked_once(
    server: FakeEmbeddings, home: Path, registry: Registry
) -> None:
    settings = settings_of(server, home)
    for _ in range(2):
        embedder = await configured_embedder(settings, registry)
        assert embedder is not None
        assert embedder.dimensions == LENGTH
    assert server.texts == ["word"]
    assert json.loads((home / "embeddings.json").read_text()) == {"lab:words": LENGTH}


async def test_the_length_of_a_common_models_vectors_is_asked_of_nobody(
    server: FakeEmbeddings, home: Path, registry: Registry
) -> None:
    embedder = await configured_embedder(settings_of(server, home, "hut:nomic-embed-text:latest"), registry)
    assert embedder is not None
    assert (embedder.name, embedder.dimensions) == ("hut:nomic-embed-text", 768)
    assert server.bodies == []


@pytest.mark.usefixtures("key")
async def test_a_length_that_cannot_be_asked_says_what_to_do(server: FakeEmbeddings, home: Path) -> None:
    server.down = True
    with pytest.raises(errors.InvalidConfiguration, match="lab:words") as failed:
        async with embedder_alone(settings_of(server, home)):
            pass
    assert "embeddings = false" in failed.value.remedy
    assert not (home / "embeddings.json").exists()


@pytest.mark.parametrize(
    "name", ["lab", "words", "claude:words", "extractive:sentences", "group:fast", "lab:"]
)
async def test_what_embeds_nothing_is_no_embedder(registry: Registry, name: str) -> None:
    with pytest.raises(errors.InvalidConfiguration):
        registry.embedding(name)


@pytest.mark.parametrize(
    ("written", "read"),
    [("false", False), ("true", True), ("0", False), ("openai:text-embedding-3-small",) * 2],
)
def test_the_environment_switches_embeddings_or_names_a_model(
    home: Path, monkeypatch: pytest.MonkeyPatch, written: str, read: bool | str
) -> None:
    monkeypatch.setenv("ATLAS_MEMORY__EMBEDDINGS", written)
    assert Settings(home=home).memory.embeddings == read
