"""Where in a command line ATLAS is started: by its own name, as a module of Python, or by a package runner.

A package that is only there for another program to use (`uvx --with atlas-mcp other`) starts nothing.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["place_of_atlas"]

_PACKAGE = re.compile(r"atlas-mcp(?:[\[=@<>~!].*)?")
_RUNNERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "uvx": ((),),
    "uv": (("run",), ("tool", "run")),
    "pipx": (("run",),),
}
"""What follows a runner's name before the program that it starts."""
_FLAGS = frozenset(
    [
        "--", "-n", "-q", "-qq", "-U", "-v", "-vv", "--all-extras", "--frozen", "--isolated", "--locked",
        "--native-tls", "--no-cache", "--no-config", "--no-project", "--no-sync", "--offline", "--quiet",
        "--refresh", "--reinstall", "--upgrade", "--verbose",
    ]
)  # fmt: skip
"""Options of runners that take no value; any other is taken to, so that a value is no program."""


def place_of_atlas(words: Sequence[str]) -> int | None:
    """Which word of a command line is ATLAS, so that its own arguments follow; None where none is."""
    if not words:
        return None
    program = _stem(words[0])
    if program == "atlas-mcp":
        return 0
    for place, pair in enumerate(pairwise(words), start=1):
        if pair == ("-m", "atlas_mcp"):
            return place
    places = list(_plain(words))
    for before in _RUNNERS.get(program, ()):
        led_by = tuple(words[place] for place in places[: len(before)])
        rest = places[len(before) :]
        if led_by == before and rest and _PACKAGE.fullmatch(words[rest[0]]):
            return rest[0]
    return None


def _plain(words: Sequence[str]) -> Iterator[int]:
    """The places of words behind the first that are neither options nor values of options."""
    for place in range(1, len(words)):
        before = words[place - 1] if place > 1 else ""
        is_value = before.startswith("-") and "=" not in before and before not in _FLAGS
        if not (words[place].startswith("-") or is_value):
            yield place


def _stem(command: str) -> str:
    name = (PureWindowsPath if "\\" in command else PurePosixPath)(command).name.lower()
    return name.removesuffix(".exe")
