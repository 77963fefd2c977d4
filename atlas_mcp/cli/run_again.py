"""What is said to whoever would resume a run that has ended, with the command that asks the same again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from atlas_mcp.cli.words import command
from atlas_mcp.errors import InvalidInput
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.roots import is_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team

__all__ = ["has_ended"]


def has_ended(row: RunRow, team: Team | None) -> InvalidInput:
    """That a run has ended, and how the same is asked again; `team` is who was asked, if known."""
    return InvalidInput(
        f"Run {row.run_id} has ended ({row.state}); there is nothing to resume.",
        remedy=f"Ask again: {command(['atlas-mcp', 'run', *_words(row, team)])}",
    )


def _words(row: RunRow, team: Team | None) -> Iterator[str]:
    """What was asked, without what is long or was not said: it is shown, and need not be all there was."""
    yield row.team
    first, *more = row.input.items()
    yield shortened(str(first[1]))
    for name, value in more:
        if team is None or name not in team.input or value != team.input[name].default:
            told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield from ("--input", f"{name}={shortened(told)}")
    for named in row.options.get("documents", ()):
        if isinstance(named, str) and not is_text(named):
            yield from ("--documents", named)
