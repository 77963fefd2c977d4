"""When a server does nothing but make noise: much that is no answer, faster than is borne, for a while."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Flood"]

FLOOD_SECONDS = 2.0
"""A shorter one is not left: its answer may be under way, and a slow machine takes long to give it."""
LINES = 10_000
BYTES = 16_000_000
LINES_A_SECOND = 1_000
BYTES_A_SECOND = 1_600_000
"""What is borne for ever: a server that is idle for days may write a log all the while."""


@dataclass(slots=True)
class Flood:
    """Counts what is no answer, since the last answer, less what is borne of it each second.

    Times are seconds of any one clock; `since` is when there was nothing to count.
    """

    since: float
    lines: int = 0
    bytes: int = 0
    _second: float = 0.0
    _lines: int = 0
    _bytes: int = 0

    def ebb(self, now: float) -> None:
        """Count anew: an answer makes up for the noise before it."""
        self.since = self._second = now
        self.lines = self.bytes = self._lines = self._bytes = 0

    def swells(self, size: int, now: float) -> bool:
        """Count a line of so many bytes; whether it is a flood by now."""
        if (passed := now - self._second) >= 1:
            self._lines, self._bytes, self._second = 0, 0, now
            self.lines = max(0, self.lines - int(passed * LINES_A_SECOND))
            self.bytes = max(0, self.bytes - int(passed * BYTES_A_SECOND))
            if not self.lines and not self.bytes:
                self.since = now
        self.lines, self._lines = self.lines + 1, self._lines + 1
        self.bytes, self._bytes = self.bytes + size, self._bytes + size
        # A burst that is over is none, though a line comes now and then after it.
        goes_on = self._lines > LINES_A_SECOND or self._bytes > BYTES_A_SECOND
        much = self.lines > LINES or self.bytes > BYTES
        return much and goes_on and now - self.since >= FLOOD_SECONDS

    def __str__(self) -> str:
        much = f"{self.lines:,} lines, {self.bytes / 1e6:.1f} MB"
        return f"it flooded its output: {much}, and no answer among them"
