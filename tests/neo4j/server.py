"""A real Neo4j server for as long as a command runs.

    python -m tests.neo4j.server COMMAND...

It is started from what `make neo4j` fetches, on a free port of the loopback, over a folder that is removed at
the end. The command finds what it needs to know of the server in the file that NEO4J_TEST_SERVER names.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from neo4j import GraphDatabase

from tests.memory.graph.bolt import BoltServer, free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

FETCHED = Path(__file__).parents[2] / ".cache" / "neo4j"
OPENED = ("java.nio", "java.io", "sun.nio.ch")
SETTINGS = {
    "server.http.enabled": "false",
    "server.memory.pagecache.size": "128m",
    "dbms.usage_report.enabled": "false",
}


def server(folder: str) -> BoltServer:
    """A server over a folder, not yet started."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    settings = {
        **SETTINGS, "server.bolt.listen_address": address, "server.bolt.advertised_address": address,
    }  # fmt: skip
    conf = Path(folder, "conf")
    conf.mkdir()
    (conf / "neo4j.conf").write_text("".join(f"{key}={value}\n" for key, value in settings.items()), "utf-8")
    command = (
        shutil.which("java") or "java",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
        "-Xmx512m",
        "-cp",
        f"{FETCHED}{os.sep}*",
        "org.neo4j.server.CommunityEntryPoint",
        f"--home-dir={folder}",
        f"--config-dir={conf}",
        "--console-mode",
    )
    return BoltServer(command, folder, port, "neo4j", secrets.token_hex(8))


@contextmanager
def running(folder: str) -> Generator[BoltServer]:
    """A server over an empty folder, which whoever asked may enter; it is ended at the end."""
    if not (FETCHED / "made").exists():
        raise SystemExit("There is no Neo4j server yet: say `make -C tests/neo4j fetched`.")
    started = server(folder)
    try:
        started.start()
        _set_password(started)
        yield started
    finally:
        started.stop()
        started.wait()


def main(command: Sequence[str]) -> int:
    """Run a command beside a server; gives its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="atlas-neo4j-") as folder, running(folder) as started:
        started.tell(Path(folder, "server.json"))
        environment = {**os.environ, "NEO4J_TEST_SERVER": str(Path(folder, "server.json"))}
        return subprocess.run(command, env=environment, check=False).returncode


def _leave(number: int, _: object) -> NoReturn:
    """End as if by an error, so that the server is stopped."""
    sys.exit(128 + number)


def _set_password(server: BoltServer) -> None:
    """Take the place of the password that a new server has."""
    driver = cast("Any", GraphDatabase).driver(server.url, auth=("neo4j", "neo4j"))
    with driver, driver.session(database="system") as session:
        text = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
        session.run(text, old="neo4j", new=server.password).consume()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
