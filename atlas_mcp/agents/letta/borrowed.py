"""How a Letta server asks our models: by a provider record of its own that names our endpoint and a key.

A record is one of a few that the processes of a data folder take turns with, so that none piles up on the
server; each turn writes its own key into the record that it uses. The server takes what it lists for an
OpenRouter, since of all that it knows only those tell how large a window is.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from atlas_mcp.agents.lent_turn import LentTurn
    from atlas_mcp.agents.letta.letta_api import LettaApi

__all__ = ["MODEL", "Records", "Unreachable"]

MODEL = "atlas"
"""What our model is called there: a vendor's name would make the server treat it as that vendor's."""

_PATH = "/v1/providers/"


class Unreachable(Exception):
    """The server cannot reach our endpoint: it runs on another machine, or in a container."""


class Records:
    """The provider records of a data folder on one server."""

    def __init__(self, api: LettaApi, folder: Path) -> None:
        self._api = api
        self._folder = folder
        self._prefix = f"atlas-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"
        self._ids: dict[str, str] = {}

    @contextmanager
    def taken(self) -> Generator[str]:
        """The name of a record that nobody else uses until the exit."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in count():
            lock = FileLock(self._folder / f"letta-{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield f"{self._prefix}-{number}"
            finally:
                lock.release()
            return

    async def lend(self, record: str, session: LentTurn) -> str:
        """Write a session's address and key into a record; gives the handle of its model.

        Raises:
            Unreachable: the server cannot reach the session.
            RuntimeUnavailable: the server is not there.
        """
        where = {"base_url": session.url, "api_key": session.key.get_secret_value()}
        if (known := self._ids.get(record)) is None:
            known = await self._known(record, where)
        else:
            await self._api.call("PATCH", f"{_PATH}{known}", where)
        return f"{record}/{session.model}"

    async def _known(self, record: str, where: dict[str, Any]) -> str:
        """A record that this process uses for the first time: made if need be, and seen to reach us."""
        found = await self._api.call("GET", f"{_PATH}?name={record}")
        if found:
            known, before = found[0]["id"], found[0]["last_synced"]
            await self._api.call("PATCH", f"{_PATH}{known}", where)
            await self._api.call("PATCH", f"{_PATH}{known}/refresh")
        else:
            made = await self._api.call(
                "POST", _PATH, {"name": record, "provider_type": "openrouter", **where}
            )
            known, before = made["id"], made["last_synced"]
        if (await self._api.call("GET", f"{_PATH}{known}"))["last_synced"] == before:
            raise Unreachable(where["base_url"])
        self._ids[record] = known
        return known
