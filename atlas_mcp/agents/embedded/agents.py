"""Agents as they are kept: found by their tags, brought to their spec, deleted with what is theirs alone."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ulid import ULID

from atlas_mcp.agents.embedded.blocks import bring_blocks
from atlas_mcp.agents.runtime import AgentInfo
from atlas_mcp.errors import InvalidInput, UnknownAgent

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from atlas_mcp.agents.runtime import AgentSpec

__all__ = ["Kept", "delete_agent", "ensure_agent", "find_agent", "list_agents"]


@dataclass(frozen=True, slots=True)
class Kept:
    """An agent with its persona."""

    info: AgentInfo
    system: str
    archival: bool

    @property
    def id(self) -> str:
        """The agent's id."""
        return self.info.id


def find_agent(connection: sqlite3.Connection, agent_id: str) -> Kept:
    """The agent of an id.

    Raises:
        UnknownAgent: there is none.
    """
    row = connection.execute("SELECT * FROM agent WHERE id = ?", (agent_id,)).fetchone()
    if row is None:
        raise UnknownAgent(f"There is no agent {agent_id}.", remedy="Make it anew by its tags.")
    return Kept(_info(row), row["system"], bool(row["archival"]))


def ensure_agent(connection: sqlite3.Connection, spec: AgentSpec) -> AgentInfo:
    """The agent of those tags, made or brought to the spec.

    Raises:
        InvalidInput: it has no tags, or a block that cannot be.
    """
    if not spec.tags:
        raise InvalidInput(
            f"Agent {spec.name!r} has no tags.", remedy="Give it tags; they tell agents apart."
        )
    tags = json.dumps(sorted(set(spec.tags)))
    connection.execute(
        "INSERT INTO agent (id, name, system, model, archival, tags, made_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tags) DO UPDATE SET name = excluded.name, system = excluded.system,"
        " model = excluded.model, archival = excluded.archival",
        (f"agent-{ULID()}", spec.name, spec.system, spec.model, spec.archival, tags, time.time()),
    )
    info = _info(connection.execute("SELECT * FROM agent WHERE tags = ?", (tags,)).fetchone())
    bring_blocks(connection, info.id, spec.blocks)
    return info


def list_agents(connection: sqlite3.Connection, tags: Sequence[str]) -> list[AgentInfo]:
    """Agents that have all those tags, oldest first."""
    rows = connection.execute(
        "SELECT * FROM agent WHERE NOT EXISTS (SELECT 1 FROM json_each(?) AS wished"
        " WHERE wished.value NOT IN (SELECT value FROM json_each(agent.tags))) ORDER BY made_at, id",
        (json.dumps(list(tags)),),
    )
    return [_info(row) for row in rows]


def delete_agent(connection: sqlite3.Connection, agent_id: str, *, blocks: bool) -> None:
    """Delete an agent and all that is its own; with `blocks` also blocks that nobody else has.

    Raises:
        UnknownAgent: there is none.
    """
    find_agent(connection, agent_id)
    had = [
        row["block"]
        for row in connection.execute("SELECT block FROM agent_block WHERE agent = ?", (agent_id,))
    ]
    for table in ("message", "summary", "passage", "agent_block"):
        # In this order: messages point at summaries, and summaries at one another.
        if table == "summary":
            connection.execute("UPDATE summary SET within = NULL WHERE agent = ?", (agent_id,))
        connection.execute(f"DELETE FROM {table} WHERE agent = ?", (agent_id,))  # noqa: S608 - our tables
    connection.execute("DELETE FROM agent WHERE id = ?", (agent_id,))
    if blocks:
        connection.executemany(
            "DELETE FROM block WHERE id = ? AND id NOT IN (SELECT block FROM agent_block)",
            [(block,) for block in had],
        )


def _info(row: sqlite3.Row) -> AgentInfo:
    return AgentInfo(row["id"], row["name"], tuple(json.loads(row["tags"])), row["model"])
