"""The agent that thinks in this process: a persona, a tool loop with a turn limit, a shaped answer."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import jiter

from atlas_mcp.agents.agent import Answered, Happened, Speaking
from atlas_mcp.chunks import Chosen, Stopped, Switched
from atlas_mcp.errors import AtlasError, ContentRefused, InvalidOutput
from atlas_mcp.events import Kind
from atlas_mcp.messages import Message, Prompt, Text, ToolResult
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.terms import TERMS, Attempts, Terms
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.agents.agent import Step, Task
    from atlas_mcp.agents.card import Card
    from atlas_mcp.chunks import Reply
    from atlas_mcp.downstream.toolbox import Tools
    from atlas_mcp.messages import ToolCall
    from atlas_mcp.providers.provider import Provider

__all__ = ["REPAIRS", "ModelAgent"]

REPAIRS = 2
"""How often an answer that does not fit its schema is sent back."""

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL)
_NO_TOOLS = "Tools can no longer be called; answer from what you have."


@dataclass(slots=True)
class _Talk:
    """One task's conversation; its retries, fallbacks and repairs share one count of attempts."""

    task: Task
    messages: list[Message]
    terms: Terms
    attempts: Attempts
    turns: int = 0
    repairs: int = 0


class ModelAgent:
    """An agent made of a card, a provider and tools."""

    def __init__(self, card: Card, provider: Provider, tools: Tools, terms: Terms = TERMS) -> None:
        self._card = card
        self._provider = provider
        self._tools = tools
        self._terms = terms

    @property
    def name(self) -> str:
        """As the card calls it."""
        return self._card.name

    async def work(self, task: Task) -> AsyncGenerator[Step]:
        """Ask the model, run the tools it calls, and give its answer once it fits."""
        material = (task.material,) if task.material.passages or task.material.findings else ()
        attempts = self._terms.attempts or Attempts()
        terms = replace(self._terms, attempts=attempts)
        talk = _Talk(task, [Message("user", (Text(task.text), *material))], terms, attempts)
        while True:
            fold = Fold()
            async with aclosing(self._ask(talk, fold)) as asking:
                async for step in asking:
                    yield step
            reply = fold.reply()
            talk.messages.append(reply.message)
            if reply.calls and not self._is_last(talk):
                async with aclosing(self._use_tools(talk, reply.calls)) as using:
                    async for step in using:
                        yield step
                continue
            value, misfit = _read(reply, task.schema)
            passages = self._prompt(talk).passages
            problems = misfit or task.check(value, passages)
            if problems and talk.repairs < REPAIRS and talk.attempts.take():
                yield self._send_back(talk, reply, problems)
                continue
            if misfit:
                raise InvalidOutput(
                    f"{self.name} gave no answer of the wished shape: {'; '.join(misfit)}.",
                    problems=tuple(misfit),
                    remedy="Use a model that follows JSON Schema.",
                )
            yield Answered(value, passages, tuple(problems))
            return

    async def _ask(self, talk: _Talk, fold: Fold) -> AsyncGenerator[Step]:
        talk.turns += 1
        prompt = self._prompt(talk)
        info = self._provider.info
        stream = None
        said = {"provider": info.name, "call": talk.turns}
        yield Happened(Kind.MODEL_STARTED, {**said, "intent": prompt.intent.value})
        since = perf_counter()
        try:
            async with self._provider.stream(prompt, talk.terms) as stream:
                yield Speaking(stream.control)
                async for chunk in stream:
                    fold.add(chunk)
                    if isinstance(chunk, Chosen | Switched):
                        yield _seam(chunk, talk.turns)
                    elif not isinstance(chunk, Stopped):
                        yield chunk
        except AtlasError as error:
            usage = asdict(stream.usage) if stream else {}
            yield Happened(Kind.MODEL_FAILED, {**said, "usage": usage, "error": error.to_dict()})
            raise
        metrics = stream.control.metrics
        reply = fold.reply()
        if reply.stopped.reason == "refused":
            raise ContentRefused(
                f"{info.name} refused to answer: {reply.text[:300]}", provider=info.vendor, model=info.model
            )
        data = {
            **said,
            "model": reply.stopped.model,
            "usage": asdict(reply.usage),
            "seconds": round(perf_counter() - since, 3),
            "first_token": None if metrics.first_token is None else round(metrics.first_token, 3),
            "stopped": reply.stopped.reason,
        }
        yield Happened(Kind.MODEL_FINISHED, data)

    def _prompt(self, talk: _Talk) -> Prompt:
        return Prompt(
            messages=tuple(talk.messages),
            intent=talk.task.intent,
            about=talk.task.about,
            agent=self._card.name,
            system=self._card.persona,
            tools=() if self._is_last(talk) else tuple(self._tools.specs),
            schema=talk.task.schema,
            max_output_tokens=self._card.max_output_tokens,
            sampling=self._card.sampling,
        )

    def _is_last(self, talk: _Talk) -> bool:
        """Whether this turn must give the answer, without tools."""
        return talk.turns >= self._card.max_turns or talk.repairs > 0

    async def _use_tools(self, talk: _Talk, calls: tuple[ToolCall, ...]) -> AsyncGenerator[Step]:
        for call in calls:
            yield Happened(Kind.TOOL_STARTED, {"tool": call.name, "arguments": call.arguments})
            since = perf_counter()
            result = await self._tools.call(call)
            yield Happened(Kind.TOOL_FINISHED, tool_finished(call, result, perf_counter() - since))
            talk.messages.append(Message("tool", (result,)))

    def _send_back(self, talk: _Talk, reply: Reply, problems: list[str]) -> Happened:
        talk.repairs += 1
        # A call without a result is a conversation that models' servers refuse.
        refused = (ToolResult(call.id, _NO_TOOLS, error=True) for call in reply.calls)
        talk.messages.extend(Message("tool", (result,)) for result in refused)
        wish = "\n".join(f"- {problem}" for problem in problems)
        text = f"Your answer does not fit:\n{wish}\nGive it all again: one JSON object, nothing else."
        talk.messages.append(Message("user", (Text(text),)))
        return Happened(Kind.OUTPUT_REPAIRED, {"attempt": talk.repairs, "problems": problems})


def _seam(chunk: Chosen | Switched, call: int) -> Happened:
    """What the journal says of who was chosen, and of who went on after whom."""
    data = asdict(chunk)
    kind = Kind.MODEL_CHOSEN if isinstance(chunk, Chosen) else Kind.MODEL_SWITCHED
    return Happened(kind, {**data, "call": call})


def tool_finished(call: ToolCall, result: ToolResult, seconds: float) -> dict[str, Any]:
    """What the journal says of a finished tool call."""
    return {
        "tool": call.name,
        "seconds": round(seconds, 3),
        "passages": len(result.passages),
        "error": result.text if result.error else None,
    }


def _read(reply: Reply, schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The answer as JSON, and what does not fit."""
    if reply.calls:
        return {}, [f"$: {_NO_TOOLS}"]
    text = reply.text.strip()
    if fenced := _FENCED.search(text):
        text = fenced[1]
    try:
        value = jiter.from_json(text.encode(), allow_inf_nan=False)
    except ValueError as error:
        cut = " (it was cut off at the output limit)" if reply.stopped.reason == "length" else ""
        return {}, [f"$: this is not JSON{cut}: {error}"]
    problems = misfits(schema, value)
    return (cast("dict[str, Any]", value) if not problems else {}), problems
