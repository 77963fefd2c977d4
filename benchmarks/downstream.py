"""What downstream servers cost: a call beside a bare client, and a start with eight beside one with none.

`python -m benchmarks downstream`. Both sides speak to processes of the same small server, in turn, so that a
busy machine is busy for both. Ours reads pins, checks arguments and writes down each call; an answer of what
only reads is given again from the data folder, where it is no longer than is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.downstream_start import one_of_eight, started
from benchmarks.environments import tell, versions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence

    from atlas_mcp.downstream.entry import Entry

    Call = Callable[[int], Awaitable[int]]

__all__ = ["main"]

SERVER = Path(__file__).with_name("echo_server.py")
SIZES = {1_000: 200, 100_000: 60, 1_000_000: 20, 8_000_000: 5}
"""Characters of a result, and how often each side asks for it."""
NAMES = {1_000: "1 kB", 100_000: "100 kB", 1_000_000: "1 MB", 8_000_000: "8 MB"}
BARE, OURS, AGAIN = "bare client", "ATLAS", "ATLAS, again"
_LONG = 300.0
_WARM = 3


def _entry(name: str, **more: Any) -> Entry:
    from atlas_mcp.downstream.entry import Entry, Limits

    limits = Limits(seconds=_LONG, megabytes=20)
    return Entry(name=name, description="Says what is wanted.", limits=limits, **more)


@asynccontextmanager
async def _bare(stack: AsyncExitStack, address: str) -> AsyncGenerator[Call]:
    """The SDK's client over its own transport."""
    from mcp import Client, StdioServerParameters, stdio_client

    program = StdioServerParameters(command=sys.executable, args=[str(SERVER)])
    server = address or stdio_client(program)
    client = await stack.enter_async_context(Client(server, read_timeout_seconds=_LONG))

    async def call(characters: int) -> int:
        result = await client.call_tool("say", {"characters": characters})
        return len(getattr(result.content[0], "text", ""))

    yield call


@asynccontextmanager
async def _sides(address: str, folder: Path) -> AsyncGenerator[dict[str, Call]]:
    """Each side by its name; over HTTP if there is an address, else each with a process of its own."""
    from tests.downstream.places import opened

    how: dict[str, Any] = {"url": address} if address else {"command": sys.executable, "args": [str(SERVER)]}
    entries = (_entry("each", **how), _entry("again", cache_seconds=3600, **how))
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(_bare(stack, address))
        servers = await stack.enter_async_context(opened(folder, *entries))

        async def ours(characters: int) -> int:
            return (await servers.call("each/say", {"characters": characters})).size

        async def again(characters: int) -> int:
            return (await servers.call("again/say", {"characters": characters})).size

        yield {BARE: bare, OURS: ours, AGAIN: again}


async def _calls(address: str, folder: Path, factor: float) -> dict[int, dict[str, list[float]]]:
    """Milliseconds of each call by size and side, in rounds in which each side has its turn."""
    found: dict[int, dict[str, list[float]]] = {}
    async with _sides(address, folder) as sides:
        for size, rounds in SIZES.items():
            there = found[size] = {name: list[float]() for name in sides}
            for turn in range(-_WARM, max(3, round(rounds * factor))):
                tell(f"{'HTTP' if address else 'stdio'}, {NAMES[size]}, round {turn + 1}")
                for name, call in sides.items():
                    since = time.perf_counter()
                    assert await call(size) == size
                    if turn >= 0:
                        there[name].append((time.perf_counter() - since) * 1e3)
    tell("")
    return found


@contextmanager
def _http() -> Generator[str]:
    """The server over HTTP, in a process of its own; gives its address."""
    command = [sys.executable, str(SERVER), "http"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    import socket

    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("The server over HTTP did not listen within a minute.")


def _table(found: dict[str, dict[int, dict[str, list[float]]]]) -> str:
    head = f"{'':<6} {'result':<7} {BARE:>18} {OURS:>18} {AGAIN:>18}  {'ATLAS : bare':>12}\n"
    rows = ["Milliseconds of a call, median / 95th percentile:\n", head]
    for transport, sizes in found.items():
        for size, sides in sizes.items():
            ratio = statistics.median(sides[OURS]) / statistics.median(sides[BARE])
            cells = " ".join(f"{_spread(sides[name]):>18}" for name in (BARE, OURS, AGAIN))
            rows.append(f"{transport:<6} {NAMES[size]:<7} {cells}  {ratio:>12.2f}\n")
        grown = ", ".join(f"{name} {_growth(sizes, name):.0f} times" for name in (BARE, OURS))
        rows.append(f"{transport:<6} 8 MB take longer than 1 MB: {grown}\n")
    return "".join(rows)


def _growth(sizes: dict[int, dict[str, list[float]]], name: str) -> float:
    """By how much a result of 8 MB takes longer than one of 1 MB; 8 where time is in proportion."""
    return statistics.median(sizes[8_000_000][name]) / statistics.median(sizes[1_000_000][name])


def _spread(several: Sequence[float]) -> str:
    behind = sorted(several)[min(len(several) - 1, round(0.95 * len(several)))]
    return f"{statistics.median(several):,.2f} / {behind:,.2f}"


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, then print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks downstream", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of starts with eight servers and with none")
    parser.add_argument("--factor", type=float, default=1.0, help="of how many calls are made")
    parser.add_argument("--only", default="", choices=["", "calls", "starts"])
    options = parser.parse_args(arguments)
    sys.stdout.write(f"With {versions(Path(sys.executable), ('mcp', 'httpx2', 'anyio'))}")
    sys.stdout.write(f", load {os.getloadavg()[0]:.1f}.\n\n" if hasattr(os, "getloadavg") else ".\n\n")
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "starts":
            found = {"stdio": asyncio.run(_calls("", Path(folder) / "stdio", options.factor))}
            with _http() as address:
                found["HTTP"] = asyncio.run(_calls(address, Path(folder) / "http", options.factor))
            sys.stdout.write(f"{_table(found)}\n")
            sys.stdout.flush()
        if options.only != "calls":
            sys.stdout.write(started(SERVER, options.rounds))
            sys.stdout.write(asyncio.run(one_of_eight(SERVER, Path(folder) / "eight")))


if __name__ == "__main__":
    main(sys.argv[1:])
