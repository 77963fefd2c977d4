"""Citations of models that have no feature for them: ids of passages in square brackets, such as `[p1]`.

Models that only know text are asked to write such markers, and what they write is turned into the same
`Citation` that a vendor's own feature gives. A marker cites its passage as a whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Citation

if TYPE_CHECKING:
    from atlas_mcp.messages import Prompt

__all__ = ["CITE", "Markers"]

CITE = (
    "After each statement name the sources it rests on by their ids in square brackets, such as [ID] or "
    "[ID, ID]. Cite only sources that you were given."
)

_LONGEST = 200
_MARKER = re.compile(r"\[([^\[\]]{1,200})\]")


class Markers:
    """Listens to a text for markers of a prompt's passages; `sought` only where free text is asked for."""

    __slots__ = ("_heard", "_passages", "sought")

    def __init__(self, prompt: Prompt) -> None:
        passages = prompt.passages if prompt.schema is None else ()
        self._passages = {passage.id: passage for passage in passages}
        self._heard = ""
        self.sought = bool(passages)

    def hear(self, text: str) -> list[Citation]:
        """The citations that a piece of text completes."""
        self._heard += text
        if "]" not in text:
            if len(self._heard) > _LONGEST * 2:
                self._heard = self._heard[-_LONGEST:]
            return []
        cited: list[Citation] = []
        end = 0
        for marker in _MARKER.finditer(self._heard):
            end = marker.end()
            for name in re.split(r"[,;\s]+", marker[1]):
                if passage := self._passages.get(name):
                    stop = passage.start + len(passage.text)
                    cited.append(Citation(name, passage.start, stop, ""))
        self._heard = self._heard[end:]
        return cited
