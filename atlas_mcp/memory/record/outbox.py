"""What derived indexes have not heard yet: rows of the outbox, and how far each index has read it.

Entries are written by whoever changes a memory, in the same transaction; an entry goes when every index has
heard it. An index that is left too far behind, since nobody asks for it any more, is lost: nothing is kept
for it, so that the outbox never grows without end, and its name stays known, since it still holds what it
heard. Where it comes back it is filled anew. It does not know what an index is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.memory.record.record import Change

if TYPE_CHECKING:
    import sqlite3

__all__ = ["begin", "end", "fed", "lag", "pending", "tell"]

MOST_WAITING = 200_000
"""Entries that are kept for an index; for one further behind, the whole record is told sooner than these."""
LOOK = 1_024
"""After so many entries it is looked whether an index is too far behind."""
LOST = -1
"""How far an index has read that was left too far behind."""


def begin(connection: sqlite3.Connection, target: str, now: str) -> bool:
    """Let an index read from here on; False if it reads already, which one that was lost does not."""
    made = connection.execute(
        "INSERT INTO feed VALUES (?, (SELECT ifnull(max(number), 0) FROM outbox), ?)"
        " ON CONFLICT (target) DO UPDATE SET number = excluded.number, fed_at = excluded.fed_at"
        " WHERE feed.number = ?",
        (target, now, LOST),
    )
    return made.rowcount == 1


def end(connection: sqlite3.Connection, target: str) -> None:
    """Forget an index, with what only it had to hear."""
    connection.execute("DELETE FROM feed WHERE target = ?", (target,))
    _prune(connection)


def tell(connection: sqlite3.Connection, action: str, item: str, owner: str, now: str) -> None:
    """Write an entry, if any index reads."""
    made = connection.execute(
        "INSERT INTO outbox (action, item, scope, written_at)"
        " SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM feed WHERE number > ?)",
        (action, item, owner, now, LOST),
    )
    if made.rowcount == 1 and made.lastrowid and made.lastrowid % LOOK == 0:
        _lose_late(connection, made.lastrowid, now)


def pending(connection: sqlite3.Connection, target: str, most: int) -> list[Change] | None:
    """What an index has not heard yet, oldest first; of several changes to an item only the last.

    None where no index of that name reads: what it has not heard, nobody knows.
    """
    read = connection.execute(
        "SELECT number FROM feed WHERE target = ? AND number > ?", (target, LOST)
    ).fetchone()  # fmt: skip
    if read is None:
        return None
    rows = connection.execute(
        "SELECT number, action, item, scope AS owner FROM outbox WHERE number > ? ORDER BY number LIMIT ?",
        (read["number"], most),
    )
    newest = {row["item"]: Change(**row) for row in rows}
    return sorted(newest.values(), key=lambda change: change.number)


def fed(connection: sqlite3.Connection, target: str, number: int, now: str) -> None:
    """Note that an index has taken in everything up to a number."""
    connection.execute(
        "UPDATE feed SET number = max(number, ?), fed_at = ? WHERE target = ? AND number > ?",
        (number, now, target, LOST),
    )
    _prune(connection)


def lag(connection: sqlite3.Connection) -> dict[str, int]:
    """How many entries each index has not heard yet; one that was lost has to be told every memory."""
    rows = connection.execute(
        "SELECT target, iif(number > ?, (SELECT count(*) FROM outbox WHERE outbox.number > feed.number),"
        " (SELECT max(count(*), 1) FROM memory)) AS behind FROM feed",
        (LOST,),
    )
    return {row["target"]: row["behind"] for row in rows}


def _lose_late(connection: sqlite3.Connection, newest: int, now: str) -> None:
    """Mark every index that is too far behind; what is named `index.…` says something of it, and goes."""
    late = connection.execute(
        "SELECT target FROM feed WHERE number > ? AND number < ?", (LOST, newest - MOST_WAITING)
    ).fetchall()
    for name in {row["target"].partition(".")[0] for row in late}:
        connection.execute("DELETE FROM feed WHERE target = ? OR target GLOB ?", (name, f"{name}.*"))
        connection.execute("INSERT INTO feed VALUES (?, ?, ?)", (name, LOST, now))
    if late:
        _prune(connection)


def _prune(connection: sqlite3.Connection) -> None:
    # The last entry stays, since an index that begins reads from the highest number there ever was.
    connection.execute(
        "DELETE FROM outbox WHERE number <= ifnull((SELECT min(number) FROM feed WHERE number > ?),"
        " (SELECT max(number) FROM outbox)) AND number < (SELECT max(number) FROM outbox)",
        (LOST,),
    )
