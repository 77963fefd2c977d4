"""What others offer for the same: two models of which the second answers where the first fails.

Each as its own documentation has it, in the leanest form that falls back. They live in an environment of
their own (`requirements/bench.in`), so they are imported by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.sides.asking import MESSAGES, MODEL, QUESTION, Asking

__all__ = [
    "langchain_chat", "langchain_messages", "langchain_ollama", "langchain_responses", "litellm_chat",
    "litellm_messages", "litellm_ollama", "litellm_responses", "pydantic_ai_chat", "pydantic_ai_messages",
    "pydantic_ai_responses",
]  # fmt: skip


def litellm_chat(url: str) -> Asking:
    """LiteLLM's router, on chat completions."""
    return _litellm(f"openai/{MODEL}", f"{url}/v1")


def litellm_messages(url: str) -> Asking:
    """LiteLLM's router, on Anthropic's messages."""
    return _litellm(f"anthropic/{MODEL}", url)


def litellm_ollama(url: str) -> Asking:
    """LiteLLM's router, on Ollama's chat."""
    return _litellm(f"ollama_chat/{MODEL}", url)


def litellm_responses(url: str) -> Asking:
    """LiteLLM's router, on responses."""
    router = _litellm_router(f"openai/{MODEL}", f"{url}/v1")

    async def stream() -> int:
        came = 0
        async for event in await router.aresponses(model="first", input=QUESTION, stream=True):
            if event.type == "response.output_text.delta":
                came += len(event.delta)
        return came

    async def plain() -> int:
        answer = await router.aresponses(model="first", input=QUESTION)
        return len(answer.output[0].content[0].text)

    return Asking(stream, plain)


def _litellm(model: str, url: str) -> Asking:
    router = _litellm_router(model, url)

    async def stream() -> int:
        came = 0
        chunks = await router.acompletion(
            "first", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in chunks:
            if chunk.choices:
                came += len(chunk.choices[0].delta.content or "")
        return came

    async def plain() -> int:
        answer = await router.acompletion("first", messages=MESSAGES)
        return len(answer.choices[0].message.content)

    return Asking(stream, plain)


def _litellm_router(model: str, url: str) -> Any:
    litellm: Any = import_module("litellm")
    litellm.suppress_debug_info = True
    given = {"model": model, "api_base": url, "api_key": "none", "max_retries": 0}
    deployments = [{"model_name": name, "litellm_params": given} for name in ("first", "second")]
    return litellm.Router(model_list=deployments, num_retries=0, fallbacks=[{"first": ["second"]}])


def pydantic_ai_chat(url: str) -> Asking:
    """Pydantic AI's fallback model, on chat completions."""
    return _pydantic_ai("openai", "OpenAIChatModel", "OpenAIProvider", f"{url}/v1")


def pydantic_ai_responses(url: str) -> Asking:
    """Pydantic AI's fallback model, on responses."""
    return _pydantic_ai("openai", "OpenAIResponsesModel", "OpenAIProvider", f"{url}/v1")


def pydantic_ai_messages(url: str) -> Asking:
    """Pydantic AI's fallback model, on Anthropic's messages."""
    return _pydantic_ai("anthropic", "AnthropicModel", "AnthropicProvider", url)


def _pydantic_ai(vendor: str, model: str, provider: str, url: str) -> Asking:
    direct: Any = import_module("pydantic_ai.direct")
    parts: Any = import_module("pydantic_ai.messages")
    make: Any = getattr(import_module(f"pydantic_ai.models.{vendor}"), model)
    connect: Any = getattr(import_module(f"pydantic_ai.providers.{vendor}"), provider)
    fallback: Any = import_module("pydantic_ai.models.fallback").FallbackModel
    connected = connect(api_key="none", base_url=url)
    both = fallback(make(MODEL, provider=connected), make(MODEL, provider=connected))
    asked = [parts.ModelRequest.user_text_prompt(QUESTION)]

    async def stream() -> int:
        came = 0
        async with direct.model_request_stream(both, asked) as events:
            async for event in events:
                if event.event_kind == "part_start":
                    came += len(event.part.content)
                elif event.event_kind == "part_delta":
                    came += len(event.delta.content_delta)
        return came

    async def plain() -> int:
        answer = await direct.model_request(both, asked)
        return len(answer.parts[0].content)

    return Asking(stream, plain)


def langchain_chat(url: str) -> Asking:
    """LangChain's model with a fallback, on chat completions."""
    more = {"api_key": "none", "base_url": f"{url}/v1", "max_retries": 0, "stream_usage": True}
    return _langchain("langchain_openai", "ChatOpenAI", **more, use_responses_api=False)


def langchain_responses(url: str) -> Asking:
    """LangChain's model with a fallback, on responses."""
    more = {"api_key": "none", "base_url": f"{url}/v1", "max_retries": 0, "stream_usage": True}
    return _langchain("langchain_openai", "ChatOpenAI", **more, use_responses_api=True)


def langchain_messages(url: str) -> Asking:
    """LangChain's model with a fallback, on Anthropic's messages."""
    return _langchain("langchain_anthropic", "ChatAnthropic", api_key="none", base_url=url, max_retries=0)


def langchain_ollama(url: str) -> Asking:
    """LangChain's model with a fallback, on Ollama's chat."""
    return _langchain("langchain_ollama", "ChatOllama", base_url=url)


def _langchain(package: str, name: str, **given: Any) -> Asking:
    make: Any = getattr(import_module(package), name)
    both = make(model=MODEL, **given).with_fallbacks([make(model=MODEL, **given)])

    async def stream() -> int:
        came = 0
        async for chunk in both.astream(QUESTION):
            came += len(chunk.text)
        return came

    async def plain() -> int:
        answer = await both.ainvoke(QUESTION)
        return len(answer.text)

    return Asking(stream, plain)
