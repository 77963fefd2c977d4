"""`atlas-mcp mlflow`: an MLflow server of one's own, filled from the journal and live while it runs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.terminal import Exit, perform, stderr
from atlas_mcp.cli.words import clock
from atlas_mcp.errors import InvalidConfiguration, MissingExtra, TrackingUnavailable

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Generator

    from atlas_mcp.observe.tracking.observing import Observing
    from atlas_mcp.settings import Settings

__all__ = ["mlflow", "program"]

RANGE = "mlflow>=3.17,<4"
START_SECONDS = 180.0
"""How long a server may take to listen: the first start makes its database, and may fetch MLflow itself."""

LEAVE_SECONDS = 10.0
PROGRESS_SECONDS = 1.0

SAY_SECONDS = 15.0
"""How often it is said that a start goes on, where no terminal shows it as it does."""

LAST_BYTES = 4_000
"""Of the server's log, in which its last words are looked for."""

_MOMENT = re.compile(r"\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d\S*\s+")
"""When a line of the log was written, which is now for whoever waits."""

_QUIET = {
    # Nothing leaves the machine: no statistics of use, no price list fetched from elsewhere.
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_MODEL_CATALOG_URI": "",
    # Judges that run by themselves take eight more processes and a gigabyte.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}  # fmt: skip


def mlflow(
    port: Annotated[int, typer.Option(help="Port to listen on, on this machine.", min=1, max=65535)] = 5000,
) -> None:
    """Start an MLflow server on this data folder: every run of before is in it, and those at work.

    Its pages show traces, costs, tools, quality and runs. It ends with Ctrl-C and keeps what it has; the
    next start adds what happened meanwhile. For good, start MLflow elsewhere and set MLFLOW_TRACKING_URI.
    """
    perform(_serve(port))


def program() -> list[str]:
    """The command that starts MLflow: the one installed beside ATLAS, on the path, or by way of uvx.

    Raises:
        MissingExtra: there is none, and no uvx to fetch it.
    """
    beside = shutil.which("mlflow", path=str(Path(sys.executable).parent))
    if found := beside or shutil.which("mlflow"):
        return [found]
    if uvx := shutil.which("uvx"):
        return [uvx, "--from", RANGE, "mlflow"]
    raise MissingExtra(
        "MLflow is not installed.",
        remedy="Install it where ATLAS is, with its extra `mlflow`; or install uv, which fetches it.",
    )


async def _serve(port: int) -> Exit:
    from atlas_mcp.app import open_atlas
    from atlas_mcp.downstream.leash import Leash
    from atlas_mcp.observe.health import Health
    from atlas_mcp.observe.log import write_logs
    from atlas_mcp.settings import Settings

    settings = Settings.load()
    address = f"http://127.0.0.1:{port}"
    observe = settings.observe.model_copy(update={"mlflow": address, "otlp": ""})
    write_logs(settings.home)
    command, folder = program(), settings.home / "mlflow"
    awaited = _awaited(command, folder)
    serving, leash = await _started(command, settings, port), Leash()
    await leash.hold(serving.pid)
    try:
        stderr().print(f"MLflow starts on {folder} …{awaited}", soft_wrap=True, markup=False)
        with _waiting(folder / "server.log") as look:
            await _listening(serving, address, look)
        stderr().print(f"[bold]{address}[/] shows your runs; Ctrl-C ends it.", soft_wrap=True)
        async with open_atlas(settings.model_copy(update={"observe": observe})) as atlas:
            # It works on no run, but who looks, such as `atlas-mcp top`, sees by it where runs are told of.
            health = Health(
                settings.home, atlas.journal, runs=tuple[str, ...], telling=atlas.observing.telling
            )
            atlas.observing.begin()
            health.begin()
            try:
                await _fill(atlas.observing, serving)
            finally:
                await health.close()
    except asyncio.CancelledError:
        return Exit.DONE
    finally:
        await _end(serving)
        leash.let_go(serving.pid)
        await leash.aclose()
    raise TrackingUnavailable(f"The MLflow server ended by itself (exit code {serving.returncode}).")


async def _started(command: list[str], settings: Settings, port: int) -> Process:
    """Start the server on its folder; its words go to a log beside it.

    Raises:
        InvalidConfiguration: the port is in use.
    """
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        pass
    else:
        writer.close()
        raise InvalidConfiguration(
            f"Port {port} is in use.",
            remedy=f"If that is an MLflow server, set MLFLOW_TRACKING_URI=http://127.0.0.1:{port}; else name"
            " another port with --port.",
        )
    folder = settings.home / "mlflow"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {**os.environ, **_QUIET}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("wb") as words:
        return await asyncio.create_subprocess_exec(
            *command, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{(folder / 'mlflow.db').as_posix()}",
            "--artifacts-destination", str(folder / "artifacts"),
            env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=words, stderr=words,
            start_new_session=sys.platform != "win32",  # a group of its own, which ends as we do
        )  # fmt: skip


def _awaited(command: list[str], folder: Path) -> str:
    """What a start waits for, and for how long about."""
    new, fetched = not (folder / "mlflow.db").exists(), RANGE in command
    if new and fetched:
        return " The first start takes a minute or more: uvx fetches MLflow, which then makes its database."
    if new:
        return " The first start takes a minute: MLflow makes its database."
    return " It may take a minute until MLflow is loaded."


@contextmanager
def _waiting(log: Path) -> Generator[Callable[[], None]]:
    """What is called again and again meanwhile shows for how long the server starts, and what it says."""
    from rich.text import Text

    from atlas_mcp.cli.aligned import whole_words

    console, began, said = stderr(), time.monotonic(), 0.0

    def line(seconds: float) -> Text:
        return Text(whole_words(f"{clock(seconds)} {_last_words(log)}", console.width - len("⠋  ")))

    if console.is_terminal:
        with console.status(line(0.0)) as status:
            yield lambda: status.update(line(time.monotonic() - began))
        return

    def say() -> None:
        nonlocal said
        if (seconds := time.monotonic() - began) - said >= SAY_SECONDS:
            said = seconds
            words = _last_words(log)
            told = f"MLflow still starts after {clock(seconds)} …{f' {words}' if words else ''}"
            console.print(told, markup=False, soft_wrap=True)

    yield say


def _last_words(log: Path) -> str:
    """The last line that the server wrote, without the time; empty where there is none."""
    with log.open("rb") as words:
        words.seek(max(0, words.seek(0, os.SEEK_END) - LAST_BYTES))
        lines = words.read().decode("utf-8", "replace").strip().splitlines()
    return _MOMENT.sub("", lines[-1].strip()) if lines else ""


async def _listening(serving: Process, address: str, look: Callable[[], None]) -> None:
    """Wait until the server answers, and call `look` while it does not.

    Raises:
        TrackingUnavailable: it ended, or does not answer in time.
    """
    import httpx

    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(base_url=address) as http:
            while serving.returncode is None:
                with suppress(httpx.HTTPError):
                    if (await http.get("/health")).is_success:
                        return
                look()
                await asyncio.sleep(0.2)
    raise TrackingUnavailable(
        f"The MLflow server did not start (exit code {serving.returncode}).",
        remedy="See mlflow/server.log in the data folder; atlas-mcp doctor names it.",
    )


async def _fill(observing: Observing, serving: Process) -> None:
    """Say how far the journal was sent, until the server ends."""
    told, ended = "", asyncio.create_task(serving.wait(), name="wait for MLflow")
    try:
        while not ended.done():
            for courier in observing.couriers.values():
                said = courier.trouble or await courier.progress()
                if said != told:
                    stderr().print(said, soft_wrap=True, markup=False)
                    told = said
            await asyncio.wait({ended}, timeout=PROGRESS_SECONDS)
    finally:
        ended.cancel()


async def _end(serving: Process) -> None:
    """End the server, whose workers end with it."""
    if serving.returncode is None:
        serving.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await serving.wait()
    if serving.returncode is None:
        serving.kill()
        await serving.wait()
