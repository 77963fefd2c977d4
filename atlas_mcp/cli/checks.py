"""What `doctor` looks at: each check says how it stands, and where it does not, what to type.

Nothing here changes anything but for a file that is written and removed again, and no secret is ever shown.
"""

from __future__ import annotations

import asyncio
import platform
import socket
import sqlite3
import tempfile
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING

from atlas_mcp.cli.check import Check
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from atlas_mcp.errors import InvalidConfiguration
    from atlas_mcp.providers.known.models import Models
    from atlas_mcp.settings import Settings

__all__ = ["Check", "examine", "examine_without_settings"]

REACH_SECONDS = 3.0


async def examine(settings: Settings, *, start_servers: bool = False) -> list[Check]:
    """Every check, in the order in which a person would mend things; servers are started on request."""
    from atlas_mcp.cli.agent_checks import agent_checks
    from atlas_mcp.cli.memory_checks import memory_checks
    from atlas_mcp.cli.observe_checks import observe_checks
    from atlas_mcp.cli.provider_checks import budget_checks, provider_checks
    from atlas_mcp.cli.server_checks import project_checks, server_checks, started_checks
    from atlas_mcp.providers.keeping.accounts import models_of

    checks = await asyncio.to_thread(_at_hand, settings)
    models = await asyncio.to_thread(models_of, settings)
    checks += [*_models(settings, models), *await provider_checks(settings, models)]
    checks += await asyncio.to_thread(lambda: list(budget_checks(settings)))
    started = await started_checks(settings) if start_servers else {}
    failed = [name for name, check in started.items() if check.health == "broken"]
    checks += await asyncio.to_thread(
        lambda: [*project_checks(settings), *server_checks(settings, failed=failed)]
    )
    checks += started.values()
    checks += [*await agent_checks(settings), *await memory_checks(settings), await _http(settings)]
    checks += await observe_checks(settings)
    return [*checks, *_roots(settings), _log(settings)]


async def examine_without_settings(error: InvalidConfiguration) -> list[Check]:
    """The settings' mistake, and every check that needs no settings but where the data folder is."""
    from atlas_mcp.settings import Settings

    settings = Settings.defaults()
    checks = await asyncio.to_thread(_at_hand, settings)
    wrong = Check("Settings", "broken", error.message, error.remedy)
    return [*(wrong if check.name == "Settings" else check for check in checks), _log(settings)]


def _at_hand(settings: Settings) -> list[Check]:
    """The checks that look at this machine's files alone; they block."""
    checks = [_python(), _parts()]
    for look in (_home, _databases, _teams):
        checks += look(settings)
    return checks


def _python() -> Check:
    return Check("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _parts() -> Check:
    """A dependency that a release broke shows itself here and not as a traceback in somebody's run."""
    for name, module in (
        ("runs", "atlas_mcp.orchestration.graph"), ("server", "atlas_mcp.surface.server"),
        ("documents", "atlas_mcp.text.readers"),
    ):  # fmt: skip
        try:
            import_module(module)
        except ImportError as error:
            todo = "Install it anew, in the checkout of ATLAS: uv tool install --reinstall ."
            return Check("Installation", "broken", f"the part for {name} cannot be loaded: {error}", todo)
    return Check("Installation", "ok", "every part can be loaded")


def _home(settings: Settings) -> Iterable[Check]:
    home = settings.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        todo = "Make the folder writable, or set ATLAS_HOME to another one."
        yield Check("Data folder", "broken", f"{home} cannot be written to: {error.strerror or error}", todo)
    else:
        yield Check("Data folder", "ok", str(home))
    known = settings.file if settings.file.is_file() else None
    yield Check("Settings", "ok", str(known) if known else f"defaults; {settings.file} would hold yours")


def _databases(settings: Settings) -> Iterable[Check]:
    from atlas_mcp.downstream.store import MIGRATIONS as CALLS
    from atlas_mcp.memory.record.schema import MIGRATIONS as MEMORY
    from atlas_mcp.orchestration.store import MIGRATIONS as RUNS

    for name, path, knows in (
        ("Runs", settings.home / "runs.db", len(RUNS)), ("Memory", settings.home / "memory.db", len(MEMORY)),
        ("Calls of servers", settings.home / "servers.db", len(CALLS)),
    ):  # fmt: skip
        yield _database(name, path, knows)


def _database(name: str, path: Path, knows: int) -> Check:
    if not path.is_file():
        return Check(name, "ok", "nothing kept yet")
    try:
        with closing(
            sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, timeout=REACH_SECONDS)
        ) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        return Check(name, "broken", f"{path}: {error}", "Restore the file from a backup, or move it away.")
    if version > knows:
        todo = "Update atlas-mcp, or set ATLAS_HOME to another folder."
        return Check(name, "broken", f"{path} has schema {version}; this version knows up to {knows}", todo)
    return Check(name, "ok", f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, schema {version} of {knows}")


def _teams(settings: Settings) -> Iterable[Check]:
    from atlas_mcp.orchestration.team import load_team
    from atlas_mcp.trust import catalogue_of

    names: list[str] = []
    for name, folder in catalogue_of(settings).entries("teams", "team.toml").items():
        try:
            load_team(folder)
            names.append(name)
        except AtlasError as error:
            yield Check("Teams", "broken", error.message, error.remedy)
    yield Check("Teams", "ok" if names else "broken", ", ".join(names) or "there is none")


def _models(settings: Settings, models: Models) -> Iterable[Check]:
    from atlas_mcp.providers.keeping.accounts import models_file

    for problem in models.problems:
        yield Check("Models", "broken", problem.message, problem.remedy)
    if not models.problems:
        file = models_file(settings)
        says = str(file) if file.is_file() else f"as shipped; {file} would hold what you know better"
        yield Check("Models", "ok", says)


def _roots(settings: Settings) -> Iterable[Check]:
    from atlas_mcp.downstream.launch import ROOTS

    roots = settings.roots.read
    if not roots:
        says = "MCP clients may name no file; at the command line the working directory may be read"
        todo = f"To let clients name files, write two lines at the end of {settings.file}:\n{ROOTS}"
        yield Check("Folders", "hint", says, todo)
    for root in roots:
        there = root.expanduser().is_dir()
        todo = "" if there else f"Correct [roots] read in {settings.file}."
        yield Check(
            "Folders",
            "ok" if there else "broken",
            f"{root} {'may be read' if there else 'is no folder'}",
            todo,
        )


async def _http(settings: Settings) -> Check:
    host, port = settings.http.host, settings.http.port
    guarded = "a token is set" if settings.http.token else "no token"
    if host not in ("127.0.0.1", "::1", "localhost") and not settings.http.token:
        todo = "Set ATLAS_HTTP__TOKEN, or listen on 127.0.0.1."
        return Check(
            "HTTP", "broken", f"{host} can be reached from other machines, and no token is set", todo
        )
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        todo = "That is right if ATLAS serves there now; otherwise serve with --port."
        return Check("HTTP", "hint", f"{host} port {port}: {error.strerror or error}", todo)
    return Check("HTTP", "ok", f"{host} port {port} is free; {guarded}")


def _log(settings: Settings) -> Check:
    from atlas_mcp.observe.log import log_file

    path = log_file(settings.home)
    return Check("Log", "ok", str(path) if path.is_file() else f"{path} (nothing logged yet)")
