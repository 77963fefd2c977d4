"""The documents on one run's desk: which it may read, and the tools by which its workers read them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit

from atlas_mcp.catalogue import shipped
from atlas_mcp.downstream.toolbox import Found, Tool
from atlas_mcp.errors import InvalidInput, UnreadableDocument
from atlas_mcp.memory.quoting import quoted_scope
from atlas_mcp.messages import ToolSpec
from atlas_mcp.orchestration.outside import fetched_scope
from atlas_mcp.orchestration.recall_tool import RECALL
from atlas_mcp.orchestration.report import Unread
from atlas_mcp.orchestration.table_specs import NAMES
from atlas_mcp.orchestration.table_tools import TableTools, computed_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from atlas_mcp.memory.documents.knowledge import Ingested, Progress
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.messages import Passage
    from atlas_mcp.orchestration.recall_tool import RecallTool

__all__ = ["SEARCH", "TABLES", "TOOLS", "Counted", "Desk"]

OnReading: TypeAlias = "Callable[[str, int, int], Awaitable[None]]"

SEARCH = "search_documents"
TABLES = frozenset(NAMES)
"""The tools that compute; whoever may use one that reads tables may begin with `opening_statistics`."""
TOOLS = (SEARCH, *NAMES, RECALL)
"""The tools that a card may grant."""

HITS = 12
MOST_NAMED = 3
"""Documents that are named where they could not be read."""

TELL_SECONDS = 0.2
"""The least time between two words on how far the reading is."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many documents the run may read, and which were skipped and why."""

    documents: int
    skipped: tuple[tuple[str, str], ...] = ()


class Desk:
    """What one run may read.

    Documents that a call names are kept apart from what the user ingested for good. A run that names none
    reads what was ingested, and where nothing was, the handbook, if it may. `remembered` is by what its
    workers look into memory, None where the run does without.
    """

    def __init__(
        self, memory: Memory, user: str, documents: Sequence[str | Mapping[str, str]], *,
        handbook: bool = True, remembered: RecallTool | None = None,
    ) -> None:  # fmt: skip
        self.memory = memory
        self._remembered = remembered
        self._user = user
        self._named = documents
        self._handbook = handbook
        self.library: dict[str, Any] = {}
        self._tables = TableTools(memory, user, lambda: self.library)

    async def open_documents(self, on_reading: OnReading) -> Counted:
        """Read what the run may read, as far as it changed.

        Raises:
            UnreadableDocument: not one document could be read; says which and why.
        """
        if not self._named and (kept := await self.memory.documents(scope=f"user:{self._user}")):
            self.library = {"scope": f"user:{self._user}", "documents": None}
            return Counted(len(kept))
        if not self._named and not self._handbook:
            self.library = {"scope": f"named:{self._user}", "documents": []}
            return Counted(0)
        scope = f"named:{self._user}" if self._named else "handbook"
        ingested = await self._ingest(scope, on_reading)
        if not ingested.document_ids:
            # What a reader says of a file names it; what is said of a link or a folder does not.
            named = (reason if "/" in reason else f"{uri}: {reason}" for uri, reason in ingested.skipped)
            why = " ".join(f"{reason.rstrip('.')}." for reason in named) or "the folder is empty."
            raise UnreadableDocument(
                f"No document could be read: {why}", remedy="Name text, Markdown, HTML, PDF, CSV or Excel."
            )
        unread = [uri for uri, _ in ingested.skipped if uri not in ingested.passed_over]
        self.library = {
            "scope": scope,
            "documents": list(ingested.document_ids),
            "skipped": len(unread),
            "unread": [_name(uri) for uri in unread[:MOST_NAMED]],
        }
        return Counted(len(ingested.document_ids), tuple(ingested.skipped))

    async def _ingest(self, scope: str, on_reading: OnReading) -> Ingested:
        from atlas_mcp.memory.documents.knowledge import as_source

        named = [as_source(each) for each in self._named] or [shipped("handbook")]
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()
        ingesting = asyncio.create_task(
            self.memory.ingest(named, scope=scope, on_progress=steps.put_nowait), name=f"ingest {scope}"
        )
        ingesting.add_done_callback(lambda _: steps.put_nowait(None))
        told = 0.0
        try:
            while (step := await steps.get()) is not None:
                # Each is a row in the journal, and a folder may hold a hundred thousand files.
                if step.done == step.of or monotonic() - told >= TELL_SECONDS:
                    await on_reading(str(step), step.done, step.of)
                    told = monotonic()
            return await ingesting
        finally:
            ingesting.cancel()

    @property
    def unread(self) -> Unread:
        """What was meant to be read and could not be."""
        return Unread(self.library.get("skipped", 0), tuple(self.library.get("unread", ())))

    async def snapshot(self, sha256: str) -> str:
        """The stored text of a source: of a document that was read, of a memory, or of what was computed.

        :raises InvalidInput: none of them is here.
        """
        for scope in (self.library["scope"], quoted_scope(self._user), fetched_scope(self._user)):
            with suppress(InvalidInput):
                return await self.memory.snapshot(sha256, scope=scope)
        return await self.memory.snapshot(sha256, scope=computed_scope(self._user))

    async def opening_statistics(self, goal: str) -> tuple[Passage, ...]:
        """At most six passages with statistics of the tables at hand that bear on a goal, the best first.

        For a worker that may use tables: without a language model it has computed lines to quote from them.
        """
        return await self._tables.opening_statistics(goal)

    def tools(self) -> tuple[Tool, ...]:
        """The tools by which workers read, compute and look into memory."""
        memory = (self._remembered.tool(),) if self._remembered else ()
        return (Tool(_SEARCH_SPEC, self._search), *self._tables.tools(), *memory)

    async def passages(self, query: str, most: int) -> list[Passage]:
        """The passages that fit a query best, at most so many."""
        scope, documents = self.library["scope"], self.library["documents"]
        return await self.memory.search(query, scope=scope, documents=documents, k=most)

    async def _search(self, arguments: dict[str, Any]) -> Found:
        passages = await self.passages(arguments["query"], HITS)
        return Found(_told(passages), tuple(passages))


_SEARCH_SPEC = ToolSpec(
    SEARCH,
    "Searches the documents by words and by meaning. Gives the best passages, each with an id to cite.",
    {
        "type": "object",
        "required": ["query"],
        "additionalProperties": False,
        "properties": {
            "query": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1000,
                "description": "What you look for, as a question or key words.",
            }
        },
    },
)


def _name(uri: str) -> str:
    """A document as a brief calls it: a file by its name."""
    return unquote(urlsplit(uri).path).rpartition("/")[2] if uri.startswith("file:") else uri


def _told(passages: Sequence[Passage]) -> str:
    if not passages:
        return "Nothing was found. Try other words."
    return f"{len(passages)} passages were found."
