"""What can go wrong in the house itself: input, configuration, stores, runs, agents' homes."""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar

__all__ = [
    "AgentRuntimeError",
    "AtlasError",
    "BudgetSpent",
    "DownstreamFailed",
    "IncompatibleStore",
    "IndexUnavailable",
    "InvalidConfiguration",
    "InvalidField",
    "InvalidInput",
    "InvalidOutput",
    "LeaseLost",
    "MissingExtra",
    "NotConfigured",
    "NothingToShow",
    "OutsideRoots",
    "ProviderChanged",
    "RunError",
    "RuntimeUnavailable",
    "StoreFull",
    "TeamChanged",
    "ToolFailed",
    "ToolRefused",
    "TrackingUnavailable",
    "TurnLost",
    "UnknownAgent",
    "UnknownMemory",
    "UnknownRun",
    "UnknownServer",
    "UnknownTeam",
    "UnreadableDocument",
]


class AtlasError(Exception):
    """Something ATLAS can name: `message` says what was wrong and where, `remedy` what to do."""

    code: ClassVar[str] = "atlas_error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON: `code`, `message`, `remedy` and what its class adds."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy}


class InvalidInput(AtlasError):
    """What a person or client sent cannot be used."""

    code = "invalid_input"


class InvalidField(InvalidInput):
    """A field of a request cannot be used; `field` is its path, such as `messages[0].content`."""

    code = "invalid_field"

    def __init__(self, message: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with the field's path."""
        return {**super().to_dict(), "field": self.field}


class UnknownTeam(InvalidInput):
    """No team has that name."""

    code = "unknown_team"


class UnknownRun(InvalidInput):
    """No run has that id, or it is not this user's."""

    code = "unknown_run"


class UnknownMemory(InvalidInput):
    """No memory has that id, or it is not this user's."""

    code = "unknown_memory"


class OutsideRoots(InvalidInput):
    """A path lies outside every folder that may be read."""

    code = "outside_roots"


class UnreadableDocument(InvalidInput):
    """A document is missing, empty, binary, too large or damaged.

    `foreign` says that nothing is wrong with it: files of its kind, such as pictures, are never read.
    """

    code = "unreadable_document"
    foreign: bool = False


class IndexUnavailable(AtlasError):
    """An index that is derived from the record cannot be reached, is damaged, or is not ours.

    The record answers without it; what it missed is fed to it when it is back.
    """

    code = "index_unavailable"


class TrackingUnavailable(AtlasError):
    """A server that runs are told to, such as MLflow, cannot be reached, or does not take what it is sent.

    No run waits for it; the journal keeps what it missed. `refused` says that it was this that it did not
    take, and that the same will not be taken later.
    """

    code = "tracking_unavailable"

    def __init__(self, message: str, *, remedy: str = "", refused: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.refused = refused


class InvalidConfiguration(AtlasError):
    """A file of settings, a team folder or an agent card is wrong; the message names file and key.

    `each` are the mistakes that it tells of together; none, where it is one alone.
    """

    code = "invalid_configuration"
    each: tuple[InvalidConfiguration, ...] = ()


class NotConfigured(AtlasError):
    """Something optional lacks what it needs to be used: a key, a program, a folder; nothing is broken."""

    code = "not_configured"


class MissingExtra(AtlasError):
    """An optional dependency is needed and not installed."""

    code = "missing_extra"


class IncompatibleStore(AtlasError):
    """Stored data does not fit this version of ATLAS or the embedding model in use."""

    code = "incompatible_store"


class StoreFull(AtlasError, sqlite3.OperationalError):
    """A database could not grow: the disk is full, or fails. What was stored before is there.

    It is an error of SQLite as well: whoever goes on where a database fails goes on here.
    """

    code = "store_full"


class InvalidOutput(AtlasError):
    """A model's answer does not fit the wished-for schema after every permitted repair."""

    code = "invalid_output"

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.problems = problems

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with every problem found."""
        return {**super().to_dict(), "problems": list(self.problems)}


class RunError(AtlasError):
    """A run cannot go on."""

    code = "run_error"


class LeaseLost(RunError):
    """Another process owns the run now; this one must stop touching it."""

    code = "lease_lost"


class TeamChanged(RunError):
    """The team's folder differs from the one the run began with."""

    code = "team_changed"


class ProviderChanged(RunError):
    """Another vendor would answer the run's prompts than the one it was begun with."""

    code = "provider_changed"


class NothingToShow(RunError):
    """No worker gave a usable result; `causes` are the codes of what each of them met."""

    code = "nothing_to_show"

    def __init__(self, message: str, *, causes: tuple[str, ...] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.causes = causes

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with what each worker met."""
        return {**super().to_dict(), "causes": list(self.causes)}


class BudgetSpent(AtlasError):
    """A limit of the run (seconds, calls, tokens, money) was reached."""

    code = "budget_spent"


class ToolFailed(AtlasError):
    """A tool did not give a result."""

    code = "tool_failed"


class ToolRefused(ToolFailed):
    """A tool may not be called: it was not granted, changed, or a person said no; nothing was sent.

    `limit` is that of a budget which leaves too little for it, in words; empty where there is another reason.
    """

    code = "tool_refused"

    def __init__(self, message: str, *, remedy: str = "", limit: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.limit = limit


class DownstreamFailed(ToolFailed):
    """A downstream server did not start, or went away."""

    code = "downstream_failed"


class UnknownServer(InvalidInput):
    """No downstream server has that name."""

    code = "unknown_server"


class AgentRuntimeError(AtlasError):
    """The place where agents live failed."""

    code = "agent_runtime"


class RuntimeUnavailable(AgentRuntimeError):
    """The agents' server is down, refuses us, or went away in the middle of a turn."""

    code = "runtime_unavailable"


class UnknownAgent(AgentRuntimeError):
    """The runtime knows no agent of that id."""

    code = "unknown_agent"


class TurnLost(AgentRuntimeError):
    """Whether a turn was taken cannot be known; `turn` is its id, `run` the server's own name of it."""

    code = "turn_lost"

    def __init__(self, message: str, *, turn: str = "", run: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.turn = turn
        self.run = run

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with the turn."""
        return {**super().to_dict(), "turn": self.turn, "run": self.run}
