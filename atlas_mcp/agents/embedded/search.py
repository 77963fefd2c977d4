"""Words to rows: a full-text query over what was said, or over what was archived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from atlas_mcp.text.words import UNSPACED, content_words, words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["search_rows"]

_QUERY_WORDS = 64


def search_rows(
    connection: sqlite3.Connection,
    table: Literal["message", "passage"],
    query: str,
    where: str,
    values: Sequence[object],
    *,
    most: int,
) -> list[sqlite3.Row]:
    """Rows of a table for which `where` holds, best first; without any word in the query, the newest first.

    English words are compared by their stems; scripts that write no spaces by pairs of characters.
    """
    sought = list(dict.fromkeys(content_words(query) or words(query)))[:_QUERY_WORDS]
    if not sought:
        latest = f"SELECT * FROM {table} WHERE {where} ORDER BY number DESC LIMIT ?"  # noqa: S608 - written here
        return connection.execute(latest, (*values, most)).fetchall()
    match = " OR ".join(f'"{word}"' for word in sought)
    found = connection.execute(
        f"SELECT {table}.* FROM {table}_text JOIN {table} ON {table}.number = {table}_text.rowid"  # noqa: S608 - written here
        f" WHERE {table}_text MATCH ? AND {where} ORDER BY bm25({table}_text), number DESC LIMIT ?",
        (match, *values, most),
    ).fetchall()
    pairs = [word for word in sought if UNSPACED.search(word)]
    if pairs and len(found) < most:
        known = {row["number"] for row in found}
        shared = " + ".join(["(instr(text, ?) > 0)"] * len(pairs))
        others = connection.execute(
            f"SELECT * FROM {table} WHERE {where} AND {shared} > 0"  # noqa: S608 - written here
            f" ORDER BY {shared} DESC, number DESC LIMIT ?",
            (*values, *pairs, *pairs, most),
        )
        found += [row for row in others if row["number"] not in known]
    return found[:most]
