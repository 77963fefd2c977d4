"""Archival memory: passages that do not stand in the prompt, and are found by their words."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ulid import ULID

from atlas_mcp.agents.embedded.search import search_rows
from atlas_mcp.agents.runtime import Remembered
from atlas_mcp.agents.standing import MEMORY_TAG
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["archived", "drop_passages", "keep_passage", "search_passages"]

_TAGGED = (
    "NOT EXISTS (SELECT 1 FROM json_each(?) AS wished"
    " WHERE wished.value NOT IN (SELECT value FROM json_each(tags)))"
)


def archived(connection: sqlite3.Connection, agent: str) -> int:
    """How many passages an agent has archived."""
    return connection.execute("SELECT count(*) FROM passage WHERE agent = ?", (agent,)).fetchone()[0]


def keep_passage(
    connection: sqlite3.Connection, agent: str, text: str, tags: Sequence[str] = ()
) -> Remembered:
    """Keep a passage; the same text again is the same passage, with the tags of both.

    What comes from memory is no passage of the agent's own, even if it says the same.

    Raises:
        InvalidInput: it is empty.
    """
    if not text.strip():
        raise InvalidInput("An empty passage cannot be archived.", remedy="Give its text.")
    row = _same(connection, agent, text, tags)
    if row is not None:
        merged = json.dumps(sorted({*json.loads(row["tags"]), *tags}))
        connection.execute("UPDATE passage SET tags = ? WHERE number = ?", (merged, row["number"]))
    else:
        connection.execute(
            "INSERT INTO passage (id, agent, text, tags, at) VALUES (?, ?, ?, ?, ?)",
            (f"passage-{ULID()}", agent, text, json.dumps(sorted(set(tags))), time.time()),
        )
    return _remembered(_same(connection, agent, text, tags))


def drop_passages(connection: sqlite3.Connection, agent: str, tag: str) -> int:
    """Delete the passages that bear a tag; gives how many there were."""
    return connection.execute(
        f"DELETE FROM passage WHERE agent = ? AND {_TAGGED}",  # noqa: S608 - written here
        (agent, json.dumps([tag])),
    ).rowcount


def search_passages(
    connection: sqlite3.Connection, agent: str, query: str, tags: Sequence[str], most: int
) -> list[Remembered]:
    """The passages with all those tags that fit a query, best first; the newest where it has no word."""
    rows = search_rows(
        connection, "passage", query, f"agent = ? AND {_TAGGED}", (agent, json.dumps(list(tags))), most=most
    )
    return [_remembered(row) for row in rows]


def _same(connection: sqlite3.Connection, agent: str, text: str, tags: Sequence[str]) -> Any:
    """The row of the same text from the same side: of the agent's own, or from memory."""
    rows = connection.execute("SELECT * FROM passage WHERE agent = ? AND text = ?", (agent, text))
    return next(
        (row for row in rows if (MEMORY_TAG in json.loads(row["tags"])) == (MEMORY_TAG in tags)), None
    )


def _remembered(row: sqlite3.Row) -> Remembered:
    at = datetime.fromtimestamp(row["at"], UTC)
    return Remembered(row["id"], row["text"], tuple(json.loads(row["tags"])), at)
