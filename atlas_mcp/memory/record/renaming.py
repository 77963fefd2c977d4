"""Names in memories of what is named otherwise here: other memories, taken in under new ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.memory.record import memories

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from atlas_mcp.memory.scope import Scope

__all__ = ["rename"]


def rename(
    connection: sqlite3.Connection, names: Mapping[str, str], ids: Mapping[str, str], scope: Scope, now: str
) -> None:
    """Write the new names, by the old, wherever these memories say by what they are superseded or rest.

    `ids` says of each by which old name it was superseded, or nothing: it counts where the memory is closed
    and does not say so itself, as when it was closed before the other was there.
    """
    where, values = memories.mine(scope)
    found = connection.execute(
        "SELECT number, id, scope, evidence, closed_at, superseded_by FROM memory"
        f" WHERE id IN (SELECT value FROM json_each(?)) AND {where}",
        (json.dumps([*ids]), *values),
    ).fetchall()
    for row in found:
        evidence = cast("list[dict[str, Any]]", json.loads(row["evidence"]))
        anew = [
            each | {"source": names[each["source"]]} if each.get("source") in names else each
            for each in evidence
        ]
        anew = [each for at, each in enumerate(anew) if each not in anew[:at]]
        said = row["superseded_by"] or (ids[row["id"]] if row["closed_at"] else "")
        by = names.get(said, said)
        by = row["superseded_by"] if by in ("", row["id"]) else by
        sources = {each.get("source") for each in evidence} & names.keys()
        if not sources and by == row["superseded_by"]:
            continue
        connection.execute(
            "UPDATE memory SET evidence = ?, superseded_by = ? WHERE number = ?",
            (json.dumps(anew, ensure_ascii=False), by, row["number"]),
        )
        for source in sorted(map(str, sources)):
            connection.execute(
                "UPDATE OR REPLACE source SET uri = ? WHERE uri = ? AND number = ?",
                (names[source], source, row["number"]),
            )
        memories.touch(connection, row["number"], row["id"], row["scope"], now)
