"""What went wrong with a command, in the words that are typed: options and commands, not fields and tools.

What stands in quotation marks is what somebody wrote and stays as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["as_typed"]

T = TypeVar("T")

_QUOTED = re.compile(r"((?<!\w)'[^']*')")
_TYPED = tuple((re.compile(pattern), typed) for pattern, typed in (
    (r"\bvalid_from\b", "--from"),
    (r"\bvalid_to\b", "--to"),
    (r"\bwith (anyway|supersedes)\b", r"with --\1"),
    (r"\b(The|Let) (since|until|at|deep)\b", r"\1 --\2"),
    (r"\bcome after since\b", "come after --since"),
    (r"\bLet k\b", "Let -k"),
    (r"`recall`|(?<=with )recall\b", "`atlas-mcp memory search`"),
))  # fmt: skip


async def as_typed(work: Awaitable[T]) -> T:
    """What the work of a command gives; an error of it names what can be typed.

    Raises:
        AtlasError: the work's own.
    """
    try:
        return await work
    except AtlasError as error:
        error.message, error.remedy = _typed(error.message), _typed(error.remedy)
        raise


def _typed(said: str) -> str:
    parts = _QUOTED.split(said)
    for number in range(0, len(parts), 2):
        for pattern, typed in _TYPED:
            parts[number] = pattern.sub(typed, parts[number])
    return "".join(parts)
