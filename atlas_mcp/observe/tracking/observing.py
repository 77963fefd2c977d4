"""Who tells of runs: for each destination one process of a data folder; when it ends, another takes over.

It begins with the first run and ends with the process; at the end it waits a moment for the last words to be
taken, and no longer: the journal has them, and the next process sends them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock, Timeout

from atlas_mcp.database import open_reading
from atlas_mcp.observe.alarm import Alarm
from atlas_mcp.observe.health import samples
from atlas_mcp.observe.tracking.courier import Courier
from atlas_mcp.observe.tracking.deliveries import open_deliveries
from atlas_mcp.observe.tracking.source import Source
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from atlas_mcp.observe.tracking.courier import Destination
    from atlas_mcp.observe.tracking.deliveries import Deliveries
    from atlas_mcp.observe.tracking.source import Records
    from atlas_mcp.settings import Settings

    OnTold: TypeAlias = Callable[[Sequence[str]], Awaitable[None]]

__all__ = ["Addresses", "Observing", "addresses", "observing"]

LAST_WORDS_SECONDS = 2.0
"""How long a closing process waits for what it did to be taken."""

TAKE_OVER_SECONDS = 2.0
"""How often a process looks whether another still sends."""

LEFT_OVER_DAYS = 7.0
"""How long a process that tells nobody leaves what another one kept, which may tell somebody."""

log = logging.getLogger(__name__)


class Addresses:
    """Where runs are told of: an MLflow server, a receiver of OTLP, both or neither.

    `wrong` says what was named and is no address of one.
    """

    def __init__(self, mlflow: str, otlp: str) -> None:
        self.mlflow, self.otlp = _address(mlflow), _address(otlp)
        self.wrong = ""
        if mlflow and not self.mlflow:
            self.wrong = (
                f"{mlflow} is no server's address, and ATLAS sends to a server alone. Start one on it: mlflow"
                f" server --backend-store-uri {mlflow}, and set MLFLOW_TRACKING_URI to where it listens."
            )
        elif otlp and not self.otlp:
            self.wrong = (
                f"{otlp} is no address of a receiver of OTLP; write one such as http://127.0.0.1:4318."
            )

    def __bool__(self) -> bool:
        return bool(self.mlflow or self.otlp)

    def __len__(self) -> int:
        return bool(self.mlflow) + bool(self.otlp)


def addresses(settings: Settings) -> Addresses:
    """What `[observe]` names, else what MLflow's and OpenTelemetry's own variables do."""
    observe, named = settings.observe, os.environ
    otlp = observe.otlp or named.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    if not otlp and (whole := named.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")):
        otlp = f"{whole.rstrip('/')}/v1/traces"
    return Addresses(observe.mlflow or named.get("MLFLOW_TRACKING_URI", ""), otlp)


def _address(said: str) -> str:
    """An address as one spells it: the same server is the same destination however it was written."""
    try:
        parts = urlsplit(said.strip())
        _port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    login, at, place = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"{login}{at}{place.lower()}", parts.path.rstrip("/"), parts.query, ""))


class Observing:
    """Tells of what happens, in the background, and warns people; made by `observing`."""

    def __init__(self, settings: Settings, records: Records, on_told: OnTold | None = None) -> None:
        self.addresses = addresses(settings)
        self.alarm = Alarm(settings.alerts.webhook)
        self.couriers: dict[str, Courier] = {}
        """Whoever sends from this process, by address."""
        self._settings = settings
        self._records = records
        self._on_told = None if settings.observe.content_days else on_told
        self._working: asyncio.Task[None] | None = None

    @property
    def keeps_said(self) -> bool:
        """Whether what was said to a run stays after its end: for whoever is told of it, or for a time."""
        return bool(self.addresses or self._settings.observe.content_days)

    @property
    def said_days(self) -> float | None:
        """After how many days what was said to an ended run goes; None: once all were told who are to be."""
        days = self._settings.observe.content_days
        return days or (None if self.addresses else LEFT_OVER_DAYS)

    @property
    def trouble(self) -> str:
        """Why a destination is not told of runs now; empty while all goes well, or another process sends."""
        return next((each.trouble for each in self.couriers.values() if each.trouble), self.addresses.wrong)

    async def telling(self) -> dict[str, dict[str, str]]:
        """How far each destination that this process tells was told, and what is in the way, by address."""
        return {
            redacted(address): {"progress": await each.progress(), "trouble": each.trouble}
            for address, each in dict(self.couriers).items()
        }

    def begin(self) -> None:
        """Send from now on, if anything is to be sent; again is as once."""
        if self.addresses and self._working is None:
            self._working = asyncio.create_task(self._work(), name="tell of runs")
            self._working.add_done_callback(_look_at)

    async def close(self) -> None:
        """Let the last words be taken, if that is a matter of a moment, and end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                last_words = [each.drained() for each in self.couriers.values()]
                await asyncio.gather(self.alarm.close(), *last_words)
        if self._working is not None:
            self._working.cancel()
            # What it reads now is read to its end, in a thread that nobody has to wait for.
            await asyncio.wait({self._working}, timeout=LAST_WORDS_SECONDS)

    async def _work(self) -> None:
        """Serve each destination; one that fails leaves the others alone only where it says why."""
        home, observe = self._settings.home, self._settings.observe
        async with open_deliveries(home) as deliveries, asyncio.TaskGroup() as tasks:
            if address := self.addresses.mlflow:
                # What is imported takes a while, which no event loop has.
                opener = await asyncio.to_thread(import_module, "atlas_mcp.observe.tracking.mlflow")
                opened = opener.open_mlflow(address, experiment=observe.experiment, agents=observe.agents)
                tasks.create_task(self._serve(address, opened, deliveries), name=f"tell {address}")
            if address := self.addresses.otlp:
                opener = await asyncio.to_thread(import_module, "atlas_mcp.observe.tracking.opentelemetry")
                opened = opener.open_otlp(address)
                tasks.create_task(self._serve(address, opened, deliveries), name=f"tell {address}")

    async def _serve(
        self, address: str, opened: AbstractAsyncContextManager[Destination], deliveries: Deliveries
    ) -> None:
        """Send to one destination, once no other process does."""
        lock = _lock(self._settings, address)
        async with AsyncExitStack() as stack:
            while not _taken(lock):  # noqa: ASYNC110 - the one who lets go is another process
                await asyncio.sleep(TAKE_OVER_SECONDS)
            stack.callback(lock.release)
            database = await stack.enter_async_context(open_reading(self._settings.home / "runs.db"))
            destination = await stack.enter_async_context(opened)
            source = Source(database, self._records, content=self._settings.observe.content)

            async def told(run_ids: Sequence[str]) -> None:
                # What was said to a run goes when the last destination has it.
                everywhere = await deliveries.destinations(run_ids[0]) >= len(self.addresses)
                if everywhere and self._on_told is not None:
                    await self._on_told(run_ids)

            fares = partial(samples, self._settings.home)
            courier = Courier(destination, source, deliveries, on_told=told, samples=fares)
            self.couriers[address] = courier
            stack.callback(self.couriers.pop, address)
            await courier.work()


@asynccontextmanager
async def observing(
    settings: Settings, records: Records, on_told: OnTold | None = None
) -> AsyncGenerator[Observing]:
    """Whoever tells of what happens in this data folder; it begins once it is told to.

    `on_told` hears of runs that have ended and of which every destination has all.
    """
    made = Observing(settings, records, on_told)
    try:
        yield made
    finally:
        await made.close()


def _lock(settings: Settings, address: str) -> FileLock:
    name = hashlib.sha256(address.encode()).hexdigest()[:12]
    return FileLock(settings.home / f"observed-{name}.lock", mode=0o600, thread_local=False)


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _look_at(working: asyncio.Task[None]) -> None:
    if not working.cancelled() and (error := working.exception()):
        log.error("runs are not told of any more: %s", error, exc_info=error)
