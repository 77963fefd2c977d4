"""What is kept of downstream servers: their tools as first seen, what calls took and said, paths promised.

A tool is pinned by a hash of everything that is shown of it. One that is new or other than it was is off
until a person approves it; models see the pinned text and no other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.said import Offer, Said
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from atlas_mcp.database import Database

__all__ = ["MIGRATIONS", "Call", "Pin", "Standing", "Store", "Tally"]

MIGRATIONS = (
    """
CREATE TABLE tool (
    server TEXT NOT NULL,
    identity TEXT NOT NULL,
    name TEXT NOT NULL,
    offer TEXT NOT NULL,
    hash TEXT NOT NULL,
    standing TEXT NOT NULL,
    reason TEXT NOT NULL,
    pending TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (server, identity, name)
) WITHOUT ROWID;
CREATE TABLE call (
    at TEXT NOT NULL,
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    agent TEXT NOT NULL,
    run_id TEXT NOT NULL,
    seconds REAL NOT NULL,
    failure TEXT NOT NULL,
    characters INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    cost_usd REAL
);
CREATE INDEX call_at ON call (at);
CREATE TABLE answer (
    key TEXT PRIMARY KEY,
    until TEXT NOT NULL,
    said TEXT NOT NULL
) WITHOUT ROWID;
""",
    """
CREATE TABLE start_failed (
    server TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    why TEXT NOT NULL
) WITHOUT ROWID;
""",
    """
CREATE TABLE promised (
    path TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    at TEXT NOT NULL,
    made INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
""",
)

KEEP_DAYS = 90
PROMISED_DAYS = 30
"""How long a path is kept for a file that is not made, after its owner was last heard of."""
MOST_CACHED = 1_000_000
"""Characters of an answer that is kept."""


class Standing(StrEnum):
    """Whether a tool may be used."""

    ON = "on"
    CHANGED = "changed"
    NEW = "new"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Pin:
    """A tool as it was pinned; `pending` is what it is now where that is something else."""

    server: str
    offer: Offer
    standing: Standing
    reason: str
    seen_at: str
    pending: Offer | None = None

    @property
    def latest(self) -> Offer:
        """What the tool is now, and would be once it is let in."""
        return self.pending or self.offer


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: how long it took, what it gave, and the code of its `failure`, if it failed."""

    server: str
    tool: str
    agent: str
    run_id: str
    seconds: float
    failure: str = ""
    characters: int = 0
    cached: bool = False
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls of one kind, added up over 90 days; `cost_usd` is None where no call's cost is known."""

    name: str
    calls: int
    failed: int
    cached: int
    seconds: float
    slowest: float
    characters: int
    cost_usd: float | None


class Store:
    """The tables of one data folder."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pins(self, server: str, identity: str) -> list[Pin]:
        """The tools of a server as they are pinned, by name; none if it was never listed as it is now."""

        def read(connection: sqlite3.Connection) -> list[Pin]:
            rows = connection.execute(
                "SELECT * FROM tool WHERE server = ? AND identity = ? ORDER BY name", (server, identity)
            )
            return [_pin(row) for row in rows]

        return await self._database.read(read)

    async def pin(
        self, server: str, identity: str, offers: Sequence[Offer], suspect: Callable[[Offer], str]
    ) -> list[Pin]:
        """Pin what a server offers, the first time; later see what changed. Gives those that changed now.

        `suspect` says why a description is not to be trusted, if it is not.
        """

        def write(connection: sqlite3.Connection) -> list[Pin]:
            query = "SELECT * FROM tool WHERE server = ? AND identity = ?"
            known = {row["name"]: row for row in connection.execute(query, (server, identity))}
            changed: list[Pin] = []
            for offer in offers:
                row = known.get(offer.name)
                if row is None:
                    made = _first(server, offer, suspect(offer), again=bool(known))
                    _insert(connection, identity, made)
                elif row["hash"] == offer.hash:
                    # What went back to what was approved is on again.
                    if row["standing"] == Standing.CHANGED:
                        back = Pin(server, offer, Standing.ON, "", row["seen_at"])
                        _update(connection, identity, back)
                    continue
                elif row["pending"] == offer.to_json():
                    continue
                else:
                    made = _changed(_pin(row), offer, suspect(offer))
                    _update(connection, identity, made)
                if made.standing is not Standing.ON:
                    changed.append(made)
            return changed

        return await self._database.write(write)

    async def approve(self, server: str, identity: str, seen: Mapping[str, str]) -> list[str]:
        """Let tools be used as a person saw them; gives those that were not on before.

        `seen` names each with the hash of the offer that was shown: what became of it since is not let in,
        nor is any other then.

        Raises:
            InvalidInput: one of them is not any more what was seen.
        """

        def write(connection: sqlite3.Connection) -> list[str]:
            query = "SELECT * FROM tool WHERE server = ? AND identity = ? ORDER BY name"
            now = {row["name"]: _pin(row) for row in connection.execute(query, (server, identity))}
            for name, shown in seen.items():
                if name not in now or now[name].latest.hash != shown:
                    raise InvalidInput(
                        f"{server}/{name[:80]} changed meanwhile; nothing was let in.",
                        remedy=f"Look again: atlas-mcp servers approve {server}",
                    )
            found = [pin for name, pin in now.items() if name in seen]
            waiting = [pin.latest for pin in found if pin.standing is not Standing.ON]
            for offer in waiting:
                connection.execute(
                    "UPDATE tool SET offer = ?, hash = ?, standing = 'on', reason = '', pending = ''"
                    " WHERE server = ? AND identity = ? AND name = ?",
                    (offer.to_json(), offer.hash, server, identity, offer.name),
                )
            return [offer.name for offer in waiting]

        return await self._database.write(write)

    async def note_start(self, server: str, failure: str = "") -> None:
        """Remember that a server could not be started, and why, until it can."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM start_failed WHERE server = ?", (server,))
            if failure:
                connection.execute("INSERT INTO start_failed VALUES (?, ?, ?)", (server, _now(), failure))

        await self._database.write(write)

    async def start_failures(self) -> dict[str, tuple[str, str]]:
        """When, as ISO 8601, and why each server could not be started the last time, if it could not."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT server, at, why FROM start_failed").fetchall()
        )
        return {row["server"]: (row["at"], row["why"]) for row in rows}

    async def record(self, call: Call) -> None:
        """Keep what a call took."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    _now(), call.server, call.tool, call.agent, call.run_id, call.seconds, call.failure,
                    call.characters, call.cached, call.cost_usd,
                ),
            )  # fmt: skip

        await self._database.write(write)

    async def tallies(self, by: str, server: str = "") -> list[Tally]:
        """Calls added up `by` server, tool or agent, most called first."""
        column = {"server": "server", "tool": "server || '/' || tool", "agent": "agent"}[by]

        def read(connection: sqlite3.Connection) -> list[Tally]:
            rows = connection.execute(
                f"SELECT {column} AS name, count(*) AS calls, sum(failure != '') AS failed,"  # noqa: S608 - one of three
                " sum(cached) AS cached, total(seconds) AS seconds, max(seconds) AS slowest,"
                " sum(characters) AS characters, sum(cost_usd) AS cost FROM call"
                " WHERE ? IN ('', server) GROUP BY 1 ORDER BY calls DESC, name",
                (server,),
            )
            return [Tally(*row) for row in rows]

        return await self._database.read(read)

    async def cached(self, key: str) -> Said | None:
        """What was said under a key and is still good."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT said FROM answer WHERE key = ? AND until > ?", (key, _now())
            ).fetchone()
        )
        return None if row is None else Said(**json.loads(row["said"]))

    async def cache(self, key: str, said: Said, seconds: float) -> None:
        """Keep what was said for so long; what is very long is not kept."""
        if said.size > MOST_CACHED:
            return
        text = json.dumps({"text": said.text, "structured": said.structured, "error": said.error})
        if len(text) > MOST_CACHED:
            return
        until = _stamp(datetime.now(UTC) + timedelta(seconds=seconds))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", (key, until, text))

        await self._database.write(write)

    async def promise(self, path: str, owner: str) -> bool:
        """Keep a path, at which there is nothing yet, for its first `owner`; False where there is another.

        It is known in small letters: some disks do not tell large ones apart.
        """
        key = path.casefold()

        def write(connection: sqlite3.Connection) -> bool:
            row = connection.execute("SELECT owner, made FROM promised WHERE path = ?", (key,)).fetchone()
            if row is not None and row["owner"] != owner and not row["made"]:
                return False
            # Looked for within the transaction: whoever had the path tells that it is made when it is there.
            if Path(path).exists():
                return False
            given = (key, owner, _now())
            connection.execute("INSERT OR REPLACE INTO promised (path, owner, at) VALUES (?, ?, ?)", given)
            return True

        return await self._database.write(write)

    async def renew_promise(self, path: str, owner: str) -> bool:
        """Keep a path on for its owner; False where it is not theirs any more."""
        change = "UPDATE promised SET at = ? WHERE path = ? AND owner = ?"
        given = (_now(), path.casefold(), owner)
        return await self._database.write(lambda connection: connection.execute(change, given).rowcount > 0)

    async def end_promise(self, path: str, owner: str, *, made: bool) -> None:
        """Let others have a path once nothing is there: its file was `made`, or will not be."""
        change = "UPDATE promised SET made = 1" if made else "DELETE FROM promised"
        given = (path.casefold(), owner)
        await self._database.write(
            lambda connection: connection.execute(f"{change} WHERE path = ? AND owner = ?", given)
        )

    async def end_promises(self, owners: Sequence[str]) -> None:
        """Let others have the paths of owners who make no file any more."""
        drop, rows = "DELETE FROM promised WHERE owner = ? AND NOT made", [(each,) for each in owners]
        await self._database.write(lambda connection: connection.executemany(drop, rows))

    async def prune(self) -> None:
        """Forget answers that are no longer good, and calls and promises of long ago."""
        long_ago = _stamp(datetime.now(UTC) - timedelta(days=KEEP_DAYS))
        old = _stamp(datetime.now(UTC) - timedelta(days=PROMISED_DAYS))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM answer WHERE until <= ?", (_now(),))
            connection.execute("DELETE FROM call WHERE at < ?", (long_ago,))
            connection.execute("DELETE FROM promised WHERE at < ?", (old,))

        await self._database.write(write)


def _first(server: str, offer: Offer, why: str, *, again: bool) -> Pin:
    """A tool that was not known: pinned and on, unless its server was known without it, or it is suspect."""
    if why:
        return Pin(server, offer, Standing.SUSPECT, why, _now())
    if again:
        return Pin(server, offer, Standing.NEW, "the server did not offer it before", _now())
    return Pin(server, offer, Standing.ON, "", _now())


def _changed(pin: Pin, offer: Offer, why: str) -> Pin:
    """A tool that is not what was pinned any more, and what is suspect in what it says now."""
    was, parts = pin.offer, list[str]()
    for name, before, after in (
        ("description", was.description, offer.description), ("title", was.title, offer.title),
        ("parameters", was.parameters, offer.parameters), ("read-only hint", was.reads, offer.reads),
    ):  # fmt: skip
        if before != after:
            parts.append(name)
    standing = pin.standing if pin.standing in (Standing.NEW, Standing.SUSPECT) else Standing.CHANGED
    reason = f"its {' and '.join(parts)} changed{f'; {why}' if why else ''}"
    return Pin(pin.server, was, standing, reason, pin.seen_at, offer)


def _insert(connection: sqlite3.Connection, identity: str, pin: Pin) -> None:
    offer = pin.offer
    connection.execute(
        "INSERT INTO tool VALUES (?, ?, ?, ?, ?, ?, ?, '', ?)",
        (
            pin.server, identity, offer.name, offer.to_json(), offer.hash, pin.standing, pin.reason,
            pin.seen_at,
        ),
    )  # fmt: skip


def _update(connection: sqlite3.Connection, identity: str, pin: Pin) -> None:
    pending = pin.pending.to_json() if pin.pending else ""
    connection.execute(
        "UPDATE tool SET standing = ?, reason = ?, pending = ?"
        " WHERE server = ? AND identity = ? AND name = ?",
        (pin.standing, pin.reason, pending, pin.server, identity, pin.offer.name),
    )


def _pin(row: sqlite3.Row) -> Pin:
    pending = Offer.from_json(row["pending"]) if row["pending"] else None
    return Pin(
        row["server"], Offer.from_json(row["offer"]), Standing(row["standing"]), row["reason"],
        row["seen_at"], pending,
    )  # fmt: skip


def _now() -> str:
    return _stamp(datetime.now(UTC))


def _stamp(moment: Any) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
