"""The record looked at as a whole: what derived indexes are given, and whether its parts agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from atlas_mcp.memory.record import memories, outbox
from atlas_mcp.memory.record.record import Indexed
from atlas_mcp.memory.snapshots import text_hash
from atlas_mcp.text.entities import Entity
from atlas_mcp.text.verbatim import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from atlas_mcp.text.ranking import FloatArray

__all__ = ["check", "counts", "indexed", "mend", "portion", "put_vectors", "without_vector"]

WHOLE = f"""
SELECT {memories.COLUMNS.replace("number", "memory.number", 1)}, model, data
FROM memory LEFT JOIN memory_vector ON memory_vector.number = memory.number
"""
UNIT = 1e-2
"""How far from 1 a vector's length may be."""


def indexed(connection: sqlite3.Connection, ids: Sequence[str]) -> list[Indexed]:
    """Memories of any scope as an index is given them; those that are gone are left out."""
    rows = connection.execute(
        f"{WHOLE} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY memory.number",
        (json.dumps(list(ids)),),
    )
    return _whole(connection, rows.fetchall())


def portion(connection: sqlite3.Connection, after: int, size: int) -> list[Indexed]:
    """The next memories behind a number."""
    rows = connection.execute(
        f"{WHOLE} WHERE memory.number > ? ORDER BY memory.number LIMIT ?",
        (after, size),
    )
    return _whole(connection, rows.fetchall())


def without_vector(connection: sqlite3.Connection, model: str, most: int) -> list[tuple[int, str]]:
    """Number and text of memories that have no vector of a model."""
    rows = connection.execute(
        "SELECT number, text FROM memory WHERE NOT EXISTS"
        " (SELECT 1 FROM memory_vector WHERE number = memory.number AND model = ?) ORDER BY number LIMIT ?",
        (model, most),
    )
    return [(row["number"], row["text"]) for row in rows]


def put_vectors(
    connection: sqlite3.Connection, model: str, vectors: Mapping[int, FloatArray], now: str
) -> None:
    """Write vectors by number; those whose memory went meanwhile are dropped."""
    for number, vector in vectors.items():
        row = connection.execute("SELECT id, scope FROM memory WHERE number = ?", (number,)).fetchone()
        if row:
            memories.put_vector(connection, number, model, vector)
            memories.touch(connection, number, row["id"], row["scope"], now)


def check(connection: sqlite3.Connection, dimensions: int | None) -> list[str]:
    """What is wrong, one line each; `dimensions` is the length of every vector, None if there are none."""
    wrong = [f"database: {row[0]}" for row in connection.execute("PRAGMA quick_check") if row[0] != "ok"]
    wrong += [f"memory {memory_id}: {what}" for memory_id, _, what in _wrong_rows(connection, dimensions)]
    strays = connection.execute(
        "SELECT count(*) AS strays FROM memory_text_docsize WHERE id NOT IN (SELECT number FROM memory)"
    ).fetchone()["strays"]
    if strays:
        wrong.append(f"text index: {strays} entries of memories that are gone")
    orphans = connection.execute(
        "SELECT count(*) AS orphans FROM mention WHERE item_kind = 'memory'"
        " AND item_id NOT IN (SELECT number FROM memory)"
    ).fetchone()["orphans"]
    if orphans:
        wrong.append(f"names: {orphans} links to memories that are gone")
    return wrong


def mend(connection: sqlite3.Connection, dimensions: int | None, now: str) -> int:
    """Make the text index anew if any of it is wrong, take out bad vectors, unlink what is gone."""
    rows = _wrong_rows(connection, dimensions)
    for memory_id, number, what in rows:
        if what.startswith("vector"):
            connection.execute("DELETE FROM memory_vector WHERE number = ?", (number,))
            owner = connection.execute("SELECT scope FROM memory WHERE number = ?", (number,)).fetchone()[0]
            memories.touch(connection, number, memory_id, owner, now)
    orphans = connection.execute(
        "DELETE FROM mention WHERE item_kind = 'memory' AND item_id NOT IN (SELECT number FROM memory)"
    ).rowcount
    connection.execute("DELETE FROM node WHERE NOT EXISTS (SELECT 1 FROM mention WHERE node_id = node.id)")
    strays = connection.execute(
        "SELECT count(*) FROM memory_text_docsize WHERE id NOT IN (SELECT number FROM memory)"
    ).fetchone()[0]
    if strays or any(what.startswith("text") for _, _, what in rows):
        _index_anew(connection)
    return len(rows) + orphans + strays


def counts(connection: sqlite3.Connection) -> dict[str, Any]:
    """How much is kept, over all scopes: memories by kind and owner, names, what indexes have not heard."""

    def by(column: str) -> dict[str, int]:
        rows = connection.execute(
            f"SELECT {column} AS what, count(*) AS many FROM memory GROUP BY 1 ORDER BY 2 DESC"
        )
        return {row["what"]: row["many"] for row in rows}

    one = connection.execute(
        "SELECT (SELECT count(*) FROM memory) AS memories,"
        " (SELECT count(*) FROM memory WHERE closed_at IS NOT NULL) AS closed,"
        " (SELECT count(*) FROM memory_vector) AS vectors,"
        " (SELECT count(*) FROM node) AS names, (SELECT count(*) FROM mention) AS mentions"
    ).fetchone()
    return {**one, "kinds": by("kind"), "owners": by("scope"), "behind": outbox.lag(connection)}


def _whole(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> list[Indexed]:
    found = list(rows)
    names: dict[int, list[Entity]] = {}
    for row in connection.execute(
        "SELECT item_id, label, key, name FROM mention JOIN node ON node.id = node_id"
        " WHERE item_kind = 'memory' AND item_id IN (SELECT value FROM json_each(?)) ORDER BY key, label",
        (json.dumps([row["number"] for row in found]),),
    ):
        names.setdefault(row["item_id"], []).append(Entity(row["label"], row["key"], row["name"]))
    return [
        Indexed(
            memories.stored(row),
            None if row["data"] is None else np.frombuffer(row["data"], "<f4").astype(np.float32),
            tuple(names.get(row["number"], ())),
            row["model"],
        )
        for row in found
    ]


def _wrong_rows(connection: sqlite3.Connection, dimensions: int | None) -> list[tuple[str, int, str]]:
    """Id, number and what is wrong of each memory that does not find itself."""
    wrong: list[tuple[str, int, str]] = []
    rows = connection.execute(
        "SELECT memory.number, id, scope, text, words, sha256, data FROM memory"
        " LEFT JOIN memory_vector ON memory_vector.number = memory.number"
    ).fetchall()
    for row in rows:
        number = cast("int", row["number"])
        if text_hash(fold(row["text"]).casefold()) != row["sha256"]:
            wrong.append((row["id"], number, "hash: the text was changed from outside"))
        if not _indexed(connection, row):
            wrong.append((row["id"], number, "text index: it is not found by its own words"))
        if row["data"] is not None and not _sound(row["data"], dimensions):
            wrong.append((row["id"], number, "vector: it is damaged"))
    return wrong


def _indexed(connection: sqlite3.Connection, row: sqlite3.Row) -> bool:
    """Whether a memory finds itself by the longest of its words, and by its owner."""
    words = sorted(row["words"].split(), key=len)[-1:]
    terms = " AND ".join(f'"{word}"' for word in (memories.owner_token(row["scope"]), *words))
    return (
        connection.execute(
            "SELECT 1 FROM memory_text WHERE memory_text MATCH ? AND rowid = ?", (terms, row["number"])
        ).fetchone()
        is not None
    )


def _sound(blob: bytes, dimensions: int | None) -> bool:
    if len(blob) % 4 or (dimensions is not None and len(blob) != 4 * dimensions):
        return False
    length = float(np.linalg.norm(np.frombuffer(blob, "<f4")))
    return abs(length - 1) < UNIT


def _index_anew(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO memory_text (memory_text) VALUES ('delete-all')")
    for row in connection.execute("SELECT number, text, scope FROM memory").fetchall():
        words = memories.words_of(row["text"])
        connection.execute("UPDATE memory SET words = ? WHERE number = ?", (words, row["number"]))
        connection.execute(
            "INSERT INTO memory_text (rowid, words, owner) VALUES (?, ?, ?)",
            (row["number"], words, memories.owner_token(row["scope"])),
        )
