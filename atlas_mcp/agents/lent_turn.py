"""The models of one turn that another program takes: lent to it, under the turn's own terms.

What such a program sends over a wire of text is made whole again here: the typed material, the schema and the
limits of the turn. What a model answered whole is kept in the ledger before the program has it, so that a
turn that has to be taken again does not pay for it twice. It knows no vendor.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.chunks import Chosen, ReasoningDelta, Stopped, Switched, TextDelta
from atlas_mcp.errors import Cancelled
from atlas_mcp.messages import Reasoning, Text, ToolCall, ToolResult, prompt_hash
from atlas_mcp.providers.lending.session import ModelSession
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from atlas_mcp.agents.runtime import Turn
    from atlas_mcp.agents.turns import TurnRecord
    from atlas_mcp.chunks import Chunk, Reply
    from atlas_mcp.errors import AtlasError
    from atlas_mcp.messages import Message, Part, Prompt
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.terms import Terms

__all__ = ["GO_ON", "LentTurn"]

GO_ON = "You were interrupted. Go on where you stopped."
"""What is said to an agent that has a turn's words already and no answer of its own to them."""

_UNSTEADY = re.compile(r"<(memory_metadata|tool_usage_rules)>.*?</\1>", re.DOTALL)


class LentTurn(ModelSession):
    """A session whose user takes one turn.

    `failure` is why the last answer is missing or not whole, None while none is; `seams` are the choices and
    switches of a group that were not yet told.
    """

    def __init__(
        self, provider: Provider, turn: Turn, terms: Terms, record: TurnRecord,
        *, url: str, name: str, model: str, on_close: Callable[[ModelSession], None],
    ) -> None:  # fmt: skip
        super().__init__(provider, url=url, budget=terms.budget, name=name, on_close=on_close)
        self.model = model
        self.failure: AtlasError | None = None
        self.seams: list[Chosen | Switched] = []
        self._turn = turn
        self._terms = terms
        self._record = record
        self._closed = asyncio.Event()

    async def ask(self, prompt: Prompt, terms: Terms) -> Stream:
        """Ask as the turn wishes; what was answered to the same prompt before is given again."""
        self.failure = None
        prompt = self._whole(prompt)
        digest = prompt_hash(_steady(prompt))
        if (reply := await self._record.answered(digest)) is not None:
            return Stream(_again(reply))
        outer = self._terms
        terms = replace(terms, attempts=outer.attempts, deadline=outer.deadline, closing=outer.closing)
        inner = await super().ask(prompt, terms)
        return Stream(self._kept(inner, digest), meter=_Meter(inner))

    def _whole(self, prompt: Prompt) -> Prompt:
        """A prompt as the turn means it; one without tools is the program's own, such as a summary's."""
        if not prompt.tools:
            return prompt
        turn = self._turn
        results = () if isinstance(turn.input, str) else turn.input
        by_call = {result.call_id: result for result in results}
        return replace(
            prompt,
            messages=tuple(self._typed(message, by_call) for message in prompt.messages),
            intent=turn.intent,
            about=turn.about or prompt.about,
            schema=turn.schema,
            max_output_tokens=turn.max_output_tokens,
            sampling=dict(turn.sampling),
            task=None,
        )

    def _typed(self, message: Message, results: dict[str, ToolResult]) -> Message:
        """A message with what the wire could only say as text."""
        turn = self._turn
        if isinstance(turn.input, str) and turn.material and message.text == turn.text:
            parts: tuple[Part, ...] = (Text(turn.input), turn.material)
            return replace(message, parts=parts)
        if not results:
            return message
        return replace(message, parts=tuple(_result(part, results) for part in message.parts))

    async def _kept(self, inner: Stream, digest: str) -> AsyncGenerator[Chunk, None]:
        """An answer's chunks; once it is whole it is kept, before its reader knows that it is."""
        fold = Fold()
        async with inner:
            async for chunk in inner:
                fold.add(chunk)
                if type(chunk) is Stopped:
                    await self._record.keep_answer(digest, fold.reply())
                yield chunk

    def saw(self, chunk: Chunk) -> None:
        """Take note of the seams, for whoever takes the turn to tell."""
        super().saw(chunk)
        if isinstance(chunk, Chosen | Switched):
            self.seams.append(chunk)

    async def failed(self, error: AtlasError) -> None:
        """Take note of why the turn cannot go on: its user's own words for it say less.

        That its user went away is no reason; the reason is wherever it went. Whoever cancels has until it
        closes to tell the program, which might take what it has of an answer for the whole of it.
        """
        if not isinstance(error, Cancelled):
            self.failure = error
        elif self._cancelled:
            await self._closed.wait()

    def close(self) -> None:
        """Cancel, and let the key be worth nothing from here on."""
        super().close()
        self._closed.set()

    def take_seams(self) -> list[Chosen | Switched]:
        """The seams not yet told."""
        seams, self.seams = self.seams, []
        return seams


class _Meter:
    """What a stream took, for the one that is read in its place."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def usage(self) -> Any:
        return self._stream.usage


def _steady(prompt: Prompt) -> Prompt:
    """A prompt without what differs when the same is asked again, after a restart of the program too.

    That is what its agent is told of the time and of its own counts, the order of its tools and of their
    rules, and that it was interrupted before it answered.
    """
    messages = prompt.messages
    if [message.role for message in messages[-2:]] == ["user", "user"] and messages[-1].text == GO_ON:
        messages = messages[:-1]
    tools = tuple(sorted(prompt.tools, key=lambda tool: tool.name))
    return replace(prompt, system=_UNSTEADY.sub("", prompt.system), messages=messages, tools=tools, about="")


def _result(part: Part, results: dict[str, ToolResult]) -> Part:
    """A tool's result as it was given, with its passages, in place of its text."""
    if isinstance(part, ToolResult) and (whole := results.get(part.call_id)) is not None:
        return whole
    return part


async def _again(reply: Reply) -> AsyncGenerator[Chunk, None]:
    """An answer that was paid for, once more: its chunks without its usage."""
    for part in reply.message.parts:
        if isinstance(part, Text):
            yield TextDelta(part.text)
        elif isinstance(part, Reasoning):
            yield ReasoningDelta(part.text, part.signature, part.redacted)
        elif isinstance(part, ToolCall):
            yield part
    yield reply.stopped
