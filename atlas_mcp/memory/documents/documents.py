"""Documents, passages and vectors in the record: plain SQL, each function a step of one transaction.

Everything belongs to a scope (a user, a project), and nothing here crosses it. This module does not know
files, embedding models or ranking.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.errors import IncompatibleStore

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from atlas_mcp.text.passages import Span

__all__ = [
    "KnownDocument",
    "NewDocument",
    "change_number",
    "check_model",
    "contents",
    "count_change",
    "documents",
    "is_kept",
    "keep_snapshot",
    "model_of",
    "passages_without_vector",
    "put_document",
    "put_vectors",
    "record_model",
    "remove_documents",
    "versions",
]


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it was just read; `content` tells whether it changed, `sha256` names its snapshot."""

    uri: str
    content: str
    sha256: str
    title: str
    media_type: str
    text: str
    retrieved_at: str
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document in the record, with the number of its passages; `characters` is its snapshot's length."""

    id: int
    uri: str
    sha256: str
    title: str
    media_type: str
    characters: int
    passages: int
    modified: str | None
    retrieved_at: str


def contents(connection: sqlite3.Connection, scope: str) -> dict[str, tuple[int, str]]:
    """The id and `content` of every document of a scope, by uri."""
    rows = connection.execute("SELECT uri, id, content FROM document WHERE scope = ?", (scope,))
    return {row["uri"]: (row["id"], row["content"]) for row in rows}


def documents(connection: sqlite3.Connection, scope: str) -> list[KnownDocument]:
    """Every document of a scope, by uri."""
    rows = connection.execute(
        "SELECT id, uri, sha256, title, media_type, characters, modified, retrieved_at,"
        " (SELECT count(*) FROM passage WHERE document_id = document.id) AS passages"
        " FROM document WHERE scope = ? ORDER BY uri",
        (scope,),
    )
    return [KnownDocument(**row) for row in rows]


def put_document(connection: sqlite3.Connection, scope: str, new: NewDocument, spans: Sequence[Span]) -> int:
    """Write a document with its passages, give its id; vectors of unchanged passages stay."""
    known = (scope, new.uri)
    old = connection.execute("SELECT id, content FROM document WHERE scope = ? AND uri = ?", known).fetchone()
    if old and old["content"] == new.content:
        return old["id"]  # another process was faster
    vectors = _vectors_by_text(connection, old["id"]) if old else {}
    if old:
        _remove_passages(connection, old["id"])
    document_id = connection.execute(
        "INSERT INTO document"
        " (scope, uri, content, sha256, title, media_type, characters, modified, retrieved_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (scope, uri) DO UPDATE SET content = excluded.content, sha256 = excluded.sha256,"
        " title = excluded.title, media_type = excluded.media_type, characters = excluded.characters,"
        " modified = excluded.modified, retrieved_at = excluded.retrieved_at RETURNING id",
        (
            *known,
            new.content,
            new.sha256,
            new.title,
            new.media_type,
            len(new.text),
            new.modified,
            new.retrieved_at,
        ),
    ).fetchone()["id"]
    keep_snapshot(connection, scope, new.sha256, new.uri)
    for position, span in enumerate(spans):
        text = new.text[span.start : span.end]
        values = (
            document_id,
            position,
            span.start,
            span.end,
            span.page,
            span.heading,
            text,
            span.at,
            span.by,
        )
        row = connection.execute(
            'INSERT INTO passage (document_id, position, start, "end", page, heading, text, at, by)'
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        if kept := vectors.get((new.title, span.heading, text)):
            connection.execute("INSERT INTO vector VALUES (?, ?, ?)", (row.lastrowid, *kept))
    connection.executemany(
        "INSERT INTO passage_text (rowid, text, heading) VALUES (?, ?, ?)",
        list(_indexed(connection, document_id)),
    )
    count_change(connection, scope)
    return document_id


def keep_snapshot(connection: sqlite3.Connection, scope: str, sha256: str, uri: str) -> None:
    """Note that a scope has read a snapshot, or computed it, under a uri."""
    connection.execute("INSERT OR IGNORE INTO snapshot VALUES (?, ?, ?)", (sha256, scope, uri))


def remove_documents(connection: sqlite3.Connection, scope: str, ids: Iterable[int]) -> None:
    """Remove documents of a scope with all that was made of them; their snapshots stay."""
    for document_id in ids:
        if connection.execute(
            "SELECT 1 FROM document WHERE id = ? AND scope = ?", (document_id, scope)
        ).fetchone():
            _remove_passages(connection, document_id)
            connection.execute("DELETE FROM document WHERE id = ?", (document_id,))
    count_change(connection, scope)


def versions(connection: sqlite3.Connection, scope: str, uri: str) -> list[str]:
    """Strike the versions of a document from the list of snapshots; give those that no one else has read."""
    rows = connection.execute(
        "DELETE FROM snapshot WHERE scope = ? AND uri = ? RETURNING sha256", (scope, uri)
    ).fetchall()
    return [row["sha256"] for row in rows if not is_kept(connection, row["sha256"])]


def is_kept(connection: sqlite3.Connection, sha256: str, scope: str | None = None) -> bool:
    """Whether a snapshot was read by anyone, or by `scope`."""
    return (
        connection.execute(
            "SELECT 1 FROM snapshot WHERE sha256 = ? AND (? IS NULL OR scope = ?)", (sha256, scope, scope)
        ).fetchone()
        is not None
    )


def change_number(connection: sqlite3.Connection, scope: str) -> int:
    """A number that grows with every change to a scope, by whatever process."""
    row = connection.execute("SELECT number FROM change WHERE scope = ?", (scope,)).fetchone()
    return row["number"] if row else 0


def model_of(connection: sqlite3.Connection) -> str | None:
    """The embedding model of the stored vectors."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'embedding'").fetchone()
    return row["value"] if row else None


def check_model(connection: sqlite3.Connection, model: str) -> None:
    """Make sure that `model` is the recorded embedding model, if there is one.

    :raises IncompatibleStore: the stored vectors were made by another model.
    """
    known = model_of(connection)
    if known is not None and known != model:
        raise IncompatibleStore(
            f"The stored vectors were made by {known}, the embedding model in use is {model}.",
            remedy="Run `atlas-mcp setup embeddings` to embed everything anew (it may be interrupted and goes"
            f" on), or go back to {known}.",
        )


def record_model(connection: sqlite3.Connection, model: str) -> None:
    """Record the embedding model that makes the vectors from now on; others do not count any more."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('embedding', ?)", (model,))


def passages_without_vector(
    connection: sqlite3.Connection, model: str, documents: Sequence[int] | None = None
) -> list[tuple[int, str]]:
    """Passages, of some documents or of all, that have no vector of `model`: id and what to embed.

    A message is embedded alone: a day and a thread's name would make all messages of it alike.
    """
    rows = connection.execute(
        "SELECT passage.id, iif(by IS NULL, title, '') AS title, iif(by IS NULL, heading, '') AS heading,"
        " passage.text"
        " FROM passage JOIN document ON document.id = document_id"
        " LEFT JOIN vector ON passage_id = passage.id AND model = ?"
        " WHERE passage_id IS NULL AND (? IS NULL OR document_id IN (SELECT value FROM json_each(?)))"
        " ORDER BY passage.id",
        (model, *[None if documents is None else json.dumps(list(documents))] * 2),
    )
    return [(row["id"], "\n".join(filter(None, (row["title"], row["heading"], row["text"])))) for row in rows]


def put_vectors(connection: sqlite3.Connection, model: str, vectors: Iterable[tuple[int, bytes]]) -> None:
    """Write vectors by passage id; those whose passage went away meanwhile are dropped.

    :raises IncompatibleStore: another process has moved on to another model.
    """
    check_model(connection, model)
    record_model(connection, model)
    written = [(model, data, passage_id) for passage_id, data in vectors]
    connection.executemany(
        "INSERT OR REPLACE INTO vector (model, data, passage_id) SELECT ?, ?, id FROM passage WHERE id = ?",
        written,
    )
    scopes = connection.execute(
        "SELECT DISTINCT scope FROM document JOIN passage ON document_id = document.id"
        " WHERE passage.id IN (SELECT value FROM json_each(?))",
        (json.dumps([passage_id for _, _, passage_id in written]),),
    ).fetchall()
    for row in scopes:
        count_change(connection, row["scope"])


def count_change(connection: sqlite3.Connection, scope: str) -> int:
    """Note that a scope is about to change; gives the number of the change."""
    return connection.execute(
        "INSERT INTO change VALUES (?, 1) ON CONFLICT (scope) DO UPDATE SET number = number + 1"
        " RETURNING number",
        (scope,),
    ).fetchone()["number"]


def _vectors_by_text(
    connection: sqlite3.Connection, document_id: int
) -> dict[tuple[str, str | None, str], tuple[str, bytes]]:
    rows = connection.execute(
        "SELECT title, heading, passage.text, model, data"
        " FROM passage JOIN document ON document.id = document_id"
        " JOIN vector ON passage_id = passage.id WHERE document_id = ?",
        (document_id,),
    )
    return {(row["title"], row["heading"], row["text"]): (row["model"], row["data"]) for row in rows}


def _remove_passages(connection: sqlite3.Connection, document_id: int) -> None:
    """Remove a document's passages; the index without contents is told the words it must unlearn."""
    connection.executemany(
        "INSERT INTO passage_text (passage_text, rowid, text, heading) VALUES ('delete', ?, ?, ?)",
        list(_indexed(connection, document_id)),
    )
    connection.execute("DELETE FROM passage WHERE document_id = ?", (document_id,))


def _indexed(connection: sqlite3.Connection, document_id: int) -> Iterator[tuple[int, str, str]]:
    """What is indexed of each passage: id, text, title with heading."""
    rows = connection.execute(
        "SELECT passage.id, title, heading, passage.text"
        " FROM passage JOIN document ON document.id = document_id WHERE document_id = ?",
        (document_id,),
    )
    for row in rows.fetchall():
        yield row["id"], row["text"], f"{row['title']} {row['heading'] or ''}"
