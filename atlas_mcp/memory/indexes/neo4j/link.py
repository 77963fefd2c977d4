"""The way to a Neo4j server: one driver, short waits, few retries, and its failures in our words.

It does not know what is kept there. A statement that is sent twice must do what it does once, since a
connection may break after the server did it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from atlas_mcp.errors import IndexUnavailable, InvalidConfiguration, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from neo4j import AsyncDriver
    from neo4j.exceptions import DriverError, Neo4jError

__all__ = ["Address", "Ask", "Neo4jLink", "Rows"]

SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
OLDEST = 5
COMPATIBLE = ("ArcadeDB",)
"""Servers of other makers on which all of this was tried."""

OTHERWISE = f"Let [memory] neo4j name a Neo4j {OLDEST} or newer, or empty it."

CONNECT_SECONDS = 3.0
MOST_SECONDS = 60.0
"""How long what nobody waits for may take."""
REST_SECONDS = 5.0
"""How long a server that failed is not asked again, so that nobody waits for it at every question."""
CONFLICTS = 3
"""How often a transaction is tried again that another one was in the way of."""
PAUSE = 0.1

T = TypeVar("T")
Rows: TypeAlias = list[dict[str, Any]]
"""What a statement gives: rows of values by column."""


class Ask(Protocol):
    """Runs one statement, with its parameters, within a transaction."""

    async def __call__(self, text: str, **given: Any) -> Rows:
        """The rows that it gives."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and as whom to enter; an empty database is the server's own choice.

    Raises:
        InvalidConfiguration: it is no address of a Bolt server.
    """

    url: str
    database: str = ""
    username: str = ""
    password: SecretStr = field(default=SecretStr(""))

    def __post_init__(self) -> None:
        remedy = 'Write neo4j = "bolt://127.0.0.1:7687" in the table [memory] of atlas.toml.'
        try:
            parts = urlsplit(self.url)
            told = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise InvalidConfiguration("[memory] neo4j is no address.", remedy=remedy) from None
        if parts.username or parts.password:
            raise InvalidConfiguration(
                "[memory] neo4j holds a user or password.",
                remedy="Set NEO4J_USERNAME and NEO4J_PASSWORD instead.",
            )
        if not told or parts.query or parts.path.strip("/"):
            raise InvalidConfiguration(
                f"[memory] neo4j = {self.url[:80]!r} is no address of a Bolt server.", remedy=remedy
            )


class Neo4jLink:
    """A server at an address, greeted at the first question; `rest` is in seconds.

    Raises:
        MissingExtra: the driver is not installed.
    """

    def __init__(self, address: Address, *, rest: float = REST_SECONDS) -> None:
        self.address = address
        self.product = ""
        self._rest = rest
        self._driver = _driver(address)
        self._greeted = False
        self._resting: tuple[float, IndexUnavailable] | None = None

    async def read(self, text: str, *, seconds: float = MOST_SECONDS, **given: Any) -> Rows:
        """The rows that a statement gives within a time.

        :raises IndexUnavailable: the server cannot be reached, refuses, fails, or is not what it should be.
        """
        return await self._tried(lambda ask: ask(text, **given), seconds, write=False)

    async def write(self, work: Callable[[Ask], Awaitable[T]]) -> T:
        """Do in one transaction what `work` asks for; where it is done again, what was done before is undone.

        :raises IndexUnavailable: as `read`, or nothing may be written there.
        """
        return await self._tried(work, MOST_SECONDS, write=True)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._driver.close()

    async def _tried(self, work: Callable[[Ask], Awaitable[T]], seconds: float, *, write: bool) -> T:
        from neo4j.exceptions import DriverError, Neo4jError

        loop = asyncio.get_running_loop()
        if self._resting is not None and loop.time() < self._resting[0]:
            raise IndexUnavailable(self._resting[1].message, remedy=self._resting[1].remedy)
        try:
            async with asyncio.timeout(seconds):
                await self._greet()
                result = await self._again(lambda: self._transact(work, seconds, write=write))
        except (Neo4jError, DriverError) as error:
            failure = self._explained(error)
        except TimeoutError:
            failure = self._failure(f"did not answer within {seconds:.0f} s", "See what it is busy with.")
        except IndexUnavailable as error:
            failure = error
        else:
            self._resting = None
            return result
        self._resting = (loop.time() + self._rest, failure)
        self._greeted = False
        raise failure

    async def _greet(self) -> None:
        """See once, and again after every failure, that it is a server which this was made for."""
        if self._greeted:
            return
        agent = (await cast("Any", self._driver).get_server_info()).agent
        other = re.search(r"compatible\W+(?:graph database server\W+)?(\w+)", agent)
        version = re.match(r"Neo4j/v?(\d+)", agent)
        self.product = agent if other is None else f"{other[1]} ({agent})"
        if version is None or (other is not None and other[1] not in COMPATIBLE):
            raise self._failure(
                f"calls itself {agent[:80]!r}, which is not Neo4j",
                OTHERWISE,
            )
        if int(version[1]) < OLDEST:
            raise self._failure(f"is too old ({agent[:40]})", f"Update it to Neo4j {OLDEST} or newer.")
        self._greeted = True

    async def _again(self, transact: Callable[[], Awaitable[T]]) -> T:
        """Once more where a kept connection had broken, and where another transaction was in the way."""
        from neo4j.exceptions import ServiceUnavailable, SessionExpired, TransientError

        broken = conflicts = 0
        while True:
            try:
                return await transact()
            except (ServiceUnavailable, SessionExpired):
                broken += 1
                if broken > 1:
                    raise
            except TransientError as error:
                conflicts += 1
                if conflicts > CONFLICTS or not error.is_retryable():
                    raise
                await asyncio.sleep(PAUSE * 2**conflicts)

    async def _transact(self, work: Callable[[Ask], Awaitable[T]], seconds: float, *, write: bool) -> T:
        from neo4j import READ_ACCESS, WRITE_ACCESS

        mode = WRITE_ACCESS if write else READ_ACCESS
        database = self.address.database or None
        session = cast("Any", self._driver).session(database=database, default_access_mode=mode)
        async with session, await session.begin_transaction(timeout=seconds) as transaction:

            async def ask(text: str, **given: Any) -> Rows:
                # The driver wants literals, against injection; ours are made of constants alone.
                return await (await transaction.run(cast("LiteralString", text), given)).data()

            result = await work(ask)
            await transaction.commit()
        return result

    def _failure(self, what: str, remedy: str) -> IndexUnavailable:
        return IndexUnavailable(
            f"The server at {self.address.url} (Neo4j, for memory) {what}.", remedy=remedy
        )

    def _explained(self, error: Neo4jError | DriverError) -> IndexUnavailable:
        """A failure of the server or of the way to it, with what to do."""
        from neo4j import exceptions as e

        code = str(getattr(error, "code", "") or "")
        said = " ".join(str(getattr(error, "message", "") or error).split()).rstrip(".")[:300]
        if isinstance(error, e.AuthError | e.Forbidden) or ".Security." in code:
            what = f"refuses {self.address.username or 'nobody'!r} ({said})"
            remedy = "Set NEO4J_USERNAME and NEO4J_PASSWORD to a user who may read and write there."
        elif (
            isinstance(error, e.ForbiddenOnReadOnlyDatabase | e.WriteServiceUnavailable) or "ReadOnly" in code
        ):
            what = f"may not be written to ({said})"
            remedy = "Make the database writable, or name another in [memory] neo4j_database."
        elif "DatabaseNotFound" in code:
            what = f"has no database {self.address.database!r}"
            remedy = "Correct [memory] neo4j_database, or empty it for the server's own choice."
        elif isinstance(error, e.UnsupportedServerProduct):
            what, remedy = "is not Neo4j", OTHERWISE
        elif isinstance(error, e.ConfigurationError):
            what, remedy = f"is too old ({said})", f"Update it to Neo4j {OLDEST}.7 or newer."
        elif isinstance(error, e.DriverError):
            what = "cannot be reached, or went away"
            remedy = (
                "Start it, or correct or empty [memory] neo4j; what it misses it is told when it is back."
            )
        else:
            what, remedy = f"failed: {said} ({code})", "See its log."
        return self._failure(what, remedy)


def _driver(address: Address) -> AsyncDriver:
    try:
        from neo4j import AsyncGraphDatabase
    except ImportError:
        raise MissingExtra(
            "[memory] neo4j needs the driver for Neo4j, which is not installed.",
            remedy="In the checkout of ATLAS: uv tool install '.[neo4j]'",
        ) from None
    secret = address.password.get_secret_value()
    return cast("Any", AsyncGraphDatabase).driver(
        address.url,
        auth=(address.username, secret) if address.username or secret else None,
        user_agent="atlas-mcp",
        connection_timeout=CONNECT_SECONDS,
        connection_acquisition_timeout=CONNECT_SECONDS + 2,
        max_connection_pool_size=10,
        telemetry_disabled=True,
        # Our statements name properties that no memory may have yet; the server would say so each time.
        notifications_min_severity="OFF",
    )
