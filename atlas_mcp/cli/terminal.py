"""The terminal: where results and remarks go, how errors are told, what a command's exit code says.

Results go to stdout and nothing else does; remarks, progress and errors go to stderr.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

from atlas_mcp.errors import AtlasError, InvalidConfiguration, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from rich.console import Console

__all__ = ["Exit", "ask_utf8", "give_json", "give_markdown", "leaving", "perform", "stderr", "stdout", "tell"]


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    WAITING = 4
    INTERRUPTED = 130


PIPED_WIDTH = 160
"""Columns where there is no terminal to say how many it has."""


def stdout() -> Console:
    """Where results go."""
    from atlas_mcp.cli.console import PlainConsole

    console = PlainConsole(highlight=False, emoji=False)
    return console if console.is_terminal else PlainConsole(highlight=False, emoji=False, width=PIPED_WIDTH)


def stderr() -> Console:
    """Where everything else goes."""
    from atlas_mcp.cli.console import PlainConsole

    return PlainConsole(stderr=True, highlight=False, emoji=False)


def ask_utf8() -> None:
    """Write UTF-8 whatever the console's code page: quotes and ticks are not in all of them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(encoding="utf-8", errors="replace")


def give_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def give_markdown(text: str) -> None:
    """Print Markdown on stdout: set for reading on a terminal, as it is elsewhere."""
    console = stdout()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(text))
    else:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def tell(code: str, message: str, remedy: str = "") -> None:
    """Tell an error: what was wrong, then what to do."""
    from rich.text import Text

    console = stderr()
    told = Text.assemble(("✗ ", "bold red"), (message, "bold"), (f"  ({code})", "dim"))
    console.print(told, soft_wrap=True)
    if remedy:
        console.print(Text(f"  {remedy}"), soft_wrap=True)


def perform(work: Coroutine[Any, Any, Exit]) -> None:
    """Do a command's work and leave with its exit code.

    The first Ctrl-C cancels the work, which may still set things in order; the second one ends it at once.
    """
    with leaving():
        if code := asyncio.run(work):
            raise typer.Exit(code)


@contextmanager
def leaving() -> Generator[None]:
    """Leave with the exit code that fits what went wrong inside, told in one block."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    except AtlasError as error:
        tell(error.code, error.message, error.remedy)
        wrong = isinstance(error, InvalidInput | InvalidConfiguration)
        raise typer.Exit(Exit.USAGE if wrong else Exit.FAILED) from None
