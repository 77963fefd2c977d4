"""A provider that is no language model: it finds, ranks and cites sentences of the material it is given.

It answers from a prompt's intent, question, passages, findings, tools and schema. It writes nothing of its
own: each prose field is made of the material's sentences or the question's words, or stays empty. It knows no
team and opens no connection.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, assert_never

from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.errors import Unavailable
from atlas_mcp.messages import Intent, ToolCall
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms
from atlas_mcp.text.embedding import find_embedder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Vectors
    from atlas_mcp.providers.extraction.units import Unit
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.text.embedding import Embedder

__all__ = ["ExtractiveProvider", "open_provider"]

VENDOR = "extractive"
MOST_FINDINGS = 6
MOST_ASSIGNMENTS = 4

_PIECE = re.compile(r".+?(?:[.!?](?=\s)|[\]}],\s?|\Z)", re.DOTALL)


def open_provider(model: str = "", **_: object) -> Provider:
    """The extractive provider; it has one way of working and needs no key, so no other setting is read."""
    return ExtractiveProvider(model or "sentences")


class ExtractiveProvider:
    """Answers prompts with sentences of their own material."""

    def __init__(self, model: str = "sentences", embedder: Embedder | None = None) -> None:
        """`embedder` is the machine's own by default; without one, words alone are compared."""
        self._model = model
        self._embedder = embedder
        self._looked = embedder is not None
        self._closed = False

    @property
    def info(self) -> ProviderInfo:
        """Who answers: no language model, and says so."""
        return ProviderInfo(
            f"{VENDOR}:{self._model}",
            VENDOR,
            self._model,
            language_model=False,
            note="No language model wrote this: its sentences were selected from the sources, word for word.",
        )

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - it never waits
        """The answer to a prompt, a sentence or so at a time.

        Raises while read:
            InvalidRequest: the schema asks for prose or judgement that only a model could give.
        """
        return Stream(self._chunks(prompt))

    async def aclose(self) -> None:
        """Let go of the embedder; further streams fail."""
        self._closed = True
        self._embedder = None

    async def _chunks(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        if self._closed:
            raise Unavailable("The extractive provider is closed.", provider=VENDOR, remedy="Open it again.")
        answer = await self._answer(prompt)
        called = isinstance(answer, ToolCall)
        if called:
            yield answer
        else:
            for piece in in_pieces(answer):
                yield TextDelta(piece)
                await asyncio.sleep(0)  # nothing here waits, and whoever watches or cancels must get a turn
        yield Usage(calls=1)
        yield Stopped("tool_calls" if called else "end", VENDOR, self._model, language_model=False)

    async def _answer(self, prompt: Prompt) -> str | ToolCall:
        from atlas_mcp.providers.extraction.questions import read_question

        about = prompt.about.strip() or next((m.text for m in prompt.messages if m.role == "user"), "")
        if prompt.intent is Intent.PLAN:
            return await asyncio.to_thread(_plan, prompt, about)
        question = read_question(_subject(prompt, about))
        units = await asyncio.to_thread(_units, prompt, question)
        if prompt.intent is Intent.GATHER and prompt.tools:
            call = await asyncio.to_thread(_search, prompt, question, units)
            if call is not None:
                return call
        vectors = await self._vectors(question, units)
        return await asyncio.to_thread(_shaped, prompt, about, question, units, vectors)

    async def _vectors(self, question: Question, units: list[Unit]) -> Vectors | None:
        from atlas_mcp.providers.extraction.relevance import Vectors, asked_texts, unit_texts

        if not self._looked:
            self._embedder = find_embedder()
            self._looked = True
        if self._embedder is None or not units:
            return None
        asked = asked_texts(question)
        rows = await self._embedder.embed([*asked, *unit_texts(units)])
        return Vectors(rows[: len(asked)], rows[len(asked) :])


def in_pieces(text: str) -> Iterator[str]:
    """The text in pieces of about a sentence, or one item of a list."""
    return (match[0] for match in _PIECE.finditer(text))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plan(prompt: Prompt, about: str) -> str:
    from atlas_mcp.providers.extraction.filling import Stock, fill, impossible
    from atlas_mcp.providers.extraction.planning import plan, tried_goals
    from atlas_mcp.providers.extraction.wishes import said_of

    schema = prompt.schema or {}
    shape: JsonObject = schema.get("properties", {}).get("assignments", {})
    worker: JsonObject = shape.get("items", {}).get("properties", {}).get("worker", {})
    workers: list[str] = worker.get("enum", [])
    if not workers:
        raise impossible(
            "a plan without knowing the workers",
            "Give assignments.items.properties.worker an enum, or configure a model (OPENAI_API_KEY).",
        )
    said = [message.text for message in prompt.messages if message.role == "user"]
    tried = [goal for text in said for goal in tried_goals(text)]
    least, most = shape.get("minItems", 1), shape.get("maxItems", MOST_ASSIGNMENTS)
    tasks: dict[str, str] = worker.get("x-atlas-tasks", {})
    product = any(said_of("format", text) for text in said)
    made = plan(about, workers, least=least, most=most, tried=tried, tasks=tasks, product=product)
    return _json(fill(schema, made, Stock()))


def _subject(prompt: Prompt, about: str) -> str:
    """What is asked; of a work that is more than an answer, what it is about."""
    from atlas_mcp.providers.extraction.wishes import subject

    return subject(about) if _is_work(prompt) else about


def _is_work(prompt: Prompt) -> bool:
    """Whether more than an answer is to be composed, from findings and drafts alone."""
    from atlas_mcp.providers.extraction.making import is_brief

    fields: JsonObject = (prompt.schema or {}).get("properties", {})
    return prompt.intent is Intent.COMPOSE and not is_brief(fields)


def _units(prompt: Prompt, question: Question) -> list[Unit]:
    """The findings where something is to be made of them, else what the passages hold."""
    from atlas_mcp.providers.extraction.relevance import shortlist
    from atlas_mcp.providers.extraction.units import unit_of_finding, units_of_passages

    if _is_work(prompt) or (prompt.findings and prompt.intent is not Intent.GATHER):
        return shortlist(question, [unit_of_finding(finding) for finding in prompt.findings])
    return shortlist(question, units_of_passages(prompt.passages))


def _search(prompt: Prompt, question: Question, units: list[Unit]) -> ToolCall | None:
    """A first call of a search tool, where the passages at hand lack what is asked."""
    from atlas_mcp.providers.extraction.gathering import uncovered_words

    used = {part.name for message in prompt.messages for part in message.parts if isinstance(part, ToolCall)}
    for tool in prompt.tools:
        wants = tool.parameters.get("properties", {}).get("query", {})
        if tool.parameters.get("required") != ["query"] or wants.get("type") != "string" or tool.name in used:
            continue
        words = uncovered_words(question, units)
        return ToolCall(f"search_{len(used) + 1}", tool.name, {"query": words}) if words else None
    return None


def _shaped(
    prompt: Prompt, about: str, question: Question, units: list[Unit], vectors: Vectors | None
) -> str:
    """The answer as JSON that fits the prompt's schema; as text where none is given."""
    from atlas_mcp.providers.extraction.composing import compose
    from atlas_mcp.providers.extraction.filling import fill
    from atlas_mcp.providers.extraction.gathering import gather, stock
    from atlas_mcp.providers.extraction.making import make

    if prompt.schema is None:
        return compose(question, units, vectors)["answer"]
    fields: JsonObject = prompt.schema.get("properties", {})
    known: dict[str, Any]
    match prompt.intent:
        case Intent.GATHER:
            most = fields.get("findings", {}).get("maxItems", MOST_FINDINGS)
            known = gather(question, units, vectors, most)
        case Intent.COMPOSE:
            known = make(prompt, about, question, units, vectors)
        case Intent.PLAN | Intent.REVIEW | Intent.RATE:
            known = {}
        case _:
            assert_never(prompt.intent)
    return _json(fill(prompt.schema, known, stock(question, units, vectors)))
