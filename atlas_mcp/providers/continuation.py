"""How an answer goes on after its model left in the middle: what the next one is told, and what is trimmed.

Today's models mostly refuse to continue a turn of their own (`prefill`), so the usual way is to show the next
one what was said and to ask it to go on (`retell`). Both would corrupt half a JSON document or half a tool
call, so an answer with a schema, or one that may call tools, is begun anew (`restart`), after a retraction.
This module is pure: texts and prompts go in and come out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from atlas_mcp.messages import Message, Text
from atlas_mcp.providers.capabilities import Capability
from atlas_mcp.providers.known.tokens import tokens_of
from atlas_mcp.providers.terms import Way

if TYPE_CHECKING:
    from collections.abc import Collection

    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.capabilities import Capabilities

__all__ = ["Seam", "continued", "way_on"]

GO_ON = (
    "Your answer was cut off at the end of the text above. Go on from exactly there: begin with the very "
    "next character, be it in the middle of a word. Do not repeat, do not comment, do not begin anew."
)
LEAST_OVERLAP = 8
LEAST_WORDS = 3
"""A shorter repetition may be chance, and is left alone; of whole words, less is enough."""

_LEAST_TOKENS = 16


def way_on(prompt: Prompt, said: str, joins: Capabilities, permitted: Collection[Way]) -> Way | None:
    """How the next model can go on; None if no permitted way would be sound.

    Where no text was said yet there is nothing to corrupt, and it simply answers.
    """
    if not said:
        return Way.RESTART
    if prompt.schema is not None:
        sound: tuple[Way, ...] = (Way.RESTART,)
    elif prompt.tools:
        sound = (Way.RESTART, Way.RETELL)
    else:
        sound = (Way.PREFILL, Way.RETELL, Way.RESTART)
    able = (way for way in sound if way is not Way.PREFILL or joins.has(Capability.PREFILL))
    return next((way for way in able if way in permitted), None)


def continued(prompt: Prompt, said: str, way: Way) -> Prompt:
    """The prompt for the next model, which has `said` behind it."""
    if way is Way.RESTART or not said:
        return prompt
    most = prompt.max_output_tokens
    left = None if most is None else max(_LEAST_TOKENS, most - tokens_of(said))
    # A turn to be continued may not end in white space; `Seam` sees to it.
    turns = [Message("assistant", (Text(said.rstrip() if way is Way.PREFILL else said),))]
    if way is Way.RETELL:
        turns.append(Message("user", (Text(GO_ON),)))
    return replace(prompt, messages=(*prompt.messages, *turns), max_output_tokens=left)


class Seam:
    """Joins the text of one that goes on to what was `said`: feed it the new text, in pieces.

    A beginning that repeats the end of what was said is left out. Text is held back only while it might
    still be such a repetition.
    """

    __slots__ = ("_given", "_held", "_said", "_trimmed", "_way", "open")

    def __init__(self, said: str, way: Way) -> None:
        self._said = said
        self._way = way
        self._held = ""
        self._given = 0
        self._trimmed = 0
        self.open = bool(said) and way is not Way.RESTART

    def feed(self, text: str) -> str:
        """What of the new text can be handed out; empty while it is held back."""
        if not self.open:
            self._given += len(text)
            return text
        self._held += text
        return "" if self._may_repeat() else self.flush()

    def flush(self) -> str:
        """What is held back, trimmed; nothing more will be."""
        self.open = False
        held, self._held = self._held, ""
        self._trimmed = self._repeated(held)
        self._given = len(held) - self._trimmed
        return held[self._trimmed :]

    def retract(self, characters: int) -> int:
        """Take back so many of the new text's characters; gives how many of those were handed out."""
        if self.open:
            self._held = self._held[: max(0, len(self._held) - characters)]
            return 0
        left = max(0, self._given - characters)
        taken, self._given = self._given - left, left
        return taken

    def _may_repeat(self) -> bool:
        """Whether more has to be seen before one can tell."""
        if self._way is Way.PREFILL:
            return self._said[-1:].isspace() and not self._held.strip()
        return len(self._held) < len(self._said) and self._held in self._said[:-1]

    def _repeated(self, held: str) -> int:
        """How many characters at the beginning of the new text repeat the end of the old."""
        if self._way is Way.PREFILL:
            # White space that ended the old text and begins the new one counts once.
            return len(held) - len(held.lstrip()) if self._said[-1:].isspace() else 0
        longest = min(len(held), len(self._said))
        lengths = (
            n for n in range(longest, 0, -1) if self._said.endswith(held[:n]) and self._is_no_chance(n)
        )
        return next(lengths, 0)

    def _is_no_chance(self, length: int) -> bool:
        if length == len(self._said) or self._said[-length - 1].isspace():
            return length >= min(LEAST_WORDS, len(self._said))
        return length >= LEAST_OVERLAP
