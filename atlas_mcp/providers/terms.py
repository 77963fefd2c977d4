"""The terms of one call: what it may take, how long, and how it may go on when somebody fails.

They travel beside the prompt, from whoever asks down to the wire, so that retries, fallbacks and repairs
share one deadline, one budget and one count of attempts. A prompt says what is asked; nothing here changes
the answer that is wished for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_mcp.providers.budget import Budget, Limit

__all__ = ["EVERY_WAY", "LOADING_SECONDS", "TERMS", "Attempts", "Patience", "Policy", "Terms", "Way"]


class Way(StrEnum):
    """How an answer goes on after its model left in the middle."""

    PREFILL = "prefill"
    """The next continues the text as its own turn."""
    RETELL = "retell"
    """The next is shown the text and asked to go on; a repeated beginning is trimmed."""
    RESTART = "restart"
    """The text is retracted and the next answers anew."""


EVERY_WAY = (Way.PREFILL, Way.RETELL, Way.RESTART)


LOADING_SECONDS = 300.0
"""How long a server may take to load a model before it answers."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    `connect` for a connection, `first_token` from the request to the first sign of an answer, `idle` between
    signs of life thereafter (a comment that keeps the connection alive is one), `usage` for the usage once
    the answer is whole, `pool` for a free connection. An answer that comes in one piece gives no sign before
    all of it is said; it may take `whole`, the SDKs' own limit, or `first_token` where that is longer.
    """

    connect: float = 5.0
    first_token: float = 60.0
    idle: float = 60.0
    usage: float = 5.0
    pool: float = 10.0
    whole: float = 600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How a group treats a call; times in seconds.

    `ways` are the permitted ways to go on in mid-answer (none: fail, and the error says how far it came).
    `refusals` lets another member answer what one refused. `crawl` is the share of its usual speed below
    which a member is left in mid-answer while another is free (0: never). `hold` is how long a pause may keep
    a connection. `first_token` limits the wait for the first word, whatever signs of life come before;
    `idle` overrides the provider's patience, `total` limits a whole call, `wait` any single wait for a member
    that is cooling down. `call` is the most that one call may take.
    """

    ways: tuple[Way, ...] = EVERY_WAY
    refusals: bool = False
    crawl: float = 0.1
    hold: float = 60.0
    first_token: float | None = None
    idle: float | None = None
    total: float | None = None
    wait: float = 30.0
    attempts: int = 6
    call: Limit | None = None


@dataclass(slots=True)
class Attempts:
    """The further tries of one step: retries, fallbacks and repairs all take from here."""

    left: int = 6
    taken: int = 0

    def take(self) -> bool:
        """Take one, if there is one."""
        if self.left <= 0:
            return False
        self.left -= 1
        self.taken += 1
        return True


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one call; what is None is up to whoever answers.

    `deadline` is a reading of the event loop's clock. `streaming` is False for who wants the whole answer at
    once and nothing before; it streams all the same where it may have to be cut off. `waits` is False for who
    knows somebody else to ask, so that a group whose members all are cooling down says so at once. `budget`
    is charged for every try; `closing` is the one turn that may take what the budget holds back. `avoid` are
    members, by name, or vendors to pass over while somebody else is free.
    """

    policy: Policy | None = None
    attempts: Attempts | None = None
    budget: Budget | None = None
    deadline: float | None = None
    streaming: bool = True
    waits: bool = True
    closing: bool = False
    avoid: frozenset[str] = frozenset()

    def patience(self, own: Patience) -> Patience:
        """A provider's own patience, as far as the policy does not say otherwise.

        Where the answer comes in one piece, `first_token` is the wait for all of it.
        """
        policy = self.policy
        if policy is not None and not (policy.first_token is None and policy.idle is None):
            own = replace(
                own,
                first_token=own.first_token if policy.first_token is None else policy.first_token,
                idle=own.idle if policy.idle is None else policy.idle,
            )
        return own if self.streaming else replace(own, first_token=max(own.first_token, own.whole))


TERMS = Terms()
"""The terms of a call for which nobody set any."""
