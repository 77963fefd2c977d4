"""Paragraphs of help as long as the terminal is wide, however their lines are broken in the source."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

__all__ = ["reflow", "reflowed"]

_NO_PROSE = re.compile(r"[-*|{>$\b]|\d+[.)]|\s")
"""How the lines of lists, tables and examples begin, which stay as they are."""


def reflow(program: typer.Typer) -> None:
    """Let the help of every command below a program be set for the terminal's width.

    What draws help in colours keeps the line breaks of a docstring, from its second paragraph on.
    """
    for command in program.registered_commands:
        command.help = reflowed(command.help or inspect.getdoc(command.callback) or "") or None
    for group in program.registered_groups:
        if group.typer_instance is not None:
            reflow(group.typer_instance)


def reflowed(text: str) -> str:
    """A text with each paragraph of prose on one line."""
    return "\n\n".join(map(_on_one_line, inspect.cleandoc(text).split("\n\n")))


def _on_one_line(paragraph: str) -> str:
    lines = paragraph.splitlines()
    return paragraph if any(map(_NO_PROSE.match, lines)) else " ".join(lines)
