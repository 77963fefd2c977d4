"""What the tests of the model endpoint share: an endpoint over a provider, and the SDK that speaks to it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI

from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.lending.endpoint import open_endpoint
from atlas_mcp.providers.terms import Policy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2
    from openai import AsyncStream
    from openai.types.chat import ChatCompletionChunk

    from atlas_mcp.providers.budget import Budget
    from atlas_mcp.providers.lending.session import ModelSession
    from atlas_mcp.providers.provider import Provider

HELLO: Any = [{"role": "user", "content": "hello"}]


@dataclass(frozen=True)
class Asking:
    """A session, and the official SDK with its key and its usual retries."""

    session: ModelSession
    client: AsyncOpenAI

    async def stream(self, **body: Any) -> AsyncStream[ChatCompletionChunk]:
        create: Any = self.client.chat.completions.create
        return await create(**{"model": "gpt", "messages": HELLO, **body}, stream=True)

    async def whole(self, **body: Any) -> Any:
        create: Any = self.client.chat.completions.create
        return await create(**{"model": "gpt", "messages": HELLO, **body})

    async def raw(self, **body: Any) -> tuple[httpx2.Headers, str]:
        """The headers and the text of a response."""
        create: Any = self.client.chat.completions.with_streaming_response.create
        async with create(**{"model": "gpt", "messages": HELLO, **body}) as response:
            return response.headers, await response.text()


@asynccontextmanager
async def asking(provider: Provider, *, budget: Budget | None = None) -> AsyncGenerator[Asking]:
    """An endpoint with one session."""
    async with open_endpoint() as endpoint:
        with endpoint.session(provider, budget=budget, name="tester") as session:
            async with speaking(session) as client:
                yield Asking(session, client)


@asynccontextmanager
async def speaking(session: ModelSession) -> AsyncGenerator[AsyncOpenAI]:
    """The SDK with a session's key."""
    async with AsyncOpenAI(base_url=session.url, api_key=session.key.get_secret_value()) as client:
        yield client


def group(*members: Provider, attempts: int | None = None, wait: float = 30.0) -> ProviderGroup:
    """Members in the order of failover; by default there are as many tries as members."""
    attempts = len(members) - 1 if attempts is None else attempts
    return ProviderGroup(members, name="g", policy=Policy(attempts=attempts, wait=wait))


async def text_of(stream: AsyncStream[ChatCompletionChunk]) -> str:
    """The text that is left of a stream."""
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
