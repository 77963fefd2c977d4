"""The shipped research team with everything on, and the same five calls with nothing around them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.sides.teamwork import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from benchmarks.sides.teamwork import Team, Teamwork

__all__ = ["atlas", "atlas_by_meaning", "bare"]


def atlas(work: Teamwork) -> Team:
    """ATLAS, its ledger, checkpoints, journal, gate and librarian on; documents are searched by words."""
    return _atlas(work, embeddings=False)


def atlas_by_meaning(work: Teamwork) -> Team:
    """ATLAS as it is shipped: an embedding model in the process searches the documents too."""
    return _atlas(work, embeddings=True)


@asynccontextmanager
async def _atlas(work: Teamwork, *, embeddings: bool) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    from atlas_mcp.app import open_atlas
    from atlas_mcp.providers.openai import open_provider
    from atlas_mcp.settings import MemorySettings, Settings

    provider = open_provider(MODEL, base_url=work.url)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), memory=MemorySettings(embeddings=embeddings))
        async with open_atlas(settings, roots=[Path(work.documents)], provider=provider) as opened:

            async def run() -> str:
                started = await opened.start(
                    "research", question=QUESTION, documents=[work.documents], fresh=True
                )
                envelope = await started.envelope(wait_seconds=120)
                assert envelope["state"] == "done", envelope.get("error")
                return str(envelope["output"]["report"])

            async def told() -> None:
                for courier in opened.observing.couriers.values():
                    await courier.drained()

            telling: Any = run  # whoever counts what is done in the background waits for it
            telling.told = told
            yield run
    await provider.aclose()


@asynccontextmanager
async def bare(work: Teamwork) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Plain asyncio and OpenAI's SDK."""
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=work.url, max_retries=0) as client:

        async def ask(body: dict[str, Any]) -> str:
            create: Any = client.chat.completions.create
            chunks = await create(**body)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])

        async def run() -> str:
            json.loads(await ask(work.bodies[0]))
            for answer in await asyncio.gather(*(ask(body) for body in work.bodies[1:-1])):
                json.loads(answer)
            answer = await ask(work.bodies[-1])
            json.loads(answer)
            return answer

        yield run
