"""The vendors' official SDKs as their users use them, with nothing around them."""

from __future__ import annotations

from typing import Any

from benchmarks.sides.asking import MESSAGES, MODEL, QUESTION, Asking

__all__ = ["chat", "messages", "ollama", "responses"]


def _openai(url: str) -> Any:
    import openai

    return openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)


def chat(url: str) -> Asking:
    """OpenAI's, chat completions."""
    create = _openai(url).chat.completions.create

    async def stream() -> int:
        came = 0
        options = {"include_usage": True}
        chunks = await create(model=MODEL, messages=MESSAGES, stream=True, stream_options=options)
        async for chunk in chunks:
            if chunk.choices:
                came += len(chunk.choices[0].delta.content or "")
        return came

    async def plain() -> int:
        answer = await create(model=MODEL, messages=MESSAGES)
        return len(answer.choices[0].message.content)

    return Asking(stream, plain)


def responses(url: str) -> Asking:
    """OpenAI's, responses."""
    create = _openai(url).responses.create

    async def stream() -> int:
        came = 0
        async for event in await create(model=MODEL, input=QUESTION, stream=True):
            if event.type == "response.output_text.delta":
                came += len(event.delta)
        return came

    async def plain() -> int:
        answer = await create(model=MODEL, input=QUESTION)
        return len(answer.output_text)

    return Asking(stream, plain)


def messages(url: str) -> Asking:
    """Anthropic's."""
    import anthropic

    client: Any = anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0)
    create = client.messages.create

    async def stream() -> int:
        came = 0
        async for event in await create(model=MODEL, max_tokens=1000, messages=MESSAGES, stream=True):
            if event.type == "content_block_delta":
                came += len(event.delta.text)
        return came

    async def plain() -> int:
        answer = await create(model=MODEL, max_tokens=1000, messages=MESSAGES)
        return len(answer.content[0].text)

    return Asking(stream, plain)


def ollama(url: str) -> Asking:
    """Ollama's."""
    from ollama import AsyncClient

    client: Any = AsyncClient(host=url)

    async def stream() -> int:
        came = 0
        async for part in await client.chat(model=MODEL, messages=MESSAGES, stream=True):
            came += len(part.message.content or "")
        return came

    async def plain() -> int:
        answer = await client.chat(model=MODEL, messages=MESSAGES)
        return len(answer.message.content)

    return Asking(stream, plain)
