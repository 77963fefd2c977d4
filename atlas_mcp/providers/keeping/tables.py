"""The tables of what is learned of providers: what a row is, and how what several processes know is added up.

Everything here is done within one transaction of a database, in its thread. A row that another version wrote
in a form that is not known is begun anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter, ValidationError

from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.keeping.day import SCHEMA as DAY_SCHEMA
from atlas_mcp.providers.known.track import Track

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SCHEMA", "Changes", "Known", "Learned", "Opened", "read", "write"]

SCHEMA = (
    """
CREATE TABLE provider_track (
    member TEXT NOT NULL,
    task TEXT NOT NULL,
    at REAL NOT NULL,
    track TEXT NOT NULL,
    PRIMARY KEY (member, task)
) WITHOUT ROWID;
CREATE TABLE provider_breaker (
    provider TEXT PRIMARY KEY,
    until REAL NOT NULL,
    seconds REAL NOT NULL,
    opens INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE provider_capabilities (
    provider TEXT PRIMARY KEY,
    at REAL NOT NULL,
    capabilities TEXT NOT NULL
) WITHOUT ROWID;
"""
    + DAY_SCHEMA
)
"""The tables of what is learned; `provider` is `vendor:model@address`."""

_TRACK_SECONDS = 30 * 86400.0
_BREAKER_SECONDS = 600.0
_CAPABILITIES_SECONDS = 30 * 86400.0
"""How old a thing may be before it is forgotten; a breaker, how long ago its time was over."""


class Opened(NamedTuple):
    """A breaker that is open until some moment, for so many seconds in all."""

    until: float
    seconds: float
    opens: int
    reason: str


class Learned(NamedTuple):
    """What a vendor's own interface reported of a model, and when."""

    at: float
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class _Kept:
    """Capabilities as they are kept."""

    strengths: dict[Capability, Strength]
    window: int | None = None
    output: int | None = None


@dataclass(slots=True)
class Changes:
    """What is to be written; None is that a row goes."""

    tracks: dict[tuple[str, str], Track] = field(default_factory=dict[tuple[str, str], Track])
    breakers: dict[str, Opened | None] = field(default_factory=dict[str, "Opened | None"])
    learned: dict[str, Learned | None] = field(default_factory=dict[str, "Learned | None"])

    def __bool__(self) -> bool:
        return bool(self.tracks or self.breakers or self.learned)


class Known(NamedTuple):
    """What is in the store."""

    tracks: dict[tuple[str, str], Track]
    breakers: dict[str, Opened]
    learned: dict[str, Capabilities]


def write(
    connection: sqlite3.Connection, changes: Changes, now: float, half_life: float
) -> dict[tuple[str, str], Track]:
    """Write changes down; gives the tracks with what others observed."""
    merged: dict[tuple[str, str], Track] = {}
    for key, fresh in changes.tracks.items():
        row = connection.execute(
            "SELECT track FROM provider_track WHERE member = ? AND task = ?", key
        ).fetchone()
        track = _track(row["track"], now) if row is not None else None
        if track is None:
            track = fresh
        else:
            track.merge(fresh, half_life)
        merged[key] = track
        connection.execute(
            "INSERT OR REPLACE INTO provider_track VALUES (?, ?, ?, ?)",
            (*key, now, json.dumps(track.to_dict())),
        )
    for provider, breaker in changes.breakers.items():
        connection.execute("DELETE FROM provider_breaker WHERE provider = ?", (provider,))
        if breaker is not None:
            connection.execute("INSERT INTO provider_breaker VALUES (?, ?, ?, ?, ?)", (provider, *breaker))
    for provider, learned in changes.learned.items():
        connection.execute("DELETE FROM provider_capabilities WHERE provider = ?", (provider,))
        if learned is not None:
            connection.execute(
                "INSERT INTO provider_capabilities VALUES (?, ?, ?)",
                (provider, learned.at, _written(learned.capabilities)),
            )
    connection.execute("DELETE FROM provider_track WHERE at < ?", (now - _TRACK_SECONDS,))
    connection.execute("DELETE FROM provider_breaker WHERE until < ?", (now - _BREAKER_SECONDS,))
    connection.execute("DELETE FROM provider_capabilities WHERE at < ?", (now - _CAPABILITIES_SECONDS,))
    return merged


def read(connection: sqlite3.Connection, now: float) -> Known:
    """Everything that is not too old."""
    tracks: dict[tuple[str, str], Track] = {}
    for row in connection.execute("SELECT * FROM provider_track WHERE at >= ?", (now - _TRACK_SECONDS,)):
        if (track := _track(row["track"], now)) is not None:
            tracks[row["member"], row["task"]] = track
    breakers = {
        row["provider"]: Opened(row["until"], row["seconds"], row["opens"], row["reason"])
        for row in connection.execute(
            "SELECT * FROM provider_breaker WHERE until >= ?", (now - _BREAKER_SECONDS,)
        )
    }
    learned: dict[str, Capabilities] = {}
    for row in connection.execute(
        "SELECT * FROM provider_capabilities WHERE at >= ?", (now - _CAPABILITIES_SECONDS,)
    ):
        with suppress(ValidationError):
            learned[row["provider"]] = _capabilities(row["capabilities"])
    return Known(tracks, breakers, learned)


@cache
def _kept() -> TypeAdapter[_Kept]:
    return TypeAdapter(_Kept)


def _written(known: Capabilities) -> str:
    return _kept().dump_json(_Kept(dict(known.strengths), known.window, known.output)).decode()


def _capabilities(kept: str) -> Capabilities:
    """Capabilities as they were kept.

    Raises:
        ValidationError: another version wrote them.
    """
    read = _kept().validate_json(kept)
    return Capabilities(read.strengths, read.window, read.output)


@cache
def _numbers() -> TypeAdapter[dict[str, float | list[float] | dict[str, float]]]:
    return TypeAdapter(dict[str, float | list[float] | dict[str, float]])


def _track(kept: str, now: float) -> Track | None:
    """A track as it was kept; None for one of another version, which is begun anew."""
    try:
        track = Track.from_dict(_numbers().validate_json(kept))
        track.merge(Track(track.at), 1.0)  # its parts fit those of today
    except (ValidationError, KeyError, TypeError, ValueError):
        return None
    # A clock may have been set back since; what is observed now must count all the same.
    track.at = min(track.at, now)
    return track
