"""What an Ollama server says of one model, and how large a context the model is therefore run with.

A context costs memory in proportion to its size, and a server loads the model anew for another size; so it is
as large as a prompt needs, in powers of two, and only ever grows. It knows no SDK and no connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.providers.capabilities import Capability, Strength

if TYPE_CHECKING:
    from atlas_mcp.providers.capabilities import Capabilities

__all__ = ["OllamaModel"]

JsonObject: TypeAlias = dict[str, Any]

_SMALLEST_CONTEXT = 4096
_ANSWER_TOKENS = 4096
"""Room for an answer whose length nobody limits; a model that reasons gets as much again to reason in."""
_REPORTED = {"tools": Capability.TOOLS, "vision": Capability.VISION}
_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)", re.MULTILINE)


class OllamaModel:
    """One model on one server; unknown until `introduce` is given what the server says."""

    def __init__(self) -> None:
        self.reasons: bool | None = None
        """Whether it can think before it answers."""
        self._remote = False
        self._window: int | None = None
        self._context = _SMALLEST_CONTEXT

    def introduce(self, said: JsonObject, known: Capabilities) -> Capabilities:
        """Take in what the server says, and correct what is known by it.

        Of a declared window and the model's own the smaller counts, unless a person insists on theirs.
        """
        info: JsonObject = said.get("model_info") or {}
        length = info.get(f"{info.get('general.architecture')}.context_length")
        reported = length if isinstance(length, int) and length > 0 else None
        smaller = min(reported or known.window or 0, known.window or reported or 0) or None
        self._remote = bool(said.get("remote_host"))
        if given := _NUM_CTX.search(str(said.get("parameters") or "")):
            self._context = max(self._context, int(given[1]))
        abilities = said.get("capabilities")
        strengths: dict[Capability, Strength] = {}
        if isinstance(abilities, list):
            self.reasons = "thinking" in abilities
            for name, ability in _REPORTED.items():
                has = name in abilities
                strengths[ability] = (known.strength(ability) or Strength.MODERATE) if has else Strength.NONE
        known = known.corrected(strengths, window=smaller)
        self._window = known.window
        return known

    def context_for(self, prompt_tokens: int, answer_tokens: int | None) -> int | None:
        """The size of the context for a prompt and its answer; None where somebody else runs the model.

        The prompt's tokens are an estimate, so there is room for a third more.
        """
        if self._remote:
            return None
        answer = answer_tokens or _ANSWER_TOKENS * (2 if self.reasons else 1)
        return self._grown(prompt_tokens * 4 // 3 + answer)

    def larger_than(self, context: int) -> int | None:
        """The next size up, for a prompt that did not fit `context` after all.

        None where the model has no more, and where the size was not chosen here.
        """
        if context != self._context or self._window is None or context >= self._window:
            return None
        return self._grown(context + 1)

    def _grown(self, tokens: int) -> int:
        self._context = max(self._context, 1 << (tokens - 1).bit_length())
        if self._window is not None:
            self._context = min(self._context, self._window)
        return self._context
