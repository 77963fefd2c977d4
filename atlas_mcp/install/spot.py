"""A text that somebody wrote and that cannot be used as it is: says in which line and column."""

from __future__ import annotations

__all__ = ["Unreadable", "spot"]


class Unreadable(Exception):
    """A text is not what it should be; `says` why, `line` and `column` count from 1."""

    def __init__(self, says: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {says}")
        self.says = says
        self.line = line
        self.column = column


def spot(text: str, at: int) -> tuple[int, int]:
    """Line and column of a place in a text, both from 1."""
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
