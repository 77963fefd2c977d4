"""`atlas-mcp mlflow`: an MLflow server of one's own, filled from the journal and live while it runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.terminal import Exit, perform, stderr
from atlas_mcp.errors import InvalidConfiguration, MissingExtra, TrackingUnavailable

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from atlas_mcp.observe.tracking.observing import Observing
    from atlas_mcp.settings import Settings

__all__ = ["mlflow", "program"]

RANGE = "mlflow>=3.17,<4"
START_SECONDS = 180.0
"""How long a server may take to listen: the first start makes its database, and may fetch MLflow itself."""

LEAVE_SECONDS = 10.0
PROGRESS_SECONDS = 1.0

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
    from atlas_mcp.observe.log import write_logs
    from atlas_mcp.settings import Settings

    settings = Settings.load()
    address = f"http://127.0.0.1:{port}"
    observe = settings.observe.model_copy(update={"mlflow": address, "otlp": ""})
    write_logs(settings.home)
    command = program()
    serving, leash = await _started(command, settings, port), Leash()
    await leash.hold(serving.pid)
    try:
        stderr().print(f"MLflow starts on {settings.home / 'mlflow'} …", soft_wrap=True)
        await _listening(serving, address)
        stderr().print(f"[bold]{address}[/] shows your runs; Ctrl-C ends it.", soft_wrap=True)
        async with open_atlas(settings.model_copy(update={"observe": observe})) as atlas:
            atlas.observing.begin()
            await _fill(atlas.observing, serving)
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


async def _listening(serving: Process, address: str) -> None:
    """Wait until the server answers.

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
