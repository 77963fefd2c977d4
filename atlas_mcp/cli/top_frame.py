"""What `atlas-mcp top` shows at one moment; as JSON it is these fields by these names, and stays so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Ended", "Frame", "Live", "Member", "Process", "Queue", "Told", "frame_as_json"]

VERSION = 1
"""Version of the JSON: keys are added to it, and none is taken away."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member at work: the model that it asked, the tool that it uses; both are empty between two calls."""

    actor: str
    seconds: float
    model: str
    tool: str


@dataclass(frozen=True, slots=True)
class Live:
    """A run that has not ended; its calls, tokens and money are with those of its `children`.

    `waits_for` says for whom, in words: a free place, a person, being resumed, or models and tools.
    `assignment` is what it does in the run that it works for.
    """

    run_id: str
    team: str
    assignment: str
    asked: str
    state: str
    waits_for: tuple[str, ...]
    began: str
    seconds: float
    step: str
    note: str
    members: tuple[Member, ...]
    calls: int
    tokens: int
    tokens_a_second: float
    cost_usd: float | None
    alerts: dict[str, str]
    children: tuple[Live, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended lately, or that was interrupted and that nobody works on."""

    run_id: str
    team: str
    asked: str
    state: str
    partial: bool
    ended: str
    seconds: float
    usage: dict[str, Any]
    error: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Who waits for a place, in the order in which they get one; each process has `at_once` places."""

    waiting: tuple[str, ...]
    at_once: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process that serves or works on runs, as it last said it was, so many seconds ago."""

    pid: int
    host: str
    began: str
    seconds_ago: float
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Told:
    """Where runs are told of: by which process (None if by no living one), how far, and what is wrong.

    `last` is when a run was told whole the last time, empty where none was; `seconds_ago` is how long ago the
    process said how far it is.
    """

    address: str
    pid: int | None
    progress: str
    trouble: str
    last: str = ""
    seconds_ago: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything of one data folder at one moment.

    `providers` is what `atlas_mcp.providers.overview.standing` gives, each member with its last `minute`.
    """

    at: str
    home: str
    runs: tuple[Live, ...]
    queue: Queue
    providers: dict[str, Any]
    processes: tuple[Process, ...]
    told: tuple[Told, ...]
    ended: tuple[Ended, ...]


def frame_as_json(frame: Frame) -> dict[str, Any]:
    """A frame in JSON types, with the version of its form."""
    return {"v": VERSION, **asdict(frame)}
