"""What the extractive provider is asked in its tests: three small documents, and an embedder of words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_mcp.messages import (
    Finding,
    Intent,
    Location,
    Material,
    Message,
    Passage,
    Prompt,
    Source,
    Text,
    ToolSpec,
)
from atlas_mcp.orchestration.trades.gathering import SCHEMA as GATHER_SCHEMA
from atlas_mcp.providers.provider import complete
from atlas_mcp.shapes import misfits
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from atlas_mcp.providers.extractive import ExtractiveProvider

CANCELLATION = """\
A sender **SHOULD** send a `recall` notice to stop a parcel that is under way. The notice names the parcel.

Depots that receive a recall notice **SHOULD**:

- Stop handling the parcel
- Free the shelf it stood on
- Not send a receipt for it

However, this does not apply to parcels that were handed over already."""
DELIVERY = """\
A depot is a building in which parcels wait for their carrier. It has at least one gate.

Carriers **MUST NOT** open a parcel. A carrier keeps it for at most 14 days, because shelves are scarce."""
OTHER = "The canteen opens at noon. Soup is served on Fridays."


def passage(name: str, text: str, title: str) -> Passage:
    return Passage(
        name, Source(f"sha-{title}", f"file:///{title}.md", title, "2026-01-01T00:00:00Z"), text, 0
    )


PASSAGES = (
    passage("p1", CANCELLATION, "Recall"),
    passage("p2", DELIVERY, "Depots"),
    passage("p3", OTHER, "House"),
)
RESEARCH = json.loads((Path(__file__).parents[2] / "teams/research/output.schema.json").read_text("utf-8"))
COMPOSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["answer", "claims", "disagreements", "open_questions", "confidence"],
    "additionalProperties": False,
    "properties": {
        name: shape for name, shape in RESEARCH["properties"].items() if not shape.get("x-atlas-computed")
    },
}
SEARCH = ToolSpec(
    "search_documents",
    "Finds passages.",
    {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)


class WordVectors:
    """An embedder that places a text by its stems, so that texts which share words are near each other."""

    name = "words"
    dimensions = 64

    async def embed(
        self,
        texts: Sequence[str],
        *,
        on_progress: Callable[[int, int], None] | None = None,  # noqa: ARG002  it is done at once
    ) -> npt.NDArray[np.float32]:
        rows = np.full((len(texts), self.dimensions), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for stem in stems(text):
                row[sum(stem.encode()) % self.dimensions] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def asked(
    about: str,
    intent: Intent,
    schema: dict[str, Any] | None,
    *parts: Any,
    said: str = "Do it.",
    **fields: Any,
) -> Prompt:
    return Prompt((Message("user", (Text(said), *parts)),), intent, about, schema=schema, **fields)


def gathering(about: str, *passages: Passage, **fields: Any) -> Prompt:
    return asked(about, Intent.GATHER, GATHER_SCHEMA, Material(passages=passages or PASSAGES), **fields)


async def answer(provider: ExtractiveProvider, prompt: Prompt) -> Any:
    reply = await complete(provider, prompt)
    value = json.loads(reply.text)
    assert prompt.schema is not None
    assert misfits(prompt.schema, value) == []
    return value


async def findings(provider: ExtractiveProvider, about: str) -> tuple[Finding, ...]:
    shown = {each.id: each for each in PASSAGES}
    found = (await answer(provider, gathering(about)))["findings"]
    return tuple(
        Finding(
            f"f{number}",
            given["quote"],
            shown[given["passage"]].source.sha256,
            shown[given["passage"]].source.title,
            Location(
                start := shown[given["passage"]].text.index(given["quote"]), start + len(given["quote"])
            ),
            "documents",
        )
        for number, given in enumerate(found, start=1)
    )


async def brief(provider: ExtractiveProvider, about: str, *found: Finding) -> Any:
    material = Material(findings=found or await findings(provider, about))
    return await answer(provider, asked(about, Intent.COMPOSE, COMPOSE_SCHEMA, material))


def finding(number: int, quote: str, source: str = "s1") -> Finding:
    start = number * 1_000
    return Finding(f"f{number}", quote, source, source, Location(start, start + len(quote)), "documents")
