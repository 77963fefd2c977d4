"""What only a run that goes on needs: how far it came, and what was said to it. It goes with the run's end.

What memory and documents said to a run may be forgotten elsewhere, and is not to be kept here for nothing:
where runs are told to a tracking server it stays until that has it, else it goes at once, unless a person
wished that it stays for a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["clear_checkpoints", "let_go", "talkative", "unsay"]


def let_go(connection: sqlite3.Connection, run_id: str, *, but_said: bool = False) -> None:
    """Forget what a run needs no more; within the transaction that ends it, so that nobody dies in between.

    `but_said` leaves what was said to it, for whoever is still to be told of it.
    """
    if not but_said:
        unsay(connection, run_id)
    for table in _theirs(connection):
        forget = f"DELETE FROM {table} WHERE thread_id = ?"  # noqa: S608 - the checkpointer's tables
        connection.execute(forget, (run_id,))


def unsay(connection: sqlite3.Connection, run_id: str) -> None:
    """Forget what was said to an ended run: prompts, what tools gave, what was recalled.

    What models answered stays: a parent that goes on counts what it took.
    """
    connection.execute("DELETE FROM ledger WHERE run_id = ? AND kind <> 'model'", (run_id,))
    connection.execute(
        "UPDATE ledger SET asked = json_remove(asked, '$.went_in') WHERE run_id = ? AND asked IS NOT NULL",
        (run_id,),
    )


def talkative(connection: sqlite3.Connection, before: str = "9999") -> list[str]:
    """Runs that ended before a time (ISO 8601 UTC) and of which what was said to them is still kept."""
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM ledger JOIN run USING (run_id)"
        " WHERE (ledger.kind <> 'model' OR ledger.asked LIKE '{\"went_in\"%')"
        " AND run.state IN ('done', 'failed', 'cancelled') AND run.updated_at < ?",
        (before,),
    )
    return [row["run_id"] for row in rows]


def clear_checkpoints(connection: sqlite3.Connection) -> None:
    """Forget how far any run came that has ended: what was being written when it ended came too late."""
    for table in _theirs(connection):
        connection.execute(
            f"DELETE FROM {table} WHERE thread_id NOT IN"  # noqa: S608 - the checkpointer's tables
            " (SELECT run_id FROM run WHERE state NOT IN ('done', 'failed', 'cancelled'))"
        )


def _theirs(connection: sqlite3.Connection) -> list[str]:
    """The tables of LangGraph's checkpointer, which makes them with the first run."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('checkpoints', 'writes')"
    )
    return [row["name"] for row in rows]
