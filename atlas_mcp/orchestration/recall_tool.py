"""The tool by which workers look into memory: what is remembered, as passages that can be quoted.

A memory that is given is kept as a snapshot first, so that a quote of it is verified like any other, also
when the memory has changed since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.toolbox import Found, Tool
from atlas_mcp.learning import LearningKind
from atlas_mcp.memory.lifecycle import uri_of
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.preparing import brought
from atlas_mcp.memory.quoting import quoted_scope
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.messages import Passage, Source, ToolSpec

if TYPE_CHECKING:
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.scope import Scope

__all__ = ["QUOTABLE", "RECALL", "RecallTool"]

RECALL = "recall_memory"

QUOTABLE = frozenset({LearningKind.FACT, LearningKind.PROCEDURE})
"""What of memory says something of the world; how a run went, or somebody likes it, carries no claim."""

HITS = 8

_SPEC = ToolSpec(
    RECALL,
    "Searches what was learned in earlier runs. Gives the best memories, each with its age and an id.",
    {
        "type": "object",
        "required": ["query"],
        "additionalProperties": False,
        "properties": {
            "query": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1000,
                "description": "What you want to know, as a question or key words.",
            }
        },
    },
)


class RecallTool:
    """What is remembered in a scope `at` a time (ISO 8601 UTC), for the workers of one run."""

    def __init__(self, memory: Memory, scope: Scope, at: str) -> None:
        self._memory = memory
        self._scope = scope
        self._at = at

    def tool(self) -> Tool:
        """The tool as a card grants it."""
        return Tool(_SPEC, self._recall)

    async def _recall(self, arguments: dict[str, Any]) -> Found:
        filters = Filters(at=self._at, kinds=QUOTABLE)
        recalled = await self._memory.recall(arguments["query"], scope=self._scope, k=HITS, filters=filters)
        passages: list[Passage] = []
        for each in recalled:
            stored = each.stored
            if stored.closed_at is not None and not stored.holds(now()):
                continue
            uri = uri_of(stored.id)
            sha256 = await self._memory.keep_computed(
                stored.text, scope=quoted_scope(self._scope.user), uri=uri
            )
            title = f"Memory {stored.id}, {stored.kind} {brought(stored, self._at)}"
            source = Source(sha256, uri, title, stored.recorded_at)
            passages.append(Passage(stored.id, source, stored.text, 0, score=each.score, why=each.why))
        if not passages:
            return Found("Nothing like it is remembered.")
        await self._memory.used([each.id for each in passages], scope=self._scope)
        count = f"{len(passages)} {'memory was' if len(passages) == 1 else 'memories were'} found"
        return Found(
            f"{count}. They were so when they were learned; say so where it matters.", tuple(passages)
        )
