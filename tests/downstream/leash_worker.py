"""A process that uses two servers of ours, tells their process numbers, and leaves them when told to.

    python -m tests.downstream.leash_worker FOLDER

It writes one line of JSON, the numbers by what they are, then waits for its stdin to end.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from atlas_mcp.database import open_database
from atlas_mcp.downstream.launch import Places
from atlas_mcp.downstream.leash import Leash
from atlas_mcp.downstream.servers import Servers
from atlas_mcp.downstream.store import MIGRATIONS, Store
from tests.downstream.places import misbehaving


class Remembering(Leash):
    """A leash that remembers whom it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[int] = []

    async def hold(self, leader: int) -> None:
        await super().hold(leader)
        self.held.append(leader)


async def work(folder: Path) -> None:
    """Start a server that will not end and one that has a child, and wait."""
    stubborn, parent = misbehaving("hang-close", name="stubborn"), misbehaving("child", name="parent")
    leash = Remembering()
    async with open_database(folder / "servers.db", MIGRATIONS) as database:
        places = Places((), folder / "files", folder / "servers")
        servers = Servers({"stubborn": stubborn, "parent": parent}, {}, places, Store(database), leash)
        try:
            await servers.call("stubborn/echo", {"text": "hello"})
            child = int((await servers.call("parent/child", {})).text)
            assert leash._program is not None
            told = {"stubborn": leash.held[0], "parent": leash.held[1], "child": child}
            sys.stdout.write(json.dumps({**told, "leash": leash._program.pid}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
        finally:
            await servers.aclose()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1])))
