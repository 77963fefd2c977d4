"""Memory blocks: limits and read-only are kept here, whoever writes; nothing is ever cut.

Everything runs in the transaction of whoever calls, so that two who edit a shared block at once lose nothing.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ulid import ULID

from atlas_mcp.agents.runtime import Block
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["LABEL", "bring_blocks", "changed_at", "find_block", "read_blocks", "set_value"]

LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")
"""What a block may be called: it is a tag in the prompt."""

_OF_AGENT = """
SELECT block.*, label, description, most, read_only FROM agent_block JOIN block ON block.id = block
WHERE agent = ? AND place IS NOT NULL
"""


def read_blocks(connection: sqlite3.Connection, agent: str) -> list[Block]:
    """An agent's blocks, in the order of its spec."""
    return [_block(row) for row in connection.execute(f"{_OF_AGENT} ORDER BY place", (agent,))]


def changed_at(connection: sqlite3.Connection, agent: str) -> float:
    """When one of an agent's blocks was last given another value; 0 where it has none."""
    return max((row["changed_at"] for row in connection.execute(_OF_AGENT, (agent,))), default=0.0)


def find_block(connection: sqlite3.Connection, agent: str, label: str) -> Block:
    """One block of an agent.

    Raises:
        InvalidInput: it has none of that label.
    """
    row = connection.execute(f"{_OF_AGENT} AND label = ?", (agent, label)).fetchone()
    if row is None:
        labels = ", ".join(block.label for block in read_blocks(connection, agent)) or "none"
        raise InvalidInput(f"There is no memory block {label!r}.", remedy=f"There are: {labels}.")
    return _block(row)


def set_value(connection: sqlite3.Connection, agent: str, label: str, value: str) -> Block:
    """Give a block a value.

    Raises:
        InvalidInput: there is no such block, or the value is longer than its limit.
    """
    block = find_block(connection, agent, label)
    if len(value) > block.limit:
        raise InvalidInput(
            f"Block {label!r} would have {len(value):,} characters; its limit is {block.limit:,}.",
            remedy="Shorten it: rewrite the block with what matters most. Nothing was changed.",
        )
    connection.execute(
        "UPDATE block SET value = ?, changed_at = ? WHERE id = ? AND value <> ?",
        (value, time.time(), block.id, value),
    )
    return find_block(connection, agent, label)


def bring_blocks(connection: sqlite3.Connection, agent: str, wished: Sequence[Block]) -> None:
    """Give an agent the blocks of its spec, in their order; values that were edited stay.

    A block that is not wished for any more leaves the prompt and is kept, for when it is wished for again.

    Raises:
        InvalidInput: a block's label, limit or value cannot be.
    """
    connection.execute("UPDATE agent_block SET place = NULL WHERE agent = ?", (agent,))
    labels: set[str] = set()
    for place, block in enumerate(wished):
        _assert_sound(block, labels)
        labels.add(block.label)
        connection.execute(
            "INSERT OR REPLACE INTO agent_block (agent, label, block, description, most, read_only, place)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                agent,
                block.label,
                _kept(connection, agent, block),
                block.description,
                block.limit,
                block.read_only,
                place,
            ),
        )


def _kept(connection: sqlite3.Connection, agent: str, wished: Block) -> str:
    """The id of a wished-for block, made if need be."""
    if wished.shared:
        row = connection.execute("SELECT * FROM block WHERE shared = ?", (wished.shared,)).fetchone()
    else:
        row = connection.execute(
            "SELECT block.* FROM agent_block JOIN block ON block.id = block"
            " WHERE agent = ? AND label = ? AND shared IS NULL",
            (agent, wished.label),
        ).fetchone()
    now = time.time()
    if row is None:
        made = f"block-{ULID()}"
        connection.execute(
            "INSERT INTO block (id, shared, value, given, changed_at) VALUES (?, ?, ?, ?, ?)",
            (made, wished.shared or None, wished.value, wished.value, now),
        )
        return made
    if row["value"] == row["given"] != wished.value and not wished.shared:
        # Nobody edited it, so that what its file says now is what it is.
        connection.execute(
            "UPDATE block SET value = ?, given = ?, changed_at = ? WHERE id = ?",
            (wished.value, wished.value, now, row["id"]),
        )
    return row["id"]


def _assert_sound(block: Block, labels: set[str]) -> None:
    if not LABEL.fullmatch(block.label):
        raise InvalidInput(
            f"{block.label!r} cannot be the label of a memory block.",
            remedy="Begin with a letter; letters, digits, - and _ may follow, 50 in all.",
        )
    if block.label in labels:
        raise InvalidInput(
            f"There are two memory blocks {block.label!r}.", remedy="Give each a label of its own."
        )
    if not block.limit > 0 or len(block.value) > block.limit:
        raise InvalidInput(
            f"Memory block {block.label!r}: {len(block.value):,} characters, and a limit of {block.limit:,}.",
            remedy="Raise its limit or shorten its value.",
        )


def _block(row: sqlite3.Row) -> Block:
    return Block(
        row["label"],
        row["value"],
        row["description"],
        row["most"],
        bool(row["read_only"]),
        row["shared"] or "",
        row["id"],
    )
