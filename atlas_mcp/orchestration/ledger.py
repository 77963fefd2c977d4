"""The call ledger: a model or tool call is finished when its result is committed, before the agent sees it.

A run that goes on after a crash walks the same steps; calls it has finished are answered from here, so
nothing is paid twice. The ledger stands between an agent and its provider or tools, and neither side knows
it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from atlas_mcp.chunks import ReasoningDelta, Reply, Stopped, TextDelta, Usage
from atlas_mcp.messages import Reasoning, Text, ToolCall, ToolResult, prompt_hash
from atlas_mcp.observe.journal import now
from atlas_mcp.orchestration.lease import Lease, assert_held
from atlas_mcp.orchestration.past import UNLEDGERED, unledgered
from atlas_mcp.orchestration.records import told_of_model, told_of_tool
from atlas_mcp.providers.provider import Fold, Provider, ProviderInfo
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.database import Database
    from atlas_mcp.downstream.toolbox import Toolbox
    from atlas_mcp.messages import Prompt, ToolSpec
    from atlas_mcp.providers.budget import Budget
    from atlas_mcp.providers.control import StreamControl

__all__ = ["ASKED", "SCHEMA", "Ledger", "LedgeredProvider", "LedgeredToolbox", "spent_until_now"]

T = TypeVar("T")

SCHEMA = """
CREATE TABLE ledger (
    run_id TEXT NOT NULL,
    path TEXT NOT NULL,
    position INTEGER NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    result TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (run_id, path, position, hash)
) WITHOUT ROWID;
"""


ASKED = "ALTER TABLE ledger ADD COLUMN asked TEXT;"
"""What went into a call and came out, as JSON without secrets; empty for calls of before."""

_PART = """
WITH RECURSIVE part (run_id) AS (
    VALUES (?) UNION SELECT run.run_id FROM run JOIN part ON run.parent_run_id = part.run_id
)
"""
_REPLIES = f"{_PART} SELECT result FROM ledger JOIN part USING (run_id) WHERE kind = 'model'"  # noqa: S608 - our own text
_KINDS = ", ".join(f"'{kind}'" for kind in UNLEDGERED)
_BESIDE = f"{_PART} SELECT kind, data FROM event JOIN part USING (run_id) WHERE kind IN ({_KINDS})"  # noqa: S608 - our own text


@cache
def _replies() -> TypeAdapter[Reply]:
    return TypeAdapter(Reply)


@cache
def _tool_results() -> TypeAdapter[ToolResult]:
    return TypeAdapter(ToolResult)


class Ledger:
    """The finished calls of one run, written under its lease; `run_id` is a child's that shares it."""

    def __init__(self, database: Database, lease: Lease, *, run_id: str = "") -> None:
        self._database = database
        self._lease = lease
        self._run_id = run_id or lease.run_id

    async def find(self, path: str, position: int, digest: str) -> str | None:
        """The result of a finished call as JSON, or None."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT result FROM ledger WHERE run_id = ? AND path = ? AND position = ? AND hash = ?",
                (self._run_id, path, position, digest),
            ).fetchone()
        )
        return None if row is None else row["result"]

    async def commit(
        self, path: str, position: int, digest: str, kind: str, result: str, *, told: str | None = None
    ) -> None:
        """Finish a call; `told` is what went in and came out of it, for whoever looks at it later.

        Raises:
            LeaseLost: another process owns the run; the result is not written.
        """

        def write(connection: sqlite3.Connection) -> None:
            assert_held(connection, self._lease)
            connection.execute(
                "INSERT OR IGNORE INTO ledger (run_id, path, position, hash, kind, result, at, asked)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self._run_id, path, position, digest, kind, result, now(), told),
            )

        await self._database.write(write)

    async def replies(self) -> list[Reply]:
        """What the finished model calls of the run, and of its child runs, gave."""
        rows = await self._database.read(
            lambda connection: connection.execute(_REPLIES, (self._run_id,)).fetchall()
        )
        return [_replies().validate_json(row["result"]) for row in rows]


def spent_until_now(connection: sqlite3.Connection, run_id: str) -> dict[str, Any]:
    """What a run and its child runs took; for one that ends without its owner."""
    rows = connection.execute(_REPLIES, (run_id,)).fetchall()
    usages = (Usage(**json.loads(row["result"])["usage"]) for row in rows)
    told = connection.execute(_BESIDE, (run_id,))
    beside = [(row["kind"], json.loads(row["data"])) for row in told]
    return asdict(sum(usages, start=unledgered(beside)))


class _Behind:
    """The provider's stream behind a ledgered one, once it has begun: pauses reach it, its meter counts."""

    control: StreamControl

    def __init__(self) -> None:
        self._stream: Stream | None = None

    def begun(self, stream: Stream) -> Stream:
        self._stream = stream
        self.control.front(stream.control)
        return stream

    def usage(self) -> Usage:
        return self._stream.usage if self._stream is not None else Usage()


class LedgeredProvider:
    """A provider whose finished calls are kept, and answered from the ledger when a step is walked again.

    `on_reply` hears of each reply that was paid now; `gate` is awaited before a call that must be
    paid, and may hold it or refuse it. `replayed` says that the last answer was paid before; it counts in
    `budget` alone: those above it have counted it already.
    """

    def __init__(
        self, provider: Provider, ledger: Ledger, path: str, on_reply: Callable[[Reply], None],
        gate: Callable[[], Awaitable[object]], *, budget: Budget | None = None,
    ) -> None:  # fmt: skip
        self._provider = provider
        self._ledger = ledger
        self._path = path
        self._position = 0
        self._on_reply = on_reply
        self._gate = gate
        self._budget = budget
        self.replayed = False

    @property
    def info(self) -> ProviderInfo:
        """Who answers behind the ledger."""
        return self._provider.info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer, from the ledger or from the provider and then committed."""
        self._position += 1
        behind = _Behind()
        stream = Stream(self._chunks(prompt, terms, self._position, behind), meter=behind)
        behind.control = stream.control
        return stream

    async def _chunks(
        self, prompt: Prompt, terms: Terms, position: int, behind: _Behind
    ) -> AsyncGenerator[Chunk]:
        digest = prompt_hash(prompt)
        kept = await self._ledger.find(self._path, position, digest)
        self.replayed = kept is not None
        if kept is not None:
            reply = _replies().validate_json(kept)
            if self._budget is not None:
                self._budget.add(reply.usage, above=False)
            for chunk in _retold(reply):
                yield chunk
            return
        await self._gate()
        fold = Fold()
        async with behind.begun(self._provider.stream(prompt, terms)) as stream:
            async for chunk in stream:
                fold.add(chunk)
                if not isinstance(chunk, Usage | Stopped):
                    yield chunk
        whole = fold.reply()
        reply = replace(whole, usage=replace(whole.usage, calls=1))
        kept = _replies().dump_json(reply).decode()
        told = told_of_model(prompt, reply)
        await self._ledger.commit(self._path, position, digest, "model", kept, told=told)
        self._on_reply(reply)
        yield reply.usage
        yield reply.stopped

    async def aclose(self) -> None:
        """Leave the provider open; whoever opened it closes it."""


def _retold(reply: Reply) -> list[Chunk]:
    chunks: list[Chunk] = []
    for part in reply.message.parts:
        match part:
            case Text():
                chunks.append(TextDelta(part.text))
            case Reasoning():
                chunks.append(ReasoningDelta(part.text, part.signature, part.redacted))
            case ToolCall():
                chunks.append(part)
            case _:
                pass
    return [*reply.choices, *reply.switches, *chunks, *reply.citations, reply.usage, reply.stopped]


_UNCERTAIN = (
    "Whether {tool} did this is not known: the process ended during the call. It was not called again; see"
    " how things stand before you call it."
)


class LedgeredToolbox:
    """Tools whose results are kept like model calls, so that a step walked again sees what it saw.

    `effects` are those that change something: one whose process ended during the call is not called again.
    """

    def __init__(
        self, toolbox: Toolbox, ledger: Ledger, path: str, *, effects: frozenset[str] = frozenset()
    ) -> None:
        self._toolbox = toolbox
        self._ledger = ledger
        self._effects = effects
        self._path = f"{path}/tools"
        self._position = 0

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools as a model sees them."""
        return self._toolbox.specs

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of a call, from the ledger or from the tool and then committed."""
        self._position += 1
        position = self._position
        asked = json.dumps([call.name, call.arguments], sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        if kept := await self._ledger.find(self._path, position, digest):
            return _tool_results().validate_json(kept)
        if call.name not in self._effects:
            result = await self._toolbox.call(call)
        elif await self._ledger.find(f"{self._path}/begun", position, digest) is not None:
            result = ToolResult(call.id, _UNCERTAIN.format(tool=call.name), error=True)
        else:
            # Only what a person let in has begun: while they are asked, nothing has happened yet.
            begun = partial(self._ledger.commit, f"{self._path}/begun", position, digest, "begun", "{}")
            result = await self._toolbox.call(call, on_begin=begun)
        kept = _tool_results().dump_json(result).decode()
        told = told_of_tool(result)
        await self._ledger.commit(self._path, position, digest, "tool", kept, told=told)
        return result
