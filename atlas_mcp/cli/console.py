"""A console that prints what others wrote without letting it steer the terminal.

Documents, models and file names may hold escape sequences, by which a terminal is told to set its title, hide
text or fill the clipboard. What rich itself sends for colours and movement is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

__all__ = ["PlainConsole"]

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class PlainConsole(Console):
    """A rich console in whose texts no control character but line breaks and tabs is left."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Rich's pieces of what is to be shown, their texts cleaned."""
        for piece in super().render(renderable, options):
            if piece.control or not _STEERING.search(piece.text):
                yield piece
            else:
                yield Segment(_STEERING.sub("", piece.text), piece.style)
