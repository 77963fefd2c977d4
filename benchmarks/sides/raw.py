"""Chat completions with an HTTP client and a JSON parser alone: what no layer can go below."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from benchmarks.sides.asking import MESSAGES, MODEL, Asking

__all__ = ["httpx", "httpx2"]


def httpx(url: str) -> Asking:
    """httpx, which Ollama's SDK is built on."""
    return _over("httpx", url)


def httpx2(url: str) -> Asking:
    """httpx2, which the SDKs of OpenAI and Anthropic are built on."""
    return _over("httpx2", url)


def _over(library: str, url: str) -> Asking:
    http: Any = import_module(library)
    limits = http.Limits(max_connections=1000, max_keepalive_connections=100)
    client = http.AsyncClient(base_url=url, limits=limits, timeout=600)
    asked = {"model": MODEL, "messages": MESSAGES}
    path = "/v1/chat/completions"

    async def stream() -> int:
        came = 0
        async with client.stream("POST", path, json={**asked, "stream": True}) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    choices = json.loads(line[6:])["choices"]
                    came += len(choices[0]["delta"].get("content") or "") if choices else 0
        return came

    async def plain() -> int:
        response = await client.post(path, json=asked)
        return len(response.json()["choices"][0]["message"]["content"])

    return Asking(stream, plain)
