"""A team answered by the model of the client that asks: over each wire, and across its requests."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from atlas_mcp.settings import MemorySettings, ModelSettings, RootSettings, Settings
from atlas_mcp.surface.server import build_server
from tests.surface.conftest import over_http, stdio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from mcp_types import CreateMessageRequestParams, SamplingMessage

QUESTION = "When do spring tides come?"
FACT = "The moon raises two tides a day."
ANSWERS: dict[str, Any] = {
    "assignments": {
        "assignments": [{"id": "a1", "worker": "documents", "goal": "tides of the moon", "after": []}]
    },
    "findings": {"findings": [{"passage": "p1", "quote": FACT}], "gaps": []},
    "claims": {
        "answer": f"{FACT} [f1]",
        "claims": [{"text": FACT, "finding_ids": ["f1"]}],
        "disagreements": [], "open_questions": [], "confidence": 0.9,
    },
}  # fmt: skip
"""What the client's model says, by what is asked of it in words."""


@dataclass
class Model:
    """The client's model; `go` holds its answers back."""

    asked: list[str] = field(default_factory=list[str])
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(
        self, messages: list[SamplingMessage], params: CreateMessageRequestParams, _context: Any
    ) -> str:
        self.asked.append(
            "\n".join(block.text for one in messages for block in one.content_as_list if block.type == "text")
        )
        await self.go.wait()
        system = params.system_prompt or ""
        return next(json.dumps(said) for wish, said in ANSWERS.items() if f'"{wish}": {{' in system)


@pytest.fixture
def settings(home: Path, documents: Path) -> Settings:
    """Settings by which whoever asks answers."""
    home.mkdir(parents=True)
    return Settings(
        home=home,
        models=ModelSettings(default="sampling"),
        memory=MemorySettings(embeddings=False),
        roots=RootSettings(read=(documents,)),
    )


@asynccontextmanager
async def target(wire: str, settings: Settings) -> AsyncGenerator[Any]:
    if wire == "http":
        async with over_http(settings) as url:
            yield StreamableHttpTransport(f"{url}/mcp")
    else:
        yield stdio(settings) if wire == "stdio" else build_server(settings)


@pytest.mark.parametrize("wire", ["memory", "stdio", "http"])
async def test_the_model_of_the_client_answers_what_its_person_asks(
    settings: Settings, documents: Path, wire: str
) -> None:
    model = Model()
    model.go.set()
    async with target(wire, settings) as there, Client(
        there, mode="legacy", sampling_handler=model
    ) as client:  # fmt: skip
        asked = {"question": QUESTION, "documents": [str(documents)]}
        result = await client.call_tool("research", asked)
    envelope: Any = result.structured_content
    assert envelope["state"] == "done"
    assert [claim["text"] for claim in envelope["output"]["claims"]] == [FACT]
    assert QUESTION in model.asked[0]
    assert f"\n\n{FACT}" in model.asked[1]


@pytest.mark.parametrize("wire", ["memory", "http"])
async def test_a_run_goes_on_with_the_next_request_of_its_client(
    settings: Settings, documents: Path, wire: str
) -> None:
    model = Model()
    async with target(wire, settings) as there, Client(
        there, mode="legacy", sampling_handler=model
    ) as client:  # fmt: skip
        asked = {"question": QUESTION, "documents": [str(documents)], "wait_seconds": 0.5}
        begun: Any = (await client.call_tool("research", asked)).structured_content
        assert begun["state"] == "running"
        model.go.set()  # the first answer comes between two requests
        ended: Any = (await client.call_tool("run_result", {"run_id": begun["run_id"]})).structured_content
    assert ended["state"] == "done"


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_that_cannot_be_asked_is_told_what_to_do(
    settings: Settings, documents: Path, mode: Any
) -> None:
    sampling: Any = {"sampling_handler": Model()} if mode != "legacy" else {}
    async with target("memory", settings) as there, Client(there, mode=mode, **sampling) as client:
        asked = {"question": QUESTION, "documents": [str(documents)]}
        result = await client.call_tool("research", asked, raise_on_error=False)
    envelope: Any = result.structured_content
    assert envelope["state"] == "failed"
    told = f"{envelope['error']['message']} {envelope['error']['remedy']}"
    assert "No client is connected that lends its model." in told
    assert "configure a model" in told
