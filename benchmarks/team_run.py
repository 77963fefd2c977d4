"""CPU of one run of the shipped research team against the same five calls made with bare asyncio and the SDK.

A fake server in a process of its own streams 500 tokens a call and answers by the schemas. Both sides make a
plan, three workers' calls at once and a composition, streaming, with tracing off. ATLAS has its ledger,
checkpoints and journal on. Prints one line of JSON; CPU is this process's, per run.

    team_run.py atlas|bare URL DOCUMENTS [--runs N] [--at-once N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

QUESTION = "How do teams, runs and the journal work together, and what survives a crash?"


async def atlas_runs(url: str, documents: str, measure: Callable[[Any], Awaitable[None]]) -> None:
    from atlas_mcp.app import open_atlas
    from atlas_mcp.providers.openai import open_provider
    from atlas_mcp.settings import MemorySettings, Settings

    provider = open_provider("fake-model", base_url=url)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), memory=MemorySettings(embeddings=False))
        async with open_atlas(settings, roots=[Path(documents)], provider=provider) as atlas:

            async def run(_number: int) -> None:
                started = await atlas.start("research", question=QUESTION, documents=[documents], fresh=True)
                envelope = await started.envelope(wait_seconds=120)
                assert envelope["state"] == "done", envelope.get("error")
                assert envelope["usage"]["calls"] == 5, envelope["usage"]

            await measure(run)
    await provider.aclose()


async def bare_runs(url: str, bodies: str, measure: Callable[[Any], Awaitable[None]]) -> None:
    """The same five calls, their prompts as large as ATLAS makes them, with nothing around them."""
    import openai

    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
    with open(bodies, encoding="utf-8") as file:  # noqa: ASYNC230, PTH123 - before anything is measured
        prompts = json.load(file)

    async def ask(body: dict[str, Any]) -> str:
        create: Any = client.chat.completions.create
        chunks = await create(**body)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])

    async def run(_number: int) -> None:
        json.loads(await ask(prompts[0]))
        for answer in await asyncio.gather(*(ask(body) for body in prompts[1:-1])):
            json.loads(answer)
        json.loads(await ask(prompts[-1]))

    await measure(run)
    await client.close()


async def measured(name: str, runs: int, at_once: int, run: Any) -> None:
    await run(0)
    await run(1)
    cpu: list[float] = []
    wall: list[float] = []
    for _ in range(max(1, runs // at_once)):
        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(run(number) for number in range(at_once)))
        wall.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - spent) / at_once * 1e3)
    figures = {
        "name": name,
        "at_once": at_once,
        "cpu_ms_min": round(min(cpu), 1),
        "cpu_ms_median": round(statistics.median(cpu), 1),
        "wall_ms_median": round(statistics.median(wall), 1),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=["atlas", "bare"])
    parser.add_argument("url")
    parser.add_argument("documents", help="a folder to read, or for bare a file of recorded request bodies")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=1)
    options = parser.parse_args()
    side = atlas_runs if options.side == "atlas" else bare_runs

    async def measure(run: Any) -> None:
        await measured(options.side, options.runs, options.at_once, run)

    asyncio.run(side(options.url, options.documents, measure))


if __name__ == "__main__":
    main()
