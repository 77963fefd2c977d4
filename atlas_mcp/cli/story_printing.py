"""How the lines of a story are printed: indented, and broken between words only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from atlas_mcp.cli.story_details import Part

__all__ = ["Printing"]

LEAST = 20
"""Columns that a line has however narrow the terminal is."""


class Printing:
    """Prints lines, none broken within a word; what does not fit goes on below, a little further in."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def gap(self) -> None:
        """An empty line."""
        self.console.print()

    def line(self, *parts: Part, indent: int = 0, before: Part = ("", ""), deeper: int = 2) -> None:
        """A line at an indent; what stands `before` it, such as a time or a sign, ends at the indent."""
        from rich.text import Text

        text: Text = Text.assemble(*((words.expandtabs(4), style) for words, style in parts))
        first, *rest = text.wrap(self.console, max(LEAST, self.console.width - indent)) or [Text()]
        if rest:
            # What goes on below has less room: it is further in.
            room = max(LEAST, self.console.width - indent - deeper)
            rest = list(_without_space(text[len(first.plain) :]).wrap(self.console, room))
        for place, each in enumerate((first, *rest)):
            each.rstrip()
            start = Text.assemble(" " * (indent - len(before[0])), before) if place == 0 else Text()
            self.console.print(
                Text.assemble(start if place == 0 else " " * (indent + deeper), each), soft_wrap=True
            )


def _without_space(text: Text) -> Text:
    """A text without the space that it begins with, its styles where they were."""
    lost = len(text.plain) - len(text.plain.lstrip())
    return text[lost:] if lost else text
