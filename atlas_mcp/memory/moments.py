"""Moments in the one form in which they are stored and compared: ISO 8601 UTC with microseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from atlas_mcp.errors import InvalidInput

__all__ = ["days_between", "moment", "now"]


def now() -> str:
    """This moment."""
    return _written(datetime.now(UTC))


def moment(said: str, what: str = "time") -> str:
    """A date or time as people write it (`2026-03-01`, `2026-03-01T14:30+01:00`); without a zone it is UTC.

    Raises:
        InvalidInput: it is no date or time; `what` names it.
    """
    try:
        read = datetime.fromisoformat(said.strip())
        return _written((read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"The {what} {said[:40]!r} is no date.",
            remedy="Write it as 2026-03-01 or 2026-03-01T14:30+01:00.",
        ) from None


def days_between(earlier: str, later: str) -> int:
    """Whole days from one moment to another; 0 where it is not later."""
    span = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    return max(span.days, 0)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
