"""A process to be killed: works on the run of a data folder, noting each model call as it begins and ends.

    crash_worker.py HOME SCRIPT DOCUMENTS NOTES [RUN_ID]

With a run id it resumes that run if nobody else works on it; without one it starts a run and prints its id.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.app import open_atlas
from atlas_mcp.errors import InvalidInput
from atlas_mcp.messages import prompt_hash
from atlas_mcp.providers.scripted import open_provider
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms
from atlas_mcp.settings import MemorySettings, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.provider import Provider, ProviderInfo

QUESTION = "What do the documents say of the tides?"


class Noting:
    """A provider that notes which prompts it was asked."""

    def __init__(self, provider: Provider, notes: Path) -> None:
        self._provider = provider
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @property
    def info(self) -> ProviderInfo:
        return self._provider.info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        return Stream(self._chunks(prompt, terms))

    async def _chunks(self, prompt: Prompt, terms: Terms) -> AsyncGenerator[Chunk]:
        self._note(prompt_hash(prompt))
        async with self._provider.stream(prompt, terms) as stream:
            async for chunk in stream:
                yield chunk

    def _note(self, digest: str) -> None:
        os.write(self._notes, f"{os.getpid()} {digest}\n".encode())

    async def aclose(self) -> None:
        await self._provider.aclose()


async def main(home: Path, script: str, documents: Path, notes: Path, run_id: str | None) -> None:
    settings = Settings(home=home, memory=MemorySettings(embeddings=False))
    provider = Noting(open_provider(script), notes)
    async with open_atlas(settings, roots=[documents], provider=provider) as atlas:
        if run_id is None:
            run_id = (await atlas.start("research", question=QUESTION, documents=[str(documents)])).id
        else:
            with suppress(InvalidInput):  # it has ended already
                await atlas.control(run_id, "resume")
        sys.stdout.write(f"{run_id}\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps(await atlas.result(run_id, wait_seconds=60)) + "\n")


if __name__ == "__main__":
    home, script, documents, notes, *rest = sys.argv[1:]
    asyncio.run(main(Path(home), script, Path(documents), Path(notes), rest[0] if rest else None))
