"""What was said in an agent's threads: nothing is ever removed, and what a summary stands for is still found.

A message is `whole`, `interrupted` (its model was stopped while it spoke) or `left` (interrupted, and said
anew since); the last are history, but stand in no prompt.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from atlas_mcp.agents.embedded.search import search_rows
from atlas_mcp.agents.runtime import Recalled
from atlas_mcp.agents.turns import Given
from atlas_mcp.chunks import Usage
from atlas_mcp.messages import Message, Text, ToolCall, ToolResult
from atlas_mcp.providers.wires.fence import render_parts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from pydantic import TypeAdapter

__all__ = [
    "Item", "Taken", "add_message", "add_summary", "recall", "search_conversation", "summarised", "taken",
    "text_of", "window",
]  # fmt: skip

State: TypeAlias = Literal["whole", "interrupted", "left"]

_INTERRUPTED = "(You were interrupted here.)"


@cache
def _messages() -> TypeAdapter[Message]:
    from pydantic import TypeAdapter

    return TypeAdapter(Message)


@cache
def _usages() -> TypeAdapter[Usage]:
    from pydantic import TypeAdapter

    return TypeAdapter(Usage)


@cache
def _given() -> TypeAdapter[Given]:
    from pydantic import TypeAdapter

    return TypeAdapter(Given)


@dataclass(frozen=True, slots=True)
class Item:
    """What stands in a prompt at one place: a message, or a summary that stands for `messages` of them."""

    number: int
    message: Message
    at: float
    messages: int = 1
    summary: bool = False
    interrupted: bool = False

    @property
    def in_prompt(self) -> tuple[Message, ...]:
        """As a model reads it."""
        if not self.interrupted:
            return (self.message,)
        return (self.message, Message("user", (Text(_INTERRUPTED),)))


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a turn is that was begun before: answers of its model, what they took, and what it gave."""

    begun: bool
    steps: int
    usage: Usage
    given: Given | None


def add_message(
    connection: sqlite3.Connection,
    where: tuple[str, str, str],
    message: Message,
    *,
    state: State = "whole",
    took: Usage | None = None,
    given: Given | None = None,
) -> None:
    """Keep a message of an agent's thread and turn, which `where` names in this order."""
    connection.execute(
        "INSERT INTO message (agent, thread, turn, role, body, text, at, state, took, given)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *where,
            message.role,
            _messages().dump_json(message).decode(),
            text_of(message),
            time.time(),
            state,
            None if took is None else _usages().dump_json(took).decode(),
            None if given is None else _given().dump_json(given).decode(),
        ),
    )


def taken(connection: sqlite3.Connection, where: tuple[str, str, str]) -> Taken:
    """How far a turn is; what was interrupted in it is left behind, since it is said anew."""
    connection.execute(
        "UPDATE message SET state = 'left'"
        " WHERE agent = ? AND thread = ? AND turn = ? AND state = 'interrupted'",
        where,
    )
    rows = connection.execute(
        "SELECT * FROM message WHERE agent = ? AND thread = ? AND turn = ? ORDER BY number", where
    ).fetchall()
    usage = sum((_usages().validate_json(row["took"]) for row in rows if row["took"]), start=Usage())
    steps = sum(row["role"] == "assistant" and row["state"] == "whole" for row in rows)
    given = next((_given().validate_json(row["given"]) for row in rows if row["given"]), None)
    return Taken(bool(rows), steps, usage, given)


def window(connection: sqlite3.Connection, agent: str, thread: str) -> list[Item]:
    """What of a thread stands in a prompt, in order."""
    here = (agent, thread)
    items = [
        Item(row["place"], Message("user", (Text(row["text"]),)), row["at"], row["messages"], summary=True)
        for row in connection.execute(
            "SELECT * FROM summary WHERE agent = ? AND thread = ? AND within IS NULL ORDER BY place", here
        )
    ]
    for row in connection.execute(
        "SELECT number, body, at, state FROM message"
        " WHERE agent = ? AND thread = ? AND summary IS NULL AND state <> 'left' ORDER BY number",
        here,
    ):
        message = _messages().validate_json(row["body"])
        items.append(Item(row["number"], message, row["at"], interrupted=row["state"] == "interrupted"))
    return sorted(items, key=lambda item: (item.number, not item.summary))


def add_summary(
    connection: sqlite3.Connection, agent: str, thread: str, items: Sequence[Item], text: str
) -> None:
    """Let a summary stand for messages, and for summaries of earlier ones, at the place of the first."""
    place = min(item.number for item in items)
    number = connection.execute(
        "INSERT INTO summary (agent, thread, place, messages, text, at) VALUES (?, ?, ?, ?, ?, ?)",
        (agent, thread, place, sum(item.messages for item in items), text, time.time()),
    ).lastrowid
    connection.executemany(
        "UPDATE message SET summary = ? WHERE number = ?",
        [(number, item.number) for item in items if not item.summary],
    )
    connection.executemany(
        "UPDATE summary SET within = ?"
        " WHERE agent = ? AND thread = ? AND place = ? AND within IS NULL AND number <> ?",
        [(number, agent, thread, item.number, number) for item in items if item.summary],
    )


def summarised(connection: sqlite3.Connection, agent: str, thread: str) -> int:
    """How many messages of a thread do not stand in its prompt themselves."""
    return connection.execute(
        "SELECT count(*) FROM message WHERE agent = ? AND thread = ? AND summary IS NOT NULL", (agent, thread)
    ).fetchone()[0]


def recall(connection: sqlite3.Connection, agent: str, thread: str, most: int) -> list[Recalled]:
    """The last messages of a thread, oldest first."""
    rows = connection.execute(
        "SELECT * FROM message WHERE agent = ? AND thread = ? ORDER BY number DESC LIMIT ?",
        (agent, thread, most),
    ).fetchall()
    return [_recalled(row) for row in reversed(rows)]


def search_conversation(
    connection: sqlite3.Connection,
    agent: str,
    query: str,
    *,
    but: tuple[str, str],
    roles: Sequence[str] = (),
    since: float | None = None,
    until: float | None = None,
    most: int = 10,
) -> list[tuple[str, Recalled]]:
    """Messages of all an agent's threads that fit, best first, each with its thread; none of turn `but`."""
    where, values = "agent = ? AND NOT (thread = ? AND turn = ?)", [agent, *but]
    narrowed: list[tuple[str, Any]] = [("at >= ?", since), ("at < ?", until)]
    if roles:
        narrowed.append(("role IN (SELECT value FROM json_each(?))", json.dumps(list(roles))))
    for condition, value in narrowed:
        if value is not None:
            where += f" AND {condition}"
            values.append(value)
    rows = search_rows(connection, "message", query, where, values, most=most)
    return [(row["thread"], _recalled(row)) for row in rows]


def text_of(message: Message) -> str:
    """A message as a person reads it: its text, else the calls it makes."""
    if message.role == "tool":
        return "\n".join(part.text for part in message.parts if isinstance(part, ToolResult))
    calls = "\n".join(
        f"{part.name}({json.dumps(part.arguments, ensure_ascii=False)})"
        for part in message.parts
        if isinstance(part, ToolCall)
    )
    return "\n".join(text for text in (render_parts(message.parts), calls) if text)


def _recalled(row: sqlite3.Row) -> Recalled:
    role = cast("Literal['user', 'assistant', 'tool']", row["role"])
    at = datetime.fromtimestamp(row["at"], UTC)
    return Recalled(f"message-{row['number']}", role, row["text"], at)
