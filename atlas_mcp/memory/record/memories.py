"""Memories, their words, names and sources in SQLite: plain SQL, each function a step of one transaction.

Every condition on whose memory it is comes from `mine`, which a `Scope` alone decides. It does not know
ranking, vectors in memory, or the outbox's readers.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from ulid import ULID

from atlas_mcp.errors import InvalidInput
from atlas_mcp.learning import Evidence, LearningKind
from atlas_mcp.memory.documents import documents
from atlas_mcp.memory.moments import moment
from atlas_mcp.memory.record import outbox, removals
from atlas_mcp.memory.record.record import Added, Filters, Outline, Stored
from atlas_mcp.memory.snapshots import text_hash
from atlas_mcp.text.verbatim import fold
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from atlas_mcp.learning import Learning
    from atlas_mcp.memory.record.record import NewEntry
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray

__all__ = [
    "add", "close", "get", "listing", "mine", "outlines", "owner_token", "put_names", "put_vector", "remove",
    "resting_on", "rows", "stored", "touch", "used", "words_of",
]  # fmt: skip

MOST_EVIDENCE = 12
COLUMNS = (
    "number, id, scope, team, kind, text, sha256, score, evidence, origin, run_id, valid_from, valid_to,"
    " recorded_at, closed_at, superseded_by, used_at, used_before, uses"
)
OUTLINE = "number, id, text, words, sha256, score, recorded_at, valid_from, used_at, used_before"
_FIELDS = tuple("owner" if name == "scope" else name for name in COLUMNS.replace(",", " ").split())
ENDLESS = "9999"
"""Sorts behind every moment: the end of what holds for good."""
IMPORTED = "import"
"""The origin of what was taken in from an export."""


def mine(scope: Scope) -> tuple[str, list[str]]:
    """The condition that a memory may be read in a scope, and its parameters."""
    owners = scope.owners
    # The plus keeps SQLite from going through all of a scope where numbers or ids are given: measured among
    # 100,000 memories, 64 rows took 35 ms.
    where, values = f"+scope IN ({', '.join('?' * len(owners))})", list(owners)
    if scope.team is not None:
        where += " AND (team IS NULL OR team = ?)"
        values.append(scope.team)
    return where, values


def add(connection: sqlite3.Connection, entry: NewEntry, scope: Scope, now: str) -> Added:
    """Write one learning; where its words hold already, their evidence grows and the better score counts.

    Where it says when it ends, what is known ends then; a time that was over before is one of its own.
    """
    learning = entry.learning
    since = moment(learning.valid_from, "valid_from") if learning.valid_from else now
    until = moment(learning.valid_to, "valid_to") if learning.valid_to else None
    owner, team = _owner(learning, scope), _team(learning, scope)
    sha256 = text_hash(fold(learning.text).casefold())
    known = connection.execute(
        "SELECT * FROM memory WHERE scope = ? AND ifnull(team, '') = ? AND sha256 = ? AND closed_at IS NULL",
        (owner, team or "", sha256),
    ).fetchone()
    holds = bool(known) and (known["valid_to"] or ENDLESS) > now
    before = holds and until is not None and since <= until <= now and until <= known["valid_from"]
    if known and holds and not before:
        _strengthen(connection, known, learning, now)
        _begin_earlier(connection, known, learning, now)
        _end_then(connection, known, learning, now)
        return Added(known["id"], new=False, closed=_superseded(connection, entry, scope, known["id"], now))
    if until is not None and until <= now:
        ended = connection.execute(
            "SELECT id FROM memory WHERE scope = ? AND ifnull(team, '') = ? AND sha256 = ?"
            " AND valid_from = ? AND valid_to = ?",
            (owner, team or "", sha256, since, until),
        ).fetchone()
        if ended:  # what held then is told once, as when an export is taken in again
            closed = _superseded(connection, entry, scope, ended["id"], now)
            return Added(ended["id"], new=False, closed=closed)
    if known and not before:  # it ran out, and is said again
        close(connection, [known["id"]], scope, at=known["valid_to"], now=now)
    memory_id = f"m_{ULID()}"
    if until is not None and until < since:
        raise InvalidInput(
            f"A memory cannot hold from {since[:19]} to {until[:19]}.", remedy="Let valid_to come later."
        )
    values: dict[str, Any] = {
        "id": memory_id, "scope": owner, "team": team, "kind": learning.kind, "text": learning.text,
        "words": words_of(learning.text), "sha256": sha256, "score": learning.score,
        "evidence": _written(learning.evidence), "origin": learning.origin, "run_id": learning.run_id,
        "valid_from": since, "valid_to": until, "recorded_at": now,
        "closed_at": now if before else None,  # since of the same words one alone may be open
        "changed": documents.count_change(connection, f"memory {owner}"),
    }  # fmt: skip
    _insert(connection, entry, values)
    return Added(memory_id, new=True, closed=_superseded(connection, entry, scope, memory_id, now))


def _insert(connection: sqlite3.Connection, entry: NewEntry, values: dict[str, Any]) -> None:
    """Write a row, and what is made of it: its words, vector, sources and names."""
    owner = values["scope"]
    marks = ", ".join(f":{key}" for key in values)
    number = cast("int", connection.execute(
        f"INSERT INTO memory ({', '.join(values)}) VALUES ({marks})", values
    ).lastrowid)  # fmt: skip
    connection.execute(
        "INSERT INTO memory_text (rowid, words, owner) VALUES (?, ?, ?)",
        (number, values["words"], owner_token(owner)),
    )
    if entry.vector is not None and entry.model is not None:
        documents.check_model(connection, entry.model)
        documents.record_model(connection, entry.model)
        put_vector(connection, number, entry.model, entry.vector)
    _put_sources(connection, number, entry.learning.evidence)
    put_names(connection, owner, number, entry.entities)
    outbox.tell(connection, "put", values["id"], owner, values["recorded_at"])


def get(connection: sqlite3.Connection, ids: Sequence[str], scope: Scope) -> list[Stored]:
    """The memories of these ids that the scope may read, in the order asked for."""
    where, values = mine(scope)
    found = {
        row["id"]: stored(row)
        for row in connection.execute(
            f"SELECT {COLUMNS} FROM memory WHERE id IN (SELECT value FROM json_each(?)) AND {where}",
            (json.dumps(list(ids)), *values),
        )
    }
    return [found[memory_id] for memory_id in dict.fromkeys(ids) if memory_id in found]


def rows(connection: sqlite3.Connection, numbers: Iterable[int], scope: Scope) -> dict[int, Stored]:
    """Memories by number, as far as the scope may read them."""
    where, values = mine(scope)
    return {
        row["number"]: stored(row)
        for row in connection.execute(
            f"SELECT {COLUMNS} FROM memory WHERE number IN (SELECT value FROM json_each(?)) AND {where}",
            (json.dumps(list(numbers)), *values),
        )
    }


def outlines(connection: sqlite3.Connection, numbers: Iterable[int], scope: Scope) -> dict[int, Outline]:
    """What ranking needs of memories, by number, as far as the scope may read them."""
    where, values = mine(scope)
    found = connection.execute(
        f"SELECT {OUTLINE} FROM memory WHERE number IN (SELECT value FROM json_each(?)) AND {where}",
        (json.dumps(list(numbers)), *values),
    )
    return {row[0]: Outline(*row) for row in found}


def listing(
    connection: sqlite3.Connection, scope: Scope, filters: Filters, *, after: int, most: int,
    ids: Sequence[str] | None = None,
) -> list[Stored]:  # fmt: skip
    """Memories that the filters let through, in the order they were recorded."""
    where, values = mine(scope)
    if ids is not None:
        where += " AND id IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(list(ids)))
    if filters.at is not None:
        where += " AND valid_from <= ? AND ifnull(valid_to, '9999') > ?"
        values += [filters.at, filters.at]
    elif not filters.closed:
        where += " AND closed_at IS NULL"
    if filters.kinds:
        where += " AND kind IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(sorted(filters.kinds)))
    for bound, sign in ((filters.since, ">="), (filters.until, "<")):
        if bound is not None:
            where += f" AND recorded_at {sign} ?"
            values.append(bound)
    if filters.source is not None:
        where += " AND number IN (SELECT number FROM source WHERE uri = ?)"
        values.append(filters.source)
    found = connection.execute(
        f"SELECT {COLUMNS} FROM memory WHERE {where} AND number > ? ORDER BY number LIMIT ?",
        (*values, after, most),
    )
    return [stored(row) for row in found]


def close(
    connection: sqlite3.Connection, ids: Sequence[str], scope: Scope, *, at: str, now: str,
    by: str | None = None,
) -> list[str]:  # fmt: skip
    """End the validity of memories as of `at`, or of when they began if that is later; gives those open."""
    where, values = mine(scope)
    found = connection.execute(
        "SELECT number, id, scope FROM memory WHERE closed_at IS NULL"
        f" AND id IN (SELECT value FROM json_each(?)) AND {where}",
        (json.dumps(list(ids)), *values),
    ).fetchall()
    for row in found:
        connection.execute(
            "UPDATE memory SET closed_at = ?, superseded_by = ?,"
            " valid_to = max(valid_from, min(ifnull(valid_to, '9999'), ?)) WHERE number = ?",
            (now, by, at, row["number"]),
        )
        touch(connection, row["number"], row["id"], row["scope"], now)
    return [row["id"] for row in found]


def remove(connection: sqlite3.Connection, ids: Sequence[str], scope: Scope, now: str) -> list[Stored]:
    """Delete memories with all that was made of them; gives what was deleted."""
    gone = get(connection, ids, scope)
    for each in gone:
        row = connection.execute("SELECT words FROM memory WHERE number = ?", (each.number,)).fetchone()
        connection.execute(
            "INSERT INTO memory_text (memory_text, rowid, words, owner) VALUES ('delete', ?, ?, ?)",
            (each.number, row["words"], owner_token(each.owner)),
        )
        connection.execute("DELETE FROM memory WHERE number = ?", (each.number,))
        _drop_names(connection, each.number)
        outbox.tell(connection, "remove", each.id, each.owner, now)
    for owner in {each.owner for each in gone}:
        removals.note(connection, owner, [each.number for each in gone if each.owner == owner])
    return gone


def resting_on(connection: sqlite3.Connection, uris: Collection[str], scope: Scope) -> list[str]:
    """Ids of the memories whose evidence stands in any of these sources."""
    where, values = mine(scope)
    found = connection.execute(
        "SELECT id FROM memory WHERE number IN"
        " (SELECT number FROM source WHERE uri IN (SELECT value FROM json_each(?)))"
        f" AND {where} ORDER BY number",
        (json.dumps(list(uris)), *values),
    )
    return [row["id"] for row in found]


def used(connection: sqlite3.Connection, ids: Sequence[str], scope: Scope, at: str) -> None:
    """Note that memories were given to somebody."""
    where, values = mine(scope)
    connection.execute(
        "UPDATE memory SET used_at = max(ifnull(used_at, ''), ?), uses = uses + 1,"
        " used_before = iif(substr(used_at, 1, 10) < substr(?, 1, 10), used_at, used_before)"
        f" WHERE id IN (SELECT value FROM json_each(?)) AND {where}",
        (at, at, json.dumps(list(ids)), *values),
    )


def stored(row: sqlite3.Row) -> Stored:
    """A row that begins with `COLUMNS` as the noun it is."""
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=False))
    values["kind"] = LearningKind(values["kind"])
    values["evidence"] = tuple(Evidence(**each) for each in json.loads(values["evidence"]))
    return Stored(**values)


def words_of(text: str) -> str:
    """The stems of a text, as they are indexed."""
    return " ".join(stems(text))


def owner_token(owner: str) -> str:
    """An owner as one word of the text index, which no text holds."""
    return f"_{hashlib.sha256(owner.encode()).hexdigest()[:16]}_"


def put_vector(connection: sqlite3.Connection, number: int, model: str, vector: FloatArray) -> None:
    """Write the vector of a memory, in place of the one it had."""
    connection.execute(
        "INSERT OR REPLACE INTO memory_vector VALUES (?, ?, ?)",
        (number, model, vector.astype("<f4").tobytes()),
    )


def put_names(connection: sqlite3.Connection, owner: str, number: int, entities: Iterable[Entity]) -> None:
    """Link a memory to the names that it holds."""
    for entity in entities:
        node = connection.execute(
            "INSERT INTO node (scope, label, key, name) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (scope, key, label) DO UPDATE SET name = name RETURNING id",
            (owner, entity.label, entity.key, entity.name),
        ).fetchone()["id"]
        connection.execute(
            "INSERT OR IGNORE INTO mention (node_id, item_kind, item_id) VALUES (?, 'memory', ?)",
            (node, number),
        )


def touch(connection: sqlite3.Connection, number: int, memory_id: str, owner: str, now: str) -> None:
    """Let every cache and index hear of a change to a memory."""
    change = documents.count_change(connection, f"memory {owner}")
    connection.execute("UPDATE memory SET changed = ? WHERE number = ?", (change, number))
    outbox.tell(connection, "put", memory_id, owner, now)


def _superseded(
    connection: sqlite3.Connection, entry: NewEntry, scope: Scope, memory_id: str, now: str
) -> tuple[str, ...]:
    others = [each for each in entry.closes if each != memory_id]
    if not others:
        return ()
    since = entry.learning.valid_from
    at = moment(since, "valid_from") if since else now
    return tuple(close(connection, others, scope, at=at, now=now, by=memory_id))


def _strengthen(connection: sqlite3.Connection, known: sqlite3.Row, learning: Learning, now: str) -> None:
    """Add the evidence of what was learned again."""
    evidence = tuple(Evidence(**each) for each in json.loads(known["evidence"]))
    whole = tuple(dict.fromkeys((*evidence, *learning.evidence)))[:MOST_EVIDENCE]
    score = max(known["score"], learning.score)
    if whole == evidence and score == known["score"]:
        return
    connection.execute(
        "UPDATE memory SET evidence = ?, score = ? WHERE number = ?",
        (_written(whole), score, known["number"]),
    )
    _put_sources(connection, known["number"], whole)
    touch(connection, known["number"], known["id"], known["scope"], now)


def _begin_earlier(connection: sqlite3.Connection, known: sqlite3.Row, learning: Learning, now: str) -> None:
    """Let what was to hold from later on hold from when it is said to hold now, if that is earlier."""
    since = moment(learning.valid_from, "valid_from") if learning.valid_from else now
    if max(since, now) < known["valid_from"]:
        connection.execute("UPDATE memory SET valid_from = ? WHERE number = ?", (since, known["number"]))
        touch(connection, known["number"], known["id"], known["scope"], now)


def _end_then(connection: sqlite3.Connection, known: sqlite3.Row, learning: Learning, now: str) -> None:
    """Let what is known end when it is said to end now; what is taken in from elsewhere ends nothing here."""
    until = moment(learning.valid_to, "valid_to") if learning.valid_to else None
    if until is None or until == known["valid_to"] or learning.origin == IMPORTED:
        return
    ended = connection.execute(
        "UPDATE memory SET valid_to = ? WHERE number = ? AND valid_from <= ?", (until, known["number"], until)
    )
    if not ended.rowcount:
        raise InvalidInput(
            f"{known['id']} says so already and holds from {known['valid_from'][:19]} on: it cannot have"
            f" ended by {until[:19]}.",
            remedy="Let valid_to come later, or give the valid_from of an earlier time in which it held.",
        )
    touch(connection, known["number"], known["id"], known["scope"], now)


def _owner(learning: Learning, scope: Scope) -> str:
    if not learning.shared:
        return scope.own
    if scope.shared is None:
        raise InvalidInput(
            "A memory cannot be shared without a project.",
            remedy="Set `project` in the [memory] table of atlas.toml, or keep it for yourself.",
        )
    return scope.shared


def _team(learning: Learning, scope: Scope) -> str | None:
    if learning.team is not None and scope.team not in (None, learning.team):
        raise InvalidInput(
            f"The team {scope.team} cannot remember for the team {learning.team}.",
            remedy="Leave the memory's team out, or name the own one.",
        )
    return learning.team


def _written(evidence: Sequence[Evidence]) -> str:
    return json.dumps([each.to_dict() for each in evidence], ensure_ascii=False)


def _put_sources(connection: sqlite3.Connection, number: int, evidence: Iterable[Evidence]) -> None:
    uris = {each.source for each in evidence if each.source}
    connection.executemany(
        "INSERT OR IGNORE INTO source (number, uri) VALUES (?, ?)", [(number, uri) for uri in sorted(uris)]
    )


def _drop_names(connection: sqlite3.Connection, number: int) -> None:
    """Unlink a memory from its names; names that nothing holds any more go."""
    gone = connection.execute(
        "DELETE FROM mention WHERE item_kind = 'memory' AND item_id = ? RETURNING node_id", (number,)
    ).fetchall()
    connection.execute(
        "DELETE FROM node WHERE id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM mention WHERE node_id = node.id)",
        (json.dumps([row["node_id"] for row in gone]),),
    )
