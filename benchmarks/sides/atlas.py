"""ATLAS with everything on: a group of two that learns who is better, metered, priced, with three budgets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atlas_mcp.chunks import TextDelta
from atlas_mcp.messages import Prompt, TaskType
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.strategies import strategy_named
from atlas_mcp.providers.terms import Terms
from benchmarks.sides.asking import QUESTION, Asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.providers.provider import Provider

__all__ = ["chat", "chat_aiohttp", "messages", "messages_aiohttp", "ollama", "responses", "responses_aiohttp"]

_PRICES = '["*:*-model"]\nprice = { input = 2.0, output = 10.0 }\n'
_MUCH = Limit(tokens=10**12, cost_usd=10.0**9)


def chat(url: str) -> Asking:
    """On chat completions."""
    return _openai(url, "chat", aiohttp=False)


def chat_aiohttp(url: str) -> Asking:
    """On chat completions, over aiohttp."""
    return _openai(url, "chat", aiohttp=True)


def responses(url: str) -> Asking:
    """On responses."""
    return _openai(url, "responses", aiohttp=False)


def responses_aiohttp(url: str) -> Asking:
    """On responses, over aiohttp."""
    return _openai(url, "responses", aiohttp=True)


def _openai(url: str, api: Literal["chat", "responses"], *, aiohttp: bool) -> Asking:
    from atlas_mcp.providers.openai import open_provider

    return _asking(
        lambda model: open_provider(model, api_key="none", base_url=f"{url}/v1", api=api, aiohttp=aiohttp)
    )


def messages(url: str) -> Asking:
    """On Anthropic's messages."""
    from atlas_mcp.providers.anthropic import open_provider

    return _asking(lambda model: open_provider(model, api_key="none", base_url=url))


def messages_aiohttp(url: str) -> Asking:
    """On Anthropic's messages, over aiohttp."""
    from atlas_mcp.providers.anthropic import open_provider

    return _asking(lambda model: open_provider(model, api_key="none", base_url=url, aiohttp=True))


def ollama(url: str) -> Asking:
    """On Ollama's chat."""
    from atlas_mcp.providers.ollama import open_provider

    return _asking(lambda model: open_provider(model, base_url=url))


def _asking(open_provider: Callable[[str], Provider]) -> Asking:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "models.toml"
        file.write_text(_PRICES, "utf-8")
        models = Models.load(file)
    reliability = Reliability()
    group = ProviderGroup(
        [open_provider("first-model"), open_provider("second-model")],
        strategy_named("adaptive"),
        circumstances=Circumstances(reliability, Prices(models)),
    )
    run = Budget(_MUCH)
    agent = run.child(_MUCH, name="team").child(_MUCH, name="agent")
    prompt = Prompt.of(QUESTION)
    watched, at_once = Terms(budget=agent), Terms(budget=agent, streaming=False)

    async def stream() -> int:
        came = 0
        async with group.stream(prompt, watched) as chunks:
            async for chunk in chunks:
                if type(chunk) is TextDelta:
                    came += len(chunk.text)
        return came

    async def plain() -> int:
        reply = await complete(group, prompt, at_once)
        return len(reply.text)

    async def finish() -> None:
        """Everything was on: who was asked is remembered, and every budget charged what the server said."""
        spent = run.spent
        assert spent.calls == agent.spent.calls
        assert spent.cost_usd
        assert not spent.estimated
        assert not run.blind
        asked = [reliability.record(member.name, TaskType.WRITING).calls for member in group.members]
        assert all(asked), asked
        await group.aclose()

    return Asking(stream, plain, finish)
