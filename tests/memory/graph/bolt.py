"""A server that speaks Bolt, in a process of its own: started, killed, and started again by whoever tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from neo4j import GraphDatabase
from neo4j.exceptions import AuthError, DriverError, Neo4jError

__all__ = ["BoltServer", "free_port"]

START_SECONDS = 300.0

_started: list[subprocess.Popen[bytes]] = []
"""Those of this process, which may outlive the object that started them."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class BoltServer:
    """What it takes to start it, and how to enter; `folder` is its own."""

    command: tuple[str, ...]
    folder: str
    port: int
    username: str
    password: str

    @property
    def url(self) -> str:
        return f"bolt://127.0.0.1:{self.port}"

    @property
    def _pid(self) -> Path:
        return Path(self.folder, "server.pid")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # What it reads from ends with this process, by which one that waits for that ends as well.
        log = Path(self.folder, "server.log")
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=self.folder
            )
        _started.append(process)
        self._pid.write_text(str(process.pid), "utf-8")
        until = time.monotonic() + START_SECONDS
        while not (self._listens() and self._answers()):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"The server did not start:\n{log.read_text('utf-8', 'replace')[-3_000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as the operating system would, and wait until it answers no more."""
        if not self._pid.exists():
            return
        pid = int(self._pid.read_text("utf-8"))
        ours = next((each for each in _started if each.pid == pid), None)
        if ours is not None:
            ours.terminate()
            ours.wait()
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        while self._listens():
            time.sleep(0.1)

    def wait(self) -> None:
        """Wait until it is gone, so that its folder may be removed; another who started it has ended."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            pid = int(self._pid.read_text("utf-8"))
            while all(each.pid != pid for each in _started):
                os.kill(pid, 0)
                time.sleep(0.1)

    def tell(self, file: Path) -> None:
        """Let another process know of it."""
        file.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def told(cls, file: Path) -> BoltServer:
        """The server that another process wrote of."""
        said: Any = json.loads(file.read_text("utf-8"))
        return cls(tuple(said["command"]), said["folder"], said["port"], said["username"], said["password"])

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _answers(self) -> bool:
        """Whether it does what is asked, or asks who we are: it listens before its database is there."""
        auth = (self.username, self.password)
        with cast("Any", GraphDatabase).driver(self.url, auth=auth, connection_timeout=5) as driver:
            try:
                driver.execute_query("RETURN 1")
            except AuthError:
                return True
            except (Neo4jError, DriverError):
                return False
            return True
