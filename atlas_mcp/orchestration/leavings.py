"""What only a run that goes on needs: how far it came, and what was said to it. It goes with the run's end.

What memory and documents said to a run may be forgotten elsewhere, and is not to be kept here for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["clear_checkpoints", "let_go"]


def let_go(connection: sqlite3.Connection, run_id: str) -> None:
    """Forget what a run needs no more; within the transaction that ends it, so that nobody dies in between.

    What models answered stays: a parent that goes on counts what it took.
    """
    connection.execute("DELETE FROM ledger WHERE run_id = ? AND kind <> 'model'", (run_id,))
    for table in _theirs(connection):
        forget = f"DELETE FROM {table} WHERE thread_id = ?"  # noqa: S608 - the checkpointer's tables
        connection.execute(forget, (run_id,))


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
