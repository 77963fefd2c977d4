"""When a person is warned: of a run that is slow or costly while it goes on, of a team over its last runs.

Each run warns of a thing once, also when it is taken up again; of a team's quality or errors nobody is warned
again for a while. What is warned of is an event of the run that gave the occasion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from ulid import ULID

from atlas_mcp.events import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from atlas_mcp.chunks import Usage
    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.settings import AlertSettings

__all__ = ["Alert", "Thresholds", "WarnedAlready", "Watch", "of_the_team", "refuse_again"]

Name: TypeAlias = Literal["slow", "cost", "quality", "errors"]

FEWEST = 5
"""Runs of a team of which there must be so many before their mean says anything."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What a person is warned of: what was measured, and the threshold it passed."""

    alert: Name
    measured: float
    threshold: float
    text: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a team's runs are warned of; 0 never warns of time and money."""

    seconds: float
    cost_usd: float
    quality: float
    error_rate: float
    window: int
    quiet: timedelta

    @classmethod
    def of(cls, settings: AlertSettings, team: Team) -> Thresholds:
        """What the team's own file says, else `[alerts]`."""
        own = team.alerts.model_dump(exclude_none=True) if team.alerts else {}
        every = {**settings.model_dump(include={"seconds", "cost_usd", "quality", "error_rate"}), **own}
        return cls(**every, window=settings.window, quiet=timedelta(minutes=settings.quiet_minutes))


class Watch:
    """Watches one run; `events` are those of before, which may have warned already."""

    def __init__(self, thresholds: Thresholds, events: Iterable[Event] = ()) -> None:
        self._thresholds = thresholds
        self._raised = {event.data["alert"] for event in events if event.kind is Kind.ALERT_RAISED}

    def look(self, seconds: float, spent: Usage) -> list[Alert]:
        """What is to be warned of now that it was not before."""
        most, cost = self._thresholds.seconds, spent.cost_usd or 0.0
        found: list[Alert] = []
        if most and seconds > most and "slow" not in self._raised:
            found.append(Alert("slow", round(seconds, 1), most, f"it takes longer than {most:g} s"))
        most = self._thresholds.cost_usd
        if most and cost > most and "cost" not in self._raised:
            found.append(Alert("cost", round(cost, 6), most, f"it cost ${cost:.2f}, more than ${most:g}"))
        self._raised.update(each.alert for each in found)
        return found


def of_the_team(
    connection: sqlite3.Connection, row: RunRow, thresholds: Thresholds, *, failed: bool
) -> list[Alert]:
    """What a team's last runs, with this one that ends now, are to be warned of."""
    before = connection.execute(
        "SELECT run_id, state FROM run WHERE user = ? AND team = ? AND parent_run_id IS NULL"
        " AND state IN ('done', 'failed') AND run_id <> ? ORDER BY run_id DESC LIMIT ?",
        (row.user, row.team, row.run_id, thresholds.window - 1),
    ).fetchall()
    runs = [(row.run_id, failed), *((each["run_id"], each["state"] == "failed") for each in before)]
    least = min(FEWEST, thresholds.window)
    found: list[Alert] = []
    share = sum(each for _, each in runs) / len(runs)
    if failed and len(runs) >= least and share > thresholds.error_rate:
        said = f"{share:.0%} of the last {len(runs)} runs of {row.team} failed"
        found.append(Alert("errors", round(share, 4), thresholds.error_rate, said))
    scores = [score for run_id, _ in runs if (score := _score(connection, run_id)) is not None]
    mean = sum(scores) / len(scores) if scores else 5.0
    if len(scores) >= least and not failed and mean < thresholds.quality:
        said = f"the last {len(scores)} runs of {row.team} score {mean:.1f} of 5 on average"
        found.append(Alert("quality", round(mean, 3), thresholds.quality, said))
    return [each for each in found if not _warned(connection, row, each.alert, thresholds.quiet)]


class WarnedAlready(Exception):
    """Another run of the team warned of the same a moment ago."""


def refuse_again(connection: sqlite3.Connection, row: RunRow, alert: Alert, thresholds: Thresholds) -> None:
    """See within the transaction that notes a warning of a team that it is the first for a while.

    Raises:
        WarnedAlready: it is not.
    """
    if _warned(connection, row, alert.alert, thresholds.quiet):
        raise WarnedAlready


def _score(connection: sqlite3.Connection, run_id: str) -> float | None:
    """What the version of a run that was kept scored, else what its last check measured."""
    for kind, more in ((Kind.VERSION_KEPT, " AND json_extract(data, '$.better')"), (Kind.CHECK_FINISHED, "")):
        found = connection.execute(
            "SELECT json_extract(data, '$.score') AS score FROM event"  # noqa: S608 - our own words
            f" WHERE run_id = ? AND kind = ?{more} ORDER BY seq DESC LIMIT 1",
            (run_id, kind.value),
        ).fetchone()
        if found is not None and found["score"] is not None:
            return float(found["score"])
    return None


def _warned(connection: sqlite3.Connection, row: RunRow, alert: Name, quiet: timedelta) -> bool:
    """Whether a run of the same team warned of the same within the quiet time."""
    since = datetime.now(UTC) - quiet
    # A run that began before may have ended, and warned, since.
    from_then = f"r_{str(ULID.from_datetime(since - timedelta(days=1)))[:10]}"
    return (
        connection.execute(
            "SELECT 1 FROM event JOIN run USING (run_id) WHERE event.run_id > ? AND event.kind = ?"
            " AND event.at > ? AND run.team = ? AND run.user = ? AND json_extract(event.data, '$.alert') = ?",
            (
                from_then, Kind.ALERT_RAISED.value, since.isoformat(timespec="milliseconds"),
                row.team, row.user, alert,
            ),
        ).fetchone()
        is not None
    )  # fmt: skip
