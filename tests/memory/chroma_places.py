"""Where tests keep Chroma: one embedded folder and one server for all of a process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from atlas_mcp.memory.indexes.chroma.folder import ChromaFolder
from atlas_mcp.memory.indexes.chroma.server import ChromaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.memory.indexes.chroma.store import Store


class Server:
    """A real `chroma run` that can be stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = Path(sys.executable).with_name("chroma")
        command = [program, "run", "--path", self.folder, "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                httpx.get(f"{self.url}/api/v2/heartbeat").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"No Chroma server came up at {self.url}.")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests; whoever stops it starts it again."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chroma_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose keeper stays for all tests, since to open Chroma takes seconds."""
    folder = tmp_path_factory.mktemp("embedded") / "chroma"
    with asyncio.Runner() as runner:
        guest = ChromaFolder(folder)
        runner.run(guest.open(60))
        yield folder
        runner.run(guest.close())


@pytest.fixture(params=["embedded", "server"])
def chroma_place(request: pytest.FixtureRequest) -> str:
    """Every kind of place that Chroma may be in; the url of a server, or the path of a folder."""
    if request.param == "server":
        return request.getfixturevalue("chroma_server").url
    return str(request.getfixturevalue("chroma_folder"))


def store_at(place: str, *, rest: float = 0.0) -> Store:
    """The store at a place."""
    return ChromaServer(place, rest=rest) if "://" in place else ChromaFolder(Path(place), rest=rest)
