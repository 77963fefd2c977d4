"""Counts what a call takes while it streams, and learns from each provider how far its counts are from ours.

Providers say what an answer took only at its end, and not at all when it is cancelled or breaks. Until then,
and then, a meter's estimate stands in, and says that it is one.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING
from weakref import WeakMethod

from atlas_mcp.chunks import Usage
from atlas_mcp.providers.known.tokens import CHARACTERS_PER_TOKEN, tokens_of_prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.messages import Prompt

__all__ = ["Calibration", "Meter"]

_REMEMBERED = 20
_LEAST_PIECES = 8
"""Answers of fewer pieces teach nothing about their size."""
_LEAST_PROMPT = 200
"""Shorter prompts teach nothing: what a provider puts around every prompt would count for too much."""


class Calibration:
    """How many tokens a model counts for a piece of its stream, a character, and our estimate of a prompt."""

    __slots__ = ("_answers", "_prompts", "character", "piece", "prompt")

    def __init__(self) -> None:
        self.prompt = 1.0
        self.character = 1.0 / CHARACTERS_PER_TOKEN
        self.piece = 1.0
        self._prompts = 0
        self._answers = 0

    def learn(self, usage: Usage, meter: Meter) -> None:
        """Take in what a provider reported of a call that was metered."""
        if usage.estimated:
            return
        if usage.input_tokens and meter.uncalibrated_prompt >= _LEAST_PROMPT:
            self._prompts += 1
            share = 1.0 / min(self._prompts, _REMEMBERED)
            self.prompt += share * (usage.input_tokens / meter.uncalibrated_prompt - self.prompt)
        answered = _heard(usage, meter.characters)
        if answered and meter.characters and meter.pieces >= _LEAST_PIECES:
            self._answers += 1
            share = 1.0 / min(self._answers, _REMEMBERED)
            self.character += share * (answered / meter.characters - self.character)
            self.piece += share * (answered / meter.pieces - self.piece)


def _heard(usage: Usage, characters: int) -> int:
    """The tokens of what was streamed: not all providers stream the reasoning that they count."""
    usual = characters / CHARACTERS_PER_TOKEN
    whole, shown = usage.output_tokens, usage.output_tokens - usage.reasoning_tokens
    return min(whole, shown, key=lambda tokens: abs(tokens - usual))


class Meter:
    """Counts one call: `hear` each piece of text or reasoning, `report` what the provider says.

    A piece that gives no chunk, such as one of a tool call, is for `overhear`: who has to know of each piece
    as it comes learns of it there, and of the others by their chunks.
    """

    __slots__ = (
        "_calibration", "_estimated", "_prompt", "_prompt_tokens", "_reported", "_told", "_watcher",
        "began", "characters", "pieces",
    )  # fmt: skip

    def __init__(self, prompt: Prompt, calibration: Calibration | None = None) -> None:
        self._prompt = prompt
        self._calibration = calibration or Calibration()
        self._estimated: int | None = None
        self._prompt_tokens: int | None = None
        self._told: Usage | None = None
        self._reported: Usage | None = None
        self._watcher: WeakMethod[Callable[[], None]] | None = None
        self.began = False
        self.pieces = 0
        self.characters = 0

    def hear(self, text: str) -> str:
        """Count a piece, and give it back."""
        self.pieces += 1
        self.characters += len(text)
        return text

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have a method called at each piece that gives no chunk; what it raises ends the call."""
        # Weak, because the watcher holds the stream whose meter this is.
        self._watcher = WeakMethod(watcher)

    def overhear(self, text: str) -> str:
        """Count a piece that gives no chunk, tell the watcher, and give it back."""
        self.hear(text)
        if self._watcher is not None and (watcher := self._watcher()) is not None:
            watcher()
        return text

    def told_of_prompt(self, usage: Usage) -> None:
        """The provider said what the prompt took, ahead of the answer; nothing is no count."""
        if usage.input_tokens:
            self._told = usage
            self._prompt_tokens = usage.input_tokens

    def report(self, usage: Usage) -> Usage:
        """The provider said what the whole call took; gives it back."""
        self._reported = usage
        self._calibration.learn(usage, self)
        return usage

    def report_counts(self, usage: Usage) -> Usage:
        """A server said what the whole call took; gives it back, estimated as far as it did not count.

        No prompt takes nothing, nor does an answer of which something came.
        """
        asked = usage.input_tokens or self.prompt_tokens
        said = usage.output_tokens or self.answer_tokens
        if (asked, said) != (usage.input_tokens, usage.output_tokens):
            usage = replace(usage, input_tokens=asked, output_tokens=said, estimated=True)
        return self.report(usage)

    @property
    def uncalibrated_prompt(self) -> int:
        """Our own estimate of the prompt's tokens."""
        if self._estimated is None:
            self._estimated = tokens_of_prompt(self._prompt)
        return self._estimated

    @property
    def prompt_tokens(self) -> int:
        """The prompt's tokens: as told, else estimated."""
        if self._prompt_tokens is None:
            self._prompt_tokens = round(self.uncalibrated_prompt * self._calibration.prompt)
        return self._prompt_tokens

    @property
    def answer_tokens(self) -> int:
        """The answer's tokens until now, estimated on the safe side."""
        calibration = self._calibration
        by_pieces, by_characters = self.pieces * calibration.piece, self.characters * calibration.character
        return ceil(max(by_pieces, by_characters))

    def usage(self) -> Usage:
        """What the call took: as reported, else estimated; nothing before the provider accepted it."""
        if self._reported is not None:
            return self._reported
        if not self.began:
            return Usage()
        told = self._told or Usage(self.prompt_tokens)
        return Usage(
            told.input_tokens,
            self.answer_tokens,
            told.cached_tokens,
            cost_usd=None,
            estimated=True,
            calls=1,
            cache_write_tokens=told.cache_write_tokens,
        )
