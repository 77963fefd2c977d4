"""Memories as sources that can be quoted: the snapshots in which their words stand, and that those go too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.memory.documents import documents
from atlas_mcp.memory.lifecycle import uri_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from atlas_mcp.database import Database
    from atlas_mcp.memory.snapshots import Snapshots

__all__ = ["quoted_scope", "unquote"]


def quoted_scope(user: str) -> str:
    """Where the words of memories are kept that a user's runs may quote."""
    return f"remembered:{user}"


async def unquote(database: Database, snapshots: Snapshots, ids: Iterable[str]) -> int:
    """Delete the snapshots of memories, whoever's runs quoted them; gives how many nobody else had read."""
    uris = [uri_of(each) for each in ids]

    def write(connection: sqlite3.Connection) -> int:
        kept = [
            (row["scope"], uri)
            for uri in uris
            for row in connection.execute("SELECT scope FROM snapshot WHERE uri = ?", (uri,)).fetchall()
        ]
        gone = [each for scope, uri in kept for each in documents.versions(connection, scope, uri)]
        # Within the transaction, so that no one can take the same text in between.
        for sha256 in gone:
            snapshots.remove(sha256)
        return len(gone)

    return await database.write(write) if uris else 0
