"""Whose memory: who may read and write what, as a value that every call of a record takes.

A record builds its conditions from a `Scope` alone, so that no caller can reach past it.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlas_mcp.errors import InvalidInput

__all__ = ["Scope"]

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """One user, in a project if there is one, and within a team if a team asks.

    A user reads their own memories and those of the project; a team reads those that belong to no team and
    its own, while a person, who asks without one, reads those of all teams. Nobody reads another user's.

    Raises:
        InvalidInput: a name is empty or too long.
    """

    user: str
    project: str | None = None
    team: str | None = None

    def __post_init__(self) -> None:
        for what, name in (("user", self.user), ("project", self.project), ("team", self.team)):
            if name is not None and not 0 < len(name.strip()) <= LONGEST:
                raise InvalidInput(
                    f"{name[:40]!r} cannot be the name of a {what}.",
                    remedy=f"Give 1 to {LONGEST} characters.",
                )

    @property
    def own(self) -> str:
        """The owner under which this user's own memories are kept."""
        return f"user:{self.user}"

    @property
    def shared(self) -> str | None:
        """The owner under which the project's memories are kept, which all its members read."""
        return None if self.project is None else f"project:{self.project}"

    @property
    def owners(self) -> tuple[str, ...]:
        """Every owner whose memories may be read and changed here."""
        return (self.own,) if self.shared is None else (self.own, self.shared)
