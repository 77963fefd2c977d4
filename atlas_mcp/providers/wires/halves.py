"""Characters that a server wrote in two halves, as the escapes of JSON may: two surrogates that are one.

Servers that cut an answer anywhere put one half at the end of an event and the other at the beginning of the
next. Alone neither is a character, and a parser of JSON refuses both. It knows no protocol.
"""

from __future__ import annotations

import re
from typing import Any

import jiter

__all__ = ["Halves"]

_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole character
    rb"|(?P<first>\\u[dD][89abAB][0-9a-fA-F]{2})(?P<last>\")?"
    rb"|(?P<second>\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\."
)
_UNKNOWN = rb"\ufffd"


class Halves:
    """Reads the events of one answer, in their order, and mends those in which half of a character stands."""

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first = b""

    def read(self, event: bytes) -> Any:
        """An event's JSON; a first half at the end of a text waits for its second, any other is unknown.

        Raises:
            ValueError: it is no JSON.
        """
        try:
            return jiter.from_json(event)
        except ValueError:
            mended = _ESCAPES.sub(self._mended, event)
            if mended == event:
                raise
        return jiter.from_json(mended)

    def _mended(self, escape: re.Match[bytes]) -> bytes:
        if escape["first"]:
            if not escape["last"]:
                return _UNKNOWN
            self._first = escape["first"]
            return escape["last"]
        if escape["second"]:
            first, self._first = self._first, b""
            return first + escape["second"] if first else _UNKNOWN
        return escape[0]
