"""What the tests of the OpenAI provider share: prompts, and how an answer or a failure is had."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.messages import Intent, Message, Prompt, Text
from atlas_mcp.providers.openai import open_provider
from atlas_mcp.providers.provider import Fold, complete
from atlas_mcp.providers.terms import TERMS, Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.chunks import Chunk, Reply
    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.vendor import VendorProvider
    from tests.fakes.model_server import FakeModels

KEY = "sk-very-secret-0123456789"
CLAUDE = "claude-opus-4-5"
"""A model of Anthropic's that its SDK warns of."""

PATIENCE = Patience(first_token=20, idle=20, usage=20)
IMPATIENCE = Patience(first_token=0.3, idle=0.3, usage=0.05)


class Route(StrEnum):
    """By which wire and over which transport OpenAI is asked."""

    CHAT = "chat"
    RESPONSES = "responses"
    AIOHTTP = "chat over aiohttp"

    @property
    def chat(self) -> bool:
        return self is not Route.RESPONSES

    def open(self, url: str, *, key: str = KEY, model: str = "fake-model", **more: Any) -> VendorProvider:
        api = "chat" if self.chat else "responses"
        aiohttp = self is Route.AIOHTTP
        return open_provider(model, api_key=key, base_url=url, api=api, aiohttp=aiohttp, **more)


def prompt(text: str = "hello", **fields: Any) -> Prompt:
    return Prompt((Message("user", (Text(text),)),), Intent.COMPOSE, text, **fields)


async def drain(stream: Stream, fold: Fold) -> None:
    async for chunk in stream:
        fold.add(chunk)


async def gather(stream: Stream, chunks: list[Chunk]) -> None:
    """Read to the end, and keep what came."""
    async for chunk in stream:
        chunks.append(chunk)  # noqa: PERF401 - what came before a failure is kept


async def streamed(provider: VendorProvider, asked: Prompt) -> Reply:
    """The answer, streamed to its end."""
    return await complete(provider, asked, TERMS)


async def until(true: Callable[[], object]) -> None:
    """Let the others run until something is so; five seconds are more than enough."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0)


async def failure(provider: VendorProvider, asked: Prompt | None = None) -> tuple[errors.ProviderError, Fold]:
    """How the provider fails, and what it said before."""
    fold = Fold()
    async with provider.stream(asked or prompt()) as stream:
        with pytest.raises(errors.ProviderError) as caught:
            await drain(stream, fold)
    info = provider.info
    assert (caught.value.provider, caught.value.model) == (info.vendor, info.model)
    assert caught.value.remedy
    return caught.value, fold


async def closed_after(server: FakeModels, since: float) -> float:
    """Seconds from `since` until the server saw its last client leave."""
    exchange = server.exchanges[-1]
    await until(lambda: exchange.client_closed_at)
    return (exchange.client_closed_at or since) - since
