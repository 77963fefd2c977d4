"""The agent that thinks in this process: a persona, a tool loop with a turn limit, a shaped answer.

What kind of task it has, how it is told who it is and what of the conversation goes into the window is said
in `task`, `persona` and `context`; here they meet the provider.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from atlas_mcp.agents.agent import Answered, Happened, Speaking
from atlas_mcp.agents.answers import NO_TOOLS, REPAIRS, read_answer, seam, sent_back, tool_finished
from atlas_mcp.agents.context import Fitted, Room, fitted, room_for
from atlas_mcp.agents.persona import Rendered, level_for, rendered
from atlas_mcp.agents.task import Detection, detected, effort_for
from atlas_mcp.chunks import Chosen, Retracted, Stopped, Switched
from atlas_mcp.errors import (
    AtlasError,
    ContentRefused,
    ContextTooLong,
    InvalidOutput,
    Unavailable,
    Unsupported,
)
from atlas_mcp.events import Kind
from atlas_mcp.messages import Message, Prompt, Text, ToolResult
from atlas_mcp.providers.capabilities import Strength
from atlas_mcp.providers.known.tokens import tokens_of_prompt
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.terms import TERMS, Attempts, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.agents.agent import Step, Task
    from atlas_mcp.agents.card import Card
    from atlas_mcp.agents.context import Priority
    from atlas_mcp.chunks import Reply
    from atlas_mcp.downstream.toolbox import Tools
    from atlas_mcp.messages import ToolCall
    from atlas_mcp.providers.provider import Provider

__all__ = ["REPAIRS", "ModelAgent"]


@dataclass(slots=True)
class _Talk:
    """One task's conversation; its retries, fallbacks and repairs share one count of attempts."""

    task: Task
    messages: list[Message]
    terms: Terms
    attempts: Attempts
    kind: Detection
    persona: Rendered
    effort: Literal["low", "high"] | None = None
    room: Room | None = None
    fold: Fold = field(default_factory=Fold)
    turns: int = 0
    repairs: int = 0
    refitted: bool = False


class ModelAgent:
    """An agent made of a card, a provider and tools.

    `priority` is the run's: the higher, the more of the window its prompts may fill.
    """

    def __init__(
        self, card: Card, provider: Provider, tools: Tools, terms: Terms = TERMS,
        priority: Priority = "normal",
    ) -> None:  # fmt: skip
        self._card = card
        self._provider = provider
        self._tools = tools
        self._terms = terms
        self._priority: Priority = priority

    @property
    def name(self) -> str:
        """As the card calls it."""
        return self._card.name

    async def work(self, task: Task) -> AsyncGenerator[Step]:
        """Ask the model, run the tools it calls, and give its answer once it fits."""
        talk = self._begin(task)
        if talk.kind.source != "intent":
            kind = talk.kind
            data = {"reason": kind.reason, "confidence": kind.confidence, "complexity": kind.complexity.value}
            yield Happened(Kind.TASK_DETECTED, {"task": kind.task.value, **data})
        while True:
            async with aclosing(self._ask(talk)) as asking:
                async for step in asking:
                    yield step
            reply = talk.fold.reply()
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

    def _begin(self, task: Task) -> _Talk:
        """A conversation that has not begun.

        Raises:
            Unsupported: the card needs what the model is known not to have.
        """
        info, card = self._provider.info, self._card
        lacking = [need.value for need in card.needs if info.capabilities.strength(need) is Strength.NONE]
        if lacking:
            raise Unsupported(
                f"{self.name} needs {', '.join(lacking)}, and {info.name} is known not to have it.",
                provider=info.vendor,
                model=info.model,
                remedy=f"Choose another model, or change `needs` in {self.name}.md.",
            )
        kind = detected(card, task)
        material = (task.material,) if task.material else ()
        attempts = self._terms.attempts or Attempts()
        return _Talk(
            task,
            [Message("user", (Text(task.text), *material))],
            replace(self._terms, attempts=attempts),
            attempts,
            kind,
            rendered(
                card.persona, kind.task, level_for(info.capabilities, kind.task),
                told=kind.source != "intent", memory=task.memory, abilities=card.abilities,
            ),
            effort_for(kind.complexity, info.capabilities, card.sampling),
            room_for(info, kind.task, self._priority, card.max_output_tokens),
        )  # fmt: skip

    async def _ask(self, talk: _Talk) -> AsyncGenerator[Step]:
        """Let the model speak; a prompt that turns out too long for it is sent once more, made smaller."""
        talk.turns += 1
        while True:
            prompt = self._fitted(talk)
            if prompt.changed:
                yield Happened(Kind.CONTEXT_FITTED, _fitting(prompt, talk.turns))
            talk.fold = fold = Fold()
            try:
                async with aclosing(self._stream(talk, prompt.prompt)) as speaking:
                    async for step in speaking:
                        yield step
            except (ContextTooLong, Unavailable) as error:
                if talk.refitted or not _is_too_long(error) or not talk.attempts.take():
                    raise
                talk.refitted = True
                sent = prompt.after or tokens_of_prompt(prompt.prompt)
                talk.room = Room(sent // 2, sent * 9 // 10)
                if fold.text:
                    yield Retracted(len(fold.text), "the window was full", citations=len(fold.citations))
            else:
                return

    def _fitted(self, talk: _Talk) -> Fitted:
        """The prompt in the room there is.

        Raises:
            ContextTooLong: what cannot be left out does not fit.
        """
        prompt, room = self._prompt(talk), talk.room
        if room is None:
            return Fitted(prompt)
        made = fitted(prompt, room.tokens)
        if not made.fits:
            made = fitted(prompt, room.most)
        if not made.fits:
            info = self._provider.info
            raise ContextTooLong(
                f"The task of {self.name} takes at least {made.after:,} tokens, and {info.name} has room for"
                f" {room.most:,} beside its answer.",
                provider=info.vendor,
                model=info.model,
                remedy="Ask in fewer words, lower max_output_tokens, or choose a model with a larger window;"
                " if it has one, declare it in config/models.toml.",
            )
        return made

    async def _stream(self, talk: _Talk, prompt: Prompt) -> AsyncGenerator[Step]:
        info = self._provider.info
        stream = None
        said = {"provider": info.name, "call": talk.turns}
        kind = {"task": talk.kind.task.value, "complexity": talk.kind.complexity.value}
        persona = {"persona": talk.persona.version, "level": talk.persona.level.value}
        yield Happened(Kind.MODEL_STARTED, {**said, "intent": prompt.intent.value, **kind, **persona})
        fold, since = talk.fold, perf_counter()
        try:
            async with self._provider.stream(prompt, talk.terms) as stream:
                yield Speaking(stream.control)
                async for chunk in stream:
                    fold.add(chunk)
                    if isinstance(chunk, Chosen | Switched):
                        yield seam(chunk, talk.turns)
                    elif not isinstance(chunk, Stopped):
                        yield chunk
        except AtlasError as error:
            usage = asdict(stream.usage) if stream else {}
            yield Happened(Kind.MODEL_FAILED, {**said, "usage": usage, "error": error.to_dict()})
            raise
        metrics = stream.control.metrics
        reply = fold.reply()
        data = {
            **said,
            "model": reply.stopped.model,
            "usage": asdict(reply.usage),
            "seconds": round(perf_counter() - since, 3),
            "first_token": None if metrics.first_token is None else round(metrics.first_token, 3),
            "stopped": reply.stopped.reason,
        }
        yield Happened(Kind.MODEL_FINISHED, data)
        if reply.stopped.reason == "refused":
            raise ContentRefused(
                f"{info.name} refused to answer: {reply.text[:300]}", provider=info.vendor, model=info.model
            )

    def _prompt(self, talk: _Talk) -> Prompt:
        return Prompt(
            messages=tuple(talk.messages),
            intent=talk.task.intent,
            about=talk.task.about,
            agent=self._card.name,
            system=talk.persona.text,
            tools=() if self._is_last(talk) else tuple(self._tools.specs),
            schema=talk.task.schema,
            max_output_tokens=self._card.max_output_tokens,
            sampling=self._card.sampling,
            effort=talk.effort,
            # What the intent says is not said twice.
            task=None if talk.kind.source == "intent" else talk.kind.task,
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
        refused = (ToolResult(call.id, NO_TOOLS, error=True) for call in reply.calls)
        talk.messages.extend(Message("tool", (result,)) for result in refused)
        talk.messages.append(Message("user", (Text(sent_back(problems)),)))
        return Happened(Kind.OUTPUT_REPAIRED, {"attempt": talk.repairs, "problems": problems})


def _is_too_long(error: ContextTooLong | Unavailable) -> bool:
    """Whether it was the prompt's length, to everybody who was asked, that was too much."""
    if isinstance(error, ContextTooLong):
        return True
    return bool(error.failures) and all(isinstance(each, ContextTooLong) for each in error.failures)


def _fitting(made: Fitted, call: int) -> dict[str, Any]:
    """What the journal says of a prompt that had to be made smaller."""
    return {
        "call": call,
        "before": made.before,
        "after": made.after,
        "seconds": round(made.seconds, 4),
        "condensed": list(made.condensed),
        "left_out": list(made.left_out),
    }


def _read(reply: Reply, schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The answer as JSON, and what does not fit."""
    if reply.calls:
        return {}, [f"$: {NO_TOOLS}"]
    return read_answer(reply.text, schema, cut_off=reply.stopped.reason == "length")
