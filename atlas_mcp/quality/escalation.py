"""What is tried after a failure, by its class: at most three attempts, then the supervisor, then a person.

```text
an error
├── nothing helps, or somebody decided so      none                       BudgetSpent, Cancelled, LeaseLost
├── a person has to change something           the person, at once        Authentication, InvalidConfiguration
├── it was too much at once                    a smaller task             ContextTooLong
├── this member cannot, will not, or is down   another member or worker   ContentRefused, InvalidOutput
└── it passes by itself                        the same again, later      RateLimited, RuntimeUnavailable
        and when that did not help             the supervisor             plans without it, or otherwise
        and when nobody else can               the person                 is asked, or told
```

There is one count. The provider layer has by then retried what may be retried with the same member, and
gone to other members where there are any; what it spent is taken off the three. So nothing here is retried at
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.errors import AtlasError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ATTEMPTS", "RECOVERIES", "Recovery", "Way", "classify"]

ATTEMPTS = 3
"""Attempts at recovery of one step, retries and fallbacks below it included."""


class Way(StrEnum):
    """What may be done about a failure."""

    RETRY = "retry"
    """The same again, after what the error says one should wait."""
    OTHER_MEMBER = "other_member"
    """The same task, answered by another member of the group."""
    SMALLER_TASK = "smaller_task"
    """The task with less material, or in two."""
    OTHER_WORKER = "other_worker"
    """The assignment given to another worker, with its own tools and its own group."""
    SUPERVISOR = "supervisor"
    """The supervisor is told, and plans otherwise or goes on without it."""
    PERSON = "person"
    """A person is asked, or told what to mend."""
    NONE = "none"
    """Nothing: the failure is the result."""


_LEVELS = (Way.SUPERVISOR, Way.PERSON)
_PERSON = (Way.PERSON,)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What may be tried, in order (`attempts`, three at most), who is told then (`levels`), and why so.

    `wait` is how many seconds to let pass before a retry, where the error says so.
    """

    attempts: tuple[Way, ...]
    levels: tuple[Way, ...]
    reason: str
    wait: float | None = None

    @property
    def ways(self) -> tuple[Way, ...]:
        """Everything in order, the last of it `none` where nobody is told."""
        return (*self.attempts, *self.levels) or (Way.NONE,)

    def next(self, done: Sequence[Way] = (), spent: int = 0) -> Way:
        """What is next, after the ways that were `done` without success; `none` when nothing is left.

        `spent` are retries, fallbacks and repairs that layers below took for the same step; a group that has
        already tried others is not asked for another member again.
        """
        # Another error may have come up meanwhile: attempts count that this one would not allow, too.
        left = ATTEMPTS - spent - sum(way not in _LEVELS for way in done)
        open_attempts = [way for way in self.attempts if way not in done] if left > 0 else []
        open_levels = [way for way in self.levels if way not in done]
        return next(iter([*open_attempts, *open_levels]), Way.NONE)


_Row = tuple[tuple[Way, ...], tuple[Way, ...], str]

_OTHERS = (Way.OTHER_MEMBER, Way.OTHER_WORKER)
_PASSING = (*_OTHERS, Way.RETRY)

_HOUSE: dict[type[AtlasError], _Row] = {
    AtlasError: ((), _LEVELS, "of an error that nobody classified nothing is known"),
    errors.InvalidInput: ((), _PERSON, "what was sent is wrong, and whoever sent it can mend it"),
    errors.InvalidField: ((), _PERSON, "a field is wrong, and whoever sent it can mend it"),
    errors.UnknownTeam: ((), _PERSON, "only a person knows which team was meant"),
    errors.UnknownRun: ((), _PERSON, "only a person knows which run was meant"),
    errors.UnknownMemory: ((), _PERSON, "only a person knows which memory was meant"),
    errors.UnknownServer: ((), _PERSON, "only a person knows which server was meant"),
    errors.OutsideRoots: ((), _PERSON, "only a person may open a folder"),
    errors.UnreadableDocument: ((), _PERSON, "no agent makes a damaged document readable"),
    errors.InvalidConfiguration: ((), _PERSON, "a file has to be mended by hand"),
    errors.NotConfigured: ((), _PERSON, "a key, a program or a folder has to be named"),
    errors.MissingExtra: ((), _PERSON, "something has to be installed"),
    errors.IncompatibleStore: ((), _PERSON, "stored data are not changed without being asked"),
    errors.StoreFull: ((), _PERSON, "only a person makes room on a disk"),
    errors.IndexUnavailable: ((), _PERSON, "the record answers without it; somebody has to look after it"),
    errors.TrackingUnavailable: ((), _PERSON, "no run waits for it, and it is told later"),
    errors.InvalidOutput: (
        (Way.OTHER_MEMBER, Way.SMALLER_TASK, Way.OTHER_WORKER),
        _LEVELS,
        "repairs were tried; another model may keep to the shape, and a smaller task is easier",
    ),
    errors.RunError: ((), _PERSON, "the run itself cannot go on"),
    errors.LeaseLost: ((), (), "another process owns the run and goes on with it"),
    errors.TeamChanged: ((), _PERSON, "only a person may go on with a changed team"),
    errors.ProviderChanged: ((), _PERSON, "only a person may go on with another vendor"),
    errors.NothingToShow: ((), _LEVELS, "every worker was tried; the plan or the material is at fault"),
    errors.BudgetSpent: ((), (), "whatever is tried costs what is no longer there"),
    errors.ToolFailed: (
        (Way.OTHER_WORKER, Way.SMALLER_TASK),
        _LEVELS,
        "the agent saw the failure and did not get round it; another has other tools",
    ),
    errors.ToolRefused: (
        (Way.OTHER_WORKER,),
        _LEVELS,
        "what may not be called may not be called by the same agent later; another has other tools",
    ),
    errors.DownstreamFailed: (
        (Way.OTHER_WORKER, Way.SMALLER_TASK),
        _LEVELS,
        "its server rests before it is started again; another worker has other servers",
    ),
    errors.AgentRuntimeError: ((Way.OTHER_WORKER,), _LEVELS, "where another worker lives may be well"),
    errors.RuntimeUnavailable: (
        (Way.OTHER_WORKER, Way.RETRY),
        _LEVELS,
        "a server that is down comes back; a worker that lives elsewhere need not wait for it",
    ),
    errors.UnknownAgent: ((Way.RETRY, Way.OTHER_WORKER), _LEVELS, "a new turn makes the agent anew"),
    errors.TurnLost: ((), _LEVELS, "the turn may have been taken; to repeat it could act and cost twice"),
}

_PROVIDERS: dict[type[AtlasError], _Row] = {
    ProviderError: (_OTHERS, _LEVELS, "of an unknown failure only this member is known to have it"),
    errors.Authentication: (_OTHERS, _PERSON, "a key has to be mended; whoever has another key can go on"),
    errors.PermissionDenied: (_OTHERS, _PERSON, "a right has to be given; whoever has it can go on"),
    errors.QuotaExceeded: (_OTHERS, _PERSON, "an account has to be filled; another one can go on"),
    errors.ModelNotFound: (_OTHERS, _PERSON, "a name has to be mended; another model can go on"),
    errors.InvalidRequest: (
        (Way.SMALLER_TASK, Way.OTHER_WORKER),
        _LEVELS,
        "the same request fails everywhere; only another request may pass",
    ),
    errors.Unsupported: (_OTHERS, _LEVELS, "another model may be able to"),
    errors.ContextTooLong: (
        (Way.SMALLER_TASK, Way.OTHER_MEMBER, Way.OTHER_WORKER),
        _LEVELS,
        "less fits; or it fits into a larger window",
    ),
    errors.ContentRefused: (
        (Way.OTHER_MEMBER,),
        _PERSON,
        "models draw the line differently, once; to try until one gives in is not ours to decide",
    ),
    errors.RateLimited: (_PASSING, _LEVELS, "its waits are used up; others are free, and it is so later"),
    errors.Overloaded: (_PASSING, _LEVELS, "it was retried; others are free, and it is so later"),
    errors.ServerFailed: (_PASSING, _LEVELS, "it was retried; others may be well"),
    errors.ConnectionFailed: (_PASSING, _LEVELS, "it was retried; others may be reached"),
    errors.ProviderTimeout: (
        (Way.OTHER_MEMBER, Way.SMALLER_TASK, Way.OTHER_WORKER),
        _LEVELS,
        "another is faster, and so is a smaller task",
    ),
    errors.PoolExhausted: ((Way.RETRY,), _LEVELS, "our own connections are all in use, and are given back"),
    errors.StreamBroken: (_OTHERS, _LEVELS, "it was retried; others may end what they say"),
    errors.Stalled: (
        (Way.OTHER_MEMBER, Way.SMALLER_TASK, Way.OTHER_WORKER),
        _LEVELS,
        "another may speak on, and a smaller task asks for less",
    ),
    errors.MalformedResponse: (_OTHERS, _LEVELS, "it was retried; others keep to the protocol"),
    errors.Unavailable: (
        (Way.OTHER_WORKER, Way.RETRY),
        _LEVELS,
        "every member was tried; a worker of another group may be served, and these are ready later",
    ),
    errors.Cancelled: ((), (), "somebody decided so"),
}

RECOVERIES: dict[type[AtlasError], _Row] = _HOUSE | _PROVIDERS
"""For each class of error: what may be tried, who is told then, and why so."""


def classify(error: AtlasError | str) -> Recovery:
    """What may be done about an error, or about the error of a code; what nobody knows is the supervisor's.

    A class without a row of its own, such as one that a plugin brings, is treated as the nearest above it.
    """
    if isinstance(error, str):
        kind = next((each for each in RECOVERIES if each.code == error), AtlasError)
        return Recovery(*RECOVERIES[kind])
    row = next(RECOVERIES[kind] for kind in _kinds(error) if kind in RECOVERIES)
    wait = error.retry_after if isinstance(error, ProviderError) else None
    return Recovery(*row, wait=wait if Way.RETRY in row[0] else None)


def _kinds(error: AtlasError) -> Iterator[type[AtlasError]]:
    return (kind for kind in type(error).__mro__ if issubclass(kind, AtlasError))
