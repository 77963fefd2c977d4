"""What `doctor` looks at in observability: where runs are told of, whether that takes them, what waits."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from atlas_mcp.cli.check import Check
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.settings import Settings

__all__ = ["observe_checks"]

REACH_SECONDS = 3.0


async def observe_checks(settings: Settings) -> list[Check]:
    """One check for each destination, and one for warnings."""
    from atlas_mcp.observe.tracking.observing import addresses

    found = addresses(settings)
    checks: list[Check] = []
    if found.wrong:
        checks.append(Check("Tracking", "broken", found.wrong, "Runs go on; they are told of nowhere else."))
    if not found and not found.wrong:
        told = "not configured; the journal keeps every run, and atlas-mcp mlflow shows them"
        checks.append(Check("Tracking", "ok", told))
    for name, address in (("MLflow", found.mlflow), ("OTLP", found.otlp)):
        if address:
            checks.append(await _reached(name, address, settings.home))
    return [*checks, _warnings(settings)]


async def _reached(name: str, address: str, home: Path) -> Check:
    from atlas_mcp.observe.tracking.asking import access_to, open_asking
    from atlas_mcp.observe.tracking.mlflow import OLDEST
    from atlas_mcp.redaction import redacted

    shown = redacted(address)
    access = access_to(address, seconds=REACH_SECONDS, mlflow=name == "MLflow")
    try:
        async with open_asking(access) as ask:
            answer = await ask("GET", "/version" if name == "MLflow" else "")
    except (TimeoutError, ConnectionError) as error:
        why = str(error) or f"no answer within {REACH_SECONDS:g} s"
        told = f"{shown} cannot be reached ({redacted(why)}); runs go on, and are told later"
        return Check(name, "broken", told, "Start it, or correct its address.")
    if name != "MLflow":
        return Check(name, "ok", f"{shown}{_waiting(home)}")
    said = answer.text.strip()
    if answer.status in {401, 403}:
        told = f"{shown} does not let us in: it answered with status {answer.status}"
        return Check(name, "broken", told, "Set MLFLOW_TRACKING_TOKEN, or MLflow's variables for a password.")
    number = re.match(r"(\d+)\.(\d+)\S{0,30}\Z", said)
    if answer.status != 200 or number is None:  # noqa: PLR2004 - all is well
        told = f"{shown} is no MLflow: it answered with status {answer.status}"
        return Check(name, "broken", told, "Correct MLFLOW_TRACKING_URI, or sign in at the proxy.")
    if (int(number[1]), int(number[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Check(
            name, "broken", f"{shown} is version {said}, too old", f"Update it to {oldest} or newer."
        )
    return Check(name, "ok", f"{shown}, version {said}{_waiting(home)}")


def _waiting(home: Path) -> str:
    """How many runs are at the destinations; read without making anything."""
    file = home / "observed.db"
    if not file.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            (told,) = connection.execute("SELECT count(DISTINCT root) FROM concluded").fetchone()
    except sqlite3.Error:
        return ""
    return f"; {counted(told, 'run')} told"


def _warnings(settings: Settings) -> Check:
    alerts = settings.alerts
    parts = [
        f"{alerts.seconds:g} s" if alerts.seconds else "", f"${alerts.cost_usd:g}" if alerts.cost_usd else "",
        f"quality under {alerts.quality:g}" if alerts.quality else "",
        f"{alerts.error_rate:.0%} of runs failing" if alerts.error_rate < 1 else "",
    ]  # fmt: skip
    told = ", ".join(part for part in parts if part) or "of nothing"
    where = "the log and an address" if alerts.webhook else "the log"
    return Check("Warnings", "ok", f"over {told}; to {where}")
