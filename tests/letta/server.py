"""A real Letta server with a PostgreSQL of its own, for as long as a command runs.

    python -m tests.letta.server COMMAND...

Both are started from the environment that `make letta` installs, on free ports of the loopback, over a folder
that is removed at the end. The command finds the folder in LETTA_TEST_PLACE. The server's own model is a
scripted one behind an endpoint of ours, so that nothing here needs a vendor. As root PostgreSQL runs as
another user, since it refuses to run as root.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import httpx

from atlas_mcp.providers.lending.endpoint import open_endpoint
from atlas_mcp.providers.scripted import Script, ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["OWN_WORDS", "Server", "here"]

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".cache" / "letta"
START_SECONDS = 180.0
STOP_SECONDS = 3.0
OWN_WORDS = "The server's own model speaks."
"""What the model says that is the server's own."""

_started: list[subprocess.Popen[bytes]] = []
"""Those of this process, which may outlive the object that started them."""

SCHEMA = """
import os
from sqlalchemy import create_engine, text
import letta.orm  # registers every table
from letta.orm import Base
url = os.environ["LETTA_PG_URI"].split("?")[0].replace("postgresql://", "postgresql+pg8000://")
with create_engine(url).begin() as connection:
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    connection.execute(text("CREATE SEQUENCE IF NOT EXISTS message_seq_id"))
    Base.metadata.create_all(connection)
    connection.execute(
        text("ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('message_seq_id')")
    )
"""
"""The wheel of the server has no migrations; this makes the schema as its own tables say."""


@dataclass(frozen=True)
class Server:
    """Where a server is, and all that it takes to start it again."""

    folder: str
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _pid(self) -> Path:
        return Path(self.folder, "letta.pid")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with Path(self.folder, "letta.log").open("ab") as log:
            process = subprocess.Popen(
                [INSTALLED / "bin" / "letta", "server", "--host", "127.0.0.1", "--port", str(self.port)],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        _started.append(process)
        self._pid.write_text(str(process.pid), "utf-8")
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/v1/health/", timeout=5).is_success:
                    return
            time.sleep(0.2)
        tail = Path(self.folder, "letta.log").read_text("utf-8", "replace")[-3_000:]
        raise SystemExit(f"The Letta server did not start:\n{tail}")

    def tell(self) -> None:
        """Let those who are started with the folder know where it is."""
        Path(self.folder, "server.json").write_text(json.dumps(asdict(self)), "utf-8")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            pid = int(self._pid.read_text("utf-8"))
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)  # of another process than its starter it is no child


def here() -> Server:
    """The server that this process was started for."""
    return Server(**json.loads(Path(os.environ["LETTA_TEST_PLACE"], "server.json").read_text("utf-8")))


def main(command: Sequence[str]) -> int:
    """Run a command beside a server; gives its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="atlas-letta-") as folder:
        Path(folder).chmod(0o755)
        with _database(Path(folder)) as database:
            return asyncio.run(_run(command, folder, database))


def _leave(number: int, _: object) -> NoReturn:
    """End as if by an error, so that everything is stopped."""
    sys.exit(128 + number)


async def _run(command: Sequence[str], folder: str, database: str) -> int:
    own = ScriptedProvider(Script.parse(f'[[reply]]\nsay = "{OWN_WORDS}"\n'))
    async with open_endpoint() as endpoint:
        session = endpoint.session(own, name="letta")
        server = Server(
            folder, _free_port(), _environment(folder, database, session.url, session.key.get_secret_value())
        )
        try:
            await asyncio.to_thread(_make_schema, server)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(server.tell)
            process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, "LETTA_TEST_PLACE": folder}
            )
            return await process.wait()
        finally:
            server.kill()


def _environment(folder: str, database: str, model_url: str, key: str) -> dict[str, str]:
    """Every line of it matters: without uvloop and pooling the server now and then hangs for a minute."""
    return {
        "PATH": f"{INSTALLED / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": folder,
        "LETTA_DIR": str(Path(folder, ".letta")),
        "LETTA_PG_URI": database,
        "LETTA_DISABLE_SQLALCHEMY_POOLING": "false",
        "LETTA_USE_UVLOOP": "true",
        "LETTA_DISABLE_TRACING": "true",
        "LETTA_TRACK_PROVIDER_TRACE": "false",
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API_KEY": key,
        "PYTHONWARNINGS": "ignore",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _make_schema(server: Server) -> None:
    done = subprocess.run(
        [INSTALLED / "bin" / "python", "-c", SCHEMA], cwd=server.folder, env=server.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"The schema could not be made:\n{done.stderr[-3_000:]}")


@contextmanager
def _database(folder: Path) -> Generator[str]:
    """A PostgreSQL with pgvector on a free port."""
    home = folder / "postgres"
    # A copy, since another user may not be allowed to look into ours; its libraries lie beside it.
    for part in ("pgserver", "pgserver.libs"):
        (installed,) = INSTALLED.glob(f"lib/python3*/site-packages/{part}")
        shutil.copytree(installed, home / part, symlinks=True)
    data, port = str(home / "data"), _free_port()
    user = _other_user()
    if user:
        shutil.chown(home, user["user"], user["group"])
    programs = home / "pgserver" / "pginstall" / "bin"

    def run(program: str, *arguments: str, check: bool = True) -> None:
        command = [programs / program, *arguments]
        subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, check=check, **user)

    options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off -c synchronous_commit=off"
    run("initdb", "-D", data, "-U", "letta", "-A", "trust", "-E", "UTF8", "--no-sync")
    try:
        run("pg_ctl", "-D", data, "-l", str(home / "log"), "-w", "-o", options, "start")
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "letta", "letta")
        yield f"postgresql://letta:letta@127.0.0.1:{port}/letta?sslmode=disable"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop", check=False)


def _other_user() -> dict[str, Any]:
    """Whom PostgreSQL runs as where we are root; else nobody else."""
    if os.geteuid() != 0:
        return {}
    import grp
    import pwd

    name = next(
        name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()}
    )
    group = grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    return {"user": name, "group": group, "extra_groups": []}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
